import { type Ipv4, ipFromBytes, ipToBytes } from "../../addr/ip.ts";
import { BROADCAST, type Mac, macFromBytes, macToBytes } from "../../addr/mac.ts";
import { Reader, Writer } from "../../base/bytes.ts";

/** An ARP packet for IPv4 in its Ethernet frame (RFC 826). */
export interface ArpFrame {
  readonly destination: Mac;
  readonly source: Mac;
  readonly operation: ArpOperation;
  readonly senderMac: Mac;
  readonly senderIp: Ipv4;
  readonly targetMac: Mac;
  readonly targetIp: Ipv4;
}

export const ARP_OPERATION = { request: 1, reply: 2 } as const;
type ArpOperation = (typeof ARP_OPERATION)[keyof typeof ARP_OPERATION];

const ETHERTYPE_ARP = 0x0806;
const HARDWARE_ETHERNET = 1;
const PROTOCOL_IPV4 = 0x0800;
/** The shortest frame that Ethernet carries, without its checksum; what is behind the packet is padding. */
const FRAME_LENGTH_MIN = 60;
const NO_MAC = macFromBytes(new Uint8Array(6));

/**
 * The frame that tells the segment where `vip` is now (RFC 5227 §2.3): a broadcast request for the own address, or the
 * same news as a reply, because some stacks refresh their entry on one of them only.
 */
export function gratuitousArp(form: keyof typeof ARP_OPERATION, vip: Ipv4, mac: Mac): Uint8Array {
  return encodeArp({
    destination: BROADCAST,
    source: mac,
    operation: ARP_OPERATION[form],
    senderMac: mac,
    senderIp: vip,
    targetMac: form === "request" ? NO_MAC : BROADCAST,
    targetIp: vip,
  });
}

export function encodeArp(frame: ArpFrame): Uint8Array {
  const out = new Writer(FRAME_LENGTH_MIN)
    .bytes(macToBytes(frame.destination))
    .bytes(macToBytes(frame.source))
    .u16(ETHERTYPE_ARP)
    .u16(HARDWARE_ETHERNET)
    .u16(PROTOCOL_IPV4)
    .u8(6)
    .u8(4)
    .u16(frame.operation)
    .bytes(macToBytes(frame.senderMac))
    .bytes(ipToBytes(frame.senderIp))
    .bytes(macToBytes(frame.targetMac))
    .bytes(ipToBytes(frame.targetIp));
  return out.bytes(new Uint8Array(FRAME_LENGTH_MIN - out.length)).finish();
}

/**
 * Null when it is no request or reply of ARP for IPv4 over Ethernet.
 *
 * @throws Truncated when the frame is too short
 */
export function decodeArp(bytes: Uint8Array): ArpFrame | null {
  const reader = new Reader(bytes);
  const mac = (field: string): Mac => macFromBytes(reader.slice(6, field));
  const ipv4 = (field: string): Ipv4 => ipFromBytes(reader.slice(4, field)) as Ipv4;
  const [destination, source] = [mac("destination"), mac("source")];
  if (reader.u16("ethertype") !== ETHERTYPE_ARP) return null;
  if (reader.u16("hardware type") !== HARDWARE_ETHERNET || reader.u16("protocol type") !== PROTOCOL_IPV4) return null;
  if (reader.u8("hardware length") !== 6 || reader.u8("protocol length") !== 4) return null;
  const operation = reader.u16("operation");
  if (operation !== ARP_OPERATION.request && operation !== ARP_OPERATION.reply) return null;
  return {
    destination,
    source,
    operation,
    senderMac: mac("sender hardware address"),
    senderIp: ipv4("sender address"),
    targetMac: mac("target hardware address"),
    targetIp: ipv4("target address"),
  };
}
