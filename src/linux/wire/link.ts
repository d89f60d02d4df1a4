import { AF_INET6, decodeAttributes, textAttribute, textOf, u32Attribute, writeAttribute } from "./message.ts";
import { NativeReader, NativeWriter } from "./native-bytes.ts";

/** RTM_NEWLINK, as far as the product reads it (rtnetlink(7), linux/if_link.h). */
export interface LinkMessage {
  readonly index: number;
  readonly name: string;
  /** ARPHRD_*: what kind of hardware address the link has. */
  readonly hardwareType: number;
  /** IFF_* */
  readonly flags: number;
  /** RFC 2863 state: 6 is up, 0 unknown (as on loopback). */
  readonly operState: number;
  /** Empty where the link has none. */
  readonly hardwareAddress: Uint8Array;
  /** Whether IPv6 is forwarded as a router does; null where the link has no IPv6. */
  readonly forwardsIpv6: boolean | null;
}

export const IFF = { up: 0x1, loopback: 0x8 } as const;
export const ARPHRD_ETHERNET = 1;
export const OPER_STATE = { unknown: 0, up: 6 } as const;

const IFLA = { address: 1, name: 3, operState: 16, addressFamilies: 26, extendedMask: 29 } as const;
const INET6_CONF = 2;
/** Leaves counters out of a dump: they are most of it. */
const SKIP_STATISTICS = 8;

/** The payload of RTM_GETLINK: for a dump, or for one link. */
export function encodeLinkQuery(index = 0): Uint8Array {
  const out = header(0, index, 0);
  writeAttribute(out, IFLA.extendedMask, u32Attribute(SKIP_STATISTICS));
  return out.finish();
}

export function encodeLink(link: LinkMessage): Uint8Array {
  const out = header(link.hardwareType, link.index, link.flags);
  writeAttribute(out, IFLA.name, textAttribute(link.name));
  writeAttribute(out, IFLA.operState, Uint8Array.of(link.operState));
  if (link.hardwareAddress.length > 0) writeAttribute(out, IFLA.address, link.hardwareAddress);
  if (link.forwardsIpv6 !== null) {
    const conf = new NativeWriter();
    writeAttribute(conf, INET6_CONF, u32Attribute(link.forwardsIpv6 ? 1 : 0));
    const families = new NativeWriter();
    writeAttribute(families, AF_INET6, conf.finish());
    writeAttribute(out, IFLA.addressFamilies, families.finish());
  }
  return out.finish();
}

/** @throws Truncated when a length does not fit or the name is missing. */
export function decodeLink(payload: Uint8Array): LinkMessage {
  const reader = new NativeReader(payload);
  reader.u16("family");
  const hardwareType = reader.u16("hardware type");
  const [index, flags] = [reader.i32("index"), reader.u32("flags")];
  reader.u32("change mask");
  const attributes = decodeAttributes(reader);
  const operState = attributes.get(IFLA.operState);
  return {
    index,
    name: textOf(attributes.get(IFLA.name) ?? new Uint8Array()),
    hardwareType,
    flags,
    operState: operState === undefined ? OPER_STATE.unknown : new NativeReader(operState).u8("operational state"),
    hardwareAddress: attributes.get(IFLA.address) ?? new Uint8Array(),
    forwardsIpv6: forwarding(attributes.get(IFLA.addressFamilies)),
  };
}

function header(hardwareType: number, index: number, flags: number): NativeWriter {
  return new NativeWriter().u16(0).u16(hardwareType).u32(index).u32(flags).u32(0);
}

/** IFLA_AF_SPEC > AF_INET6 > IFLA_INET6_CONF, an array whose first word is `forwarding`. */
function forwarding(families: Uint8Array | undefined): boolean | null {
  const inet6 = families && decodeAttributes(new NativeReader(families)).get(AF_INET6);
  const conf = inet6 && decodeAttributes(new NativeReader(inet6)).get(INET6_CONF);
  return conf === undefined ? null : new NativeReader(conf).i32("forwarding") > 0;
}
