/**
 * Values that many have alike, each kept once. What is handed out is never changed, so whether two share it makes no
 * difference but in memory. When there are too many different ones it forgets them and begins anew.
 */
export class Commons<T> {
  readonly #known = new Map<string, T>();

  /** @param make  for a key that is not known */
  take(key: string, make: () => T): T {
    let value = this.#known.get(key);
    if (value === undefined) {
      if (this.#known.size >= COUNT_MAX) this.#known.clear();
      this.#known.set(key, (value = make()));
    }
    return value;
  }
}

const COUNT_MAX = 1_024;
