import type { IpAddress, Ipv4, Ipv6 } from "../../addr/ip.ts";
import type { Prefix } from "../../addr/prefix.ts";
import type { Branded } from "../../base/brand.ts";
import type { Asn } from "../wire/asn.ts";
import type { OpaqueAttribute } from "../wire/path-attributes.ts";
import type { LargeCommunity } from "./route-attributes.ts";

/** A route as one peer announced it. Routes of one UPDATE share their lists. */
export interface ReceivedRoute {
  readonly prefix: Prefix;
  /** Tells several paths of one prefix apart (RFC 7911); absent on a session without path identifiers. */
  readonly pathId?: number;
  readonly nextHop: IpAddress;
  /** Beside a global IPv6 next hop, or instead of it where that is "::". */
  readonly linkLocal?: Ipv6;
  /** Leftmost first; empty for a route that the peer originates inside our own AS. */
  readonly asPath: readonly Asn[];
  /** 0 IGP, 1 EGP, 2 INCOMPLETE. */
  readonly origin: number;
  readonly med?: number;
  /** As received, inside our own AS only. */
  readonly localPref?: number;
  readonly communities: readonly number[];
  readonly largeCommunities?: readonly LargeCommunity[];
  readonly extendedCommunities?: readonly bigint[];
  readonly originatorId?: Ipv4;
  readonly clusterList?: readonly Ipv4[];
  /** OTC (RFC 9234): as received, or as the rules of our role add it. */
  readonly onlyToCustomer?: Asn;
  /** Attributes that we do not know, octet by octet. */
  readonly opaque?: readonly OpaqueAttribute[];
  /** Degree of preference: what LOCAL_PREF says, unless the import policy says otherwise; more is better. */
  readonly preference: number;
  /** Why no traffic may follow the route; null when it may. */
  readonly unusable: string | null;
  /** Kept for a peer that is away (RFC 4724), `long-lived` when it is away for longer than that (RFC 9494). */
  readonly stale?: "restart" | "long-lived";
}

/** What a peer may have one route of: a prefix, with its path identifier where there are any (RFC 7911 §3). */
export type RouteKey = Prefix | Branded<string, "RouteKey">;

export const routeKey = (prefix: Prefix, pathId: number | undefined): RouteKey =>
  pathId === undefined ? prefix : (`${prefix} ${pathId}` as RouteKey);
