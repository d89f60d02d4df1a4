import type { Instant } from "../../base/time.ts";
import type { Prefix } from "../../addr/prefix.ts";

/** A route that the peer meant to announce, and that is not here. */
export interface LostRoute {
  readonly prefix: Prefix;
  /** In words, for an operator. */
  readonly reason: string;
  readonly at: Instant;
}

/** Remembered; the peer chooses how many there are. */
const LOST_COUNT_MAX = 100;

/** The latest routes that were treated as withdrawn (RFC 7606 §2), until the peer announces them well or withdraws them. */
export class LostRoutes {
  readonly #byKey = new Map<string, LostRoute>();
  #count = 0;

  /** All that there ever were. */
  get count(): number {
    return this.#count;
  }

  /** Oldest first. */
  list(): readonly LostRoute[] {
    return [...this.#byKey.values()];
  }

  note(key: string, route: LostRoute): void {
    this.#count++;
    this.#byKey.delete(key);
    this.#byKey.set(key, route);
    if (this.#byKey.size <= LOST_COUNT_MAX) return;
    for (const oldest of this.#byKey.keys()) {
      this.#byKey.delete(oldest);
      return;
    }
  }

  forget(key: string): void {
    if (this.#byKey.size > 0) this.#byKey.delete(key);
  }
}
