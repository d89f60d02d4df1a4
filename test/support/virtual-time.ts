import { Instant } from "../../src/base/time.ts";
import type { Entropy } from "../../src/ports/clock.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** A virtual clock on which tests put events and wait for conditions: an hour takes milliseconds, and is always the same. */
export class VirtualTime extends VirtualClock {
  /** Performs `task` in so many milliseconds, after what was ordered for that time before. */
  after(millis: number, task: () => void): void {
    const alarm = this.alarm(() => {
      alarm.close();
      task();
    });
    alarm.set(Instant.add(this.now(), Math.max(0, millis)));
  }

  /** @throws Error when `condition` does not come true within so many milliseconds */
  runUntil(condition: () => boolean, millis = 60_000): void {
    for (let left = millis; !condition(); left--) {
      if (left <= 0) throw new Error(`not within ${millis} ms of virtual time: ${condition.toString()}`);
      this.advance(1);
    }
  }

  /** Lets time pass until `promise` is settled. */
  async settle<T>(promise: Promise<T>, millis = 60_000): Promise<T> {
    const outcome = promise.finally(() => (millis = 0));
    while (millis-- > 0) {
      this.advance(1);
      await Promise.resolve();
    }
    return outcome;
  }
}

/** The same numbers for the same seed (mulberry32). */
export function seeded(seed: number): Entropy {
  let state = seed >>> 0;
  return {
    fraction() {
      state = (state + 0x6d2b_79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    },
  };
}
