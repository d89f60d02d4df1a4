import type { Instant } from "../base/time.ts";

export interface Clock {
  /** Monotonic milliseconds; only differences mean anything. */
  now(): Instant;
  /** Wall time for log lines and status pages; never compared, never stored in protocol state. */
  wallTime(): Date;
  /** One re-armable timer. An alarm only wakes: whoever set it decides by comparing deadlines with `now()`. */
  alarm(onRing: () => void): Alarm;
}

export interface Alarm {
  /** Arms, replacing any earlier deadline; null disarms. */
  set(at: Instant | null): void;
  close(): void;
}

export interface Entropy {
  /** Uniform in [0, 1). */
  fraction(): number;
}
