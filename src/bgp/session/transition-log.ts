import type { Logger } from "pino";
import { emit } from "../../telemetry/events.ts";
import { leadingSlot, type Peering, type PeeringEvent } from "../fsm/peering.ts";
import type { PeerStatus } from "./peer-config.ts";

/** The peer's state as an operator sees it: that of the connection that got further. */
export const visibleState = (peering: Peering): PeerStatus["state"] => peering[leadingSlot(peering)].name;

/** The one log line per transition; of each connection for whoever debugs, of the session for everybody. */
export function logTransition(log: Logger, before: Peering, after: Peering, event: PeeringEvent): void {
  const cause = event.type === "connection" ? event.event.type : event.type;
  for (const slot of ["outgoing", "incoming"] as const) {
    const [from, to] = [before[slot].name, after[slot].name];
    if (from === to) continue;
    emit(log, "bgp.connection.state", { slot, from, to, cause }, `${slot} connection: ${from} to ${to}`);
  }
  const [from, to] = [visibleState(before), visibleState(after)];
  if (from === to || (from !== "established" && to !== "established")) return;
  emit(log, "bgp.session.state", { from, to, cause }, to === "established" ? "session up" : "session down");
}
