import { ipToBytes } from "../../addr/ip.ts";
import { type Prefix, prefixAddress, prefixLength } from "../../addr/prefix.ts";
import { Writer } from "../../base/bytes.ts";
import { ATTRIBUTES, type AttributeRow, CODE, FLAG } from "./attribute-table.ts";
import { type AddressFamily, familyCodes } from "./families.ts";
import { HEADER_LENGTH, MESSAGE_TYPE } from "./framing.ts";
import { writePrefixes } from "./nlri.ts";
import type { OpaqueAttribute, PathAttributes, UpdateContext } from "./path-attributes.ts";
import type { Update } from "./update.ts";

/**
 * The body of an UPDATE. An MP attribute is written first (RFC 7606 §5.1), the others in ascending order, and those that
 * do not belong on such a session not at all.
 *
 * Lengths are not judged here: whoever packs routes into an UPDATE keeps it within a message.
 */
export function encodeUpdate(update: Update, out: Writer, context: UpdateContext): void {
  const withdrawnAt = out.length;
  out.u16(0);
  writePrefixes(update.withdrawn, update.withdrawnPathIds, out);
  out.patchU16(withdrawnAt, out.length - withdrawnAt - 2);
  const attributesAt = out.length;
  out.u16(0);
  const { attributes } = update;
  for (const row of ATTRIBUTES) if (isMp(row.code)) writeRow(row, attributes, out, context);
  writeOthers(attributes, update.opaque, out, context);
  out.patchU16(attributesAt, out.length - attributesAt - 2);
  writePrefixes(update.nlri, update.nlriPathIds, out);
}

const isMp = (code: number): boolean => code === CODE.mpReach || code === CODE.mpUnreach;

/** All but the MP attributes. */
function writeOthers(
  attributes: PathAttributes,
  opaque: readonly OpaqueAttribute[],
  out: Writer,
  context: UpdateContext,
): void {
  let next = 0;
  const opaqueBelow = (code: number): void => {
    for (; next < opaque.length && opaque[next]!.code < code; next++) {
      const one = opaque[next]!;
      writeAttribute(out, one.flags, one.code, one.value);
    }
  };
  for (const row of ATTRIBUTES) {
    if (isMp(row.code)) continue;
    opaqueBelow(row.code);
    writeRow(row, attributes, out, context);
  }
  opaqueBelow(256);
}

function writeRow(row: AttributeRow, attributes: PathAttributes, out: Writer, context: UpdateContext): void {
  if (attributes[row.field] === undefined || !row.belongsOn(context)) return;
  const value = new Writer();
  row.write(attributes, value, context);
  writeAttribute(out, row.flags, row.code, value.finish());
}

/** Extended Length only where it is needed. */
function writeAttribute(out: Writer, flags: number, code: number, value: Uint8Array): void {
  if (value.length > 255)
    out
      .u8(flags | FLAG.extendedLength)
      .u8(code)
      .u16(value.length);
  else out.u8(flags).u8(code).u8(value.length);
  out.bytes(value);
}

/**
 * What of the unknown attributes may be passed on to another speaker: with Partial set, since we did not look into them
 * (RFC 4271 §5). Nobody's Partial is ever cleared.
 */
export const passedOn = (opaque: readonly OpaqueAttribute[]): OpaqueAttribute[] =>
  opaque.map((one) => ({ ...one, flags: one.flags | FLAG.partial }));

/*
 * Packing. Whoever announces many prefixes with few sets of attributes encodes each of them once, and has messages made
 * out of these octets by copying.
 */

/** The octets of one prefix in NLRI (RFC 4271 §4.3). */
export function prefixOctets(prefix: Prefix): Uint8Array {
  const length = prefixLength(prefix);
  const address = ipToBytes(prefixAddress(prefix));
  const octets = new Uint8Array(1 + ((length + 7) >> 3));
  octets[0] = length;
  for (let i = 1; i < octets.length; i++) octets[i] = address[i - 1]!;
  return octets;
}

/** The octets of all attributes but MP_REACH_NLRI and MP_UNREACH_NLRI, as they stand in an UPDATE. */
export function attributeOctets(attributes: PathAttributes, context: UpdateContext): Uint8Array {
  const out = new Writer();
  writeOthers(attributes, [], out, context);
  return out.finish();
}

/** What announcements share. */
export interface PackedRoutes {
  /** From `attributeOctets`; with NEXT_HOP among them where the prefixes go into the body. */
  readonly attributes: Uint8Array;
  /** From `nextHopOctets`; null for IPv4 prefixes in the body. */
  readonly mp: { readonly family: AddressFamily; readonly nextHop: Uint8Array } | null;
}

/** Header, and the two length fields of an UPDATE. */
const UPDATE_OVERHEAD = HEADER_LENGTH + 4;
/** Flags, type and extended length. */
const ATTRIBUTE_HEAD_MAX = 4;
/** AFI, SAFI, next hop length, reserved octet. */
const MP_REACH_OVERHEAD = 5;
/** AFI, SAFI. */
const MP_UNREACH_OVERHEAD = 3;

/** Octets of NLRI that fit beside these attributes; less than nothing where these alone do not fit. */
export const announcementRoom = ({ attributes, mp }: PackedRoutes, maxLength: number): number =>
  maxLength -
  UPDATE_OVERHEAD -
  attributes.length -
  (mp === null ? 0 : ATTRIBUTE_HEAD_MAX + MP_REACH_OVERHEAD + mp.nextHop.length);

/** Where a withdrawal is: of IPv4 in the body, of any family in MP_UNREACH_NLRI. */
export type WithdrawalPlace = AddressFamily | "body";

/** Octets of NLRI that fit into a withdrawal. */
export const withdrawalRoom = (place: WithdrawalPlace, maxLength: number): number =>
  maxLength - UPDATE_OVERHEAD - (place === "body" ? 0 : ATTRIBUTE_HEAD_MAX + MP_UNREACH_OVERHEAD);

/**
 * A whole UPDATE that announces prefixes.
 *
 * @param nlri  from `prefixOctets`, no more than `announcementRoom` allows
 */
export function packAnnouncement({ attributes, mp }: PackedRoutes, nlri: readonly Uint8Array[]): Uint8Array {
  const nlriLength = lengthOf(nlri);
  if (mp === null) {
    const message = updateOf(UPDATE_OVERHEAD + attributes.length + nlriLength);
    setU16(message, ATTRIBUTES_LENGTH_AT, attributes.length);
    message.set(attributes, UPDATE_OVERHEAD);
    put(message, UPDATE_OVERHEAD + attributes.length, nlri);
    return message;
  }
  const valueLength = MP_REACH_OVERHEAD + mp.nextHop.length + nlriLength;
  const head = valueLength > 255 ? 4 : 3;
  const message = updateOf(UPDATE_OVERHEAD + head + valueLength + attributes.length);
  setU16(message, ATTRIBUTES_LENGTH_AT, head + valueLength + attributes.length);
  let at = putMpHead(message, CODE.mpReach, mp.family, valueLength);
  message[at] = mp.nextHop.length;
  message.set(mp.nextHop, at + 1);
  // The reserved octet is zero already.
  at = put(message, at + 2 + mp.nextHop.length, nlri);
  message.set(attributes, at);
  return message;
}

/** An UPDATE that withdraws nothing: the End-of-RIB of a family, which for IPv4 is an empty one (RFC 4724 §2). */
export const packEndOfRib = (family: AddressFamily): Uint8Array =>
  packWithdrawal(family === "ipv4-unicast" ? "body" : family, []);

/**
 * A whole UPDATE that withdraws prefixes.
 *
 * @param nlri  from `prefixOctets`, no more than `withdrawalRoom` allows
 */
export function packWithdrawal(place: WithdrawalPlace, nlri: readonly Uint8Array[]): Uint8Array {
  const nlriLength = lengthOf(nlri);
  if (place === "body") {
    const message = updateOf(UPDATE_OVERHEAD + nlriLength);
    setU16(message, HEADER_LENGTH, nlriLength);
    put(message, HEADER_LENGTH + 2, nlri);
    return message;
  }
  const valueLength = MP_UNREACH_OVERHEAD + nlriLength;
  const head = valueLength > 255 ? 4 : 3;
  const message = updateOf(UPDATE_OVERHEAD + head + valueLength);
  setU16(message, ATTRIBUTES_LENGTH_AT, head + valueLength);
  put(message, putMpHead(message, CODE.mpUnreach, place, valueLength), nlri);
  return message;
}

/** Where the length of the attributes is when nothing is withdrawn. */
const ATTRIBUTES_LENGTH_AT = HEADER_LENGTH + 2;

function updateOf(length: number): Uint8Array {
  const message = new Uint8Array(length);
  message.fill(0xff, 0, 16);
  setU16(message, 16, length);
  message[18] = MESSAGE_TYPE.update;
  return message;
}

/** Flags, type, length, AFI and SAFI of the first attribute; returns the index behind them. */
function putMpHead(message: Uint8Array, code: number, family: AddressFamily, valueLength: number): number {
  let at = UPDATE_OVERHEAD;
  message[at++] = valueLength > 255 ? FLAG.optional | FLAG.extendedLength : FLAG.optional;
  message[at++] = code;
  if (valueLength > 255) message[at++] = valueLength >> 8;
  message[at++] = valueLength & 0xff;
  const { afi, safi } = familyCodes(family);
  setU16(message, at, afi);
  message[at + 2] = safi;
  return at + 3;
}

function setU16(message: Uint8Array, at: number, value: number): void {
  message[at] = value >> 8;
  message[at + 1] = value & 0xff;
}

function lengthOf(nlri: readonly Uint8Array[]): number {
  let length = 0;
  for (const one of nlri) length += one.length;
  return length;
}

/** Octet by octet: for so few of them `set` is the slower way. Returns the index behind them. */
function put(message: Uint8Array, from: number, nlri: readonly Uint8Array[]): number {
  let at = from;
  for (const one of nlri) for (let i = 0; i < one.length; i++) message[at++] = one[i]!;
  return at;
}
