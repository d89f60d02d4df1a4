import type { Element, FuzzTarget, LengthField, Outline, Random } from "./target.ts";

/** Everything that can be made of a target's seeds, by number: the systematic ones first, then chance. */
export class Mutator {
  /** Each seed as it is, cut at every octet, with each length off, each flag flipped, each element out of place. */
  readonly systematic: readonly Uint8Array[];
  readonly #seeds: readonly { readonly bytes: Uint8Array; readonly outline: Outline }[];
  readonly #target: FuzzTarget;

  constructor(target: FuzzTarget) {
    this.#target = target;
    this.#seeds = target.seeds.map((bytes) => ({ bytes, outline: (target.outline ?? everyOctet)(bytes) }));
    this.systematic = this.#seeds
      .flatMap(({ bytes, outline }) => [...systematicOf(bytes, outline)])
      .flatMap((input) => {
        const repaired = input.slice();
        target.repair?.(repaired);
        return target.repair === undefined ? [input] : [input, repaired];
      });
  }

  /** The input of this number; `random` is its own. */
  at(index: number, random: Random): Uint8Array {
    return this.systematic[index] ?? this.#byChance(random);
  }

  #byChance(random: Random): Uint8Array {
    const { bytes, outline } = this.#seeds[random.below(this.#seeds.length)]!;
    let input = structural(bytes, outline, random);
    for (let more = random.below(3); more > 0; more--) input = blind(input, random);
    // One in eight stays with a header that lies.
    if (random.below(8) !== 0) this.#target.repair?.(input);
    return input;
  }
}

const everyOctet = (seed: Uint8Array): Outline => ({
  lengths: Array.from(seed, (_, at) => ({ at, width: 1 })),
  flags: Array.from(seed, (_, at) => at),
  elements: [],
});

function* systematicOf(seed: Uint8Array, { lengths, flags, elements }: Outline): Generator<Uint8Array> {
  yield seed;
  for (let length = 0; length < seed.length; length++) yield seed.slice(0, length);
  for (const field of lengths) {
    const value = lengthAt(seed, field);
    for (const other of [value + 1, value - 1, 0, 0xffff]) yield withLength(seed, field, other);
  }
  for (const at of flags) {
    for (let bit = 0; bit < 8; bit++) {
      const input = seed.slice();
      input[at]! ^= 1 << bit;
      yield input;
    }
  }
  for (const element of elements) {
    yield doubled(seed, element);
    yield removed(seed, element);
    yield emptied(seed, element);
    for (const other of elements) if (other !== element) yield moved(seed, element, other);
  }
}

/** One change that knows the structure. */
function structural(seed: Uint8Array, outline: Outline, random: Random): Uint8Array {
  const { lengths, flags, elements } = outline;
  const element = elements.length === 0 ? undefined : elements[random.below(elements.length)]!;
  switch (random.below(element === undefined ? 5 : 10)) {
    case 0:
      return seed.slice(0, random.below(seed.length + 1));
    case 1:
    case 2: {
      const field = lengths[random.below(Math.max(1, lengths.length))];
      return field === undefined ? seed.slice() : withLength(seed, field, otherLength(lengthAt(seed, field), random));
    }
    case 3: {
      const input = seed.slice();
      const at = flags[random.below(Math.max(1, flags.length))];
      if (at !== undefined) input[at]! ^= 1 << random.below(8);
      return input;
    }
    case 5:
      return doubled(seed, element!);
    case 6:
      return removed(seed, element!);
    case 7:
      return emptied(seed, element!);
    case 8:
      return moved(seed, element!, elements[random.below(elements.length)]!);
    case 9:
      return resized(seed, element!, random);
    default:
      return seed.slice();
  }
}

/** One change that does not. May change `input` in place. */
function blind(input: Uint8Array, random: Random): Uint8Array {
  if (input.length === 0) return Uint8Array.of(random.below(256));
  const at = random.below(input.length);
  switch (random.below(7)) {
    case 0:
      input[at] = random.below(256);
      return input;
    case 1:
      input[at]! ^= 1 << random.below(8);
      return input;
    case 2:
      input[at] = INTERESTING[random.below(INTERESTING.length)]!;
      return input;
    case 3:
      input[at]! += random.below(2) === 0 ? 1 : -1;
      return input;
    case 4: // some octets repeated
      return splice(input, at, at, input.subarray(at, at + 1 + random.below(24)));
    case 5: // some octets gone
      return splice(input, at, Math.min(input.length, at + 1 + random.below(8)), NOTHING);
    default:
      return input.slice(0, at);
  }
}

const INTERESTING = [0, 1, 2, 3, 4, 8, 15, 16, 31, 32, 33, 64, 127, 128, 129, 200, 254, 255];
const NOTHING = new Uint8Array(0);

function otherLength(value: number, random: Random): number {
  switch (random.below(6)) {
    case 0:
      return value + 1;
    case 1:
      return value - 1;
    case 2:
      return 0;
    case 3:
      return 0xffff;
    case 4:
      return value + random.below(16);
    default:
      return random.below(256);
  }
}

const lengthAt = (input: Uint8Array, { at, width }: LengthField): number =>
  width === 1 ? input[at]! : (input[at]! << 8) | input[at + 1]!;

function setLength(input: Uint8Array, { at, width }: LengthField, value: number): void {
  if (width === 2) input[at] = value >> 8;
  input[at + width - 1] = value;
}

function withLength(seed: Uint8Array, field: LengthField, value: number): Uint8Array {
  const input = seed.slice();
  setLength(input, field, value);
  return input;
}

function splice(input: Uint8Array, from: number, to: number, by: Uint8Array): Uint8Array {
  const output = new Uint8Array(input.length - (to - from) + by.length);
  output.set(input.subarray(0, from));
  output.set(by, from);
  output.set(input.subarray(to), from + by.length);
  return output;
}

/** The lengths that count the element follow its change; they stand in front of it. */
function grown(input: Uint8Array, seed: Uint8Array, { enclosing }: Element): Uint8Array {
  for (const field of enclosing) setLength(input, field, lengthAt(seed, field) + input.length - seed.length);
  return input;
}

const doubled = (seed: Uint8Array, one: Element): Uint8Array =>
  grown(splice(seed, one.to, one.to, seed.subarray(one.from, one.to)), seed, one);

const removed = (seed: Uint8Array, one: Element): Uint8Array =>
  grown(splice(seed, one.from, one.to, NOTHING), seed, one);

function emptied(seed: Uint8Array, one: Element): Uint8Array {
  const input = grown(splice(seed, one.valueFrom, one.to, NOTHING), seed, one);
  if (one.own !== null) setLength(input, one.own, 0);
  return input;
}

/** The value shorter or longer, with lengths that say so. */
function resized(seed: Uint8Array, one: Element, random: Random): Uint8Array {
  const length = one.to - one.valueFrom;
  const wanted = random.below(2) === 0 ? random.below(length + 1) : length + 1 + random.below(8);
  const value = new Uint8Array(wanted);
  value.set(seed.subarray(one.valueFrom, one.valueFrom + Math.min(wanted, length)));
  const input = grown(splice(seed, one.valueFrom, one.to, value), seed, one);
  if (one.own !== null) setLength(input, one.own, wanted);
  return input;
}

/** In front of the other, which is counted by the same lengths. */
function moved(seed: Uint8Array, one: Element, other: Element): Uint8Array {
  if (one === other || one.enclosing[0]?.at !== other.enclosing[0]?.at) return seed.slice();
  const part = seed.slice(one.from, one.to);
  const without = splice(seed, one.from, one.to, NOTHING);
  const at = other.from > one.from ? other.from - part.length : other.from;
  return splice(without, at, at, part);
}
