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
  readonly #owner: LinkOwner;
  #stream: ByteStream | null;
  #abandon: (() => void) | null = null;
  #dropped = false;
  #hasEnded = false;
  #bytes: Uint8Array = EMPTY;
  #start = 0;
  #end = 0;
  #isHeld = false;

  /** @param stream  of a connection that the peer opened; null for one that is being dialled */
  constructor(owner: LinkOwner, stream: ByteStream | null) {
    this.#owner = owner;
    this.#stream = stream;
  }

  /** Null until connected. */
  get stream(): ByteStream | null {
    return this.#stream;
  }

  /** Received and not yet consumed; good until the next octets come. */
  get buffer(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** The first so many octets of `buffer` are done with. */
  consume(length: number): void {
    this.#start += length;
  }

  /** What is left is no whole message: it may be small, and what it was cut from large. */
  settle(): void {
    if (this.#bytes.length <= 3 * (this.#end - this.#start)) return;
    this.#bytes = this.#bytes.slice(this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = 0;
  }

  /** True while whole messages may wait in `buffer`: until `hold(false)` the stream is not read. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  hold(wanted: boolean): void {
    if (wanted === this.#isHeld || this.#dropped) return;
    this.#isHeld = wanted;
    if (wanted) this.#stream?.pause();
    else this.#stream?.resume();
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
    this.#isHeld = false;
    this.#bytes = EMPTY;
    this.#start = this.#end = 0;
    if (this.#stream === null) this.#abandon?.();
    else if (abort) this.#stream.destroy();
    else this.#stream.close();
    return this.#stream !== null && !this.#hasEnded;
  }

  onOpen(stream: ByteStream): void {
    // An accepted stream was the owner's from the start.
    if (this.#stream !== null || this.#dropped) return;
    this.#stream = stream;
    this.#owner.opened(this);
  }

  onData(bytes: Uint8Array): void {
    if (this.#dropped) return;
    if (this.#start === this.#end) {
      this.#bytes = bytes;
      this.#start = 0;
      this.#end = bytes.length;
    } else this.#append(bytes);
    this.#owner.received(this);
  }

  /** In steps that double, so that a message which comes octet by octet is not copied for each. */
  #append(bytes: Uint8Array): void {
    if (this.#end + bytes.length > this.#bytes.length) {
      const before = this.buffer;
      this.#bytes = new Uint8Array(2 * (before.length + bytes.length));
      this.#bytes.set(before);
      this.#start = 0;
      this.#end = before.length;
    }
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  onDrain(): void {
    if (!this.#dropped) this.#owner.drained();
  }

  onEnd(end: StreamEnd): void {
    this.#hasEnded = true;
    this.#owner.ended(this, end);
  }
}
