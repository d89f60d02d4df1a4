import { familyOf, type IpAddress, isIpv6, isLinkLocal } from "../../addr/ip.ts";
import { hostPrefix, type Prefix } from "../../addr/prefix.ts";
import type { OwnNextHop } from "../rib/adj-rib-out.ts";
import type { AddressFamily } from "../wire/families.ts";
import type { PeerConfig } from "./peer-config.ts";

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
}

/**
 * Where traffic for our routes of one family is to go: what is configured, else our end of the session, else an address
 * of that family on the same interface; never an invented one (RFC 2545 §2).
 *
 * @returns the next hop, or why there is none
 */
export function chooseNextHop(
  peer: PeerConfig,
  family: AddressFamily,
  { sessionAddress, others, announced, globalOnly }: Surroundings,
): OwnNextHop | { readonly reason: string } {
  const wanted = family === "ipv4-unicast" ? 4 : 6;
  const word = wanted === 4 ? "IPv4" : "IPv6";
  const configured = wanted === 4 ? peer.nextHop?.ipv4 : peer.nextHop?.ipv6;
  const own = [sessionAddress, ...others].filter((address) => familyOf(address) === wanted);
  const routable = own.find((address) => !isLinkLocal(address) && !announced.has(hostPrefix(address)));
  // A link-local address serves only whoever shares the link, and only IPv6 (RFC 2545 §3).
  const linkLocal = own.find((address) => isIpv6(address) && isLinkLocal(address));
  const direct = peer.ttl === 1 ? linkLocal : undefined;
  const address = configured ?? routable ?? direct;
  if (address === undefined) {
    return { reason: `no ${word} address for the next hop on the interface with ${sessionAddress}; configure one` };
  }
  // RFC 4271 §5.1.3: the peer must not be told to send the traffic to itself.
  if (address === peer.address) return { reason: `the next hop ${address} is the peer's own address` };
  const beside =
    !globalOnly && configured === undefined && direct !== undefined && direct !== address && isIpv6(direct);
  return beside ? { address, linkLocal: direct } : { address };
}
