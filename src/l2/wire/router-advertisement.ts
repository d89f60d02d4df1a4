import { ip, type Ipv6, ipFromBytes, isIpv4, isLinkLocal } from "../../addr/ip.ts";
import { type Mac, macFromBytes, macToBytes } from "../../addr/mac.ts";
import { Reader, Truncated, Writer } from "../../base/bytes.ts";

/**
 * Router solicitations and advertisements (RFC 4861 §4.1, §4.2), as far as two routers on a link need them to find each
 * other. Ours offer nothing: lifetime 0 (no default router), no prefix, no flag.
 */
export type RouterMessage =
  | {
      readonly type: "advertisement";
      /** Link-local. */
      readonly source: Ipv6;
      readonly lifetimeSeconds: number;
      /** Source link-layer address option. */
      readonly mac: Mac | null;
    }
  | { readonly type: "solicitation"; readonly source: Ipv6 };

/** All routers on the link: where solicitations go. */
export const ALL_ROUTERS = ip("ff02::2");

const SOLICITATION = 133;
const ADVERTISEMENT = 134;
const OPTION_SOURCE_LINK_LAYER = 1;

const ETHERTYPE_IPV6 = 0x86dd;
const NEXT_HEADER_ICMPV6 = 58;
/** Set by the sender and lowered by every router: what arrives with it was sent on this link (§6.1). */
const HOP_LIMIT = 255;
const ADVERTISEMENT_LENGTH_MIN = 16;

/** The checksum is left 0 in what we encode: the kernel fills it in on a raw ICMPv6 socket (RFC 3542 §3.1). */
export const encodeRouterAdvertisement = (mac: Mac): Uint8Array =>
  // Hop limit, flags, lifetime, reachable time and retransmission time: all unspecified.
  new Writer(24).u8(ADVERTISEMENT).u8(0).u16(0).u32(0).u32(0).u32(0).bytes(sourceLinkLayer(mac)).finish();

export const encodeRouterSolicitation = (mac: Mac): Uint8Array =>
  new Writer(16).u8(SOLICITATION).u8(0).u16(0).u32(0).bytes(sourceLinkLayer(mac)).finish();

/** Option lengths count eight octets. */
const sourceLinkLayer = (mac: Mac): Uint8Array =>
  new Writer(8).u8(OPTION_SOURCE_LINK_LAYER).u8(1).bytes(macToBytes(mac)).finish();

/**
 * Reads an Ethernet frame. Null when it holds neither message, or one that a receiver must discard (RFC 4861 §6.1.1,
 * §6.1.2): another hop limit than 255, a wrong checksum or code, too short, an option without length, an advertisement
 * from an address that is not link-local, or a solicitation from nowhere that names a link-layer address.
 */
export function decodeRouterMessage(frame: Uint8Array): RouterMessage | null {
  try {
    return decode(new Reader(frame));
  } catch (error) {
    if (error instanceof Truncated) return null;
    throw error;
  }
}

function decode(frame: Reader): RouterMessage | null {
  frame.slice(12, "Ethernet addresses");
  if (frame.u16("ethertype") !== ETHERTYPE_IPV6) return null;
  if (frame.u32("version and flow") >>> 28 !== 6) return null;
  const length = frame.u16("payload length");
  const [nextHeader, hopLimit] = [frame.u8("next header"), frame.u8("hop limit")];
  if (nextHeader !== NEXT_HEADER_ICMPV6 || hopLimit !== HOP_LIMIT) return null;
  const addresses = frame.slice(32, "addresses");
  // What follows the packet is the padding of a short frame.
  const payload = frame.slice(length, "payload");
  if (checksum(addresses, payload) !== 0) return null;
  const source = ipFromBytes(addresses.slice(0, 16));
  return isIpv4(source) ? null : decodeMessage(source, new Reader(payload), length);
}

function decodeMessage(source: Ipv6, message: Reader, length: number): RouterMessage | null {
  const [type, code] = [message.u8("type"), message.u8("code")];
  message.u16("checksum");
  if (code !== 0) return null;
  if (type === SOLICITATION) {
    message.u32("reserved");
    const options = decodeOptions(message);
    if (options === null || (source === "::" && options.mac !== null)) return null;
    return { type: "solicitation", source };
  }
  if (type !== ADVERTISEMENT || length < ADVERTISEMENT_LENGTH_MIN || !isLinkLocal(source)) return null;
  message.u16("hop limit and flags");
  const lifetimeSeconds = message.u16("router lifetime");
  message.slice(8, "timers");
  const options = decodeOptions(message);
  return options && { type: "advertisement", source, lifetimeSeconds, mac: options.mac };
}

/** Null when one of them has no length. */
function decodeOptions(message: Reader): { readonly mac: Mac | null } | null {
  let mac: Mac | null = null;
  while (message.left > 0) {
    const [option, length] = [message.u8("option"), message.u8("option length")];
    if (length === 0) return null;
    const value = message.slice(length * 8 - 2, "option value");
    if (option === OPTION_SOURCE_LINK_LAYER && length === 1) mac = macFromBytes(value);
  }
  return { mac };
}

/** Of RFC 8200 §8.1 over pseudo-header and message; 0 when the message carries the right one. */
function checksum(addresses: Uint8Array, payload: Uint8Array): number {
  let sum = payload.length + NEXT_HEADER_ICMPV6;
  for (const bytes of [addresses, payload]) {
    for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at]! << 8) | (bytes[at + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
