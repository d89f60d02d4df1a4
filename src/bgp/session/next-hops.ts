import { familyOf, type IpAddress, isIpv6, isLinkLocal } from "../../addr/ip.ts";
import { hostPrefix, type Prefix } from "../../addr/prefix.ts";
import type { OwnNextHop } from "../rib/adj-rib-out.ts";
import type { AddressFamily } from "../wire/families.ts";
import type { PeerConfig } from "./peer-config.ts";
import { isNeighbour } from "./peer-settings.ts";

/** What a next hop is chosen from. */
interface Surroundings {
  /** Our end of the session. */
  readonly sessionAddress: IpAddress;
  /** The other addresses of the interface that has the session address. */
  readonly others: readonly IpAddress[];
  /** Never a next hop: what is announced moves from node to node. */
  readonly announced: { has(prefix: Prefix): boolean };
  /** The peer has refused an UPDATE: a global next hop alone is what every speaker understands. */
  readonly globalOnly: boolean;
  /** IPv4 routes may have an IPv6 next hop on this session (RFC 8950). */
  readonly extendedNextHop?: boolean;
}

/**
 * Where traffic for our routes of one family is to go: what is configured, else our end of the session, else an address
 * of that family on the same interface; never an invented one (RFC 2545 §2). IPv4 routes of a session over IPv6 follow
 * the session if that was agreed (RFC 8950), since its address is one that the peer reaches.
 *
 * @returns the next hop, or why there is none
 */
export function chooseNextHop(
  peer: PeerConfig,
  family: AddressFamily,
  surroundings: Surroundings,
): OwnNextHop | { readonly reason: string } {
  const { sessionAddress, extendedNextHop = false } = surroundings;
  const ofIpv6 = (): OwnNextHop | { readonly reason: string } => chosen(peer, 6, peer.nextHop?.ipv6, surroundings);
  if (family === "ipv6-unicast") return ofIpv6();
  if (extendedNextHop && isIpv6(sessionAddress) && peer.nextHop?.ipv4 === undefined) return ofIpv6();
  const own = chosen(peer, 4, peer.nextHop?.ipv4, surroundings);
  if (!("reason" in own)) return own;
  if (extendedNextHop) return ofIpv6();
  const inVain = "; the peer does not offer IPv6 next hops for IPv4 (RFC 8950)";
  return { reason: own.reason + (peer.extendedNextHop === true ? inVain : "") };
}

function chosen(
  peer: PeerConfig,
  wanted: 4 | 6,
  configured: IpAddress | undefined,
  { sessionAddress, others, announced, globalOnly }: Surroundings,
): OwnNextHop | { readonly reason: string } {
  const own = [sessionAddress, ...others].filter((address) => familyOf(address) === wanted);
  const routable = own.find((address) => !isLinkLocal(address) && !announced.has(hostPrefix(address)));
  // A link-local address serves only whoever shares the link, and only IPv6 (RFC 2545 §3).
  const linkLocal = own.find((address) => isIpv6(address) && isLinkLocal(address));
  const direct = isNeighbour(peer) ? linkLocal : undefined;
  const address = configured ?? routable ?? direct;
  if (address === undefined) {
    const what = `no IPv${wanted} address for the next hop on the interface with ${sessionAddress}`;
    return { reason: `${what}; configure one` };
  }
  // RFC 4271 §5.1.3: the peer must not be told to send the traffic to itself.
  if (address === peer.address) return { reason: `the next hop ${address} is the peer's own address` };
  const beside =
    !globalOnly && configured === undefined && direct !== undefined && direct !== address && isIpv6(direct);
  return beside ? { address, linkLocal: direct } : { address };
}
