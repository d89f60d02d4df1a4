import type { IpAddress, Ipv6 } from "../../addr/ip.ts";

/** What goes with a route that we announce. */
export interface RouteAttributes {
  /** 32-bit values, AS number in the upper half (RFC 1997). */
  readonly communities?: readonly number[];
  /** Three 32-bit numbers each (RFC 8092). */
  readonly largeCommunities?: readonly LargeCommunity[];
  /** Eight octets each (RFC 4360). Non-transitive ones stay inside our AS, unless the peer's own policy adds them. */
  readonly extendedCommunities?: readonly bigint[];
  /** How often our AS number is put in front once more, 0 to 64; towards other ASes only. */
  readonly prependCount?: number;
  /** Words of the caller that an export policy can match; never sent. */
  readonly tags?: readonly string[];
  readonly med?: number;
  /** Sent inside our own AS only, where 100 is the default (RFC 4271 §5.1.5). */
  readonly localPref?: number;
}

export type LargeCommunity = readonly [global: number, local1: number, local2: number];

/** Next hop of our routes of one family; IPv6 may have its link-local address beside it (RFC 2545 §3). */
export interface OwnNextHop {
  readonly address: IpAddress;
  readonly linkLocal?: Ipv6;
}

/** RFC 4271 §5.1.5 leaves the default to us; this is what every router takes. */
export const LOCAL_PREF_DEFAULT = 100;

/** True when both say the same in the same order. */
export function isSameAttributes(a: RouteAttributes, b: RouteAttributes): boolean {
  return (
    a === b ||
    (a.med === b.med &&
      a.localPref === b.localPref &&
      a.prependCount === b.prependCount &&
      isSameList(a.communities, b.communities) &&
      isSameList(a.tags, b.tags) &&
      isSameList(a.extendedCommunities, b.extendedCommunities) &&
      isSameLarge(a.largeCommunities, b.largeCommunities))
  );
}

function isSameList<T>(a: readonly T[] = [], b: readonly T[] = []): boolean {
  return a === b || (a.length === b.length && a.every((one, at) => one === b[at]));
}

function isSameLarge(a: readonly LargeCommunity[] = [], b: readonly LargeCommunity[] = []): boolean {
  return a === b || (a.length === b.length && a.every((one, at) => isSameList(one, b[at])));
}

/** Equal for equal attributes; lists count with their order. */
export function attributesKey(of: RouteAttributes): string {
  const { communities = [], largeCommunities = [], extendedCommunities = [], tags = [] } = of;
  const lists = [communities, largeCommunities.map((one) => one.join(":")), extendedCommunities].map(String);
  return JSON.stringify([of.med ?? null, of.localPref ?? null, of.prependCount ?? 0, ...lists, tags]);
}
