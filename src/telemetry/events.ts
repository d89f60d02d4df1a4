import type { Logger } from "pino";

/**
 * Every line that the daemon logs, with its level. Names are API: users alert on them, so renaming one is a breaking
 * change. The comment gives the fields.
 */
export const EVENTS = {
  "daemon.started": "info", //        version, node, mode
  "daemon.stopping": "info", //       signal
  "daemon.stopped": "info", //
  "config.warning": "warn", //        name, hint
} as const satisfies Record<string, "debug" | "info" | "warn" | "error">;

export type EventName = keyof typeof EVENTS;

/** The only door to the log: the event's name fixes its level, so it never appears at two severities. */
export function emit(log: Logger, event: EventName, fields: object, message: string): void {
  log[EVENTS[event]]({ ...fields, event }, message);
}
