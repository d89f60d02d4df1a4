import { describe, expect, it } from "vitest";
import { expectationLine, judge } from "./result.ts";

describe("judging", () => {
  it("a bound is met at its very value and not beyond", () => {
    expect(judge("gap", 4000, "ms", { atMost: 4000 }).ok).toBe(true);
    expect(judge("gap", 4000.1, "ms", { atMost: 4000 }).ok).toBe(false);
    expect(judge("share", 1, "", { atLeast: 1 }).ok).toBe(true);
    expect(judge("share", 0, "", { atLeast: 1 }).ok).toBe(false);
  });

  it("what was never measured meets no bound", () => {
    expect(judge("gap", null, "ms", { atMost: 4000 }).ok).toBe(false);
    expect(judge("table", null, "", { equals: "" }).ok).toBe(false);
  });

  it("a text is compared as a whole, and an empty one can be what is wanted", () => {
    expect(judge("table", "n1 n2", "", { equals: "n1 n2" }).ok).toBe(true);
    expect(judge("table", "n1", "", { equals: "n1 n2" }).ok).toBe(false);
    expect(judge("table", "", "", { equals: "" })).toMatchObject({ ok: true, bound: "= nothing" });
  });

  it("a line shows the value, its unit and the bound, and no bound that only repeats the value", () => {
    expect(expectationLine(judge("gap", 12.34, "ms", { atMost: 4000 }))).toBe("  ok    gap: 12.3 ms (<= 4000)");
    expect(expectationLine(judge("table", "n1", "", { equals: "n1" }))).toBe("  ok    table: n1");
    expect(expectationLine(judge("table", "n1", "", { equals: "" }))).toBe("  FAIL  table: n1 (= nothing)");
    expect(expectationLine(judge("gap", null, "ms", { atMost: 1 }))).toBe("  FAIL  gap: never ms (<= 1)");
  });
});
