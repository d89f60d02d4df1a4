import type { IpAddress } from "../addr/ip.ts";

/** Where routers on one link tell each other that they are there. */
export interface RouterSegment {
  /** An ICMPv6 message from our link-local address; the kernel fills in the checksum, hop limit is 255. */
  send(message: Uint8Array, destination: IpAddress): void;
  close(): void;
}

export interface RouterSegments {
  /**
   * `onFrame` gets each Ethernet frame with a router solicitation or advertisement that arrives on the interface; none
   * of our own. The octets are only lent.
   *
   * @throws when the interface is gone or the capability NET_RAW is missing.
   */
  open(interfaceIndex: number, onFrame: (frame: Uint8Array) => void): RouterSegment;
}
