/**
 * Captures who claims addresses on one interface, and says each claim with its time.
 *
 * The frames are taken apart here and not by the daemon's own code: what that code gets wrong must be seen.
 *
 * Usage: node claims-main.ts INTERFACE. Ends with its standard input.
 */
import { ipFromBytes } from "../../src/addr/ip.ts";
import { macFromBytes } from "../../src/addr/mac.ts";
import { Netlink } from "../../src/linux/io/netlink.ts";
import { segmentTaps } from "../../src/linux/io/segment-tap.ts";
import { machineMillis } from "../machine-time.ts";
import type { WireClaim } from "./claims.ts";

const ETHERNET_LENGTH = 14;
const ARP = { type: 0x0806, senderMac: 8, senderIp: 14, length: 28 } as const;
const IPV6 = { type: 0x86dd, length: 40, nextHeader: 6 } as const;
const ICMPV6 = 58;
const ADVERTISEMENT = { type: 136, target: 8, options: 24 } as const;
const TARGET_LINK_LAYER_ADDRESS = 2;

const name = process.argv[2] ?? "";
const link = new Netlink({ addressProtocol: 255 }).links().find((one) => one.name === name);
if (!link) throw new Error(`there is no interface ${name}`);

segmentTaps.open(link.index, (frame) => {
  const at = machineMillis();
  const claim = claimOf(frame);
  if (claim) process.stdout.write(`${JSON.stringify({ at, ...claim } satisfies WireClaim)}\n`);
});
process.stdin.on("end", () => process.exit(0)).resume();

function claimOf(frame: Uint8Array): Omit<WireClaim, "at"> | null {
  const type = ((frame[12] ?? 0) << 8) | (frame[13] ?? 0);
  const packet = frame.subarray(ETHERNET_LENGTH);
  if (type === ARP.type && packet.length >= ARP.length) {
    const ip = ipFromBytes(packet.slice(ARP.senderIp, ARP.senderIp + 4));
    const mac = macFromBytes(packet.slice(ARP.senderMac, ARP.senderMac + 6));
    return { address: ip, mac };
  }
  const message = packet.subarray(IPV6.length);
  const isAdvertisement = packet[IPV6.nextHeader] === ICMPV6 && message[0] === ADVERTISEMENT.type;
  if (type !== IPV6.type || !isAdvertisement || message.length < ADVERTISEMENT.options) return null;
  const option = message.subarray(ADVERTISEMENT.options);
  const hasMac = option[0] === TARGET_LINK_LAYER_ADDRESS && option.length >= 8;
  const mac = macFromBytes(hasMac ? option.slice(2, 8) : frame.slice(6, 12));
  return { address: ipFromBytes(message.slice(ADVERTISEMENT.target, ADVERTISEMENT.target + 16)), mac };
}
