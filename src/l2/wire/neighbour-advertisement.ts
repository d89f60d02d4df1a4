import { ip, type Ipv6, ipFromBytes, ipToBytes } from "../../addr/ip.ts";
import { type Mac, macFromBytes, macToBytes } from "../../addr/mac.ts";
import { Reader, Writer } from "../../base/bytes.ts";

/** ICMPv6 neighbour advertisement (RFC 4861 §4.4). */
export interface NeighbourAdvertisement {
  /** R: the sender forwards as a router. Hosts that used it as one stop doing so when the flag goes (§7.2.5). */
  readonly router: boolean;
  /** S: answers a solicitation. */
  readonly solicited: boolean;
  /** O: replaces the link-layer address that the receiver has. */
  readonly override: boolean;
  readonly target: Ipv6;
  /** Target link-layer address option; null without one. */
  readonly mac: Mac | null;
}

/** All nodes on the link: where unsolicited advertisements go. */
export const ALL_NODES = ip("ff02::1");

const TYPE = 136;
const FLAG = { router: 0x80, solicited: 0x40, override: 0x20 } as const;
const OPTION_TARGET_LINK_LAYER = 2;

/** What tells the link where `vip` is now (RFC 4861 §7.2.6). */
export const unsolicitedAdvertisement = (vip: Ipv6, mac: Mac, router: boolean): Uint8Array =>
  encodeNeighbourAdvertisement({ router, solicited: false, override: true, target: vip, mac });

/** The checksum is left 0: the kernel fills it in on a raw ICMPv6 socket (RFC 3542 §3.1). */
export function encodeNeighbourAdvertisement(message: NeighbourAdvertisement): Uint8Array {
  const { router, solicited, override } = message;
  const flags = (router ? FLAG.router : 0) | (solicited ? FLAG.solicited : 0) | (override ? FLAG.override : 0);
  const out = new Writer(32).u8(TYPE).u8(0).u16(0).u8(flags).u8(0).u16(0).bytes(ipToBytes(message.target));
  // Option lengths count eight octets.
  if (message.mac !== null) out.u8(OPTION_TARGET_LINK_LAYER).u8(1).bytes(macToBytes(message.mac));
  return out.finish();
}

/**
 * Null when it is another message, or one that a receiver must discard (RFC 4861 §7.1.2).
 *
 * @throws Truncated when it ends too early
 */
export function decodeNeighbourAdvertisement(bytes: Uint8Array): NeighbourAdvertisement | null {
  const reader = new Reader(bytes);
  const [type, code] = [reader.u8("type"), reader.u8("code")];
  if (type !== TYPE || code !== 0) return null;
  reader.u16("checksum");
  const flags = reader.u8("flags");
  reader.slice(3, "reserved");
  const target = ipFromBytes(reader.slice(16, "target")) as Ipv6;
  let mac: Mac | null = null;
  while (reader.left > 0) {
    const [option, length] = [reader.u8("option"), reader.u8("option length")];
    if (length === 0) return null;
    const value = reader.slice(length * 8 - 2, "option value");
    if (option === OPTION_TARGET_LINK_LAYER && length === 1) mac = macFromBytes(value);
  }
  return {
    router: (flags & FLAG.router) !== 0,
    solicited: (flags & FLAG.solicited) !== 0,
    override: (flags & FLAG.override) !== 0,
    target,
    mac,
  };
}
