import { Instant } from "../../base/time.ts";
import type { Alarm, Clock } from "../../ports/clock.ts";

/** So many changes are told as they happen … */
const BURST = 20;
/** … and one more for each such time: a peer, or somebody in its name, can make a session change with every packet. */
const REFILL_MILLIS = 500;

/**
 * Tells what becomes of something that changes. When that is more often than anybody can follow, changes in between are
 * left out; what it is in the end is told in any case.
 */
export class Teller<T> {
  readonly #clock: Clock;
  readonly #tell: (from: T, to: T) => void;
  readonly #isSame: (a: T, b: T) => boolean;
  readonly #later: Alarm;
  #told: T;
  #now: T;
  #left = BURST;
  #countedAt: Instant;

  constructor(clock: Clock, initial: T, isSame: (a: T, b: T) => boolean, tell: (from: T, to: T) => void) {
    this.#clock = clock;
    this.#tell = tell;
    this.#isSame = isSame;
    this.#told = initial;
    this.#now = initial;
    this.#countedAt = clock.now();
    this.#later = clock.alarm(() => this.set(this.#now));
  }

  set(value: T): void {
    this.#now = value;
    const now = this.#clock.now();
    const refill = Math.floor((now - this.#countedAt) / REFILL_MILLIS);
    this.#left = Math.min(BURST, this.#left + refill);
    this.#countedAt = this.#left === BURST ? now : Instant.add(this.#countedAt, refill * REFILL_MILLIS);
    if (this.#isSame(value, this.#told)) return;
    if (this.#left === 0) {
      this.#later.set(Instant.add(this.#countedAt, REFILL_MILLIS));
      return;
    }
    this.#left -= 1;
    const from = this.#told;
    this.#told = value;
    this.#tell(from, value);
  }

  close(): void {
    this.#later.close();
  }
}
