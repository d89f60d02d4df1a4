import { familyOf, type IpAddress } from "../addr/ip.ts";
import { type Prefix, prefixFamily } from "../addr/prefix.ts";
import type { ServiceFact, ServiceKey, ServicePortFact } from "./facts.ts";
import { closed, type Gate, open } from "./gates.ts";
import type { ServicePolicy } from "./snapshot.ts";

/**
 * What may reach the VIPs of Services on this node. The rules of a VIP are in place before the VIP is, and go after it.
 */
export interface FirewallPlan {
  /** VIPs that answer on the ports of their Services only, with these ports. */
  readonly guarded: ReadonlyMap<IpAddress, readonly ServicePortFact[]>;
  /** Ports of VIPs that only some may reach; those without a source are closed to all. */
  readonly restricted: readonly RestrictedPort[];
}

export interface RestrictedPort extends ServicePortFact {
  readonly address: IpAddress;
  /** Of the address's family. */
  readonly sources: readonly Prefix[];
}

export const NO_FIREWALL: FirewallPlan = { guarded: new Map(), restricted: [] };

/** Whether this Service asks for rules at all. */
function demand(service: ServiceFact, settings: ServicePolicy): { guards: boolean; sources: readonly Prefix[] | null } {
  const { onlyServicePorts = false, sourceRanges = false } = settings.enforced ?? {};
  return { guards: onlyServicePorts, sources: sourceRanges ? service.sourceRanges : null };
}

/** Null where the Service asks for no rules. @param failure  why the kernel has not taken the rules */
export function firewallGate(service: ServiceFact, settings: ServicePolicy, failure: string | null): Gate | null {
  const { guards, sources } = demand(service, settings);
  if (!guards && sources === null) return null;
  if (failure !== null)
    return closed("firewall", `the rules are not in the kernel: ${failure}`, "see `vipcast status` and the log");
  const words = [
    ...(guards ? ["enable_service_security: the Service's ports only"] : []),
    ...(sources === null ? [] : [`spec.loadBalancerSourceRanges: from ${sources.join(", ") || "nowhere"} only`]),
  ];
  return open("firewall", words.join("; "));
}

/** Collects the rules of all VIPs, of which several Services may share one. */
export class FirewallBook {
  readonly #guarded = new Map<IpAddress, ServicePortFact[]>();
  readonly #restricted: RestrictedPort[] = [];
  /** Ports of VIPs, with the Service that has them: of several with the same, the first by name decides. */
  readonly #owners = new Map<string, ServiceKey>();

  add(service: ServiceFact, address: IpAddress, settings: ServicePolicy): void {
    const { guards, sources } = demand(service, settings);
    if (guards) {
      const ports = this.#guarded.get(address) ?? [];
      this.#guarded.set(address, [...ports, ...service.ports]);
    }
    if (sources === null) return;
    const family = familyOf(address);
    for (const { port, protocol } of service.ports) {
      const key = `${address} ${protocol} ${port}`;
      if (this.#owners.has(key)) continue;
      this.#owners.set(key, service.key);
      const own = sources.filter((prefix) => prefixFamily(prefix) === family);
      this.#restricted.push({ address, port, protocol, sources: own });
    }
  }

  finish(): FirewallPlan {
    return this.#guarded.size + this.#restricted.length === 0
      ? NO_FIREWALL
      : { guarded: this.#guarded, restricted: this.#restricted };
  }
}
