import type { ByteStream, Dialer, StreamHandler } from "../../src/ports/stream.ts";

/** BGP message types (RFC 4271 §4.1, RFC 2918). */
const TYPES = { 1: "open", 2: "update", 3: "notification", 4: "keepalive", 5: "routeRefresh" } as const;
type MessageType = (typeof TYPES)[keyof typeof TYPES];

/** What went over the wire in one direction since the speaker began, all connections together. */
export interface Traffic {
  /** Messages by type. */
  readonly counts: Readonly<Record<MessageType, number>>;
  /** Octets of the longest message. */
  readonly longest: number;
  /** Code, subcode and data of each NOTIFICATION. */
  readonly notifications: readonly { readonly code: number; readonly subcode: number; readonly text: string }[];
  /** Types of the last messages, in order. */
  readonly last: readonly MessageType[];
  /** Subtypes of the ROUTE-REFRESH messages, in order: 0 request, 1 beginning, 2 end (RFC 7313). */
  readonly refreshes: readonly number[];
}

const HEADER_LENGTH = 19;
const LAST_COUNT = 8;

/** Follows one direction: cuts messages off the octets, whatever the speaker under test makes of them. */
class Direction implements Traffic {
  readonly counts: Record<MessageType, number> = { open: 0, update: 0, notification: 0, keepalive: 0, routeRefresh: 0 };
  readonly notifications: { code: number; subcode: number; text: string }[] = [];
  readonly refreshes: number[] = [];
  readonly last: MessageType[] = [];
  longest = 0;

  /** @returns what takes the octets of one connection */
  begin(): (bytes: Uint8Array) => void {
    let pending: Buffer = Buffer.alloc(0);
    return (bytes) => {
      pending = Buffer.concat([pending, bytes]);
      while (pending.length >= HEADER_LENGTH) {
        const length = pending.readUInt16BE(16);
        if (length < HEADER_LENGTH || pending.length < length) return;
        this.#message(pending.subarray(0, length));
        pending = pending.subarray(length);
      }
    };
  }

  #message(message: Buffer): void {
    const type = TYPES[message[18] as keyof typeof TYPES];
    if (type === undefined) return;
    this.counts[type]++;
    this.last.push(type);
    if (this.last.length > LAST_COUNT) this.last.shift();
    this.longest = Math.max(this.longest, message.length);
    if (type === "routeRefresh") this.refreshes.push(message[21] ?? 0);
    if (type !== "notification") return;
    const text = message.subarray(22, 22 + (message[21] ?? 0)).toString();
    this.notifications.push({ code: message[19] ?? 0, subcode: message[20] ?? 0, text });
  }
}

/** Sees every octet between a speaker and its streams: what a packet capture on the link would show. */
export class Tap {
  readonly sent = new Direction();
  readonly received = new Direction();

  dialer(inner: Dialer): Dialer {
    return { dial: (options, handler) => inner.dial(options, this.#listen(handler)) };
  }

  acceptor(inner: (stream: ByteStream) => StreamHandler | null): (stream: ByteStream) => StreamHandler | null {
    return (stream) => {
      const tapped = this.#speak(stream);
      const handler = inner(tapped);
      return handler === null ? null : this.#listen(handler, tapped);
    };
  }

  #listen(inner: StreamHandler, tapped: ByteStream | null = null): StreamHandler {
    const receive = this.received.begin();
    return {
      onOpen: (stream) => inner.onOpen(tapped ?? this.#speak(stream)),
      onData: (bytes) => {
        receive(bytes);
        inner.onData(bytes);
      },
      onDrain: () => inner.onDrain(),
      onEnd: (end) => inner.onEnd(end),
    };
  }

  #speak(stream: ByteStream): ByteStream {
    const send = this.sent.begin();
    // Everything but `write` is the stream's own, also what is added to it later.
    return new Proxy(stream, {
      get(target, name) {
        if (name === "write") {
          return (bytes: Uint8Array): void => {
            send(bytes);
            target.write(bytes);
          };
        }
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
  }
}
