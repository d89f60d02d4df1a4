import type { BgpFault } from "./faults.ts";

/** Marker (16), Length (2), Type (1): RFC 4271 §4.1. */
export const HEADER_LENGTH = 19;
/** Longest message, header included, of peers that have not agreed on more. */
export const MESSAGE_LENGTH_MAX = 4096;
/** Longest message of RFC 8654. OPEN and KEEPALIVE stay within the other limit. */
export const EXTENDED_LENGTH_MAX = 65_535;

/** IANA "BGP Message Types". */
export const MESSAGE_TYPE = { open: 1, update: 2, notification: 3, keepalive: 4, "route-refresh": 5 } as const;

/** Shortest legal length of each type, header included (RFC 4271 §6.1; RFC 2918). */
const LENGTH_MIN: Readonly<Record<number, number>> = {
  [MESSAGE_TYPE.open]: 29,
  [MESSAGE_TYPE.update]: 23,
  [MESSAGE_TYPE.notification]: 21,
  [MESSAGE_TYPE.keepalive]: 19,
  [MESSAGE_TYPE["route-refresh"]]: 23,
};

export type Framed =
  | { readonly kind: "message"; readonly bytes: Uint8Array }
  | { readonly kind: "need-more" }
  | { readonly kind: "fault"; readonly fault: BgpFault };

/**
 * Cuts the first message off `input`: three answers, so that "bad" never looks like "wait".
 *
 * The header is judged as soon as its 19 octets are there: marker, length range, type, then the type's own length
 * (RFC 4271 §6.1). The message aliases `input`.
 *
 * @param maxLength  octets of the longest message that is taken
 */
export function frame(input: Uint8Array, maxLength: number = MESSAGE_LENGTH_MAX): Framed {
  // A wrong marker octet stays wrong: no reason to wait for the rest of the header.
  const markerEnd = Math.min(16, input.length);
  for (let i = 0; i < markerEnd; i++) if (input[i] !== 0xff) return fault({ kind: "header.not-synchronized" });
  if (input.length < HEADER_LENGTH) return { kind: "need-more" };
  const length = (input[16]! << 8) | input[17]!;
  const type = input[18]!;
  if (length < HEADER_LENGTH || length > maxLength) return fault({ kind: "header.bad-length", length });
  const min = LENGTH_MIN[type];
  if (min === undefined) return fault({ kind: "header.bad-type", type });
  const max = type === MESSAGE_TYPE.keepalive ? min : type === MESSAGE_TYPE.open ? MESSAGE_LENGTH_MAX : maxLength;
  if (length < min || length > max) {
    return fault({ kind: "header.bad-length", length });
  }
  return input.length < length ? { kind: "need-more" } : { kind: "message", bytes: input.subarray(0, length) };
}

const fault = (fault: BgpFault): Framed => ({ kind: "fault", fault });
