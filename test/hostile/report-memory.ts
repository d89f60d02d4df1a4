/**
 * Loaded into the daemon by the test: on SIGUSR2 it collects garbage and writes down what is left. What is merely not
 * collected yet would otherwise look like growth.
 */
import { writeFileSync } from "node:fs";

process.on("SIGUSR2", () => {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  writeFileSync(process.env["MEMORY_REPORT"]!, JSON.stringify({ retainedBytes: heapUsed + external }));
});
