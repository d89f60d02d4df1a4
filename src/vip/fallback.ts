import { Instant } from "../base/time.ts";
import type { Snapshot } from "./snapshot.ts";

export interface Fallback {
  /** ARP and NDP stand in for BGP. */
  readonly fallback: boolean;
  /** When that changes if nothing else does. */
  readonly replanAt: Instant | null;
}

/** BGP must have been gone for the configured time, and be back for a while before it gets the VIPs back. */
export function judgeFallback({ policy, sessions, wasFallback, now }: Snapshot): Fallback {
  if (policy.mode !== "auto") return { fallback: false, replanAt: null };
  if (sessions.upSince !== null) {
    if (!wasFallback) return { fallback: false, replanAt: null };
    const settledAt = Instant.add(sessions.upSince, policy.fallbackSettleMillis);
    return now >= settledAt ? { fallback: false, replanAt: null } : { fallback: true, replanAt: settledAt };
  }
  if (wasFallback || sessions.downSince === null) return { fallback: wasFallback, replanAt: null };
  const dueAt = Instant.add(sessions.downSince, policy.fallbackDelayMillis);
  return now >= dueAt ? { fallback: true, replanAt: null } : { fallback: false, replanAt: dueAt };
}

/** The election is over when the delay is: who has no session stands at once, and acts when the fallback begins. */
export const anticipatesFallback = ({ policy, sessions }: Snapshot): boolean =>
  policy.mode === "auto" && sessions.upSince === null;
