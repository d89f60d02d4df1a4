import { Instant } from "../../base/time.ts";
import { unreachable } from "../../base/unreachable.ts";
import type { AuthKey } from "../wire/authentication.ts";
import { type BfdState, type ControlPacket, DIAGNOSTIC } from "../wire/control-packet.ts";
import { settled, withKey } from "./authenticity.ts";
import { type AuthState, forgotten, type SessionSettings, type SessionState, timersWanted } from "./session-state.ts";
import {
  detectBy,
  detectionMillis,
  jitteredMillis,
  nextDeadline,
  peerIntervalMillis,
  transmitIntervalMicros,
} from "./timing.ts";

export type SessionEvent =
  /** A packet that is for this session and genuine; `auth` is what `authenticate` made of the session's own. */
  | {
      readonly type: "received";
      readonly packet: ControlPacket;
      readonly auth: AuthState;
      /** When the kernel had it, which may be long before anybody looked. */
      readonly receivedAt: Instant;
    }
  /** Some deadline may have been reached. Whatever has arrived must have been reported before. */
  | { readonly type: "time-passed" }
  | { readonly type: "configured"; readonly settings: SessionSettings }
  /** Administratively; the session falls silent once the peer must have heard of it. */
  | { readonly type: "disabled" }
  | { readonly type: "enabled" };

export type SessionAction =
  | {
      readonly type: "send";
      readonly packet: ControlPacket;
      readonly key: AuthKey | null;
      readonly sequence: number;
    }
  | { readonly type: "state-changed"; readonly from: BfdState; readonly to: BfdState }
  /** We were late ourselves: the peer gets another Detection Time instead of being declared dead. */
  | { readonly type: "stalled"; readonly lateMillis: number }
  /** A disabled session has said so for long enough. */
  | { readonly type: "ended" };

export interface Step {
  readonly session: SessionState;
  readonly actions: readonly SessionAction[];
}

/**
 * RFC 5880 §6.8 for one session. Pure: equal arguments give an equal Step; nothing is performed.
 *
 * @param chance  uniform in [0, 1), for the jitter of the next periodic packet
 */
export function step(session: SessionState, event: SessionEvent, now: Instant, chance: number): Step {
  switch (event.type) {
    case "received":
      return received(session, event, now, chance);
    case "time-passed":
      return timePassed(session, now, chance);
    case "configured":
      return configured(session, event.settings, now, chance);
    case "disabled":
      return session.state === "admin-down" ? { session, actions: [] } : disabled(session, now, chance);
    case "enabled":
      return session.state === "admin-down" ? enabled(session, now, chance) : { session, actions: [] };
    default:
      return unreachable(event);
  }
}

/** §6.8.6, from where the packet is known to be good. */
function received(
  session: SessionState,
  { packet, auth, receivedAt }: Extract<SessionEvent, { type: "received" }>,
  now: Instant,
  chance: number,
): Step {
  const heard: SessionState = {
    ...session,
    auth,
    remote: {
      discriminator: packet.myDiscriminator,
      state: packet.state,
      diagnostic: packet.diagnostic,
      demand: packet.demand,
      controlPlaneIndependent: packet.controlPlaneIndependent,
      multiplier: packet.multiplier,
      desiredMinTxMicros: packet.desiredMinTxMicros,
      requiredMinRxMicros: packet.requiredMinRxMicros,
    },
    heardAt: receivedAt,
    // Packets of one batch may be told in any order.
    detectFrom: Instant.of(Math.max(receivedAt, session.detectFrom ?? receivedAt)),
    forgiven: false,
  };
  const polled =
    heard.polling && packet.final ? advertise({ ...heard, polling: false, effective: heard.advertised }) : heard;
  // "If bfd.SessionState is AdminDown, discard the packet."
  if (polled.state === "admin-down") return settle(session, { ...polled, detectFrom: null }, [], now, chance);
  const to = stateAfter(polled.state, packet.state);
  const moved = to === polled.state ? polled : moveTo(polled, to, diagnosticAfter(polled, to));
  // §6.5: the answer to a poll waits for nothing, and never is a poll itself.
  return settle(session, moved, packet.poll ? ["final"] : [], now, chance);
}

/** §6.8.6, §6.2: the state machine proper. `remote` is the state in the packet. */
function stateAfter(local: Exclude<BfdState, "admin-down">, remote: BfdState): BfdState {
  switch (local) {
    case "down":
      if (remote === "down") return "init";
      return remote === "init" ? "up" : "down";
    case "init":
      if (remote === "admin-down") return "down";
      return remote === "down" ? "init" : "up";
    case "up":
      return remote === "admin-down" || remote === "down" ? "down" : "up";
    default:
      return unreachable(local);
  }
}

/**
 * A packet takes a session down because the peer is down. The reason of the last fall stays until the session is Up
 * again; the RFC never says to clear it, but a session that is Up has nothing to explain.
 */
function diagnosticAfter({ diagnostic }: SessionState, to: BfdState): number {
  if (to === "down") return DIAGNOSTIC.neighborSignaledDown;
  return to === "up" ? DIAGNOSTIC.none : diagnostic;
}

function timePassed(session: SessionState, now: Instant, chance: number): Step {
  if (session.state === "admin-down" && Instant.isDue(session.endsAt, now))
    return {
      session: { ...session, endsAt: null, transmitAt: null, intervalMicros: null, detectFrom: null },
      actions: [{ type: "ended" }],
    };
  const current = Instant.isDue(session.auth.changeBy, now) ? { ...session, auth: settled(session.auth) } : session;
  if (!Instant.isDue(detectBy(current), now)) return settle(session, current, [], now, chance);
  const lateMillis = now - nextDeadline(current)!;
  const isWatching = current.state === "init" || current.state === "up";
  // Whoever was not there to send was not there to listen, either: the kernel's queue has an end, and a stopped virtual
  // machine none at all. Ask the peer before giving it up, once.
  if (isWatching && !current.forgiven && lateMillis >= peerIntervalMillis(current)) {
    const again = { ...current, detectFrom: now, forgiven: true, polling: current.state === "up" };
    const { session: next, actions } = settle(session, again, ["content"], now, chance);
    return { session: next, actions: [{ type: "stalled", lateMillis }, ...actions] };
  }
  const lost = { ...current, remote: forgotten(current.remote), detectFrom: null };
  const next = isWatching ? moveTo(lost, "down", DIAGNOSTIC.controlDetectionTimeExpired) : lost;
  return settle(session, next, [], now, chance);
}

function configured(session: SessionState, settings: SessionSettings, now: Instant, chance: number): Step {
  const auth = withKey(session.auth, settings.auth, session.state === "up", now);
  return settle(session, advertise({ ...session, settings, auth }), [], now, chance);
}

/**
 * §6.8.16. Here we depart from the letter of §6.8.7: the first few AdminDown packets keep the pace of the session that
 * ends, although they advertise the slow one. With the slow one a single lost packet would look like a failure, which
 * is what AdminDown is there to prevent. The peer's own limit is kept.
 */
function disabled(session: SessionState, now: Instant, chance: number): Step {
  const { settings, remote, effective } = session;
  const next = moveTo(session, "admin-down", DIAGNOSTIC.administrativelyDown);
  if (remote.discriminator === 0) return settle(session, { ...next, endsAt: now }, [], now, chance);
  const pace = Math.max(effective.desiredMinTxMicros, remote.requiredMinRxMicros) / 1_000;
  // Ours, and the peer's as far as we can know it.
  const lastsMillis = Math.max(detectionMillis(session), settings.multiplier * pace);
  return settle(
    session,
    { ...next, effective, hurried: settings.multiplier, endsAt: Instant.add(now, lastsMillis) },
    [],
    now,
    chance,
  );
}

function enabled(session: SessionState, now: Instant, chance: number): Step {
  const next = moveTo({ ...session, endsAt: null, hurried: 0 }, "down", DIAGNOSTIC.none);
  return settle(session, next, [], now, chance);
}

/** Every change of state begins with the timers that belong to the new one. */
function moveTo(session: SessionState, state: BfdState, diagnostic: number): SessionState {
  const detectFrom = state === "admin-down" ? null : session.detectFrom;
  return advertise({ ...session, state, diagnostic, polling: false, detectFrom });
}

/** §6.8.3: takes the wanted timers into what we advertise, by a Poll Sequence where the peer has to know first. */
function advertise(session: SessionState): SessionState {
  const { state, settings, advertised, effective, polling } = session;
  const wanted = timersWanted(state, settings);
  if (state !== "up") return { ...session, advertised: wanted, effective: wanted, polling: false };
  const isSame =
    wanted.desiredMinTxMicros === advertised.desiredMinTxMicros &&
    wanted.requiredMinRxMicros === advertised.requiredMinRxMicros;
  // One poll at a time: the end of this one looks again.
  if (polling || isSame) return session;
  return {
    ...session,
    advertised: wanted,
    effective: {
      // Slower only once the peer expects it, more impatient only once it hurries; the other way at once.
      desiredMinTxMicros: Math.min(wanted.desiredMinTxMicros, effective.desiredMinTxMicros),
      requiredMinRxMicros: Math.max(wanted.requiredMinRxMicros, effective.requiredMinRxMicros),
    },
    polling: true,
  };
}

/**
 * Ends every step: tells of a change of state, sends what is due, and arms the next periodic packet. What a packet says
 * is sent as soon as it changes (§6.8.7), so that the peer need not wait for the slow rhythm to hear that we are up.
 */
function settle(
  before: SessionState,
  after: SessionState,
  owed: readonly ("final" | "content")[],
  now: Instant,
  chance: number,
): Step {
  const actions: SessionAction[] = [];
  let session = after;
  const send = (bits: { readonly poll: boolean; readonly final: boolean }): void => {
    const sequence = (session.auth.sentSequence + 1) >>> 0;
    actions.push({ type: "send", packet: packetOf(session, bits), key: session.auth.signing, sequence });
    session = { ...session, auth: { ...session.auth, sentSequence: sequence } };
  };
  if (before.state !== after.state) actions.push({ type: "state-changed", from: before.state, to: after.state });
  if (owed.includes("final")) send({ poll: false, final: true });
  const maySpeak = !(after.settings.passive && after.remote.discriminator === 0);
  const isNews =
    owed.includes("content") || (maySpeak && hasNews(before, after) && !(actions.some(isSend) && !after.polling));
  const isDue = Instant.isDue(session.transmitAt, now) && transmitIntervalMicros(session) !== null;
  if (isNews || isDue) send({ poll: session.polling, final: false });
  const sentPeriodic = isNews || isDue;
  if (sentPeriodic && session.hurried > 0) {
    session = { ...session, hurried: session.hurried - 1 };
    if (session.hurried === 0) session = { ...session, effective: session.advertised };
  }
  return { session: armed(session, sentPeriodic, now, chance), actions };
}

const isSend = (action: SessionAction): boolean => action.type === "send";

/** Whether a packet would say something else than before, apart from its sequence number. */
const hasNews = (before: SessionState, after: SessionState): boolean =>
  before.state !== after.state ||
  before.diagnostic !== after.diagnostic ||
  before.settings.multiplier !== after.settings.multiplier ||
  before.advertised.desiredMinTxMicros !== after.advertised.desiredMinTxMicros ||
  before.advertised.requiredMinRxMicros !== after.advertised.requiredMinRxMicros ||
  (after.polling && !before.polling);

/** The next periodic packet: one interval after the last, by the interval of now, whatever the old one was. */
function armed(session: SessionState, justSent: boolean, now: Instant, chance: number): SessionState {
  const intervalMicros =
    session.endsAt === null && session.state === "admin-down" ? null : transmitIntervalMicros(session);
  const sentAt = justSent ? now : session.sentAt;
  if (intervalMicros === null) return { ...session, sentAt, intervalMicros, transmitAt: null };
  if (!justSent && intervalMicros === session.intervalMicros && session.transmitAt !== null) return session;
  const wait = jitteredMillis(intervalMicros, session.settings.multiplier, chance);
  const transmitAt = sentAt === null ? now : Instant.of(Math.max(now, sentAt + wait));
  return { ...session, sentAt, intervalMicros, transmitAt };
}

/** C stays clear: this program is both, control plane and BFD, and they go together (RFC 5882 §4.3). */
const packetOf = (session: SessionState, bits: { readonly poll: boolean; readonly final: boolean }): ControlPacket => ({
  state: session.state,
  diagnostic: session.diagnostic,
  poll: bits.poll,
  final: bits.final,
  controlPlaneIndependent: false,
  demand: false,
  multiplier: session.settings.multiplier,
  myDiscriminator: session.localDiscriminator,
  yourDiscriminator: session.remote.discriminator,
  desiredMinTxMicros: session.advertised.desiredMinTxMicros,
  requiredMinRxMicros: session.advertised.requiredMinRxMicros,
  requiredMinEchoRxMicros: 0,
});
