import { type IpAddress, ipToBytes, isIpv4 } from "../../addr/ip.ts";
import {
  AF_INET,
  AF_INET6,
  addressOf,
  afOfAddress,
  decodeAttributes,
  textAttribute,
  textOf,
  u32Attribute,
  writeAttribute,
} from "./message.ts";
import { NativeReader, NativeWriter } from "./native-bytes.ts";

/** RTM_NEWADDR and RTM_DELADDR (rtnetlink(7), linux/if_addr.h). */
export interface AddressMessage {
  readonly interfaceIndex: number;
  readonly address: IpAddress;
  readonly prefixLength: number;
  /** IFA_F_* */
  readonly flags: number;
  readonly scope: number;
  /** Who put it there (IFA_PROTO, since Linux 5.18); 0 when unsaid. */
  readonly protocol: number;
  /** IPv4 only; empty when there is none. */
  readonly label: string;
  /** Seconds for which it may be used as a source (0: never by itself) and at all; null leaves both to the kernel. */
  readonly lifetime: { readonly preferredSeconds: number; readonly validSeconds: number } | null;
}

export const IFA_F = { secondary: 0x01, noDad: 0x02, dadFailed: 0x08, tentative: 0x40 } as const;
export const SCOPE = { universe: 0, link: 253, host: 254, nowhere: 255 } as const;
export const FOREVER = 0xffff_ffff;

const IFA = { address: 1, local: 2, label: 3, cacheInfo: 6, flags: 8, protocol: 11 } as const;

/** The payload of RTM_GETADDR for a dump of all families. */
export const encodeAddressQuery = (): Uint8Array => new NativeWriter().u8(0).u8(0).u8(0).u8(0).u32(0).finish();

export function encodeAddress(message: AddressMessage): Uint8Array {
  const out = new NativeWriter()
    .u8(afOfAddress(message.address))
    .u8(message.prefixLength)
    .u8(message.flags & 0xff)
    .u8(message.scope)
    .u32(message.interfaceIndex);
  const octets = ipToBytes(message.address);
  // Both mean the same unless the link is point to point; IPv4 needs the second, IPv6 the first.
  writeAttribute(out, IFA.address, octets);
  writeAttribute(out, IFA.local, octets);
  if (message.flags !== 0) writeAttribute(out, IFA.flags, u32Attribute(message.flags));
  if (message.label !== "" && isIpv4(message.address)) writeAttribute(out, IFA.label, textAttribute(message.label));
  if (message.protocol !== 0) writeAttribute(out, IFA.protocol, Uint8Array.of(message.protocol));
  if (message.lifetime !== null) {
    const { preferredSeconds, validSeconds } = message.lifetime;
    const info = new NativeWriter().u32(preferredSeconds).u32(validSeconds).u32(0).u32(0); // time stamps: the kernel's
    writeAttribute(out, IFA.cacheInfo, info.finish());
  }
  return out.finish();
}

/**
 * Null for other families than IPv4 and IPv6.
 *
 * @throws Truncated when a length does not fit or there is no address
 */
export function decodeAddress(payload: Uint8Array): AddressMessage | null {
  const reader = new NativeReader(payload);
  const [af, prefixLength, shortFlags] = [reader.u8("family"), reader.u8("prefix length"), reader.u8("flags")];
  const [scope, interfaceIndex] = [reader.u8("scope"), reader.u32("interface")];
  if (af !== AF_INET && af !== AF_INET6) return null;
  const attributes = decodeAttributes(reader);
  const address = attributes.get(IFA.local) ?? attributes.get(IFA.address) ?? new Uint8Array();
  const flags = attributes.get(IFA.flags);
  const label = attributes.get(IFA.label);
  const protocol = attributes.get(IFA.protocol);
  const info = attributes.get(IFA.cacheInfo);
  return {
    interfaceIndex,
    address: addressOf(address, af),
    prefixLength,
    flags: flags === undefined ? shortFlags : new NativeReader(flags).u32("flags"),
    scope,
    protocol: protocol === undefined ? 0 : new NativeReader(protocol).u8("protocol"),
    label: label === undefined ? "" : textOf(label),
    lifetime: info === undefined ? null : decodeLifetime(new NativeReader(info)),
  };
}

const decodeLifetime = (reader: NativeReader): AddressMessage["lifetime"] => ({
  preferredSeconds: reader.u32("preferred lifetime"),
  validSeconds: reader.u32("valid lifetime"),
});
