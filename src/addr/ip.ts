import { Address4, Address6 } from "ip-address";
import type { Branded } from "../base/brand.ts";

/**
 * IP addresses are canonical text inside the program (RFC 5952 for IPv6): equal addresses are equal strings, so they
 * serve as Map keys and JSON as they are. Bytes exist only in the wire folders.
 */
export type Ipv4 = Branded<string, "Ipv4">;
export type Ipv6 = Branded<string, "Ipv6">;
export type IpAddress = Ipv4 | Ipv6;
export type Family = 4 | 6;

export const familyOf = (address: IpAddress): Family => (address.includes(":") ? 6 : 4);
export const isIpv4 = (address: IpAddress): address is Ipv4 => familyOf(address) === 4;
export const isIpv6 = (address: IpAddress): address is Ipv6 => familyOf(address) === 6;
/** Length of a host route of this family. */
export const bitsOf = (family: Family): 32 | 128 => (family === 4 ? 32 : 128);

/** Strict: no leading zeros, no zone, no port, no brackets. Null when `text` is not an address. */
export function parseIp(text: string): IpAddress | null {
  if (text.includes("/") || text.includes("%")) return null;
  if (text.includes(":")) {
    if (!Address6.isValid(text)) return null;
    return ipv6Text(
      Uint8Array.from(new Address6(text).canonicalForm().replaceAll(":", "").match(/../g)!, (octet) =>
        Number.parseInt(octet, 16),
      ),
    );
  }
  return /^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}$/.test(text) && Address4.isValid(text) ? (text as Ipv4) : null;
}

/** @throws RangeError when `text` is not an address; for constants and values that were checked before. */
export function ip(text: string): IpAddress {
  const parsed = parseIp(text);
  if (parsed === null) throw new RangeError(`not an IP address: ${text}`);
  return parsed;
}

/** @throws RangeError unless `bytes` holds 4 or 16 octets. */
export function ipFromBytes(bytes: Uint8Array): IpAddress {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}` as Ipv4;
  if (bytes.length === 16) return ipv6Text(bytes);
  throw new RangeError(`an address has 4 or 16 octets, not ${bytes.length}`);
}

/** 4 octets for IPv4, 16 for IPv6. */
export function ipToBytes(address: IpAddress): Uint8Array {
  if (isIpv4(address)) return ipv4Bytes(address);
  return ipv6Bytes(address);
}

/** By hand: with ten thousand Services each plan asks this for all of them. */
function ipv4Bytes(address: Ipv4): Uint8Array {
  const bytes = new Uint8Array(4);
  let index = 0;
  for (let at = 0; at < address.length; at++) {
    const code = address.charCodeAt(at);
    if (code === DOT) index += 1;
    else bytes[index] = bytes[index]! * 10 + code - DIGIT_ZERO;
  }
  return bytes;
}

function ipv6Bytes(address: Ipv6): Uint8Array {
  const bytes = new Uint8Array(16);
  let index = 0;
  let gapAt = -1;
  let value = 0;
  let isGroup = false;
  for (let at = 0; at <= address.length; at++) {
    const code = at < address.length ? address.charCodeAt(at) : COLON;
    if (code !== COLON) {
      value = value * 16 + (code <= DIGIT_NINE ? code - DIGIT_ZERO : code - LETTER_A + 10);
      isGroup = true;
      continue;
    }
    if (isGroup) {
      bytes[index++] = value >> 8;
      bytes[index++] = value & 0xff;
    } else if (at < address.length) gapAt = index;
    value = 0;
    isGroup = false;
  }
  if (gapAt < 0) return bytes;
  // What stands behind "::" belongs at the end.
  bytes.copyWithin(16 - (index - gapAt), gapAt, index);
  return bytes.fill(0, gapAt, 16 - (index - gapAt));
}

const DOT = 0x2e;
const COLON = 0x3a;
const DIGIT_ZERO = 0x30;
const DIGIT_NINE = 0x39;
const LETTER_A = 0x61;

export const isLinkLocal = (address: IpAddress): boolean =>
  isIpv4(address) ? address.startsWith("169.254.") : /^fe[89ab]/.test(address);

/** Orders IPv4 before IPv6, then by value. */
export function compareIp(a: IpAddress, b: IpAddress): number {
  const [x, y] = [ipToBytes(a), ipToBytes(b)];
  if (x.length !== y.length) return x.length - y.length;
  for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return x[i]! - y[i]!;
  return 0;
}

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups becomes "::". */
const ipv6Text = (bytes: Uint8Array): Ipv6 => ipv6At(bytes, 0);

/**
 * The address in the 16 octets from `at`. By hand and out of tables: a router may send its whole table.
 *
 * @param bytes  has that many octets
 */
export function ipv6At(bytes: Uint8Array, at: number): Ipv6 {
  let runAt = 8;
  let runLength = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && bytes[at + end * 2] === 0 && bytes[at + end * 2 + 1] === 0) end++;
    if (end - i > runLength) {
      runAt = i;
      runLength = end - i;
    }
    if (end > i) i = end;
  }
  let text = "";
  for (let i = 0; i < runAt - 1; i++) text += groupText(bytes, at + i * 2, WITH_COLON);
  if (runAt > 0) text += groupText(bytes, at + runAt * 2 - 2, PLAIN);
  if (runAt === 8) return text as Ipv6;
  text += "::";
  for (let i = runAt + runLength; i < 7; i++) text += groupText(bytes, at + i * 2, WITH_COLON);
  if (runAt + runLength < 8) text += groupText(bytes, at + 14, PLAIN);
  return text as Ipv6;
}

const groupText = (bytes: Uint8Array, at: number, low: OctetTexts): string =>
  bytes[at] === 0 ? low.short[bytes[at + 1]!]! : PLAIN.short[bytes[at]!]! + low.long[bytes[at + 1]!]!;

/** Each octet in hexadecimal, with one digit where that is enough, and with two. */
interface OctetTexts {
  readonly short: readonly string[];
  readonly long: readonly string[];
}
const octetTexts = (behind: string): OctetTexts => {
  const short = Array.from({ length: 256 }, (_, octet) => octet.toString(16));
  return { short: short.map((text) => text + behind), long: short.map((text) => text.padStart(2, "0") + behind) };
};
const PLAIN = octetTexts("");
const WITH_COLON = octetTexts(":");
