import type { IpAddress } from "../../src/addr/ip.ts";
import type { Judge, Node, World } from "./judge.ts";
import { ETHERNET, LOOPBACK } from "./kernel.ts";
import { CONTROL_PLANE_VIP } from "./modes.ts";

/**
 * What a cluster looks like in which nothing is wrong: every VIP that can be announced is, by whom it should be, and
 * there is nothing besides. Returns the first thing that is not so.
 */
export function expectation(world: World & { readonly judge: Judge }): string | null {
  // One that pauses between attempts at a list would be found out only when it is needed.
  const late = world.nodes.find(({ daemon }) => daemon?.process.isAlive === true && !daemon.isInStep);
  if (late) return `${late.name} is not in step with the API server`;
  for (const vip of world.cluster.vips) {
    const wrong = vipExpectation(world, vip);
    if (wrong !== null) return wrong;
  }
  return leftovers(world);
}

function vipExpectation(world: World & { readonly judge: Judge }, vip: IpAddress): string | null {
  const { mode, nodes, cluster } = world;
  const running = nodes.filter(({ daemon }) => daemon?.process.isAlive === true);
  const able = running.filter(({ name }) => cluster.allows(name, vip));
  const isSegment = mode.mode === "arp";
  const lease = world.judge.leaseFor(vip, running[0]?.name ?? "", isSegment ? "segment" : "route");
  const isAttached = isSegment || vip === CONTROL_PLANE_VIP;
  const place = isSegment ? ETHERNET : LOOPBACK;
  const announcing = running.filter((node) =>
    isSegment ? node.kernel.has(vip, ETHERNET) : node.daemon!.routes.has(vip),
  );
  const expected = lease === null ? able : electedOf(world, vip, lease, able, announcing);
  if (typeof expected === "string") return expected;
  const names = namesOf(expected);
  if (namesOf(announcing) !== names) return `${vip} is announced by ${namesOf(announcing)} and not by ${names}`;
  for (const router of world.routers) {
    const hops = [...router.nextHops(vip)].toSorted().join(" ") || "nobody";
    if (hops !== names) return `${router.name} has ${vip} by ${hops} and not by ${names}`;
  }
  if (isAttached) {
    const having = namesOf(nodes.filter(({ kernel }) => kernel.has(vip, place)));
    if (having !== names) return `${vip} is in the kernels of ${having} and not of ${names}`;
  }
  const status = cluster.statusOf(vip);
  if (vip !== CONTROL_PLANE_VIP && expected.length > 0 && cluster.serviceOf(vip)!.exists && !status.includes(vip))
    return `the status of the Service of ${vip} names ${status.join(" ") || "nothing"}`;
  return null;
}

/** Who is to have an elected VIP. */
function electedOf(
  { mode, cluster, nodes }: World,
  vip: IpAddress,
  lease: string,
  able: readonly Node[],
  announcing: readonly Node[],
): readonly Node[] | string {
  const isGlobal = lease.endsWith("plndr-svcs-lock");
  const isSpread = mode.services === "spread" && vip !== CONTROL_PLANE_VIP;
  if (isSpread) {
    if (able.length === 0) return [];
    const [one] = announcing;
    return announcing.length === 1 && able.includes(one!) ? [one!] : `${vip} is with ${namesOf(announcing)}`;
  }
  const holder = cluster.holderOf(lease);
  // The one Lease for all Services is held by any node, also by one that a Service with policy Local is not for.
  if (!isGlobal && able.length === 0) return [];
  if (holder === null) return `nobody holds ${lease}`;
  const node = nodes.find(({ name }) => name === holder)!;
  if (isGlobal) return able.includes(node) ? [node] : [];
  return able.includes(node) ? [node] : `${holder} holds ${lease} and cannot announce ${vip}`;
}

/** What is there of which nobody speaks. */
function leftovers({ nodes, routers, cluster }: World): string | null {
  for (const { kernel, name } of nodes) {
    const places = new Set<string>();
    for (const { address, interfaceIndex } of kernel.owned) {
      if (!cluster.vips.includes(address)) return `${name} has ${address}, which nobody asked for`;
      if (places.has(address)) return `${name} has ${address} on two interfaces`;
      places.add(address);
      if (!cluster.allows(name, address)) return `${name} has ${address} on interface ${interfaceIndex}`;
    }
  }
  for (const router of routers) {
    for (const [vip, name] of router.routes) {
      if (!cluster.allows(name, vip)) return `${router.name} has a route to ${vip} by ${name}`;
    }
  }
  return null;
}

const namesOf = (nodes: readonly Node[]): string =>
  nodes
    .map(({ name }) => name)
    .toSorted()
    .join(" ") || "nobody";
