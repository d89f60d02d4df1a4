import type { Family, IpAddress, Ipv4, Ipv6 } from "../addr/ip.ts";
import type { Prefix } from "../addr/prefix.ts";
import type { RouteType } from "../addr/route-type.ts";
import type {
  ExportSettings,
  GracefulRestartSettings,
  ImportSettings,
  MaxPrefixesSettings,
  RouteSelector,
  SecretSource,
  ServiceAttributeSettings,
} from "./settings-policy.ts";

/**
 * What the daemon runs with: every value checked, branded and complete. Nothing downstream validates again or knows
 * where a value came from. A section that is off is null, and so is a choice that is left to the machine.
 */
export interface Settings {
  /**
   * `auto`: BGP, and ARP/NDP by the elected node while no session has been up for `fallback.delaySeconds`. `table`: routes
   * in the kernel.
   */
  readonly mode: "bgp" | "arp" | "auto" | "table";
  /** Lower case. Identity in Leases, and the node name in EndpointSlices. Null: the host's name. */
  readonly nodeName: string | null;
  /** Length of a VIP's prefix on an interface; routes are announced as /32 and /128 whatever this says. */
  readonly prefixLengths: { readonly ipv4: number; readonly ipv6: number };
  readonly controlPlane: ControlPlaneSettings | null;
  readonly services: ServicesSettings | null;
  readonly election: ElectionSettings;
  /** Null: elections are by Leases. */
  readonly etcd: EtcdSettings | null;
  /** Null in the modes `arp` and `table`. */
  readonly bgp: BgpSettings | null;
  readonly arp: {
    /** Time between two announcements of a VIP that this node holds. */
    readonly intervalMillis: number;
  };
  /** Mode `auto` only. */
  readonly fallback: {
    /** How long no session may have been up before ARP and NDP stand in. */
    readonly delaySeconds: number;
    /** How long a session must have been up before BGP takes over again. */
    readonly settleSeconds: number;
  };
  /** Null in other modes than `table`. */
  readonly routeTable: RouteTableSettings | null;
  readonly kubernetes: KubernetesSettings;
  /** Prometheus; null turns it off. */
  readonly metrics: ListenAddress | null;
  /** `/livez`, `/readyz` and kube-vip's `/healthz`; null turns it off. Listens on all addresses, as kube-vip does. */
  readonly health: { readonly port: number } | null;
  readonly log: { readonly level: LogLevel };
  readonly status: {
    /** Absolute path of the Unix socket that `vipcast status` asks. */
    readonly socketPath: string;
  };
}

type LogLevel = "debug" | "info" | "warn" | "error";

export interface ListenAddress {
  /** Null: all addresses of both families. */
  readonly address: IpAddress | null;
  readonly port: number;
}

export interface RouteTableSettings {
  readonly table: number;
  /** Number that our routes carry. */
  readonly protocol: number;
  readonly type: RouteType;
  /** On start, routes of this table and protocol that are not ours go, too. */
  readonly cleans: boolean;
  /** A stop of a node in service leaves the routes that every node has for the next start. */
  readonly keepOnStop: boolean;
}

/** A Lease. A null namespace is the pod's own (the token's namespace file), and outside a pod `kubernetes.namespace`. */
export interface LeaseSettings {
  readonly namespace: string | null;
  readonly name: string;
}

export interface ControlPlaneSettings {
  /** At least one, no duplicates, in the order given. */
  readonly addresses: readonly IpAddress[];
  /** Port of the API server. */
  readonly port: number;
  /** Interface that gets the VIP. Null: `lo` with BGP and in mode `table`, the interface whose subnet holds the address with ARP. */
  readonly interfaceName: string | null;
  /** Announce only while holding `lease`. Always true in mode `arp`, never in mode `table`. */
  readonly elected: boolean;
  readonly lease: LeaseSettings;
  /** Written to the control-plane Lease. */
  readonly leaseAnnotations: Readonly<Record<string, string>>;
  /** Null: connections go to the API server of the node that has the VIP. */
  readonly balancer: BalancerSettings | null;
  /** Null: announce whatever the API server says. */
  readonly healthCheck: HealthCheckSettings | null;
}

/**
 * Probe of the API server that stands behind the control-plane VIP on this node: GET, healthy is exactly 200, unhealthy
 * after `failureThreshold` failures in a row. The next probe starts `periodMillis` after the start of the last, or at
 * once when that one took longer: with the defaults a dead or a hung server is found in under a second.
 */
export interface HealthCheckSettings {
  /**
   * `local`: the API server of this node, `https://127.0.0.1:<port>/readyz`, trusted by the cluster's CA under the name
   * `kubernetes.default.svc` (its certificate need not name 127.0.0.1) and asked with the daemon's own credentials (where
   * anonymous requests are refused, /readyz answers 401 to everyone else). `url`: as kube-vip, system roots plus `caFile`,
   * no credentials.
   */
  readonly kind: "local" | "url";
  readonly url: string;
  readonly caFile: string | null;
  readonly periodMillis: number;
  readonly timeoutMillis: number;
  readonly failureThreshold: number;
}

export interface ServicesSettings {
  /** Null: all namespaces. */
  readonly namespace: string | null;
  /** Who announces; never `none` in mode `arp`. */
  readonly election: "none" | "global" | "per-service" | "spread";
  /** A Service may ask for a Lease of its own. */
  readonly perServiceElectionOnDemand: boolean;
  /** With `spread`: this node's share of the Services. */
  readonly spreadWeight: number;
  /** The Lease for all Services. */
  readonly lease: LeaseSettings;
  /** `spec.loadBalancerClass` to serve. Empty: Services without a class (only with strict handling). */
  readonly className: string;
  /** Legacy handling: leave Services without a class alone. */
  readonly classOnly: boolean;
  /** Legacy handling serves Services without a class, too. */
  readonly legacyClassHandling: boolean;
  /** Null and "auto": the interface whose subnet holds the address, with BGP and in mode `table` `lo`. */
  readonly interfaceName: string | null;
  /** Put the VIPs on an interface with BGP and in mode `table`, too. */
  readonly attach: boolean;
  /** Write Service status and annotations. */
  readonly updateStatus: boolean;
  /** Nodes with the label exclude-from-external-load-balancers serve no Services. */
  readonly honoursExcludeLabel: boolean;
  /** A node that is cordoned gives its Services away. */
  readonly drainsCordoned: boolean;
  /** How long an endpoint must have been ready before its node announces a Service with policy Local. */
  readonly minimumReadyMillis: number;
  /** Of nodes whose endpoints flap: the longest that they are held down; 0 never. */
  readonly holdDownMaxMillis: number;
  /** Null: nobody here gives addresses. */
  readonly pools: PoolSettings | null;
  /** VIPs answer on the ports of their Services only. */
  readonly onlyServicePorts: boolean;
  /** Enforce `spec.loadBalancerSourceRanges`. */
  readonly sourceRanges: boolean;
}

/** client-go's three numbers: `lease` > `renewDeadline` > 1.2 × `retryPeriod`. */
/** Connections to the control-plane VIP, spread in the kernel over the API servers that answer /readyz. */
export interface BalancerSettings {
  /** Of the VIP; that of the API servers is the control plane's. */
  readonly port: number;
  readonly method: "masquerade" | "local";
  readonly algorithm: "round-robin" | "random" | "source-hash";
  readonly probeMillis: number;
}

export interface PoolSettings {
  /** The ConfigMap; a null namespace is the daemon's own. */
  readonly configMap: LeaseSettings;
  readonly lease: LeaseSettings;
}

/** Client URLs without a path, and PEM files; null where there is none. */
export interface EtcdSettings {
  readonly endpoints: readonly string[];
  readonly caFile: string | null;
  readonly certFile: string | null;
  readonly keyFile: string | null;
}

export interface ElectionSettings {
  readonly leaseDurationSeconds: number;
  readonly renewDeadlineSeconds: number;
  readonly retryPeriodSeconds: number;
  /** Elected VIPs expire in the kernel; never with less than 2 s between deadline and duration. */
  readonly addressLifetimes: boolean;
}

export interface BgpSettings {
  readonly localAs: number;
  /** Null: first IPv4 address of `routerInterface`, and without one of the node. */
  readonly routerId: Ipv4 | null;
  readonly routerInterface: string | null;
  /**
   * On each node names are unique, and so are pairs of address and port, and interfaces of unnumbered peers. Empty with
   * `annotated`.
   */
  readonly peers: readonly PeerSettings[];
  /** Peers are in annotations of the Node: null without. */
  readonly annotated: AnnotatedSettings | null;
  /** What this comes to on one node; null where it is the same on every node. */
  readonly onNode: OnNode | null;
  /** Names are unique. Empty without `listen`. */
  readonly dynamicNeighbours: readonly DynamicNeighbourSettings[];
  /** Where sessions are accepted; null: the daemon only dials. */
  readonly listen: ListenAddress | null;
  /** What the export rules of all peers tell apart. */
  readonly routeSelectors: readonly RouteSelector[];
  /** What annotations of Services may set. */
  readonly serviceAttributes: ServiceAttributeSettings;
  /** How long routes carry GRACEFUL_SHUTDOWN before a stop withdraws them. */
  readonly drainMillis: number;
  /** A stop of a node in service leaves routes and addresses for the next start. */
  readonly keepOnStop: boolean;
}

export interface AnnotatedSettings {
  readonly prefix: string;
  /** What the sessions are like, as far as the annotations do not say. */
  readonly session: SessionSettings;
}

/** Labels and annotations of the own Node. */
export interface NodeMarks {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * Pure.
 *
 * @param node  null while it is not known
 * @param kept  of the result before, empty at first
 */
export type OnNode = (node: NodeMarks | null, kept: KeptAnnotations) => NodeBgp;

/** Texts of annotations that are in use. Secret: a password may be among them. */
export type KeptAnnotations = ReadonlyMap<string, string>;

export interface NodeBgp {
  /** With the node's AS and its peers; null while it is not known what they are. */
  readonly settings: BgpSettings | null;
  /** Names of peers of which it is not known yet whether this node has them. */
  readonly undecided: ReadonlySet<string>;
  /** What is wrong with the annotations, each as a sentence without secrets. */
  readonly troubles: readonly string[];
  readonly kept: KeptAnnotations;
}

/** What a session with one peer, or with each of a range of peers, is like. */
export interface SessionSettings {
  /** 1..4294967295; `external`: any but ours, `internal`: ours. */
  readonly as: number | "external" | "internal";
  /** TCP-MD5 key (RFC 2385), at most 80 octets. */
  readonly password: SecretSource | null;
  /** More than one hop away: `ttl` is 50 for an external peer, as kube-vip, or the number. */
  readonly multihop: boolean | number;
  /** TTL or hop limit of what we send: 1 to a direct external peer, 64 to an internal peer, 255 with `minTtl`. */
  readonly ttl: number;
  /** GTSM: what arrives with less is dropped; null without. */
  readonly minTtl: number | null;
  /** Offered hold time; 0 (no keepalives) or 3 and more (RFC 4271 §4.2). */
  readonly holdTimeSeconds: number;
  /** Least hold time that the peer may offer; null: 3. */
  readonly minHoldTimeSeconds: number | null;
  /** At most a third of the hold time; 0 when that is 0. The session uses the smaller of this and a third of what was negotiated. */
  readonly keepaliveSeconds: number;
  readonly connectRetrySeconds: number;
  /** 0: none. */
  readonly delayOpenSeconds: number;
  /** 0 turns it off; null: RFC 9687's. */
  readonly sendHoldTimeSeconds: number | null;
  readonly maxIdleSeconds: number | null;
  readonly userTimeoutMillis: number | null;
  /** TCP payload in one segment, in octets; null: what the path takes. */
  readonly maxSegmentLength: number | null;
  /** Null: CS6. */
  readonly trafficClass: number | null;
  /** Families offered to the peer, 4 before 6; at least one. */
  readonly families: readonly Family[];
  /** Families without which there is no session; a part of `families`. */
  readonly requiredFamilies: readonly Family[];
  readonly extendedNextHop: boolean;
  readonly addPathReceive: boolean;
  readonly role: "provider" | "customer" | "peer" | "route-server" | "route-server-client" | null;
  readonly strictRole: boolean;
  readonly enforceFirstAs: boolean;
  readonly nextHop: NextHopSettings;
  /** Null: nothing that is received may be used. */
  readonly importPolicy: ImportSettings | null;
  /** Null: every VIP is announced as it is. */
  readonly exportPolicy: ExportSettings | null;
  readonly maxPrefixes: MaxPrefixesSettings | null;
  /** Null: no time is asked for, and none given. */
  readonly gracefulRestart: GracefulRestartSettings | null;
  /** Null: no BFD session with this peer. */
  readonly bfd: BfdSettings | null;
}

export interface PeerSettings extends SessionSettings {
  /** The address or the interface as text unless the file gives a name. */
  readonly name: string;
  /** Null: unnumbered, the router that advertises itself on `sourceInterface`. */
  readonly address: IpAddress | null;
  readonly port: number;
  /** Labels of the nodes that have this peer; null: all nodes. */
  readonly nodeSelector: NodeMarks["labels"] | null;
  /** Never dials; only with `listen`. */
  readonly passive: boolean;
  /** Never together with `sourceInterface`, except where the peer's address is link-local. */
  readonly sourceAddress: IpAddress | null;
  /** Bind to this device. Set whenever `address` is link-local, or null. */
  readonly sourceInterface: string | null;
}

/** Peers that connect from within a range; always passive. */
export interface DynamicNeighbourSettings extends SessionSettings {
  /** Peers are called by this and their address. */
  readonly name: string;
  readonly prefix: Prefix;
  readonly countMax: number;
}

/** One BFD session (RFC 5880, asynchronous mode) that watches the path to a peer. */
export interface BfdSettings {
  /** Desired Min TX Interval. Under 50 ms only with `fastTimers`. */
  readonly transmitMillis: number;
  /** Required Min RX Interval. Under 50 ms only with `fastTimers`. */
  readonly receiveMillis: number;
  /** Detect Mult, 1..255. */
  readonly multiplier: number;
  /** Wait for the peer's first packet (RFC 5880 §6.1). */
  readonly passive: boolean;
  /** Null: single hop (port 3784, TTL 255). Else multihop (port 4784), and packets must arrive with at least this TTL. */
  readonly minimumTtl: number | null;
  readonly auth: BfdAuthSettings | null;
  /** BGP waits until this session is up, where both sides can (BFD strict mode). */
  readonly strict: boolean;
  /** The override without which intervals under 50 ms are refused. */
  readonly fastTimers: boolean;
}

/** RFC 5880 §4.2 to §4.4. */
export interface BfdAuthSettings {
  readonly type: "simple" | "md5" | "meticulous-md5" | "sha1" | "meticulous-sha1";
  /** 0..255. */
  readonly keyId: number;
  /** 1 to 16 octets in UTF-8; with SHA1 up to 20. */
  readonly key: string;
}

/**
 * The next hop of what is announced, per family.
 *
 * `session`: the session's own local address; for the other family the first address of it that is neither link-local
 * nor a VIP on the interface that holds the session's local address. `fixed`: the address given, and as `session` for a
 * family without one. `interface`: the first such address of each family on that interface.
 */
export type NextHopSettings =
  | { readonly kind: "session" }
  | { readonly kind: "fixed"; readonly ipv4: Ipv4 | null; readonly ipv6: Ipv6 | null }
  | { readonly kind: "interface"; readonly interfaceName: string };

interface KubernetesSettings {
  /** Null, and `/etc/kubernetes/admin.conf`: that file if it exists, then `$HOME/.kube/config`, then in-cluster. */
  readonly kubeconfig: string | null;
  /** Replaces the server address of the kubeconfig. */
  readonly address: string | null;
  /** Namespace of Leases outside a pod. */
  readonly namespace: string;
}
