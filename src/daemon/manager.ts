import { Instant } from "../base/time.ts";
import type { Settings } from "../config/settings.ts";
import { systemClock } from "../linux/io/system-clock.ts";
import { emit } from "../telemetry/events.ts";
import { createLog } from "../telemetry/log.ts";
import { Manager } from "./assembly.ts";
import { keepHeapSmall } from "./heap.ts";
import { nodeNameOf } from "./policy.ts";

/** After a signal and the drain time the process is gone within this time, whatever hangs. */
const STOP_LIMIT_MILLIS = 8_000;

/**
 * Runs the daemon until SIGTERM or SIGINT, then leaves: requests that an API server in trouble has not answered would
 * keep the process for as long as they may take.
 */
export async function runManager(settings: Settings, warnings: readonly string[]): Promise<never> {
  process.exit(await run(settings, warnings));
}

async function run(settings: Settings, warnings: readonly string[]): Promise<number> {
  keepHeapSmall();
  const log = createLog(settings.log.level);
  for (const warning of warnings) emit(log, "config.warning", {}, warning);
  // Asked for before anything starts: a signal during the start must not leave a half-started daemon behind.
  const signal = firstSignal();
  const manager = new Manager(settings, warnings, log);
  try {
    await manager.start();
  } catch (error) {
    emit(log, "daemon.failed", { error: sentence(error) }, "could not start");
    await manager.stop("could not start");
    return 1;
  }
  emit(log, "daemon.stopping", { signal: await signal }, "stopping");
  const limit = systemClock.alarm(() => {
    emit(log, "daemon.stop-overdue", {}, "not stopped in time, leaving");
    process.exit(1);
  });
  limit.set(Instant.add(systemClock.now(), STOP_LIMIT_MILLIS + (settings.bgp?.drainMillis ?? 0)));
  await manager.stop(`vipcast on ${nodeNameOf(settings)} is stopping`);
  limit.close();
  emit(log, "daemon.stopped", {}, "stopped");
  return 0;
}

/** The message of an error with those of its causes. */
function sentence(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${sentence(error.cause)}`;
}

function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    // Kept, not `once`: a second signal while stopping must not kill the process in the middle of it.
    process.on("SIGTERM", resolve);
    process.on("SIGINT", resolve);
  });
}
