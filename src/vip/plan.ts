/**
 * The decision: everything known in, everything this node must do out, with the reasons.
 *
 * `plan` is pure and total: equal snapshots give equal plans, and no Service, however odd, can make it throw. Each VIP
 * passes through a list of gates. What a passed VIP leads to depends on the path: routes for BGP, an address and
 * announcements for ARP and NDP. Elections are part of the plan as well: it says which Leases this node stands for, the
 * electors carry that out, and their outcome comes back with the next snapshot.
 */
import { familyOf, type IpAddress } from "../addr/ip.ts";
import { hostPrefix, type Prefix } from "../addr/prefix.ts";
import { Instant } from "../base/time.ts";
import { EXCLUDE_LABEL, type ServiceFact, type ServiceKey, type ServicePortFact } from "./facts.ts";
import { type BalancerPlan, planBalancer } from "./balancer.ts";
import { FirewallBook, firewallGate, type FirewallPlan } from "./firewall.ts";
import { closed, firstClosed, type Gate, open } from "./gates.ts";
import { anyInterfaceUp, interfaceGate } from "./interface-gate.ts";
import { controlPlaneAttributes, RouteBook, type PlannedAttributes, serviceAttributes } from "./route-attributes.ts";
import { serviceAddresses } from "./service-addresses.ts";
import { deciderGate, electionGate, electionOn, ServiceElections } from "./service-election.ts";
import { classGate, endpointGate } from "./service-gates.ts";
import {
  type InterfaceFact,
  type LeaseName,
  leaseText,
  memberLease,
  type Path,
  type ServicePolicy,
  type Snapshot,
} from "./snapshot.ts";

export type Owner = "control-plane" | ServiceKey;

export interface VipPlan {
  readonly owner: Owner;
  /** Null for a Service that names no address at all. */
  readonly address: IpAddress | null;
  readonly path: Path;
  readonly announced: boolean;
  readonly gates: readonly Gate[];
  /** The Lease that decides who announces; null without election, and where the Services are spread. */
  readonly lease: LeaseName | null;
  /** The node that is to announce it, where the plan itself decides that. */
  readonly chosen?: string | null;
}

export interface AddressPlan {
  readonly address: IpAddress;
  readonly prefixLength: number;
  readonly interfaceIndex: number;
  readonly scopeHost: boolean;
  /** The Lease by which this node has it, as "namespace/name"; left out where none decides. */
  readonly heldBy?: string;
}

export interface LeasePlan {
  readonly lease: LeaseName;
  /** False: give the Lease up, or do not try for it. */
  readonly stands: boolean;
  readonly purpose: "control-plane" | "services" | "service" | "member" | "pools";
}

export interface StatusPlan {
  readonly service: ServiceFact;
  readonly addresses: readonly IpAddress[];
  readonly ports: readonly ServicePortFact[];
  /** Write the `vipHost` annotation: only where one node alone serves, else all would write it in turn. */
  readonly vipHost: string | null;
}

export interface Plan {
  readonly vips: readonly VipPlan[];
  readonly routes: ReadonlyMap<Prefix, PlannedAttributes>;
  readonly addresses: ReadonlyMap<IpAddress, AddressPlan>;
  /** Addresses that ARP and NDP announce, with the interface. */
  readonly segments: ReadonlyMap<IpAddress, number>;
  readonly leases: ReadonlyMap<string, LeasePlan>;
  readonly statuses: readonly StatusPlan[];
  readonly firewall: FirewallPlan;
  readonly balancer: BalancerPlan;
  /** Mode `auto` only: no BGP session for so long that the segment must do. */
  readonly fallback: boolean;
  /** Leftovers of an earlier run may be removed: enough is known to tell that they are leftovers. */
  readonly settled: boolean;
  /** Everything that decides about routes is known: what is not among them is not to be announced. */
  readonly complete: boolean;
  /** When the same facts would give another plan because time has passed. */
  readonly replanAt: Instant | null;
}

export function plan(snapshot: Snapshot): Plan {
  const { fallback, replanAt } = judgeFallback(snapshot);
  const path: Path = snapshot.policy.mode === "arp" || fallback ? "l2" : "bgp";
  const draft = new Draft(snapshot, path, fallback);
  planControlPlane(draft);
  planServices(draft);
  return draft.finish(replanAt);
}

/** BGP must have been gone for the configured time, and be back for a while before it gets the VIPs back. */
function judgeFallback({ policy, sessions, wasFallback, now }: Snapshot): {
  fallback: boolean;
  replanAt: Instant | null;
} {
  if (policy.mode !== "auto") return { fallback: false, replanAt: null };
  if (sessions.upSince !== null) {
    if (!wasFallback) return { fallback: false, replanAt: null };
    const settledAt = Instant.add(sessions.upSince, policy.fallbackSettleMillis);
    return now >= settledAt ? { fallback: false, replanAt: null } : { fallback: true, replanAt: settledAt };
  }
  if (wasFallback || sessions.downSince === null) return { fallback: wasFallback, replanAt: null };
  const dueAt = Instant.add(sessions.downSince, policy.fallbackDelayMillis);
  return now >= dueAt ? { fallback: true, replanAt: null } : { fallback: false, replanAt: dueAt };
}

/** The election is over when the delay is: who has no session stands at once, and acts when the fallback begins. */
const anticipatesFallback = ({ policy, sessions }: Snapshot): boolean =>
  policy.mode === "auto" && sessions.upSince === null;

/** The plan while it is being made. */
class Draft {
  readonly snapshot: Snapshot;
  readonly path: Path;
  readonly fallback: boolean;
  readonly vips: VipPlan[] = [];
  readonly routes = new RouteBook();
  readonly addresses = new Map<IpAddress, AddressPlan>();
  readonly segments = new Map<IpAddress, number>();
  readonly leases = new Map<string, LeasePlan>();
  readonly statuses: StatusPlan[] = [];
  readonly firewall = new FirewallBook();
  /** VIPs of the control plane that this node serves. */
  readonly balanced: IpAddress[] = [];

  constructor(snapshot: Snapshot, path: Path, fallback: boolean) {
    this.snapshot = snapshot;
    this.path = path;
    this.fallback = fallback;
  }

  /**
   * Stands for a Lease when any of its users wants it. Where the control plane is among them it decides alone: a node
   * that kept its Lease for the sake of a Service would keep the VIP from the nodes whose API server is ready.
   */
  stand(lease: LeaseName, stands: boolean, purpose: LeasePlan["purpose"]): void {
    const key = leaseText(lease);
    const earlier = this.leases.get(key);
    if (earlier?.purpose === "control-plane") return;
    this.leases.set(key, {
      lease,
      stands: stands || (earlier?.stands ?? false),
      purpose: earlier?.purpose ?? purpose,
    });
  }

  finish(replanAt: Instant | null): Plan {
    return {
      vips: this.vips,
      routes: this.routes.merged(),
      addresses: this.addresses,
      segments: this.segments,
      leases: this.leases,
      statuses: this.statuses,
      firewall: this.firewall.finish(),
      balancer: planBalancer(
        this.snapshot.policy.controlPlane?.balancer ?? null,
        this.snapshot.policy.node,
        this.balanced,
        this.snapshot.backends ?? null,
      ),
      fallback: this.fallback,
      settled: this.#settled(),
      complete: this.#complete(),
      replanAt,
    };
  }

  /** A router that kept our routes over a restart forgets those that are not said again by then (RFC 4724 §4.1). */
  #complete(): boolean {
    const { policy, probe, synced, stopping } = this.snapshot;
    return stopping || (synced && !(policy.controlPlane?.probed === true && probe.state === "pending"));
  }

  /**
   * After a restart the addresses of the earlier run are still there. Where every node announces they are probably
   * right, and removing them would cut connections, so they wait for the first lists and the first probe. Where a Lease
   * decides another node may already have them: they must go at once.
   */
  #settled(): boolean {
    const { policy, probe, synced, stopping } = this.snapshot;
    const { controlPlane, services } = policy;
    const elected = this.path === "l2" || controlPlane?.elected || (services && services.election !== "none");
    const probePending = policy.controlPlane?.probed === true && probe.state === "pending";
    const listsPending = policy.services?.attach === true && !synced;
    return stopping || elected === true || (!probePending && !listsPending);
  }
}

function planControlPlane(draft: Draft): void {
  const { policy, probe } = draft.snapshot;
  const settings = policy.controlPlane;
  if (!settings) return;
  const elected = draft.path === "l2" || settings.elected;
  const apiServer = !settings.probed
    ? open("api-server", "not probed: the health check is turned off")
    : probe.state === "ready"
      ? open("api-server", probe.detail)
      : closed("api-server", probe.detail, "start or repair the API server on this node");
  const node = nodeGate(draft, elected);
  // In mode `auto` the Lease is for the segment only; with a session up nobody needs it.
  if (settings.elected || policy.mode !== "bgp") {
    const interfaceIsUp = settings.addresses.some(
      (address) => interfaceGate(draft.snapshot, draft.path, address, settings.interfaceName).gate.open,
    );
    const stands = elected || anticipatesFallback(draft.snapshot);
    draft.stand(settings.lease, stands && apiServer.open && node.open && interfaceIsUp, "control-plane");
  }
  for (const address of settings.addresses) {
    const gates = [open("address", `${address} from the configuration`), apiServer, node];
    // Before the election: a node without the interface does not stand, and that is the reason to tell.
    const { gate, at } = interfaceGate(draft.snapshot, draft.path, address, settings.interfaceName);
    gates.push(gate);
    if (elected) gates.push(electionGate(draft.snapshot, settings.lease));
    if (firstClosed(gates) === null) draft.balanced.push(address);
    announce(draft, {
      owner: "control-plane",
      address,
      gates,
      at,
      attach: true,
      lease: elected ? settings.lease : null,
      heldBy: elected ? settings.lease : null,
      attributes: controlPlaneAttributes(policy.routing),
    });
  }
}

function planServices(draft: Draft): void {
  const settings = draft.snapshot.policy.services;
  if (!settings) return;
  const { policy, services } = draft.snapshot;
  const canServe =
    serviceNodeGate(draft, settings, true).open && (draft.path === "bgp" || anyInterfaceUp(draft.snapshot));
  if (settings.poolLease) draft.stand(settings.poolLease, nodeGate(draft, true).open, "pools");
  const election = electionOn(draft.path, settings);
  // The global Lease is stood for even without Services: kube-vip does, and a takeover then needs no first write.
  // In mode `auto` it is known before it is needed.
  if (election === "global" || (election === "none" && policy.mode === "auto")) {
    const stands = election === "global" || anticipatesFallback(draft.snapshot);
    draft.stand(settings.lease, stands && canServe, "services");
  }
  if (election === "spread") draft.stand(memberLease(settings, policy.node), canServe, "member");
  const elections = new ServiceElections(
    draft.snapshot,
    draft.path,
    settings,
    (service) => isCandidate(service) && firstClosed(entranceGates(service, settings)) === null,
  );
  for (const service of services.values()) if (isCandidate(service)) planService(draft, service, settings, elections);
}

/** A cluster has thousands of Services that never asked for a VIP: they are not listed at all. */
const isCandidate = (service: ServiceFact): boolean =>
  service.type === "LoadBalancer" || serviceAddresses(service).source !== null;

/** Whether the Service is one of ours; all nodes with one configuration say the same. */
function entranceGates(service: ServiceFact, settings: ServicePolicy): readonly Gate[] {
  return [
    service.type === "LoadBalancer"
      ? open("type", "spec.type is LoadBalancer")
      : closed("type", `spec.type is ${service.type}`, "set spec.type to LoadBalancer"),
    settings.namespace === null || settings.namespace === service.namespace
      ? open("namespace", settings.namespace === null ? "all namespaces are served" : `${service.namespace} is served`)
      : closed("namespace", `only namespace ${settings.namespace} is served`, "change svc_namespace"),
    service.ignored
      ? closed("ignored", 'annotation kube-vip.io/ignore is "true"', "remove the annotation")
      : open("ignored", "no kube-vip.io/ignore annotation"),
    classGate(service, settings),
  ];
}

function planService(draft: Draft, service: ServiceFact, settings: ServicePolicy, elections: ServiceElections): void {
  const named = serviceAddresses(service);
  const entrance = entranceGates(service, settings);
  const decider = elections.deciderOf(service);
  const lease = decider.kind === "lease" ? decider.lease : null;
  const elected = decider.kind !== "every-node";
  const admitted = firstClosed(entrance) === null;
  for (const { word, reason } of named.refused) {
    const gate = closed("address", `${word} in ${named.source}: ${reason}`, "name an address that can be served");
    draft.vips.push({
      owner: service.key,
      address: null,
      path: draft.path,
      announced: false,
      gates: [...entrance, gate],
      lease: null,
    });
  }
  if (named.addresses.length === 0 && named.refused.length === 0) {
    const poolFailure = draft.snapshot.poolFailures?.get(service.key);
    const gate = closed(
      "address",
      poolFailure ?? "neither annotation kube-vip.io/loadbalancerIPs nor spec.loadBalancerIP nor status names one",
      poolFailure === undefined
        ? "set the annotation kube-vip.io/loadbalancerIPs"
        : "extend the pool in its ConfigMap, or set the annotation kube-vip.io/loadbalancerIPs",
    );
    draft.vips.push({
      owner: service.key,
      address: null,
      path: draft.path,
      announced: false,
      gates: [...entrance, gate],
      lease: null,
    });
  }
  const announced: IpAddress[] = [];
  let standing = false;
  for (const address of named.addresses) {
    const gates = [
      ...entrance,
      addressGate(draft, address, named.source),
      endpointGate(draft.snapshot, service, address),
      serviceNodeGate(draft, settings, elected),
    ];
    const { gate, at } = interfaceGate(
      draft.snapshot,
      draft.path,
      address,
      service.serviceInterface ?? settings.interfaceName,
    );
    if (draft.path === "l2" || settings.attach) gates.push(gate);
    standing ||= firstClosed(gates) === null;
    const decision = deciderGate(draft.snapshot, decider);
    if (decision) gates.push(decision);
    const { attributes, gate: attributesGate } = serviceAttributes(service, draft.snapshot.policy.routing);
    if (attributesGate && draft.path === "bgp") gates.push(attributesGate);
    // The rules come before the VIP, so they are wanted as soon as nothing but them is missing.
    if (firstClosed(gates) === null) draft.firewall.add(service, address, settings);
    const guard = firewallGate(service, settings, draft.snapshot.firewallFailure ?? null);
    if (guard) gates.push(guard);
    const { attach } = settings;
    const is = announce(draft, {
      ...{ owner: service.key, address, gates, at, attach, lease, attributes },
      heldBy: decider.kind === "spread" ? decider.member : lease,
      ...(decider.kind === "spread" ? { chosen: decider.chosen.node } : {}),
    });
    if (is) announced.push(address);
  }
  if (decider.kind === "lease" && decider.own && admitted) draft.stand(decider.lease, standing, "service");
  if (announced.length > 0 && settings.updateStatus) {
    draft.statuses.push({
      service,
      addresses: named.addresses,
      ports: service.ports,
      vipHost: elected ? draft.snapshot.policy.node : null,
    });
  }
}

/** A route to an end of a session would leave that session without a next hop, or take the router's own traffic. */
function addressGate({ path, snapshot }: Draft, address: IpAddress, source: string | null): Gate {
  const end = path === "bgp" ? snapshot.sessions.ends?.get(address) : undefined;
  return end === undefined
    ? open("address", `${address} from ${source}`)
    : closed("address", `${address} from ${source} is ${end}`, "name an address that nothing has yet");
}

interface Candidate {
  readonly owner: Owner;
  readonly address: IpAddress;
  readonly gates: readonly Gate[];
  readonly at: InterfaceFact | null;
  readonly attach: boolean;
  readonly lease: LeaseName | null;
  /** The Lease without which this node must not have it. */
  readonly heldBy: LeaseName | null;
  readonly chosen?: string | null;
  readonly attributes: PlannedAttributes;
}

/** Adds the VIP and, when its gates are open, what must be done for it. True when this node announces it. */
function announce(draft: Draft, candidate: Candidate): boolean {
  const { owner, address, gates, at, attach, lease, attributes } = candidate;
  const choice = candidate.chosen === undefined ? {} : { chosen: candidate.chosen };
  const { policy, sessions } = draft.snapshot;
  const admitted = firstClosed(gates) === null;
  if (admitted && at && (attach || draft.path === "l2")) {
    const length = familyOf(address) === 4 ? policy.prefixLengths.ipv4 : policy.prefixLengths.ipv6;
    const here = { address, prefixLength: length, interfaceIndex: at.index, scopeHost: at.loopback };
    // Of several owners of an address one that needs no Lease keeps it.
    const earlier = draft.addresses.get(address);
    const heldBy = earlier && earlier.heldBy === undefined ? null : candidate.heldBy;
    draft.addresses.set(address, heldBy ? { ...here, heldBy: leaseText(heldBy) } : here);
  }
  if (draft.path === "l2") {
    if (admitted && at) draft.segments.set(address, at.index);
    const all = draft.fallback ? [...gates, open("fallback", "no BGP session: ARP and NDP stand in")] : gates;
    draft.vips.push({ owner, address, path: "l2", announced: admitted, gates: all, lease, ...choice });
    return admitted;
  }
  // The route is wanted whether or not a session is up: the speaker keeps it ready for the next one.
  if (admitted) draft.routes.add(hostPrefix(address), owner, attributes);
  const session = sessionGate(sessions, address);
  draft.vips.push({
    owner,
    address,
    path: "bgp",
    announced: admitted && session.open,
    gates: [...gates, session],
    lease,
    ...choice,
  });
  return admitted && session.open;
}

function sessionGate({ configured, established }: Snapshot["sessions"], address: IpAddress): Gate {
  if (configured.length === 0) return closed("session", "no BGP peer is configured", "set bgp_peers");
  const family = familyOf(address);
  const heard = established.filter((it) => it.families.includes(family)).map((it) => it.name);
  if (heard.length > 0) return open("session", `established with ${heard.join(", ")}`);
  return closed(
    "session",
    established.length === 0
      ? `no session with ${configured.join(", ")} is established`
      : `no session carries IPv${family} (established with ${established.map((it) => it.name).join(", ")})`,
    "see the peers in `vipcast status`",
  );
}

/** What keeps this node from serving any Service, whatever that one says. */
function serviceNodeGate(draft: Draft, settings: ServicePolicy, elected: boolean): Gate {
  const { node, policy, stopping } = draft.snapshot;
  if (stopping || node === null) return nodeGate(draft, elected);
  if (settings.honoursExcludeLabel === true && node.excluded)
    return closed("node", `label ${EXCLUDE_LABEL} is on ${policy.node}`, `take the label off ${policy.node}`);
  if (node.networkUnavailable)
    return closed("node", `condition NetworkUnavailable of ${policy.node} is True`, "mend the node's pod network");
  return nodeGate(draft, elected);
}

/** @param elected  another node is to have it: it goes with this daemon, whether that will be back or not */
function nodeGate(draft: Draft, elected: boolean): Gate {
  const { stopping, keeping } = draft.snapshot;
  if (stopping && keeping && !elected) return open("node", "the daemon is stopping, and will be back: the route stays");
  return stopping
    ? closed("node", "the daemon is stopping", "start it again")
    : open("node", `${draft.snapshot.policy.node} is in service`);
}
