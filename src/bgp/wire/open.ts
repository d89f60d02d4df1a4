import { type Ipv4, ipFromBytes, ipToBytes } from "../../addr/ip.ts";
import { u16At, type Writer } from "../../base/bytes.ts";
import { Asn } from "./asn.ts";
import { type Capability, decodeCapabilities, encodeCapabilities } from "./capabilities.ts";
import type { BgpFault } from "./faults.ts";
import { HEADER_LENGTH } from "./framing.ts";

/** RFC 4271 §4.2. */
export interface Open {
  readonly type: "open";
  /** The "My Autonomous System" field: the AS number, or AS_TRANS where it does not fit. */
  readonly twoOctetAs: number;
  readonly holdTimeSeconds: number;
  /** 4-octet unsigned number, written as an address (RFC 6286). */
  readonly identifier: Ipv4;
  readonly capabilities: readonly Capability[];
}

/** The peer's AS: the four-octet capability's when it is there (RFC 6793 §4.1). */
export function asnOfOpen(open: Open): Asn {
  const capability = open.capabilities.findLast((one) => one.kind === "four-octet-as");
  return capability?.asn ?? Asn.of(open.twoOctetAs);
}

const VERSION = 4;
const CAPABILITIES_PARAMETER = 2;
/** RFC 9072: as first parameter type it announces two-octet lengths. */
const EXTENDED_PARAMETERS = 255;

/**
 * @param message  the whole message, as cut by `frame`
 * @returns a fault 2/x for whatever can be judged without knowing the peer's configuration
 */
export function decodeOpen(message: Uint8Array): Open | BgpFault {
  const at = HEADER_LENGTH;
  const version = message[at]!;
  if (version !== VERSION) return { kind: "open.unsupported-version", version };
  const twoOctetAs = u16At(message, at + 1);
  if (twoOctetAs === 0) return badAs(0);
  const seconds = u16At(message, at + 3);
  if (seconds === 1 || seconds === 2) return { kind: "open.unacceptable-hold-time", seconds };
  const identifier = ipFromBytes(message.subarray(at + 5, at + 9)) as Ipv4;
  if (identifier === "0.0.0.0") return { kind: "open.bad-identifier", identifier };
  const capabilities = decodeParameters(message, at + 9);
  if ("kind" in capabilities) return capabilities;
  if (capabilities.some((one) => one.kind === "four-octet-as" && one.asn === 0)) return badAs(0);
  return { type: "open", twoOctetAs, holdTimeSeconds: seconds, identifier, capabilities };
}

const badAs = (received: number): BgpFault => ({
  kind: "open.bad-peer-as",
  expected: null,
  received: Asn.of(received),
});
const malformed = (detail: string): BgpFault => ({ kind: "open.malformed", detail });

/** From the length of the optional parameters to the end of the message. */
function decodeParameters(message: Uint8Array, lengthAt: number): readonly Capability[] | BgpFault {
  const length = message[lengthAt]!;
  const end = message.length;
  let at = lengthAt + 1;
  // RFC 9072 §2: the first type octet decides; the length before it is then ignored, so long as it is not zero.
  const extended = length > 0 && message[at] === EXTENDED_PARAMETERS;
  if (extended && end - at < 3) return malformed("extended optional parameters without a length");
  const announced = extended ? u16At(message, at + 1) : length;
  if (extended) at += 3;
  if (announced !== end - at) return malformed(`optional parameters: ${announced} octets announced, ${end - at} there`);
  const capabilities: Capability[] = [];
  const head = extended ? 3 : 2;
  while (at < end) {
    const parameter = message[at]!;
    if (end - at < head) return malformed(`${end - at} octets left for a parameter`);
    if (parameter !== CAPABILITIES_PARAMETER) return { kind: "open.unsupported-parameter", parameter };
    const size = extended ? u16At(message, at + 1) : message[at + 1]!;
    at += head;
    if (size > end - at) return malformed(`parameter of ${size} octets, ${end - at} left`);
    const problem = decodeCapabilities(message, at, at + size, capabilities);
    if (problem !== null) return malformed(problem);
    at += size;
  }
  return capabilities;
}

/** One capabilities parameter; in the extended form only when it does not fit otherwise (RFC 9072 §2). */
export function encodeOpen(open: Open, out: Writer): void {
  out.u8(VERSION).u16(open.twoOctetAs).u16(open.holdTimeSeconds).bytes(ipToBytes(open.identifier));
  const value = encodeCapabilities(open.capabilities);
  if (value.length === 0) out.u8(0);
  else if (value.length + 2 <= 254)
    out
      .u8(value.length + 2)
      .u8(CAPABILITIES_PARAMETER)
      .u8(value.length)
      .bytes(value);
  else {
    out
      .u8(255)
      .u8(EXTENDED_PARAMETERS)
      .u16(value.length + 3);
    out.u8(CAPABILITIES_PARAMETER).u16(value.length).bytes(value);
  }
}
