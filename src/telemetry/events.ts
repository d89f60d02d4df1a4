import type { Logger } from "pino";

/**
 * Every line that the daemon logs, with its level. Names are API: users alert on them, so renaming one is a breaking
 * change. The comment gives the fields.
 */
export const EVENTS = {
  "daemon.started": "info", //        version, node, mode
  "daemon.stopping": "info", //       signal
  "daemon.stopped": "info", //
  "config.warning": "warn", //        (the warning is the message)
  "address.added": "info", //         address, interfaceIndex
  "address.removed": "info", //       address, interfaceIndex
  "address.failed": "error", //       address, error
  "vip.announced": "info", //         owner, address, path
  "vip.withdrawn": "info", //         owner, address, path, gate, reason
  "vip.refused": "warn", //           owner, reason
  "fallback.started": "warn", //      (no session for the configured time)
  "fallback.ended": "info", //
  "probe.changed": "info", //         state, detail
  "kube.synced": "info", //           services, endpointSlices, nodes
  "status.write-failed": "warn", //   service, error
} as const satisfies Record<string, "debug" | "info" | "warn" | "error">;

export type EventName = keyof typeof EVENTS;

/** The only door to the log: the event's name fixes its level, so it never appears at two severities. */
export function emit(log: Logger, event: EventName, fields: object, message: string): void {
  log[EVENTS[event]]({ ...fields, event }, message);
}
