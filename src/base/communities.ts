/**
 * Communities as text, the way routers print and take them.
 *
 * Standard (RFC 1997): `65000:100`, or a name of IANA's registry such as `no-export`. Large (RFC 8092):
 * `4200000000:1:2`. Extended (RFC 4360): `rt:65000:100` and `soo:192.0.2.1:100` (route target and site of origin; the
 * administrator is a two-octet AS, a four-octet AS or an IPv4 address), `lb:65000:125000000` (link bandwidth: AS and
 * octets per second), `opaque:0b00000000002a` (subtype and value), or all eight octets in hexadecimal, `0x…`.
 *
 * What is printed here reads as the same value here.
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

const NAMES: ReadonlyMap<number, string> = new Map([...WELL_KNOWN].map(([name, value]) => [value, name]));

/** IANA "Opaque Extended Community", transitive. */
const OPAQUE = 0x03n;
/** IANA "Non-Transitive Two-Octet AS-Specific Extended Community", link bandwidth. */
const LINK_BANDWIDTH = { type: 0x40, subtype: 0x04 } as const;
const float = new DataView(new ArrayBuffer(4));

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
  if (/^opaque:[0-9a-f]{14}$/i.test(text)) return (OPAQUE << 56n) | BigInt(`0x${text.slice(7)}`);
  if (/^lb:/i.test(text)) return parseLinkBandwidth(text.slice(3));
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

/** The octets per second are a number of IEEE 754 in four octets. */
function parseLinkBandwidth(text: string): bigint | null {
  const [as = "", rate = "", ...rest] = text.split(":");
  const asn = number(as, 0xffff);
  if (asn === null || !/^\d{1,20}(\.\d{1,20})?$/.test(rate) || rest.length > 0) return null;
  float.setFloat32(0, Number(rate));
  return eightOctets(LINK_BANDWIDTH.type, LINK_BANDWIDTH.subtype, asn * 0x1_0000_0000 + float.getUint32(0));
}

/** A standard community as text. */
export const communityText = (value: number): string =>
  NAMES.get(value) ?? `${Math.floor(value / 0x1_0000)}:${value % 0x1_0000}`;

/** A large community as text (RFC 8092 §5). */
export const largeCommunityText = (value: LargeCommunityNumbers): string => value.join(":");

/** An extended community as text, in hexadecimal where no other form says all of it. */
export function extendedCommunityText(value: bigint): string {
  const text = namedForm(value);
  return text !== null && parseExtendedCommunity(text) === value ? text : `0x${value.toString(16).padStart(16, "0")}`;
}

function namedForm(value: bigint): string | null {
  const [type, subtype] = [Number(value >> 56n), Number((value >> 48n) & 0xffn)];
  const [high, low] = [Number((value >> 32n) & 0xffffn), Number(value & 0xffff_ffffn)];
  if (type === LINK_BANDWIDTH.type && subtype === LINK_BANDWIDTH.subtype) {
    float.setUint32(0, low);
    return `lb:${high}:${float.getFloat32(0)}`;
  }
  if (BigInt(type) === OPAQUE) return `opaque:${(value & 0xff_ffff_ffff_ffffn).toString(16).padStart(14, "0")}`;
  const name = Object.entries(EXTENDED_SUBTYPE).find(([, code]) => code === subtype)?.[0];
  if (name === undefined) return null;
  const administrator = high * 0x1_0000 + Math.floor(low / 0x1_0000);
  if (type === 0x00) return `${name}:${high}:${low}`;
  if (type === 0x02) return `${name}:${administrator}:${low % 0x1_0000}`;
  if (type !== 0x01) return null;
  const octets = [24, 16, 8, 0].map((shift) => (administrator >>> shift) & 0xff);
  return `${name}:${octets.join(".")}:${low % 0x1_0000}`;
}

/** @param value  48 bits */
const eightOctets = (type: number, subtype: number, value: number): bigint =>
  (BigInt(type * 256 + subtype) << 48n) | BigInt(value);

function numbers(text: string, count: number, max: number): readonly number[] | null {
  const parts = text.split(":").map((word) => number(word, max));
  return parts.length === count && !parts.includes(null) ? (parts as number[]) : null;
}

function number(word: string, max: number): number | null {
  const value = /^(0|[1-9]\d{0,9})$/.test(word) ? Number(word) : max + 1;
  return value <= max ? value : null;
}
