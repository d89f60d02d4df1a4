/**
 * The BFD Control packet (RFC 5880 §4.1): 24 octets, then an authentication section where the A bit says so. Intervals
 * are microseconds, as on the wire. Reading judges everything that needs no knowledge of a session (§6.8.6, first half);
 * what is wrong costs that one packet and nothing else, so the answer is a reason to count, never a fault to send.
 */
import { Reader, Truncated, Writer } from "../../base/bytes.ts";
import type { DiscardReason } from "./discards.ts";

/** By their number on the wire. */
const STATES = ["admin-down", "down", "init", "up"] as const;
export type BfdState = (typeof STATES)[number];

/** Registry "BFD Diagnostic Codes"; 9 to 31 are reserved. */
export const DIAGNOSTIC = {
  none: 0,
  controlDetectionTimeExpired: 1,
  neighborSignaledDown: 3,
  administrativelyDown: 7,
} as const;

const DIAGNOSTIC_NAMES = [
  "no diagnostic",
  "control detection time expired",
  "echo function failed",
  "neighbor signaled session down",
  "forwarding plane reset",
  "path down",
  "concatenated path down",
  "administratively down",
  "reverse concatenated path down",
];

/** In words; a reserved code by its number. */
export const diagnosticName = (code: number): string => DIAGNOSTIC_NAMES[code] ?? `diagnostic ${code}`;

const VERSION = 1;
/** Octets before the authentication section. */
export const HEADER_LENGTH = 24;
/** Type and length of an authentication section have to fit, at least. */
const AUTHENTICATED_LENGTH_MIN = 26;

const POLL = 0x20;
const FINAL = 0x10;
const CONTROL_PLANE_INDEPENDENT = 0x08;
const AUTHENTICATION = 0x04;
const DEMAND = 0x02;
const MULTIPOINT = 0x01;

export interface ControlPacket {
  readonly state: BfdState;
  /** 0..31. */
  readonly diagnostic: number;
  readonly poll: boolean;
  readonly final: boolean;
  readonly controlPlaneIndependent: boolean;
  readonly demand: boolean;
  /** Detect Mult, 1..255. */
  readonly multiplier: number;
  /** Never 0. */
  readonly myDiscriminator: number;
  /** 0: not known yet. */
  readonly yourDiscriminator: number;
  readonly desiredMinTxMicros: number;
  /** 0: the sender wants no periodic packets. */
  readonly requiredMinRxMicros: number;
  /** 0: the sender does not loop echo packets back. */
  readonly requiredMinEchoRxMicros: number;
}

export type Decoded =
  | {
      readonly kind: "packet";
      readonly packet: ControlPacket;
      /** What follows the header up to the packet's own Length; null with the A bit clear. Aliases the input. */
      readonly authSection: Uint8Array | null;
    }
  | { readonly kind: "discard"; readonly reason: DiscardReason };

/** @param payload  of one UDP datagram; what lies beyond the packet's own Length is ignored */
export function decodeControlPacket(payload: Uint8Array): Decoded {
  try {
    return decode(new Reader(payload), payload);
  } catch (error) {
    if (error instanceof Truncated) return discard("length");
    throw error;
  }
}

function decode(reader: Reader, payload: Uint8Array): Decoded {
  const [first, second] = [reader.u8("version"), reader.u8("flags")];
  if (first >> 5 !== VERSION) return discard("version");
  const multiplier = reader.u8("detect mult");
  const length = reader.u8("length");
  const authenticated = (second & AUTHENTICATION) !== 0;
  if (length < (authenticated ? AUTHENTICATED_LENGTH_MIN : HEADER_LENGTH)) return discard("length");
  if (length > payload.length) return discard("length");
  if (multiplier === 0) return discard("multiplier");
  if ((second & MULTIPOINT) !== 0) return discard("multipoint");
  const packet: ControlPacket = {
    state: STATES[second >> 6]!,
    diagnostic: first & 0x1f,
    poll: (second & POLL) !== 0,
    final: (second & FINAL) !== 0,
    controlPlaneIndependent: (second & CONTROL_PLANE_INDEPENDENT) !== 0,
    demand: (second & DEMAND) !== 0,
    multiplier,
    myDiscriminator: reader.u32("my discriminator"),
    yourDiscriminator: reader.u32("your discriminator"),
    desiredMinTxMicros: reader.u32("desired min tx interval"),
    requiredMinRxMicros: reader.u32("required min rx interval"),
    requiredMinEchoRxMicros: reader.u32("required min echo rx interval"),
  };
  if (packet.myDiscriminator === 0) return discard("my-discriminator");
  // Only who does not know us yet may leave our discriminator out (§6.8.6).
  if (packet.yourDiscriminator === 0 && packet.state !== "down" && packet.state !== "admin-down")
    return discard("your-discriminator");
  // §6.5 forbids to send it; §6.8.6 does not say to discard it, but nothing sensible can be done about it.
  if (packet.poll && packet.final) return discard("poll-and-final");
  return { kind: "packet", packet, authSection: authenticated ? payload.subarray(HEADER_LENGTH, length) : null };
}

/**
 * @param authLength  octets of the authentication section that the caller appends; 0 leaves the A bit clear
 * @returns the header alone
 */
export function encodeControlPacket(packet: ControlPacket, authLength: number): Uint8Array {
  const flags =
    (packet.poll ? POLL : 0) |
    (packet.final ? FINAL : 0) |
    (packet.controlPlaneIndependent ? CONTROL_PLANE_INDEPENDENT : 0) |
    (authLength > 0 ? AUTHENTICATION : 0) |
    (packet.demand ? DEMAND : 0);
  return new Writer(HEADER_LENGTH)
    .u8((VERSION << 5) | packet.diagnostic)
    .u8((STATES.indexOf(packet.state) << 6) | flags)
    .u8(packet.multiplier)
    .u8(HEADER_LENGTH + authLength)
    .u32(packet.myDiscriminator)
    .u32(packet.yourDiscriminator)
    .u32(packet.desiredMinTxMicros)
    .u32(packet.requiredMinRxMicros)
    .u32(packet.requiredMinEchoRxMicros)
    .finish();
}

const discard = (reason: DiscardReason): Decoded => ({ kind: "discard", reason });
