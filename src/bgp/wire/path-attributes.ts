import { type IpAddress, type Ipv4, type Ipv6, ipFromBytes, ipToBytes, isLinkLocal } from "../../addr/ip.ts";
import type { Prefix } from "../../addr/prefix.ts";
import { Truncated, type Reader, type Writer } from "../../base/bytes.ts";
import { readAsPath, writeAsPath } from "./as-path.ts";
import { Asn } from "./asn.ts";
import { type AddressFamily, familyCodes, familyFromCodes } from "./families.ts";
import { isUnicastHost, readPrefixes, writePrefix } from "./nlri.ts";

/** What of a session the UPDATE codec needs to know. */
export interface UpdateContext {
  /** Both sides have the four-octet AS capability: AS_PATH and AGGREGATOR carry four octets (RFC 6793 §4.1). */
  readonly fourOctetAs: boolean;
  /** The peer is in another AS. */
  readonly external: boolean;
  /** Negotiated families; routes of others are ignored. */
  readonly families: readonly AddressFamily[];
  /** Octets of the longest message that we may send: 65,535 once the peer has said that it takes them (RFC 8654). */
  readonly maxLength?: number;
  /** Octets of the longest message that we take: 65,535 once we have offered it (RFC 8654). */
  readonly receiveMaxLength?: number;
  /** Families whose received NLRI have path identifiers (RFC 7911). */
  readonly addPathReceive?: readonly AddressFamily[];
  /** IPv4 routes may have an IPv6 next hop (RFC 8950). */
  readonly extendedNextHop?: boolean;
  /** RFC 7313: the subtype of a ROUTE-REFRESH means something, and its length is checked. */
  readonly enhancedRouteRefresh?: boolean;
}

/** What a malformed attribute costs, weakest first (RFC 7606 §2). */
export type Consequence = "attribute-discard" | "treat-as-withdraw" | "session-reset";

/** RFC 4760 §3, RFC 2545 §3. `linkLocal` is the second address of a 32-octet IPv6 next hop. */
export interface MpReach {
  readonly family: AddressFamily;
  readonly nextHop: IpAddress;
  readonly linkLocal?: Ipv6;
  readonly prefixes: readonly Prefix[];
}

/** A family that was not negotiated: noted, its contents not looked at. */
interface ForeignFamily {
  readonly afi: number;
  readonly safi: number;
}

/** An attribute that we do not know: kept as it came. */
export interface OpaqueAttribute {
  readonly code: number;
  readonly flags: number;
  readonly value: Uint8Array;
}

export interface PathAttributes {
  /** 0 IGP, 1 EGP, 2 INCOMPLETE. */
  readonly origin?: number;
  readonly asPath?: readonly Asn[];
  readonly nextHop?: Ipv4;
  readonly med?: number;
  readonly localPref?: number;
  readonly atomicAggregate?: true;
  readonly aggregator?: Aggregator;
  readonly communities?: readonly number[];
  readonly originatorId?: Ipv4;
  readonly clusterList?: readonly Ipv4[];
  readonly mpReach?: MpReach | ForeignFamily;
  readonly mpUnreach?: { readonly family: AddressFamily; readonly prefixes: readonly Prefix[] } | ForeignFamily;
  /** Octets of whole communities, each of 8, 20 or 12. */
  readonly extendedCommunities?: Uint8Array;
  readonly ipv6ExtendedCommunities?: Uint8Array;
  readonly largeCommunities?: Uint8Array;
  readonly as4Path?: readonly Asn[];
  readonly as4Aggregator?: Aggregator;
  readonly onlyToCustomer?: Asn;
}

interface Aggregator {
  readonly asn: Asn;
  readonly address: Ipv4;
}

/** A value whose length is right and whose content is not. Thrown by the rows, caught where the table is walked. */
export class BadValue extends Error {
  override readonly name = "BadValue";
}

/** One row of the path-attribute table: all that the codec knows about one attribute. */
export interface AttributeCodec<T> {
  /** IANA "BGP Path Attributes". */
  readonly code: number;
  readonly flags: "well-known" | "optional" | "optional-transitive";
  /** What a malformed value costs (RFC 7606 §7). */
  readonly onMalformed: Consequence;
  /** False where the attribute means nothing on such a session: discarded without a look inside. */
  readonly belongsOn?: (context: UpdateContext) => boolean;
  readonly decode: (value: Reader, context: UpdateContext) => T;
  readonly encode: (value: T, out: Writer, context: UpdateContext) => void;
}

type Table = { readonly [K in keyof PathAttributes]-?: AttributeCodec<NonNullable<PathAttributes[K]>> };

const isInternal = (context: UpdateContext): boolean => !context.external;
const isTwoOctet = (context: UpdateContext): boolean => !context.fourOctetAs;

/** Values of `size` octets each, one at least; what they say is not ours to judge. */
const lengthChecked = (code: number, size: number): AttributeCodec<Uint8Array> => ({
  code,
  flags: "optional-transitive",
  onMalformed: "treat-as-withdraw",
  decode(value) {
    if (value.left === 0 || value.left % size !== 0) throw new Truncated("community", size, value.left);
    return value.rest().slice();
  },
  encode: (value, out) => void out.bytes(value),
});

const readIpv4 = (value: Reader, field: string): Ipv4 => ipFromBytes(value.slice(4, field)) as Ipv4;

function readAggregator(value: Reader, fourOctetAs: boolean): Aggregator {
  const asn = fourOctetAs ? value.u32("aggregator AS") : value.u16("aggregator AS");
  if (asn === 0) throw new BadValue("AS 0"); // RFC 7607 §2
  return { asn: Asn.of(asn), address: readIpv4(value, "aggregator address") };
}

/** A PathAttributes field without a row, or a row without a field, does not compile. */
export const ATTRIBUTES: Table = {
  origin: {
    code: 1,
    flags: "well-known",
    onMalformed: "treat-as-withdraw",
    decode(value) {
      const origin = value.u8("ORIGIN");
      if (origin > 2) throw new BadValue(`ORIGIN ${origin}`);
      return origin;
    },
    encode: (origin, out) => void out.u8(origin),
  },
  asPath: {
    code: 2,
    flags: "well-known",
    onMalformed: "treat-as-withdraw",
    decode: (value, context) => readAsPath(value, context.fourOctetAs),
    encode: (path, out, context) => writeAsPath(path, out, context.fourOctetAs),
  },
  nextHop: {
    code: 3,
    flags: "well-known",
    onMalformed: "treat-as-withdraw",
    decode: (value) => readIpv4(value, "NEXT_HOP"),
    encode: (address, out) => void out.bytes(ipToBytes(address)),
  },
  med: {
    code: 4,
    flags: "optional",
    onMalformed: "treat-as-withdraw",
    decode: (value) => value.u32("MULTI_EXIT_DISC"),
    encode: (med, out) => void out.u32(med),
  },
  localPref: {
    code: 5,
    flags: "well-known",
    onMalformed: "treat-as-withdraw",
    belongsOn: isInternal, // RFC 7606 §7.5
    decode: (value) => value.u32("LOCAL_PREF"),
    encode: (preference, out) => void out.u32(preference),
  },
  atomicAggregate: {
    code: 6,
    flags: "well-known",
    onMalformed: "attribute-discard",
    decode: () => true,
    encode: () => {},
  },
  aggregator: {
    code: 7,
    flags: "optional-transitive",
    onMalformed: "attribute-discard",
    decode: (value, context) => readAggregator(value, context.fourOctetAs),
    encode(aggregator, out, context) {
      if (context.fourOctetAs) out.u32(aggregator.asn);
      else out.u16(Asn.toTwoOctet(aggregator.asn));
      out.bytes(ipToBytes(aggregator.address));
    },
  },
  communities: {
    code: 8,
    flags: "optional-transitive",
    onMalformed: "treat-as-withdraw",
    decode(value) {
      if (value.left === 0) throw new Truncated("COMMUNITIES", 4, 0);
      const communities: number[] = [];
      while (value.left > 0) communities.push(value.u32("community"));
      return communities;
    },
    encode(communities, out) {
      for (const community of communities) out.u32(community);
    },
  },
  originatorId: {
    code: 9,
    flags: "optional",
    onMalformed: "treat-as-withdraw",
    belongsOn: isInternal, // RFC 7606 §7.9
    decode: (value) => readIpv4(value, "ORIGINATOR_ID"),
    encode: (identifier, out) => void out.bytes(ipToBytes(identifier)),
  },
  clusterList: {
    code: 10,
    flags: "optional",
    onMalformed: "treat-as-withdraw",
    belongsOn: isInternal, // RFC 7606 §7.10
    decode(value) {
      if (value.left === 0) throw new Truncated("CLUSTER_LIST", 4, 0);
      const list: Ipv4[] = [];
      while (value.left > 0) list.push(readIpv4(value, "cluster id"));
      return list;
    },
    encode(list, out) {
      for (const cluster of list) out.bytes(ipToBytes(cluster));
    },
  },
  mpReach: {
    code: 14,
    flags: "optional",
    onMalformed: "session-reset",
    decode: readMpReach,
    encode(value, out) {
      if (!("family" in value)) throw new RangeError("a foreign family cannot be sent");
      const { afi, safi } = familyCodes(value.family);
      const nextHop = ipToBytes(value.nextHop);
      out.u16(afi).u8(safi);
      out.u8(nextHop.length + (value.linkLocal === undefined ? 0 : 16)).bytes(nextHop);
      if (value.linkLocal !== undefined) out.bytes(ipToBytes(value.linkLocal));
      out.u8(0);
      for (const prefix of value.prefixes) writePrefix(prefix, out);
    },
  },
  mpUnreach: {
    code: 15,
    flags: "optional",
    onMalformed: "session-reset",
    decode(value, context) {
      const [afi, safi] = [value.u16("AFI"), value.u8("SAFI")];
      const family = familyFromCodes(afi, safi);
      if (family !== null && context.families.includes(family)) {
        return { family, prefixes: readPrefixes(value, family) };
      }
      value.rest();
      return { afi, safi };
    },
    encode(value, out) {
      if (!("family" in value)) throw new RangeError("a foreign family cannot be sent");
      const { afi, safi } = familyCodes(value.family);
      out.u16(afi).u8(safi);
      for (const prefix of value.prefixes) writePrefix(prefix, out);
    },
  },
  extendedCommunities: lengthChecked(16, 8),
  as4Path: {
    code: 17,
    flags: "optional-transitive",
    onMalformed: "attribute-discard",
    belongsOn: isTwoOctet, // RFC 6793 §4.1
    decode(value) {
      const path = readAsPath(value, true);
      if (path.length === 0) throw new BadValue("empty AS4_PATH"); // RFC 6793 §6
      return path;
    },
    encode: (path, out) => writeAsPath(path, out, true),
  },
  as4Aggregator: {
    code: 18,
    flags: "optional-transitive",
    onMalformed: "attribute-discard",
    belongsOn: isTwoOctet, // RFC 6793 §4.1
    decode: (value) => readAggregator(value, true),
    encode: (aggregator, out) => void out.u32(aggregator.asn).bytes(ipToBytes(aggregator.address)),
  },
  ipv6ExtendedCommunities: lengthChecked(25, 20),
  largeCommunities: lengthChecked(32, 12),
  onlyToCustomer: {
    code: 35,
    flags: "optional-transitive",
    onMalformed: "treat-as-withdraw",
    decode(value) {
      const asn = value.u32("ONLY_TO_CUSTOMER");
      if (asn === 0) throw new BadValue("AS 0");
      return Asn.of(asn);
    },
    encode: (asn, out) => void out.u32(asn),
  },
};

function readMpReach(value: Reader, context: UpdateContext): MpReach | ForeignFamily {
  const [afi, safi] = [value.u16("AFI"), value.u8("SAFI")];
  const length = value.u8("next hop length");
  const nextHop = value.slice(length, "next hop");
  value.u8("reserved");
  const family = familyFromCodes(afi, safi);
  if (family === null || !context.families.includes(family)) {
    value.rest();
    return { afi, safi };
  }
  // RFC 8950 (an IPv6 next hop for IPv4 routes) is not offered, so an IPv4 route has an IPv4 next hop.
  const lengths = family === "ipv4-unicast" ? [4] : [16, 32];
  if (!lengths.includes(length)) throw new Truncated("next hop of this family", lengths[0]!, length);
  const prefixes = readPrefixes(value, family);
  if (length !== 32) return { family, nextHop: ipFromBytes(nextHop), prefixes };
  const [global, second] = [ipFromBytes(nextHop.subarray(0, 16)), ipFromBytes(nextHop.subarray(16))];
  // A second half that is no link-local address is ignored; so is what does not belong in the first.
  if (!isLinkLocal(second)) return { family, nextHop: global, prefixes };
  return { family, nextHop: global, linkLocal: second as Ipv6, prefixes };
}

/** Why the next hop of `reach` cannot be used; null when it can. A link-local second half can stand alone. */
export function mpNextHopProblem(reach: MpReach): string | null {
  if (isUnicastHost(reach.nextHop)) return null;
  return reach.nextHop === "::" && reach.linkLocal !== undefined ? null : `next hop ${reach.nextHop}`;
}
