import { Truncated } from "../../base/bytes.ts";

/**
 * Cursors for what the kernel and its local users exchange: host byte order, which is little-endian on every machine
 * the product is built for (x86-64 and arm64), and fields padded to four octets. Addresses inside are network order
 * and are plain octets here.
 */
export const align4 = (length: number): number => (length + 3) & ~3;

/** Bounds-checked little-endian cursor. Slices alias the input: copy whatever outlives the decode. */
export class NativeReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  constructor(input: Uint8Array) {
    this.#bytes = input;
    this.#view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  }
  get left(): number {
    return this.#bytes.length - this.#at;
  }
  u8(field: string): number {
    return this.#view.getUint8(this.#take(1, field));
  }
  u16(field: string): number {
    return this.#view.getUint16(this.#take(2, field), true);
  }
  u32(field: string): number {
    return this.#view.getUint32(this.#take(4, field), true);
  }
  i32(field: string): number {
    return this.#view.getInt32(this.#take(4, field), true);
  }
  slice(length: number, field: string): Uint8Array {
    const at = this.#take(length, field);
    return this.#bytes.subarray(at, at + length);
  }
  rest(): Uint8Array {
    return this.slice(this.left, "rest");
  }
  /** Takes `length` octets and the padding behind them; the last field of a buffer may lack its padding. */
  padded(length: number, field: string): Uint8Array {
    const value = this.slice(length, field);
    this.#at += Math.min(this.left, align4(length) - length);
    return value;
  }
  #take(length: number, field: string): number {
    if (length < 0 || length > this.left) throw new Truncated(field, length, this.left);
    return (this.#at += length) - length;
  }
}

/** Growing little-endian buffer. */
export class NativeWriter {
  #buffer = new Uint8Array(256);
  #view = new DataView(this.#buffer.buffer);
  #length = 0;
  u8(value: number): this {
    const at = this.#grow(1);
    this.#view.setUint8(at, value);
    return this;
  }
  u16(value: number): this {
    const at = this.#grow(2);
    this.#view.setUint16(at, value, true);
    return this;
  }
  u32(value: number): this {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, true);
    return this;
  }
  /** Writes the octets and fills up to a multiple of four. */
  padded(value: Uint8Array): this {
    const at = this.#grow(align4(value.length));
    this.#buffer.set(value, at);
    return this;
  }
  finish(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }
  /** Makes room, zeroed, and says where. To be called before the buffer is looked at: growing replaces it. */
  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#buffer.length) {
      const larger = new Uint8Array(this.#length * 2);
      larger.set(this.#buffer);
      this.#buffer = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}
