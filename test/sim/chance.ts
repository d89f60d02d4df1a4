import type { Entropy } from "../../src/ports/clock.ts";
import { seeded } from "../support/virtual-time.ts";

/** Everything that is left to chance, from one seed. */
export class Chance implements Entropy {
  readonly #entropy: Entropy;
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
    this.#entropy = seeded(seed);
  }

  fraction(): number {
    return this.#entropy.fraction();
  }

  is(probability: number): boolean {
    return this.fraction() < probability;
  }

  between(least: number, most: number): number {
    return least + (most - least) * this.fraction();
  }

  /** A whole number, both ends included. */
  count(least: number, most: number): number {
    return least + Math.floor(this.fraction() * (most - least + 1));
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.fraction() * from.length)]!;
  }

  /** Numbers of their own for one part, so that a draw more in another changes nothing here. */
  fork(name: string): Chance {
    let hash = this.#seed ^ 0x9e37_79b9;
    for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x0100_0193);
    return new Chance(hash >>> 0);
  }
}
