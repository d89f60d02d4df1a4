/**
 * The one clock of a simulation. What is to happen is kept in order of time, and of what was ordered first; between two
 * happenings all promises settle, as they do between two turns of an event loop.
 */
export class SimTime {
  #now = 0;
  #count = 0;
  readonly #heap: Happening[] = [];
  /** Set by whoever has found what it was looking for. */
  isOver = false;

  /** Milliseconds since the simulation began. */
  get now(): number {
    return this.#now;
  }

  /** At a time that has passed: now, after what was ordered for now before. */
  at(when: number, task: () => void): Happening {
    const happening: Happening = { at: Math.max(when, this.#now), order: this.#count++, task };
    this.#push(happening);
    return happening;
  }

  after(millis: number, task: () => void): Happening {
    return this.at(this.#now + millis, task);
  }

  /** Lets time pass until `end`, or until `isOver`; `each` is called after everything that happened. */
  async run(end: number, each: () => void): Promise<void> {
    await settled();
    while (!this.isOver) {
      const next = this.#heap[0];
      if (next === undefined || next.at > end) break;
      this.#pop();
      if (next.task === null) continue;
      this.#now = next.at;
      next.task();
      await settled();
      each();
    }
    if (!this.isOver) this.#now = end;
  }

  #push(happening: Happening): void {
    const heap = this.#heap;
    let at = heap.push(happening) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(happening, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = happening;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

export interface Happening {
  readonly at: number;
  readonly order: number;
  /** Null: called off. */
  task: (() => void) | null;
}

const isBefore = (a: Happening, b: Happening): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/** More than the longest chain of promises in the daemon has links. */
async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
