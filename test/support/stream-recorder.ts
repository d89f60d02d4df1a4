import type { ByteStream, StreamEnd, StreamHandler } from "../../src/ports/stream.ts";

/** Writes down what a stream tells its user. */
export class Recorder implements StreamHandler {
  stream: ByteStream | null = null;
  readonly ends: StreamEnd[] = [];
  readonly chunks: Uint8Array[] = [];
  drains = 0;
  callsAfterEnd = 0;
  onOpen(stream: ByteStream): void {
    this.#count();
    this.stream = stream;
  }
  onData(bytes: Uint8Array): void {
    this.#count();
    this.chunks.push(bytes);
  }
  onDrain(): void {
    this.#count();
    this.drains++;
  }
  onEnd(end: StreamEnd): void {
    this.#count();
    this.ends.push(end);
  }
  get length(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }
  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }
  #count(): void {
    if (this.ends.length > 0) this.callsAfterEnd++;
  }
}
