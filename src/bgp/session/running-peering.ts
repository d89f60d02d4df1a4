import type { Logger } from "pino";
import { Instant } from "../../base/time.ts";
import type { Clock, Entropy } from "../../ports/clock.ts";
import type { Slot } from "../fsm/collision.ts";
import type { FsmPeer } from "../fsm/negotiation.ts";
import { NEW_PEERING, type Peering, type PeeringAction, type PeeringEvent, stepPeering } from "../fsm/peering.ts";
import type { UpdateContext } from "../wire/path-attributes.ts";
import { NO_SESSION } from "./incoming-messages.ts";
import type { PeerStatus } from "./peer-config.ts";
import { SLOTS } from "./peer-links.ts";
import type { Recorder } from "./recorder.ts";
import { logTransition, visibleState } from "./transition-log.ts";

interface Surroundings {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Logger;
  readonly recorder: Recorder;
}

/** The state machine of one peer while it runs: each step gets its time and its chance, is recorded, and is logged. */
export class RunningPeering {
  readonly #surroundings: Surroundings;
  #peer: FsmPeer;
  #state: Peering = NEW_PEERING;
  #since: Instant;
  #forgetAt: Instant | null = null;

  constructor(peer: FsmPeer, surroundings: Surroundings) {
    this.#peer = peer;
    this.#surroundings = surroundings;
    this.#since = surroundings.clock.now();
  }

  get state(): Peering {
    return this.#state;
  }

  get visible(): PeerStatus["state"] {
    return visibleState(this.#state);
  }

  /** Since when `visible` is what it is. */
  get since(): Instant {
    return this.#since;
  }

  /** When the failures of a peer that does not come back count no more; null before any connection ended. */
  get forgetAt(): Instant | null {
    return this.#forgetAt;
  }

  /** For the steps to come. */
  set peer(peer: FsmPeer) {
    this.#peer = peer;
    this.#surroundings.recorder.settings(peer);
  }

  /** The connection that has the session; null when there is none. */
  get established(): Slot | null {
    return SLOTS.find((slot) => this.#state[slot].name === "established") ?? null;
  }

  /** How messages of a connection are read and written. */
  contextOf(slot: Slot): UpdateContext {
    const state = this.#state[slot];
    return "session" in state ? state.session : NO_SESSION;
  }

  /** @returns true when `visible` has changed */
  step(event: PeeringEvent, perform: (actions: readonly PeeringAction[]) => void): boolean {
    const { clock, entropy, log, recorder } = this.#surroundings;
    const before = this.#state;
    const [now, draw] = [clock.now(), entropy.fraction()];
    const { peering, actions } = stepPeering(before, event, now, this.#peer, draw);
    this.#state = peering;
    recorder.event(event, now, draw, peering);
    const hasDropped = actions.some((one) => one.type === "perform" && one.action.type === "drop");
    // Twice the longest wait after a failure.
    if (hasDropped) this.#forgetAt = Instant.add(now, 2000 * this.#peer.idleHoldSecondsMax);
    perform(actions);
    logTransition(log, before, peering, event);
    if (visibleState(before) === this.visible) return false;
    this.#since = now;
    return true;
  }
}
