import { type BgpFault, NOTIFICATION, notificationOf } from "../wire/faults.ts";
import { MESSAGE_TYPE } from "../wire/framing.ts";
import type { Notification } from "../wire/notification.ts";
import { type Negotiated, openFor } from "./negotiation.ts";
import { endOfSession, reportedFault } from "./session-end.ts";
import type {
  Action,
  Active,
  BfdDown,
  Connect,
  DropCause,
  Established,
  OpenConfirm,
  SessionEnd,
  State,
  Step,
} from "./state.ts";
import {
  bfdHoldDeadline,
  type Context,
  holdDeadline,
  idleHoldDeadline,
  keepaliveDeadline,
  openHoldDeadline,
  retryDeadline,
  sendHoldDeadline,
} from "./timers.ts";

/** INIT of Events 1 to 7: dials, unless the peer is to call us. */
export function begin(counter: number, context: Context): Step {
  if (context.peer.passive) return stay({ name: "active", counter, connectRetry: null, delayOpen: null });
  return dialling(counter, context, []);
}

function dialling(counter: number, context: Context, before: readonly Action[]): Step {
  const state: State = { name: "connect", counter, connectRetry: retryDeadline(context), delayOpen: null };
  return { state, actions: [...before, { type: "dial" }] };
}

/** Event 9: from Connect the attempt that got no answer is given up first. */
export const retry = (state: Connect | Active, context: Context): Step =>
  dialling(state.counter, context, state.name === "connect" ? [drop({ kind: "no-answer" })] : []);

/** Event 18 in Connect and Active. */
export function connectionFailed(state: Connect | Active, context: Context): Step {
  if (state.name === "connect" && state.delayOpen !== null) return active(state.counter, context);
  // A refused connection is no flap: the next attempt comes after the connect-retry time and the wait does not grow.
  const counter = state.name === "connect" ? state.counter : state.counter + 1;
  return {
    state: { name: "idle", counter, idleHold: retryDeadline(context) },
    actions: [drop({ kind: "transport" })],
  };
}

/** Waits for the peer to call, or for the ConnectRetryTimer, after TCP was lost. */
export const active = (counter: number, context: Context): Step => ({
  state: {
    name: "active",
    counter,
    connectRetry: context.peer.passive ? null : retryDeadline(context),
    delayOpen: null,
  },
  actions: [drop({ kind: "transport" })],
});

/** OPENED: our OPEN is out. */
export const opened = (counter: number, context: Context): Step => ({
  state: { name: "open-sent", counter, hold: openHoldDeadline(context) },
  actions: [sendOpen(context)],
});

export const sendOpen = ({ peer, restart }: Context): Action => ({
  type: "send",
  message: openFor(peer, restart),
});

/**
 * CONFIRM: the peer's OPEN is good; a negotiated hold time of 0 arms nothing (§4.2).
 *
 * In strict mode our KEEPALIVE waits for BFD. So neither side can be established before both have BFD up, and nobody
 * sends UPDATEs to a side that still waits. Meanwhile the peer may be as silent as we are.
 */
export function confirm(counter: number, session: Negotiated, context: Context, before: readonly Action[]): Step {
  if (session.bfdStrict && !context.isBfdUp) {
    const bfdHold = bfdHoldDeadline(context);
    const [hold, keepalive] = [null, null];
    const state: State = { name: "open-confirm", counter, hold, keepalive, session, bfdHold, isConfirmed: false };
    return { state, actions: before };
  }
  return { state: confirmed(counter, session, context), actions: [...before, KEEPALIVE] };
}

function confirmed(counter: number, session: Negotiated, context: Context): OpenConfirm {
  const keepalive = keepaliveDeadline(session, context);
  const negotiated = holdDeadline(session, context);
  // In strict mode the peer may still wait for its own end of BFD, and is silent meanwhile.
  const patient = bfdHoldDeadline(context);
  const isPatient = session.bfdStrict && negotiated !== null && patient > negotiated;
  const hold = isPatient ? patient : negotiated;
  return { name: "open-confirm", counter, hold, keepalive, session, bfdHold: null, isConfirmed: false };
}

/** BFD is up, for which our KEEPALIVE has waited. */
export function bfdAwaited(state: OpenConfirm, context: Context): Step {
  const next = confirmed(state.counter, state.session, context);
  return state.isConfirmed ? establish(next, context, [KEEPALIVE]) : { state: next, actions: [KEEPALIVE] };
}

export function establish(from: OpenConfirm, context: Context, actions: readonly Action[]): Step {
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
export const keepAlive = (state: OpenConfirm | Established, context: Context): Step => ({
  state: { ...state, keepalive: keepaliveDeadline(state.session, context) },
  actions: [KEEPALIVE],
});

const KEEPALIVE: Action = { type: "send", message: { type: "keepalive" } };

/** Events 24, 25. A NOTIFICATION is never answered, whatever §8.2.2 says of Event 25 in OpenSent (§6.4 forbids it). */
export function notified(state: State, notification: Notification, isOpenOut: boolean, context: Context): Step {
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

export const fail = (state: { readonly counter: number }, fault: BgpFault, context: Context): Step =>
  down(state.counter, context, close(fault));

/** DOWN: to Idle, and by ourselves out of it after a wait that grows with each consecutive failure. */
export const down = (counter: number, context: Context, actions: readonly Action[]): Step => ({
  state: {
    name: "idle",
    counter: counter + 1,
    idleHold: idleHoldDeadline(counter, context),
  },
  actions,
});

/** STOP0: to Idle until started again. */
export const stopped = (actions: readonly Action[]): Step => ({
  state: { name: "idle", counter: 0, idleHold: null },
  actions,
});

/**
 * To Idle for the sake of the peer's other connection: no failure. Once that is confirmed, the wait is over for good; as
 * long as it is not, it may be dead, and another attempt has to show it.
 */
export const parked = (counter: number, actions: readonly Action[], context: Context): Step => ({
  state: { name: "idle", counter, idleHold: retryDeadline(context) },
  actions,
});

export const stay = (state: State): Step => ({ state, actions: [] });

/** Of a connection on which there is no session. */
export const drop = (cause: DropCause): Action => ({ type: "drop", cause, abort: false, end: "none" });

export const endBy = (cause: DropCause, session: Negotiated, abort = false): Action => ({
  type: "drop",
  cause,
  abort,
  end: endOfSession(cause, session),
});

export const close = (fault: BgpFault): readonly Action[] => [
  { type: "send", message: notificationOf(fault) },
  drop({ kind: "fault", fault }),
];

/** In OpenConfirm there is no session yet, and the peer may nevertheless keep routes of the one before. */
export function closeConfirmed(fault: BgpFault | null, { session }: OpenConfirm): readonly Action[] {
  return fault === null ? [drop({ kind: "unwanted" })] : report(reportedFault(fault, session), session, "none");
}

export function closeSession(fault: BgpFault, session: Negotiated): readonly Action[] {
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
export function pathFailed(event: BfdDown, session: Negotiated): readonly Action[] {
  const restart = session.gracefulRestart;
  const fault: BgpFault = { kind: "cease.bfd-down" };
  if (!event.controlPlaneIndependent && restart?.agreed === true) return report(fault, session, "graceful");
  const isWrapped = restart?.notification === true;
  return report(isWrapped ? { kind: "cease.hard-reset", inner: fault } : fault, session, "hard");
}

/** Type of the message about routes that `fault` was found in; before a session none of them is in its place. */
export function routeMessageOf({ kind }: BgpFault): number | null {
  if (kind.startsWith("update.")) return MESSAGE_TYPE.update;
  return kind.startsWith("route-refresh.") ? MESSAGE_TYPE["route-refresh"] : null;
}
