/**
 * BGP messages written by hand, so that the test does not trust the codec it tests (RFC 4271 §4; RFC 5492; RFC 6793).
 */
const MARKER = Array<number>(16).fill(0xff);

export const TYPE = { open: 1, update: 2, notification: 3, keepalive: 4, routeRefresh: 5 } as const;
export type MessageName = keyof typeof TYPE;

export function message(type: number, body: readonly number[] | Uint8Array = []): Uint8Array {
  const length = 19 + body.length;
  return Uint8Array.from([...MARKER, length >> 8, length & 0xff, type, ...body]);
}

const u16 = (value: number): number[] => [value >> 8, value & 0xff];

/** OPEN of AS 65000 with both families, route refresh and four-octet AS. */
export function open(routerId: readonly number[], holdTimeSeconds: number): Uint8Array {
  const capabilities = [...[1, 4, 0, 1, 0, 1], ...[1, 4, 0, 2, 0, 1], ...[2, 0], ...[65, 4, 0, 0, ...u16(65_000)]];
  const parameters = [2, capabilities.length, ...capabilities];
  return message(TYPE.open, [
    4,
    ...u16(65_000),
    ...u16(holdTimeSeconds),
    ...routerId,
    parameters.length,
    ...parameters,
  ]);
}

/** A well-formed UPDATE with most kinds of attributes, both families, and a prefix of its own. */
function update(seed: number): Uint8Array {
  const attributes = [
    ...[0x40, 1, 1, 0],
    ...[0x40, 2, 6, 2, 1, 0, 0, ...u16(65_000)],
    ...[0x40, 3, 4, 10, 1, 0, 1],
    ...[0x80, 4, 4, 0, 0, 0, 5],
    ...[0xc0, 8, 4, ...u16(65_000), ...u16(1)],
    ...[0xc0, 32, 12, 0, 0, 0xfd, 0xe8, 0, 0, 0, 1, 0, 0, 0, 2],
    ...[0xc0, 99, 3, 1, 2, 3],
    ...[
      0x80,
      14,
      38,
      0,
      2,
      1,
      16,
      0x20,
      1,
      0x0d,
      0xb8,
      ...Array<number>(11).fill(0),
      1,
      0,
      128,
      0x20,
      1,
      0x0d,
      0xb8,
      ...Array<number>(11).fill(0),
      9,
    ],
  ];
  return message(TYPE.update, [
    ...u16(5),
    ...[32, 192, 0, 2, seed & 0xff],
    ...u16(attributes.length),
    ...attributes,
    ...[32, 198, 51, 100, seed & 0xff],
  ]);
}

export const wellFormed: Readonly<Record<MessageName, (seed: number) => Uint8Array>> = {
  open: (seed) => open([10, 1, seed >> 8, seed & 0xff || 1], 90),
  update,
  notification: () => message(TYPE.notification, [6, 2, 3, 0x62, 0x79, 0x65]),
  keepalive: () => message(TYPE.keepalive),
  routeRefresh: () => message(TYPE.routeRefresh, [0, 1, 0, 1]),
};

/** Small, fast, and the same sequence for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Mutation {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** NOTIFICATION code and subcode that RFC 4271 §6.1 demands; null where only RFC 7606's rules decide. */
  readonly expected: readonly [number, number] | null;
}

/** One damaged copy of a message: header faults with their exact answer, or damage to the body. */
export function mutate(original: Uint8Array, type: MessageName, chance: () => number): Mutation {
  const bytes = original.slice();
  const pick = (limit: number): number => Math.floor(chance() * limit);
  const setLength = (length: number): void => {
    bytes[16] = length >> 8;
    bytes[17] = length & 0xff;
  };
  switch (pick(8)) {
    case 0:
      bytes[pick(16)] = pick(255);
      return { name: "marker", bytes, expected: [1, 1] };
    case 1:
      setLength(pick(19));
      return { name: "length below 19", bytes, expected: [1, 2] };
    case 2:
      // The daemon offers extended messages, so that only these two must stay as short (RFC 8654 §4).
      if (type === "open" || type === "keepalive") {
        setLength(4_097 + pick(60_000));
        return { name: "length above 4096", bytes, expected: [1, 2] };
      }
      return { name: "length above 4096", bytes: extended(bytes, 4_097 + pick(4_000)), expected: null };
    case 3:
      bytes[18] = 6 + pick(250);
      return { name: "type", bytes, expected: [1, 3] };
    case 4: {
      // Cut off and closed up again: the length is right, the end is missing.
      const cut = bytes.slice(0, 19 + pick(bytes.length - 18));
      cut[16] = cut.length >> 8;
      cut[17] = cut.length & 0xff;
      return { name: `cut to ${cut.length}`, bytes: cut, expected: null };
    }
    case 5: {
      const longer = message(TYPE[type], [
        ...bytes.subarray(19),
        ...Array.from({ length: 1 + pick(40) }, () => pick(256)),
      ]);
      return { name: `grown to ${longer.length}`, bytes: longer, expected: type === "keepalive" ? [1, 2] : null };
    }
    default: {
      if (bytes.length === 19) return { name: "untouched", bytes, expected: null };
      const count = 1 + pick(4);
      for (let i = 0; i < count; i++) bytes[19 + pick(bytes.length - 19)] = pick(256);
      return { name: `${count} octets of the body`, bytes, expected: null };
    }
  }
}

/** Filled up to `length` octets with zeros, and said to be so long. */
function extended(bytes: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const longer = new Uint8Array(length);
  longer.set(bytes);
  longer[16] = length >> 8;
  longer[17] = length & 0xff;
  return longer;
}
