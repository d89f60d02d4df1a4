import { ipFromBytes, type IpAddress, type Ipv6 } from "../../addr/ip.ts";
import { type Mac, macFromBytes } from "../../addr/mac.ts";
import { Reader, Truncated } from "../../base/bytes.ts";
import { decodeArp } from "./arp.ts";
import { decodeNeighbourAdvertisement } from "./neighbour-advertisement.ts";

/** A frame in which somebody says that an address is his, or is about to be. */
export interface Claim {
  readonly address: IpAddress;
  /** Who says so: the hardware address in the message; that of the frame where the message has none. */
  readonly mac: Mac;
}

const ETHERTYPE = { arp: 0x0806, ipv6: 0x86dd } as const;
const ICMPV6 = 58;
const HOP_LIMIT = 255;
const NEIGHBOUR_SOLICITATION = 135;
const UNSPECIFIED = "::";
const IPV4_UNSPECIFIED = "0.0.0.0";

/**
 * The claim in an Ethernet frame; null in any other frame, also in one that is damaged or that a receiver must discard.
 *
 * ARP: any packet with the address as its sender's (RFC 5227 §2.4); a probe, whose sender has none yet, is answered by
 * the kernel and is no claim. IPv6: an advertisement for the address, or a solicitation from the unspecified address,
 * which is duplicate address detection by somebody who wants it (RFC 4862 §5.4.3).
 */
export function claimIn(frame: Uint8Array): Claim | null {
  try {
    const reader = new Reader(frame);
    reader.slice(6, "destination");
    const source = macFromBytes(reader.slice(6, "source"));
    switch (reader.u16("ethertype")) {
      case ETHERTYPE.arp:
        return arpClaim(frame);
      case ETHERTYPE.ipv6:
        return neighbourClaim(reader, source);
      default:
        return null;
    }
  } catch (error) {
    if (error instanceof Truncated) return null;
    throw error;
  }
}

function arpClaim(frame: Uint8Array): Claim | null {
  const arp = decodeArp(frame);
  return arp === null || arp.senderIp === IPV4_UNSPECIFIED ? null : { address: arp.senderIp, mac: arp.senderMac };
}

/** @param reader  at the IPv6 header. Who forwards a message lowers its hop limit, so 255 comes from the segment. */
function neighbourClaim(reader: Reader, source: Mac): Claim | null {
  reader.u32("version, class and label");
  const length = reader.u16("payload length");
  const [next, hopLimit] = [reader.u8("next header"), reader.u8("hop limit")];
  const sender = ipFromBytes(reader.slice(16, "source address"));
  reader.slice(16, "destination address");
  if (next !== ICMPV6 || hopLimit !== HOP_LIMIT) return null;
  const message = reader.slice(length, "ICMPv6 message");
  if (message[0] === NEIGHBOUR_SOLICITATION) {
    return sender === UNSPECIFIED ? { address: targetOfSolicitation(message), mac: source } : null;
  }
  const advertisement = decodeNeighbourAdvertisement(message);
  return advertisement && { address: advertisement.target, mac: advertisement.mac ?? source };
}

function targetOfSolicitation(message: Uint8Array): Ipv6 {
  const reader = new Reader(message);
  reader.slice(8, "type, code, checksum and reserved");
  return ipFromBytes(reader.slice(16, "target")) as Ipv6;
}
