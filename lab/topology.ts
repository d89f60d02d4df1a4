/**
 * The rack, described once. `rack/namespaces.ts` makes network namespaces of it, `containerlab.ts` a containerlab
 * file; neither knows anything about the rack that is not written here.
 *
 * ```
 *                          ┌── n1 ──┐
 *   client ──── router ──lan── n2 ──mgmt── api
 *                          └── n3 ──┘
 * ```
 *
 * `lan` and `mgmt` are bridges in a namespace of their own, so that a node can be taken off them without any host
 * seeing its carrier go: a dead switch path, as after a power loss behind a switch. `mgmt` carries nothing but the
 * nodes' access to the Kubernetes API, which therefore survives whatever happens to the LAN and the router.
 */

export interface Address {
  readonly v4: string;
  readonly v6: string;
}

interface Interface {
  readonly name: string;
  readonly segment: SegmentName;
  /** Addresses without length; the segment has it. */
  readonly address: Address;
}

export interface Host {
  readonly name: string;
  readonly role: "client" | "router" | "node" | "api";
  readonly interfaces: readonly Interface[];
  readonly defaultGateway: Address | null;
  readonly forwards: boolean;
}

export type SegmentName = "lan" | "mgmt" | "uplink";

export interface Segment {
  readonly name: SegmentName;
  /** A cable joins exactly two interfaces; a bridge any number. */
  readonly kind: "bridge" | "cable";
  readonly lengths: { readonly v4: number; readonly v6: number };
}

export interface Topology {
  /** The host that holds the bridges and nothing else. */
  readonly switchName: string;
  readonly segments: readonly Segment[];
  readonly hosts: readonly Host[];
}

export const NODE_NAMES = ["n1", "n2", "n3"] as const;
export type NodeName = (typeof NODE_NAMES)[number];

export const ROUTER_AS = 65_000;
export const NODE_AS = 65_001;

/** Mode `table`: where the nodes' routing daemons look for routes, kube-vip's defaults. */
export const VIP_TABLE = 198;
export const TABLE_PROTOCOL = 248;
export const MAIN_TABLE = 254;

const lan = (host: number): Address => ({ v4: `10.10.0.${host}`, v6: `fd10::${host}` });
const mgmt = (host: number): Address => ({ v4: `10.30.0.${host}`, v6: `fd30::${host}` });
const uplink = (host: number): Address => ({ v4: `10.20.0.${host}`, v6: `fd20::${host}` });

export const ROUTER_LAN = lan(1);
export const API_ADDRESS = mgmt(1);
export const LAN_INTERFACE = "eth1";
export const API_PORT = 6443;
export const WORKLOAD_PORT = 8080;

/** The virtual addresses that the scenarios use. Those in `onLan` lie in the nodes' own subnet, for ARP and NDP. */
export const VIPS = {
  controlPlane: { v4: "10.40.0.1", v6: "fd40::1" },
  web: { v4: "10.40.0.10", v6: "fd40::10" },
  webMoved: { v4: "10.40.0.11", v6: "fd40::11" },
  local: { v4: "10.40.0.20", v6: "fd40::20" },
  onLan: { v4: "10.10.0.100", v6: "fd10::100" },
} as const satisfies Record<string, Address>;

/**
 * The standard rack. With `clientOnLan` the client has a leg in the nodes' segment instead of the one to the router,
 * so that it resolves virtual addresses itself.
 */
export function rackTopology({ clientOnLan }: { readonly clientOnLan: boolean }): Topology {
  const client: Host = clientOnLan
    ? {
        name: "client",
        role: "client",
        interfaces: [{ name: "eth1", segment: "lan", address: lan(50) }],
        defaultGateway: ROUTER_LAN,
        forwards: false,
      }
    : {
        name: "client",
        role: "client",
        interfaces: [{ name: "eth1", segment: "uplink", address: uplink(2) }],
        defaultGateway: uplink(1),
        forwards: false,
      };
  const router: Host = {
    name: "router",
    role: "router",
    interfaces: [
      { name: "eth1", segment: "lan", address: ROUTER_LAN },
      ...(clientOnLan ? [] : [{ name: "eth2", segment: "uplink", address: uplink(1) } as const]),
    ],
    defaultGateway: null,
    forwards: true,
  };
  const nodes = NODE_NAMES.map((name, index): Host => ({
    name,
    role: "node",
    interfaces: [
      { name: LAN_INTERFACE, segment: "lan", address: lan(11 + index) },
      { name: "eth2", segment: "mgmt", address: mgmt(11 + index) },
    ],
    defaultGateway: ROUTER_LAN,
    forwards: false,
  }));
  const api: Host = {
    name: "api",
    role: "api",
    interfaces: [{ name: "eth1", segment: "mgmt", address: API_ADDRESS }],
    defaultGateway: null,
    forwards: false,
  };
  return {
    switchName: "sw",
    segments: [
      { name: "lan", kind: "bridge", lengths: { v4: 24, v6: 64 } },
      { name: "mgmt", kind: "bridge", lengths: { v4: 24, v6: 64 } },
      ...(clientOnLan ? [] : [{ name: "uplink", kind: "cable", lengths: { v4: 24, v6: 64 } } as const]),
    ],
    hosts: [client, router, ...nodes, api],
  };
}

export const nodesOf = (topology: Topology): readonly Host[] => topology.hosts.filter(({ role }) => role === "node");

/** @throws when the host has no interface there: a mistake in the scenario. */
export function addressOn(host: Host, segment: SegmentName): Address {
  const found = host.interfaces.find((one) => one.segment === segment);
  if (!found) throw new Error(`${host.name} is not on ${segment}`);
  return found.address;
}

/** Name of a host's port on a bridge, inside the switch. */
export const portName = (segment: SegmentName, host: string): string => `${segment}-${host}`;

/** The two ends of every link: what both the namespaces and the containerlab file are made from. */
export function linksOf(topology: Topology): readonly (readonly [LinkEnd, LinkEnd])[] {
  return topology.segments.flatMap((segment) => {
    const ends = topology.hosts.flatMap((host) =>
      host.interfaces.filter((one) => one.segment === segment.name).map((one) => ({ host: host.name, name: one.name })),
    );
    if (segment.kind === "bridge") {
      return ends.map((end) => [{ host: topology.switchName, name: portName(segment.name, end.host) }, end] as const);
    }
    if (ends.length !== 2) throw new Error(`a cable has two ends, ${segment.name} has ${ends.length}`);
    return [[ends[0]!, ends[1]!] as const];
  });
}

export interface LinkEnd {
  readonly host: string;
  readonly name: string;
}
