import type { Logger } from "pino";
import { type BackoffPolicy, backoffMillis } from "../base/backoff.ts";
import { Instant } from "../base/time.ts";
import type { Alarm, Clock, Entropy } from "../ports/clock.ts";
import { NetlinkRefused } from "../ports/network.ts";
import type { FilterRules, PacketFilter } from "../ports/packet-filter.ts";
import { emit } from "../telemetry/events.ts";
import { type FirewallPlan, NO_FIREWALL, type RestrictedPort } from "../vip/firewall.ts";

/** After the kernel refused the rules. */
const RETRY: BackoffPolicy = { firstMillis: 1_000, maxMillis: 30_000, factor: 2, jitter: 0.2 };
/** How often it is looked whether somebody else has taken the rules away (`nft flush ruleset`). */
const LOOK_MILLIS = 5_000;

interface Parts {
  readonly filter: PacketFilter;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Logger;
  /** A failure has come or gone: VIPs that need the rules depend on it. */
  readonly onChange: () => void;
}

/** Makes the rules in the kernel equal to the plan: wider ones before the VIPs come, narrower ones after they have gone. */
export class FirewallConverger {
  readonly #parts: Parts;
  readonly #alarm: Alarm;
  /** What the kernel has; null while nobody knows: the process before may have left something. */
  #current: FirewallPlan | null = null;
  #wanted: FirewallPlan = NO_FIREWALL;
  #failure: string | null = null;
  #failures = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#alarm = parts.clock.alarm(() => this.#look());
  }

  /** Why the rules that are wanted are not in the kernel; null when they are. */
  get failure(): string | null {
    return this.#failure;
  }

  /** What `plan` has beyond the rules that are there comes now; nothing goes. */
  widen(plan: FirewallPlan): void {
    if (isEmpty(plan)) return;
    const current = this.#current ?? NO_FIREWALL;
    this.#settle(contains(current, plan) ? current : union(current, plan));
  }

  /** From now on exactly this. */
  narrow(plan: FirewallPlan): void {
    this.#settle(plan);
  }

  /** @param keep  leave the rules to the next process */
  close(keep: boolean): void {
    this.#alarm.close();
    if (!keep) this.#attempt(NO_FIREWALL);
    this.#parts.filter.close();
  }

  #settle(plan: FirewallPlan): void {
    this.#wanted = plan;
    if (this.#current !== null && contains(this.#current, plan) && contains(plan, this.#current)) return;
    // A retry is under way: each plan in between would only be refused, too.
    if (this.#failure === null) this.#attempt(plan);
  }

  #attempt(plan: FirewallPlan): void {
    const { filter, log, clock, entropy } = this.#parts;
    const before = this.#failure;
    try {
      if (isEmpty(plan)) filter.remove();
      else filter.replace(rulesOf(plan));
      this.#current = plan;
      this.#failure = null;
      this.#failures = 0;
      emit(
        log,
        "firewall.changed",
        { vips: plan.guarded.size, restricted: plan.restricted.length },
        "firewall changed",
      );
    } catch (error) {
      if (!(error instanceof NetlinkRefused)) throw error;
      this.#failure = error.message;
      this.#failures++;
      if (before !== error.message) emit(log, "firewall.failed", { error: error.message }, "firewall not changed");
    }
    const waitMillis =
      this.#failure === null ? LOOK_MILLIS : backoffMillis(RETRY, this.#failures - 1, entropy.fraction());
    const isIdle = this.#failure === null && isEmpty(plan);
    this.#alarm.set(isIdle ? null : Instant.add(clock.now(), waitMillis));
    if ((before === null) !== (this.#failure === null)) this.#parts.onChange();
  }

  #look(): void {
    const { filter, log, clock } = this.#parts;
    if (this.#failure !== null) return this.#attempt(this.#wanted);
    if (!filter.isGone()) return this.#alarm.set(Instant.add(clock.now(), LOOK_MILLIS));
    emit(log, "firewall.gone", {}, "somebody took the firewall's rules away: they are put back");
    return this.#attempt(this.#wanted);
  }
}

const isEmpty = ({ guarded, restricted }: FirewallPlan): boolean => guarded.size + restricted.length === 0;

const portText = ({ protocol, port }: { readonly protocol: string; readonly port: number }): string =>
  `${protocol} ${port}`;
const restrictedText = (it: RestrictedPort): string => `${it.address} ${portText(it)} ${it.sources.join(" ")}`;

/** Every rule of `inner` is one of `outer`. */
function contains(outer: FirewallPlan, inner: FirewallPlan): boolean {
  if (outer === inner) return true;
  for (const [address, ports] of inner.guarded) {
    const texts = new Set(outer.guarded.get(address)?.map(portText));
    if (!outer.guarded.has(address) || !ports.every((port) => texts.has(portText(port)))) return false;
  }
  const texts = new Set(outer.restricted.map(restrictedText));
  return inner.restricted.every((it) => texts.has(restrictedText(it)));
}

/** Rules of VIPs that `next` has, too, are those of `next`. */
function union(current: FirewallPlan, next: FirewallPlan): FirewallPlan {
  const key = (it: RestrictedPort): string => `${it.address} ${portText(it)}`;
  const restricted = new Map([...current.restricted, ...next.restricted].map((it) => [key(it), it]));
  return { guarded: new Map([...current.guarded, ...next.guarded]), restricted: [...restricted.values()] };
}

const rulesOf = ({ guarded, restricted }: FirewallPlan): FilterRules => ({
  guarded: [...guarded.keys()],
  open: [...guarded].flatMap(([address, ports]) => ports.map((port) => ({ address, ...port }))),
  restricted,
});
