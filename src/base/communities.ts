/**
 * Communities as text, the way routers print and take them.
 *
 * Standard (RFC 1997): `65000:100`, or a name of IANA's registry such as `no-export`. Large (RFC 8092):
 * `4200000000:1:2`. Extended (RFC 4360): `rt:65000:100` and `soo:192.0.2.1:100` (route target and site of origin; the
 * administrator is a two-octet AS, a four-octet AS or an IPv4 address), or all eight octets in hexadecimal, `0x…`.
 */

/** Three 32-bit numbers. */
export type LargeCommunityNumbers = readonly [global: number, local1: number, local2: number];

/** IANA "BGP Well-known Communities". */
const WELL_KNOWN: ReadonlyMap<string, number> = new Map([
  ["graceful-shutdown", 0xffff_0000],
  ["accept-own", 0xffff_0001],
  ["llgr-stale", 0xffff_0006],
  ["no-llgr", 0xffff_0007],
  ["blackhole", 0xffff_029a],
  ["no-export", 0xffff_ff01],
  ["no-advertise", 0xffff_ff02],
  ["no-export-subconfed", 0xffff_ff03],
  ["no-peer", 0xffff_ff04],
]);

const EXTENDED_SUBTYPE = { rt: 0x02, soo: 0x03 } as const;

/** A standard community as its 32-bit value; null when `text` is none. */
export function parseCommunity(text: string): number | null {
  const named = WELL_KNOWN.get(text.toLowerCase());
  if (named !== undefined) return named;
  const parts = numbers(text, 2, 0xffff);
  return parts === null ? null : parts[0]! * 0x1_0000 + parts[1]!;
}

/** A large community; null when `text` is none. */
export function parseLargeCommunity(text: string): LargeCommunityNumbers | null {
  const parts = numbers(text, 3, 0xffff_ffff);
  return parts === null ? null : [parts[0]!, parts[1]!, parts[2]!];
}

/** An extended community as its eight octets; null when `text` is none. */
export function parseExtendedCommunity(text: string): bigint | null {
  if (/^0x[0-9a-f]{16}$/i.test(text)) return BigInt(text);
  const match = /^(rt|soo):([^:]+):(\d{1,10})$/i.exec(text);
  if (match === null) return null;
  const subtype = EXTENDED_SUBTYPE[match[1]!.toLowerCase() as keyof typeof EXTENDED_SUBTYPE];
  const local = Number(match[3]);
  const octets = match[2]!.split(".").map((word) => number(word, 255));
  if (octets.length === 4) {
    if (octets.includes(null) || local > 0xffff) return null;
    const address = octets.reduce<number>((sum, octet) => sum * 256 + octet!, 0);
    return eightOctets(0x01, subtype, address * 0x1_0000 + local);
  }
  const as = number(match[2]!, 0xffff_ffff);
  if (as === null || local > 0xffff_ffff) return null;
  if (as <= 0xffff) return eightOctets(0x00, subtype, as * 0x1_0000_0000 + local);
  return local > 0xffff ? null : eightOctets(0x02, subtype, as * 0x1_0000 + local);
}

/** @param value  48 bits */
const eightOctets = (type: number, subtype: number, value: number): bigint =>
  (BigInt(type * 256 + subtype) << 48n) | BigInt(value);

function numbers(text: string, count: number, max: number): readonly number[] | null {
  const parts = text.split(":").map((word) => number(word, max));
  return parts.length === count && !parts.includes(null) ? (parts as number[]) : null;
}

function number(word: string, max: number): number | null {
  const value = /^\d{1,10}$/.test(word) ? Number(word) : max + 1;
  return value <= max ? value : null;
}
