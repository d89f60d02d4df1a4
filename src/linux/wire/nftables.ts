import { encodeMessage, FLAG, textAttribute, writeAttribute } from "./message.ts";
import { NativeWriter } from "./native-bytes.ts";

/**
 * Changes to nftables as netlink messages (linux/netfilter/nfnetlink.h, nf_tables.h). A batch is carried out as a whole
 * or not at all. Unlike in rtnetlink, numbers in attributes are in network byte order.
 */
export type NftFamily = "inet" | "ip" | "ip6";

/** Where a base chain stands; smaller priorities come first. */
export interface NftHook {
  readonly type: "filter" | "nat";
  readonly hook: "prerouting" | "input" | "forward" | "output" | "postrouting";
  readonly priority: number;
}

/** One field of a set's key, in the order in which rules load them; each begins at a multiple of four octets. */
export type NftField = "ipv4_addr" | "ipv6_addr" | "inet_proto" | "inet_service";

export interface NftSet {
  readonly name: string;
  readonly key: readonly NftField[];
  /** Elements are boxes: a range in each of at least two fields (nftables' `pipapo`). */
  readonly interval: boolean;
}

export interface NftElement {
  /** One value for each field of the key, in network order. */
  readonly from: readonly Uint8Array[];
  /** Of a range, the last values that belong to it; absent: `from` alone. */
  readonly to?: readonly Uint8Array[];
}

/** A map without a name from numbers, 0 and on, to a place each; rules of the same batch find it by its number. */
export interface NftPlaceMap {
  /** Of this map alone in its batch, from 2 on. */
  readonly id: number;
  readonly address: "ipv4_addr" | "ipv6_addr";
  /** Address and port, in network order. */
  readonly places: readonly (readonly [address: Uint8Array, port: Uint8Array])[];
}

/** What such a map is called until the kernel gives it a number of its own. */
export const NAMELESS_MAP = "__map%d";

export type NftChange =
  | { readonly do: "add-table"; readonly table: string }
  | { readonly do: "delete-table"; readonly table: string }
  | { readonly do: "add-chain"; readonly table: string; readonly chain: string; readonly hook?: NftHook }
  | {
      readonly do: "add-rule";
      readonly table: string;
      readonly chain: string;
      /** From `nftables-expressions.ts`. */
      readonly expressions: readonly Uint8Array[];
    }
  | { readonly do: "add-set"; readonly table: string; readonly set: NftSet }
  | { readonly do: "add-place-map"; readonly table: string; readonly map: NftPlaceMap }
  | {
      readonly do: "add-elements";
      readonly table: string;
      readonly set: NftSet;
      readonly elements: readonly NftElement[];
    };

export const ruleOf = (table: string, chain: string, expressions: readonly Uint8Array[]): NftChange => ({
  do: "add-rule",
  table,
  chain,
  expressions,
});

const SUBSYSTEM = 10;
const MESSAGE = {
  newTable: 0,
  getTable: 1,
  deleteTable: 2,
  newChain: 3,
  newRule: 6,
  newSet: 9,
  newElements: 12,
  getGeneration: 16,
};
const BATCH_BEGIN = 0x10;
const BATCH_END = 0x11;
const FAMILY = { inet: 1, ip: 2, ip6: 10 } as const;
const HOOK = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;
const SET_ANONYMOUS = 0x1;
const SET_CONSTANT = 0x2;
const SET_INTERVAL = 0x4;
const SET_MAP = 0x8;
const SET_CONCATENATION = 0x80;
const APPEND = 0x800;
const NESTED = 0x8000;
const LIST_ELEMENT = 1;

/** Length in octets, and nft's own number of the type, by which `nft list` shows elements as what they are. */
const FIELD = {
  ipv4_addr: { length: 4, type: 7 },
  ipv6_addr: { length: 16, type: 8 },
  inet_proto: { length: 1, type: 12 },
  inet_service: { length: 2, type: 13 },
} as const;

/** For `nft list`: keys in host order, data in network order. */
const BYTE_ORDERS = Uint8Array.of(...[0, 4, 1, 0, 0, 0], ...[1, 4, 2, 0, 0, 0]);
/** nft's number of the type of plain numbers. */
const INTEGER_TYPE = 4;

/** Attributes have 16 bits for their length; elements of the widest key take less than this. */
const ELEMENTS_PER_MESSAGE_MAX = 300;

export const be32 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value >>> 0);
  return bytes;
};

/** Attributes one after the other, as the value of another. */
export function nested(...attributes: readonly (readonly [type: number, value: Uint8Array])[]): Uint8Array {
  const out = new NativeWriter();
  for (const [type, value] of attributes) writeAttribute(out, type, value);
  return out.finish();
}

export const nest = (type: number): number => type | NESTED;

/** The messages of a batch, numbered from `firstSequence`; the last change is to be acknowledged. */
export function encodeBatch(family: NftFamily, changes: readonly NftChange[], firstSequence: number): EncodedBatch {
  const bodies = changes.flatMap(bodiesOf);
  let sequence = firstSequence;
  const edge = (type: number): Uint8Array =>
    encodeMessage({ type, flags: FLAG.request, sequence: sequence++, payload: header(0, SUBSYSTEM) });
  const messages = [edge(BATCH_BEGIN)];
  const lastChange = sequence + bodies.length - 1;
  for (const { message, flags, attributes } of bodies) {
    const payload = new NativeWriter().padded(header(FAMILY[family], 0)).padded(attributes).finish();
    const ack = sequence === lastChange ? FLAG.ack : 0;
    const type = (SUBSYSTEM << 8) | message;
    messages.push(encodeMessage({ type, flags: FLAG.request | flags | ack, sequence, payload }));
    sequence++;
  }
  messages.push(edge(BATCH_END));
  return { datagram: concatenate(messages), firstSequence, lastChange, nextSequence: sequence };
}

export interface EncodedBatch {
  readonly datagram: Uint8Array;
  /** Of the message that begins the batch. */
  readonly firstSequence: number;
  /** Sequence number of the message whose answer ends the batch. */
  readonly lastChange: number;
  readonly nextSequence: number;
}

/** Asks whether a table is there. */
export const encodeTableQuery = (family: NftFamily, table: string): { type: number; payload: Uint8Array } => ({
  type: (SUBSYSTEM << 8) | MESSAGE.getTable,
  payload: new NativeWriter()
    .padded(header(FAMILY[family], 0))
    .padded(nested([1, textAttribute(table)]))
    .finish(),
});

/** Asks for the number that every change of any rule set counts up. */
export const encodeGenerationQuery = (): { type: number; payload: Uint8Array } => ({
  type: (SUBSYSTEM << 8) | MESSAGE.getGeneration,
  payload: header(0, 0),
});

/** struct nfgenmsg; the last field is in network order. */
const header = (family: number, resource: number): Uint8Array =>
  Uint8Array.of(family, 0, resource >> 8, resource & 0xff);

interface Body {
  readonly message: number;
  readonly flags: number;
  readonly attributes: Uint8Array;
}

function bodiesOf(change: NftChange): readonly Body[] {
  const table = textAttribute(change.table);
  switch (change.do) {
    case "add-table":
      return [{ message: MESSAGE.newTable, flags: FLAG.create, attributes: nested([1, table]) }];
    case "delete-table":
      return [{ message: MESSAGE.deleteTable, flags: 0, attributes: nested([1, table]) }];
    case "add-chain":
      return [{ message: MESSAGE.newChain, flags: FLAG.create, attributes: chainAttributes(change) }];
    case "add-rule": {
      const expressions = nested(...change.expressions.map((one) => [nest(LIST_ELEMENT), one] as const));
      const attributes = nested([1, table], [2, textAttribute(change.chain)], [nest(4), expressions]);
      return [{ message: MESSAGE.newRule, flags: FLAG.create | APPEND, attributes }];
    }
    case "add-set":
      return [{ message: MESSAGE.newSet, flags: FLAG.create, attributes: setAttributes(change.table, change.set) }];
    case "add-place-map":
      return placeMapBodies(change.table, change.map);
    case "add-elements":
      return elementBodies(change);
  }
}

function chainAttributes({ table, chain, hook }: Extract<NftChange, { do: "add-chain" }>): Uint8Array {
  const name = [[1, textAttribute(table)] as const, [3, textAttribute(chain)] as const];
  if (hook === undefined) return nested(...name);
  const place = nested([1, be32(HOOK[hook.hook])], [2, be32(hook.priority)]);
  return nested(...name, [nest(4), place], [7, textAttribute(hook.type)]);
}

const padded = (value: Uint8Array): Uint8Array => new NativeWriter().padded(value).finish();
const keyOf = (fields: readonly Uint8Array[]): Uint8Array => concatenate(fields.map(padded));

function setAttributes(table: string, { name, key, interval }: NftSet): Uint8Array {
  const isConcatenated = key.length > 1;
  const flags = (interval ? SET_INTERVAL : 0) | (interval && isConcatenated ? SET_CONCATENATION : 0);
  const length = isConcatenated
    ? key.reduce((sum, field) => sum + Math.ceil(FIELD[field].length / 4) * 4, 0)
    : FIELD[key[0]!].length;
  const type = key.reduce((number, field) => (number << 6) | FIELD[field].type, 0);
  const lengths = nested(...key.map((field) => [nest(LIST_ELEMENT), nested([1, be32(FIELD[field].length)])] as const));
  return nested(
    [1, textAttribute(table)],
    [2, textAttribute(name)],
    [3, be32(flags)],
    [4, be32(type)],
    [5, be32(length)],
    ...(interval && isConcatenated ? [[nest(9), nested([nest(2), lengths])] as const] : []),
    // Names the set to the messages of this batch; each set is filled by its name, so any number will do.
    [10, be32(1)],
  );
}

function placeMapBodies(table: string, { id, address, places }: NftPlaceMap): readonly Body[] {
  const name = [[1, textAttribute(table)] as const, [2, textAttribute(NAMELESS_MAP)] as const];
  const { length, type } = FIELD[address];
  const definition = nested(
    ...name,
    [3, be32(SET_ANONYMOUS | SET_CONSTANT | SET_MAP)],
    [4, be32(INTEGER_TYPE)],
    [5, be32(4)],
    [6, be32((type << 6) | FIELD.inet_service.type)],
    [7, be32(length + 4)],
    [10, be32(id)],
    [13, BYTE_ORDERS],
  );
  // `numgen` gives its number in host order.
  const keyed = places.map((place, at): readonly [number, Uint8Array] => [
    nest(LIST_ELEMENT),
    nested([nest(1), nested([1, new NativeWriter().u32(at).finish()])], [nest(2), nested([1, keyOf(place)])]),
  ]);
  const elements = nested(...name, [4, be32(id)], [nest(3), nested(...keyed)]);
  return [
    { message: MESSAGE.newSet, flags: FLAG.create, attributes: definition },
    { message: MESSAGE.newElements, flags: FLAG.create, attributes: elements },
  ];
}

function elementBodies({ table, set, elements }: Extract<NftChange, { do: "add-elements" }>): readonly Body[] {
  const bodies: Body[] = [];
  for (let at = 0; at < elements.length; at += ELEMENTS_PER_MESSAGE_MAX) {
    const list = nested(
      ...elements
        .slice(at, at + ELEMENTS_PER_MESSAGE_MAX)
        .map((element) => [nest(LIST_ELEMENT), elementAttributes(element, set.interval)] as const),
    );
    const attributes = nested([1, textAttribute(table)], [2, textAttribute(set.name)], [nest(3), list]);
    bodies.push({ message: MESSAGE.newElements, flags: FLAG.create, attributes });
  }
  return bodies;
}

function elementAttributes({ from, to }: NftElement, interval: boolean): Uint8Array {
  const value = (fields: readonly Uint8Array[]): Uint8Array =>
    nested([1, from.length > 1 ? keyOf(fields) : fields[0]!]);
  const last = to ?? from;
  return nested([nest(1), value(from)], ...(interval ? [[nest(10), value(last)] as const] : []));
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
