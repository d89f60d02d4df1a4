import type { FilterRules, PacketFilter } from "../ports/packet-filter.ts";
import { type FirewallPlan, NO_FIREWALL, type RestrictedPort } from "../vip/firewall.ts";
import { KernelRules, type KernelRulesParts } from "./kernel-rules.ts";

/** Makes the firewall equal to the plan: wider rules before the VIPs come, narrower ones after they have gone. */
export class FirewallConverger {
  readonly #filter: PacketFilter;
  readonly #rules: KernelRules<FirewallPlan>;

  constructor(filter: PacketFilter, parts: KernelRulesParts) {
    this.#filter = filter;
    this.#rules = new KernelRules(
      {
        kind: "firewall",
        replace: (plan) => filter.replace(rulesOf(plan)),
        remove: () => filter.remove(),
        isGone: () => filter.isGone(),
        isEmpty: ({ guarded, restricted }) => guarded.size + restricted.length === 0,
        isSame: (one, other) => contains(one, other) && contains(other, one),
        describe: ({ guarded, restricted }) => ({ vips: guarded.size, restricted: restricted.length }),
      },
      parts,
    );
  }

  /** Why the rules that are wanted are not in the kernel; null when they are. */
  get failure(): string | null {
    return this.#rules.failure;
  }

  /** What `plan` has beyond the rules that are there comes now; nothing goes. */
  widen(plan: FirewallPlan): void {
    if (plan === NO_FIREWALL) return;
    const current = this.#rules.current ?? NO_FIREWALL;
    this.#rules.settle(contains(current, plan) ? current : union(current, plan));
  }

  /** From now on exactly this. */
  narrow(plan: FirewallPlan): void {
    this.#rules.settle(plan);
  }

  /** @param keep  leave the rules to the next process */
  close(keep: boolean): void {
    this.#rules.close(keep ? null : NO_FIREWALL);
    this.#filter.close();
  }
}

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
