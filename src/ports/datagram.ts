import type { Family, IpAddress } from "../addr/ip.ts";
import type { Instant } from "../base/time.ts";
import type { Endpoint } from "./stream.ts";

/** One datagram as it arrived. It and its bytes are the network's: copy what must outlive the call that brought it. */
export interface ReceivedDatagram {
  readonly bytes: Uint8Array;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly interfaceIndex: number;
  /** TTL or hop limit on arrival. */
  readonly ttl: number;
  /** When the kernel had it. */
  readonly receivedAt: Instant;
}

export interface DatagramReceiver {
  /** Datagrams that the kernel did not hand over: the TTL was wrong, or the queue was full. */
  readonly droppedCount: number;
  close(): void;
}

export interface DatagramSender {
  /** @throws Error with the kernel's reason; the sender may be used again, or closed */
  send(bytes: Uint8Array): void;
  close(): void;
}

export interface ReceiverOptions {
  readonly family: Family;
  readonly port: number;
  /** RFC 5082: the kernel drops what arrives with another TTL than 255. */
  readonly onlyTtl255: boolean;
}

export interface SenderOptions {
  readonly remote: Endpoint;
  /** Source address; the kernel's choice for each datagram when null. */
  readonly local: IpAddress | null;
  readonly sourcePort: number;
  /** Bind to this device; also the scope of a link-local address. */
  readonly interfaceName: string | null;
}

/** UDP with what `node:dgram` does not tell or set. */
export interface DatagramNetwork {
  /** Receives on all addresses of this machine. @throws Error when the port is taken, or the family is not there */
  openReceiver(options: ReceiverOptions, onDatagram: (datagram: ReceivedDatagram) => void): DatagramReceiver;
  /** Sends with TTL 255 and traffic class CS6. @throws Error whose `code` is EADDRINUSE when the port is taken */
  openSender(options: SenderOptions): DatagramSender;
  /** Null: there is none of this name. */
  interfaceIndex(name: string): number | null;
}
