import { unreachable } from "../../base/unreachable.ts";
import type { Event } from "../fsm/state.ts";
import { frame } from "../wire/framing.ts";
import { decodeMessage, type Decoded } from "../wire/message.ts";
import type { UpdateContext } from "../wire/path-attributes.ts";
import type { AttributeFault } from "../wire/update.ts";
import type { Link } from "./link.ts";

/** Before both OPENs are there only what is the same in all sessions can be read and written. */
export const NO_SESSION: UpdateContext = { fourOctetAs: true, external: true, families: [] };

/** What a message, or something that is none, means to the state machine. */
export interface Incoming {
  readonly event: Event;
  /** The whole message; null when there is no telling where it would end. */
  readonly octets: Uint8Array | null;
  /** Of an UPDATE that does not end the session (RFC 7606). */
  readonly faults: readonly AttributeFault[];
}

/** Cuts the next message off what has arrived on a link; null when it is not all there. */
export function nextMessage(link: Link, context: UpdateContext): Incoming | null {
  const framed = frame(link.buffer, context.receiveMaxLength);
  switch (framed.kind) {
    case "need-more":
      link.settle();
      return null;
    case "fault":
      return { event: { type: "faulted", fault: framed.fault }, octets: null, faults: [] };
    case "message": {
      link.consume(framed.bytes.length);
      const decoded = decodeMessage(framed.bytes, context);
      const faults = decoded.kind === "message" ? decoded.faults : [];
      return { event: eventOf(decoded), octets: framed.bytes, faults };
    }
    default:
      return unreachable(framed);
  }
}

function eventOf(decoded: Decoded): Event {
  if (decoded.kind === "fault") return { type: "faulted", fault: decoded.fault };
  const { message, faults } = decoded;
  switch (message.type) {
    case "open":
      return { type: "received-open", open: message };
    case "update":
      return { type: "received-update", decoded: { update: message, faults } };
    case "notification":
      return { type: "received-notification", notification: message };
    case "keepalive":
      return { type: "received-keepalive" };
    case "route-refresh":
      return { type: "received-route-refresh", request: message };
    default:
      return unreachable(message);
  }
}
