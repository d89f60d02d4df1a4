import { describe, expect, it } from "vitest";
import { Attack } from "./attack.ts";
import { CASES } from "./cases.ts";
import { Mutator } from "./mutate.ts";
import { type FuzzTarget, Random } from "./target.ts";
import { TARGETS } from "./targets.ts";

const SEED = 1;
const BY_CHANCE = 2_000;

const inputsOf = (target: FuzzTarget, count: number): string[] => {
  const mutator = new Mutator(target);
  return Array.from({ length: count }, (_, index) =>
    Buffer.from(mutator.at(index, new Random(SEED, index))).toString("hex"),
  );
};

describe("a decoder under attack", () => {
  it.each(TARGETS)("gives a value or a typed fault: $name (ROB-01, ROB-02)", (target) => {
    const attack = new Attack(target, SEED);
    expect(attack.run(0, attack.systematicCount + BY_CHANCE)).toBeNull();
  });

  it.each(CASES)("takes $name", ({ target: name, hex }) => {
    const target = TARGETS.find((one) => one.name === name)!;
    const input = Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
    target.decode(input);
    target.law?.(input);
  });

  it("has a name of its own, and good inputs to begin with", () => {
    expect(new Set(TARGETS.map(({ name }) => name)).size).toBe(TARGETS.length);
    for (const { name, seeds } of TARGETS) expect(seeds.length, name).toBeGreaterThan(0);
  });
});

describe("the attack", () => {
  const octets = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]);
  const fragile = (breaks: (input: Uint8Array) => boolean): FuzzTarget => ({
    name: "fragile",
    seeds: [octets],
    decode(input) {
      if (breaks(input)) throw new RangeError("over the end");
    },
  });

  it("finds what breaks, and finds it again by seed and number", () => {
    const target = fragile((input) => input.length > 2 && input[2] === 0xff);
    const finding = new Attack(target, SEED).run(0, 10_000)!;
    expect(finding.what).toContain("over the end");
    expect(new Attack(target, SEED).run(finding.index, finding.index + 1)).toMatchObject({ hex: finding.hex });
  });

  it("cuts at every octet, flips every bit and bends every length before it leaves anything to chance", () => {
    const tried: string[] = new Mutator(fragile(() => false)).systematic.map((input) =>
      Buffer.from(input).toString("hex"),
    );
    const whole = Buffer.from(octets).toString("hex");
    for (let length = 0; length <= octets.length; length++) expect(tried).toContain(whole.slice(0, length * 2));
    for (let bit = 0; bit < 64; bit++) {
      const flipped = Buffer.from(octets);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(tried).toContain(flipped.toString("hex"));
    }
  });

  it("makes the same inputs of the same seed", () => {
    const [target] = TARGETS.filter(({ name }) => name === "update");
    expect(inputsOf(target!, 500)).toEqual(inputsOf(target!, 500));
  });

  it("doubles, removes, moves and empties attributes with all lengths right", () => {
    const target = TARGETS.find(({ name }) => name === "update")!;
    const answers = new Mutator(target).systematic.map((input) => target.decode(input));
    const kinds = answers.map((answer) =>
      JSON.stringify(answer, (_key, value: unknown) => (typeof value === "bigint" ? `${value}` : value)),
    );
    for (const words of ["again", "update.missing-well-known", "update.attribute-length", "update.bad-network-field"]) {
      expect(
        kinds.some((text) => text?.includes(words)),
        words,
      ).toBe(true);
    }
  });

  it("calls an input slow only when it is so each time", () => {
    let calls = 0;
    const target: FuzzTarget = {
      name: "stalls once",
      seeds: [Uint8Array.of(1)],
      decode() {
        calls++;
        const until = performance.now() + (calls === 1 ? 300 : 0);
        while (performance.now() < until);
      },
    };
    expect(new Attack(target, SEED).run(0, 10)).toBeNull();
    expect(calls).toBeGreaterThan(10);
  });
});
