import { type IpAddress, isIpv4 } from "../../addr/ip.ts";
import { needsAs4Path } from "../wire/as-path.ts";
import type { Asn } from "../wire/asn.ts";
import type { Role } from "../wire/capabilities.ts";
import type { AddressFamily } from "../wire/families.ts";
import type { PathAttributes, UpdateContext } from "../wire/path-attributes.ts";
import { COMMUNITY, communitySet, extendedCommunitySet, isTransitive, largeCommunitySet } from "./communities.ts";
import type { ExportRule } from "./policy.ts";
import { LOCAL_PREF_DEFAULT, type OwnNextHop, type RouteAttributes } from "./route-attributes.ts";

/** What of a session decides how our routes are told to the peer. */
export interface OutContext extends UpdateContext {
  readonly localAsn: Asn;
  /** Routes that would send the peer's traffic to the peer itself are withheld (RFC 4271 §5.1.3). */
  readonly peerAddress?: IpAddress;
  /** What we are to the peer (RFC 9234); absent or null: roles are not in use. */
  readonly role?: Role | null;
}

/** The attributes of an announcement, or why there is none: null when that is only that the family has no next hop. */
export type Outgoing = { readonly attributes: PathAttributes } | { readonly reason: string | null };

/**
 * The path attributes of a route that we originate, as one peer is told of it: of the family's `nextHop`, with what the
 * matching rule of its export policy sets.
 *
 * @param draining  ask the peer to prefer any other way (RFC 8326 §4)
 */
export function outgoing(
  route: RouteAttributes,
  rule: ExportRule | null,
  family: AddressFamily,
  nextHop: OwnNextHop | null,
  draining: boolean,
  context: OutContext,
): Outgoing {
  const set = rule?.set ?? {};
  const hop = nextHopFor(family, set.nextHop, nextHop, context);
  if ("reason" in hop) return hop;
  const { external, fourOctetAs, localAsn } = context;
  // Inside our AS the path is empty, and our own number in it would make the route a loop (RFC 4271 §5.1.2).
  const pathLength = external ? 1 + (set.prependCount ?? route.prependCount ?? 0) : 0;
  const asPath = Array.from({ length: pathLength }, () => localAsn);
  const med = set.med ?? route.med;
  const localPref = draining ? 0 : (set.localPref ?? route.localPref ?? LOCAL_PREF_DEFAULT);
  const communities = communitiesOf([...(route.communities ?? []), ...(set.communities ?? [])], draining);
  const large = largeCommunitySet([...(route.largeCommunities ?? []), ...(set.largeCommunities ?? [])]);
  const extended = extendedCommunitySet([
    ...(route.extendedCommunities ?? []).filter((one) => !external || isTransitive(one)), // RFC 4360 §6
    ...(set.extendedCommunities ?? []),
  ]);
  const isMarked = context.role != null && MARKED_BY.includes(context.role);
  const attributes: PathAttributes = {
    origin: 0,
    asPath,
    ...(med === undefined ? {} : { med }),
    ...(external ? {} : { localPref }),
    ...(communities.length === 0 ? {} : { communities }),
    ...(extended.length === 0 ? {} : { extendedCommunities: extended }),
    ...(large.length === 0 ? {} : { largeCommunities: large }),
    ...(!fourOctetAs && needsAs4Path(asPath) ? { as4Path: asPath } : {}),
    ...(external && isMarked ? { onlyToCustomer: localAsn } : {}),
  };
  const { address, linkLocal } = hop;
  // IPv4 routes go in the body, with the NEXT_HOP that belongs there (RFC 4760 §3).
  if (family === "ipv4-unicast" && isIpv4(address)) return { attributes: { ...attributes, nextHop: address } };
  const mpReach = { family, nextHop: address, ...(linkLocal === undefined ? {} : { linkLocal }), prefixes: [] };
  return { attributes: { ...attributes, mpReach } };
}

/** Roles of ours whose peer is a customer, a peer or a route server's client: what it hears goes to customers only. */
const MARKED_BY: readonly Role[] = ["provider", "peer", "route-server"];

function nextHopFor(
  family: AddressFamily,
  wanted: IpAddress | undefined,
  own: OwnNextHop | null,
  { extendedNextHop = false, peerAddress }: OutContext,
): OwnNextHop | { readonly reason: string | null } {
  // A rule may hold for both families; its next hop is for the routes that can have it.
  const isOfUse =
    wanted !== undefined && (family === "ipv4-unicast" ? isIpv4(wanted) || extendedNextHop : !isIpv4(wanted));
  const hop = isOfUse ? { address: wanted } : own;
  if (hop === null) return { reason: null };
  if (hop.address === peerAddress) return { reason: `the next hop ${hop.address} is the peer's own address` };
  if (family === "ipv4-unicast" && !isIpv4(hop.address) && !extendedNextHop) {
    return { reason: `the next hop ${hop.address} is IPv6, which the peer does not take for IPv4 routes (RFC 8950)` };
  }
  return hop;
}

function communitiesOf(wanted: readonly number[], draining: boolean): readonly number[] {
  const all = draining ? [...wanted, COMMUNITY.gracefulShutdown] : wanted;
  const isBounded = all.includes(COMMUNITY.noExport) || all.includes(COMMUNITY.noAdvertise);
  // RFC 7999 §3.2: a blackhole must not leave the neighbouring AS.
  return communitySet(all.includes(COMMUNITY.blackhole) && !isBounded ? [...all, COMMUNITY.noExport] : all);
}
