import type { Namespaces } from "../support/namespaces.ts";
import { pino } from "pino";
import { ip } from "../../src/addr/ip.ts";
import type { BfdSessionConfig } from "../../src/bfd/session/session-config.ts";
import { BfdSessions, type PathChange } from "../../src/daemon/bfd-sessions.ts";
import { systemClock } from "../../src/linux/io/system-clock.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";

/** A session with a name, and settings that most tests share. */
export const sessionTo = (
  remote: string,
  local: string | null,
  more: Partial<BfdSessionConfig> = {},
): BfdSessionConfig => ({
  name: remote,
  remote: ip(remote),
  local: local === null ? null : ip(local),
  interfaceName: null,
  minimumTtl: null,
  transmitMillis: 50,
  receiveMillis: 50,
  multiplier: 3,
  passive: false,
  auth: null,
  fastTimers: false,
  ...more,
});

/** The main thread's end with a worker in a namespace, and what it was told. */
export interface Bfd {
  readonly sessions: BfdSessions;
  readonly changes: (PathChange & { readonly at: number })[];
  readonly metrics: Metrics;
  /** Names of the events that were logged. */
  readonly events: string[];
}

export function startBfd(net: Namespaces, namespace: string, wanted: readonly BfdSessionConfig[]): Bfd {
  const metrics = new Metrics();
  const events: string[] = [];
  const log = pino(
    { level: "info" },
    { write: (line: string) => void events.push((JSON.parse(line) as { event: string }).event) },
  );
  const sessions = new BfdSessions({ clock: systemClock, log, metrics });
  const changes: Bfd["changes"] = [];
  sessions.onChange((change) => changes.push({ ...change, at: performance.now() }));
  // A thread lives in the namespace of the one that made it.
  net.in(namespace, () => sessions.setSessions(wanted));
  return { sessions, changes, metrics, events };
}
