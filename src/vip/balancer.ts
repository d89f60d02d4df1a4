import { familyOf, type IpAddress } from "../addr/ip.ts";
import type { ProbeFact } from "./snapshot.ts";

/** Connections to the control-plane VIP, spread over the API servers of all control-plane nodes. */
export interface BalancerPolicy {
  /** Of the VIP. */
  readonly port: number;
  /** Of the API servers. */
  readonly backendPort: number;
  readonly algorithm: "round-robin" | "random" | "source-hash";
  /**
   * `masquerade`: over all API servers that are ready. `local`: to the one on this node while it is ready, and clients
   * keep their addresses; else as `masquerade`.
   */
  readonly method: "masquerade" | "local";
}

/** One address of one API server. */
export interface BackendFact {
  readonly node: string;
  readonly address: IpAddress;
  readonly probe: ProbeFact;
}

export interface BalancedVip {
  readonly address: IpAddress;
  readonly port: number;
  readonly backends: readonly { readonly address: IpAddress; readonly port: number }[];
  readonly algorithm: BalancerPolicy["algorithm"];
}

/** Null: not enough is known yet, and what is in the kernel stays. */
export type BalancerPlan = readonly BalancedVip[] | null;

/**
 * @param vips  that this node is to serve
 * @param backends  null while the nodes are not known
 */
export function planBalancer(
  policy: BalancerPolicy | null,
  node: string,
  vips: readonly IpAddress[],
  backends: readonly BackendFact[] | null,
): BalancerPlan {
  if (policy === null || vips.length === 0) return [];
  if (backends === null) return null;
  const ready = backends.filter(({ probe }) => probe.state === "ready");
  // A daemon that has just started has asked nobody yet: until then the rules of the one before are the better guess.
  if (ready.length === 0 && backends.some(({ probe }) => probe.state === "pending")) return null;
  return vips.flatMap((address): readonly BalancedVip[] => {
    const usable = ready.filter((backend) => familyOf(backend.address) === familyOf(address));
    const own = policy.method === "local" ? usable.filter((backend) => backend.node === node) : [];
    // In one order on every node and at all times, so that a change moves no more than it must.
    const chosen = (own.length > 0 ? own : usable)
      .map((backend) => ({ address: backend.address, port: policy.backendPort }))
      .toSorted((a, b) => (a.address < b.address ? -1 : 1));
    if (chosen.length === 0) return [];
    return [{ address, port: policy.port, backends: chosen, algorithm: policy.algorithm }];
  });
}
