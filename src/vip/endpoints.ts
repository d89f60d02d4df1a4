import type { Family } from "../addr/ip.ts";
import type { EndpointSliceFact, ServiceKey } from "./facts.ts";

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

export interface EndpointCount {
  /** Usable for a connection that enters at this node. */
  readonly usable: number;
  /** All that the slices of this family list, usable or not. */
  readonly listed: number;
}

/**
 * What a connection to the VIP finds behind this node: any usable endpoint of the cluster, or with policy Local only
 * those on `node`. Usable is kube-proxy's rule over these: the ready ones, or, where none is ready, those that are
 * serving although they terminate.
 */
export function countEndpoints(
  slices: readonly EndpointSliceFact[],
  family: Family,
  policy: "Cluster" | "Local",
  node: string,
): EndpointCount {
  let [listed, ready, terminating] = [0, 0, 0];
  for (const slice of slices) {
    if (slice.family !== family) continue;
    listed += slice.endpoints.length;
    for (const endpoint of slice.endpoints) {
      if (policy === "Local" && endpoint.node !== node) continue;
      if (endpoint.ready) ready += 1;
      else if (endpoint.serving && endpoint.terminating) terminating += 1;
    }
  }
  return { usable: ready > 0 ? ready : terminating, listed };
}
