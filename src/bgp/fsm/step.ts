import { backoffMillis, type BackoffPolicy } from "../../base/backoff.ts";
import { Instant } from "../../base/time.ts";
import { unreachable } from "../../base/unreachable.ts";
import { type BgpFault, notificationOf } from "../wire/faults.ts";
import { MESSAGE_TYPE } from "../wire/framing.ts";
import type { Notification } from "../wire/notification.ts";
import { type FsmPeer, judgeOpen, type Negotiated, openFor } from "./negotiation.ts";
import type {
  Action,
  Active,
  Connect,
  DropCause,
  Established,
  Event,
  Idle,
  OpenConfirm,
  OpenSent,
  State,
  Step,
} from "./state.ts";

/** Wait in Idle after a failure: a router that flaps meets a peer that calls ever less often. */
export const RESTART: BackoffPolicy = { firstMillis: 1000, maxMillis: 30_000, factor: 2, jitter: 0.25 };
/** A session that lived this long was no flap: the wait begins small again. */
const STABLE_MILLIS = 30_000;
/** HoldTimer before it is negotiated: the RFC's "large value" of 4 minutes (§8.2.2). */
const OPEN_HOLD_MILLIS = 240_000;
/** RFC 9687 §5: at least 8 minutes. */
const SEND_HOLD_MILLIS_MIN = 480_000;

/** The surroundings of one step, so that equal arguments give an equal Step. */
interface Context {
  readonly now: Instant;
  readonly peer: FsmPeer;
  /** Uniform in [0, 1), for the jitter of whatever timer this step sets. */
  readonly draw: number;
}

/**
 * RFC 4271 §8.2.2 for one connection, with RFC 6608's subcodes and RFC 9687's timer. Pure: nothing is performed.
 *
 * Departures, each marked where it is: a received NOTIFICATION is never answered, and a connection given up for the
 * peer's other one does not count as a failure.
 *
 * @param draw  uniform in [0, 1)
 */
export function step(state: State, event: Event, now: Instant, peer: FsmPeer, draw: number): Step {
  const context = { now, peer, draw };
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
      const send: Action = { type: "send", message: openFor(context.peer) };
      return confirm(state.counter, judged, context, [send]);
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
      return stay(state);
    case "stop": // Event 2
      return stopped(close(event.fault));
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
    case "faulted": // Events 21, 22; an UPDATE of any kind is out of place (28)
      return event.fault.kind.startsWith("update.")
        ? unexpected(MESSAGE_TYPE.update)
        : fail(state, event.fault, context);
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
  const unexpected = (messageType: number): Step =>
    fail(state, { kind: "fsm.unexpected-in-open-confirm", messageType }, context);
  switch (event.type) {
    case "start": // ignored
    case "tcp-connected":
    case "sent-update":
    case "drained":
      return stay(state);
    case "stop": // Event 2
      return stopped(close(event.fault));
    case "automatic-stop": // Event 8
      return fail(state, event.fault, context);
    case "time-passed": // Events 10, 11
      if (Instant.isDue(state.hold, context.now)) return fail(state, { kind: "hold-timer.expired" }, context);
      return Instant.isDue(state.keepalive, context.now) ? keepAlive(state, context) : stay(state);
    case "tcp-failed": // Event 18
      return down(state.counter, context, [drop({ kind: "transport" })]);
    case "received-open": // a second OPEN on the same connection; collisions are decided before the first counts (§6.8)
      return unexpected(MESSAGE_TYPE.open);
    case "faulted": // Events 21, 22, 28
      return event.fault.kind.startsWith("update.")
        ? unexpected(MESSAGE_TYPE.update)
        : fail(state, event.fault, context);
    case "collision-lost": // Event 23
      return parked(state.counter, close({ kind: "cease.connection-collision" }));
    case "received-notification": // Events 24, 25
      return notified(state, event.notification, true, context);
    case "received-keepalive": {
      // Event 26
      const { counter, keepalive, session } = state;
      const [hold, sendHold] = [holdDeadline(session, context), sendHoldDeadline(session, context)];
      return stay({ name: "established", counter, hold, keepalive, sendHold, session, since: context.now });
    }
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
  const counter = context.now - state.since >= STABLE_MILLIS ? 0 : state.counter;
  const failing = { ...state, counter };
  const unexpected = (messageType: number): Step =>
    fail(failing, { kind: "fsm.unexpected-in-established", messageType }, context);
  switch (event.type) {
    case "start": // ignored
    case "tcp-connected":
    case "collision-lost": // Event 23: CollisionDetectEstablishedState is off
      return stay(state);
    case "stop": // Event 2
      return stopped(close(event.fault));
    case "automatic-stop": // Event 8
      return fail(failing, event.fault, context);
    case "time-passed": // Events 10, 29, 11
      if (Instant.isDue(state.hold, context.now)) return fail(failing, { kind: "hold-timer.expired" }, context);
      if (Instant.isDue(state.sendHold, context.now)) {
        // RFC 9687 §4: a peer that reads nothing would not read a NOTIFICATION, and waiting for it must not delay us.
        const cause: DropCause = { kind: "fault", fault: { kind: "send-hold-timer.expired" } };
        return down(counter, context, [{ type: "drop", cause, abort: true }]);
      }
      return Instant.isDue(state.keepalive, context.now) ? keepAlive(state, context) : stay(state);
    case "tcp-failed": // Event 18
      return down(counter, context, [drop({ kind: "transport" })]);
    case "received-open": // Event 19
      return unexpected(MESSAGE_TYPE.open);
    case "faulted": // Events 21, 28; an OPEN of any kind is out of place (22)
      return event.fault.kind.startsWith("open.") ? unexpected(MESSAGE_TYPE.open) : fail(failing, event.fault, context);
    case "received-notification": // Events 24, 25
      return notified(failing, event.notification, false, context);
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
        actions: [{ type: "resend", request: event.request }],
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
  actions: [{ type: "send", message: openFor(context.peer) }],
});

/** CONFIRM: the peer's OPEN is good; a negotiated hold time of 0 arms nothing (§4.2). */
function confirm(counter: number, session: Negotiated, context: Context, before: readonly Action[]): Step {
  const [hold, keepalive] = [holdDeadline(session, context), keepaliveDeadline(session, context)];
  return {
    state: { name: "open-confirm", counter, hold, keepalive, session },
    actions: [...before, { type: "send", message: { type: "keepalive" } }],
  };
}

/** Event 11. */
const keepAlive = (state: OpenConfirm | Established, context: Context): Step => ({
  state: { ...state, keepalive: keepaliveDeadline(state.session, context) },
  actions: [{ type: "send", message: { type: "keepalive" } }],
});

/** Events 24, 25. A NOTIFICATION is never answered, whatever §8.2.2 says of Event 25 in OpenSent (§6.4 forbids it). */
function notified(state: State, notification: Notification, versionCounts: boolean, context: Context): Step {
  const actions = [drop({ kind: "notification", notification })];
  const isVersion = notification.code === 2 && notification.subcode === 1;
  // A peer of another version answered properly: the RFC does not count it. We call again at the normal pace.
  if (isVersion && versionCounts) {
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
    idleHold: Instant.add(context.now, backoffMillis(RESTART, counter, context.draw)),
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

const drop = (cause: DropCause): Action => ({ type: "drop", cause, abort: false });

const close = (fault: BgpFault): readonly Action[] => [
  { type: "send", message: notificationOf(fault) },
  drop({ kind: "fault", fault }),
];

/** §10: these timers are shortened by up to a quarter, drawn anew each time. */
const jittered = (millis: number, draw: number): number => millis * (1 - 0.25 * draw);

const retryDeadline = ({ now, peer, draw }: Context): Instant =>
  Instant.add(now, jittered(peer.connectRetrySeconds * 1000, draw));

const holdDeadline = (session: Negotiated, { now }: Context): Instant | null =>
  session.holdTimeSeconds === 0 ? null : Instant.add(now, session.holdTimeSeconds * 1000);

const keepaliveDeadline = (session: Negotiated, { now, draw }: Context): Instant | null =>
  session.keepaliveMillis === null ? null : Instant.add(now, jittered(session.keepaliveMillis, draw));

const sendHoldDeadline = (session: Negotiated, { now }: Context): Instant | null =>
  session.holdTimeSeconds === 0
    ? null
    : Instant.add(now, Math.max(SEND_HOLD_MILLIS_MIN, 2 * session.holdTimeSeconds * 1000));
