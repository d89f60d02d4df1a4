import { ip, ipToBytes } from "../../src/addr/ip.ts";
import { Writer } from "../../src/base/bytes.ts";

const ICMPV6 = 58;

interface FrameOptions {
  readonly source: string;
  readonly destination?: string;
  readonly hopLimit?: number;
  readonly nextHeader?: number;
}

/** An ICMPv6 message in its Ethernet frame, with the right checksum. */
export function routerFrame(message: Uint8Array, options: FrameOptions): Uint8Array {
  const { source, destination = "ff02::1", hopLimit = 255, nextHeader = ICMPV6 } = options;
  const addresses = new Writer(32)
    .bytes(ipToBytes(ip(source)))
    .bytes(ipToBytes(ip(destination)))
    .finish();
  const payload = message.slice();
  const words = new Writer(256).bytes(addresses).u32(payload.length).u32(ICMPV6).bytes(payload).finish();
  let sum = 0;
  for (let at = 0; at < words.length; at += 2) sum += (words[at]! << 8) | (words[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  new DataView(payload.buffer).setUint16(2, ~sum & 0xffff);
  return new Writer(128)
    .bytes(new Uint8Array(12))
    .u16(0x86dd)
    .u32(0x6000_0000)
    .u16(payload.length)
    .u8(nextHeader)
    .u8(hopLimit)
    .bytes(addresses)
    .bytes(payload)
    .finish();
}
