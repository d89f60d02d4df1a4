import type { Branded } from "../base/brand.ts";
import { bitsOf, type Family, familyOf, type IpAddress, ipFromBytes, ipToBytes, parseIp } from "./ip.ts";

/** Canonical "address/length" with the host bits cleared: equal prefixes are equal strings. */
export type Prefix = Branded<string, "Prefix">;

/** @throws RangeError when `length` does not fit the family. */
export function prefixOf(address: IpAddress, length: number): Prefix {
  const bits = bitsOf(familyOf(address));
  if (!Number.isInteger(length) || length < 0 || length > bits) throw new RangeError(`/${length} on ${address}`);
  if (length === bits) return `${address}/${length}` as Prefix;
  const bytes = ipToBytes(address);
  for (let i = 0; i < bytes.length; i++) {
    const keep = Math.min(8, Math.max(0, length - i * 8));
    bytes[i] = bytes[i]! & (0xff00 >> keep);
  }
  return `${ipFromBytes(bytes)}/${length}` as Prefix;
}

/** The /32 or /128 of an address. */
export const hostPrefix = (address: IpAddress): Prefix => prefixOf(address, bitsOf(familyOf(address)));

/** Null when `text` is not an address with a length; host bits are cleared. */
export function parsePrefix(text: string): Prefix | null {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  const address = match && parseIp(match[1]!);
  if (!match || !address) return null;
  const length = Number(match[2]);
  return length <= bitsOf(familyOf(address)) ? prefixOf(address, length) : null;
}

export const prefixAddress = (prefix: Prefix): IpAddress => prefix.slice(0, prefix.lastIndexOf("/")) as IpAddress;
/** By hand: each route that is packed or received is asked for it. */
export function prefixLength(prefix: Prefix): number {
  let length = 0;
  for (let at = prefix.length - 1, scale = 1; at >= 0; at--, scale *= 10) {
    const code = prefix.charCodeAt(at);
    if (code === SLASH) break;
    length += (code - DIGIT_ZERO) * scale;
  }
  return length;
}
const SLASH = 0x2f;
const DIGIT_ZERO = 0x30;

export const prefixFamily = (prefix: Prefix): Family => (prefix.includes(":") ? 6 : 4);

export function prefixContains(prefix: Prefix, address: IpAddress): boolean {
  return familyOf(address) === prefixFamily(prefix) && prefixOf(address, prefixLength(prefix)) === prefix;
}
