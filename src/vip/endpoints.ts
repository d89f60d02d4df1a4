import type { Family } from "../addr/ip.ts";
import type { EndpointFact, EndpointSliceFact, ServiceKey } from "./facts.ts";

/** The endpoints of each Service, folded from all of its slices. */
export type EndpointsByService = ReadonlyMap<ServiceKey, readonly EndpointSliceFact[]>;

export function groupSlices(slices: Iterable<EndpointSliceFact>): EndpointsByService {
  const grouped = new Map<ServiceKey, EndpointSliceFact[]>();
  for (const slice of slices) {
    const list = grouped.get(slice.service);
    if (list) list.push(slice);
    else grouped.set(slice.service, [slice]);
  }
  return grouped;
}

/**
 * kube-proxy's rule over the given endpoints: the ready ones, or, where none is ready, those that are serving although
 * they terminate.
 */
function usableEndpoints(endpoints: readonly EndpointFact[]): readonly EndpointFact[] {
  const ready = endpoints.filter((endpoint) => endpoint.ready);
  return ready.length > 0 ? ready : endpoints.filter((endpoint) => endpoint.serving && endpoint.terminating);
}

export interface EndpointCount {
  /** Usable for a connection that enters at this node. */
  readonly usable: number;
  /** All that the slices of this family list, usable or not. */
  readonly listed: number;
}

/**
 * What a connection to the VIP finds behind this node: any usable endpoint of the cluster, or with policy Local only
 * those on `node` (kube-proxy falls back to terminating endpoints per node there).
 */
export function countEndpoints(
  slices: readonly EndpointSliceFact[],
  family: Family,
  policy: "Cluster" | "Local",
  node: string,
): EndpointCount {
  const all = slices.filter((slice) => slice.family === family).flatMap((slice) => slice.endpoints);
  const candidates = policy === "Local" ? all.filter((endpoint) => endpoint.node === node) : all;
  return { usable: usableEndpoints(candidates).length, listed: all.length };
}
