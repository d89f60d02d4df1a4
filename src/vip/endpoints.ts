import type { Family } from "../addr/ip.ts";
import type { EndpointSliceFact, ServiceFact, ServiceKey } from "./facts.ts";

/** The endpoints of each Service, folded from all of its slices. */
export type EndpointsByService = ReadonlyMap<ServiceKey, readonly EndpointSliceFact[]>;

export function groupSlices(slices: Iterable<EndpointSliceFact>): EndpointsByService {
  return new EndpointsFold().fold(new Map([...slices].entries()), 0);
}

/**
 * Groups slices again and again. A Service whose slices are the same as before keeps the very same list, so that who
 * follows ten thousand of them sees at a glance which one has changed.
 */
export class EndpointsFold {
  #groups: EndpointsByService = new Map();
  #version: number | null = null;

  /** @param version  another one when the slices are not those of the call before */
  fold(slices: ReadonlyMap<unknown, EndpointSliceFact>, version: number): EndpointsByService {
    if (version === this.#version) return this.#groups;
    this.#version = version;
    const groups = new Map<ServiceKey, readonly EndpointSliceFact[]>();
    /** How many slices of a Service have been met that keeps its list so far. */
    const met = new Map<ServiceKey, number>();
    for (const slice of slices.values()) {
      const { service } = slice;
      const before = this.#groups.get(service);
      const group = groups.get(service);
      const count = group === undefined ? 0 : group === before ? met.get(service)! : group.length;
      if (before !== undefined && (group === undefined || group === before) && before[count] === slice) {
        groups.set(service, before);
        met.set(service, count + 1);
      } else groups.set(service, [...(group ?? NONE).slice(0, count), slice]);
    }
    for (const [service, count] of met) {
      const group = groups.get(service)!;
      if (group === this.#groups.get(service) && count < group.length) groups.set(service, group.slice(0, count));
    }
    return (this.#groups = groups);
  }
}

const NONE: readonly EndpointSliceFact[] = [];

/** The slices of a Service; for those without any, always the same list. */
export const slicesOf = (
  endpoints: EndpointsByService,
  { key }: Pick<ServiceFact, "key">,
): readonly EndpointSliceFact[] => endpoints.get(key) ?? NONE;

export interface EndpointCount {
  /** Usable for a connection that enters at this node. */
  readonly usable: number;
  /** All that the slices of this family list, usable or not. */
  readonly listed: number;
  /** Nodes with a ready endpoint. */
  readonly readyNodes: ReadonlySet<string>;
}

/**
 * What a connection to the VIP finds behind this node: any usable endpoint of the cluster, or with policy Local only
 * those on `node`. Usable are the ready ones. Those that are serving although they terminate count where no other is
 * ready in the whole cluster: kube-proxy goes on sending connections that arrive at such a node to them, which is what
 * lets routers turn to the others meanwhile, and fails nobody where there are none.
 */
export function countEndpoints(
  slices: readonly EndpointSliceFact[],
  family: Family,
  policy: "Cluster" | "Local",
  node: string,
): EndpointCount {
  let [listed, ready, terminating] = [0, 0, 0];
  const readyNodes = new Set<string>();
  let anyReady = false;
  for (const slice of slices) {
    if (slice.family !== family) continue;
    listed += slice.endpoints.length;
    for (const endpoint of slice.endpoints) {
      anyReady ||= endpoint.ready;
      if (endpoint.ready && endpoint.node !== null) readyNodes.add(endpoint.node);
      if (policy === "Local" && endpoint.node !== node) continue;
      if (endpoint.ready) ready += 1;
      else if (endpoint.serving && endpoint.terminating) terminating += 1;
    }
  }
  return { usable: anyReady ? ready : terminating, listed, readyNodes };
}
