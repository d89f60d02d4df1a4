import { textAttribute } from "./message.ts";
import { NativeWriter } from "./native-bytes.ts";
import { be32, NAMELESS_MAP, nest, nested } from "./nftables.ts";

/**
 * What rules are made of. An expression reads or fills registers, or ends the rule when something does not fit.
 * Registers are four octets each, numbered from 0 here; an IPv6 address takes four of them.
 */
const REGISTER_BASE = 8; // NFT_REG32_00
const VERDICT_REGISTER = 0;

const expression = (name: string, ...attributes: readonly (readonly [number, Uint8Array])[]): Uint8Array =>
  nested([1, textAttribute(name)], [nest(2), nested(...attributes)]);

const register = (number: number): Uint8Array => be32(REGISTER_BASE + number);

const META = { iifname: 6, nfproto: 15, l4proto: 16 } as const;
export const loadMeta = (key: keyof typeof META, to: number): Uint8Array =>
  expression("meta", [1, register(to)], [2, be32(META[key])]);

const BASE = { network: 1, transport: 2 } as const;
/** Ends the rule where the packet has no such octets. */
export const loadPayload = (base: keyof typeof BASE, offset: number, length: number, to: number): Uint8Array =>
  expression("payload", [1, register(to)], [2, be32(BASE[base])], [3, be32(offset)], [4, be32(length)]);

/** Ends the rule where the register does not equal (or, with `isNot`, equals) `value`. */
export const compare = (from: number, value: Uint8Array, isNot = false): Uint8Array =>
  expression("cmp", [1, register(from)], [2, be32(isNot ? 1 : 0)], [nest(3), nested([1, value])]);

/** Ends the rule where what begins at the register is not an element (or, with `isNot`, is one). */
export const lookUp = (set: string, from: number, isNot = false): Uint8Array =>
  expression("lookup", [1, textAttribute(set)], [2, register(from)], [5, be32(isNot ? 1 : 0)]);

const VERDICT = { drop: 0, accept: 1, return: -5 } as const;
export const verdict = (code: keyof typeof VERDICT): Uint8Array =>
  expression("immediate", [1, be32(VERDICT_REGISTER)], [nest(2), nested([nest(2), nested([1, be32(VERDICT[code])])])]);

export const goTo = (chain: string): Uint8Array =>
  expression(
    "immediate",
    [1, be32(VERDICT_REGISTER)],
    [nest(2), nested([nest(2), nested([1, be32(-4)], [2, textAttribute(chain)])])],
  );

const CONNECTION = { state: 0, status: 2 } as const;
/** The connection's state as one bit, or its status as several; both in host order. */
export const loadConnection = (key: keyof typeof CONNECTION, to: number): Uint8Array =>
  expression("ct", [1, register(to)], [2, be32(CONNECTION[key])]);

const ORIGINAL = { destinationPort: 12, ipv4Destination: 20, ipv6Destination: 22 } as const;
/** What the first packet of the connection said, before any translation. */
export const loadOriginal = (key: keyof typeof ORIGINAL, to: number): Uint8Array =>
  expression("ct", [1, register(to)], [2, be32(ORIGINAL[key])], [3, Uint8Array.of(0)]);

/** IPS_DST_NAT: the destination was translated. */
export const DESTINATION_TRANSLATED = 1 << 5;

/** NF_CT_STATE_BIT */
export const CONNECTION_STATE = { established: 2, related: 4 } as const;

/** Ends the rule where the register, a number in host order, has none of these bits. */
export const hasAnyBit = (at: number, bits: number): readonly Uint8Array[] => {
  const mask = new NativeWriter().u32(bits).finish();
  const zero = new Uint8Array(4);
  return [
    expression(
      "bitwise",
      [1, register(at)],
      [2, register(at)],
      [3, be32(4)],
      [nest(4), nested([1, mask])],
      [nest(5), nested([1, zero])],
    ),
    compare(at, zero, true),
  ];
};

/** A number below `modulus`: one after the other over all packets that get here, or at random. */
export const loadNumber = (kind: "incremental" | "random", modulus: number, to: number): Uint8Array =>
  expression("numgen", [1, register(to)], [2, be32(modulus)], [3, be32(kind === "random" ? 1 : 0)], [4, be32(0)]);

/** A number below `modulus` that is the same for the same octets. */
export const loadHash = (from: number, length: number, modulus: number, to: number): Uint8Array =>
  expression(
    "hash",
    [1, register(from)],
    [2, register(to)],
    [3, be32(length)],
    [4, be32(modulus)],
    [5, be32(HASH_SEED)],
    [7, be32(0)],
  );
/** The same on every node, so that a connection finds its server also after the VIP has moved. */
const HASH_SEED = 0x76697063;

/** Puts what `map` has for the number in `from` into registers from `to` on; ends the rule where it has nothing. */
export const lookUpPlace = (mapId: number, from: number, to: number): Uint8Array =>
  expression("lookup", [1, textAttribute(NAMELESS_MAP)], [2, register(from)], [3, register(to)], [4, be32(mapId)]);

/** Translates the destination to the address and the port in these registers. */
export const translateDestination = (nfproto: number, address: number, port: number): Uint8Array =>
  expression(
    "nat",
    [1, be32(1)],
    [2, be32(nfproto)],
    [3, register(address)],
    [4, register(address)],
    [5, register(port)],
    [6, register(port)],
    // NF_NAT_RANGE_MAP_IPS and NF_NAT_RANGE_PROTO_SPECIFIED.
    [7, be32(3)],
  );

export const masquerade = (): Uint8Array => expression("masq");

/** Ends the rule where the packet is for this machine. */
export const isForOthers = (at: number): readonly Uint8Array[] => [
  // NFT_FIB_RESULT_ADDRTYPE of the destination.
  expression("fib", [1, register(at)], [2, be32(3)], [3, be32(2)]),
  compare(at, new NativeWriter().u32(RTN_LOCAL).finish(), true),
];
const RTN_LOCAL = 2;
