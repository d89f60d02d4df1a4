import { command } from "../rack/command.ts";

export const ROUTER_KINDS = ["embedded", "frr", "bird"] as const;
export type RouterKind = (typeof ROUTER_KINDS)[number];

/** Host prefix ("10.40.0.1/32") to the addresses of its next hops. */
export type NextHops = ReadonlyMap<string, readonly string[]>;

/** What the router's sessions with the nodes have beyond the ordinary. */
export interface PeeringSettings {
  /** TCP MD5. */
  readonly password?: string;
  /** 3 × 50 ms. */
  readonly bfd?: boolean;
  /** Nodes may have AS numbers of their own. */
  readonly anyAs?: boolean;
  /** Keep the routes of a node whose daemon restarts. */
  readonly gracefulRestart?: boolean;
}

/** BFD in the routers' configurations: three packets, 50 ms apart. */
export const BFD = { intervalMillis: 50, multiplier: 3 } as const;

/** The router under the client's default route: where its BGP comes from, and what it says of its table. */
export interface RouterDriver {
  /** What `table` asks, for people: "vtysh", "birdc", … */
  readonly cli: string;
  /** The protocol number of its routes in the kernel. */
  readonly kernelProtocol: number;
  /** Resolves once BGP connections are accepted. */
  start(): Promise<void>;
  /** Ends BGP the orderly way; routes are taken out of the kernel. */
  stop(): Promise<void>;
  /** BGP dies without a word to anybody (SIGKILL); `start` brings it back. */
  crash(): Promise<void>;
  /** All sessions with the nodes are signed with this from now on. Only where `PeeringSettings` had a password. */
  changePassword(password: string): Promise<void>;
  /** BFD sessions that are up; 0 for a router without BFD. */
  bfdSessionsUp(): Promise<number>;
  /** The BGP routes in use, from the router's own command line. */
  table(): Promise<NextHops>;
}

/** Host routes of the kernel in a namespace, whoever put them there. */
export async function kernelNextHops(namespace: string): Promise<NextHops> {
  const [v4, v6] = await Promise.all([
    command(["ip", "-n", namespace, "-4", "-j", "route"]),
    command(["ip", "-n", namespace, "-6", "-j", "route"]),
  ]);
  return new Map([...parseKernelRoutes(v4, "/32"), ...parseKernelRoutes(v6, "/128")]);
}

interface KernelRoute {
  readonly dst: string;
  readonly protocol?: string;
  readonly gateway?: string;
  readonly via?: { readonly host: string };
  readonly nexthops?: readonly { readonly gateway?: string; readonly via?: { readonly host: string } }[];
}

/** @param json  of `ip -j route`, which prints host routes without a length */
export function parseKernelRoutes(json: string, length: "/32" | "/128"): NextHops {
  const routes = JSON.parse(json.trim() === "" ? "[]" : json) as readonly KernelRoute[];
  const table = new Map<string, string[]>();
  for (const route of routes) {
    if (route.dst === "default" || route.dst.includes("/") || route.protocol === "kernel") continue;
    const hops = route.nexthops ?? [route];
    const gateways = hops.flatMap((hop) => hop.gateway ?? hop.via?.host ?? []);
    // IPv6 prints a route of several next hops as one route each when they were added one by one.
    table.set(`${route.dst}${length}`, [...(table.get(`${route.dst}${length}`) ?? []), ...gateways]);
  }
  return table;
}
