import type { IpAddress } from "../../src/addr/ip.ts";
import { Instant } from "../../src/base/time.ts";
import type { KubeRequest, KubeResponse } from "../../src/kube/client.ts";
import { type ApiEvents, addressOf } from "./api.ts";
import type { Cluster, Exclusion } from "./cluster.ts";
import type { SimDaemon } from "./daemon.ts";
import type { Process } from "./host.ts";
import { ETHERNET, LOOPBACK, type KernelEvents, type SimKernel } from "./kernel.ts";
import type { Links } from "./links.ts";
import { CONTROL_PLANE_VIP, type Mode, type Times } from "./modes.ts";
import type { SimRouter } from "./router.ts";
import type { SimTime } from "./time.ts";
import type { Trace } from "./trace.ts";

/** A machine with what runs on it. */
export interface Node {
  readonly name: string;
  readonly kernel: SimKernel;
  daemon: SimDaemon | null;
}

export interface World {
  readonly time: SimTime;
  readonly trace: Trace;
  readonly links: Links;
  readonly mode: Mode;
  readonly times: Times;
  readonly nodes: readonly Node[];
  readonly routers: readonly SimRouter[];
  readonly cluster: Cluster;
}

/** Where a node can have a VIP. */
type Place = "segment" | "loopback" | "route";
const PLACES: readonly Place[] = ["segment", "loopback", "route"];
const WORDS = { segment: "on eth0", loopback: "on lo", route: "as a route" } as const;

/** A daemon that runs has acted upon what changed within this time: its timer's lateness, and a few turns of its loop. */
const REACTION_MILLIS = 100;
/** What the daemon was told of an object it has acted upon after this time; what was refused by the kernel, once more. */
const TOLD_MILLIS = 1_000;
/** Until the probe has failed three times, and a question has timed out. */
const PROBE_MILLIS = 1_500;
/** What is sent on a path that is whole has arrived. */
export const TRANSIT_MILLIS = 2_500;
/** Kinds whose objects change. */
const WATCHED = ["services", "endpointslices"] as const;
const REQUESTS_PER_SECOND_MAX = 60;

/**
 * Says when something happened that must not happen. It knows the truth about every machine, and of the daemons only
 * what leaves them: requests, routes, addresses, frames. The first violation ends the run.
 */
export class Judge implements KernelEvents, ApiEvents {
  readonly #world: World;
  /** Until when a process may act by a Lease, on its own clock: by "lease". */
  readonly #mayActUntil = new Map<Process, Map<string, Instant>>();
  /** When a process was told of what excludes it. */
  readonly #told = new Map<Exclusion, Process>();
  /** Revisions up to which a process was told of a kind. */
  readonly #heard = new Map<Process, Map<string, number>>();
  /** Since when more than one node has a VIP, by where. */
  readonly #overlaps = new Map<string, object>();
  violation: string | null = null;
  /** When a node last could not speak to a router: by "node router". */
  readonly #muteAt = new Map<string, number>();
  /** Since when a router should have lost a route: by "node vip router". */
  readonly #unwanted = new Map<string, number>();
  #second = 0;
  readonly #requests = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
    world.cluster.onExclusion = (exclusion) => this.#excluded(exclusion);
  }

  trouble(what: string): void {
    if (this.violation !== null) return;
    this.violation = what;
    this.#world.trace.say("", `VIOLATION ${what}`);
    this.#world.time.isOver = true;
  }

  // What goes on at the API server.

  asked(process: Process, request: KubeRequest): void {
    const node = process.host.name;
    const second = Math.floor(this.#world.time.now / 1000);
    if (second !== this.#second) this.#requests.clear();
    this.#second = second;
    const count = (this.#requests.get(node) ?? 0) + 1;
    this.#requests.set(node, count);
    if (count === REQUESTS_PER_SECOND_MAX)
      this.trouble(`busy loop: ${node} sent ${count} requests to the API server within a second`);
    const lease = leaseIn(request);
    if (lease === null) return;
    if (lease.holder !== "") return;
    // A release: whoever has the right to act no longer acts when it is sent.
    this.#mayActUntil.get(process)?.delete(lease.key);
    this.#mustNotAct(process, lease.key, "gives it back");
  }

  answered(process: Process, request: KubeRequest, response: KubeResponse, sentAt: Instant): void {
    const { status, body } = response;
    const { node, lease } = { node: process.host.name, lease: leaseIn(request) };
    if (lease !== null) {
      this.#world.trace.say(node, `${lease.key} := ${lease.holder || "nobody"}: ${status}`);
      if ((status === 200 || status === 201) && lease.holder === node) this.#renewed(process, lease.key, sentAt);
    }
    if (request.method !== "GET" || status !== 200) return;
    const { metadata, items } = body as { metadata: { resourceVersion: string }; items?: unknown };
    if (items !== undefined) {
      this.told(process, addressOf(request.path).target.resource.plural, Number(metadata.resourceVersion));
    }
  }

  told(process: Process, plural: string, revision: number): void {
    const heard = this.#heard.get(process) ?? new Map<string, number>();
    this.#heard.set(process, heard);
    if (revision <= (heard.get(plural) ?? 0)) return;
    heard.set(plural, revision);
    for (const exclusion of this.#world.cluster.exclusionsOf(process.host.name)) {
      if (exclusion.plural === plural && exclusion.revision <= revision) this.#hears(exclusion, process);
    }
  }

  #renewed(process: Process, lease: string, sentAt: Instant): void {
    const { times, time } = this.#world;
    const until = Instant.add(sentAt, times.renewDeadlineSeconds * 1000);
    const all = this.#mayActUntil.get(process) ?? new Map<string, Instant>();
    this.#mayActUntil.set(process, all);
    if (until <= (all.get(lease) ?? -Infinity)) return;
    all.set(lease, until);
    time.at(process.host.timeOf(until) + REACTION_MILLIS, () => this.#mustHaveStopped(process, lease));
  }

  #mustHaveStopped(process: Process, lease: string): void {
    if (this.#mayAct(process, lease)) return;
    this.#whenRuns(process, REACTION_MILLIS, () => {
      if (!this.#mayAct(process, lease)) this.#mustNotAct(process, lease, "has not renewed it before its deadline");
    });
  }

  /** Now, or when it has run for so long after it stood still. */
  #whenRuns(process: Process, millis: number, check: () => void): void {
    const { time } = this.#world;
    const { host } = process;
    if (!process.isAlive) return;
    // A process that stands still does nothing, and whatever is asked of it is asked again when it goes on.
    const steadyAt = host.isPaused ? Infinity : host.resumedAt === 0 ? 0 : host.resumedAt + millis;
    if (steadyAt <= time.now) return check();
    time.at(steadyAt === Infinity ? time.now + 500 : steadyAt, () => this.#whenRuns(process, millis, check));
  }

  #mayAct(process: Process, lease: string): boolean {
    const until = this.#mayActUntil.get(process)?.get(lease);
    return until !== undefined && process.clock.now() < until;
  }

  #mustNotAct(process: Process, lease: string, why: string): void {
    const node = this.#nodeOf(process);
    if (node === null) return;
    for (const vip of this.#world.cluster.vips) {
      for (const place of PLACES) {
        if (this.leaseFor(vip, node.name, place) !== lease || !isAt(node, vip, place)) continue;
        this.trouble(`${node.name} has ${vip} ${WORDS[place]} although it ${why}: ${lease}`);
      }
    }
  }

  // What the kernels have.

  changed(
    kernel: SimKernel,
    what: "added" | "extended" | "removed" | "expired",
    address: IpAddress,
    index: number,
  ): void {
    const { name } = kernel.host;
    const place = index === ETHERNET ? "segment" : "loopback";
    this.#world.trace.say(name, `kernel: ${address} ${what} ${WORDS[place]}`);
    if (what === "added" || what === "extended") this.#mayHave(name, address, place, what);
    if (this.leaseFor(address, name, place) === null) return;
    const holders = this.#world.nodes.filter((node) => isAt(node, address, place));
    this.#alone(`${address} ${WORDS[place]}`, address, holders);
  }

  claimed(kernel: SimKernel, address: IpAddress): void {
    this.#world.trace.say(kernel.host.name, `arp: ${address} is here`);
    this.#mayHave(kernel.host.name, address, "segment", "claimed");
  }

  /** The daemon of the node is about to announce these. */
  routes(process: Process, routes: ReadonlySet<IpAddress>): void {
    const node = this.#nodeOf(process);
    if (node === null) return;
    const { name } = node;
    const before = node.daemon!.routes;
    for (const vip of routes) {
      if (before.has(vip)) continue;
      this.#world.trace.say(name, `route: ${vip}`);
      this.#mayHave(name, vip, "route", "announced");
    }
    for (const vip of before) {
      if (routes.has(vip)) continue;
      this.#world.trace.say(name, `no route: ${vip}`);
      this.#withdrawn(node, vip);
    }
    this.#world.time.after(0, () => this.announcersChanged());
  }

  /** A daemon has died, or other routes were set: of those that run only one may announce an elected VIP. */
  announcersChanged(): void {
    const { nodes, cluster, time } = this.#world;
    for (const vip of cluster.vips) {
      if (this.leaseFor(vip, nodes[0]!.name, "route") === null) continue;
      const announcing = nodes.filter(({ daemon, kernel }) => {
        const { isPaused, resumedAt } = kernel.host;
        const runs = !isPaused && (resumedAt === 0 || time.now - resumedAt > REACTION_MILLIS);
        return runs && daemon?.routes.has(vip);
      });
      this.#alone(`${vip} ${WORDS.route}`, vip, announcing);
    }
  }

  /** The daemon of the node has died with what it announced. */
  died(node: Node, routes: ReadonlySet<IpAddress>): void {
    for (const vip of routes) this.#withdrawn(node, vip);
    this.announcersChanged();
  }

  #mayHave(name: string, vip: IpAddress, place: Place, what: string): void {
    const process = this.#world.nodes.find((it) => it.name === name)?.daemon?.process;
    const lease = this.leaseFor(vip, name, place);
    const said = `${name} ${what} ${vip} ${WORDS[place]}`;
    if (process === undefined) return this.trouble(`${said} without a daemon`);
    if (lease !== null && !this.#mayAct(process, lease)) this.trouble(`${said} without holding ${lease}`);
  }

  /** @param holders  who has it now; with election "spread" more than one may for less than the Lease's duration */
  #alone(where: string, vip: IpAddress, holders: readonly Node[]): void {
    const { mode, times } = this.#world;
    const isSpread = mode.services === "spread" && vip !== CONTROL_PLANE_VIP;
    const boundMillis = isSpread ? times.leaseDurationSeconds * 1000 : 0;
    this.#overlap(
      where,
      holders.map(({ name }) => name),
      boundMillis,
      () => true,
      // Members that know different Services or endpoints choose differently, for as long as they do.
      () => !isSpread || this.#areTold(holders.map(({ name }) => name)),
    );
  }

  #overlap(
    where: string,
    holders: readonly string[],
    boundMillis: number,
    isWrong: () => boolean,
    isCurrent: () => boolean = () => true,
  ): void {
    const { time } = this.#world;
    if (holders.length < 2) return void this.#overlaps.delete(where);
    if (this.#overlaps.has(where)) return;
    /** Stands for this overlap alone: one that ends and begins again is another. */
    const overlap = {};
    this.#overlaps.set(where, overlap);
    /** @param wasLate  somebody has just heard the last of what he had to hear */
    const check = (wasLate: boolean): void => {
      if (this.#overlaps.get(where) !== overlap) return;
      if (!isCurrent()) time.after(500, () => check(true));
      else if (wasLate) time.after(boundMillis, () => check(false));
      else if (isWrong())
        this.trouble(`two holders for ${boundMillis} ms and more: ${where}, ${holders.join(" and ")}`);
    };
    if (boundMillis === 0) check(false);
    else time.after(boundMillis, () => check(false));
  }

  /** Whether the daemon of each has been told of the last change of Services and endpoints. */
  #areTold(names: readonly string[]): boolean {
    const { nodes, cluster } = this.#world;
    return names.every((name) => {
      const process = nodes.find((node) => node.name === name)?.daemon?.process;
      const heard = process && this.#heard.get(process);
      return WATCHED.every((plural) => (heard?.get(plural) ?? 0) >= cluster.lastChange(plural));
    });
  }

  // What the routers have.

  /** Called while a node cannot speak to a router, or not be heard. */
  mute(node: string, router: string): void {
    this.#muteAt.set(`${node} ${router}`, this.#world.time.now);
  }

  routeChanged(router: SimRouter, name: string, vip: IpAddress, isThere: boolean): void {
    const { trace, nodes, times, time, mode } = this.#world;
    trace.say(router.name, `${isThere ? "has" : "has no"} route to ${vip} by ${name}`);
    const node = nodes.find((it) => it.name === name)!;
    if (isThere && !node.daemon?.routes.has(vip)) this.#mustLose(router, node, vip);
    if (this.leaseFor(vip, name, "route") === null) return;
    const holders = router.nextHops(vip);
    const isSpread = mode.services === "spread" && vip !== CONTROL_PLANE_VIP;
    const spreadMillis = isSpread ? times.leaseDurationSeconds * 1000 : 0;
    const areTold = (): boolean => !isSpread || this.#areTold(router.nextHops(vip));
    const where = `${vip} at ${router.name}`;
    const holdMillis = times.holdTimeSeconds * 1000;
    // The withdrawal of one and the route of another are on the way at the same time.
    const quick = TRANSIT_MILLIS + spreadMillis;
    const areHeard = (): boolean =>
      router.nextHops(vip).every((it) => time.now - this.#lastMute(it, router.name) > holdMillis + quick);
    this.#overlap(`${where}, all of them heard,`, holders, quick, areHeard, areTold);
    this.#overlap(where, holders, holdMillis + quick, () => true, areTold);
  }

  #lastMute(node: string, router: string): number {
    return this.#muteAt.get(`${node} ${router}`) ?? -Infinity;
  }

  #withdrawn(node: Node, vip: IpAddress): void {
    for (const router of this.#world.routers) this.#mustLose(router, node, vip);
  }

  /** The node does not announce it, so the router must not have it for long. */
  #mustLose(router: SimRouter, node: Node, vip: IpAddress): void {
    const { time, times } = this.#world;
    const since = time.now;
    const holdMillis = times.holdTimeSeconds * 1000;
    const key = `${node.name} ${vip} ${router.name}`;
    this.#unwanted.set(key, since);
    const check = (isHeard: () => boolean) => (): void => {
      if (node.daemon?.routes.has(vip) || this.#unwanted.get(key) !== since || !isHeard()) return;
      if (!router.nextHops(vip).includes(node.name)) return;
      const millis = Math.round(time.now - since);
      this.trouble(`${router.name} has a route to ${vip} by ${node.name}, which has not announced it for ${millis} ms`);
    };
    const isHeard = (): boolean => time.now - this.#lastMute(node.name, router.name) > TRANSIT_MILLIS + holdMillis;
    time.after(TRANSIT_MILLIS, check(isHeard));
    time.after(
      holdMillis + TRANSIT_MILLIS,
      check(() => true),
    );
  }

  // What the cluster excludes.

  #excluded(exclusion: Exclusion): void {
    const node = this.#world.nodes.find(({ name }) => name === exclusion.node);
    const process = node?.daemon?.process;
    if (process === undefined) return;
    const { plural, revision } = exclusion;
    if (plural === null) this.#hears(exclusion, process);
    else if ((this.#heard.get(process)?.get(plural) ?? 0) >= revision) this.#hears(exclusion, process);
  }

  #hears(exclusion: Exclusion, process: Process): void {
    if (this.#told.get(exclusion) === process) return;
    this.#told.set(exclusion, process);
    const { time, cluster } = this.#world;
    const millis = exclusion.plural === null ? PROBE_MILLIS : TOLD_MILLIS;
    const { node: name, vip } = exclusion;
    const check = (): void => {
      const node = this.#nodeOf(process);
      if (node === null || cluster.exclusion(name, vip) !== exclusion) return;
      if (node.kernel.refuses.size > 0)
        return void time.after(TOLD_MILLIS, () => this.#whenRuns(process, millis, check));
      for (const place of PLACES) {
        if (isAt(node, vip, place))
          this.trouble(`${name} has ${vip} ${WORDS[place]} ${millis} ms after it heard why it must not`);
      }
    };
    time.after(millis, () => this.#whenRuns(process, millis, check));
  }

  // Who needs what.

  /** The Lease without which the node must not have the VIP there; null where none is needed. */
  leaseFor(vip: IpAddress, node: string, place: Place): string | null {
    const { mode, cluster } = this.#world;
    const isSegment = place === "segment";
    // In mode `auto` only the segment needs an election.
    if (!isSegment && mode.mode !== "bgp") return null;
    if (vip === CONTROL_PLANE_VIP) {
      return isSegment || mode.controlPlaneElection ? "kube-system/plndr-cp-lock" : null;
    }
    switch (mode.services) {
      case "none":
        return isSegment ? "kube-system/plndr-svcs-lock" : null;
      case "global":
        return "kube-system/plndr-svcs-lock";
      case "per-service":
        return `default/kubevip-${cluster.serviceOf(vip)!.name}`;
      case "spread":
        return `kube-system/vipcast-member-${node}`;
    }
  }

  #nodeOf(process: Process): Node | null {
    return this.#world.nodes.find(({ daemon }) => daemon?.process === process && process.isAlive) ?? null;
  }
}

const isAt = (node: Node, vip: IpAddress, place: Place): boolean =>
  place === "route"
    ? node.daemon?.routes.has(vip) === true
    : node.kernel.has(vip, place === "segment" ? ETHERNET : LOOPBACK);

/** The Lease that a request writes, and to whom. */
function leaseIn({ method, path, body }: KubeRequest): { readonly key: string; readonly holder: string } | null {
  if (method === "GET" || !path.includes("/leases")) return null;
  const { metadata, spec } = body as {
    metadata: { namespace: string; name: string };
    spec: { holderIdentity: string };
  };
  return { key: `${metadata.namespace}/${metadata.name}`, holder: spec.holderIdentity };
}
