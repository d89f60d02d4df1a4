import { u16At, Writer } from "../../base/bytes.ts";
import { unreachable } from "../../base/unreachable.ts";
import type { BgpFault } from "./faults.ts";
import { HEADER_LENGTH, MESSAGE_TYPE } from "./framing.ts";
import { decodeNotification, encodeNotification, type Notification } from "./notification.ts";
import { decodeOpen, encodeOpen, type Open } from "./open.ts";
import type { UpdateContext } from "./path-attributes.ts";
import { encodeUpdate } from "./update-encoding.ts";
import { type AttributeFault, decodeUpdate, type Update } from "./update.ts";

/*
 * BGP messages to octets and back: RFC 4271 §4, with RFCs 2545, 2918, 4360, 4724, 4760, 5492, 5701, 6793, 7313, 7606,
 * 7911, 8092, 8538, 8654, 8950, 9003, 9072, 9234 and 9494 as far as they concern octets.
 *
 * `framing` cuts messages out of a stream and judges their headers. `decodeMessage` gives a value or a fault, and, for an
 * UPDATE that is wrong without having to end the session, the value together with what is wrong: RFC 7606 as one table
 * (`attribute-table`), walked by one loop (`update`). What a value means on a session is in `UpdateContext`; whether it is
 * acceptable there is for the state machine and the RIB to say. `update-encoding` writes, from values or out of octets
 * that were made before.
 *
 * The obvious design, a cursor that throws where octets are missing, is not taken: an exception for each wrong attribute
 * would let a peer choose what its UPDATEs cost us. A decoder here reads by index, below an end that it has checked, and
 * returns what is wrong.
 */

/** RFC 7313 §4: a request, or what encloses the answer to one. Others are to be ignored. */
export const REFRESH_SUBTYPE = { request: 0, begin: 1, end: 2 } as const;

/** RFC 2918 §3. The subtype is RFC 7313's; without that capability it says nothing. */
export interface RouteRefresh {
  readonly type: "route-refresh";
  readonly afi: number;
  readonly subtype: number;
  readonly safi: number;
}

export type Message = Open | Update | Notification | { readonly type: "keepalive" } | RouteRefresh;

export type Decoded =
  | { readonly kind: "message"; readonly message: Message; readonly faults: readonly AttributeFault[] }
  | { readonly kind: "fault"; readonly fault: BgpFault };

const NO_FAULTS: readonly AttributeFault[] = [];

/**
 * Decodes one framed message. Any octets give a value or a fault; `faults` are those of an UPDATE that keeps the
 * session (RFC 7606). Nothing in the result aliases `bytes`.
 *
 * @param bytes  as cut by `frame`, header included
 */
export function decodeMessage(bytes: Uint8Array, context: UpdateContext): Decoded {
  const type = bytes[18] ?? 0;
  switch (type) {
    case MESSAGE_TYPE.open:
      return decoded(decodeOpen(bytes));
    case MESSAGE_TYPE.update: {
      const result = decodeUpdate(bytes, context);
      if ("kind" in result) return { kind: "fault", fault: result };
      return { kind: "message", message: result.update, faults: result.faults };
    }
    case MESSAGE_TYPE.notification:
      return decoded(decodeNotification(bytes));
    case MESSAGE_TYPE.keepalive:
      return decoded({ type: "keepalive" });
    case MESSAGE_TYPE["route-refresh"]:
      return decoded(decodeRouteRefresh(bytes, context));
    default: // framing has refused it already
      return { kind: "fault", fault: { kind: "header.bad-type", type } };
  }
}

const decoded = (result: Message | BgpFault): Decoded =>
  "kind" in result ? { kind: "fault", fault: result } : { kind: "message", message: result, faults: NO_FAULTS };

/**
 * What follows the four octets would be RFC 5291's, which is not offered: ignored, but where the subtype is one of
 * RFC 7313's, which has nothing to follow.
 */
function decodeRouteRefresh(bytes: Uint8Array, context: UpdateContext): RouteRefresh | BgpFault {
  const at = HEADER_LENGTH;
  const subtype = bytes[at + 2]!;
  const isMarker = subtype === REFRESH_SUBTYPE.begin || subtype === REFRESH_SUBTYPE.end;
  if (context.enhancedRouteRefresh === true && isMarker && bytes.length !== at + 4) {
    return { kind: "route-refresh.bad-length", message: bytes.slice() };
  }
  return { type: "route-refresh", afi: u16At(bytes, at), subtype, safi: bytes[at + 3]! };
}

/** The whole message, header included. */
export function encodeMessage(message: Message, context: UpdateContext): Uint8Array {
  const out = new Writer();
  for (let i = 0; i < 4; i++) out.u32(0xffff_ffff);
  out.u16(0).u8(MESSAGE_TYPE[message.type]);
  switch (message.type) {
    case "open":
      encodeOpen(message, out);
      break;
    case "update":
      encodeUpdate(message, out, context);
      break;
    case "notification":
      encodeNotification(message, out);
      break;
    case "keepalive":
      break;
    case "route-refresh":
      out.u16(message.afi).u8(message.subtype).u8(message.safi);
      break;
    default:
      return unreachable(message);
  }
  out.patchU16(16, out.length);
  return out.finish();
}
