import { backoffMillis } from "../../base/backoff.ts";
import { Instant } from "../../base/time.ts";
import type { FsmPeer, Negotiated, RestartFlags } from "./negotiation.ts";

/** The surroundings of one step, so that equal arguments give an equal Step. */
export interface Context {
  readonly now: Instant;
  readonly peer: FsmPeer;
  /** Uniform in [0, 1), for the jitter of whatever timer this step sets. */
  readonly draw: number;
  /** What an OPEN of this step says of our own restart. */
  readonly restart: RestartFlags;
  readonly isBfdUp: boolean;
}

/** HoldTimer before it is negotiated: the RFC's "large value" of 4 minutes (§8.2.2). */
export const OPEN_HOLD_MILLIS = 240_000;
/** Strict mode: so long may BFD take to come up once both OPENs are there. */
const BFD_HOLD_MILLIS = 30_000;
/** RFC 9687 §5: at least 8 minutes. */
const SEND_HOLD_MILLIS_MIN = 480_000;
/** RFC 4271 §4.4: KEEPALIVEs "MUST NOT be sent more frequently than one per second". */
const KEEPALIVE_MILLIS_MIN = 1000;
/** A session that lived this long, and as long as the longest wait, was no flap. */
const STABLE_MILLIS_MIN = 30_000;

/** RFC 4271 §10: these timers are shortened by up to a quarter, drawn anew each time. */
const jittered = (millis: number, draw: number): number => millis * (1 - 0.25 * draw);

export const retryDeadline = ({ now, peer, draw }: Context): Instant =>
  Instant.add(now, jittered(peer.connectRetrySeconds * 1000, draw));

export const delayOpenDeadline = ({ now, peer }: Context): Instant => Instant.add(now, peer.delayOpenSeconds * 1000);

export const openHoldDeadline = ({ now }: Context): Instant => Instant.add(now, OPEN_HOLD_MILLIS);

export const bfdHoldDeadline = ({ now }: Context): Instant => Instant.add(now, BFD_HOLD_MILLIS);

/** Not jittered: expiry is at the full value. */
export const holdDeadline = (session: Negotiated, { now }: Context): Instant | null =>
  session.holdTimeSeconds === 0 ? null : Instant.add(now, session.holdTimeSeconds * 1000);

export const keepaliveDeadline = (session: Negotiated, { now, draw }: Context): Instant | null =>
  session.keepaliveMillis === null
    ? null
    : Instant.add(now, Math.max(KEEPALIVE_MILLIS_MIN, jittered(session.keepaliveMillis, draw)));

/** RFC 9687 §5. */
export function sendHoldDeadline(session: Negotiated, { now, peer }: Context): Instant | null {
  if (session.holdTimeSeconds === 0 || peer.sendHoldTimeSeconds === 0) return null;
  const configured = peer.sendHoldTimeSeconds;
  const byDefault = Math.max(SEND_HOLD_MILLIS_MIN, 2 * session.holdTimeSeconds * 1000);
  return Instant.add(now, configured === null ? byDefault : configured * 1000);
}

/**
 * End of the wait in Idle after a failure: a router that flaps meets a peer that calls ever less often.
 *
 * @param counter  consecutive failures before this one
 */
export function idleHoldDeadline(counter: number, { now, peer, draw }: Context): Instant {
  const policy = { firstMillis: 1000, maxMillis: peer.idleHoldSecondsMax * 1000, factor: 2, jitter: 0.25 };
  return Instant.add(now, backoffMillis(policy, counter, draw));
}

/** A session that has lived so long has paid for the failures before it: the wait begins small again. */
export const isStable = (since: Instant, { now, peer }: Context): boolean =>
  now - since >= Math.max(STABLE_MILLIS_MIN, peer.idleHoldSecondsMax * 1000);
