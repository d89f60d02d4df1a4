/**
 * The loop of one node: facts in, `plan()`, everything made equal to the plan.
 *
 * Whatever changes (a watch, a Lease, a session, a link, the probe, time) ends in `replan()`, which takes one snapshot,
 * asks the planner, and converges in an order that is safe at each step: what appears is put in place before it is
 * announced, what goes is withdrawn before it is taken away, and a Lease is let go of last. All of this is synchronous:
 * when the elector says that the Lease is lost, the VIP is gone when the call returns.
 */
import type { Family, IpAddress } from "../addr/ip.ts";
import { Instant } from "../base/time.ts";
import type { PeerSummary } from "../bgp/session/speaker.ts";
import type { Alarm } from "../ports/clock.ts";
import type { InterfaceAddress, Link } from "../ports/network.ts";
import type { RecordingFormat, StatusReport } from "../status/report.ts";
import type { NodeList, VipView } from "../status/view.ts";
import { EndpointDamping } from "../vip/endpoint-damping.ts";
import { type EndpointsByService, EndpointsFold } from "../vip/endpoints.ts";
import type { ServiceFact, ServiceKey } from "../vip/facts.ts";
import { NO_FIREWALL } from "../vip/firewall.ts";
import { type AddressPlan, plan, type Plan } from "../vip/plan.ts";
import { PlanMemory } from "../vip/plan-memory.ts";
import { rankOf } from "../vip/rendezvous.ts";
import { serviceNotices } from "../vip/service-notices.ts";
import type { InterfaceFact, ProbeFact, Snapshot } from "../vip/snapshot.ts";
import { AddressConverger } from "./address-converger.ts";
import { AddressLifetimes } from "./address-lifetimes.ts";
import { KernelView } from "./kernel-view.ts";
import type { NodeParts, SegmentVip } from "./node-parts.ts";
import { PlanLog } from "./plan-log.ts";
import { recordingFile, report, vipView } from "./report.ts";

const NO_ENDPOINTS: EndpointsByService = new Map();
const UNPROBED: ProbeFact = { state: "pending", detail: "not probed" };
const EMPTY_PLAN: Plan = {
  vips: [],
  routes: new Map(),
  tableRoutes: new Map(),
  addresses: new Map(),
  segments: new Map(),
  leases: new Map(),
  statuses: [],
  firewall: NO_FIREWALL,
  balancer: null,
  fallback: false,
  settled: false,
  complete: false,
  replanAt: null,
};

/** How long a claim to a VIP by another host is shown as a trouble. */
const CONFLICT_SHOWN_MILLIS = 300_000;
/** Events are for people: what changes in a moment is not told in between. */
const TELL_MILLIS = 500;
/** A pool that has run out may leave thousands of Services without an address. */
const TROUBLES_SHOWN_MAX = 10;
/** After the kernel refused to say what it has, or to take an address. */
const TRY_AGAIN_MILLIS = 500;
const TRY_AGAIN_MAX_MILLIS = 30_000;

export class NodeDaemon {
  readonly #parts: NodeParts;
  readonly #kernel: KernelView;
  readonly #addresses: AddressConverger;
  readonly #lifetimes: AddressLifetimes | null;
  readonly #alarm: Alarm;
  readonly #soon: Alarm;
  readonly #tellAt: Alarm;
  readonly #startedAt: Date;
  readonly #startedInstant: Instant;
  readonly #endpoints = new EndpointsFold();
  readonly #damping: EndpointDamping | null;
  readonly #memory = new PlanMemory();
  #plan: Plan = EMPTY_PLAN;
  /** Leases that the plan takes for held. */
  #held: readonly string[] = [];
  #downSince: Instant | null;
  #cordonedSince: Instant | null = null;
  #links: readonly Link[] = [];
  #present: readonly InterfaceAddress[] = [];
  #sessions = "";
  #replanning = false;
  #again = false;
  #stopping = false;
  #keeping = false;
  #routesAreComplete = false;
  /** What the routers were last told. */
  #told: { readonly routes: Plan["routes"]; readonly complete: boolean } | null = null;
  readonly #lingering = new Map<IpAddress, AddressPlan>();
  #closed = false;
  /** Since when the kernel refuses an address. */
  #refusedSince: Instant | null = null;
  #restUntil: Instant;
  readonly #said: PlanLog;

  constructor(parts: NodeParts) {
    this.#parts = parts;
    this.#kernel = new KernelView(parts.network, parts.log);
    this.#said = new PlanLog(parts.log, EMPTY_PLAN);
    const damping = parts.policy.services?.damping ?? null;
    this.#damping = damping && new EndpointDamping(damping);
    const { clock, log, network, elections } = parts;
    const heldUntil = (lease: string) => elections.heldUntil(lease);
    this.#lifetimes = parts.lendsAddresses ? new AddressLifetimes({ clock, log, network, heldUntil }) : null;
    this.#addresses = new AddressConverger(network, this.#kernel, log, this.#lifetimes ?? undefined);
    this.#alarm = parts.clock.alarm(() => this.replan());
    this.#soon = parts.clock.alarm(() => this.replan());
    this.#tellAt = parts.clock.alarm(() => this.#tell());
    this.#startedAt = parts.clock.wallTime();
    this.#startedInstant = parts.clock.now();
    this.#downSince = parts.clock.now();
    this.#restUntil = parts.clock.now();
  }

  /**
   * Folds a burst of changes into one plan; for facts that nobody's safety depends on. While changes keep coming, as
   * much time passes between two plans as the last one took: the rest of the daemon has half of the processor.
   */
  replanSoon(): void {
    const now = this.#parts.clock.now();
    this.#soon.set(now > this.#restUntil ? now : this.#restUntil);
  }

  /**
   * Something happened in BGP. Routers that tell us thousands of routes, ours among them, make no other plan; only what
   * is known of the sessions themselves does.
   */
  sessionsChanged(): void {
    const text = JSON.stringify(this.#parts.speaker?.summaries() ?? []);
    if (text === this.#sessions) return;
    this.#sessions = text;
    this.replanSoon();
  }

  /** Plans and converges now. A call from within (a converger that changed a fact) runs once more afterwards. */
  replan(): void {
    // The last answers of the API server may come in after the parts that a plan needs have been closed.
    if (this.#closed) return;
    this.#again = true;
    if (this.#replanning) return;
    this.#replanning = true;
    const began = this.#parts.clock.now();
    try {
      while (this.#again) {
        this.#again = false;
        this.#soon.set(null);
        const snapshot = this.#snapshot();
        this.#held = [...snapshot.leases].filter(([, fact]) => fact.isHolder).map(([lease]) => lease);
        this.#converge(plan(snapshot, this.#memory));
      }
    } finally {
      this.#replanning = false;
      const ended = this.#parts.clock.now();
      this.#restUntil = Instant.add(ended, ended - began);
    }
  }

  /**
   * Whoever is about to speak for a VIP asks first. A process that was stopped past its Lease may go on in any callback,
   * and the one that would notice need not be the first.
   */
  confirm(): void {
    if (!this.#stillHolds()) this.replan();
  }

  #stillHolds(): boolean {
    const { elections } = this.#parts;
    return this.#held.every((lease) => elections.heldUntil(lease) !== null);
  }

  /**
   * What a stop is for: an upgrade leaves routes and addresses to the next process, unless this node is to lose its pods
   * (cordoned), is going down with everything on it (no longer ready), or nobody can tell: the API server was not heard
   * yet, or is not heard any more, so that what is known of the node is what it was once.
   */
  isInService(): boolean {
    const { nodes, policy } = this.#parts;
    const node = nodes.facts.get(policy.node);
    return this.#routesAreComplete && nodes.lastError === null && node !== undefined && node.ready && !node.cordoned;
  }

  /** Routers are to prefer other ways from now on; nothing is withdrawn. @returns whether any of them hears it */
  drain(): boolean {
    const { speaker } = this.#parts;
    if (!speaker?.summaries().some((peer) => peer.state === "established") || this.#plan.routes.size === 0)
      return false;
    speaker.drain();
    return true;
  }

  /**
   * From now on every gate is closed, except that with `keep` what every node announces stays for the next process; that
   * is given up without a word when the sessions end. What goes: routes are withdrawn, the segment falls silent, Leases are given up, each after
   * its address is gone. Only addresses that every node announces linger, so that what is still under way arrives.
   *
   * @returns whether there is anything to wait for before `finishStop`
   */
  beginStop(keep = false): boolean {
    this.#keeping = keep;
    const heard = this.#parts.speaker?.summaries().some((peer) => peer.state === "established") ?? false;
    for (const { address, path, lease, announced } of this.#plan.vips) {
      const isHeard = path === "bgp" ? heard : path === "table" && announced;
      const planned = address !== null && isHeard && lease === null && this.#plan.addresses.get(address);
      if (planned && !keep) this.#lingering.set(planned.address, planned);
    }
    this.#stopping = true;
    this.replan();
    return this.#lingering.size > 0;
  }

  /** Takes away what lingered. */
  finishStop(): void {
    this.#lingering.clear();
    this.replan();
  }

  /** Nothing is planned any more, whoever asks. */
  close(): void {
    this.#closed = true;
    this.#alarm.close();
    this.#soon.close();
    this.#tellAt.close();
    this.#lifetimes?.close();
  }

  ready(): boolean {
    return this.#synced() && !this.#stopping;
  }

  report(): StatusReport {
    const parts = this.#parts;
    const caches = [parts.services, parts.slices, parts.nodes].filter((cache) => cache !== null);
    return report({
      snapshot: this.#snapshot(),
      plan: this.#plan,
      peers: parts.speaker?.peers() ?? [],
      recorder: (peer) => parts.speaker?.recorder(peer) ?? null,
      bfd: parts.bfd?.status() ?? [],
      kubernetes: {
        server: parts.server,
        synced: this.#synced(),
        error: caches.find((cache) => cache.lastError !== null)?.lastError ?? null,
        services: parts.services?.facts.size ?? 0,
        endpointSlices: parts.slices?.facts.size ?? 0,
        nodes: parts.nodes.facts.size,
      },
      addresses: this.#addresses.owned().map((it) => ({
        address: it.address,
        interface: this.#links.find((link) => link.index === it.interfaceIndex)?.name ?? String(it.interfaceIndex),
      })),
      addressFailures: this.#addresses.failures,
      routeFailures: this.#parts.routes?.failures ?? new Map(),
      pools: (parts.pools?.status?.usage ?? []).map((it) => ({
        ...it,
        family: `ipv${it.family}`,
        size: Number(it.size),
      })),
      startedAt: this.#startedAt,
      startedInstant: this.#startedInstant,
      warnings: parts.warnings,
      troubles: this.#troubles(),
    });
  }

  #troubles(): readonly string[] {
    const { troubles } = this.#parts;
    const kernel = this.#kernel.error === null ? [] : [`the kernel: ${this.#kernel.error}`];
    const conflicts = this.#conflicts().map(
      ({ vip, mac, count }) => `${vip} is claimed by ${mac}, too (heard ${count} times): find that host`,
    );
    const said = this.#parts.pools?.status?.troubles ?? [];
    const pools = said.slice(0, TROUBLES_SHOWN_MAX);
    if (said.length > pools.length) pools.push(`pools: and ${said.length - pools.length} more`);
    const balancer = this.#parts.balancer?.troubles ?? [];
    const rules = this.#parts.firewall?.failure ?? null;
    const firewall = rules === null ? [] : [`the firewall: ${rules}`];
    const isWaiting = this.#parts.bgp?.isResumed === true && !this.#routesAreComplete;
    const kept = isWaiting
      ? ["routers keep the routes of the process before until all Services and nodes are known"]
      : [];
    const routes = this.#parts.routes?.troubles ?? [];
    const peers = (this.#parts.bgp?.troubles ?? []).map((trouble) => `BGP: ${trouble}`);
    return [...troubles, ...peers, ...kept, ...kernel, ...routes, ...firewall, ...balancer, ...conflicts, ...pools];
  }

  /** What this node says of one VIP. */
  view(wanted: string): VipView {
    return vipView(wanted, this.#snapshot(), this.#plan, (prefix) => this.#parts.speaker?.toldOf(prefix) ?? []);
  }

  /**
   * How many nodes come before this one where each would do the same for a Service. Which of them run a daemon nobody
   * knows; where only the control plane does, workers are not waited for, and the other way round once.
   */
  rankOf(service: ServiceKey): number {
    const { nodes, policy } = this.#parts;
    const ready = [...nodes.facts.values()].filter((node) => node.ready);
    const isControlPlane = nodes.facts.get(policy.node)?.controlPlane === true;
    const alike = ready.filter(({ controlPlane }) => controlPlane === isControlPlane).map(({ name }) => name);
    const first = !isControlPlane && ready.some(({ controlPlane }) => controlPlane) ? 1 : 0;
    return first + rankOf(service, policy.node, alike);
  }

  /** Where other nodes are. */
  nodes(): NodeList["nodes"] {
    return [...this.#parts.nodes.facts.values()].map(({ name, internalAddresses }) => ({
      name,
      address: internalAddresses[0] ?? null,
    }));
  }

  /** What was recorded of a peer, as a file; null when there is no such peer. */
  recording(peer: string, format: RecordingFormat): string | Uint8Array | null {
    const recorder = this.#parts.speaker?.recorder(peer) ?? null;
    return recorder === null ? null : recordingFile(recorder, format);
  }

  #synced(): boolean {
    const { services, slices, nodes } = this.#parts;
    return nodes.synced && (services?.synced ?? true) && (slices?.synced ?? true);
  }

  #snapshot(): Snapshot {
    const { policy, clock, services, slices, nodes, elections, probe, speaker } = this.#parts;
    const now = clock.now();
    const endpoints = slices === null ? NO_ENDPOINTS : this.#endpoints.fold(slices.facts, slices.version);
    this.#links = this.#kernel.links();
    this.#present = this.#kernel.addresses();
    const peers = speaker?.summaries() ?? [];
    const up = peers.filter((peer) => peer.state === "established");
    const node = nodes.facts.get(policy.node) ?? null;
    this.#cordonedSince = node?.cordoned === true ? (this.#cordonedSince ?? now) : null;
    this.#downSince = up.length > 0 ? null : (this.#downSince ?? now);
    return {
      now,
      policy,
      synced: this.#synced(),
      services: (services?.facts ?? new Map()) as ReadonlyMap<ServiceKey, ServiceFact>,
      endpoints,
      // What the first lists bring has been there before.
      ...(this.#damping !== null && this.#synced() ? { damping: this.#damping.observe(endpoints, now) } : {}),
      node,
      cordonedSince: this.#cordonedSince,
      nodes: nodes.facts,
      members: this.#parts.membership?.fact ?? null,
      leases: elections.facts(),
      probe: probe?.fact ?? UNPROBED,
      sessions: {
        configured: peers.map((peer) => peer.name),
        established: up.map((peer) => ({ name: peer.name, families: announcedFamilies(peer) })),
        ends: this.#sessionEnds(peers),
        upSince: Instant.earliest(...up.map((peer) => peer.since)),
        downSince: this.#downSince,
      },
      interfaces: this.#links.map((link) => interfaceFact(link, this.#present)),
      // Before the nodes are known nobody has been asked.
      backends: nodes.synced ? (this.#parts.backends?.facts() ?? null) : null,
      poolFailures: this.#parts.pools?.status?.failures ?? null,
      tableFailures: this.#parts.routes?.failures ?? new Map(),
      firewallFailure: this.#parts.firewall?.failure ?? null,
      wasFallback: this.#plan.fallback,
      stopping: this.#stopping,
      keeping: this.#keeping,
    };
  }

  /** Who claims VIPs of ours, as far as it was heard lately. */
  #conflicts(): readonly { readonly vip: IpAddress; readonly mac: string; readonly count: number }[] {
    const { announcer, clock } = this.#parts;
    const heardSince = clock.now() - CONFLICT_SHOWN_MILLIS;
    return announcer
      .status()
      .flatMap(({ vip, conflict }) => (conflict !== null && conflict.at >= heardSince ? [{ vip, ...conflict }] : []));
  }

  /** In a stop nothing is told: another node has more to say of it. */
  #tell(): void {
    const { events, policy, services, nodes, pools } = this.#parts;
    if (events === undefined || services === null || this.#stopping || this.#closed || !this.#synced()) return;
    const told = {
      node: policy.node,
      services: services.facts,
      nodes: nodes.facts,
      poolFailures: pools?.status?.failures ?? null,
      conflicts: new Map(this.#conflicts().map(({ vip, mac }) => [vip, mac])),
    };
    events.tell(serviceNotices(told, this.#plan.vips));
  }

  /** Our own VIPs are left out: one that the kernel chose as an end is no less a VIP. */
  #sessionEnds(
    peers: readonly Pick<PeerSummary, "name" | "address" | "localAddress">[],
  ): ReadonlyMap<IpAddress, string> {
    const vips = new Set(this.#present.filter((it) => it.owned).map((it) => it.address));
    const ends = new Map<IpAddress, string>();
    for (const { name, address, localAddress } of peers) {
      ends.set(address, `the address of peer ${name}`);
      if (localAddress !== null && !vips.has(localAddress))
        ends.set(localAddress, `this node's end of the session with ${name}`);
    }
    return ends;
  }

  #converge(next: Plan): void {
    const { announcer, elections, statuses } = this.#parts;
    this.#plan = next;
    this.#parts.firewall?.widen(next.firewall);
    const addresses = new Map([...next.addresses, ...this.#lingering]);
    this.#addresses.add(addresses);
    this.#lifetimes?.follow(addresses);
    if (!this.#stillHolds()) {
      this.#again = true;
      return;
    }
    this.#routesAreComplete ||= next.complete;
    this.#tellRoutes(next.routes);
    if (this.#parts.routes?.converge(next.tableRoutes, this.#routesAreComplete)) this.#again = true;
    announcer.setVips(this.#segmentVips(next));
    if (next.settled) this.#addresses.remove(addresses);
    // While addresses may be there whose Services are not known yet, their rules of the run before stay, too.
    this.#parts.balancer?.apply(next.balancer);
    const isKnown = next.settled && (this.#stopping || this.#synced());
    if (isKnown && this.#lingering.size === 0) this.#parts.firewall?.narrow(next.firewall);
    // A Lease of the run before is not given back before it is known that its addresses are gone.
    if (this.#kernel.isKnown) elections.converge(next.leases);
    statuses?.want(next.statuses);
    if (this.#parts.events) this.#tellAt.set(Instant.add(this.#parts.clock.now(), TELL_MILLIS));
    this.#alarm.set(Instant.earliest(next.replanAt, this.#tryAgainAt()));
    const { probe, services, slices, nodes } = this.#parts;
    const counts = { services: services?.facts.size, endpointSlices: slices?.facts.size, nodes: nodes.facts.size };
    this.#said.say(next, {
      keeping: this.#keeping,
      probe: probe?.fact ?? null,
      synced: this.#synced() ? counts : null,
    });
  }

  /** Routes that are the same are the same map. A plan may have been given up before they were told. */
  #tellRoutes(routes: Plan["routes"]): void {
    const complete = this.#routesAreComplete;
    if (this.#told?.routes === routes && this.#told.complete === complete) return;
    this.#told = { routes, complete };
    this.#parts.speaker?.setRoutes(routes, { complete });
  }

  /** What the kernel refused is asked for again, ever more rarely while it goes on refusing: nothing else need happen. */
  #tryAgainAt(): Instant | null {
    const now = this.#parts.clock.now();
    const isRefused = this.#addresses.failures.size > 0 || this.#parts.routes?.isRefused === true;
    this.#refusedSince = isRefused ? (this.#refusedSince ?? now) : null;
    if (this.#kernel.error !== null) return Instant.add(now, TRY_AGAIN_MILLIS);
    if (this.#refusedSince === null) return null;
    const millis = Math.min(Math.max(now - this.#refusedSince, TRY_AGAIN_MILLIS), TRY_AGAIN_MAX_MILLIS);
    return Instant.add(now, millis);
  }

  #segmentVips(next: Plan): ReadonlyMap<IpAddress, SegmentVip> {
    const vips = new Map<IpAddress, SegmentVip>();
    for (const [address, interfaceIndex] of next.segments) {
      const link = this.#links.find((it) => it.index === interfaceIndex);
      if (!link?.mac) continue;
      vips.set(address, { interfaceIndex, mac: link.mac, forwardsIpv6: link.forwardsIpv6 ?? false });
    }
    return vips;
  }
}

/** Families of the session without those of which nothing can be announced (no next hop, say). */
function announcedFamilies({ families, notAnnounced }: PeerSummary): readonly Family[] {
  const carried = families.filter((family) => !notAnnounced.some((it) => it.family === family));
  return carried.map((family) => (family === "ipv4-unicast" ? 4 : 6));
}

/** Our own VIPs are left out: what they would say about subnets is what we said ourselves. */
function interfaceFact(link: Link, present: readonly InterfaceAddress[]): InterfaceFact {
  const { index, name, up, loopback } = link;
  const own = present.filter((it) => it.interfaceIndex === index && !it.owned);
  return { index, name, up, loopback, subnets: own.map((it) => ({ address: it.address, length: it.prefixLength })) };
}
