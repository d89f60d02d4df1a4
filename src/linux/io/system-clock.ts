import { performance } from "node:perf_hooks";
import { Instant } from "../../base/time.ts";
import type { Clock, Entropy } from "../../ports/clock.ts";

/** Longest delay that setTimeout takes; a later deadline is reached in steps. */
const TIMEOUT_MAX_MILLIS = 2 ** 31 - 1;

/** The process's monotonic clock and timers: the only file that reads a clock, a timer or a random number. */
export const systemClock: Clock = {
  now: () => Instant.of(performance.now()),
  wallTime: () => new Date(),
  alarm(onRing) {
    let timer: NodeJS.Timeout | null = null;
    const disarm = (): void => {
      if (timer) clearTimeout(timer);
      timer = null;
    };
    return {
      set(at) {
        disarm();
        if (at === null) return;
        // Rounded up: setTimeout cuts to whole milliseconds, and an early ring would only have to be armed again.
        const delay = Math.min(TIMEOUT_MAX_MILLIS, Math.max(0, Math.ceil(at - performance.now())));
        timer = setTimeout(() => {
          timer = null;
          onRing();
        }, delay);
      },
      close: disarm,
    };
  },
};

export const systemEntropy: Entropy = { fraction: () => Math.random() };
