import { describe, expect, it } from "vitest";
import { BUGS } from "./bugs.ts";
import { MODES } from "./modes.ts";
import { simulate } from "./simulation.ts";

/** A sample of `npm run sim`, which plays many more. */
describe("the simulation", () => {
  it.each(MODES)("finds nothing in a few seeds of mode $name", { timeout: 60_000 }, async (mode) => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const { violation } = await simulate({ seed, mode });
      expect(`seed ${seed}: ${violation ?? "nothing"}`).toBe(`seed ${seed}: nothing`);
    }
  });

  it("plays a seed again as it was, and another one differently", { timeout: 60_000 }, async () => {
    const [first, again, other] = [
      await simulate({ seed: 7 }),
      await simulate({ seed: 7 }),
      await simulate({ seed: 8 }),
    ];
    expect(again).toEqual(first);
    expect(other.hash).not.toBe(first.hash);
  });

  it.each(BUGS)("finds within 200 seeds: $name", { timeout: 120_000 }, async (bug) => {
    for (let seed = 1; seed <= 200; seed++) if ((await simulate({ seed, bug })).violation !== null) return;
    expect.unreachable("not found");
  });
});
