import type { ByteStream, StreamEnd, StreamHandler } from "../../ports/stream.ts";

/** What a link tells the session that owns it. */
export interface LinkOwner {
  opened(link: Link): void;
  received(link: Link): void;
  drained(): void;
  ended(link: Link, end: StreamEnd): void;
}

const EMPTY = new Uint8Array(0);

/**
 * One TCP connection, or the attempt at one, and the octets of it that are not yet a whole message. Once dropped it is
 * silent but for its end, so that nothing stale reaches the session.
 */
export class Link implements StreamHandler {
  /** Received and not yet framed; whoever frames it leaves the rest here. */
  buffer: Uint8Array = EMPTY;
  readonly #owner: LinkOwner;
  #stream: ByteStream | null;
  #abandon: (() => void) | null = null;
  #dropped = false;

  /** @param stream  of a connection that the peer opened; null for one that is being dialled */
  constructor(owner: LinkOwner, stream: ByteStream | null) {
    this.#owner = owner;
    this.#stream = stream;
  }

  /** Null until connected. */
  get stream(): ByteStream | null {
    return this.#stream;
  }

  /** @param abandon  gives up the attempt while there is no stream */
  dialled(abandon: () => void): void {
    this.#abandon = abandon;
  }

  /**
   * Ends the connection: flushed and half-closed, so that a NOTIFICATION arrives, or reset at once.
   *
   * @returns true when the end of a stream is still to come
   */
  drop(abort: boolean): boolean {
    this.#dropped = true;
    this.buffer = EMPTY;
    if (this.#stream === null) this.#abandon?.();
    else if (abort) this.#stream.destroy();
    else this.#stream.close();
    return this.#stream !== null;
  }

  onOpen(stream: ByteStream): void {
    // An accepted stream was the owner's from the start.
    if (this.#stream !== null || this.#dropped) return;
    this.#stream = stream;
    this.#owner.opened(this);
  }

  onData(bytes: Uint8Array): void {
    if (this.#dropped) return;
    if (this.buffer.length === 0) this.buffer = bytes;
    else {
      const whole = new Uint8Array(this.buffer.length + bytes.length);
      whole.set(this.buffer);
      whole.set(bytes, this.buffer.length);
      this.buffer = whole;
    }
    this.#owner.received(this);
  }

  onDrain(): void {
    if (!this.#dropped) this.#owner.drained();
  }

  onEnd(end: StreamEnd): void {
    this.#owner.ended(this, end);
  }
}
