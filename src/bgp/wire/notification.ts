import { Reader, type Writer } from "../../base/bytes.ts";
import { HEADER_LENGTH } from "./framing.ts";
import { decodeShutdownText } from "./shown-text.ts";

/** RFC 4271 §4.5. */
export interface Notification {
  readonly type: "notification";
  readonly code: number;
  readonly subcode: number;
  readonly data: Uint8Array;
}

/** IANA "BGP Error Codes". */
const CODES: Readonly<Record<number, string>> = {
  1: "Message Header Error",
  2: "OPEN Message Error",
  3: "UPDATE Message Error",
  4: "Hold Timer Expired",
  5: "Finite State Machine Error",
  6: "Cease",
  7: "ROUTE-REFRESH Message Error",
  8: "Send Hold Timer Expired",
};

/** IANA "BGP Error Subcodes", by error code. */
const SUBCODES: Readonly<Record<number, Readonly<Record<number, string>>>> = {
  1: { 1: "Connection Not Synchronized", 2: "Bad Message Length", 3: "Bad Message Type" },
  2: {
    1: "Unsupported Version Number",
    2: "Bad Peer AS",
    3: "Bad BGP Identifier",
    4: "Unsupported Optional Parameter",
    5: "Authentication Failure",
    6: "Unacceptable Hold Time",
    7: "Unsupported Capability",
    11: "Role Mismatch",
  },
  3: {
    1: "Malformed Attribute List",
    2: "Unrecognized Well-known Attribute",
    3: "Missing Well-known Attribute",
    4: "Attribute Flags Error",
    5: "Attribute Length Error",
    6: "Invalid ORIGIN Attribute",
    7: "AS Routing Loop",
    8: "Invalid NEXT_HOP Attribute",
    9: "Optional Attribute Error",
    10: "Invalid Network Field",
    11: "Malformed AS_PATH",
  },
  5: {
    1: "unexpected message in OpenSent",
    2: "unexpected message in OpenConfirm",
    3: "unexpected message in Established",
  },
  6: {
    1: "Maximum Number of Prefixes Reached",
    2: "Administrative Shutdown",
    3: "Peer De-configured",
    4: "Administrative Reset",
    5: "Connection Rejected",
    6: "Other Configuration Change",
    7: "Connection Collision Resolution",
    8: "Out of Resources",
    9: "Hard Reset",
    10: "BFD Down",
  },
  7: { 1: "Invalid Message Length" },
};

/** Registry names of a code pair: "Cease: Administrative Shutdown". Unknown ones are shown as numbers (RFC 4271 §6.4). */
export function notificationWords(code: number, subcode: number): string {
  const name = CODES[code];
  if (name === undefined) return `error ${code}, subcode ${subcode}`;
  if (subcode === 0) return name;
  return `${name}: ${SUBCODES[code]?.[subcode] ?? `subcode ${subcode}`}`;
}

/** A received NOTIFICATION in words, with the shutdown text (RFC 9003) or what a hard reset wraps (RFC 8538). */
export function describeNotification(notification: Notification): string {
  const { code, subcode, data } = notification;
  const words = notificationWords(code, subcode);
  const inner = unwrapHardReset(notification);
  // Only once: what a hard reset wraps is not itself one.
  if (inner !== notification)
    return `${words} (${isHardReset(inner) ? notificationWords(6, 9) : describeNotification(inner)})`;
  if (code !== CEASE || data.length === 0) return words;
  if (subcode === PREFIX_LIMIT) return words + describeLimit(data);
  const text = shutdownText(notification);
  return text === null || text === "" ? words : `${words}: ${text}`;
}

const CEASE = 6;
const PREFIX_LIMIT = 1;
const ADMINISTRATIVE_SHUTDOWN = 2;
const ADMINISTRATIVE_RESET = 4;
const HARD_RESET = 9;

/** RFC 8538 §3: no graceful restart follows, whatever was agreed. */
export const isHardReset = ({ code, subcode }: Notification): boolean => code === CEASE && subcode === HARD_RESET;

/** What a hard reset wraps (RFC 8538 §3); the NOTIFICATION itself when it is none, or wraps nothing. */
export function unwrapHardReset(notification: Notification): Notification {
  const { data } = notification;
  if (!isHardReset(notification) || data.length < 2) return notification;
  return { type: "notification", code: data[0]!, subcode: data[1]!, data: data.subarray(2) };
}

/** RFC 4486 §4: the family and its limit, if it says so. */
function describeLimit(data: Uint8Array): string {
  if (data.length !== 7) return "";
  const reader = new Reader(data);
  return ` (AFI ${reader.u16("AFI")} SAFI ${reader.u8("SAFI")}, limit ${reader.u32("limit")})`;
}

/** What the other side's operator wrote, fit to be shown (RFC 9003); null where the NOTIFICATION has no such field. */
export function shutdownText({ code, subcode, data }: Notification): string | null {
  if (code !== CEASE || (subcode !== ADMINISTRATIVE_SHUTDOWN && subcode !== ADMINISTRATIVE_RESET)) return null;
  return decodeShutdownText(data);
}

/** @param message  the whole message; framing has seen to it that two octets follow the header */
export const decodeNotification = (message: Uint8Array): Notification => ({
  type: "notification",
  code: message[HEADER_LENGTH]!,
  subcode: message[HEADER_LENGTH + 1]!,
  data: message.slice(HEADER_LENGTH + 2),
});

export function encodeNotification(notification: Notification, out: Writer): void {
  out.u8(notification.code).u8(notification.subcode).bytes(notification.data);
}
