import type { IpAddress, Ipv4, Ipv6 } from "../../addr/ip.ts";
import type { Prefix } from "../../addr/prefix.ts";
import type { LargeCommunityNumbers } from "../../base/communities.ts";
import type { Asn } from "./asn.ts";
import type { AddressFamily } from "./families.ts";
import type { BgpFault } from "./faults.ts";

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

/** RFC 4760 §3, RFC 2545 §3, RFC 8950 §3. */
export interface MpReach {
  readonly family: AddressFamily;
  readonly nextHop: IpAddress;
  /** The second address of a 32-octet next hop. */
  readonly linkLocal?: Ipv6;
  readonly prefixes: readonly Prefix[];
  /** One for each prefix where the session has path identifiers (RFC 7911); absent without prefixes. */
  readonly pathIds?: readonly number[];
}

/** RFC 4760 §4. */
export interface MpUnreach {
  readonly family: AddressFamily;
  readonly prefixes: readonly Prefix[];
  readonly pathIds?: readonly number[];
}

/** A family that was not negotiated: noted, its contents not looked at. */
export interface ForeignFamily {
  readonly afi: number;
  readonly safi: number;
}

/** An optional transitive attribute that we do not know: kept as it came. */
export interface OpaqueAttribute {
  readonly code: number;
  /** Optional, Transitive and Partial as received. */
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
  /** 32-bit values, AS number in the upper half (RFC 1997). */
  readonly communities?: readonly number[];
  readonly originatorId?: Ipv4;
  readonly clusterList?: readonly Ipv4[];
  readonly mpReach?: MpReach | ForeignFamily;
  readonly mpUnreach?: MpUnreach | ForeignFamily;
  /** Eight octets each (RFC 4360); types that we do not know are among them. */
  readonly extendedCommunities?: readonly bigint[];
  readonly as4Path?: readonly Asn[];
  readonly as4Aggregator?: Aggregator;
  /** Octets of whole communities, 20 each (RFC 5701). */
  readonly ipv6ExtendedCommunities?: Uint8Array;
  /** Each once (RFC 8092 §5). */
  readonly largeCommunities?: readonly LargeCommunityNumbers[];
  readonly onlyToCustomer?: Asn;
}

export interface Aggregator {
  readonly asn: Asn;
  readonly address: Ipv4;
}

export type WritableAttributes = { -readonly [K in keyof PathAttributes]: PathAttributes[K] };

/** What is wrong with an attribute's value. */
export interface Problem {
  readonly kind: Exclude<
    Extract<BgpFault["kind"], `update.${string}`>,
    | "update.malformed-attribute-list"
    | "update.unrecognized-well-known"
    | "update.missing-well-known"
    | "update.bad-network-field"
  >;
  readonly detail: string;
  /** Index of the octet in the message. */
  readonly at: number;
  /** Where it is another than the row's. */
  readonly consequence?: Consequence;
  readonly section?: string;
}

/**
 * Decodes the octets of `bytes` from `from` up to `to` into their field.
 *
 * @returns what is wrong; the field is then left alone, unless the row says otherwise
 */
export type ReadAttribute = (
  bytes: Uint8Array,
  from: number,
  to: number,
  context: UpdateContext,
  into: WritableAttributes,
) => Problem | null;
