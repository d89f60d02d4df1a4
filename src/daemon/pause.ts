import { Instant } from "../base/time.ts";
import { systemClock } from "../linux/io/system-clock.ts";

/** Resolves after `millis`. For shells that wait on people or routers; nothing with a rule waits this way. */
export function pause(millis: number): Promise<void> {
  return new Promise((resolve) => {
    const alarm = systemClock.alarm(resolve);
    alarm.set(Instant.add(systemClock.now(), millis));
  });
}
