import { Instant } from "../../base/time.ts";
import { unreachable } from "../../base/unreachable.ts";
import type { BgpFault } from "../wire/faults.ts";
import type { Message, RouteRefresh } from "../wire/message.ts";
import type { Notification } from "../wire/notification.ts";
import type { Open } from "../wire/open.ts";
import type { DecodedUpdate } from "../wire/update.ts";
import type { Negotiated } from "./negotiation.ts";

/**
 * State of one connection (RFC 4271 §8.2.2). Deadlines are data; null means that the timer does not run.
 *
 * `counter` is the RFC's ConnectRetryCounter: consecutive falls to Idle, from which the wait there grows.
 */
export type State = Idle | Connect | Active | OpenSent | OpenConfirm | Established;

export interface Idle {
  readonly name: "idle";
  readonly counter: number;
  /** When to start again by ourselves; null waits for a start event. */
  readonly idleHold: Instant | null;
}
export interface Connect {
  readonly name: "connect";
  readonly counter: number;
  readonly connectRetry: Instant | null;
  /** Runs while TCP is up and our OPEN is held back. */
  readonly delayOpen: Instant | null;
}
export interface Active {
  readonly name: "active";
  readonly counter: number;
  readonly connectRetry: Instant | null;
  readonly delayOpen: Instant | null;
}
export interface OpenSent {
  readonly name: "open-sent";
  readonly counter: number;
  readonly hold: Instant;
}
export interface OpenConfirm {
  readonly name: "open-confirm";
  readonly counter: number;
  readonly hold: Instant | null;
  readonly keepalive: Instant | null;
  readonly session: Negotiated;
  /** Strict mode: until then BFD may take to come up, and our KEEPALIVE waits for it. Null once it does not. */
  readonly bfdHold: Instant | null;
  /** The peer's KEEPALIVE came while ours still waited for BFD. */
  readonly isConfirmed: boolean;
}
export interface Established {
  readonly name: "established";
  readonly counter: number;
  readonly hold: Instant | null;
  readonly keepalive: Instant | null;
  /** RFC 9687: the peer has taken nothing from us until then. */
  readonly sendHold: Instant | null;
  readonly session: Negotiated;
  readonly since: Instant;
}

/** What happens to a connection; the numbers are those of RFC 4271 §8.1. */
export type Event =
  | { readonly type: "start" } //                1, 3-7: passive or not is the peer's setting
  /** Without a fault TCP is closed and nothing said: a peer that helps us restart keeps our routes then. */
  | { readonly type: "stop"; readonly fault: BgpFault | null } //     2
  | { readonly type: "automatic-stop"; readonly fault: BgpFault } //  8
  | { readonly type: "time-passed" } //          9-13, 29: whichever deadline is due
  | { readonly type: "tcp-connected" } //        16, 17
  | { readonly type: "tcp-failed" } //           18
  | { readonly type: "received-open"; readonly open: Open } //        19, 20, and 22 when it does not fit the peer
  | { readonly type: "faulted"; readonly fault: BgpFault } //         21, 22, 28
  | { readonly type: "collision-lost" } //       23
  /** The peer has begun anew on another connection: what looked established is dead (RFC 4724 §5). */
  | { readonly type: "replaced" }
  | { readonly type: "received-notification"; readonly notification: Notification } // 24, 25
  | { readonly type: "received-keepalive" } //   26
  | { readonly type: "received-update"; readonly decoded: DecodedUpdate } //  27
  | { readonly type: "received-route-refresh"; readonly request: RouteRefresh } //   RFC 2918
  | { readonly type: "sent-update" } //          restarts the KeepaliveTimer (§10)
  | { readonly type: "drained" } //              TCP took all that we wrote (RFC 9687 §3)
  | { readonly type: "bfd-up" } //               RFC 5882
  | BfdDown;

/** The path to the peer failed (RFC 5882 §4.2); not for a BFD session that was never up, or was taken down by hand. */
export interface BfdDown {
  readonly type: "bfd-down";
  /** The peer's C bit: its BFD does not share fate with its BGP, so that this is no restart (RFC 5882 §4.3). */
  readonly controlPlaneIndependent: boolean;
}

/** Why a connection is dropped. */
export type DropCause =
  | { readonly kind: "fault"; readonly fault: BgpFault }
  | { readonly kind: "notification"; readonly notification: Notification }
  /** The peer's new connection takes the place of this one (RFC 4724 §5). */
  | { readonly kind: "replaced" }
  /** Stopped, or given up for the peer's other connection, before there was anything to say. */
  | { readonly kind: "unwanted" }
  /** The ConnectRetryTimer ran out on an attempt to connect. */
  | { readonly kind: "no-answer" }
  | { readonly kind: "transport" };

export type Action =
  | { readonly type: "dial" }
  | { readonly type: "send"; readonly message: Message }
  /** Ends the TCP connection or the attempt at one; `abort` does not wait for what is still to be written. */
  | { readonly type: "drop"; readonly cause: DropCause; readonly abort: boolean; readonly end: SessionEnd }
  /** Routes of the peer, to be applied. */
  | { readonly type: "deliver"; readonly decoded: DecodedUpdate }
  /** The peer asks for our routes of one family again, or marks where its own answer begins or ends (RFC 7313). */
  | { readonly type: "refresh"; readonly request: RouteRefresh };

/**
 * What a drop means for the peer's routes. `none`: there was no session on this connection. `graceful`: the session is
 * over and its routes are kept as stale (RFC 4724 §4.2). `hard`: it is over and they are gone.
 */
export type SessionEnd = "none" | "graceful" | "hard";

export interface Step {
  readonly state: State;
  readonly actions: readonly Action[];
}

/** When the state wants to be told that time has passed; null when it waits for nothing. */
export function nextDeadline(state: State): Instant | null {
  switch (state.name) {
    case "idle":
      return state.idleHold;
    case "connect":
    case "active":
      return Instant.earliest(state.connectRetry, state.delayOpen);
    case "open-sent":
      return state.hold;
    case "open-confirm":
      return Instant.earliest(state.hold, state.keepalive, state.bfdHold);
    case "established":
      return Instant.earliest(state.hold, state.keepalive, state.sendHold);
    default:
      return unreachable(state);
  }
}
