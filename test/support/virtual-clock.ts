import { Instant } from "../../src/base/time.ts";
import type { Alarm, Clock } from "../../src/ports/clock.ts";

/** Time that stands still until `advance` moves it, ringing alarms in order on the way. */
export class VirtualClock implements Clock {
  #now = 0;
  readonly #alarms = new Set<{ at: Instant | null; readonly ring: () => void }>();

  now(): Instant {
    return Instant.of(this.#now);
  }

  wallTime(): Date {
    return new Date(this.#now);
  }

  alarm(onRing: () => void): Alarm {
    const alarm: { at: Instant | null; readonly ring: () => void } = { at: null, ring: onRing };
    this.#alarms.add(alarm);
    return {
      set: (at) => void (alarm.at = at),
      close: () => void this.#alarms.delete(alarm),
    };
  }

  /** How many alarms are armed. */
  get armed(): number {
    return [...this.#alarms].filter((alarm) => alarm.at !== null).length;
  }

  advance(millis: number): void {
    const end = Instant.of(this.#now + millis);
    for (;;) {
      const due = [...this.#alarms]
        .filter((alarm) => alarm.at !== null && alarm.at <= end)
        .toSorted((a, b) => a.at! - b.at!)[0];
      if (!due) break;
      this.#now = Math.max(this.#now, due.at!);
      due.at = null;
      due.ring();
    }
    this.#now = end;
  }
}
