import { describe, expect, it } from "vitest";
import { FEATURES } from "./features/all.ts";
import { FEATURE_NAMES } from "./features/names.ts";
import type { Cell } from "./matrix.ts";
import { interopPage } from "./report.ts";
import { ROUTER_NAMES } from "./router.ts";
import { bird } from "./routers/bird.ts";
import { ROUTERS } from "./routers/all.ts";

const MD5 = FEATURES.filter(({ name }) => name === "md5");

/** The row of the page for MD5 with BIRD, and the notes below it. */
function page(...outcomes: readonly Pick<Cell, "outcome" | "reason">[]): {
  readonly row: string;
  readonly notes: string;
} {
  const cells = outcomes.map((one, at): Cell => ({
    router: "bird",
    feature: "md5",
    transport: at === 0 ? "IPv4" : "IPv6",
    millis: 1,
    ...one,
  }));
  const text = interopPage([{ kind: bird, version: "2.0" }], MD5, cells);
  const lines = text.split("\n");
  return {
    row: lines.find((line) => line.startsWith("| TCP MD5"))!.replaceAll(/ +/g, " "),
    notes: lines.filter((line) => /^\d+\. /.test(line)).join("\n"),
  };
}

describe("docs/interop.md", () => {
  it("has a row for every feature and a column for every router", () => {
    expect(FEATURES.map(({ name }) => name)).toEqual([...FEATURE_NAMES]);
    expect(ROUTERS.map(({ name }) => name)).toEqual([...ROUTER_NAMES]);
  });

  it("a pass over both transports is one word", () => {
    const pass = { outcome: "pass", reason: "" } as const;
    expect(page(pass, pass)).toEqual({ row: "| TCP MD5 (RFC 2385) | pass |", notes: "" });
  });

  it("a failure over one transport is told beside the pass over the other", () => {
    const { row } = page({ outcome: "pass", reason: "" }, { outcome: "fail", reason: "not within 15 s" });
    expect(row).toBe("| TCP MD5 (RFC 2385) | IPv4: pass, IPv6: **FAIL** |");
  });

  it("what a router lacks, or has but in part, is a numbered note, once", () => {
    const lack = { outcome: "not there", reason: "it has none" } as const;
    expect(page(lack, lack)).toEqual({ row: "| TCP MD5 (RFC 2385) | not there [1] |", notes: "1. BIRD: it has none" });
    const partly = { outcome: "pass", reason: "only half of it" } as const;
    expect(page(partly, partly)).toEqual({
      row: "| TCP MD5 (RFC 2385) | pass [1] |",
      notes: "1. BIRD: only half of it",
    });
  });

  it("every reason that a router gives is about a feature that there is", () => {
    for (const { lacks, partly = {} } of ROUTERS) {
      for (const name of [...Object.keys(lacks), ...Object.keys(partly)]) expect(FEATURE_NAMES).toContain(name);
    }
  });
});
