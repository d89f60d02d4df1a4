/** Intervals and deadlines of a session (RFC 5880 §6.8.2, §6.8.4, §6.8.7). Micros on the wire, milliseconds in time. */
import { Instant } from "../../base/time.ts";
import type { SessionState } from "./session-state.ts";

const MICROS_PER_MILLI = 1_000;

/** §6.8.4: how long the peer may be silent; 0 before it has been heard. */
export const detectionMillis = ({ remote, effective }: SessionState): number =>
  (remote.multiplier * peerIntervalMicros(remote, effective)) / MICROS_PER_MILLI;

/** At most so much time passes between two of the peer's packets. */
export const peerIntervalMillis = ({ remote, effective }: SessionState): number =>
  peerIntervalMicros(remote, effective) / MICROS_PER_MILLI;

const peerIntervalMicros = (remote: SessionState["remote"], effective: SessionState["effective"]): number =>
  Math.max(effective.requiredMinRxMicros, remote.desiredMinTxMicros);

/** When the peer is given up; null when there is nobody to miss. */
export const detectBy = (session: SessionState): Instant | null =>
  session.detectFrom === null ? null : Instant.add(session.detectFrom, detectionMillis(session));

/** §6.8.7: the interval of periodic packets before jitter; null when none may be sent. */
export function transmitIntervalMicros(session: SessionState): number | null {
  const { remote, effective, settings, state, polling } = session;
  if (remote.requiredMinRxMicros === 0) return null;
  if (settings.passive && remote.discriminator === 0) return null;
  // §6.6: the peer trusts something else than our packets, for as long as both ends are Up.
  if (remote.demand && state === "up" && remote.state === "up" && !polling) return null;
  return Math.max(effective.desiredMinTxMicros, remote.requiredMinRxMicros);
}

/**
 * §6.8.7: a random share is taken off each interval so that sessions do not march in step. With a multiplier of 1 the
 * packet must come 10 % early at least, or one that is a little late would be one too many.
 *
 * @param chance  uniform in [0, 1)
 */
export function jitteredMillis(intervalMicros: number, multiplier: number, chance: number): number {
  const share = multiplier === 1 ? 0.9 - 0.15 * chance : 1 - 0.25 * chance;
  return (intervalMicros * share) / MICROS_PER_MILLI;
}

/** When the session wants to hear that time has passed; null: not before something else happens. */
export const nextDeadline = (session: SessionState): Instant | null =>
  Instant.earliest(session.transmitAt, detectBy(session), session.endsAt, session.auth.changeBy);
