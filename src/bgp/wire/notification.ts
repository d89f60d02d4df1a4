import { Reader, type Writer } from "../../base/bytes.ts";

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
export function describeNotification({ code, subcode, data }: Notification): string {
  const words = notificationWords(code, subcode);
  if (code !== CEASE || data.length === 0) return words;
  if (subcode === HARD_RESET && data.length >= 2) return `${words} (${notificationWords(data[0]!, data[1]!)})`;
  if (subcode !== ADMINISTRATIVE_SHUTDOWN && subcode !== ADMINISTRATIVE_RESET) return words;
  const text = decodeShutdownText(data);
  return text === "" ? words : `${words}: ${text}`;
}

const CEASE = 6;
const ADMINISTRATIVE_SHUTDOWN = 2;
const ADMINISTRATIVE_RESET = 4;
const HARD_RESET = 9;

/** RFC 9003 allows 255 octets; peers that only know RFC 8203 take 128. */
const SHUTDOWN_TEXT_LENGTH_MAX = 128;

/** Length octet and UTF-8 text, cut between characters where it is too long; nothing at all for an empty text. */
export function encodeShutdownText(text: string): Uint8Array {
  const room = new Uint8Array(SHUTDOWN_TEXT_LENGTH_MAX);
  const { written } = new TextEncoder().encodeInto(text, room);
  return written === 0 ? new Uint8Array(0) : Uint8Array.of(written, ...room.subarray(0, written));
}

/** Fit to be shown: control characters escaped; a field that lies about its length or is no UTF-8 is shown in hex. */
function decodeShutdownText(data: Uint8Array): string {
  const length = data[0]!;
  if (length > data.length - 1) return `malformed text 0x${hex(data)}`;
  const octets = data.subarray(1, 1 + length);
  try {
    return escapeControls(new TextDecoder("utf-8", { fatal: true }).decode(octets));
  } catch {
    return `malformed text 0x${hex(octets)}`;
  }
}

/** What a peer wrote must not move a terminal's cursor nor forge a line: controls, separators, bidi marks. */
const escapeControls = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`);

const hex = (bytes: Uint8Array): string => Array.from(bytes, (octet) => octet.toString(16).padStart(2, "0")).join("");

/** @param body  what follows the header; framing has seen to it that two octets are there */
export function decodeNotification(body: Uint8Array): Notification {
  const reader = new Reader(body);
  return {
    type: "notification",
    code: reader.u8("error code"),
    subcode: reader.u8("error subcode"),
    data: reader.rest().slice(),
  };
}

export function encodeNotification(notification: Notification, out: Writer): void {
  out.u8(notification.code).u8(notification.subcode).bytes(notification.data);
}
