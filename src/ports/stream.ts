import type { IpAddress } from "../addr/ip.ts";

export interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
}

export interface DialOptions {
  readonly remote: Endpoint;
  /** Source address; the kernel's choice when absent. */
  readonly localAddress?: IpAddress;
  /** Bind to this device (SO_BINDTODEVICE); also the scope of a link-local remote. */
  readonly interfaceName?: string;
  /** TTL or hop limit of what we send. */
  readonly ttl?: number;
  /** RFC 5082: the kernel drops what arrives with less. */
  readonly minTtl?: number;
  /** TCP-MD5 key (RFC 2385). */
  readonly md5Password?: string;
  /** How long sent octets, the SYN included, may stay unacknowledged before the stream ends with "timed-out". */
  readonly userTimeoutMillis?: number;
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
  /** Flushes, half-closes, discards what still arrives, and is gone after a second at the latest. */
  close(): void;
  /** Resets the connection at once. */
  destroy(): void;
}

export interface Dialer {
  /** Starts a connection attempt; the returned function gives it up (no further calls to the handler follow). */
  dial(options: DialOptions, handler: StreamHandler): () => void;
}

export interface ListenOptions {
  readonly local: Endpoint;
  /** Bind to this device; also the scope of a link-local address. */
  readonly interfaceName?: string;
  readonly ttl?: number;
  /** RFC 5082: the kernel drops what arrives with less. */
  readonly minTtl?: number;
  /** TCP-MD5 keys of the peers that must sign; others may connect unsigned. */
  readonly md5Keys?: readonly { readonly remote: IpAddress; readonly password: string }[];
}

export interface Listener {
  /**
   * Resolves once listening. `accept` returns the handler of the new stream, whose `onOpen` comes next, or null to
   * refuse it (it is closed at once).
   */
  listen(options: ListenOptions, accept: (stream: ByteStream) => StreamHandler | null): Promise<{ close(): void }>;
}
