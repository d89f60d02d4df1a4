import { hostPrefix, type Prefix } from "../addr/prefix.ts";
import type { IpAddress } from "../addr/ip.ts";
import { namesInterface } from "../addr/route-type.ts";
import { closed, type Gate, open } from "./gates.ts";
import type { InterfaceFact, RouteTablePolicy } from "./snapshot.ts";

/** A route of this node's kernel that a routing daemon beside this one is to announce. */
export interface TableRoute {
  readonly prefix: Prefix;
  /** Null where the type of the routes names none. */
  readonly interfaceIndex: number | null;
  /** Every node has it: no Lease can have given it to another one while this daemon was away. */
  readonly lasting: boolean;
}

/**
 * @param at  null only where the type of the routes names no interface
 * @param lasting  no election decides about it
 */
export function tableRoute(
  address: IpAddress,
  at: InterfaceFact | null,
  lasting: boolean,
  { type }: RouteTablePolicy,
): TableRoute {
  return { prefix: hostPrefix(address), interfaceIndex: namesInterface(type) ? (at?.index ?? null) : null, lasting };
}

/** Collects the routes of all VIPs, of which several owners may share one. */
export class TableRouteBook {
  readonly routes = new Map<Prefix, TableRoute>();

  add(route: TableRoute): void {
    const isLasting = route.lasting || this.routes.get(route.prefix)?.lasting === true;
    this.routes.set(route.prefix, isLasting === route.lasting ? route : { ...route, lasting: isLasting });
  }
}

/** Whether the kernel has the route; it is wanted either way. */
export function routeGate(failures: ReadonlyMap<Prefix, string>, address: IpAddress, policy: RouteTablePolicy): Gate {
  const { table, protocol, type } = policy;
  const failure = failures.get(hostPrefix(address));
  return failure === undefined
    ? open("route", `${type} in table ${table}, protocol ${protocol}`)
    : closed("route", `not in table ${table}: ${failure}`, "see `vipcast status` and the log");
}
