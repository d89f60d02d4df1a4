/** Lines kept for the report of a failure. */
const TAIL_LENGTH = 120;

/** What happened, line by line: the last of it as text, all of it as a hash that two equal runs share. */
export class Trace {
  readonly #now: () => number;
  readonly #all: string[] | null;
  #tail: string[] = [];
  #hash = 0x811c_9dc5;
  #count = 0;

  /** @param keepsAll  for whoever wants to read the whole run */
  constructor(now: () => number, keepsAll: boolean) {
    this.#now = now;
    this.#all = keepsAll ? [] : null;
  }

  say(who: string, what: string): void {
    const line = `${(this.#now() / 1000).toFixed(4).padStart(9)}  ${who.padEnd(4)} ${what}`;
    let hash = this.#hash;
    for (let at = 0; at < line.length; at++) hash = Math.imul(hash ^ line.charCodeAt(at), 0x0100_0193);
    this.#hash = hash;
    this.#count++;
    this.#all?.push(line);
    this.#tail.push(line);
    if (this.#tail.length > 2 * TAIL_LENGTH) this.#tail = this.#tail.slice(-TAIL_LENGTH);
  }

  get hash(): string {
    return `${(this.#hash >>> 0).toString(16).padStart(8, "0")}-${this.#count}`;
  }

  get lines(): readonly string[] {
    return this.#all ?? this.#tail.slice(-TAIL_LENGTH);
  }
}
