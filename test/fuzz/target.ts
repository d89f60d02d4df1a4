/** A field that says how long, or how many, something is. */
export interface LengthField {
  readonly at: number;
  readonly width: 1 | 2;
}

/** A part of an input that can be doubled, removed, moved or emptied as a whole: an attribute, a parameter, an option. */
export interface Element {
  readonly from: number;
  readonly to: number;
  /** Its own length field; null when it has none that can be set to 0. */
  readonly own: LengthField | null;
  /** Where its value begins. */
  readonly valueFrom: number;
  /** Length fields that count it, too, and are kept right when it changes. */
  readonly enclosing: readonly LengthField[];
}

/** Where the structure of a good input is. */
export interface Outline {
  readonly lengths: readonly LengthField[];
  /** Octets of which each bit means something. */
  readonly flags: readonly number[];
  readonly elements: readonly Element[];
}

/** One decoder under attack. */
export interface FuzzTarget {
  readonly name: string;
  /** Good inputs, of every form that the decoder knows. */
  readonly seeds: readonly Uint8Array[];
  /** Without it, every octet counts as a length and as flags. */
  readonly outline?: (seed: Uint8Array) => Outline;
  /** Puts right, in place, what would hide all that is behind it: a length or a checksum in a header. */
  readonly repair?: (input: Uint8Array) => void;
  /** Whatever it throws is a finding. */
  readonly decode: (input: Uint8Array) => unknown;
  /** What costs more to check, of some of the inputs: it throws, too. */
  readonly law?: (input: Uint8Array) => void;
}

/** Small, fast, and the same sequence for the same seed (xorshift32). */
export class Random {
  #state: number;
  constructor(seed: number, index: number) {
    // Neighbouring indexes must not give neighbouring sequences.
    let mixed = (Math.imul(seed ^ 0x9e37_79b9, 0x85eb_ca6b) ^ Math.imul(index + 1, 0xc2b2_ae35)) | 0;
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b_3c6d);
    this.#state = (mixed ^ (mixed >>> 13)) | 1;
  }
  /** An integer from 0 up to `count` - 1. */
  below(count: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return (state >>> 0) % count;
  }
}
