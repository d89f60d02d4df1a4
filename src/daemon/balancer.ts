import { readFileSync } from "node:fs";
import { familyOf } from "../addr/ip.ts";
import type { LoadBalancer } from "../ports/load-balancer.ts";
import type { BalancedVip, BalancerPlan } from "../vip/balancer.ts";
import { KernelRules, type KernelRulesParts } from "./kernel-rules.ts";

const FORWARDING = { 4: "/proc/sys/net/ipv4/ip_forward", 6: "/proc/sys/net/ipv6/conf/all/forwarding" } as const;

/** Makes the balancer's rules equal to the plan. */
export class BalancerConverger {
  readonly #balancer: LoadBalancer;
  readonly #rules: KernelRules<readonly BalancedVip[]>;

  constructor(balancer: LoadBalancer, parts: KernelRulesParts) {
    this.#balancer = balancer;
    this.#rules = new KernelRules(
      {
        kind: "balancer",
        replace: (plan) => balancer.replace(plan),
        remove: () => balancer.remove(),
        isGone: () => balancer.isGone(),
        isEmpty: (plan) => plan.length === 0,
        isSame: (one, other) => JSON.stringify(one) === JSON.stringify(other),
        describe: (plan) => ({
          vips: plan.map(({ address, port, backends }) => ({
            ...{ address, port },
            backends: backends.map((backend) => backend.address),
          })),
        }),
      },
      parts,
    );
  }

  /** What keeps it from working, in words. */
  get troubles(): readonly string[] {
    const { failure, current } = this.#rules;
    const families = new Set((current ?? []).map(({ address }) => familyOf(address)));
    return [
      ...(failure === null ? [] : [`the balancer: ${failure}`]),
      ...[...families].flatMap((family) =>
        forwards(family) ? [] : [`the balancer: this node forwards no IPv${family}: set ${FORWARDING[family]} to 1`],
      ),
    ];
  }

  /** Null leaves what is there. */
  apply(plan: BalancerPlan): void {
    if (plan !== null) this.#rules.settle(plan);
  }

  /** @param keep  leave the rules to the next process */
  close(keep: boolean): void {
    this.#rules.close(keep ? null : []);
    this.#balancer.close();
  }
}

function forwards(family: 4 | 6): boolean {
  try {
    return readFileSync(FORWARDING[family], "utf8").trim() !== "0";
  } catch {
    // Not to be read here: then it is not known to be off.
    return true;
  }
}
