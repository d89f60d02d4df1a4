import { type Ipv4, ipToBytes, ipv6At } from "../../addr/ip.ts";
import { type Prefix, prefixAddress, prefixLength } from "../../addr/prefix.ts";
import { u32At, type Writer } from "../../base/bytes.ts";
import type { AddressFamily } from "./families.ts";

/** Why a field of prefixes cannot be read, and where. */
export interface BadNlri {
  readonly detail: string;
  /** Index into the octets that were read. */
  readonly at: number;
}

/**
 * Appends the prefixes in `bytes` from `from` up to `to`: length in bits, then as few octets as hold them
 * (RFC 4271 §4.3). Bits beyond the length are ignored.
 *
 * @param pathIds  takes the path identifier in front of each, where the session has them (RFC 7911 §3); else null
 * @returns what is wrong: a length that the family does not have, or a last prefix that runs past the field
 */
export function readPrefixes(
  bytes: Uint8Array,
  from: number,
  to: number,
  family: AddressFamily,
  prefixes: Prefix[],
  pathIds: number[] | null,
): BadNlri | null {
  const bits = family === "ipv4-unicast" ? 32 : 128;
  let at = from;
  while (at < to) {
    const start = at;
    if (pathIds !== null) {
      if (to - at < 5) return { detail: `${to - at} octets left for a path identifier and a prefix`, at };
      pathIds.push(u32At(bytes, at));
      at += 4;
    }
    const length = bytes[at]!;
    if (length > bits) return { detail: `prefix length ${length} in ${family}`, at };
    const octetCount = (length + 7) >> 3;
    at += 1;
    if (octetCount > to - at) return { detail: `prefix of ${octetCount} octets, ${to - at} left`, at: start };
    prefixes.push(bits === 32 ? ipv4Prefix(bytes, at, length) : ipv6Prefix(bytes, at, length));
    at += octetCount;
  }
  return null;
}

const OCTET: readonly string[] = Array.from({ length: 256 }, (_, octet) => `${octet}`);
const DOTTED: readonly string[] = OCTET.map((text) => `${text}.`);
const HOST: readonly string[] = OCTET.map((text) => `${text}/32`);
const SLASH: readonly string[] = Array.from({ length: 129 }, (_, length) => `/${length}`);

/** Text out of tables: host routes come by the ten thousand, and a router's whole table by the million. */
function ipv4Prefix(bytes: Uint8Array, at: number, length: number): Prefix {
  if (length === 32) {
    return (DOTTED[bytes[at]!]! + DOTTED[bytes[at + 1]!]! + DOTTED[bytes[at + 2]!]! + HOST[bytes[at + 3]!]!) as Prefix;
  }
  const first = length > 0 ? bytes[at]! & maskOf(length) : 0;
  const second = length > 8 ? bytes[at + 1]! & maskOf(length - 8) : 0;
  const third = length > 16 ? bytes[at + 2]! & maskOf(length - 16) : 0;
  const fourth = length > 24 ? bytes[at + 3]! & maskOf(length - 24) : 0;
  return (DOTTED[first]! + DOTTED[second]! + DOTTED[third]! + OCTET[fourth]! + SLASH[length]!) as Prefix;
}

/** The bits of an octet that belong to a prefix of which `bits` are left. */
const maskOf = (bits: number): number => (bits >= 8 ? 0xff : (0xff00 >> bits) & 0xff);

/** Used anew for each prefix, within one call. */
const scratch = new Uint8Array(16);

function ipv6Prefix(bytes: Uint8Array, at: number, length: number): Prefix {
  const octetCount = (length + 7) >> 3;
  for (let i = 0; i < 16; i++) scratch[i] = i < octetCount ? bytes[at + i]! : 0;
  if (octetCount > 0) scratch[octetCount - 1]! &= maskOf(length - (octetCount - 1) * 8);
  return (ipv6At(scratch, 0) + SLASH[length]!) as Prefix;
}

/** The address in the four octets from `at`, which are there. */
export const ipv4At = (bytes: Uint8Array, at: number): Ipv4 =>
  (DOTTED[bytes[at]!]! + DOTTED[bytes[at + 1]!]! + DOTTED[bytes[at + 2]!]! + OCTET[bytes[at + 3]!]!) as Ipv4;

export function writePrefix(prefix: Prefix, out: Writer): void {
  const length = prefixLength(prefix);
  out.u8(length).bytes(ipToBytes(prefixAddress(prefix)).subarray(0, (length + 7) >> 3));
}

/** @param pathIds  one for each prefix where the session has them (RFC 7911 §3) */
export function writePrefixes(prefixes: readonly Prefix[], pathIds: readonly number[] | undefined, out: Writer): void {
  for (const [index, prefix] of prefixes.entries()) {
    if (pathIds !== undefined) out.u32(pathIds[index] ?? 0);
    writePrefix(prefix, out);
  }
}

/** Octets that `writePrefix` takes. */
export const prefixSize = (prefix: Prefix): number => 1 + ((prefixLength(prefix) + 7) >> 3);

/** Why no route to this prefix can be meant seriously (RFC 4271 §6.3); null when one can. */
export function prefixProblem(prefix: Prefix): string | null {
  // The text decides most of them: this is asked for every received prefix.
  if (prefix.includes(":")) {
    if (!prefix.startsWith("f") && !prefix.startsWith("::1/")) return null;
    const length = prefixLength(prefix);
    const octets = ipToBytes(prefixAddress(prefix));
    if (length >= 8 && octets[0] === 0xff) return "multicast prefix";
    if (length >= 10 && octets[0] === 0xfe && (octets[1]! & 0xc0) === 0x80) return "link-local prefix";
    return prefix === "::1/128" ? "loopback prefix" : null;
  }
  const first = Number.parseInt(prefix, 10);
  if (first > 0 && first < 224 && first !== 127) return null;
  const length = prefixLength(prefix);
  if (first >= 224 && length >= 4) return first >= 240 ? "class E prefix" : "multicast prefix";
  if (first === 127 && length >= 8) return "loopback prefix";
  return first === 0 && length >= 8 ? "prefix of network zero" : null;
}
