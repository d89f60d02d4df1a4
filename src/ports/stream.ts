import type { IpAddress } from "../addr/ip.ts";
import type { Prefix } from "../addr/prefix.ts";

export interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
  /** Of a link-local address: the interface that it belongs to. */
  readonly interfaceName?: string;
}

/** Of one TCP socket; what is absent stays as it is. */
export interface SocketOptions {
  /** TTL or hop limit of what we send, 1 to 255. */
  readonly ttl?: number;
  /** RFC 5082: the kernel drops what arrives with less. 0 takes everything. */
  readonly minTtl?: number;
  /** DSCP and ECN octet of what we send; class selector 6 until it is set. */
  readonly trafficClass?: number;
  /** How long sent octets, the SYN included, may stay unacknowledged before the stream ends with "timed-out". */
  readonly userTimeoutMillis?: number;
  /** Most octets of TCP payload in one segment; the path's when absent. Counts when the connection begins. */
  readonly maxSegmentLength?: number;
}

export interface DialOptions extends SocketOptions {
  readonly remote: Endpoint;
  /** Source address; the kernel's choice when absent. */
  readonly localAddress?: IpAddress;
  /** Bind to this device (SO_BINDTODEVICE); also the scope of a link-local remote. */
  readonly interfaceName?: string;
  /** TCP-MD5 key (RFC 2385), 1 to 80 octets. */
  readonly md5Password?: string;
}

/** Why a stream, or an attempt at one, ended. */
export type StreamEnd =
  | { readonly kind: "closed-by-peer" }
  | { readonly kind: "closed-by-us" }
  | { readonly kind: "refused" }
  | { readonly kind: "timed-out" }
  | { readonly kind: "reset" }
  | { readonly kind: "unreachable" }
  | { readonly kind: "failed"; readonly message: string };

/** What a stream tells its user. `onEnd` comes exactly once, and nothing after it. */
export interface StreamHandler {
  onOpen(stream: ByteStream): void;
  /** The bytes are the handler's to keep. */
  onData(bytes: Uint8Array): void;
  /** The send buffer is empty again. */
  onDrain(): void;
  onEnd(end: StreamEnd): void;
}

export interface ByteStream {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /** Octets accepted by `write` that the kernel has not taken yet. */
  readonly queuedBytes: number;
  write(bytes: Uint8Array): void;
  /** No `onData` until `resume`: what arrives waits in the kernel, and slows the sender down. */
  pause(): void;
  resume(): void;
  /**
   * Meant for an accepted stream, before its first octet is looked at; with a TCP-MD5 key what is not signed with it is
   * dropped from then on.
   *
   * @throws Error when the kernel refuses
   */
  setOptions(options: SocketOptions & { readonly md5Password?: string }): void;
  /** Flushes, half-closes, discards what still arrives, and is gone after a second at the latest. */
  close(): void;
  /** Resets the connection at once. */
  destroy(): void;
}

export interface Dialer {
  /** Starts a connection attempt; the returned function gives it up (no further calls to the handler follow). */
  dial(options: DialOptions, handler: StreamHandler): () => void;
}

/** Whoever connects from there must sign with `password` (RFC 2385), 1 to 80 octets. The longest prefix counts. */
export interface Md5Key {
  readonly remote: IpAddress | Prefix;
  /**
   * The interface of a link-local address. Linux tells keys apart by interface only where that is a VRF; elsewhere the
   * key counts on all of them.
   */
  readonly interfaceName?: string;
  readonly password: string;
}

export interface ListenOptions extends SocketOptions {
  readonly local: Endpoint;
  /** Bind to this device; also the scope of a link-local address. */
  readonly interfaceName?: string;
  /** Keys of the peers that must sign; others may connect unsigned. Those of the other family are passed over. */
  readonly md5Keys?: readonly Md5Key[];
}

/** A listening socket. Neither call touches connections that exist. */
export interface Listening {
  /** Makes the keys these. @throws Error when the kernel refuses one; the others are set. */
  setMd5Keys(keys: readonly Md5Key[]): void;
  /** For connections to come, their handshake included. @throws Error when the kernel refuses */
  setOptions(options: SocketOptions): void;
  close(): void;
}

export interface Listener {
  /**
   * Resolves once listening. `accept` returns the handler of the new stream, whose `onOpen` comes next, or null to
   * refuse it (it is closed at once).
   */
  listen(options: ListenOptions, accept: (stream: ByteStream) => StreamHandler | null): Promise<Listening>;
}
