import { type IpAddress, type Ipv6, ipToBytes, ipv6At } from "../../addr/ip.ts";
import type { Prefix } from "../../addr/prefix.ts";
import { u16At, type Writer } from "../../base/bytes.ts";
import { type AddressFamily, familyCodes, familyFromCodes } from "./families.ts";
import { ipv4At, readPrefixes, writePrefixes } from "./nlri.ts";
import type { ForeignFamily, MpReach, MpUnreach, Problem, ReadAttribute, UpdateContext } from "./path-attributes.ts";

/** Without its routes the attribute is worth nothing, so that whatever is wrong with them is wrong with it. */
const malformed = (detail: string, at: number, section: string): Problem => ({
  kind: "update.optional-attribute",
  detail,
  at,
  section,
});

const NLRI_SECTION = "RFC 7606 §5.3";
const NEXT_HOP_SECTION = "RFC 7606 §7.11";

/** RFC 4760 §3. The routes of a next hop that no packet can be sent to are found all the same, to be withdrawn. */
export const readMpReach: ReadAttribute = (bytes, from, to, context, into) => {
  if (to - from < 5) return malformed(`length ${to - from}, 5 at least`, from, NLRI_SECTION);
  const [afi, safi, length] = [u16At(bytes, from), bytes[from + 2]!, bytes[from + 3]!];
  const nextHopAt = from + 4;
  const reservedAt = nextHopAt + length;
  if (reservedAt >= to)
    return malformed(`next hop of ${length} octets, ${to - nextHopAt} left`, nextHopAt, NEXT_HOP_SECTION);
  const family = agreedFamily(afi, safi, context);
  if (family === null) {
    into.mpReach = { afi, safi };
    return null;
  }
  if (!isNextHopLength(family, length, context)) {
    return malformed(`next hop of ${length} octets for ${family}`, nextHopAt, NEXT_HOP_SECTION);
  }
  const prefixes: Prefix[] = [];
  const pathIds = hasPathIds(family, context) ? [] : null;
  const bad = readPrefixes(bytes, reservedAt + 1, to, family, prefixes, pathIds);
  if (bad !== null) return malformed(bad.detail, bad.at, NLRI_SECTION);
  const nextHop = length === 4 ? ipv4At(bytes, nextHopAt) : ipv6At(bytes, nextHopAt);
  const linkLocal = length === 32 && isLinkLocalAt(bytes, nextHopAt + 16) ? ipv6At(bytes, nextHopAt + 16) : null;
  const ids = pathIds === null || pathIds.length === 0 ? null : { pathIds };
  into.mpReach =
    linkLocal === null ? { family, nextHop, prefixes, ...ids } : { family, nextHop, linkLocal, prefixes, ...ids };
  // A link-local second half can stand alone.
  if (prefixes.length === 0 || isHostAt(bytes, nextHopAt, length) || (nextHop === "::" && linkLocal !== null))
    return null;
  return {
    kind: "update.invalid-next-hop",
    detail: `next hop ${nextHop}`,
    at: nextHopAt,
    consequence: "treat-as-withdraw",
    section: "RFC 4271 §6.3",
  };
};

/** RFC 4760 §4. */
export const readMpUnreach: ReadAttribute = (bytes, from, to, context, into) => {
  if (to - from < 3) return malformed(`length ${to - from}, 3 at least`, from, NLRI_SECTION);
  const [afi, safi] = [u16At(bytes, from), bytes[from + 2]!];
  const family = agreedFamily(afi, safi, context);
  if (family === null) {
    into.mpUnreach = { afi, safi };
    return null;
  }
  const prefixes: Prefix[] = [];
  const pathIds = hasPathIds(family, context) ? [] : null;
  const bad = readPrefixes(bytes, from + 3, to, family, prefixes, pathIds);
  if (bad !== null) return malformed(bad.detail, bad.at, NLRI_SECTION);
  into.mpUnreach = { family, prefixes, ...(pathIds === null || pathIds.length === 0 ? null : { pathIds }) };
  return null;
};

export const hasPathIds = (family: AddressFamily, context: UpdateContext): boolean =>
  context.addPathReceive !== undefined && context.addPathReceive.includes(family);

function agreedFamily(afi: number, safi: number, context: UpdateContext): AddressFamily | null {
  const family = familyFromCodes(afi, safi);
  return family !== null && context.families.includes(family) ? family : null;
}

/** RFC 4760 §3, RFC 2545 §3, RFC 8950 §3. */
function isNextHopLength(family: AddressFamily, length: number, context: UpdateContext): boolean {
  if (family === "ipv4-unicast" && length === 4) return true;
  return (length === 16 || length === 32) && (family === "ipv6-unicast" || context.extendedNextHop === true);
}

/** A second half that is no link-local address is ignored. */
const isLinkLocalAt = (bytes: Uint8Array, at: number): boolean =>
  bytes[at] === 0xfe && (bytes[at + 1]! & 0xc0) === 0x80;

/** False for an address that no packet can be sent to: zero, loopback, multicast, and class E of IPv4. */
function isHostAt(bytes: Uint8Array, at: number, length: number): boolean {
  const first = bytes[at]!;
  if (length === 4) return first !== 0 && first !== 127 && first < 224;
  if (first !== 0) return first !== 0xff;
  for (let i = 1; i < 15; i++) if (bytes[at + i] !== 0) return true;
  return bytes[at + 15]! > 1;
}

/** @throws RangeError for routes of a family that is not ours */
export function writeMpReach(value: MpReach | ForeignFamily, out: Writer): void {
  if (!("family" in value)) throw new RangeError("routes of a foreign family cannot be sent");
  const { afi, safi } = familyCodes(value.family);
  const nextHop = nextHopOctets(value.nextHop, value.linkLocal);
  out.u16(afi).u8(safi).u8(nextHop.length).bytes(nextHop).u8(0);
  writePrefixes(value.prefixes, value.pathIds, out);
}

/** 4, 16 or 32 octets: the link-local address of the same interface goes behind a global one (RFC 2545 §3). */
export function nextHopOctets(nextHop: IpAddress, linkLocal?: Ipv6): Uint8Array {
  const octets = ipToBytes(nextHop);
  return linkLocal === undefined ? octets : Uint8Array.of(...octets, ...ipToBytes(linkLocal));
}

/** @throws RangeError for routes of a family that is not ours */
export function writeMpUnreach(value: MpUnreach | ForeignFamily, out: Writer): void {
  if (!("family" in value)) throw new RangeError("routes of a foreign family cannot be sent");
  const { afi, safi } = familyCodes(value.family);
  out.u16(afi).u8(safi);
  writePrefixes(value.prefixes, value.pathIds, out);
}
