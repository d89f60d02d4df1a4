/**
 * Cuts a stream of octets into lines and parses each as JSON. A line may arrive in any number of pieces; the pieces are
 * joined once, when its end is there, so that a large object does not cost its length squared.
 */
export class JsonLines {
  readonly #maxBytes: number;
  #pieces: Uint8Array[] = [];
  #length = 0;

  /** @param maxBytes  longest line that is accepted */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * The values of the lines that `chunk` completes. Empty lines are skipped.
   *
   * @throws SyntaxError on a line that is not JSON, RangeError on one that is too long
   */
  *push(chunk: Uint8Array): Generator {
    let start = 0;
    for (;;) {
      const newline = chunk.indexOf(0x0a, start);
      const piece = chunk.subarray(start, newline < 0 ? chunk.length : newline);
      this.#length += piece.length;
      if (this.#length > this.#maxBytes) throw new RangeError(`a line of more than ${this.#maxBytes} octets`);
      if (piece.length > 0) this.#pieces.push(piece);
      if (newline < 0) return;
      const line = Buffer.concat(this.#pieces).toString("utf8");
      this.#pieces = [];
      this.#length = 0;
      start = newline + 1;
      if (line.trim() !== "") yield JSON.parse(line) as unknown;
    }
  }
}
