import type { SegmentTaps } from "../../ports/network.ts";
import {
  AF_PACKET,
  attachFilter,
  bindSocket,
  closeSocket,
  openSocket,
  receiveDatagram,
  SOCK_RAW,
  watchReadable,
} from "./ffi.ts";

export const ETHERTYPE = { arp: 0x0806, ipv6: 0x86dd } as const;
/** Longer frames are no ARP and no neighbour discovery that concerns an address. */
const FRAME_LENGTH_MAX = 1514;
/** Frames taken in one turn of the event loop: a flood on the segment must not hold up the rest of the daemon. */
const FRAMES_PER_TURN_MAX = 64;

/** ARP and neighbour discovery of one interface, by packet sockets. Takes CAP_NET_RAW. */
export const segmentTaps: SegmentTaps = {
  open(interfaceIndex, onFrame) {
    const taps: { close(): void }[] = [];
    try {
      taps.push(tap(interfaceIndex, ETHERTYPE.arp, null, onFrame));
      taps.push(tap(interfaceIndex, ETHERTYPE.ipv6, NEIGHBOUR_DISCOVERY, onFrame));
    } catch (error) {
      for (const one of taps) one.close();
      throw error;
    }
    return {
      close() {
        for (const one of taps) one.close();
      },
    };
  },
};

/** @param filter  of classic BPF; null passes everything of the ethertype */
export function tap(
  interfaceIndex: number,
  ethertype: number,
  filter: Uint8Array | null,
  onFrame: (frame: Uint8Array) => void,
): { close(): void } {
  // With protocol 0 nothing arrives before the filter is in place; bind then names the protocol.
  const fd = openSocket(AF_PACKET, SOCK_RAW, 0, true);
  try {
    if (filter) attachFilter(fd, filter);
    bindSocket(fd, linkAddress(interfaceIndex, ethertype));
    const buffer = new Uint8Array(FRAME_LENGTH_MAX);
    const watch = watchReadable(fd, () => drain(fd, buffer, onFrame));
    return {
      close() {
        watch.close();
        closeSocket(fd);
      },
    };
  } catch (error) {
    closeSocket(fd);
    throw error;
  }
}

function drain(fd: number, buffer: Uint8Array, onFrame: (frame: Uint8Array) => void): void {
  // What is left after this wakes the watch again.
  for (let count = 0; count < FRAMES_PER_TURN_MAX; count++) {
    let frame: Uint8Array | null;
    try {
      frame = receiveDatagram(fd, buffer, false);
    } catch {
      // A frame that is too long, or the news that the interface went down: neither is a claim.
      continue;
    }
    if (frame === null) return;
    onFrame(frame);
  }
}

/** struct sockaddr_ll; the protocol is in network byte order. */
function linkAddress(interfaceIndex: number, ethertype: number): Uint8Array {
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, ethertype, false);
  view.setInt32(4, interfaceIndex, true);
  return bytes;
}

/** One instruction of classic BPF: struct sock_filter. */
function instruction(code: number, jumpTrue: number, jumpFalse: number, operand: number): number[] {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, code, true);
  view.setUint8(2, jumpTrue);
  view.setUint8(3, jumpFalse);
  view.setUint32(4, operand, true);
  return [...bytes];
}

const LOAD_OCTET = 0x30;
const JUMP_IF_EQUAL = 0x15;
const RETURN = 0x06;

/**
 * Passes ICMPv6 messages of two types that follow the IPv6 header directly; octets are counted from the Ethernet header.
 * All other IPv6 traffic of the node ends here, in the kernel.
 */
export const icmpv6Filter = (first: number, second: number): Uint8Array =>
  Uint8Array.from([
    ...instruction(LOAD_OCTET, 0, 0, 20), //          next header
    ...instruction(JUMP_IF_EQUAL, 0, 4, 58), //       ICMPv6, else to the end
    ...instruction(LOAD_OCTET, 0, 0, 54), //          ICMPv6 type
    ...instruction(JUMP_IF_EQUAL, 1, 0, first), //    pass
    ...instruction(JUMP_IF_EQUAL, 0, 1, second), //   pass, else to the end
    ...instruction(RETURN, 0, 0, 0xffff),
    ...instruction(RETURN, 0, 0, 0),
  ]);

/** Neighbour solicitations and advertisements. */
const NEIGHBOUR_DISCOVERY = icmpv6Filter(135, 136);
