import { compareIp, type IpAddress, type Ipv4 } from "../../src/addr/ip.ts";
import type { Prefix } from "../../src/addr/prefix.ts";
import type { ReceivedRoute, RouteKey } from "../../src/bgp/rib/adj-rib-in.ts";
import { bestPaths, type Candidate } from "../../src/bgp/rib/best-paths.ts";

/** What one peer announces, and who it is. All peers are in another AS. */
export interface Announced {
  readonly peerAddress: IpAddress;
  readonly peerIdentifier: Ipv4;
  readonly routes: ReadonlyMap<RouteKey, ReceivedRoute>;
}

/**
 * Pure: the next hops of each prefix, from what all peers announce. Best paths share the traffic, whichever neighbour AS
 * they come from.
 */
export function learnedRoutes(announced: Iterable<Announced>): ReadonlyMap<Prefix, readonly IpAddress[]> {
  const candidates = new Map<Prefix, Candidate[]>();
  for (const { routes, ...peer } of announced) {
    for (const route of routes.values()) {
      if (route.unusable !== null) continue;
      const known = candidates.get(route.prefix);
      if (known === undefined) candidates.set(route.prefix, [{ route, external: true, ...peer }]);
      else known.push({ route, external: true, ...peer });
    }
  }
  return new Map(
    [...candidates].map(([prefix, paths]) => {
      const hops = bestPaths(paths, { multipath: "relaxed" }).map(({ route }) => route.nextHop);
      return [prefix, [...new Set(hops)].toSorted(compareIp)];
    }),
  );
}
