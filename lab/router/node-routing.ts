import type { Rack } from "../rack/rack.ts";
import {
  type Address,
  addressOn,
  NODE_AS,
  nodesOf,
  ROUTER_AS,
  ROUTER_LAN,
  TABLE_PROTOCOL,
  VIP_TABLE,
} from "../topology.ts";
import { BirdDaemon } from "./bird-daemon.ts";
import { FrrDaemons } from "./frr-daemons.ts";

/** A routing daemon on a node, which reads the routes of VIPs from the kernel and announces them to the router. */
export interface NodeRouting {
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** One for each node, of the same kind as the rack's router. @throws Error when that kind is not one for nodes */
export function nodeRouting(rack: Rack): ReadonlyMap<string, NodeRouting> {
  return new Map(
    nodesOf(rack.namespaces.topology).map((host) => [host.name, routingOn(rack, host.name, addressOn(host, "lan"))]),
  );
}

function routingOn({ options, processes, namespaces, folder }: Rack, host: string, address: Address): NodeRouting {
  switch (options.router) {
    case "frr":
      return new FrrRouting(
        new FrrDaemons({ processes, host, namespace: namespaces.name(host), config: `${folder}/frr-${host}.conf` }),
        frrNodeConfig(address),
      );
    case "bird":
      return new BirdRouting(new BirdDaemon(processes, host, `${folder}/${host}`), birdNodeConfig(address));
    case "embedded":
      throw new Error("the embedded router is no daemon for nodes");
  }
}

class FrrRouting implements NodeRouting {
  readonly #daemons: FrrDaemons;
  readonly #config: string;

  constructor(daemons: FrrDaemons, config: string) {
    this.#daemons = daemons;
    this.#config = config;
  }

  async start(): Promise<void> {
    await this.#daemons.prepare(this.#config);
    await this.#daemons.start("zebra", "zserv.api");
    await this.#daemons.start("bgpd");
  }

  stop(): Promise<void> {
    return this.#daemons.stop();
  }
}

class BirdRouting implements NodeRouting {
  readonly #daemon: BirdDaemon;
  readonly #config: string;

  constructor(daemon: BirdDaemon, config: string) {
    this.#daemon = daemon;
    this.#config = config;
  }

  start(): Promise<void> {
    return this.#daemon.start(this.#config);
  }

  stop(): Promise<void> {
    return this.#daemon.end("SIGTERM");
  }
}

/**
 * FRR imports another table than the main one for IPv4 only. What is in the main table it takes for either family; there
 * are routes of others there, too, so only the VIPs' are let through. An address on `lo`, which the control plane's VIP
 * is, is a connected route to FRR, and preferred to any other.
 */
export function frrNodeConfig({ v4 }: Address): string {
  return [
    "frr defaults datacenter",
    `ip import-table ${VIP_TABLE}`,
    "ip prefix-list VIPS permit 10.40.0.0/24 ge 32",
    "ipv6 prefix-list VIPS permit fd40::/64 ge 128",
    "route-map VIPS4 permit 10",
    " match ip address prefix-list VIPS",
    "route-map VIPS6 permit 10",
    " match ipv6 address prefix-list VIPS",
    "!",
    `router bgp ${NODE_AS}`,
    ` bgp router-id ${v4}`,
    " no bgp ebgp-requires-policy",
    ...[ROUTER_LAN.v4, ROUTER_LAN.v6].flatMap((router) => [
      ` neighbor ${router} remote-as ${ROUTER_AS}`,
      ` neighbor ${router} timers 1 3`,
      ` neighbor ${router} timers connect 1`,
    ]),
    " address-family ipv4 unicast",
    `  redistribute table ${VIP_TABLE}`,
    "  redistribute kernel route-map VIPS4",
    "  redistribute connected route-map VIPS4",
    `  no neighbor ${ROUTER_LAN.v6} activate`,
    " exit-address-family",
    " address-family ipv6 unicast",
    "  redistribute kernel route-map VIPS6",
    "  redistribute connected route-map VIPS6",
    `  neighbor ${ROUTER_LAN.v6} activate`,
    " exit-address-family",
    "",
  ].join("\n");
}

export function birdNodeConfig({ v4, v6 }: Address): string {
  const family = (name: "4" | "6", address: string, router: string): readonly string[] => [
    `ipv${name} table vips${name};`,
    `protocol kernel from${name} {`,
    `  kernel table ${VIP_TABLE}; learn;`,
    `  ipv${name} { table vips${name}; import where krt_source = ${TABLE_PROTOCOL}; export none; };`,
    "}",
    `protocol bgp router${name} {`,
    `  local ${address} as ${NODE_AS};`,
    `  neighbor ${router} as ${ROUTER_AS};`,
    "  hold time 3; keepalive time 1;",
    "  connect retry time 1; error wait time 1, 2;",
    `  ipv${name} { table vips${name}; import none; export all; };`,
    "}",
  ];
  return [
    `router id ${v4};`,
    "protocol device { }",
    ...family("4", v4, ROUTER_LAN.v4),
    ...family("6", v6, ROUTER_LAN.v6),
    "",
  ].join("\n");
}
