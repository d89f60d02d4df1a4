import { Reader, Writer } from "../../base/bytes.ts";
import { unreachable } from "../../base/unreachable.ts";
import { type BgpFault, FaultFound } from "./faults.ts";
import { HEADER_LENGTH, MESSAGE_TYPE } from "./framing.ts";
import { decodeNotification, encodeNotification, type Notification } from "./notification.ts";
import { decodeOpen, encodeOpen, type Open } from "./open.ts";
import type { UpdateContext } from "./path-attributes.ts";
import { type AttributeFault, decodeUpdate, encodeUpdate, type Update } from "./update.ts";

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

/**
 * Decodes one framed message. Any octets give a value or a fault; `faults` are those of an UPDATE that keeps the
 * session (RFC 7606). Nothing in the result aliases `bytes`.
 *
 * @param bytes  as cut by `frame`, header included
 */
export function decodeMessage(bytes: Uint8Array, context: UpdateContext): Decoded {
  const body = bytes.subarray(HEADER_LENGTH);
  const message = (message: Message, faults: readonly AttributeFault[] = []): Decoded => ({
    kind: "message",
    message,
    faults,
  });
  try {
    const type = bytes[18] ?? 0;
    switch (type) {
      case MESSAGE_TYPE.open:
        return message(decodeOpen(body));
      case MESSAGE_TYPE.update: {
        const { update, faults } = decodeUpdate(body, context);
        return message(update, faults);
      }
      case MESSAGE_TYPE.notification:
        return message(decodeNotification(body));
      case MESSAGE_TYPE.keepalive:
        return message({ type: "keepalive" });
      case MESSAGE_TYPE["route-refresh"]:
        return message(decodeRouteRefresh(body));
      default: // framing has refused it already
        return { kind: "fault", fault: { kind: "header.bad-type", type } };
    }
  } catch (error) {
    if (error instanceof FaultFound) return { kind: "fault", fault: error.fault };
    throw error;
  }
}

/** What follows the four octets would be RFC 5291's, which is not offered: ignored. */
function decodeRouteRefresh(body: Uint8Array): RouteRefresh {
  const reader = new Reader(body);
  const afi = reader.u16("AFI");
  const subtype = reader.u8("subtype");
  return { type: "route-refresh", afi, subtype, safi: reader.u8("SAFI") };
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
