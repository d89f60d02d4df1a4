import { familyOf, type Family, type IpAddress, ipFromBytes } from "../../addr/ip.ts";
import { Truncated } from "../../base/bytes.ts";
import { align4, NativeReader, NativeWriter } from "./native-bytes.ts";

/**
 * The frame of every netlink message (netlink(7), linux/netlink.h) and its attributes; the messages themselves, one
 * file each, are the payload: a fixed header and then attributes. Host byte order throughout (`native-bytes.ts`).
 */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  /** Chosen by the asker, repeated in every answer. */
  readonly sequence: number;
  readonly payload: Uint8Array;
}

export const NLMSG = { noop: 1, error: 2, done: 3 } as const;
export const RTM = {
  newLink: 16,
  getLink: 18,
  newAddress: 20,
  deleteAddress: 21,
  getAddress: 22,
  newRoute: 24,
  deleteRoute: 25,
  getRoute: 26,
} as const;
export const FLAG = {
  request: 0x1,
  ack: 0x4,
  /** On messages of a dump: the tables changed meanwhile, entries may be missing or doubled. */
  dumpInterrupted: 0x10,
  dump: 0x300,
  /** Modifiers of a NEW request. */
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  /** On an error: the request is not repeated in it, and attributes follow. */
  capped: 0x100,
  ackAttributes: 0x200,
} as const;

const HEADER_LENGTH = 16;
const ATTRIBUTE_HEADER_LENGTH = 4;
/** NLA_F_NESTED and NLA_F_NET_BYTEORDER live in the type's upper bits. */
const ATTRIBUTE_TYPE_MASK = 0x3fff;

export function encodeMessage(message: NetlinkMessage): Uint8Array {
  return new NativeWriter()
    .u32(HEADER_LENGTH + message.payload.length)
    .u16(message.type)
    .u16(message.flags)
    .u32(message.sequence)
    .u32(0) // port: the kernel fills in ours
    .padded(message.payload)
    .finish();
}

/**
 * The messages of one datagram. Payloads alias it.
 *
 * @throws Truncated when a length does not fit
 */
export function decodeMessages(datagram: Uint8Array): NetlinkMessage[] {
  const reader = new NativeReader(datagram);
  const messages: NetlinkMessage[] = [];
  while (reader.left > 0) {
    const length = reader.u32("message length");
    const [type, flags, sequence] = [reader.u16("type"), reader.u16("flags"), reader.u32("sequence")];
    reader.u32("port");
    messages.push({ type, flags, sequence, payload: reader.padded(length - HEADER_LENGTH, "payload") });
  }
  return messages;
}

/** Attributes by type; of a repeated one the last stands, as in the kernel. */
export type Attributes = ReadonlyMap<number, Uint8Array>;

/** @throws Truncated when a length does not fit. */
export function decodeAttributes(reader: NativeReader): Attributes {
  const attributes = new Map<number, Uint8Array>();
  while (reader.left >= ATTRIBUTE_HEADER_LENGTH) {
    const length = reader.u16("attribute length");
    const type = reader.u16("attribute type") & ATTRIBUTE_TYPE_MASK;
    attributes.set(type, reader.padded(length - ATTRIBUTE_HEADER_LENGTH, `attribute ${type}`));
  }
  return attributes;
}

export function writeAttribute(out: NativeWriter, type: number, value: Uint8Array): void {
  out
    .u16(ATTRIBUTE_HEADER_LENGTH + value.length)
    .u16(type)
    .padded(value);
}

export const u32Attribute = (value: number): Uint8Array => new NativeWriter().u32(value).finish();

/** With the closing NUL that the kernel wants. */
export const textAttribute = (text: string): Uint8Array => new TextEncoder().encode(`${text}\0`);

export const textOf = (value: Uint8Array): string => {
  const end = value.indexOf(0);
  return new TextDecoder().decode(end < 0 ? value : value.subarray(0, end));
};

/** Linux's numbers of the address families. */
export const AF_INET = 2;
export const AF_INET6 = 10;
export const afOf = (family: Family): number => (family === 4 ? AF_INET : AF_INET6);
export const afOfAddress = (address: IpAddress): number => afOf(familyOf(address));

/** @throws Truncated when the octets are too few for the family. */
export function addressOf(value: Uint8Array, af: number): IpAddress {
  const length = af === AF_INET ? 4 : 16;
  if (value.length < length) throw new Truncated("address", length, value.length);
  return ipFromBytes(value.subarray(0, length));
}

/** What NLMSG_ERROR and NLMSG_DONE say: 0, or the error number and perhaps the kernel's own sentence. */
export interface Outcome {
  readonly errno: number;
  readonly explanation: string | null;
}

/** @throws Truncated when it is shorter than its number. */
export function decodeOutcome(message: NetlinkMessage): Outcome {
  const reader = new NativeReader(message.payload);
  const errno = 0 - reader.i32("error number");
  if ((message.flags & FLAG.ackAttributes) === 0) return { errno, explanation: null };
  if (message.type === NLMSG.error) {
    const requestLength = reader.u32("request length");
    reader.slice(HEADER_LENGTH - 4, "request header");
    const repeated = message.flags & FLAG.capped ? 0 : align4(requestLength) - HEADER_LENGTH;
    reader.slice(repeated, "request");
  }
  const text = decodeAttributes(reader).get(1); // NLMSGERR_ATTR_MSG
  return { errno, explanation: text === undefined ? null : textOf(text) };
}
