import { backoffMillis, type BackoffPolicy } from "../../base/backoff.ts";
import { Instant } from "../../base/time.ts";
import { unreachable } from "../../base/unreachable.ts";
import { type BgpFault, NOTIFICATION, notificationOf } from "../wire/faults.ts";
import { MESSAGE_TYPE } from "../wire/framing.ts";
import type { Notification } from "../wire/notification.ts";
import { type FsmPeer, judgeOpen, type Negotiated, NO_RESTART, openFor, type RestartFlags } from "./negotiation.ts";
import { endOfSession, reportedFault } from "./session-end.ts";
import type {
  Action,
  Active,
  BfdDown,
  Connect,
  DropCause,
  Established,
  Event,
  Idle,
  OpenConfirm,
  OpenSent,
  SessionEnd,
  State,
  Step,
} from "./state.ts";

/** A session that lived this long, and longer than the longest wait, was no flap: the wait begins small again. */
const STABLE_MILLIS_MIN = 30_000;
/** HoldTimer before it is negotiated: the RFC's "large value" of 4 minutes (§8.2.2). */
const OPEN_HOLD_MILLIS = 240_000;
/** RFC 9687 §5: at least 8 minutes. */
const SEND_HOLD_MILLIS_MIN = 480_000;
/** Strict mode: so long may BFD take to come up once both OPENs are there. */
const BFD_HOLD_MILLIS = 30_000;
/** RFC 4271 §10: "no more frequently than one per second". */
const KEEPALIVE_MILLIS_MIN = 1000;

/** Wait in Idle after a failure: a router that flaps meets a peer that calls ever less often. */
export const restartPolicy = (peer: FsmPeer): BackoffPolicy => ({
  firstMillis: 1000,
  maxMillis: peer.idleHoldSecondsMax * 1000,
  factor: 2,
  jitter: 0.25,
});

/** What holds for the whole peering, whichever connection takes a step. */
export interface Circumstances extends RestartFlags {
  readonly isBfdUp: boolean;
}
const ORDINARY: Circumstances = { ...NO_RESTART, isBfdUp: false };

/** The surroundings of one step, so that equal arguments give an equal Step. */
interface Context {
  readonly now: Instant;
  readonly peer: FsmPeer;
  /** Uniform in [0, 1), for the jitter of whatever timer this step sets. */
  readonly draw: number;
  readonly circumstances: Circumstances;
}

/**
 * RFC 4271 §8.2.2 for one connection, with RFC 6608's subcodes, RFC 9687's timer, what RFC 4724 and 8538 make of a
 * session's end, and BFD as its witness (RFC 5882). Pure: nothing is performed.
 *
 * Departures, each marked where it is: a received NOTIFICATION is never answered, and a connection given up for the
 * peer's other one does not count as a failure.
 *
 * @param draw  uniform in [0, 1)
 */
export function step(
  state: State,
  event: Event,
  now: Instant,
  peer: FsmPeer,
  draw: number,
  circumstances: Circumstances = ORDINARY,
): Step {
  const context = { now, peer, draw, circumstances };
  switch (state.name) {
    case "idle":
      return idle(state, event, context);
    case "connect":
    case "active":
      return connecting(state, event, context);
    case "open-sent":
      return openSent(state, event, context);
    case "open-confirm":
      return openConfirm(state, event, context);
    case "established":
      return established(state, event, context);
    default:
      return unreachable(state);
  }
}

function idle(state: Idle, event: Event, context: Context): Step {
  switch (event.type) {
    case "start": // Events 1, 4
      return begin(0, context);
    case "time-passed": // Event 13, and the automatic start that follows it (3, 5-7)
      return Instant.isDue(state.idleHold, context.now) ? begin(state.counter, context) : stay(state);
    case "stop": // Event 2: no restart by ourselves either
      return stay({ name: "idle", counter: 0, idleHold: null });
    case "automatic-stop":
    case "tcp-connected":
    case "tcp-failed":
    case "received-open":
    case "faulted":
    case "collision-lost":
    case "received-notification":
    case "received-keepalive":
    case "received-update":
    case "received-route-refresh":
    case "sent-update":
    case "drained":
    case "replaced":
    case "bfd-up":
    case "bfd-down":
      return stay(state);
    default:
      return unreachable(event);
  }
}

/** Connect and Active: they differ in what a timer or a failure of TCP leads to. */
function connecting(state: Connect | Active, event: Event, context: Context): Step {
  switch (event.type) {
    case "start": // Events 1, 3-7: ignored
    case "sent-update":
    case "drained":
    case "replaced":
    case "bfd-up":
    case "bfd-down": // a session that is not up loses nothing
      return stay(state);
    case "stop": // Event 2; nothing was sent that a NOTIFICATION could follow
      return stopped([drop({ kind: "unwanted" })]);
    case "time-passed":
      if (Instant.isDue(state.delayOpen, context.now)) return opened(state.counter, context); // Event 12
      return Instant.isDue(state.connectRetry, context.now) ? retry(state, context) : stay(state); // Event 9
    case "tcp-connected": // Events 16, 17
      if (context.peer.delayOpenSeconds === 0) return opened(state.counter, context);
      return stay({
        ...state,
        connectRetry: null,
        delayOpen: Instant.add(context.now, context.peer.delayOpenSeconds * 1000),
      });
    case "tcp-failed": // Event 18
      return connectionFailed(state, context);
    case "received-open": {
      // Event 20 while the DelayOpenTimer runs, else 19
      if (state.delayOpen === null) return down(state.counter, context, [drop({ kind: "unwanted" })]);
      const judged = judgeOpen(event.open, context.peer);
      if ("fault" in judged) return down(state.counter, context, [drop({ kind: "fault", fault: judged.fault })]);
      return confirm(state.counter, judged, context, [sendOpen(context)]);
    }
    case "received-notification": // Events 24, 25
      return notified(state, event.notification, state.delayOpen !== null, context);
    case "collision-lost": // Event 23
      return parked(state.counter, [drop({ kind: "unwanted" })]);
    case "faulted": // Events 21, 22: without an OPEN of ours no NOTIFICATION (§8.1.1, SendNOTIFICATIONwithoutOPEN)
      return down(state.counter, context, [drop({ kind: "fault", fault: event.fault })]);
    case "automatic-stop": // Event 8
    case "received-keepalive":
    case "received-update":
    case "received-route-refresh":
      return down(state.counter, context, [drop({ kind: "unwanted" })]);
    default:
      return unreachable(event);
  }
}

function openSent(state: OpenSent, event: Event, context: Context): Step {
  const unexpected = (messageType: number): Step =>
    fail(state, { kind: "fsm.unexpected-in-open-sent", messageType }, context);
  switch (event.type) {
    case "start": // ignored
    case "tcp-connected": // Events 16, 17: a second connection has a machine of its own
    case "sent-update":
    case "drained":
    case "replaced":
    case "bfd-up":
    case "bfd-down":
      return stay(state);
    case "stop": // Event 2
      return stopped(event.fault === null ? [drop({ kind: "unwanted" })] : close(event.fault));
    case "automatic-stop": // Event 8
      return fail(state, event.fault, context);
    case "time-passed": // Event 10
      return Instant.isDue(state.hold, context.now)
        ? fail(state, { kind: "hold-timer.expired" }, context)
        : stay(state);
    case "tcp-failed": // Event 18: to Active, not to Idle
      return active(state.counter, context);
    case "received-open": {
      // Event 19, or 22
      const judged = judgeOpen(event.open, context.peer);
      return "fault" in judged ? fail(state, judged.fault, context) : confirm(state.counter, judged, context, []);
    }
    case "faulted": {
      // Events 21, 22; an UPDATE of any kind is out of place (28)
      const misplaced = routeMessageOf(event.fault);
      return misplaced === null ? fail(state, event.fault, context) : unexpected(misplaced);
    }
    case "collision-lost": // Event 23
      return parked(state.counter, close({ kind: "cease.connection-collision" }));
    case "received-notification": // Events 24, 25
      return notified(state, event.notification, true, context);
    case "received-keepalive": // Event 26
      return unexpected(MESSAGE_TYPE.keepalive);
    case "received-update": // Event 27
      return unexpected(MESSAGE_TYPE.update);
    case "received-route-refresh":
      return unexpected(MESSAGE_TYPE["route-refresh"]);
    default:
      return unreachable(event);
  }
}

function openConfirm(state: OpenConfirm, event: Event, context: Context): Step {
  const failed = (fault: BgpFault): Step => down(state.counter, context, closeConfirmed(fault, state));
  const unexpected = (messageType: number): Step => failed({ kind: "fsm.unexpected-in-open-confirm", messageType });
  switch (event.type) {
    case "start": // ignored
    case "tcp-connected":
    case "sent-update":
    case "drained":
    case "replaced":
      return stay(state);
    case "stop": // Event 2
      return stopped(closeConfirmed(event.fault, state));
    case "automatic-stop": // Event 8
      return failed(event.fault);
    case "time-passed": // Events 10, 11
      if (Instant.isDue(state.hold, context.now)) return failed({ kind: "hold-timer.expired" });
      if (Instant.isDue(state.bfdHold, context.now)) return failed({ kind: "cease.bfd-down" });
      return Instant.isDue(state.keepalive, context.now) ? keepAlive(state, context) : stay(state);
    case "tcp-failed": // Event 18
      return down(state.counter, context, [drop({ kind: "transport" })]);
    case "received-open": // a second OPEN on the same connection; collisions are decided before the first counts (§6.8)
      return unexpected(MESSAGE_TYPE.open);
    case "faulted": {
      // Events 21, 22, 28
      const misplaced = routeMessageOf(event.fault);
      return misplaced === null ? failed(event.fault) : unexpected(misplaced);
    }
    case "collision-lost": // Event 23
      return parked(state.counter, close({ kind: "cease.connection-collision" }));
    case "received-notification": // Events 24, 25
      return notified(state, event.notification, true, context);
    case "received-keepalive": // Event 26
      return state.bfdHold === null ? establish(state, context, []) : stay({ ...state, isConfirmed: true });
    case "bfd-up":
      return state.bfdHold === null ? stay(state) : bfdAwaited(state, context);
    case "bfd-down": // of a path that was good a moment ago
      return state.session.bfdStrict && state.bfdHold === null ? failed({ kind: "cease.bfd-down" }) : stay(state);
    case "received-update": // Event 27
      return unexpected(MESSAGE_TYPE.update);
    case "received-route-refresh":
      return unexpected(MESSAGE_TYPE["route-refresh"]);
    default:
      return unreachable(event);
  }
}

function established(state: Established, event: Event, context: Context): Step {
  const { session } = state;
  // A session that was stable has paid for the failures before it.
  const stableMillis = Math.max(STABLE_MILLIS_MIN, context.peer.idleHoldSecondsMax * 1000);
  const counter = context.now - state.since >= stableMillis ? 0 : state.counter;
  const failed = (fault: BgpFault): Step => down(counter, context, closeSession(fault, session));
  const unexpected = (messageType: number): Step => failed({ kind: "fsm.unexpected-in-established", messageType });
  switch (event.type) {
    case "start": // ignored
    case "tcp-connected":
    case "collision-lost": // Event 23: CollisionDetectEstablishedState is off
    case "bfd-up":
      return stay(state);
    case "stop": // Event 2
      return stopped(
        event.fault === null ? [endBy({ kind: "unwanted" }, session)] : closeSession(event.fault, session),
      );
    case "automatic-stop": // Event 8
      return failed(event.fault);
    case "replaced": // RFC 4724 §5: no NOTIFICATION, and nothing has failed
      return parked(counter, [endBy({ kind: "replaced" }, session, true)]);
    case "bfd-down":
      return down(counter, context, pathFailed(event, session));
    case "time-passed": // Events 10, 29, 11
      if (Instant.isDue(state.hold, context.now)) return failed({ kind: "hold-timer.expired" });
      if (Instant.isDue(state.sendHold, context.now)) {
        // RFC 9687 §4: a peer that reads nothing would not read a NOTIFICATION, and waiting for it must not delay us.
        return down(counter, context, [
          endBy({ kind: "fault", fault: { kind: "send-hold-timer.expired" } }, session, true),
        ]);
      }
      return Instant.isDue(state.keepalive, context.now) ? keepAlive(state, context) : stay(state);
    case "tcp-failed": // Event 18
      return down(counter, context, [endBy({ kind: "transport" }, session)]);
    case "received-open": // Event 19
      return unexpected(MESSAGE_TYPE.open);
    case "faulted": // Events 21, 28; an OPEN of any kind is out of place (22)
      return event.fault.kind.startsWith("open.") ? unexpected(MESSAGE_TYPE.open) : failed(event.fault);
    case "received-notification": // Events 24, 25
      return down(counter, context, [endBy({ kind: "notification", notification: event.notification }, session)]);
    case "received-update": // Event 27
      return {
        state: { ...state, hold: holdDeadline(session, context) },
        actions: [{ type: "deliver", decoded: event.decoded }],
      };
    case "received-keepalive": // Event 26
      return stay({ ...state, hold: holdDeadline(session, context) });
    case "received-route-refresh": // restarts the HoldTimer in practice, though RFC 4271 does not know it
      return {
        state: { ...state, hold: holdDeadline(session, context) },
        actions: [{ type: "refresh", request: event.request }],
      };
    case "sent-update": // §10: an UPDATE says that we live as well as a KEEPALIVE does
      return stay({ ...state, keepalive: keepaliveDeadline(session, context) });
    case "drained": // RFC 9687 §3
      return stay({ ...state, sendHold: sendHoldDeadline(session, context) });
    default:
      return unreachable(event);
  }
}

/** INIT of Events 1 to 7: dials, unless the peer is to call us. */
function begin(counter: number, context: Context): Step {
  if (context.peer.passive) return stay({ name: "active", counter, connectRetry: null, delayOpen: null });
  return dialling(counter, context, []);
}

function dialling(counter: number, context: Context, before: readonly Action[]): Step {
  const state: State = { name: "connect", counter, connectRetry: retryDeadline(context), delayOpen: null };
  return { state, actions: [...before, { type: "dial" }] };
}

/** Event 9: from Connect the attempt that got no answer is given up first. */
const retry = (state: Connect | Active, context: Context): Step =>
  dialling(state.counter, context, state.name === "connect" ? [drop({ kind: "no-answer" })] : []);

/** Event 18 in Connect and Active. */
function connectionFailed(state: Connect | Active, context: Context): Step {
  if (state.name === "connect" && state.delayOpen !== null) return active(state.counter, context);
  // A refused connection is no flap: the next attempt comes after the connect-retry time and the wait does not grow.
  const counter = state.name === "connect" ? state.counter : state.counter + 1;
  return {
    state: { name: "idle", counter, idleHold: retryDeadline(context) },
    actions: [drop({ kind: "transport" })],
  };
}

/** Waits for the peer to call, or for the ConnectRetryTimer, after TCP was lost. */
const active = (counter: number, context: Context): Step => ({
  state: {
    name: "active",
    counter,
    connectRetry: context.peer.passive ? null : retryDeadline(context),
    delayOpen: null,
  },
  actions: [drop({ kind: "transport" })],
});

/** OPENED: our OPEN is out. */
const opened = (counter: number, context: Context): Step => ({
  state: { name: "open-sent", counter, hold: Instant.add(context.now, OPEN_HOLD_MILLIS) },
  actions: [sendOpen(context)],
});

const sendOpen = ({ peer, circumstances }: Context): Action => ({
  type: "send",
  message: openFor(peer, circumstances),
});

/**
 * CONFIRM: the peer's OPEN is good; a negotiated hold time of 0 arms nothing (§4.2).
 *
 * In strict mode our KEEPALIVE waits for BFD. So neither side can be established before both have BFD up, and nobody
 * sends UPDATEs to a side that still waits. Meanwhile the peer may be as silent as we are.
 */
function confirm(counter: number, session: Negotiated, context: Context, before: readonly Action[]): Step {
  if (session.bfdStrict && !context.circumstances.isBfdUp) {
    const bfdHold = Instant.add(context.now, BFD_HOLD_MILLIS);
    const [hold, keepalive] = [null, null];
    const state: State = { name: "open-confirm", counter, hold, keepalive, session, bfdHold, isConfirmed: false };
    return { state, actions: before };
  }
  return { state: confirmed(counter, session, context), actions: [...before, KEEPALIVE] };
}

function confirmed(counter: number, session: Negotiated, context: Context): OpenConfirm {
  const [hold, keepalive] = [holdDeadline(session, context), keepaliveDeadline(session, context)];
  return { name: "open-confirm", counter, hold, keepalive, session, bfdHold: null, isConfirmed: false };
}

/** BFD is up, for which our KEEPALIVE has waited. */
function bfdAwaited(state: OpenConfirm, context: Context): Step {
  const next = confirmed(state.counter, state.session, context);
  return state.isConfirmed ? establish(next, context, [KEEPALIVE]) : { state: next, actions: [KEEPALIVE] };
}

function establish(from: OpenConfirm, context: Context, actions: readonly Action[]): Step {
  const { counter, keepalive, session } = from;
  const [hold, sendHold] = [holdDeadline(session, context), sendHoldDeadline(session, context)];
  const state: State = {
    name: "established",
    counter,
    hold,
    keepalive,
    sendHold,
    session,
    since: context.now,
  };
  return { state, actions };
}

/** Event 11. */
const keepAlive = (state: OpenConfirm | Established, context: Context): Step => ({
  state: { ...state, keepalive: keepaliveDeadline(state.session, context) },
  actions: [KEEPALIVE],
});

const KEEPALIVE: Action = { type: "send", message: { type: "keepalive" } };

/** Events 24, 25. A NOTIFICATION is never answered, whatever §8.2.2 says of Event 25 in OpenSent (§6.4 forbids it). */
function notified(state: State, notification: Notification, isOpenOut: boolean, context: Context): Step {
  const actions = [drop({ kind: "notification", notification })];
  const is = (kind: "open.unsupported-version" | "cease.connection-collision"): boolean =>
    notification.code === NOTIFICATION[kind].code && notification.subcode === NOTIFICATION[kind].subcode;
  // A peer of another version answered properly: the RFC does not count it. Nor do we count that the peer has given
  // this connection up for our other one (§6.8). We call again at the normal pace.
  if (isOpenOut && (is("open.unsupported-version") || is("cease.connection-collision"))) {
    return { state: { name: "idle", counter: state.counter, idleHold: retryDeadline(context) }, actions };
  }
  return down(state.counter, context, actions);
}

const fail = (state: { readonly counter: number }, fault: BgpFault, context: Context): Step =>
  down(state.counter, context, close(fault));

/** DOWN: to Idle, and by ourselves out of it after a wait that grows with each consecutive failure. */
const down = (counter: number, context: Context, actions: readonly Action[]): Step => ({
  state: {
    name: "idle",
    counter: counter + 1,
    idleHold: Instant.add(context.now, backoffMillis(restartPolicy(context.peer), counter, context.draw)),
  },
  actions,
});

/** STOP0: to Idle until started again. */
const stopped = (actions: readonly Action[]): Step => ({
  state: { name: "idle", counter: 0, idleHold: null },
  actions,
});

/** To Idle for the sake of the peer's other connection, which is the session: no failure, and no restart meanwhile. */
const parked = (counter: number, actions: readonly Action[]): Step => ({
  state: { name: "idle", counter, idleHold: null },
  actions,
});

const stay = (state: State): Step => ({ state, actions: [] });

/** Of a connection on which there is no session. */
const drop = (cause: DropCause): Action => ({ type: "drop", cause, abort: false, end: "none" });

const endBy = (cause: DropCause, session: Negotiated, abort = false): Action => ({
  type: "drop",
  cause,
  abort,
  end: endOfSession(cause, session),
});

const close = (fault: BgpFault): readonly Action[] => [
  { type: "send", message: notificationOf(fault) },
  drop({ kind: "fault", fault }),
];

/** In OpenConfirm there is no session yet, and the peer may nevertheless keep routes of the one before. */
function closeConfirmed(fault: BgpFault | null, { session }: OpenConfirm): readonly Action[] {
  return fault === null ? [drop({ kind: "unwanted" })] : report(reportedFault(fault, session), session, "none");
}

function closeSession(fault: BgpFault, session: Negotiated): readonly Action[] {
  return report(reportedFault(fault, session), session, endOfSession({ kind: "fault", fault }, session));
}

const report = (fault: BgpFault, session: Negotiated, end: SessionEnd): readonly Action[] => [
  { type: "send", message: notificationOf(fault, session.maxLength) },
  { type: "drop", cause: { kind: "fault", fault }, abort: false, end },
];

/**
 * BFD down: if the peer's BFD lives and dies with its BGP, the peer may have restarted, and its routes are kept where
 * that was agreed. If not, its forwarding is dead (RFC 5882 §4.3, RFC 9384 §3).
 */
function pathFailed(event: BfdDown, session: Negotiated): readonly Action[] {
  const restart = session.gracefulRestart;
  const fault: BgpFault = { kind: "cease.bfd-down" };
  if (!event.controlPlaneIndependent && restart?.agreed === true) return report(fault, session, "graceful");
  const isWrapped = restart?.notification === true;
  return report(isWrapped ? { kind: "cease.hard-reset", inner: fault } : fault, session, "hard");
}

/** Type of the message about routes that `fault` was found in; before a session none of them is in its place. */
function routeMessageOf({ kind }: BgpFault): number | null {
  if (kind.startsWith("update.")) return MESSAGE_TYPE.update;
  return kind.startsWith("route-refresh.") ? MESSAGE_TYPE["route-refresh"] : null;
}

/** §10: these timers are shortened by up to a quarter, drawn anew each time. */
const jittered = (millis: number, draw: number): number => millis * (1 - 0.25 * draw);

const retryDeadline = ({ now, peer, draw }: Context): Instant =>
  Instant.add(now, jittered(peer.connectRetrySeconds * 1000, draw));

const holdDeadline = (session: Negotiated, { now }: Context): Instant | null =>
  session.holdTimeSeconds === 0 ? null : Instant.add(now, session.holdTimeSeconds * 1000);

const keepaliveDeadline = (session: Negotiated, { now, draw }: Context): Instant | null =>
  session.keepaliveMillis === null
    ? null
    : Instant.add(now, Math.max(KEEPALIVE_MILLIS_MIN, jittered(session.keepaliveMillis, draw)));

/** RFC 9687 §5. */
function sendHoldDeadline(session: Negotiated, { now, peer }: Context): Instant | null {
  if (session.holdTimeSeconds === 0 || peer.sendHoldTimeSeconds === 0) return null;
  const configured = peer.sendHoldTimeSeconds;
  const byDefault = Math.max(SEND_HOLD_MILLIS_MIN, 2 * session.holdTimeSeconds * 1000);
  return Instant.add(now, configured === null ? byDefault : configured * 1000);
}
