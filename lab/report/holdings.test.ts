import { describe, expect, it } from "vitest";
import { changesOfHands, type HoldingSample, holdingsOf, longestOverlapMillis, overlapMillis } from "./holdings.ts";

const change = (host: string, at: number, holds: boolean): HoldingSample => ({ host, at, previousAt: at - 15, holds });

describe("who held the address", () => {
  it("a holding reaches from its first to its last sample", () => {
    const samples = [change("n1", 100, true), change("n1", 200, false)];
    expect(holdingsOf(samples, () => 1000)).toEqual([{ host: "n1", from: 100, to: 185 }]);
  });

  it("one that is still held ends when sampling does, one on a dead node with its power", () => {
    const samples = [change("n1", 100, true), change("n2", 500, true)];
    expect(holdingsOf(samples, (host) => (host === "n1" ? 300 : 1000))).toEqual([
      { host: "n1", from: 100, to: 300 },
      { host: "n2", from: 500, to: 1000 },
    ]);
  });

  it("two that hold it at once are found, however short it is", () => {
    const samples = [change("n1", 100, true), change("n2", 180, true), change("n1", 200, false)];
    expect(overlapMillis(holdingsOf(samples, () => 1000))).toBe(5);
  });

  it("a hand-over between two samples is no overlap", () => {
    const samples = [change("n1", 100, true), change("n1", 200, false), change("n2", 199, true)];
    expect(overlapMillis(holdingsOf(samples, () => 1000))).toBe(0);
  });

  it("a host that holds it twice does not overlap with itself", () => {
    const samples = [change("n1", 100, true), change("n1", 200, false), change("n1", 300, true)];
    expect(overlapMillis(holdingsOf(samples, () => 1000))).toBe(0);
  });

  it("of several overlaps the longest counts where a bound is for each", () => {
    const samples = [change("n1", 100, true), change("n2", 150, true), change("n1", 200, false)];
    samples.push(change("n1", 300, true), change("n1", 500, false));
    expect(longestOverlapMillis(holdingsOf(samples, () => 1000))).toBe(185);
    expect(longestOverlapMillis([])).toBe(0);
  });

  it("claims in turn are changes of hands, claims in a row are not", () => {
    expect(changesOfHands(["n1", "n1", "n2", "n2"])).toBe(1);
    expect(changesOfHands(["n1", "n2", "n1", "n2"])).toBe(3);
    expect(changesOfHands([])).toBe(0);
  });
});
