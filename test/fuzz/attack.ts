import { Mutator } from "./mutate.ts";
import { type FuzzTarget, Random } from "./target.ts";

/** An input that a decoder does not take well. */
export interface Finding {
  readonly target: string;
  readonly seed: number;
  readonly index: number;
  readonly hex: string;
  readonly what: string;
}

/** Of so many inputs, one is also held against the target's law. */
const LAW_EVERY = 64;
/** No input may take longer. Far above what any takes, since another program may have the processor meanwhile. */
const INPUT_MILLIS_MAX = 250;
/** How often an input that was slow is tried again; it is the fastest that counts. */
const RETRIES = 5;

/** One decoder, and the inputs of one seed. */
export class Attack {
  readonly #target: FuzzTarget;
  readonly #mutator: Mutator;
  readonly #seed: number;
  readonly #current: Int32Array;

  /** @param current  its one number tells another thread which input is being tried: the one that hangs, if one does */
  constructor(target: FuzzTarget, seed: number, current: Int32Array = new Int32Array(1)) {
    this.#current = current;
    this.#target = target;
    this.#mutator = new Mutator(target);
    this.#seed = seed;
  }

  /** Inputs that are not left to chance. */
  get systematicCount(): number {
    return this.#mutator.systematic.length;
  }

  /** The input of this number. */
  input(index: number): Uint8Array {
    return this.#mutator.at(index, new Random(this.#seed, index));
  }

  /** Inputs number `from` up to `to` - 1; the first finding ends it. */
  run(from: number, to: number): Finding | null {
    const { decode, law } = this.#target;
    for (let index = from; index < to; index++) {
      const input = this.input(index);
      this.#current[0] = index;
      const started = performance.now();
      try {
        decode(input);
      } catch (error) {
        return this.finding(index, error);
      }
      if (performance.now() - started > INPUT_MILLIS_MAX && this.#isSlow(input)) {
        return this.finding(index, `takes more than ${INPUT_MILLIS_MAX} ms`);
      }
      if (law === undefined || (index % LAW_EVERY !== 0 && index >= this.systematicCount)) continue;
      try {
        law(input);
      } catch (error) {
        return this.finding(index, error);
      }
    }
    return null;
  }

  /** Once more, with a stack this time. */
  #stackOf(index: number, cause: Error): string {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 10;
    try {
      this.#target.decode(this.input(index));
      this.#target.law?.(this.input(index));
    } catch (error) {
      if (error instanceof Error) return error.stack ?? error.message;
    } finally {
      Error.stackTraceLimit = limit;
    }
    return `${cause.name}: ${cause.message}, and not when it was tried again`;
  }

  #isSlow(input: Uint8Array): boolean {
    for (let attempt = 0; attempt < RETRIES; attempt++) {
      const started = performance.now();
      this.#target.decode(input);
      if (performance.now() - started <= INPUT_MILLIS_MAX) return false;
    }
    return true;
  }

  /** The input is made anew: the decoder may have written to the one that it got. */
  finding(index: number, cause: unknown): Finding {
    const what = cause instanceof Error ? this.#stackOf(index, cause) : String(cause);
    const hex = Buffer.from(this.input(index)).toString("hex");
    return { target: this.#target.name, seed: this.#seed, index, hex, what };
  }
}
