import { Instant } from "../base/time.ts";
import type { Alarm, Clock } from "../ports/clock.ts";
import type { ProbeFact } from "../vip/snapshot.ts";

export interface ProbeOptions {
  /** What is asked, for messages. */
  readonly url: string;
  readonly periodMillis: number;
  readonly failureThreshold: number;
  /** One question; null when healthy, else what went wrong in words. Must come to an end by itself. */
  readonly ask: () => Promise<string | null>;
}

/**
 * Asks the API server of this node again and again whether it is ready. One success makes it ready, `failureThreshold`
 * failures in a row make it failed; until the first of both it is pending.
 */
export class Probe {
  readonly #options: ProbeOptions;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  readonly #onChange: () => void;
  #fact: ProbeFact;
  #failures = 0;
  #closed = false;

  constructor(options: ProbeOptions, clock: Clock, onChange: () => void) {
    this.#options = options;
    this.#clock = clock;
    this.#onChange = onChange;
    this.#fact = { state: "pending", detail: `no answer yet from ${options.url}` };
    this.#alarm = clock.alarm(() => void this.#round());
  }

  get fact(): ProbeFact {
    return this.#fact;
  }

  start(): void {
    this.#alarm.set(this.#clock.now());
  }

  close(): void {
    this.#closed = true;
    this.#alarm.close();
  }

  async #round(): Promise<void> {
    const next = Instant.add(this.#clock.now(), this.#options.periodMillis);
    const failure = await this.#options.ask();
    if (this.#closed) return;
    this.#judge(failure);
    this.#alarm.set(next);
  }

  #judge(failure: string | null): void {
    const { url, failureThreshold } = this.#options;
    const before = this.#fact;
    if (failure === null) {
      this.#failures = 0;
      this.#fact = { state: "ready", detail: `${url} answers 200` };
    } else {
      this.#failures += 1;
      if (this.#failures >= failureThreshold) {
        this.#fact = { state: "failed", detail: `${url}: ${failure}` };
      } else if (before.state === "pending") this.#fact = { state: "pending", detail: `${url}: ${failure}` };
    }
    if (this.#fact.state !== before.state || this.#fact.detail !== before.detail) this.#onChange();
  }
}
