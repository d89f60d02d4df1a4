import { Reader, Writer } from "../../base/bytes.ts";
import { unreachable } from "../../base/unreachable.ts";
import { Asn } from "./asn.ts";

/**
 * What an OPEN offers (RFC 5492). One that we do not know, or whose length is not as registered, stays opaque, so that
 * it can be shown and cannot be mistaken for an offer.
 */
export type Capability =
  | { readonly kind: "multiprotocol"; readonly afi: number; readonly safi: number }
  | { readonly kind: "route-refresh" }
  | ExtendedNextHop
  | { readonly kind: "extended-message" }
  /** RFC 9234 §4.1: what the speaker is to the other side; a number for a value without a name. */
  | { readonly kind: "role"; readonly role: Role | number }
  | GracefulRestart
  | { readonly kind: "four-octet-as"; readonly asn: Asn }
  | AddPath
  | { readonly kind: "enhanced-route-refresh" }
  | LongLivedGracefulRestart
  /** As received: show it through `shownText` only. */
  | { readonly kind: "fqdn"; readonly host: Uint8Array; readonly domain: Uint8Array }
  | { readonly kind: "bfd-strict" }
  /** As received: show it through `shownText` only. */
  | { readonly kind: "software-version"; readonly version: Uint8Array }
  | { readonly kind: "link-local-next-hop" }
  | { readonly kind: "unknown"; readonly code: number; readonly value: Uint8Array };

/** RFC 9234 §4.1: what we are to the peer. */
export type Role = "provider" | "route-server" | "route-server-client" | "customer" | "peer";

/** RFC 8950 §4: routes of a family that may have a next hop of another. */
export interface ExtendedNextHop {
  readonly kind: "extended-next-hop";
  readonly entries: readonly { readonly afi: number; readonly safi: number; readonly nextHopAfi: number }[];
}

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

/** RFC 7911 §4: what the speaker itself can do. */
export interface AddPath {
  readonly kind: "add-path";
  readonly families: readonly { readonly afi: number; readonly safi: number; readonly mode: AddPathMode }[];
}
type AddPathMode = "receive" | "send" | "both";

/** RFC 9494 §3.1. `staleSeconds` of 0 is no offer. */
export interface LongLivedGracefulRestart {
  readonly kind: "long-lived-graceful-restart";
  readonly families: readonly {
    readonly afi: number;
    readonly safi: number;
    readonly forwarding: boolean;
    readonly staleSeconds: number;
  }[];
}

/** IANA "Capability Codes". */
const CODE = {
  multiprotocol: 1,
  "route-refresh": 2,
  "extended-next-hop": 5,
  "extended-message": 6,
  role: 9,
  "graceful-restart": 64,
  "four-octet-as": 65,
  "add-path": 69,
  "enhanced-route-refresh": 70,
  "long-lived-graceful-restart": 71,
  fqdn: 73,
  "bfd-strict": 74,
  "software-version": 75,
  "link-local-next-hop": 77,
} as const satisfies Record<Exclude<Capability["kind"], "unknown">, number>;

/** IANA "BGP Role Values"; the index is the value. */
const ROLES: readonly Role[] = ["provider", "route-server", "route-server-client", "customer", "peer"];
/** RFC 7911 §4; the index is the value. */
const ADD_PATH_MODES: readonly (AddPathMode | null)[] = [null, "receive", "send", "both"];

const FORWARDING = 0x80;

/**
 * Appends the capabilities in `bytes` from `from` up to `to`, one TLV after the other.
 *
 * @returns what is wrong: a TLV that runs past its parameter, or a four-octet AS of another length, which leaves the
 * peer's identity unknown
 */
export function decodeCapabilities(bytes: Uint8Array, from: number, to: number, found: Capability[]): string | null {
  let at = from;
  while (at < to) {
    if (to - at < 2) return "an octet left over behind the capabilities";
    const code = bytes[at]!;
    const length = bytes[at + 1]!;
    at += 2;
    if (length > to - at) return `capability ${code} of ${length} octets, ${to - at} left`;
    if (code === CODE["four-octet-as"] && length !== 4) return `four-octet AS capability of ${length} octets`;
    found.push(decodeCapability(code, bytes.subarray(at, at + length)));
    at += length;
  }
  return null;
}

function decodeCapability(code: number, bytes: Uint8Array): Capability {
  const value = new Reader(bytes);
  const { length } = bytes;
  const asUnknown = (): Capability => ({ kind: "unknown", code, value: bytes.slice() });
  switch (code) {
    case CODE.multiprotocol: {
      if (length !== 4) return asUnknown();
      const afi = value.u16("AFI");
      value.u8("reserved");
      return { kind: "multiprotocol", afi, safi: value.u8("SAFI") };
    }
    // Presence is all that these say; content, if any, is ignored.
    case CODE["route-refresh"]:
      return { kind: "route-refresh" };
    case CODE["extended-message"]:
      return { kind: "extended-message" };
    case CODE["enhanced-route-refresh"]:
      return { kind: "enhanced-route-refresh" };
    case CODE["bfd-strict"]:
      return { kind: "bfd-strict" };
    case CODE["link-local-next-hop"]:
      return { kind: "link-local-next-hop" };
    case CODE["extended-next-hop"]:
      return length % 6 === 0 ? extendedNextHop(value) : asUnknown();
    case CODE.role: {
      if (length !== 1) return asUnknown();
      const role = value.u8("role");
      return { kind: "role", role: ROLES[role] ?? role };
    }
    case CODE["graceful-restart"]:
      return length >= 2 && (length - 2) % 4 === 0 ? gracefulRestart(value) : asUnknown();
    case CODE["four-octet-as"]:
      return { kind: "four-octet-as", asn: Asn.of(value.u32("AS number")) };
    case CODE["add-path"]:
      return length % 4 === 0 ? addPath(value) : asUnknown();
    case CODE["long-lived-graceful-restart"]:
      return length % 7 === 0 ? longLivedGracefulRestart(value) : asUnknown();
    case CODE.fqdn:
      return fqdn(value) ?? asUnknown();
    case CODE["software-version"]:
      return softwareVersion(value) ?? asUnknown();
    default:
      return asUnknown();
  }
}

function extendedNextHop(value: Reader): ExtendedNextHop {
  const entries: { afi: number; safi: number; nextHopAfi: number }[] = [];
  while (value.left > 0) {
    entries.push({ afi: value.u16("AFI"), safi: value.u16("SAFI"), nextHopAfi: value.u16("next hop AFI") });
  }
  return { kind: "extended-next-hop", entries };
}

function gracefulRestart(value: Reader): GracefulRestart {
  const head = value.u16("restart flags and time");
  const families: { afi: number; safi: number; forwarding: boolean }[] = [];
  while (value.left > 0) {
    const [afi, safi] = [value.u16("AFI"), value.u8("SAFI")];
    families.push({ afi, safi, forwarding: (value.u8("flags") & FORWARDING) !== 0 });
  }
  return {
    kind: "graceful-restart",
    restarting: (head & 0x8000) !== 0,
    notification: (head & 0x4000) !== 0,
    restartTimeSeconds: head & 0x0fff,
    families,
  };
}

/** An entry whose direction does not exist is ignored by itself (RFC 7911 §4). */
function addPath(value: Reader): AddPath {
  const families: { afi: number; safi: number; mode: AddPathMode }[] = [];
  while (value.left > 0) {
    const [afi, safi] = [value.u16("AFI"), value.u8("SAFI")];
    const mode = ADD_PATH_MODES[value.u8("send/receive")] ?? null;
    if (mode !== null) families.push({ afi, safi, mode });
  }
  return { kind: "add-path", families };
}

function longLivedGracefulRestart(value: Reader): LongLivedGracefulRestart {
  const families: { afi: number; safi: number; forwarding: boolean; staleSeconds: number }[] = [];
  while (value.left > 0) {
    const [afi, safi] = [value.u16("AFI"), value.u8("SAFI")];
    const forwarding = (value.u8("flags") & FORWARDING) !== 0;
    families.push({ afi, safi, forwarding, staleSeconds: (value.u8("stale time") << 16) | value.u16("stale time") });
  }
  return { kind: "long-lived-graceful-restart", families };
}

/** Null when the inner lengths do not fit. */
function fqdn(value: Reader): Capability | null {
  const host = lengthPrefixed(value);
  const domain = host && lengthPrefixed(value);
  return host && domain && { kind: "fqdn", host, domain };
}

function softwareVersion(value: Reader): Capability | null {
  const version = lengthPrefixed(value);
  return version && { kind: "software-version", version };
}

function lengthPrefixed(value: Reader): Uint8Array | null {
  if (value.left === 0) return null;
  const length = value.u8("text length");
  return length > value.left ? null : value.slice(length, "text").slice();
}

/** @throws RangeError for a capability whose value does not fit the one octet of its length */
export function encodeCapabilities(capabilities: readonly Capability[]): Uint8Array {
  const out = new Writer();
  for (const capability of capabilities) {
    const value = encodeValue(capability);
    if (value.length > 255) throw new RangeError(`capability ${capability.kind} of ${value.length} octets`);
    out.u8(capability.kind === "unknown" ? capability.code : CODE[capability.kind]);
    out.u8(value.length).bytes(value);
  }
  return out.finish();
}

function encodeValue(capability: Capability): Uint8Array {
  const out = new Writer(8);
  const flags = (forwarding: boolean): number => (forwarding ? FORWARDING : 0);
  switch (capability.kind) {
    case "multiprotocol":
      return out.u16(capability.afi).u8(0).u8(capability.safi).finish();
    case "route-refresh":
    case "extended-message":
    case "enhanced-route-refresh":
    case "bfd-strict":
    case "link-local-next-hop":
      return out.finish();
    case "extended-next-hop":
      for (const { afi, safi, nextHopAfi } of capability.entries) out.u16(afi).u16(safi).u16(nextHopAfi);
      return out.finish();
    case "role":
      return out.u8(typeof capability.role === "number" ? capability.role : ROLES.indexOf(capability.role)).finish();
    case "graceful-restart": {
      const head = (capability.restarting ? 0x8000 : 0) | (capability.notification ? 0x4000 : 0);
      out.u16(head | capability.restartTimeSeconds);
      for (const { afi, safi, forwarding } of capability.families) out.u16(afi).u8(safi).u8(flags(forwarding));
      return out.finish();
    }
    case "four-octet-as":
      return out.u32(capability.asn).finish();
    case "add-path":
      for (const { afi, safi, mode } of capability.families) {
        out.u16(afi).u8(safi).u8(ADD_PATH_MODES.indexOf(mode));
      }
      return out.finish();
    case "long-lived-graceful-restart":
      for (const { afi, safi, forwarding, staleSeconds } of capability.families) {
        out.u16(afi).u8(safi).u8(flags(forwarding));
        out.u8(staleSeconds >> 16).u16(staleSeconds & 0xffff);
      }
      return out.finish();
    case "fqdn":
      out.u8(capability.host.length).bytes(capability.host);
      return out.u8(capability.domain.length).bytes(capability.domain).finish();
    case "software-version":
      return out.u8(capability.version.length).bytes(capability.version).finish();
    case "unknown":
      return capability.value;
    default:
      return unreachable(capability);
  }
}
