import type { Family, IpAddress } from "../addr/ip.ts";
import type { Prefix } from "../addr/prefix.ts";
import type { RouteType } from "../addr/route-type.ts";
import type { Instant } from "../base/time.ts";
import type { Damping, DampingPolicy } from "./endpoint-damping.ts";
import type { EndpointsByService } from "./endpoints.ts";
import type { BackendFact, BalancerPolicy } from "./balancer.ts";
import type { NodeFact, ServiceFact, ServiceKey } from "./facts.ts";

/**
 * `auto`: BGP while a session is up, ARP and NDP by the elected node when none has been for the configured time.
 * `table`: routes in a table of this node's kernel, which a routing daemon beside this one announces.
 */
export type Mode = "bgp" | "arp" | "auto" | "table";

/** How a VIP is made reachable: by announced routes, by answers on the segment, or by routes in the kernel. */
export type Path = "bgp" | "l2" | "table";

/** Whether one node alone may have to answer for an address. */
export const usesSegment = (mode: Mode): boolean => mode === "arp" || mode === "auto";

export interface LeaseName {
  readonly namespace: string;
  readonly name: string;
}

export const leaseText = (lease: LeaseName): string => `${lease.namespace}/${lease.name}`;

/** The Lease by which a node is a member of those that Services are spread over. */
export const memberLease = ({ lease }: Pick<ServicePolicy, "lease">, node: string): LeaseName => ({
  namespace: lease.namespace,
  name: `vipcast-member-${node}`,
});

export interface PrefixLengths {
  readonly ipv4: number;
  readonly ipv6: number;
}

/** What the configuration says, as far as it decides about VIPs. */
export interface Policy {
  readonly node: string;
  readonly mode: Mode;
  readonly fallbackDelayMillis: number;
  /** How long a session must have been up before the fallback gives the VIPs back to BGP. */
  readonly fallbackSettleMillis: number;
  readonly prefixLengths: PrefixLengths;
  readonly controlPlane: ControlPlanePolicy | null;
  readonly services: ServicePolicy | null;
  readonly routing: RoutingPolicy;
  /** Mode `table` only. */
  readonly routeTable?: RouteTablePolicy | null;
}

/** Where routes of VIPs go, and what they look like. */
export interface RouteTablePolicy {
  readonly table: number;
  /** What tells them from the routes of others. */
  readonly protocol: number;
  readonly type: RouteType;
}

/** What routes carry, and may carry. */
export interface RoutingPolicy {
  readonly selections: readonly RouteSelection[];
  readonly allowed: AllowedAttributes;
}

/** A route whose owner fits all parts carries `tag`. With `namespaces`, `services` or `labels` only Services fit. */
export interface RouteSelection {
  readonly tag: string;
  readonly kind: "control-plane" | "services" | null;
  readonly namespaces: readonly string[] | null;
  /** "namespace/name". */
  readonly services: readonly string[] | null;
  readonly labels: Readonly<Record<string, string>>;
}

/** What annotations of Services may set: patterns with `*` for a part, and the highest prepend count. */
export interface AllowedAttributes {
  readonly communities: readonly string[];
  readonly largeCommunities: readonly string[];
  readonly extendedCommunities: readonly string[];
  readonly localPreference: boolean;
  readonly med: boolean;
  readonly maxPrepend: number;
}

export interface ControlPlanePolicy {
  readonly addresses: readonly IpAddress[];
  /** Elect also with BGP; ARP elects regardless, mode `table` never. */
  readonly elected: boolean;
  readonly lease: LeaseName;
  /** Null: `lo` for BGP and in mode `table`, the interface whose subnet holds the address for ARP. */
  readonly interfaceName: string | null;
  /** Whether the local API server must be ready. */
  readonly probed: boolean;
  /** Left out: connections go to the API server of the node that has the VIP. */
  readonly balancer?: BalancerPolicy | null;
}

/** Who announces Services: all nodes, the holder of one Lease, one for each Service, or members by hashing. */
export type ServiceElection = "none" | "global" | "per-service" | "spread";

export interface ServicePolicy {
  /** Null: all namespaces. */
  readonly namespace: string | null;
  readonly className: string;
  readonly classOnly: boolean;
  readonly legacyClassHandling: boolean;
  /** "none" is not for ARP. */
  readonly election: ServiceElection;
  /** A Service may ask for a Lease of its own. */
  readonly onDemand: boolean;
  readonly lease: LeaseName;
  /** Null or "auto": the interface whose subnet holds the address. */
  readonly interfaceName: string | null;
  /** Put the VIPs of Services on an interface with routes, too. */
  readonly attach: boolean;
  readonly updateStatus: boolean;
  /** Nodes with the exclude label serve no Services. Left out: the label means nothing, as to kube-vip. */
  readonly honoursExcludeLabel?: boolean;
  /**
   * How long routes of Services ask for other ways before they go when this node is cordoned. Null, or left out: a
   * cordoned node goes on serving.
   */
  readonly cordonDrainMillis?: number | null;
  /** Left out: endpoints count as soon as they are ready. */
  readonly damping?: DampingPolicy;
  /** The Lease of who gives addresses from pools. Left out: nobody here does. */
  readonly poolLease?: LeaseName | null;
  /** What is enforced by rules in the kernel. Left out: nothing. */
  readonly enforced?: EnforcedPolicy;
}

export interface EnforcedPolicy {
  /** VIPs answer on the ports of their Services only. */
  readonly onlyServicePorts: boolean;
  /** `spec.loadBalancerSourceRanges` */
  readonly sourceRanges: boolean;
}

export interface LeaseFact {
  /** Identity in the Lease as last seen; null when nobody holds it or nothing is known. */
  readonly holder: string | null;
  /** True only while this node may act: before its own renew deadline. */
  readonly isHolder: boolean;
  /** Why the Lease cannot be read or written, in words. */
  readonly error: string | null;
  /** Another daemon renews it under this node's name. */
  readonly isUsurped?: boolean;
}

/** A node that renews its member Lease. */
export interface Member {
  readonly node: string;
  /** Its share of the Services, in proportion to the others'. */
  readonly weight: number;
}

export interface MembersFact {
  readonly live: readonly Member[];
  /** Why this node must not act on what it sees, and what would change that; null when it may. */
  readonly doubt: { readonly fact: string; readonly hint: string } | null;
}

export interface InterfaceFact {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  readonly loopback: boolean;
  /** Addresses with the length of their subnet; VIPs of ours are not among them. */
  readonly subnets: readonly { readonly address: IpAddress; readonly length: number }[];
}

export interface ProbeFact {
  readonly state: "pending" | "ready" | "failed";
  /** What the probe asked and what it got. */
  readonly detail: string;
}

export interface SessionsFact {
  readonly configured: readonly string[];
  /** With the families that are announced on the session. */
  readonly established: readonly { readonly name: string; readonly families: readonly Family[] }[];
  /** Addresses at either end of a session, with what each of them is: no Service can have them. Left out: none known. */
  readonly ends?: ReadonlyMap<IpAddress, string>;
  /** When the first of the sessions that are up now came up; null while none is. */
  readonly upSince: Instant | null;
  /** When the last session went down, or the daemon started; null while one is up. */
  readonly downSince: Instant | null;
}

/** Everything that is known at one moment. */
export interface Snapshot {
  readonly now: Instant;
  readonly policy: Policy;
  /** False until every watch has delivered its first list. */
  readonly synced: boolean;
  readonly services: ReadonlyMap<ServiceKey, ServiceFact>;
  readonly endpoints: EndpointsByService;
  /** Nodes whose endpoints flap. Left out: nobody looks. */
  readonly damping?: Damping;
  /** Null while the Node object of this node is not known. */
  readonly node: NodeFact | null;
  /** Since when this node is known to be cordoned. Null, or left out: it is not. */
  readonly cordonedSince?: Instant | null;
  /** All nodes that are known, by name. Left out: none. */
  readonly nodes?: ReadonlyMap<string, NodeFact>;
  /** Election "spread" only; null until the members were first listed. */
  readonly members?: MembersFact | null;
  /** By "namespace/name" of the Lease. */
  readonly leases: ReadonlyMap<string, LeaseFact>;
  readonly probe: ProbeFact;
  readonly sessions: SessionsFact;
  readonly interfaces: readonly InterfaceFact[];
  /** API servers behind the control-plane VIP; null, or left out, while they are not known. */
  readonly backends?: readonly BackendFact[] | null;
  /** Why a Service got no address from a pool. Left out: this node gives none. */
  readonly poolFailures?: ReadonlyMap<string, string> | null;
  /** Why the kernel has not taken the rules about VIPs. Left out: it has. */
  readonly firewallFailure?: string | null;
  /** Why the kernel has not taken a route of the table. Left out: it has taken all. */
  readonly tableFailures?: ReadonlyMap<Prefix, string>;
  /** Whether the fallback of mode `auto` was active in the plan before this one. */
  readonly wasFallback: boolean;
  /** The daemon is stopping: nothing may be announced any more, except as `keeping` says. */
  readonly stopping: boolean;
  /** Of a stop: the daemon will be back, and what every node announces stays. */
  readonly keeping: boolean;
}
