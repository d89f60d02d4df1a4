import { stringify } from "yaml";
import {
  addressOn,
  type Host,
  linksOf,
  NODE_AS,
  portName,
  ROUTER_AS,
  ROUTER_LAN,
  type Topology,
  VIPS,
} from "./topology.ts";

/**
 * The rack as a containerlab file, for people with Docker: the same hosts, links and addresses. FRR plays the router,
 * and stands in for vipcast on the nodes, so that the file runs with one public image and no cluster.
 */

const FRR_IMAGE = "quay.io/frrouting/frr:10.4.1";

export function containerlabFile(topology: Topology): string {
  const hosts = topology.hosts.map((host) => [host.name, containerOf(host, topology)] as const);
  const document = {
    name: "vipcast",
    topology: {
      defaults: { kind: "linux", image: FRR_IMAGE, "network-mode": "none" },
      nodes: Object.fromEntries([...hosts, [topology.switchName, switchContainer(topology)]]),
      links: linksOf(topology).map((ends) => ({ endpoints: ends.map(({ host, name }) => `${host}:${name}`) })),
    },
  };
  const head = [
    "# The lab's rack as a containerlab topology. Printed by: npm run -s lab -- containerlab",
    "# sudo containerlab deploy -t lab/containerlab/vipcast.clab.yml",
    "# docker exec clab-vipcast-router vtysh -c 'show bgp ipv4 unicast'",
    "",
  ].join("\n");
  return head + stringify(document, { lineWidth: 0 });
}

interface Container {
  readonly exec: readonly string[];
}

function containerOf(host: Host, topology: Topology): Container {
  return {
    exec: [
      ...host.interfaces.flatMap(({ name, segment, address }) => {
        const { lengths } = topology.segments.find((one) => one.name === segment)!;
        return [
          `ip addr add ${address.v4}/${lengths.v4} dev ${name}`,
          `ip addr add ${address.v6}/${lengths.v6} dev ${name} nodad`,
        ];
      }),
      ...(host.defaultGateway === null
        ? []
        : [
            `ip route replace default via ${host.defaultGateway.v4}`,
            `ip -6 route replace default via ${host.defaultGateway.v6}`,
          ]),
      ...(host.forwards ? forwarding : []),
      ...(host.role === "node" ? [...strictArp, ...vipsOnLoopback] : []),
      ...frr(host),
    ],
  };
}

const forwarding = [
  "sysctl -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1",
  "sysctl -w net.ipv4.fib_multipath_hash_policy=1 net.ipv6.fib_multipath_hash_policy=1",
];

const strictArp = ["sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2"];

const vipsOnLoopback = [
  `ip addr add ${VIPS.controlPlane.v4}/32 dev lo`,
  `ip addr add ${VIPS.controlPlane.v6}/128 dev lo`,
];

/** FRR's commands are given one by one once its daemons run, so that the file needs no other beside it. */
function frr(host: Host): readonly string[] {
  if (host.role !== "router" && host.role !== "node") return [];
  const lines = host.role === "router" ? routerLines() : nodeLines(addressOn(host, "lan").v4);
  const arguments_ = ["configure terminal", ...lines].map((line) => `-c "${line}"`).join(" ");
  return ["sed -i s/^bgpd=no/bgpd=yes/ /etc/frr/daemons", "/usr/lib/frr/frrinit.sh restart", `vtysh ${arguments_}`];
}

const routerLines = (): string[] => [
  `router bgp ${ROUTER_AS}`,
  `bgp router-id ${ROUTER_LAN.v4}`,
  "no bgp ebgp-requires-policy",
  "bgp bestpath as-path multipath-relax",
  "neighbor NODES peer-group",
  `neighbor NODES remote-as ${NODE_AS}`,
  "neighbor NODES timers 1 3",
  "bgp listen range 10.10.0.0/24 peer-group NODES",
  "bgp listen range fd10::/64 peer-group NODES",
  "address-family ipv4 unicast",
  "neighbor NODES activate",
  "maximum-paths 8",
  "exit-address-family",
  "address-family ipv6 unicast",
  "neighbor NODES activate",
  "maximum-paths 8",
];

const nodeLines = (routerId: string): string[] => [
  `router bgp ${NODE_AS}`,
  `bgp router-id ${routerId}`,
  "no bgp ebgp-requires-policy",
  `neighbor ${ROUTER_LAN.v4} remote-as ${ROUTER_AS}`,
  `neighbor ${ROUTER_LAN.v6} remote-as ${ROUTER_AS}`,
  "address-family ipv4 unicast",
  `network ${VIPS.controlPlane.v4}/32`,
  "exit-address-family",
  "address-family ipv6 unicast",
  `neighbor ${ROUTER_LAN.v6} activate`,
  `network ${VIPS.controlPlane.v6}/128`,
];

function switchContainer(topology: Topology): Container {
  const bridges = topology.segments.filter(({ kind }) => kind === "bridge").map(({ name }) => name);
  return {
    exec: bridges.flatMap((bridge) => [
      `ip link add ${bridge} type bridge forward_delay 0 stp_state 0 mcast_snooping 0`,
      `ip link set ${bridge} up`,
      ...topology.hosts
        .filter((host) => host.interfaces.some(({ segment }) => segment === bridge))
        .map((host) => `ip link set ${portName(bridge, host.name)} master ${bridge} up`),
    ]),
  };
}
