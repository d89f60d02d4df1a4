import { command } from "../rack/command.ts";
import type { Processes } from "../rack/processes.ts";
import { addressOn, NODE_AS, nodesOf, rackTopology, ROUTER_AS, ROUTER_LAN } from "../topology.ts";
import { waitFor } from "../wait.ts";
import { BFD, type NextHops, type PeeringSettings, type RouterDriver } from "./driver.ts";
import { FrrDaemons } from "./frr-daemons.ts";

const BGPD = "bgpd";
/**
 * Without it zebra changes the next hops of an IPv6 route by deleting the route and adding it again; a packet that
 * arrives in between, some 0.2 ms, finds no route. IPv4 routes are always replaced in one step.
 */
const ZEBRA_OPTIONS = ["--v6-rr-semantics"];

/** zebra and bgpd of the machine's FRR, in the router's namespace. */
export class FrrRouter implements RouterDriver {
  readonly cli = "vtysh";
  readonly kernelProtocol = 186;
  readonly #daemons: FrrDaemons;
  readonly #namespace: string;
  readonly #settings: PeeringSettings;

  /** @param namespace  full name; @param folder  for the configuration */
  constructor(processes: Processes, namespace: string, folder: string, settings: PeeringSettings) {
    this.#settings = settings;
    this.#namespace = namespace;
    this.#daemons = new FrrDaemons({ processes, host: "router", namespace, config: `${folder}/frr.conf` });
  }

  /** Starts those of the daemons that do not run. */
  async start(): Promise<void> {
    await this.#daemons.prepare(frrConfig(this.#settings));
    // A bgpd that finds no zebra tries again only after ten seconds, and knows no interface until then.
    await this.#daemons.start("zebra", "zserv.api", ZEBRA_OPTIONS);
    if (this.#settings.bfd === true) await this.#daemons.start("bfdd");
    await this.#daemons.start(BGPD);
    await waitFor("FRR listens for BGP", 10_000, async () =>
      (await command(["ip", "netns", "exec", this.#namespace, "cat", "/proc/net/tcp"])).includes(
        ":00B3 00000000:0000 0A",
      ),
    );
  }

  stop(): Promise<void> {
    return this.#daemons.stop();
  }

  crash(): Promise<void> {
    return this.#daemons.crash(BGPD);
  }

  async changePassword(password: string): Promise<void> {
    await this.#daemons.vtysh("configure terminal", `router bgp ${ROUTER_AS}`, `neighbor NODES password ${password}`);
  }

  async bfdSessionsUp(): Promise<number> {
    const text = await this.#daemons.vtysh("show bfd peers json");
    const peers = JSON.parse(text) as readonly { readonly status?: string }[];
    return peers.filter(({ status }) => status === "up").length;
  }

  async table(): Promise<NextHops> {
    const show = (family: string): Promise<string> => this.#daemons.vtysh(`show bgp ${family} unicast json`);
    const [v4, v6] = await Promise.all([show("ipv4"), show("ipv6")]);
    return new Map([...parseFrrTable(v4), ...parseFrrTable(v6)]);
  }
}

/** FRR's "datacenter" defaults have the timers 1 and 3 s when told so, and need no policy for an external peer. */
export function frrConfig(settings: PeeringSettings = {}): string {
  const option = (wanted: unknown, ...lines: readonly string[]): readonly string[] =>
    wanted === undefined || wanted === false ? [] : lines;
  const families = ["ipv4", "ipv6"].flatMap((family) => [
    ` address-family ${family} unicast`,
    "  neighbor NODES activate",
    "  maximum-paths 8",
    " exit-address-family",
    " !",
  ]);
  // A peer that was made for whoever came is forgotten with its routes when it goes, so helping takes named ones.
  const nodes =
    settings.gracefulRestart === true
      ? nodesOf(rackTopology({ clientOnLan: false })).flatMap((host) =>
          Object.values(addressOn(host, "lan")).flatMap((address: string) => [
            ` neighbor ${address} peer-group NODES`,
            ` neighbor ${address} passive`,
          ]),
        )
      : [" bgp listen range 10.10.0.0/24 peer-group NODES", " bgp listen range fd10::/64 peer-group NODES"];
  return [
    "frr defaults datacenter",
    "!",
    ...option(
      settings.bfd,
      "bfd",
      " profile FAST",
      `  detect-multiplier ${BFD.multiplier}`,
      `  receive-interval ${BFD.intervalMillis}`,
      `  transmit-interval ${BFD.intervalMillis}`,
      " !",
      "!",
    ),
    `router bgp ${ROUTER_AS}`,
    ` bgp router-id ${ROUTER_LAN.v4}`,
    " no bgp ebgp-requires-policy",
    " bgp bestpath as-path multipath-relax",
    " neighbor NODES peer-group",
    ` neighbor NODES remote-as ${settings.anyAs === true ? "external" : NODE_AS}`,
    " neighbor NODES timers 1 3",
    ...option(settings.password, ` neighbor NODES password ${settings.password}`),
    ...option(settings.bfd, " neighbor NODES bfd profile FAST"),
    ...nodes,
    " !",
    ...families,
    "",
  ].join("\n");
}

interface FrrPath {
  readonly valid?: boolean;
  readonly bestpath?: boolean;
  readonly multipath?: boolean;
  readonly nexthops?: readonly { readonly ip: string; readonly scope?: string; readonly used?: boolean }[];
}

/** @param json  of `show bgp <family> unicast json` */
export function parseFrrTable(json: string): NextHops {
  const { routes = {} } = JSON.parse(json.trim() === "" ? "{}" : json) as {
    routes?: Record<string, readonly FrrPath[]>;
  };
  return new Map(
    Object.entries(routes).map(([prefix, paths]) => [
      prefix,
      paths
        .filter((path) => path.valid === true && (path.bestpath === true || path.multipath === true))
        // An IPv6 path lists its global and its link-local next hop; one of them is enough to know the node.
        .flatMap(
          (path) => path.nexthops?.find(({ scope }) => scope !== "link-local")?.ip ?? path.nexthops?.[0]?.ip ?? [],
        ),
    ]),
  );
}
