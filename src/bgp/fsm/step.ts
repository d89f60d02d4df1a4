import { Instant } from "../../base/time.ts";
import { unreachable } from "../../base/unreachable.ts";
import type { BgpFault } from "../wire/faults.ts";
import { MESSAGE_TYPE } from "../wire/framing.ts";
import { judgeOpen } from "./negotiation.ts";
import type { Active, Connect, Established, Event, Idle, OpenConfirm, OpenSent, State, Step } from "./state.ts";
import {
  type Context,
  delayOpenDeadline,
  holdDeadline,
  isStable,
  keepaliveDeadline,
  sendHoldDeadline,
} from "./timers.ts";
import {
  active,
  begin,
  bfdAwaited,
  close,
  closeConfirmed,
  closeSession,
  confirm,
  connectionFailed,
  down,
  drop,
  endBy,
  establish,
  fail,
  keepAlive,
  notified,
  opened,
  parked,
  pathFailed,
  retry,
  routeMessageOf,
  sendOpen,
  stay,
  stopped,
} from "./transitions.ts";

/**
 * RFC 4271 §8.2.2 for one connection, with RFC 6608's subcodes, RFC 9687's timer, what RFC 4724 and 8538 make of a
 * session's end, and BFD as its witness (RFC 5882). Pure: nothing is performed.
 *
 * Departures, each marked where it is: a received NOTIFICATION is never answered, and a connection given up for the
 * peer's other one does not count as a failure.
 */
export function step(state: State, event: Event, context: Context): Step {
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
      return stay({ ...state, connectRetry: null, delayOpen: delayOpenDeadline(context) });
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
      return parked(state.counter, [drop({ kind: "unwanted" })], context);
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
      return parked(state.counter, close({ kind: "cease.connection-collision" }), context);
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
      return parked(state.counter, close({ kind: "cease.connection-collision" }), context);
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
  const counter = isStable(state.since, context) ? 0 : state.counter;
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
      return parked(counter, [endBy({ kind: "replaced" }, session, true)], context);
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
