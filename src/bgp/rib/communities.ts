import type { LargeCommunity } from "./route-attributes.ts";

/** IANA "BGP Well-known Communities". */
export const COMMUNITY = {
  /** RFC 8326. */
  gracefulShutdown: 0xffff_0000,
  /** RFC 9494. */
  llgrStale: 0xffff_0006,
  noLlgr: 0xffff_0007,
  /** RFC 7999. */
  blackhole: 0xffff_029a,
  /** RFC 1997. */
  noExport: 0xffff_ff01,
  noAdvertise: 0xffff_ff02,
} as const;

/** COMMUNITIES is a set: equal sets become equal octets (RFC 1997). */
export function communitySet(communities: readonly number[]): readonly number[] {
  if (communities.length < 2) return communities;
  return [...new Set(communities)].toSorted((a, b) => a - b);
}

/** RFC 4360 §2: a set, too. */
export function extendedCommunitySet(communities: readonly bigint[]): readonly bigint[] {
  if (communities.length < 2) return communities;
  return [...new Set(communities)].toSorted((a, b) => (a < b ? -1 : 1));
}

/** RFC 8092 §3: no duplicates. */
export function largeCommunitySet(communities: readonly LargeCommunity[]): readonly LargeCommunity[] {
  if (communities.length < 2) return communities;
  const byText = new Map(communities.map((one) => [one.join(":"), one]));
  return [...byText.values()].toSorted((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
}

/** RFC 4360 §2: the second bit of the type says that the community does not leave its AS. */
export const isTransitive = (extendedCommunity: bigint): boolean => ((extendedCommunity >> 62n) & 1n) === 0n;
