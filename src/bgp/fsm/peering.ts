import { backoffMillis } from "../../base/backoff.ts";
import { Instant } from "../../base/time.ts";
import { unreachable } from "../../base/unreachable.ts";
import type { BgpFault } from "../wire/faults.ts";
import { asnOfOpen } from "../wire/open.ts";
import { type Slot, survivor } from "./collision.ts";
import { type FsmPeer, judgeOpen } from "./negotiation.ts";
import { type Action, type Event, type Idle, nextDeadline, type State } from "./state.ts";
import { RESTART, step } from "./step.ts";

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
  readonly outgoing: State;
  /** Idle while there is no such connection; its `idleHold` then says until when the next is refused. */
  readonly incoming: State;
}

export type PeeringEvent =
  | { readonly type: "start" }
  | { readonly type: "stop"; readonly fault: BgpFault }
  | { readonly type: "time-passed" }
  /** The peer opened a TCP connection. It is admitted if the actions say so, and to be closed if not. */
  | { readonly type: "accepted" }
  | { readonly type: "connection"; readonly slot: Slot; readonly event: Event };

export type PeeringAction =
  | { readonly type: "admit" }
  | { readonly type: "perform"; readonly slot: Slot; readonly action: Action };

const IDLE: Idle = { name: "idle", counter: 0, idleHold: null };
export const NEW_PEERING: Peering = { started: false, outgoing: IDLE, incoming: IDLE };

const RANK = { idle: 0, active: 1, connect: 2, "open-sent": 3, "open-confirm": 4, established: 5 } as const;

/** The connection that got further; an operator sees its state as the peer's. */
export const leadingSlot = (peering: Peering): Slot =>
  RANK[peering.incoming.name] > RANK[peering.outgoing.name] ? "incoming" : "outgoing";

export const peeringDeadline = (peering: Peering): Instant | null =>
  Instant.earliest(
    nextDeadline(peering.outgoing),
    peering.incoming.name === "idle" ? null : nextDeadline(peering.incoming),
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
      run.started = true;
      run.step("outgoing", event);
      break;
    case "stop":
      run.started = false;
      run.step("incoming", event);
      run.step("outgoing", event);
      break;
    case "time-passed":
      if (run.states.incoming.name !== "idle") run.step("incoming", event);
      run.step("outgoing", event);
      break;
    case "accepted":
      if (run.mayAdmit()) run.admit();
      break;
    case "connection":
      run.connection(event.slot, event.event);
      break;
    default:
      return unreachable(event);
  }
  run.settle();
  return { peering: { started: run.started, ...run.states }, actions: run.actions };
}

/** One call of `stepPeering`: its arguments, and the result as it comes about. */
class Run {
  started: boolean;
  readonly states: Record<Slot, State>;
  readonly actions: PeeringAction[] = [];
  readonly #now: Instant;
  readonly #peer: FsmPeer;
  readonly #draw: number;
  /** State of the peer's connection before this run. */
  readonly #before: State["name"];
  constructor(peering: Peering, now: Instant, peer: FsmPeer, draw: number) {
    this.started = peering.started;
    this.states = { outgoing: peering.outgoing, incoming: peering.incoming };
    this.#now = now;
    this.#peer = peer;
    this.#draw = draw;
    this.#before = peering.incoming.name;
  }

  step(slot: Slot, event: Event): void {
    const { state, actions } = step(this.states[slot], event, this.#now, this.#peer, this.#draw);
    this.states[slot] = state;
    for (const action of actions) this.actions.push({ type: "perform", slot, action });
  }

  mayAdmit(): boolean {
    const { incoming, outgoing } = this.states;
    if (!this.started || incoming.name === "established" || outgoing.name === "established") return false;
    return incoming.name !== "idle" || incoming.idleHold === null || this.#now >= incoming.idleHold;
  }

  /** A peer that dials again has lost the connection that it dialled before, whether or not we know. */
  admit(): void {
    this.step("incoming", { type: "collision-lost" });
    const { counter } = this.states.outgoing;
    this.states.incoming = { name: "active", counter, connectRetry: null, delayOpen: null };
    this.actions.push({ type: "admit" });
    this.step("incoming", { type: "tcp-connected" });
  }

  /** Decides a collision before an OPEN counts (RFC 4271 §6.8); a bad OPEN cannot win one. */
  connection(slot: Slot, event: Event): void {
    if (event.type === "received-open" && !("fault" in judgeOpen(event.open, this.#peer))) {
      const other = otherSlot(slot);
      const rival = this.states[other].name;
      if (rival === "established") return this.step(slot, { type: "collision-lost" });
      // OpenSent is included, since this OPEN tells the peer's identifier: then neither side can establish the loser
      // while the other still waits for the winner's OPEN.
      if (rival === "open-sent" || rival === "open-confirm") {
        const local = { identifier: this.#peer.identifier, asn: this.#peer.localAsn };
        const remote = { identifier: event.open.identifier, asn: asnOfOpen(event.open) };
        // Should this connection be the one that loses, then it is idle now, and its OPEN no longer counts.
        this.step(otherSlot(survivor(local, remote)), { type: "collision-lost" });
      }
    }
    this.step(slot, event);
  }

  settle(): void {
    for (const slot of ["outgoing", "incoming"] as const) {
      const winner = this.states[slot].name;
      if (winner !== "open-confirm" && winner !== "established") continue;
      const other = otherSlot(slot);
      const rival = this.states[other];
      const isAttempt = rival.name === "connect" || rival.name === "active";
      // An attempt ends when the other connection is confirmed, a rival with an OPEN when it is established; and what
      // has fallen waits for no restart, since there is nothing to restart for.
      if (rival.name === "idle") this.states[other] = { ...rival, idleHold: null };
      else if (isAttempt || winner === "established") this.step(other, { type: "collision-lost" });
    }
    const { incoming } = this.states;
    // The peer's connection is not ours to dial again: without TCP it is gone.
    if ((incoming.name === "active" || incoming.name === "connect") && incoming.delayOpen === null) {
      this.states.incoming = { name: "idle", counter: incoming.counter, idleHold: null };
    }
    if (this.started && this.#before !== "idle" && this.states.incoming.name === "idle")
      this.#fell(this.states.incoming);
    const { outgoing } = this.states;
    if (
      this.started &&
      outgoing.name === "idle" &&
      outgoing.idleHold === null &&
      this.states.incoming.name === "idle"
    ) {
      const soon = Instant.add(this.#now, backoffMillis(RESTART, 0, this.#draw));
      this.states.outgoing = { ...outgoing, idleHold: soon };
    }
  }

  /**
   * The peer's connection has fallen: what it counted counts for the peer, and ours, if it stood back for it, waits as
   * long before it dials. The first failure is forgiven: a router that restarted calls at once, and is answered. One
   * that fails again and again is refused until our own wait is over.
   */
  #fell(incoming: Idle): void {
    const { outgoing } = this.states;
    if (outgoing.name === "idle" && outgoing.idleHold === null) this.states.outgoing = incoming;
    else if (outgoing.counter < incoming.counter) this.states.outgoing = { ...outgoing, counter: incoming.counter };
    this.states.incoming = { name: "idle", counter: 0, idleHold: incoming.counter > 1 ? incoming.idleHold : null };
  }
}

const otherSlot = (slot: Slot): Slot => (slot === "outgoing" ? "incoming" : "outgoing");
