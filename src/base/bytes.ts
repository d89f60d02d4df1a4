/** Thrown when a field does not fit into the bytes that are left; caught at the entry point of each decoder. */
export class Truncated extends Error {
  override readonly name = "Truncated";
  readonly field: string;
  readonly wanted: number;
  readonly left: number;
  constructor(field: string, wanted: number, left: number) {
    super(`${field}: ${wanted} octets wanted, ${left} left`);
    this.field = field;
    this.wanted = wanted;
    this.left = left;
  }
}

/** Bounds-checked big-endian cursor. Slices alias the input: copy whatever outlives the decode. */
export class Reader {
  readonly #bytes: DataView;
  #at = 0;
  constructor(input: Uint8Array) {
    this.#bytes = new DataView(input.buffer, input.byteOffset, input.byteLength);
  }
  get left(): number {
    return this.#bytes.byteLength - this.#at;
  }
  /** Octets consumed so far. */
  get offset(): number {
    return this.#at;
  }
  u8(field: string): number {
    return this.#bytes.getUint8(this.#take(1, field));
  }
  u16(field: string): number {
    return this.#bytes.getUint16(this.#take(2, field));
  }
  u32(field: string): number {
    return this.#bytes.getUint32(this.#take(4, field));
  }
  slice(length: number, field: string): Uint8Array {
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + this.#take(length, field), length);
  }
  rest(): Uint8Array {
    return this.slice(this.left, "rest");
  }
  /** A cursor over the next `length` octets that cannot see past them. */
  sub(length: number, field: string): Reader {
    return new Reader(this.slice(length, field));
  }
  #take(length: number, field: string): number {
    if (length > this.left) throw new Truncated(field, length, this.left);
    return (this.#at += length) - length;
  }
}

/** Growing big-endian buffer. `patchU16` fills in a length once it is known. */
export class Writer {
  #buffer: Uint8Array;
  #view: DataView;
  #length = 0;
  constructor(capacity = 128) {
    this.#buffer = new Uint8Array(capacity);
    this.#view = new DataView(this.#buffer.buffer);
  }
  get length(): number {
    return this.#length;
  }
  u8(value: number): this {
    const at = this.#grow(1);
    this.#view.setUint8(at, value);
    return this;
  }
  u16(value: number): this {
    const at = this.#grow(2);
    this.#view.setUint16(at, value);
    return this;
  }
  u32(value: number): this {
    const at = this.#grow(4);
    this.#view.setUint32(at, value);
    return this;
  }
  bytes(value: Uint8Array): this {
    const at = this.#grow(value.length);
    this.#buffer.set(value, at);
    return this;
  }
  patchU16(at: number, value: number): void {
    this.#view.setUint16(at, value);
  }
  /** A copy of what was written; the writer may go on. */
  finish(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }
  /** Replaces buffer and view when it must: call it before naming either. */
  #grow(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
      larger.set(this.#buffer);
      this.#buffer = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#length = needed;
    return at;
  }
}

/** Two octets at `at`, big-endian. The caller has checked that they are there. */
export const u16At = (bytes: Uint8Array, at: number): number => (bytes[at]! << 8) | bytes[at + 1]!;

/** Four octets at `at`, big-endian, unsigned. The caller has checked that they are there. */
export const u32At = (bytes: Uint8Array, at: number): number =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
