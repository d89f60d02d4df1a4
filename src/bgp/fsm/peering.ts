import { Instant } from "../../base/time.ts";
import { unreachable } from "../../base/unreachable.ts";
import type { BgpFault } from "../wire/faults.ts";
import { asnOfOpen } from "../wire/open.ts";
import { type Slot, survivor } from "./collision.ts";
import { type FsmPeer, judgeOpen } from "./negotiation.ts";
import { type Action, type BfdDown, type Event, type Idle, nextDeadline, type State } from "./state.ts";
import { step } from "./step.ts";
import { type Context, OPEN_HOLD_MILLIS, retryDeadline } from "./timers.ts";

/**
 * One configured peer: the connection that we dial, the one that the peer dials, and what ties them together. Each
 * runs the state machine of RFC 4271 §8 by itself; here is decided which of them may live (§6.8), and that there is
 * one to wait and dial again when both are gone.
 *
 * The obvious design, one machine that adopts whichever TCP connection comes first, cannot resolve a collision: at that
 * time both connections must be open and both must have their own timers.
 */
export interface Peering {
  readonly started: boolean;
  /** The connection that we dial; or an established one of the peer's, moved here by a `shift`. */
  readonly outgoing: State;
  /** Idle while there is no such connection; its `idleHold` then says until when the next is refused. */
  readonly incoming: State;
  /** Suspended until then; null when it is not, or for ever. */
  readonly resumeAt: Instant | null;
  /** Until then our OPENs say that we have restarted, unless a session has come up since. */
  readonly restartingUntil: Instant | null;
  /** What we forward by was kept since the last session: there was none, or it was one of an earlier life. */
  readonly forwarding: boolean;
  readonly isBfdUp: boolean;
}

export type PeeringEvent =
  /**
   * `restarted`: an earlier process of ours had sessions, and what it forwarded by is still in place. `forwarding`: this
   * one had a session with the peer, with other settings.
   */
  | { readonly type: "start"; readonly restarted?: boolean; readonly forwarding?: boolean }
  /** Without a fault TCP is closed and nothing said: a peer that helps us restart keeps our routes then. */
  | { readonly type: "stop"; readonly fault: BgpFault | null }
  /** Stops by itself, and starts again after `restartSeconds`; null: when it is started again (RFC 4486 §4). */
  | { readonly type: "suspend"; readonly fault: BgpFault; readonly restartSeconds: number | null }
  | { readonly type: "time-passed" }
  /** The peer opened a TCP connection. It is admitted if the actions say so, and to be closed if not. */
  | { readonly type: "accepted" }
  | { readonly type: "bfd-up" }
  | BfdDown
  /** There is no BFD, or it is taken down by hand: no failure (RFC 5882 §3.2). */
  | { readonly type: "bfd-gone" }
  | { readonly type: "connection"; readonly slot: Slot; readonly event: Event };

export type PeeringAction =
  /** The established connection in `incoming` is in `outgoing` from here on: the peer may begin anew beside it. */
  | { readonly type: "shift" }
  | { readonly type: "admit" }
  | { readonly type: "perform"; readonly slot: Slot; readonly action: Action };

const IDLE: Idle = { name: "idle", counter: 0, idleHold: null };
export const NEW_PEERING: Peering = {
  started: false,
  outgoing: IDLE,
  incoming: IDLE,
  resumeAt: null,
  restartingUntil: null,
  forwarding: false,
  isBfdUp: false,
};

/**
 * A session younger than this is not replaced by a new connection of the peer: that would be one which the peer dialled
 * before it knew of the session. Nobody has restarted and called again so soon without closing TCP first.
 */
const REPLACEABLE_MILLIS = 5000;

/** A peer that lives answers an OPEN within this time, whatever TCP has to send again. */
const OPEN_DUE_MILLIS = 10_000;

const SLOTS = ["outgoing", "incoming"] as const;
const RANK = { idle: 0, active: 1, connect: 2, "open-sent": 3, "open-confirm": 4, established: 5 } as const;

/** The connection that got further; an operator sees its state as the peer's. */
export const leadingSlot = (peering: Peering): Slot =>
  RANK[peering.incoming.name] > RANK[peering.outgoing.name] ? "incoming" : "outgoing";

export const peeringDeadline = (peering: Peering): Instant | null =>
  Instant.earliest(
    nextDeadline(peering.outgoing),
    peering.incoming.name === "idle" ? null : nextDeadline(peering.incoming),
    peering.resumeAt,
  );

/** Pure, as `step` is. */
export function stepPeering(
  peering: Peering,
  event: PeeringEvent,
  now: Instant,
  peer: FsmPeer,
  draw: number,
): { readonly peering: Peering; readonly actions: readonly PeeringAction[] } {
  const run = new Run(peering, now, peer, draw);
  switch (event.type) {
    case "start":
      run.start(event.restarted ?? false, event.forwarding ?? false);
      break;
    case "stop":
      run.stop(event);
      break;
    case "suspend":
      run.suspend(event.fault, event.restartSeconds);
      break;
    case "time-passed":
      run.timePassed();
      break;
    case "accepted":
      if (run.mayAdmit()) run.admit();
      break;
    case "bfd-up":
    case "bfd-down":
    case "bfd-gone":
      run.bfd(event);
      break;
    case "connection":
      run.connection(event.slot, event.event);
      break;
    default:
      return unreachable(event);
  }
  run.settle();
  return { peering: run.peering(), actions: run.actions };
}

/** One call of `stepPeering`: its arguments, and the result as it comes about. */
class Run {
  readonly actions: PeeringAction[] = [];
  readonly #before: Peering;
  readonly #states: Record<Slot, State>;
  readonly #now: Instant;
  readonly #peer: FsmPeer;
  readonly #draw: number;
  #started: boolean;
  #resumeAt: Instant | null;
  #restartingUntil: Instant | null;
  #forwarding: boolean;
  #isBfdUp: boolean;
  /** The connection that was established before this run. */
  #session: Slot | null;
  constructor(peering: Peering, now: Instant, peer: FsmPeer, draw: number) {
    this.#before = peering;
    this.#states = { outgoing: peering.outgoing, incoming: peering.incoming };
    this.#now = now;
    this.#peer = peer;
    this.#draw = draw;
    this.#started = peering.started;
    this.#resumeAt = peering.resumeAt;
    this.#restartingUntil = peering.restartingUntil;
    this.#forwarding = peering.forwarding;
    this.#isBfdUp = peering.isBfdUp;
    this.#session = SLOTS.find((slot) => peering[slot].name === "established") ?? null;
  }

  peering(): Peering {
    return {
      started: this.#started,
      ...this.#states,
      resumeAt: this.#resumeAt,
      restartingUntil: this.#restartingUntil,
      forwarding: this.#forwarding,
      isBfdUp: this.#isBfdUp,
    };
  }

  start(restarted: boolean, forwarding = false): void {
    if (forwarding) this.#forwarding = true;
    if (restarted) {
      const seconds = this.#peer.gracefulRestart?.restartTimeSeconds ?? 0;
      this.#restartingUntil = Instant.add(this.#now, seconds * 1000);
      this.#forwarding = true;
    }
    this.#started = true;
    this.#resumeAt = null;
    const peerIsThere = RANK[this.#states.incoming.name] >= RANK["open-confirm"];
    if (!peerIsThere) this.#step("outgoing", { type: "start" });
  }

  stop(event: Event & { type: "stop" }): void {
    this.#started = false;
    this.#resumeAt = null;
    this.#step("incoming", event);
    this.#step("outgoing", event);
  }

  suspend(fault: BgpFault, restartSeconds: number | null): void {
    if (!this.#started) return;
    this.#started = false;
    this.#resumeAt = restartSeconds === null ? null : Instant.add(this.#now, restartSeconds * 1000);
    for (const slot of SLOTS) {
      this.#step(slot, { type: "automatic-stop", fault });
      this.#states[slot] = IDLE;
    }
  }

  timePassed(): void {
    if (Instant.isDue(this.#resumeAt, this.#now)) return this.start(false);
    if (this.#states.incoming.name !== "idle") this.#step("incoming", { type: "time-passed" });
    this.#step("outgoing", { type: "time-passed" });
  }

  /** One connection of the peer at a time. Beside a session only if the peer may have restarted unnoticed. */
  mayAdmit(): boolean {
    const { incoming } = this.#states;
    if (!this.#started) return false;
    if (this.#session !== null && !this.#isReplaceable(this.#states[this.#session])) return false;
    return incoming.name !== "idle" || incoming.idleHold === null || this.#now >= incoming.idleHold;
  }

  /** A peer that dials again has lost the connection that it dialled before, whether or not we know. */
  admit(): void {
    if (this.#states.incoming.name === "established") {
      this.#states.outgoing = this.#states.incoming;
      this.#session = "outgoing";
      this.actions.push({ type: "shift" });
    } else this.#step("incoming", { type: "collision-lost" });
    const { counter } = this.#states.outgoing;
    this.#states.incoming = { name: "active", counter, connectRetry: null, delayOpen: null };
    this.actions.push({ type: "admit" });
    this.#step("incoming", { type: "tcp-connected" });
  }

  bfd(event: PeeringEvent & { type: "bfd-up" | "bfd-down" | "bfd-gone" }): void {
    const wasUp = this.#isBfdUp;
    this.#isBfdUp = event.type === "bfd-up";
    // A BFD session that never was up tells nothing (RFC 5882 §3.2).
    if (event.type === "bfd-gone" || (event.type === "bfd-down" && !wasUp)) return;
    this.#step("incoming", event);
    this.#step("outgoing", event);
  }

  /** Decides a collision before an OPEN counts (RFC 4271 §6.8); a bad OPEN cannot win one. */
  connection(slot: Slot, event: Event): void {
    if (event.type === "received-open" && !("fault" in judgeOpen(event.open, this.#peer))) {
      const other = otherSlot(slot);
      const rival = this.#states[other].name;
      if (rival === "established") {
        // The peer has begun anew (RFC 4724 §5); or it was slow to say so on a connection that is not needed any more.
        if (!this.#isReplaceable(this.#states[other])) return this.#step(slot, { type: "collision-lost" });
        this.#step(other, { type: "replaced" });
      }
      if (this.#isContender(this.#states[other])) {
        const local = { identifier: this.#peer.identifier, asn: this.#peer.localAsn };
        const remote = { identifier: event.open.identifier, asn: asnOfOpen(event.open) };
        // Should this connection be the one that loses, then it is idle now, and its OPEN no longer counts.
        this.#step(otherSlot(survivor(local, remote)), { type: "collision-lost" });
      }
    }
    this.#step(slot, event);
  }

  settle(): void {
    for (const slot of SLOTS) this.#preferred(slot);
    const { incoming } = this.#states;
    // The peer's connection is not ours to dial again: without TCP it is gone, and ours is tried if it stood back for it.
    if ((incoming.name === "active" || incoming.name === "connect") && incoming.delayOpen === null) {
      const idleHold = retryDeadline(this.#context());
      this.#states.incoming = { name: "idle", counter: incoming.counter, idleHold };
    }
    const hadIncoming = this.#before.incoming.name !== "idle";
    if (this.#started && hadIncoming && this.#states.incoming.name === "idle") this.#fell(this.#states.incoming);
  }

  #step(slot: Slot, event: Event): void {
    const { state, actions } = step(this.#states[slot], event, this.#context());
    this.#states[slot] = state;
    for (const action of actions) this.actions.push({ type: "perform", slot, action });
    if (state.name !== "established") return;
    // From here on a session that is lost is no restart of ours, and nothing that we forward by is lost with it.
    this.#restartingUntil = null;
    this.#forwarding = true;
  }

  /**
   * OpenSent is included, since the OPEN on the other connection tells the peer's identifier: then neither side can
   * establish the loser while the other still waits for the winner's OPEN. But a connection on which a peer that calls
   * elsewhere stays silent is one that it has forgotten: it must not defeat the new one until its HoldTimer ends.
   */
  #isContender(state: State): boolean {
    if (state.name === "open-confirm") return true;
    return state.name === "open-sent" && state.hold - this.#now > OPEN_HOLD_MILLIS - OPEN_DUE_MILLIS;
  }

  #isReplaceable(state: State): boolean {
    if (state.name !== "established" || state.session.gracefulRestart === null) return false;
    return this.#now - state.since >= REPLACEABLE_MILLIS;
  }

  #context(): Context {
    return {
      now: this.#now,
      peer: this.#peer,
      draw: this.#draw,
      restart: {
        restarting: this.#restartingUntil !== null && this.#now < this.#restartingUntil,
        forwarding: this.#forwarding,
      },
      isBfdUp: this.#isBfdUp,
    };
  }

  /**
   * What the other connection has to give up for this one: an attempt ends when this is confirmed, a rival with an OPEN
   * when this becomes established; and what has fallen waits for no restart, since there is nothing to restart for.
   */
  #preferred(slot: Slot): void {
    const winner = this.#states[slot].name;
    if (winner !== "open-confirm" && winner !== "established") return;
    const other = otherSlot(slot);
    // A connection that was admitted beside the session waits for the OPEN that says what it is.
    if (this.#states[other].name !== "idle" && winner === "established" && this.#session === slot) return;
    if (winner === "established" || isAttempt(this.#states[other])) this.#step(other, { type: "collision-lost" });
    const rival = this.#states[other];
    if (rival.name === "idle") this.#states[other] = { ...rival, idleHold: null };
  }

  /**
   * The peer's connection has fallen: what it counted counts for the peer, and ours, if it stood back for it, waits as
   * long before it dials. The first failure is forgiven: a router that restarted calls at once, and is answered. One
   * that fails again and again is refused until our own wait is over.
   */
  #fell(incoming: Idle): void {
    const { outgoing } = this.#states;
    if (outgoing.name === "idle" && outgoing.idleHold === null) this.#states.outgoing = incoming;
    else if (outgoing.counter < incoming.counter) this.#states.outgoing = { ...outgoing, counter: incoming.counter };
    const isFailure = incoming.counter > this.#before.incoming.counter;
    const idleHold = isFailure && incoming.counter > 1 ? incoming.idleHold : null;
    this.#states.incoming = { name: "idle", counter: 0, idleHold };
  }
}

const isAttempt = ({ name }: State): boolean => name === "connect" || name === "active";

const otherSlot = (slot: Slot): Slot => (slot === "outgoing" ? "incoming" : "outgoing");
