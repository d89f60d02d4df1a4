import type { Processes } from "../rack/processes.ts";
import { addressOn, LAN_INTERFACE, NODE_AS, nodesOf, rackTopology, ROUTER_AS, ROUTER_LAN } from "../topology.ts";
import { BirdDaemon } from "./bird-daemon.ts";
import { BFD, type NextHops, type PeeringSettings, type RouterDriver } from "./driver.ts";

/** The machine's BIRD 2, in the router's namespace. */
export class BirdRouter implements RouterDriver {
  readonly cli = "birdc";
  readonly kernelProtocol = 12;
  readonly #daemon: BirdDaemon;
  #settings: PeeringSettings;

  /** @param folder  for the configuration and the control socket */
  constructor(processes: Processes, folder: string, settings: PeeringSettings) {
    this.#settings = settings;
    this.#daemon = new BirdDaemon(processes, "router", folder);
  }

  start(): Promise<void> {
    return this.#daemon.start(birdConfig(this.#settings));
  }

  stop(): Promise<void> {
    return this.#daemon.end("SIGTERM");
  }

  crash(): Promise<void> {
    return this.#daemon.end("SIGKILL");
  }

  async changePassword(password: string): Promise<void> {
    this.#settings = { ...this.#settings, password };
    await this.#daemon.configure(birdConfig(this.#settings));
  }

  async bfdSessionsUp(): Promise<number> {
    const text = await this.#daemon.birdc("show", "bfd", "sessions");
    return text.split("\n").filter((line) => / Up /.test(line)).length;
  }

  async table(): Promise<NextHops> {
    return parseBirdTable(await this.#daemon.birdc("show", "route"));
  }
}

export function birdConfig(settings: PeeringSettings = {}): string {
  const option = (wanted: unknown, text: string): string[] => (wanted === undefined || wanted === false ? [] : [text]);
  const session = (family: "4" | "6", name: string, who: readonly string[]): string =>
    [
      `protocol bgp ${name} {`,
      `  local ${family === "4" ? ROUTER_LAN.v4 : ROUTER_LAN.v6} as ${ROUTER_AS};`,
      ...who,
      "  hold time 3; keepalive time 1;",
      "  error wait time 1, 2;",
      ...option(settings.password, `  password "${settings.password}";`),
      ...option(settings.bfd, "  bfd on;"),
      `  ipv${family} { import all; export none; };`,
      "}",
    ].join("\n");
  // A session that was made for whoever came is forgotten with its routes when it ends, so helping takes named ones.
  const sessions =
    settings.gracefulRestart === true
      ? nodesOf(rackTopology({ clientOnLan: false })).flatMap((host) => {
          const { v4, v6 } = addressOn(host, "lan");
          const named = (address: string): string[] => [`  neighbor ${address} as ${NODE_AS};`, "  passive on;"];
          return [session("4", `${host.name}_4`, named(v4)), session("6", `${host.name}_6`, named(v6))];
        })
      : (["4", "6"] as const).map((family) =>
          session(family, `nodes${family}`, [
            `  neighbor range ${family === "4" ? "10.10.0.0/24" : "fd10::/64"} as ${NODE_AS};`,
            `  dynamic name "node${family}_";`,
          ]),
        );
  const kernel = (family: "4" | "6"): string =>
    `protocol kernel kernel${family} { ipv${family} { import none; export all; }; merge paths yes limit 8; }`;
  const interval = `${BFD.intervalMillis} ms`;
  return [
    `router id ${ROUTER_LAN.v4};`,
    "protocol device { }",
    kernel("4"),
    kernel("6"),
    ...option(
      settings.bfd,
      `protocol bfd { interface "${LAN_INTERFACE}" { min rx interval ${interval}; min tx interval ${interval}; multiplier ${BFD.multiplier}; }; }`,
    ),
    ...sessions,
    "",
  ].join("\n");
}

/**
 * @param text  of `show route`: a prefix stands at the start of a line and holds for the following routes, which are
 * indented; each is followed by a line with its next hop
 */
export function parseBirdTable(text: string): NextHops {
  const table = new Map<string, string[]>();
  let hops: string[] | null = null;
  for (const line of text.split("\n")) {
    const prefix = /^([0-9a-f.:]+\/\d+)\s/.exec(line)?.[1];
    if (prefix !== undefined) {
      hops = table.get(prefix) ?? [];
      table.set(prefix, hops);
    }
    const via = /^\s+via (\S+)/.exec(line)?.[1];
    if (via !== undefined) hops?.push(via);
  }
  return table;
}
