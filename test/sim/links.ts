import type { Chance } from "./chance.ts";
import type { SimTime } from "./time.ts";

/** How long a message is on the way, and how often it is lost once and sent again. */
export interface Quality {
  readonly delayMillis: readonly [number, number];
  /** Of messages that take up to `slowMillis`. */
  readonly slowShare: number;
  readonly slowMillis: number;
}

export const GOOD: Quality = { delayMillis: [0.2, 5], slowShare: 0, slowMillis: 0 };
/** TCP tries again soon after a path is back, and ever later while it is not. */
const RETRANSMIT_MILLIS = [50, 1_200] as const;

/** The paths between machines: how slow they are, and which are cut. */
export class Links {
  readonly #time: SimTime;
  readonly #chance: Chance;
  readonly #cut = new Map<string, (() => void)[]>();
  /** When a path was last cut or healed, by pair. */
  readonly #changedAt = new Map<string, number>();
  quality: Quality = GOOD;

  constructor(time: SimTime, chance: Chance) {
    this.#time = time;
    this.#chance = chance;
  }

  cut(a: string, b: string): void {
    const key = pair(a, b);
    if (!this.#cut.has(key)) this.#cut.set(key, []);
    this.#changedAt.set(key, this.#time.now);
  }

  heal(a: string, b: string): void {
    const key = pair(a, b);
    const waiting = this.#cut.get(key) ?? [];
    if (this.#cut.delete(key)) this.#changedAt.set(key, this.#time.now);
    for (const go of waiting) this.#time.after(this.#chance.between(...RETRANSMIT_MILLIS), go);
  }

  isCut(a: string, b: string): boolean {
    return this.#cut.has(pair(a, b));
  }

  /** True when the path has been whole for so long. */
  isSteady(a: string, b: string, millis: number): boolean {
    const key = pair(a, b);
    return !this.#cut.has(key) && this.#time.now - (this.#changedAt.get(key) ?? -Infinity) >= millis;
  }

  delay(): number {
    const { delayMillis, slowShare, slowMillis } = this.quality;
    const [least, most] = this.#chance.is(slowShare) ? [delayMillis[1], slowMillis] : delayMillis;
    return this.#chance.between(least, most);
  }

  /** Calls when the path is whole again, and a message that was on it has been sent once more. */
  whenWhole(a: string, b: string, go: () => void): void {
    this.#cut.get(pair(a, b))?.push(go);
  }
}

const pair = (a: string, b: string): string => (a < b ? `${a} ${b}` : `${b} ${a}`);

/** One direction of a connection: what is sent arrives in order, late while the path is cut, and is never lost. */
export class Channel {
  readonly #time: SimTime;
  readonly #links: Links;
  readonly #ends: readonly [string, string];
  readonly #queue: { readonly at: number; readonly arrive: () => void }[] = [];
  #isMoving = false;
  #isClosed = false;

  constructor(time: SimTime, links: Links, from: string, to: string) {
    this.#time = time;
    this.#links = links;
    this.#ends = [from, to];
  }

  send(arrive: () => void): void {
    this.#queue.push({ at: this.#time.now + this.#links.delay(), arrive });
    this.#move();
  }

  /** What is under way is lost. */
  close(): void {
    this.#isClosed = true;
    this.#queue.length = 0;
  }

  #move(): void {
    const head = this.#queue[0];
    if (this.#isMoving || head === undefined) return;
    this.#isMoving = true;
    this.#time.at(head.at, () => this.#arrive());
  }

  #arrive(): void {
    if (this.#isClosed) return;
    if (this.#links.isCut(...this.#ends)) return this.#links.whenWhole(...this.#ends, () => this.#arrive());
    this.#isMoving = false;
    const head = this.#queue.shift();
    this.#move();
    head?.arrive();
  }
}
