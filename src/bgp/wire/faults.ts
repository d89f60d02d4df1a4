import type { Ipv4 } from "../../addr/ip.ts";
import { Writer } from "../../base/bytes.ts";
import { unreachable } from "../../base/unreachable.ts";
import type { Asn } from "./asn.ts";
import { attributeName } from "./attribute-names.ts";
import { type Capability, encodeCapabilities, type Role } from "./capabilities.ts";
import { HEADER_LENGTH, MESSAGE_LENGTH_MAX } from "./framing.ts";
import { notificationWords, type Notification } from "./notification.ts";
import { encodeShutdownText } from "./shown-text.ts";

/** Everything that makes us close a session, each with what its NOTIFICATION's data field needs. */
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
  | { readonly kind: "open.unsupported-capability"; readonly missing: readonly Capability[] }
  | { readonly kind: "open.role-mismatch"; readonly local: Role; readonly remote: Role | number | null }
  | ({ readonly kind: "update.malformed-attribute-list"; readonly detail: string } & Place)
  | ({ readonly kind: "update.unrecognized-well-known" } & AttributeAtFault)
  | { readonly kind: "update.missing-well-known"; readonly code: number }
  | ({ readonly kind: "update.attribute-flags" } & AttributeAtFault)
  | ({ readonly kind: "update.attribute-length" } & AttributeAtFault)
  | ({ readonly kind: "update.invalid-origin" } & AttributeAtFault)
  | ({ readonly kind: "update.invalid-next-hop" } & AttributeAtFault)
  | ({ readonly kind: "update.optional-attribute" } & AttributeAtFault)
  | ({ readonly kind: "update.bad-network-field"; readonly detail: string } & Place)
  | ({ readonly kind: "update.malformed-as-path"; readonly detail: string } & Place)
  | { readonly kind: "hold-timer.expired" }
  | { readonly kind: "send-hold-timer.expired" }
  | { readonly kind: "fsm.unexpected-in-open-sent"; readonly messageType: number | null }
  | { readonly kind: "fsm.unexpected-in-open-confirm"; readonly messageType: number | null }
  | { readonly kind: "fsm.unexpected-in-established"; readonly messageType: number | null }
  /** `message` is the whole ROUTE-REFRESH as received. */
  | { readonly kind: "route-refresh.bad-length"; readonly message: Uint8Array }
  | { readonly kind: "cease.max-prefixes"; readonly afi: number; readonly safi: number; readonly limit: number }
  | { readonly kind: "cease.administrative-shutdown"; readonly text: string }
  | { readonly kind: "cease.peer-deconfigured" }
  | { readonly kind: "cease.administrative-reset"; readonly text: string }
  | { readonly kind: "cease.connection-rejected" }
  | { readonly kind: "cease.other-configuration-change" }
  | { readonly kind: "cease.connection-collision" }
  | { readonly kind: "cease.out-of-resources" }
  /** The real reason of an end after which no routes are to be kept (RFC 8538 §3). */
  | { readonly kind: "cease.hard-reset"; readonly inner: BgpFault }
  | { readonly kind: "cease.bfd-down" };

/** Where in an UPDATE the fault was found, and what asks for its consequence, where that is known. */
interface Place {
  /** Octets from the beginning of the message, its header included. */
  readonly offset?: number;
  /** More exact than the section of the fault's kind. */
  readonly section?: string;
}

interface AttributeAtFault extends Place {
  /** Flags, type, length and value as received. */
  readonly attribute: Uint8Array;
  readonly detail?: string;
}

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
  "open.unsupported-capability": { code: 2, subcode: 7, section: "RFC 5492 §3" },
  "open.role-mismatch": { code: 2, subcode: 11, section: "RFC 9234 §4.2" },
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
  "route-refresh.bad-length": { code: 7, subcode: 1, section: "RFC 7313 §5" },
  "cease.max-prefixes": { code: 6, subcode: 1, section: "RFC 4486 §4" },
  "cease.administrative-shutdown": { code: 6, subcode: 2, section: "RFC 9003 §2" },
  "cease.peer-deconfigured": { code: 6, subcode: 3, section: "RFC 4486 §4" },
  "cease.administrative-reset": { code: 6, subcode: 4, section: "RFC 9003 §2" },
  "cease.connection-rejected": { code: 6, subcode: 5, section: "RFC 4486 §4" },
  "cease.other-configuration-change": { code: 6, subcode: 6, section: "RFC 4486 §4" },
  "cease.connection-collision": { code: 6, subcode: 7, section: "RFC 4271 §6.8" },
  "cease.out-of-resources": { code: 6, subcode: 8, section: "RFC 4486 §4" },
  "cease.hard-reset": { code: 6, subcode: 9, section: "RFC 8538 §3" },
  "cease.bfd-down": { code: 6, subcode: 10, section: "RFC 9384 §3" },
} as const satisfies Record<
  BgpFault["kind"],
  { readonly code: number; readonly subcode: number; readonly section: string }
>;

/**
 * The NOTIFICATION that reports `fault`.
 *
 * @param maxLength  octets of a whole message that the peer takes (RFC 8654 §5)
 */
export function notificationOf(fault: BgpFault, maxLength: number = MESSAGE_LENGTH_MAX): Notification {
  const { code, subcode } = NOTIFICATION[fault.kind];
  return { type: "notification", code, subcode, data: dataOf(fault).slice(0, maxLength - NOTIFICATION_OVERHEAD) };
}

/** Header, code and subcode. */
const NOTIFICATION_OVERHEAD = HEADER_LENGTH + 2;

/** The fault in words for an operator: the registry's names, what was wrong and where, and who says so. */
export function describeFault(fault: BgpFault): string {
  const { code, subcode } = NOTIFICATION[fault.kind];
  const detail = detailOf(fault);
  return notificationWords(code, subcode) + (detail === "" ? "" : ` (${detail})`);
}

/** The section that asks for the consequence of `fault`. */
export const sectionOf = (fault: BgpFault): string =>
  ("section" in fault ? fault.section : undefined) ?? NOTIFICATION[fault.kind].section;

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
    case "open.unsupported-capability":
      return encodeCapabilities(fault.missing);
    case "update.missing-well-known":
      return Uint8Array.of(fault.code);
    case "update.unrecognized-well-known":
    case "update.attribute-flags":
    case "update.attribute-length":
    case "update.invalid-origin":
    case "update.invalid-next-hop":
    case "update.optional-attribute":
      return fault.attribute;
    case "fsm.unexpected-in-open-sent":
    case "fsm.unexpected-in-open-confirm":
    case "fsm.unexpected-in-established":
      return fault.messageType === null ? EMPTY : Uint8Array.of(fault.messageType);
    case "route-refresh.bad-length":
      return fault.message;
    case "cease.max-prefixes":
      return new Writer(7).u16(fault.afi).u8(fault.safi).u32(fault.limit).finish();
    case "cease.administrative-shutdown":
    case "cease.administrative-reset":
      return encodeShutdownText(fault.text);
    case "cease.hard-reset": {
      const { code, subcode } = NOTIFICATION[fault.inner.kind];
      return Uint8Array.of(code, subcode, ...dataOf(fault.inner));
    }
    case "header.not-synchronized":
    case "open.malformed":
    case "open.bad-peer-as":
    case "open.bad-identifier":
    case "open.unsupported-parameter":
    case "open.role-mismatch":
    case "update.malformed-attribute-list":
    case "update.bad-network-field":
    case "update.malformed-as-path":
    case "hold-timer.expired":
    case "send-hold-timer.expired":
    case "cease.peer-deconfigured":
    case "cease.connection-rejected":
    case "cease.other-configuration-change":
    case "cease.connection-collision":
    case "cease.out-of-resources":
    case "cease.bfd-down":
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
    case "open.unsupported-capability":
      return `missing: ${fault.missing.map(capabilityWords).join(", ")}`;
    case "open.role-mismatch":
      return `we are ${fault.local}, the peer is ${fault.remote ?? "silent about its role"}`;
    case "update.missing-well-known":
      return `${attributeName(fault.code)}; ${sectionOf(fault)}`;
    case "update.unrecognized-well-known":
    case "update.attribute-flags":
    case "update.attribute-length":
    case "update.invalid-origin":
    case "update.invalid-next-hop":
    case "update.optional-attribute":
      return placed(fault, [attributeName(fault.attribute[1]), fault.detail]);
    case "update.malformed-attribute-list":
    case "update.bad-network-field":
    case "update.malformed-as-path":
      return placed(fault, [fault.detail]);
    case "open.malformed":
      return fault.detail;
    case "fsm.unexpected-in-open-sent":
    case "fsm.unexpected-in-open-confirm":
    case "fsm.unexpected-in-established":
      return fault.messageType === null ? "" : `message type ${fault.messageType}`;
    case "route-refresh.bad-length":
      return `length ${fault.message.length}`;
    case "cease.max-prefixes":
      return `AFI ${fault.afi} SAFI ${fault.safi}, limit ${fault.limit}`;
    case "cease.administrative-shutdown":
    case "cease.administrative-reset":
      return fault.text;
    case "cease.hard-reset":
      return describeFault(fault.inner);
    case "header.not-synchronized":
    case "hold-timer.expired":
    case "send-hold-timer.expired":
    case "cease.peer-deconfigured":
    case "cease.connection-rejected":
    case "cease.other-configuration-change":
    case "cease.connection-collision":
    case "cease.out-of-resources":
    case "cease.bfd-down":
      return "";
    default:
      return unreachable(fault);
  }
}

/** "ORIGIN, value 3, at octet 23; RFC 7606 §7.1". */
function placed(fault: BgpFault & Place, words: readonly (string | undefined)[]): string {
  const where = fault.offset === undefined ? undefined : `at octet ${fault.offset}`;
  return `${[...words, where].filter((word) => word !== undefined && word !== "").join(", ")}; ${sectionOf(fault)}`;
}

const capabilityWords = (one: Capability): string =>
  one.kind === "multiprotocol" ? `multiprotocol AFI ${one.afi} SAFI ${one.safi}` : one.kind;
