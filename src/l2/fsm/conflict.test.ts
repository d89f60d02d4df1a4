import { describe, expect, it } from "vitest";
import { macFromBytes } from "../../addr/mac.ts";
import { Instant } from "../../base/time.ts";
import { claimed, type Conflict } from "./conflict.ts";

const [ONE, OTHER] = [2, 3].map((it) => macFromBytes(Uint8Array.of(2, 0, 0, 0, 0, it))) as [never, never];

/** Claims by `mac` at these times: when it was defended, and when reported. */
function hear(times: readonly number[], mac = ONE, before: Conflict | null = null) {
  const [defended, reported]: [number[], number[]] = [[], []];
  let conflict = before;
  for (const at of times) {
    const result = claimed(conflict, mac, Instant.of(at));
    conflict = result.conflict;
    if (result.defend) defended.push(at);
    if (result.report) reported.push(at);
  }
  return { defended, reported, conflict: conflict! };
}

describe("a conflict over a VIP", () => {
  it("is defended at once, and then at most once in ten seconds (ARP-5227-2.4-01, ND-4861-7.2.5-01)", () => {
    expect(hear([0, 1, 5_000, 9_999, 10_000, 10_001, 25_000]).defended).toEqual([0, 10_000, 25_000]);
  });

  it("counts every claim and remembers who made the last", () => {
    const { conflict } = hear([0, 1, 2]);
    expect(hear([70], OTHER, conflict).conflict).toMatchObject({ count: 4, mac: OTHER, at: 70 });
  });

  it("is reported once a minute, and at once when another party claims", () => {
    const { reported, conflict } = hear([0, 30_000, 59_999, 60_000, 61_000]);
    expect(reported).toEqual([0, 60_000]);
    expect(hear([61_001], OTHER, conflict).reported).toEqual([61_001]);
  });
});
