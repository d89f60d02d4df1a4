import type { PeeringEvent } from "../fsm/peering.ts";

/** Octets and bigints have no JSON of their own: they become objects with one of these keys. */
const OCTETS = "$octets";
const BIGINT = "$bigint";

/** JSON text of plain data with octets and bigints in it. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (inner instanceof Uint8Array) return { [OCTETS]: hex(inner) };
    if (typeof inner === "bigint") return { [BIGINT]: String(inner) };
    return inner;
  });
}

/** @throws SyntaxError when `text` is not JSON */
export function fromJson(text: string): unknown {
  return JSON.parse(text, (_key, inner: unknown) => {
    if (inner === null || typeof inner !== "object") return inner;
    const [first, ...rest] = Object.entries(inner);
    if (first === undefined || rest.length > 0 || typeof first[1] !== "string") return inner;
    if (first[0] === OCTETS) return octetsOf(first[1]);
    if (first[0] === BIGINT) return BigInt(first[1]);
    return inner;
  });
}

/**
 * The event without the routes of an UPDATE: the state machine hands them on unread, and the message itself is recorded.
 */
export function plainEvent(event: PeeringEvent): unknown {
  if (event.type !== "connection" || event.event.type !== "received-update") return event;
  return { ...event, event: { type: event.event.type } };
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** @throws SyntaxError when `text` is not pairs of hexadecimal digits */
export function octetsOf(text: string): Uint8Array {
  if (!/^(?:[0-9a-f]{2})*$/i.test(text)) throw new SyntaxError(`not hexadecimal octets: ${text.slice(0, 40)}`);
  return new Uint8Array(Buffer.from(text, "hex"));
}
