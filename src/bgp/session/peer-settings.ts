import { type IpAddress, type Ipv4, isLinkLocal } from "../../addr/ip.ts";
import type { DialOptions, SocketOptions } from "../../ports/stream.ts";
import type { Asn } from "../wire/asn.ts";
import type { PeerConfig } from "./peer-config.ts";

/** What we are to every peer. */
export interface LocalSpeaker {
  readonly localAsn: Asn;
  readonly routerId: Ipv4;
  /**
   * The process has come back after a restart over which the peers were asked to keep our routes: their OPENs say so
   * until there was a session with each (RFC 4724 §4.1).
   */
  readonly restarted?: boolean;
}

export function dialOptions(peer: PeerConfig): DialOptions {
  return {
    remote: { address: peer.address, port: peer.port },
    ...sessionOptions(peer),
    ...(peer.minTtl === undefined ? {} : { minTtl: peer.minTtl }),
    ...(peer.localAddress === undefined ? {} : { localAddress: peer.localAddress }),
    ...(peer.interfaceName === undefined ? {} : { interfaceName: peer.interfaceName }),
    ...(peer.md5Password === undefined ? {} : { md5Password: peer.md5Password }),
  };
}

/** Why no session can be tried for; null when one can. */
export const withheldBecause = ({
  undecided,
  notFound,
  md5Missing,
  occupied,
}: Pick<PeerConfig, "undecided" | "notFound" | "md5Missing" | "occupied">): string | null =>
  undecided ?? notFound ?? md5Missing ?? occupied ?? null;

/** For a connection from the peer: what the listening socket could not know. */
export function acceptOptions(peer: PeerConfig): SocketOptions & { readonly md5Password?: string } {
  return {
    ...sessionOptions(peer),
    minTtl: peer.minTtl ?? 0,
    ...(peer.md5Password === undefined ? {} : { md5Password: peer.md5Password }),
  };
}

/** RFC 5082 §3: whoever wants 255 from the peer sends it, too. */
const sessionOptions = (peer: PeerConfig): SocketOptions => ({
  ttl: peer.minTtl === undefined ? peer.ttl : 255,
  ...(peer.trafficClass === undefined ? {} : { trafficClass: peer.trafficClass }),
  ...(peer.userTimeoutMillis === undefined ? {} : { userTimeoutMillis: peer.userTimeoutMillis }),
  ...(peer.maxSegmentLength === undefined ? {} : { maxSegmentLength: peer.maxSegmentLength }),
});

/** Settings that an established session takes over as it is. What is not here makes it begin anew. */
const LIVE: ReadonlySet<string> = new Set<keyof PeerConfig>([
  "exportPolicy",
  "importPolicy",
  "maxPrefixes",
  "nextHop",
  // These count from the next connection on.
  "passive",
  "holdTimeSeconds",
  "holdTimeSecondsMin",
  "keepaliveSeconds",
  "connectRetrySeconds",
  "delayOpenSeconds",
  "sendHoldTimeSeconds",
  "idleHoldSecondsMax",
  "requiredFamilies",
  "strictRole",
]);

/** What has to be done so that `after` holds: nothing, to take it over, or to begin anew. */
export function changeOf(before: PeerConfig, after: PeerConfig): "none" | "live" | "restart" {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]) as Set<keyof PeerConfig>;
  const changed = [...names].filter((name) => canonical(before[name]) !== canonical(after[name]));
  if (changed.length === 0) return "none";
  return changed.every((name) => LIVE.has(name)) ? "live" : "restart";
}

/** Settings are plain data; members may come in any order. */
export function canonical(value: unknown): string | undefined {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner === "bigint") return `${inner}n`;
    if (inner === null || typeof inner !== "object" || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** True for a connection of the peer: by address, and where that means nothing without it, by interface. */
export const isFrom = (
  peer: PeerConfig,
  remote: { readonly address: IpAddress; readonly interfaceName?: string },
): boolean =>
  peer.address === remote.address &&
  (remote.interfaceName === undefined ||
    peer.interfaceName === undefined ||
    peer.interfaceName === remote.interfaceName);

/** One hop away: by the TTL of what we send, by that of what we take, or by its address. */
export const isNeighbour = ({ ttl, minTtl, address }: PeerConfig): boolean =>
  ttl === 1 || minTtl === 255 || isLinkLocal(address);
