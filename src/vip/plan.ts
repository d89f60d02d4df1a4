/**
 * The decision: everything known in, everything this node must do out, with the reasons.
 *
 * `plan` is pure and total: equal snapshots give equal plans, and no Service, however odd, can make it throw. Each VIP
 * passes through a list of gates. What a passed VIP leads to depends on the path: routes for BGP or in the kernel, an
 * address and announcements for ARP and NDP. Elections are part of the plan as well: it says which Leases this node
 * stands for, the electors carry that out, and their outcome comes back with the next snapshot.
 */
import type { IpAddress } from "../addr/ip.ts";
import type { Prefix } from "../addr/prefix.ts";
import { Instant } from "../base/time.ts";
import { nodeGate, type Share, ShareDraft, type View, viewOf } from "./announce.ts";
import { type BalancerPlan, planBalancer } from "./balancer.ts";
import { slicesOf } from "./endpoints.ts";
import type { ServiceFact, ServiceKey, ServicePortFact } from "./facts.ts";
import { anticipatesFallback, judgeFallback } from "./fallback.ts";
import { FirewallBook, type FirewallPlan } from "./firewall.ts";
import { closed, firstClosed, type Gate, open } from "./gates.ts";
import { anyInterfaceUp, interfaceGate } from "./interface-gate.ts";
import { PlanMemory } from "./plan-memory.ts";
import { controlPlaneAttributes, type PlannedAttributes, RouteBook } from "./route-attributes.ts";
import { electionGate, electionOn, ServiceElections } from "./service-election.ts";
import { entranceGates, isCandidate, planService, type ServiceCase, serviceNodeGate } from "./service-plan.ts";
import { type LeaseName, leaseText, memberLease, type Path, type Snapshot, usesSegment } from "./snapshot.ts";
import { type TableRoute, TableRouteBook } from "./table-routes.ts";

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
  /** The Service says all of this already. */
  readonly isWritten: boolean;
}

export interface Plan {
  readonly vips: readonly VipPlan[];
  readonly routes: ReadonlyMap<Prefix, PlannedAttributes>;
  /** Routes in this node's kernel; of mode `table` only. */
  readonly tableRoutes: ReadonlyMap<Prefix, TableRoute>;
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

/** @param memory  of the plans before: what has not changed is not made again */
export function plan(snapshot: Snapshot, memory = new PlanMemory()): Plan {
  const { fallback, replanAt } = judgeFallback(snapshot);
  const { mode } = snapshot.policy;
  const path: Path = mode === "table" ? "table" : mode === "arp" || fallback ? "l2" : "bgp";
  const { drain, endsAt } = judgeDrain(snapshot, path);
  const draft = new Draft(snapshot, viewOf(snapshot, { path, fallback, drain }), memory.routes);
  memory.begin(draft.view, snapshot.endpoints);
  planControlPlane(draft);
  planServices(draft, memory);
  memory.end();
  return draft.finish(Instant.earliest(replanAt, endsAt));
}

/** Only routers can be asked to prefer other ways; whatever else leads here goes at once. */
function judgeDrain(
  { policy, cordonedSince = null, now }: Snapshot,
  path: Path,
): { drain: View["drain"]; endsAt: Instant | null } {
  const drainMillis = policy.services?.cordonDrainMillis ?? null;
  if (drainMillis === null || cordonedSince === null) return { drain: "none", endsAt: null };
  const endsAt = Instant.add(cordonedSince, drainMillis);
  return path !== "bgp" || now >= endsAt ? { drain: "over", endsAt: null } : { drain: "begun", endsAt };
}

/** The plan while it is being made. */
class Draft {
  readonly snapshot: Snapshot;
  readonly view: View;
  readonly vips: VipPlan[] = [];
  readonly routes: RouteBook;
  readonly tableRoutes = new TableRouteBook();
  readonly addresses = new Map<IpAddress, AddressPlan>();
  readonly segments = new Map<IpAddress, number>();
  readonly leases = new Map<string, LeasePlan>();
  readonly statuses: StatusPlan[] = [];
  readonly firewall = new FirewallBook();
  /** VIPs of the control plane that this node serves. */
  readonly balanced: IpAddress[] = [];

  constructor(snapshot: Snapshot, view: View, routes: RouteBook) {
    this.snapshot = snapshot;
    this.view = view;
    this.routes = routes;
  }

  add(share: Share): void {
    for (const vip of share.vips) this.vips.push(vip);
    for (const route of share.routes) this.routes.add(route);
    for (const route of share.tableRoutes) this.tableRoutes.add(route);
    for (const address of share.addresses) {
      // Of several owners of an address one that needs no Lease keeps it.
      const earlier = this.addresses.get(address.address);
      const isFree = earlier !== undefined && earlier.heldBy === undefined;
      if (!isFree || address.heldBy === undefined) this.addresses.set(address.address, address);
    }
    for (const { address, interfaceIndex } of share.segments) this.segments.set(address, interfaceIndex);
    if (share.status !== null) this.statuses.push(share.status);
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
      tableRoutes: this.tableRoutes.routes,
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
      fallback: this.view.fallback,
      settled: this.#settled(),
      complete: this.#complete(),
      replanAt: Instant.earliest(replanAt, this.snapshot.damping?.nextAt ?? null),
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
    const elected = this.view.path === "l2" || controlPlane?.elected || (services && services.election !== "none");
    const probePending = policy.controlPlane?.probed === true && probe.state === "pending";
    const listsPending = policy.services?.attach === true && !synced;
    return stopping || elected === true || (!probePending && !listsPending);
  }
}

function planControlPlane(draft: Draft): void {
  const { policy, probe } = draft.snapshot;
  const settings = policy.controlPlane;
  if (!settings) return;
  const { view } = draft;
  const elected = view.path === "l2" || settings.elected;
  const apiServer = !settings.probed
    ? open("api-server", "not probed: the health check is turned off")
    : probe.state === "ready"
      ? open("api-server", probe.detail)
      : closed("api-server", probe.detail, "start or repair the API server on this node");
  const node = nodeGate(view, elected);
  // In mode `auto` the Lease is for the segment only; with a session up nobody needs it.
  if (settings.elected || usesSegment(policy.mode)) {
    const interfaceIsUp = settings.addresses.some(
      (address) => interfaceGate(view, view.path, address, settings.interfaceName).gate.open,
    );
    const stands = elected || anticipatesFallback(draft.snapshot);
    draft.stand(settings.lease, stands && apiServer.open && node.open && interfaceIsUp, "control-plane");
  }
  const share = new ShareDraft();
  for (const address of settings.addresses) {
    const gates = [open("address", `${address} from the configuration`), apiServer, node];
    // Before the election: a node without the interface does not stand, and that is the reason to tell.
    const { gate, at } = interfaceGate(view, view.path, address, settings.interfaceName);
    gates.push(gate);
    if (elected) gates.push(electionGate(draft.snapshot, settings.lease));
    if (firstClosed(gates) === null) draft.balanced.push(address);
    share.announce(view, {
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
  draft.add(share.finish());
}

function planServices(draft: Draft, memory: PlanMemory): void {
  const settings = draft.snapshot.policy.services;
  if (!settings) return;
  const { snapshot, view } = draft;
  const { policy, services } = snapshot;
  const canServe = serviceNodeGate(view, settings, true).open && (view.path !== "l2" || anyInterfaceUp(view));
  if (settings.poolLease) draft.stand(settings.poolLease, nodeGate(view, true).open, "pools");
  const election = electionOn(view.path, settings);
  // The global Lease is stood for even without Services: kube-vip does, and a takeover then needs no first write.
  // In mode `auto` it is known before it is needed.
  if (election === "global" || (election === "none" && policy.mode === "auto")) {
    const stands = election === "global" || anticipatesFallback(draft.snapshot);
    draft.stand(settings.lease, stands && canServe, "services");
  }
  if (election === "spread") draft.stand(memberLease(settings, policy.node), canServe, "member");
  const elections = new ServiceElections(
    snapshot,
    view.path,
    settings,
    (service) => isCandidate(service) && firstClosed(entranceGates(service, settings)) === null,
  );
  const held = snapshot.damping?.holds ?? null;
  for (const service of services.values()) {
    if (!isCandidate(service)) continue;
    const decider = elections.deciderOf(service);
    const decision = elections.decisionOn(decider);
    const holds = (held && held.get(service.key)) ?? null;
    const poolFailure = snapshot.poolFailures?.get(service.key);
    let share = memory.recall(service, holds, decider, decision, poolFailure);
    if (share === null) {
      const slices = slicesOf(snapshot.endpoints, service);
      const one: ServiceCase = { service, slices, holds, decider, decision, poolFailure };
      memory.remember(one, (share = planService(view, settings, one)));
    }
    draft.add(share);
    for (const address of share.guarded) draft.firewall.add(service, address, settings);
    if (decider.kind === "lease" && decider.own && elections.isAdmitted(service))
      draft.stand(decider.lease, share.stands, "service");
  }
}
