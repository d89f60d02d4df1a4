import type { IpAddress } from "../../src/addr/ip.ts";
import { compareIp } from "../../src/addr/ip.ts";
import type { Prefix } from "../../src/addr/prefix.ts";
import type { ReceivedRoute, RouteKey } from "../../src/bgp/rib/adj-rib-in.ts";

/**
 * Pure: the next hops of each prefix, from what all peers announce. Paths as short as the shortest share the traffic,
 * whichever neighbour AS they come from.
 */
export function learnedRoutes(
  received: Iterable<ReadonlyMap<RouteKey, ReceivedRoute>>,
): ReadonlyMap<Prefix, readonly IpAddress[]> {
  const candidates = new Map<Prefix, ReceivedRoute[]>();
  for (const routes of received) {
    for (const route of routes.values()) {
      if (route.unusable === null) candidates.set(route.prefix, [...(candidates.get(route.prefix) ?? []), route]);
    }
  }
  return new Map(
    [...candidates].map(([prefix, routes]) => {
      const shortest = Math.min(...routes.map(({ asPath }) => asPath.length));
      const hops = routes.filter(({ asPath }) => asPath.length === shortest).map(({ nextHop }) => nextHop);
      return [prefix, [...new Set(hops)].toSorted(compareIp)];
    }),
  );
}
