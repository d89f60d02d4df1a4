import type { Logger } from "pino";
import type { IpAddress } from "../addr/ip.ts";
import { Instant } from "../base/time.ts";
import type { Alarm, Clock } from "../ports/clock.ts";
import { type KernelNetwork, NetlinkRefused } from "../ports/network.ts";
import { emit } from "../telemetry/events.ts";
import type { AddressPlan } from "../vip/plan.ts";

/**
 * Elected addresses are lent to the kernel for as long as the Lease is ours, and no longer. A daemon that hangs, is
 * stopped by a debugger or waits for a swapped-out page cannot take an address away, but it cannot extend it either, and
 * so the kernel takes it away before another node may begin.
 *
 * A lifetime ends with the Lease as others count it, less what the kernel may be late. It is extended when two fifths of
 * it are left, from the last renewal, however long ago that was: a slow API server costs nothing until the deadline.
 */
export interface LifetimeParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly network: Pick<KernelNetwork, "extendAddress">;
  /** Until when nobody else may take this Lease; null when it is not ours, undefined where nobody can tell. */
  readonly heldUntil: (lease: string) => Instant | null | undefined;
}

/** Lifetimes are whole seconds, and the kernel looks at them once a second: seen to be up to 0.4 s late. */
const KERNEL_LATENESS_MILLIS = 1_000;
/** Of a lifetime, when it is extended. */
const EXTEND_AT = 2 / 5;
/** Requests to the kernel in one turn of the loop: a thousand addresses must not hold up the renewals. */
const TURN_MAX = 64;
/** How soon after a look that could extend nothing, for want of a renewal. */
const LOOK_AGAIN_MILLIS = 100;

interface Lent {
  readonly plan: AddressPlan;
  /** When the kernel takes it away. */
  readonly until: Instant;
  readonly extendAt: Instant;
}

export class AddressLifetimes {
  readonly #parts: LifetimeParts;
  readonly #alarm: Alarm;
  readonly #lent = new Map<IpAddress, Lent>();
  /** Why the kernel extended none of these the last time. */
  readonly #refused = new Map<IpAddress, string>();

  constructor(parts: LifetimeParts) {
    this.#parts = parts;
    this.#alarm = parts.clock.alarm(() => this.#extend());
  }

  /** What to give an address that is put in place now, in seconds; null: for ever. 0: it is not ours any more. */
  secondsFor(plan: AddressPlan): number | null {
    const { heldBy } = plan;
    if (heldBy === undefined || this.#parts.heldUntil(heldBy) === undefined) return null;
    const seconds = this.#secondsLeft(heldBy) ?? 0;
    if (seconds > 0) this.#lend(plan, seconds);
    return seconds;
  }

  /** These are in place: those without a lifetime of ours (an earlier run's) get one, and those that need none lose it. */
  follow(wanted: ReadonlyMap<IpAddress, AddressPlan>): void {
    const now = this.#parts.clock.now();
    for (const [address, { plan }] of this.#lent) {
      const next = wanted.get(address);
      if (next?.interfaceIndex === plan.interfaceIndex && next.heldBy === plan.heldBy) continue;
      this.#lent.delete(address);
      this.#refused.delete(address);
      if (next !== undefined && next.heldBy === undefined) this.#set(next, null);
    }
    for (const plan of wanted.values()) {
      if (plan.heldBy === undefined || this.#lent.has(plan.address)) continue;
      if ((this.#parts.heldUntil(plan.heldBy) ?? null) === null) continue;
      this.#lent.set(plan.address, { plan, until: now, extendAt: now });
    }
    this.#arm();
  }

  close(): void {
    this.#alarm.close();
  }

  #extend(): void {
    const now = this.#parts.clock.now();
    let requests = 0;
    for (const lent of this.#lent.values()) {
      if (lent.extendAt > now) continue;
      if (requests++ >= TURN_MAX) break;
      const { plan, until } = lent;
      const seconds = this.#secondsLeft(plan.heldBy!);
      // Not ours any more: whoever says so takes the address away as well.
      if (seconds !== null && Instant.add(now, seconds * 1000) > until && this.#set(plan, seconds)) {
        this.#lend(plan, seconds);
      } else {
        this.#lent.set(plan.address, { ...lent, extendAt: Instant.add(now, LOOK_AGAIN_MILLIS) });
      }
    }
    this.#arm();
  }

  #lend(plan: AddressPlan, seconds: number): void {
    const now = this.#parts.clock.now();
    const millis = seconds * 1000;
    const extendAt = Instant.add(now, millis * (1 - EXTEND_AT));
    this.#lent.set(plan.address, { plan, until: Instant.add(now, millis), extendAt });
    this.#arm();
  }

  #secondsLeft(lease: string): number | null {
    const heldUntil = this.#parts.heldUntil(lease);
    if (heldUntil === null || heldUntil === undefined) return null;
    const seconds = Math.floor((heldUntil - KERNEL_LATENESS_MILLIS - this.#parts.clock.now()) / 1000);
    return seconds >= 1 ? seconds : null;
  }

  #set(plan: AddressPlan, validSeconds: number | null): boolean {
    const { address } = plan;
    try {
      this.#parts.network.extendAddress({ ...plan, validSeconds });
      this.#refused.delete(address);
      return true;
    } catch (error) {
      if (!(error instanceof NetlinkRefused)) throw error;
      const fields = { address, error: error.message };
      // Once for each reason: it is tried again ten times a second.
      if (this.#refused.get(address) !== error.message)
        emit(this.#parts.log, "address.failed", fields, "address could not be extended");
      this.#refused.set(address, error.message);
      return false;
    }
  }

  #arm(): void {
    let next: Instant | null = null;
    for (const { extendAt } of this.#lent.values()) if (next === null || extendAt < next) next = extendAt;
    this.#alarm.set(next);
  }
}
