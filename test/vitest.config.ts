import { defineConfig } from "vitest/config";

export default defineConfig({
  root: new URL("..", import.meta.url).pathname,
  test: {
    include: ["src/**/*.test.ts", "lab/**/*.test.ts", "test/**/*.test.ts"],
    // koffi and process.* behave as in the product only in a process of their own.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 20_000,
    reporters: ["default"],
  },
});
