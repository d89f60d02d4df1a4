import type { Logger } from "pino";
import type { Trace } from "./trace.ts";

/** Lines that say nothing about who announces what. */
const QUIET = new Set(["bgp.connection.state", "address.added", "address.removed"]);

/** The daemon's log, as lines of the trace. */
export function traceLog(trace: Trace, who: string): Logger {
  const write = (fields: Record<string, unknown>, message: string): void => {
    const { event, ...rest } = fields;
    if (typeof event === "string" && !QUIET.has(event)) trace.say(who, `log ${event}: ${textOf(rest, message)}`);
  };
  const logger = { debug: write, info: write, warn: write, error: write, child: () => logger };
  return logger as unknown as Logger;
}

function textOf(fields: Record<string, unknown>, message: string): string {
  const parts = Object.entries(fields).flatMap(([name, value]) =>
    typeof value === "string" || typeof value === "number" ? [`${name}=${value}`] : [],
  );
  return parts.length > 0 ? parts.join(" ") : message;
}
