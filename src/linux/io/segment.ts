import type { Segments } from "../../ports/network.ts";
import {
  AF_INET6,
  AF_PACKET,
  bindSocket,
  closeSocket,
  int32,
  openSocket,
  sendDatagram,
  setSocketOption,
  SOCK_RAW,
} from "./ffi.ts";
import { sockaddr } from "./socket-options.ts";

const IPPROTO_ICMPV6 = 58;
const IPPROTO_IPV6 = 41;
/** RFC 4861 §7.1: who receives a lower hop limit must discard the message. */
const HOP_LIMIT = 255;

/** Sends frames and ICMPv6 messages out of one interface, by sockets that receive nothing. Takes CAP_NET_RAW. */
export const segments: Segments = {
  open(interfaceIndex) {
    const packet = prepared(openSocket(AF_PACKET, SOCK_RAW, 0, true), (fd) =>
      bindSocket(fd, linkAddress(interfaceIndex)),
    );
    let icmpv6: number | null = null;
    let reason: unknown = null;
    try {
      icmpv6 = openIcmpv6(interfaceIndex);
    } catch (error) {
      // The machine may have no IPv6 at all, and need none.
      reason = error;
    }
    return {
      sendFrame: (frame) => sendDatagram(packet, frame),
      sendIcmpv6(message, destination) {
        if (icmpv6 === null) throw reason;
        sendDatagram(icmpv6, message, sockaddr(destination));
      },
      close() {
        closeSocket(packet);
        if (icmpv6 !== null) closeSocket(icmpv6);
      },
    };
  },
};

/** Sends ICMPv6 out of one interface, and receives nothing. The caller closes it. */
export function openIcmpv6(interfaceIndex: number): number {
  return prepared(openSocket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6, true), (fd) => {
    const set = (what: string, name: number, value: Uint8Array): void =>
      setSocketOption(fd, what, IPPROTO_IPV6, name, value);
    set("IPV6_UNICAST_HOPS", 16, int32(HOP_LIMIT));
    // The interface of what has no scope of its own to say it.
    set("IPV6_MULTICAST_IF", 17, int32(interfaceIndex));
    set("IPV6_MULTICAST_HOPS", 18, int32(HOP_LIMIT));
    set("IPV6_UNICAST_IF", 76, int32(interfaceIndex).toReversed()); // network byte order, alone among them
    // Our own kernel would complain that somebody advertises its address.
    set("IPV6_MULTICAST_LOOP", 19, int32(0));
    // A raw socket gets a copy of every ICMPv6 message: block all 256 types.
    setSocketOption(fd, "ICMP6_FILTER", IPPROTO_ICMPV6, 1, new Uint8Array(32).fill(0xff));
  });
}

/** struct sockaddr_ll; protocol 0 receives nothing. */
function linkAddress(interfaceIndex: number): Uint8Array {
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setInt32(4, interfaceIndex, true);
  return bytes;
}

function prepared(fd: number, prepare: (fd: number) => void): number {
  try {
    prepare(fd);
  } catch (error) {
    closeSocket(fd);
    throw error;
  }
  return fd;
}
