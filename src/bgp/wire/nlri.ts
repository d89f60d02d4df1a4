import { bitsOf, type IpAddress, ipFromBytes, ipToBytes } from "../../addr/ip.ts";
import { type Prefix, prefixAddress, prefixLength, prefixOf } from "../../addr/prefix.ts";
import type { Reader, Writer } from "../../base/bytes.ts";
import type { AddressFamily } from "./families.ts";

/** Thrown by `readPrefixes`; its callers know which fault it is in the field that they read. */
export class BadNetworkField extends Error {
  override readonly name = "BadNetworkField";
}

/**
 * Prefixes until `reader` is empty: length in bits, then as few octets as hold them (RFC 4271 §4.3). Bits beyond the
 * length are ignored.
 *
 * @throws BadNetworkField for a length that the family does not have, or a last prefix that runs past the field
 */
export function readPrefixes(reader: Reader, family: AddressFamily): Prefix[] {
  const bits = bitsOf(family === "ipv4-unicast" ? 4 : 6);
  const prefixes: Prefix[] = [];
  while (reader.left > 0) {
    const length = reader.u8("prefix length");
    if (length > bits) throw new BadNetworkField(`prefix length ${length} in ${family}`);
    const octets = (length + 7) >> 3;
    if (octets > reader.left) throw new BadNetworkField(`prefix of ${octets} octets, ${reader.left} left`);
    const address = new Uint8Array(bits / 8);
    address.set(reader.slice(octets, "prefix"));
    prefixes.push(prefixOf(ipFromBytes(address), length));
  }
  return prefixes;
}

export function writePrefix(prefix: Prefix, out: Writer): void {
  const length = prefixLength(prefix);
  out.u8(length).bytes(ipToBytes(prefixAddress(prefix)).subarray(0, (length + 7) >> 3));
}

/** Octets that `writePrefix` takes. */
export const prefixSize = (prefix: Prefix): number => 1 + ((prefixLength(prefix) + 7) >> 3);

/** Why no route to this prefix can be meant seriously (RFC 4271 §6.3); null when one can. */
export function prefixProblem(prefix: Prefix): string | null {
  const address = prefixAddress(prefix);
  const length = prefixLength(prefix);
  if (prefix.includes(":")) {
    const octets = ipToBytes(address);
    if (length >= 8 && octets[0] === 0xff) return "multicast prefix";
    if (length >= 10 && octets[0] === 0xfe && (octets[1]! & 0xc0) === 0x80) return "link-local prefix";
    return prefix === "::1/128" ? "loopback prefix" : null;
  }
  const [first = 0] = ipToBytes(address);
  if (first >= 224 && length >= 4) return first >= 240 ? "class E prefix" : "multicast prefix";
  if (first === 127 && length >= 8) return "loopback prefix";
  return first === 0 && length > 0 && length >= 8 ? "prefix of network zero" : null;
}

/** True for an address that a packet can be sent to as a next hop: no zero, loopback, multicast or class E. */
export function isUnicastHost(address: IpAddress): boolean {
  const octets = ipToBytes(address);
  if (octets.length === 4) return octets[0] !== 0 && octets[0] !== 127 && octets[0]! < 224;
  return octets[0] !== 0xff && address !== "::" && address !== "::1";
}
