import type { Logger } from "pino";
import { type BackoffPolicy, backoffMillis } from "../base/backoff.ts";
import { Instant } from "../base/time.ts";
import type { Alarm, Clock, Entropy } from "../ports/clock.ts";
import { NetlinkRefused } from "../ports/network.ts";
import { emit } from "../telemetry/events.ts";

/** After the kernel refused the rules. */
const RETRY: BackoffPolicy = { firstMillis: 1_000, maxMillis: 30_000, factor: 2, jitter: 0.2 };
/** How often it is looked whether somebody else has taken the rules away (`nft flush ruleset`). */
const LOOK_MILLIS = 5_000;

export interface KernelRulesParts {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Logger;
  /** A failure has come or gone. */
  readonly onChange: () => void;
}

/** What keeps rules of one kind in the kernel. Its methods throw `NetlinkRefused`. */
interface RuleSet<P> {
  readonly kind: "firewall" | "balancer";
  replace(plan: P): void;
  remove(): void;
  isGone(): boolean;
  isEmpty(plan: P): boolean;
  isSame(one: P, other: P): boolean;
  /** For the log. */
  describe(plan: P): object;
}

/**
 * Makes rules in the kernel equal to a plan: writes where they differ, tries again where the kernel refused, and puts
 * back what somebody else took away.
 */
export class KernelRules<P> {
  readonly #rules: RuleSet<P>;
  readonly #parts: KernelRulesParts;
  readonly #alarm: Alarm;
  /** What the kernel has; null while nobody knows: the process before may have left something. */
  #current: P | null = null;
  #wanted: P | null = null;
  #failure: string | null = null;
  #failures = 0;

  constructor(rules: RuleSet<P>, parts: KernelRulesParts) {
    this.#rules = rules;
    this.#parts = parts;
    this.#alarm = parts.clock.alarm(() => this.#look());
  }

  get current(): P | null {
    return this.#current;
  }

  /** Why what is wanted is not in the kernel; null when it is. */
  get failure(): string | null {
    return this.#failure;
  }

  settle(plan: P): void {
    this.#wanted = plan;
    if (this.#current !== null && this.#rules.isSame(this.#current, plan)) return;
    // A retry is under way: each plan in between would only be refused, too.
    if (this.#failure === null) this.#attempt(plan);
  }

  /** @param last  what is to be left in the kernel; null: what is there */
  close(last: P | null): void {
    // Whether or not a retry is under way: there will be no other.
    if (last !== null) this.#attempt(last);
    this.#alarm.close();
  }

  #attempt(plan: P): void {
    const { log, clock, entropy } = this.#parts;
    const { kind } = this.#rules;
    const before = this.#failure;
    const isEmpty = this.#rules.isEmpty(plan);
    try {
      if (isEmpty) this.#rules.remove();
      else this.#rules.replace(plan);
      this.#current = plan;
      this.#failure = null;
      this.#failures = 0;
      emit(log, `${kind}.changed`, this.#rules.describe(plan), `${kind} changed`);
    } catch (error) {
      if (!(error instanceof NetlinkRefused)) throw error;
      this.#failure = error.message;
      this.#failures++;
      if (before !== error.message) emit(log, `${kind}.failed`, { error: error.message }, `${kind} not changed`);
    }
    const waitMillis =
      this.#failure === null ? LOOK_MILLIS : backoffMillis(RETRY, this.#failures - 1, entropy.fraction());
    const isIdle = this.#failure === null && isEmpty;
    this.#alarm.set(isIdle ? null : Instant.add(clock.now(), waitMillis));
    if ((before === null) !== (this.#failure === null)) this.#parts.onChange();
  }

  #look(): void {
    const { log, clock } = this.#parts;
    const { kind } = this.#rules;
    if (this.#wanted === null) return;
    if (this.#failure === null && !this.#rules.isGone()) {
      this.#alarm.set(Instant.add(clock.now(), LOOK_MILLIS));
      return;
    }
    if (this.#failure === null) emit(log, `${kind}.gone`, {}, `somebody took the rules of the ${kind} away`);
    this.#attempt(this.#wanted);
  }
}
