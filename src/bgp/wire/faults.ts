import type { Ipv4 } from "../../addr/ip.ts";
import { Writer } from "../../base/bytes.ts";
import { unreachable } from "../../base/unreachable.ts";
import type { Asn } from "./asn.ts";
import { encodeShutdownText, notificationWords, type Notification } from "./notification.ts";

/**
 * Everything that makes us close a session, each with what its NOTIFICATION's data field needs. `attribute` is one
 * path attribute as received: flags, type, length and value.
 */
export type BgpFault =
  | { readonly kind: "header.not-synchronized" }
  | { readonly kind: "header.bad-length"; readonly length: number }
  | { readonly kind: "header.bad-type"; readonly type: number }
  | { readonly kind: "open.malformed"; readonly detail: string }
  | { readonly kind: "open.unsupported-version"; readonly version: number }
  | { readonly kind: "open.bad-peer-as"; readonly expected: Asn | null; readonly received: Asn }
  | { readonly kind: "open.bad-identifier"; readonly identifier: Ipv4 }
  | { readonly kind: "open.unsupported-parameter"; readonly parameter: number }
  | { readonly kind: "open.unacceptable-hold-time"; readonly seconds: number }
  | { readonly kind: "update.malformed-attribute-list"; readonly detail: string }
  | { readonly kind: "update.unrecognized-well-known"; readonly attribute: Uint8Array }
  | { readonly kind: "update.missing-well-known"; readonly code: number }
  | { readonly kind: "update.attribute-flags"; readonly attribute: Uint8Array }
  | { readonly kind: "update.attribute-length"; readonly attribute: Uint8Array }
  | { readonly kind: "update.invalid-origin"; readonly attribute: Uint8Array }
  | { readonly kind: "update.invalid-next-hop"; readonly attribute: Uint8Array }
  | { readonly kind: "update.optional-attribute"; readonly attribute: Uint8Array }
  | { readonly kind: "update.bad-network-field"; readonly detail: string }
  | { readonly kind: "update.malformed-as-path"; readonly detail: string }
  | { readonly kind: "hold-timer.expired" }
  | { readonly kind: "send-hold-timer.expired" }
  | { readonly kind: "fsm.unexpected-in-open-sent"; readonly messageType: number | null }
  | { readonly kind: "fsm.unexpected-in-open-confirm"; readonly messageType: number | null }
  | { readonly kind: "fsm.unexpected-in-established"; readonly messageType: number | null }
  | { readonly kind: "cease.administrative-shutdown"; readonly text: string }
  | { readonly kind: "cease.peer-deconfigured" }
  | { readonly kind: "cease.other-configuration-change" }
  | { readonly kind: "cease.connection-collision" };

/** Wire codes, one row per fault. A fault without a row does not compile. */
export const NOTIFICATION = {
  "header.not-synchronized": { code: 1, subcode: 1, section: "RFC 4271 §6.1" },
  "header.bad-length": { code: 1, subcode: 2, section: "RFC 4271 §6.1" },
  "header.bad-type": { code: 1, subcode: 3, section: "RFC 4271 §6.1" },
  "open.malformed": { code: 2, subcode: 0, section: "RFC 4271 §6.2" },
  "open.unsupported-version": { code: 2, subcode: 1, section: "RFC 4271 §6.2" },
  "open.bad-peer-as": { code: 2, subcode: 2, section: "RFC 4271 §6.2, RFC 7607 §2" },
  "open.bad-identifier": { code: 2, subcode: 3, section: "RFC 6286 §2.2" },
  "open.unsupported-parameter": { code: 2, subcode: 4, section: "RFC 4271 §6.2" },
  "open.unacceptable-hold-time": { code: 2, subcode: 6, section: "RFC 4271 §6.2" },
  "update.malformed-attribute-list": { code: 3, subcode: 1, section: "RFC 4271 §6.3" },
  "update.unrecognized-well-known": { code: 3, subcode: 2, section: "RFC 4271 §6.3" },
  "update.missing-well-known": { code: 3, subcode: 3, section: "RFC 4271 §6.3" },
  "update.attribute-flags": { code: 3, subcode: 4, section: "RFC 4271 §6.3" },
  "update.attribute-length": { code: 3, subcode: 5, section: "RFC 4271 §6.3" },
  "update.invalid-origin": { code: 3, subcode: 6, section: "RFC 4271 §6.3" },
  "update.invalid-next-hop": { code: 3, subcode: 8, section: "RFC 4271 §6.3" },
  "update.optional-attribute": { code: 3, subcode: 9, section: "RFC 7606 §5.3" },
  "update.bad-network-field": { code: 3, subcode: 10, section: "RFC 7606 §5.3" },
  "update.malformed-as-path": { code: 3, subcode: 11, section: "RFC 4271 §6.3" },
  "hold-timer.expired": { code: 4, subcode: 0, section: "RFC 4271 §6.5" },
  "send-hold-timer.expired": { code: 8, subcode: 0, section: "RFC 9687 §4" },
  "fsm.unexpected-in-open-sent": { code: 5, subcode: 1, section: "RFC 6608 §4" },
  "fsm.unexpected-in-open-confirm": { code: 5, subcode: 2, section: "RFC 6608 §4" },
  "fsm.unexpected-in-established": { code: 5, subcode: 3, section: "RFC 6608 §4" },
  "cease.administrative-shutdown": { code: 6, subcode: 2, section: "RFC 9003 §2" },
  "cease.peer-deconfigured": { code: 6, subcode: 3, section: "RFC 4486 §4" },
  "cease.other-configuration-change": { code: 6, subcode: 6, section: "RFC 4486 §4" },
  "cease.connection-collision": { code: 6, subcode: 7, section: "RFC 4271 §6.8" },
} as const satisfies Record<
  BgpFault["kind"],
  { readonly code: number; readonly subcode: number; readonly section: string }
>;

/**
 * Thrown inside a decoder to leave it, and caught at that decoder's entry point: no caller of a decoder ever sees it.
 */
export class FaultFound extends Error {
  override readonly name = "FaultFound";
  readonly fault: BgpFault;
  constructor(fault: BgpFault) {
    super(fault.kind);
    this.fault = fault;
  }
}

/** The NOTIFICATION that reports `fault`. */
export function notificationOf(fault: BgpFault): Notification {
  const { code, subcode } = NOTIFICATION[fault.kind];
  return { type: "notification", code, subcode, data: dataOf(fault) };
}

/** The fault in words for an operator: the registry's names, then what was wrong. */
export function describeFault(fault: BgpFault): string {
  const { code, subcode } = NOTIFICATION[fault.kind];
  const detail = detailOf(fault);
  return notificationWords(code, subcode) + (detail === "" ? "" : ` (${detail})`);
}

/** A NOTIFICATION must fit a message whatever the peer sent: 4096 − 21 octets are left for data. */
const DATA_LENGTH_MAX = 4075;

function dataOf(fault: BgpFault): Uint8Array {
  switch (fault.kind) {
    case "header.bad-length":
      return new Writer(2).u16(fault.length).finish();
    case "header.bad-type":
      return Uint8Array.of(fault.type);
    case "open.unsupported-version": // the largest version that we do speak
      return new Writer(2).u16(4).finish();
    case "open.unacceptable-hold-time":
      return new Writer(2).u16(fault.seconds).finish();
    case "update.missing-well-known":
      return Uint8Array.of(fault.code);
    case "update.unrecognized-well-known":
    case "update.attribute-flags":
    case "update.attribute-length":
    case "update.invalid-origin":
    case "update.invalid-next-hop":
    case "update.optional-attribute":
      return fault.attribute.slice(0, DATA_LENGTH_MAX);
    case "fsm.unexpected-in-open-sent":
    case "fsm.unexpected-in-open-confirm":
    case "fsm.unexpected-in-established":
      return fault.messageType === null ? EMPTY : Uint8Array.of(fault.messageType);
    case "cease.administrative-shutdown":
      return encodeShutdownText(fault.text);
    case "header.not-synchronized":
    case "open.malformed":
    case "open.bad-peer-as":
    case "open.bad-identifier":
    case "open.unsupported-parameter":
    case "update.malformed-attribute-list":
    case "update.bad-network-field":
    case "update.malformed-as-path":
    case "hold-timer.expired":
    case "send-hold-timer.expired":
    case "cease.peer-deconfigured":
    case "cease.other-configuration-change":
    case "cease.connection-collision":
      return EMPTY;
    default:
      return unreachable(fault);
  }
}

const EMPTY = new Uint8Array(0);

function detailOf(fault: BgpFault): string {
  switch (fault.kind) {
    case "header.bad-length":
      return `length ${fault.length}`;
    case "header.bad-type":
      return `type ${fault.type}`;
    case "open.unsupported-version":
      return `version ${fault.version}`;
    case "open.bad-peer-as":
      return fault.expected === null
        ? `received ${fault.received}`
        : `expected ${fault.expected}, received ${fault.received}`;
    case "open.bad-identifier":
      return `identifier ${fault.identifier}`;
    case "open.unsupported-parameter":
      return `parameter type ${fault.parameter}`;
    case "open.unacceptable-hold-time":
      return `${fault.seconds} s`;
    case "update.missing-well-known":
      return `attribute ${fault.code}`;
    case "update.unrecognized-well-known":
    case "update.attribute-flags":
    case "update.attribute-length":
    case "update.invalid-origin":
    case "update.invalid-next-hop":
    case "update.optional-attribute":
      return `attribute ${fault.attribute[1] ?? "?"}`;
    case "open.malformed":
    case "update.malformed-attribute-list":
    case "update.bad-network-field":
    case "update.malformed-as-path":
      return fault.detail;
    case "fsm.unexpected-in-open-sent":
    case "fsm.unexpected-in-open-confirm":
    case "fsm.unexpected-in-established":
      return fault.messageType === null ? "" : `message type ${fault.messageType}`;
    case "cease.administrative-shutdown":
      return fault.text;
    case "header.not-synchronized":
    case "hold-timer.expired":
    case "send-hold-timer.expired":
    case "cease.peer-deconfigured":
    case "cease.other-configuration-change":
    case "cease.connection-collision":
      return "";
    default:
      return unreachable(fault);
  }
}
