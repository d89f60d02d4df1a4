import { Reader, Truncated, Writer } from "../../base/bytes.ts";
import { unreachable } from "../../base/unreachable.ts";
import { Asn } from "./asn.ts";
import { FaultFound } from "./faults.ts";

/** What an OPEN offers (RFC 5492). One that we do not know, or whose length is not as registered, stays opaque. */
export type Capability =
  | { readonly kind: "multiprotocol"; readonly afi: number; readonly safi: number }
  | { readonly kind: "route-refresh" }
  | { readonly kind: "four-octet-as"; readonly asn: Asn }
  | GracefulRestart
  | { readonly kind: "unknown"; readonly code: number; readonly value: Uint8Array };

/** RFC 9234 §4.1: what we are to the peer. */
export type Role = "provider" | "route-server" | "route-server-client" | "customer" | "peer";

/** RFC 4724 §3, RFC 8538 §2. */
export interface GracefulRestart {
  readonly kind: "graceful-restart";
  /** R: the peer has just restarted. */
  readonly restarting: boolean;
  /** N: NOTIFICATIONs, too, are graceful. */
  readonly notification: boolean;
  readonly restartTimeSeconds: number;
  /** `forwarding` is F: the forwarding state of this family was kept. */
  readonly families: readonly { readonly afi: number; readonly safi: number; readonly forwarding: boolean }[];
}

/** IANA "Capability Codes". */
const CODE = { multiprotocol: 1, "route-refresh": 2, "graceful-restart": 64, "four-octet-as": 65 } as const;

/**
 * One capability TLV after the other until `reader` is empty.
 *
 * @throws FaultFound 2/0 when a TLV runs past its parameter, and for a four-octet AS of another length: that alone
 * leaves the peer's identity unknown
 */
export function decodeCapabilities(reader: Reader): Capability[] {
  const found: Capability[] = [];
  try {
    while (reader.left > 0) {
      const code = reader.u8("capability code");
      found.push(decodeCapability(code, reader.slice(reader.u8("capability length"), "capability value")));
    }
  } catch (error) {
    if (error instanceof Truncated) throw new FaultFound({ kind: "open.malformed", detail: error.message });
    throw error;
  }
  return found;
}

function decodeCapability(code: number, bytes: Uint8Array): Capability {
  const unknown = (): Capability => ({ kind: "unknown", code, value: bytes.slice() });
  const value = new Reader(bytes);
  switch (code) {
    case CODE.multiprotocol: {
      if (bytes.length !== 4) return unknown();
      const afi = value.u16("AFI");
      value.u8("reserved");
      return { kind: "multiprotocol", afi, safi: value.u8("SAFI") };
    }
    case CODE["route-refresh"]: // its content, if any, says nothing
      return { kind: "route-refresh" };
    case CODE["four-octet-as"]:
      if (bytes.length !== 4) {
        throw new FaultFound({ kind: "open.malformed", detail: `four-octet AS capability of ${bytes.length} octets` });
      }
      return { kind: "four-octet-as", asn: Asn.of(value.u32("AS number")) };
    case CODE["graceful-restart"]: {
      if (bytes.length < 2 || (bytes.length - 2) % 4 !== 0) return unknown();
      const head = value.u16("restart flags and time");
      const families: { afi: number; safi: number; forwarding: boolean }[] = [];
      while (value.left > 0) {
        const afi = value.u16("AFI");
        const safi = value.u8("SAFI");
        families.push({ afi, safi, forwarding: (value.u8("flags") & 0x80) !== 0 });
      }
      return {
        kind: "graceful-restart",
        restarting: (head & 0x8000) !== 0,
        notification: (head & 0x4000) !== 0,
        restartTimeSeconds: head & 0x0fff,
        families,
      };
    }
    default:
      return unknown();
  }
}

export function encodeCapabilities(capabilities: readonly Capability[]): Uint8Array {
  const out = new Writer();
  for (const capability of capabilities) {
    const value = encodeValue(capability);
    out.u8(capability.kind === "unknown" ? capability.code : CODE[capability.kind]);
    out.u8(value.length).bytes(value);
  }
  return out.finish();
}

function encodeValue(capability: Capability): Uint8Array {
  const out = new Writer(8);
  switch (capability.kind) {
    case "multiprotocol":
      return out.u16(capability.afi).u8(0).u8(capability.safi).finish();
    case "route-refresh":
      return out.finish();
    case "four-octet-as":
      return out.u32(capability.asn).finish();
    case "graceful-restart": {
      const flags = (capability.restarting ? 0x8000 : 0) | (capability.notification ? 0x4000 : 0);
      out.u16(flags | capability.restartTimeSeconds);
      for (const { afi, safi, forwarding } of capability.families) {
        out
          .u16(afi)
          .u8(safi)
          .u8(forwarding ? 0x80 : 0);
      }
      return out.finish();
    }
    case "unknown":
      return capability.value;
    default:
      return unreachable(capability);
  }
}
