/** Pure: who held an address when, from samples, and whether two ever held it at once. Times are machine milliseconds. */

/** One change of state of one holder, as sampling sees it. */
export interface HoldingSample {
  readonly host: string;
  /** The first sample with this state. */
  readonly at: number;
  /** The last sample with the state before. */
  readonly previousAt: number;
  readonly holds: boolean;
}

export interface Holding {
  readonly host: string;
  /** First and last sample in which the address was there: it was held at least this long. */
  readonly from: number;
  readonly to: number;
}

/**
 * Makes intervals of changes. Each covers only what was seen, so that two that overlap prove two holders; what sampling
 * can miss is an overlap shorter than the time between two samples.
 *
 * @param endedAt  when a host ceased to count (its power went), or sampling ended for the others
 */
export function holdingsOf(samples: readonly HoldingSample[], endedAt: (host: string) => number): readonly Holding[] {
  const open = new Map<string, number>();
  const holdings: Holding[] = [];
  for (const { host, at, previousAt, holds } of samples.toSorted((a, b) => a.at - b.at)) {
    const from = open.get(host);
    if (holds && from === undefined) open.set(host, at);
    if (!holds && from !== undefined) {
      open.delete(host);
      holdings.push({ host, from, to: Math.max(from, previousAt) });
    }
  }
  for (const [host, from] of open) holdings.push({ host, from, to: Math.max(from, endedAt(host)) });
  return holdings.toSorted((a, b) => a.from - b.from);
}

/** Total time in which two different hosts held it. */
export function overlapMillis(holdings: readonly Holding[]): number {
  let total = 0;
  holdings.forEach((a, index) => {
    for (const b of holdings.slice(index + 1)) {
      if (a.host !== b.host) total += Math.max(0, Math.min(a.to, b.to) - Math.max(a.from, b.from));
    }
  });
  return total;
}

/** The longest time without a break in which two different hosts held it. */
export function longestOverlapMillis(holdings: readonly Holding[]): number {
  let longest = 0;
  holdings.forEach((a, index) => {
    for (const b of holdings.slice(index + 1)) {
      if (a.host !== b.host) longest = Math.max(longest, Math.min(a.to, b.to) - Math.max(a.from, b.from));
    }
  });
  return longest;
}

/**
 * How often an address changed hands on the wire. Two that claim it in turn make a change with each claim, so that more
 * changes than takeovers are two holders.
 */
export const changesOfHands = (claimants: readonly string[]): number =>
  claimants.filter((host, index) => index > 0 && host !== claimants[index - 1]).length;
