import { familyOf, type IpAddress } from "../addr/ip.ts";
import { hostPrefix, type Prefix } from "../addr/prefix.ts";
import { closed, firstClosed, type Gate, open, openAlike } from "./gates.ts";
import type { AddressPlan, Owner, StatusPlan, VipPlan } from "./plan.ts";
import type { OwnedRoute, PlannedAttributes } from "./route-attributes.ts";
import {
  type InterfaceFact,
  type LeaseName,
  leaseText,
  type Path,
  type SessionsFact,
  type Snapshot,
} from "./snapshot.ts";
import { routeGate, type TableRoute, tableRoute } from "./table-routes.ts";

/**
 * What all owners of VIPs are judged by alike. A Service's part of the plan follows from this, from the Service, its
 * endpoints and the election, and from nothing else: that is what lets it be used again.
 */
export interface View extends Pick<Snapshot, "policy" | "node" | "interfaces" | "stopping" | "keeping"> {
  readonly path: Path;
  readonly fallback: boolean;
  readonly sessions: Pick<SessionsFact, "configured" | "established" | "ends">;
  readonly firewallFailure: string | null;
  /** A cordoned node that is to give its Services away: first routers are asked for other ways, then the routes go. */
  readonly drain: "none" | "begun" | "over";
  /** Why the kernel has not taken a route of the table. */
  readonly tableFailures: ReadonlyMap<Prefix, string>;
}

const NO_FAILURES: View["tableFailures"] = new Map();

export function viewOf(snapshot: Snapshot, { path, fallback, drain }: Pick<View, "path" | "fallback" | "drain">): View {
  const { policy, node, interfaces, stopping, keeping, firewallFailure = null, tableFailures = NO_FAILURES } = snapshot;
  const { configured, established, ends } = snapshot.sessions;
  const sessions = { configured, established, ...(ends === undefined ? {} : { ends }) };
  const judged = { path, fallback, drain };
  return { policy, node, interfaces, stopping, keeping, ...judged, sessions, firewallFailure, tableFailures };
}

/** What one owner adds to the plan. */
export interface Share {
  readonly vips: readonly VipPlan[];
  readonly routes: readonly OwnedRoute[];
  readonly tableRoutes: readonly TableRoute[];
  readonly addresses: readonly AddressPlan[];
  readonly segments: readonly { readonly address: IpAddress; readonly interfaceIndex: number }[];
  /** Addresses that the firewall is to know of: nothing but its rules is missing, if anything is. */
  readonly guarded: readonly IpAddress[];
  readonly status: StatusPlan | null;
  /** The node could serve it, whoever is elected. */
  readonly stands: boolean;
}

export interface Candidate {
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

/** A share while it is being made. */
export class ShareDraft {
  readonly vips: VipPlan[] = [];
  readonly routes: OwnedRoute[] = [];
  readonly tableRoutes: TableRoute[] = [];
  readonly addresses: AddressPlan[] = [];
  readonly segments: Share["segments"][number][] = [];
  readonly guarded: IpAddress[] = [];
  status: StatusPlan | null = null;
  stands = false;

  /** Adds the VIP and, when its gates are open, what must be done for it. True when this node announces it. */
  announce(view: View, candidate: Candidate): boolean {
    const { owner, address, gates, at, attach, lease, heldBy, attributes } = candidate;
    const { policy, path } = view;
    const choice = candidate.chosen === undefined ? {} : { chosen: candidate.chosen };
    const admitted = firstClosed(gates) === null;
    if (admitted && at && (attach || path === "l2")) {
      const prefixLength = familyOf(address) === 4 ? policy.prefixLengths.ipv4 : policy.prefixLengths.ipv6;
      const here = { address, prefixLength, interfaceIndex: at.index, scopeHost: at.loopback };
      this.addresses.push(heldBy ? { ...here, heldBy: leaseText(heldBy) } : here);
    }
    if (path === "l2") {
      if (admitted && at) this.segments.push({ address, interfaceIndex: at.index });
      const all = view.fallback ? [...gates, FALLBACK] : gates;
      this.vips.push({ owner, address, path, announced: admitted, gates: all, lease, ...choice });
      return admitted;
    }
    // A route is wanted whether or not a session is up: the speaker keeps it ready for the next one.
    if (admitted && path === "bgp") this.routes.push({ prefix: hostPrefix(address), owner, attributes });
    const { routeTable } = policy;
    if (admitted && routeTable) this.tableRoutes.push(tableRoute(address, at, heldBy === null, routeTable));
    const last = routeTable ? routeGate(view.tableFailures, address, routeTable) : sessionGate(view, address);
    const announced = admitted && last.open;
    this.vips.push({ owner, address, path, announced, gates: [...gates, last], lease, ...choice });
    return announced;
  }

  finish(): Share {
    const { status, stands } = this;
    return {
      ...{ status, stands },
      vips: trimmed(this.vips),
      routes: trimmed(this.routes),
      tableRoutes: trimmed(this.tableRoutes),
      addresses: trimmed(this.addresses),
      segments: trimmed(this.segments),
      guarded: trimmed(this.guarded),
    };
  }
}

const FALLBACK = open("fallback", "no BGP session: ARP and NDP stand in");

/** One empty list for all: most lists of most Services are. What lasts has no room for more. */
const NONE: readonly never[] = [];
const trimmed = <T>(list: readonly T[]): readonly T[] => (list.length === 0 ? NONE : list.slice());

/** Thousands of VIPs are told the same of the sessions. */
const sessionGates = new WeakMap<View["sessions"], Map<number, Gate>>();

function sessionGate({ sessions }: View, address: IpAddress): Gate {
  const family = familyOf(address);
  let known = sessionGates.get(sessions);
  if (known === undefined) sessionGates.set(sessions, (known = new Map()));
  let gate = known.get(family);
  if (gate === undefined) known.set(family, (gate = judgeSessions(sessions, family)));
  return gate;
}

function judgeSessions({ configured, established }: View["sessions"], family: number): Gate {
  if (configured.length === 0)
    return closed(
      "session",
      "this node has no BGP peer",
      "set bgp_peers, or the labels or annotations of the Node that peers depend on",
    );
  const heard = established.filter((it) => it.families.some((one) => one === family)).map((it) => it.name);
  if (heard.length > 0) return open("session", `established with ${heard.join(", ")}`);
  return closed(
    "session",
    established.length === 0
      ? `no session with ${configured.join(", ")} is established`
      : `no session carries IPv${family} (established with ${established.map((it) => it.name).join(", ")})`,
    "see the peers in `vipcast status`",
  );
}

/** @param elected  another node is to have it: it goes with this daemon, whether that will be back or not */
export function nodeGate(
  { stopping, keeping, policy }: Pick<View, "stopping" | "keeping" | "policy">,
  elected: boolean,
): Gate {
  if (stopping && keeping && !elected) return open("node", "the daemon is stopping, and will be back: the route stays");
  return stopping
    ? closed("node", "the daemon is stopping", "start it again")
    : openAlike("node", `${policy.node} is in service`);
}
