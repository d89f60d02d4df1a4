import { ip, type Ipv4, type Ipv6 } from "../../src/addr/ip.ts";
import { macFromBytes } from "../../src/addr/mac.ts";
import { Truncated } from "../../src/base/bytes.ts";
import { decodeArp, gratuitousArp } from "../../src/l2/wire/arp.ts";
import { claimIn } from "../../src/l2/wire/claim.ts";
import { decodeNeighbourAdvertisement, unsolicitedAdvertisement } from "../../src/l2/wire/neighbour-advertisement.ts";
import {
  decodeRouterMessage,
  encodeRouterAdvertisement,
  encodeRouterSolicitation,
} from "../../src/l2/wire/router-advertisement.ts";
import { decodeAddress } from "../../src/linux/wire/address.ts";
import { decodeLink } from "../../src/linux/wire/link.ts";
import { decodeMessages, decodeOutcome, encodeMessage } from "../../src/linux/wire/message.ts";
import { decodeRoute } from "../../src/linux/wire/route.ts";
import { routerFrame } from "../support/router-frame.ts";
import type { FuzzTarget } from "./target.ts";

/*
 * What arrives on a link, and what the kernel says. The decoders of frames and of netlink throw Truncated, which their
 * callers take for "not for us"; nothing else may come out of them.
 */

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));

const orTruncated =
  (decode: (input: Uint8Array) => unknown, ...others: readonly (new (...args: never[]) => Error)[]) =>
  (input: Uint8Array): unknown => {
    try {
      return decode(input);
    } catch (error) {
      if (error instanceof Truncated || others.some((other) => error instanceof other)) return null;
      throw error;
    }
  };

const MAC = macFromBytes(Uint8Array.of(2, 0, 0, 0, 0, 1));
const ROUTER_FRAMES = [encodeRouterAdvertisement(MAC), encodeRouterSolicitation(MAC)].map((message) =>
  routerFrame(message, { source: "fe80::1" }),
);
const ARP_FRAMES = (["request", "reply"] as const).map((form) => gratuitousArp(form, ip("192.0.2.1") as Ipv4, MAC));
const ADVERTISEMENT = unsolicitedAdvertisement(ip("2001:db8::1") as Ipv6, MAC, true);
const NEIGHBOUR_FRAME = routerFrame(ADVERTISEMENT, { source: "2001:db8::1" });

/** Over the addresses, the length, the next header and the message (RFC 4443 §2.3), where there is a whole header. */
function repairIcmpv6(frame: Uint8Array): void {
  const [header, message] = [14, 54];
  if (frame.length < message + 4) return;
  const length = frame.length - message;
  frame[header + 4] = length >> 8;
  frame[header + 5] = length & 0xff;
  frame[message + 2] = 0;
  frame[message + 3] = 0;
  let sum = length + 58;
  for (let at = header + 8; at < frame.length; at += 2) sum += (frame[at]! << 8) | (frame[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  frame[message + 2] = (~sum >> 8) & 0xff;
  frame[message + 3] = ~sum & 0xff;
}

const LINK = hex("0000 0100 02000000 43100100 00000000 0a00 0300 657468300000 0000 0a00 0100 020000000001 0000");
const ADDRESS = hex("02 20 00 fe 03000000 0800 0100 0a000064 0800 0200 0a000064 0a00 0300 65303a7663 00 0000");
const ROUTE = hex("02 20 0000 fe c8 00 01 00000000 0800 0100 0a000064 0800 0400 02000000 0800 0600 64000000");
const MULTIPATH = hex(
  "02 20 0000 fe c8 00 01 00000000 0800 0100 0a000064 2400 0900 1000 00 00 02000000 0800 0500 0a000001 1000 00 00 03000000 0800 0500 0a000002",
);

export const LINK_TARGETS: readonly FuzzTarget[] = [
  { name: "arp", seeds: ARP_FRAMES, decode: orTruncated(decodeArp) },
  { name: "neighbour-advertisement", seeds: [ADVERTISEMENT], decode: orTruncated(decodeNeighbourAdvertisement) },
  { name: "claim", seeds: [...ARP_FRAMES, NEIGHBOUR_FRAME], decode: claimIn },
  { name: "router-message", seeds: ROUTER_FRAMES, repair: repairIcmpv6, decode: decodeRouterMessage },
  {
    name: "netlink-messages",
    seeds: [
      Buffer.concat(
        [LINK, ADDRESS].map((payload, index) =>
          encodeMessage({ type: 16 + index * 4, flags: 2, sequence: 7, payload }),
        ),
      ),
      encodeMessage({
        type: 2,
        flags: 0x200,
        sequence: 7,
        payload: hex("efffffff 14000000 1400 0506 07000000 00000000 0800 0100 6e6f0000"),
      }),
    ],
    decode: orTruncated((input) =>
      decodeMessages(input).map((message) => (message.type === 2 ? decodeOutcome(message) : null)),
    ),
  },
  { name: "netlink-link", seeds: [LINK], decode: orTruncated(decodeLink) },
  { name: "netlink-address", seeds: [ADDRESS], decode: orTruncated(decodeAddress) },
  { name: "netlink-route", seeds: [ROUTE, MULTIPATH], decode: orTruncated(decodeRoute, RangeError) },
];
