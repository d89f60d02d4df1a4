import { bitsOf, type Family, familyOf, type IpAddress, ipFromBytes, ipToBytes } from "../addr/ip.ts";
import { prefixAddress, prefixLength, parsePrefix } from "../addr/prefix.ts";
import { parseIp } from "../addr/ip.ts";

/** Addresses from `first` to `last`, both included, as numbers: a range of IPv6 has more than could be listed. */
export interface AddressRange {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

export function numberOf(address: IpAddress): bigint {
  let number = 0n;
  for (const octet of ipToBytes(address)) number = (number << 8n) | BigInt(octet);
  return number;
}

export function addressAt(family: Family, number: bigint): IpAddress {
  const bytes = new Uint8Array(bitsOf(family) / 8);
  for (let at = bytes.length - 1, rest = number; at >= 0; at--, rest >>= 8n) bytes[at] = Number(rest & 0xffn);
  return ipFromBytes(bytes);
}

/** @param skipsEnds  without the first and the last address of an IPv4 prefix of more than two */
export function rangeOfCidr(word: string, skipsEnds: boolean): AddressRange | null {
  const prefix = parsePrefix(word);
  if (prefix === null) return null;
  const family = familyOf(prefixAddress(prefix));
  const first = numberOf(prefixAddress(prefix));
  const size = 1n << BigInt(bitsOf(family) - prefixLength(prefix));
  const margin = skipsEnds && family === 4 && size > 2n ? 1n : 0n;
  return { family, first: first + margin, last: first + size - 1n - margin };
}

/** `first-last`, of one family, in order. */
export function rangeOfBounds(word: string): AddressRange | null {
  const [low, high, ...more] = word.split("-").map((part) => parseIp(part.trim()));
  if (!low || !high || more.length > 0 || familyOf(low) !== familyOf(high)) return null;
  const range = { family: familyOf(low), first: numberOf(low), last: numberOf(high) };
  return range.first <= range.last ? range : null;
}

export const rangesOverlap = (a: AddressRange, b: AddressRange): boolean =>
  a.family === b.family && a.first <= b.last && b.first <= a.last;

/** IPv4 hosts that end in .0 or .255 are not given: old equipment takes them for a network or a broadcast address. */
const isSkipped = (family: Family, number: bigint): boolean =>
  family === 4 && ((number & 0xffn) === 0n || (number & 0xffn) === 0xffn);

/** How many addresses can be given; skipped ones do not count. */
export function sizeOf({ family, first, last }: AddressRange): bigint {
  const all = last - first + 1n;
  if (family === 6) return all;
  const multiplesUpTo = (number: bigint, rest: bigint): bigint => (number < rest ? 0n : (number - rest) / 256n + 1n);
  const among = (rest: bigint): bigint =>
    multiplesUpTo(last, rest) - (first === 0n ? 0n : multiplesUpTo(first - 1n, rest));
  return all - among(0n) - among(255n);
}

/**
 * The first number at or after `from` (with `descending`: at or before it) that `isFree` takes; null when there is none.
 * Looks at no more numbers than are taken or skipped.
 */
export function firstFree(
  { family, first, last }: AddressRange,
  from: bigint | null,
  isFree: (number: bigint) => boolean,
  descending: boolean,
): bigint | null {
  const step = descending ? -1n : 1n;
  for (let number = from ?? (descending ? last : first); number >= first && number <= last; number += step) {
    if (!isSkipped(family, number) && isFree(number)) return number;
  }
  return null;
}
