import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { holds, line } from "./measure.ts";
import { MIXES } from "./mixes.ts";

const ROOT = join(import.meta.dirname, "../..");
const bench = (...words: readonly string[]) =>
  spawnSync(process.execPath, [join(import.meta.dirname, "main.ts"), ...words], { encoding: "utf8", timeout: 15_000 });

describe("a figure", () => {
  it("holds its bound or misses it, and has no opinion without one", () => {
    const atLeast = (value: number) => holds({ name: "", value, unit: "", bound: { kind: "at least", value: 5 } });
    const atMost = (value: number) => holds({ name: "", value, unit: "", bound: { kind: "at most", value: 5 } });
    expect([atLeast(4.9), atLeast(5), atMost(5), atMost(5.1)]).toEqual([false, true, true, false]);
    expect(holds({ name: "", value: 1, unit: "" })).toBeNull();
  });

  it("is printed with three digits that count, its part of a plain copy, and its bound", () => {
    const measure = { name: "small", value: 1234.5, unit: "messages/s", ratio: 0.0381 };
    expect(line(measure).replaceAll(/ {2,}/g, " | ")).toBe(" | small | 1,235 messages/s | 0.0381 of a plain copy");
    const missed = line({ name: "t", value: 12.34, unit: "ms", bound: { kind: "at most", value: 10 } });
    expect(missed).toMatch(/12\.3 ms {3}at most 10\.0: MISSED$/);
  });
});

describe("the mixes", () => {
  it("are the same octets each time, and small ones have 1 to 8 prefixes", () => {
    const [one, again] = [MIXES[2]!(), MIXES[2]!()];
    expect(Buffer.compare(one.stream, again.stream)).toBe(0);
    expect(one.prefixCount / one.messageCount).toBeGreaterThan(1);
    expect(one.prefixCount / one.messageCount).toBeLessThan(8);
  });
});

describe("npm run bench", () => {
  it("lists each bench on request, and docs/benchmarks.md has them all", () => {
    const { status, stdout } = bench("--help");
    expect(status).toBe(0);
    const names = [...stdout.matchAll(/^ {2}([a-z]+) {3,}/gm)].map((match) => match[1]!);
    expect(names).toEqual(["decode", "pack", "memory", "sessions", "bfd"]);
    const document = readFileSync(join(ROOT, "docs/benchmarks.md"), "utf8");
    for (const name of names) expect(document).toContain(`| \`${name}\``);
  });

  it("refuses names and options that it does not know, before anything is measured", () => {
    for (const words of [["decode", "dance"], ["--fast"]]) {
      const { status, stdout, stderr } = bench(...words);
      expect([status, stdout]).toEqual([2, ""]);
      expect(stderr).toContain("usage: npm run -s bench");
    }
    expect(existsSync(join(ROOT, "--fast"))).toBe(false);
  });
});
