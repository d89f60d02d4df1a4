import { type Ipv4, ipFromBytes, ipToBytes } from "../../addr/ip.ts";
import { Reader, Truncated, type Writer } from "../../base/bytes.ts";
import { Asn } from "./asn.ts";
import { type Capability, decodeCapabilities, encodeCapabilities, MalformedCapability } from "./capabilities.ts";
import { FaultFound } from "./faults.ts";

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
 * @param body  what follows the header
 * @throws FaultFound 2/x for whatever can be judged without knowing the peer's configuration
 */
export function decodeOpen(body: Uint8Array): Open {
  try {
    const reader = new Reader(body);
    const version = reader.u8("version");
    if (version !== VERSION) throw new FaultFound({ kind: "open.unsupported-version", version });
    const twoOctetAs = reader.u16("my autonomous system");
    if (twoOctetAs === 0) throw badAs(Asn.of(0));
    const seconds = reader.u16("hold time");
    if (seconds === 1 || seconds === 2) throw new FaultFound({ kind: "open.unacceptable-hold-time", seconds });
    const identifier = ipFromBytes(reader.slice(4, "BGP identifier")) as Ipv4;
    if (identifier === "0.0.0.0") throw new FaultFound({ kind: "open.bad-identifier", identifier });
    const capabilities = decodeParameters(reader);
    if (capabilities.some((one) => one.kind === "four-octet-as" && one.asn === 0)) throw badAs(Asn.of(0));
    return { type: "open", twoOctetAs, holdTimeSeconds: seconds, identifier, capabilities };
  } catch (error) {
    if (error instanceof Truncated || error instanceof MalformedCapability)
      throw new FaultFound({ kind: "open.malformed", detail: error.message });
    throw error;
  }
}

const badAs = (received: Asn): FaultFound => new FaultFound({ kind: "open.bad-peer-as", expected: null, received });

function decodeParameters(reader: Reader): Capability[] {
  const length = reader.u8("optional parameters length");
  const octets = reader.rest();
  // RFC 9072 §2: the first type octet decides; the length before it is then ignored, so long as it is not zero.
  const extended = length > 0 && octets[0] === EXTENDED_PARAMETERS;
  const parameters = new Reader(extended ? octets.subarray(1) : octets);
  const announced = extended ? parameters.u16("extended optional parameters length") : length;
  if (announced !== parameters.left) {
    const detail = `optional parameters: ${announced} octets announced, ${parameters.left} there`;
    throw new FaultFound({ kind: "open.malformed", detail });
  }
  const capabilities: Capability[] = [];
  while (parameters.left > 0) {
    const parameter = parameters.u8("parameter type");
    if (parameter !== CAPABILITIES_PARAMETER) throw new FaultFound({ kind: "open.unsupported-parameter", parameter });
    const size = extended ? parameters.u16("parameter length") : parameters.u8("parameter length");
    capabilities.push(...decodeCapabilities(parameters.sub(size, "parameter value")));
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
