import type { Mac } from "../../addr/mac.ts";
import { Instant } from "../../base/time.ts";

/** Foreign claims to one VIP that this node holds (RFC 5227 §2.4, RFC 4861 §7.2.5). */
export interface Conflict {
  /** Claims heard since the VIP is held. */
  readonly count: number;
  /** Who made the last one, and when. */
  readonly mac: Mac;
  readonly at: Instant;
  readonly defendedAt: Instant | null;
  readonly reportedAt: Instant | null;
}

/** DEFEND_INTERVAL of RFC 5227 §1.1: two hosts that both defend must not flood the segment. */
const DEFEND_INTERVAL_MILLIS = 10_000;
/** At most one log line about the same party in this time; every claim is counted. */
const REPORT_INTERVAL_MILLIS = 60_000;

/**
 * What to do about a claim by another than us. The holder of the Lease defends: it announces once, and not again within
 * ten seconds. It never gives way by itself: that two nodes hold a VIP is for the election to end, and against a foreign
 * host the VIP would be lost to whoever shouts.
 *
 * @param before  the conflict so far; null for none
 */
export function claimed(
  before: Conflict | null,
  mac: Mac,
  now: Instant,
): { readonly conflict: Conflict; readonly defend: boolean; readonly report: boolean } {
  const defendedAt = before?.defendedAt ?? null;
  const reportedAt = before?.mac === mac ? before.reportedAt : null;
  const defend = defendedAt === null || now >= Instant.add(defendedAt, DEFEND_INTERVAL_MILLIS);
  const report = reportedAt === null || now >= Instant.add(reportedAt, REPORT_INTERVAL_MILLIS);
  return {
    conflict: {
      count: (before?.count ?? 0) + 1,
      mac,
      at: now,
      defendedAt: defend ? now : defendedAt,
      reportedAt: report ? now : reportedAt,
    },
    defend,
    report,
  };
}
