import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { command } from "../rack/command.ts";
import type { ManagedProcess, Processes } from "../rack/processes.ts";
import { NODE_AS, ROUTER_AS, ROUTER_LAN } from "../topology.ts";
import { waitFor } from "../wait.ts";
import type { NextHops, RouterDriver } from "./driver.ts";

const BIRD = "/usr/sbin/bird";
const BIRDC = "/usr/sbin/birdc";

export function birdObstacle(): string | null {
  return existsSync(BIRD) ? null : "BIRD is not installed; on Debian: apt-get install --no-install-recommends bird2";
}

/** The machine's BIRD 2, in the router's namespace. */
export class BirdRouter implements RouterDriver {
  readonly cli = "birdc";
  readonly kernelProtocol = 12;
  readonly #processes: Processes;
  readonly #config: string;
  readonly #socket: string;
  #running: ManagedProcess | null = null;

  /** @param folder  for the configuration and the control socket */
  constructor(processes: Processes, folder: string) {
    this.#processes = processes;
    this.#config = `${folder}/bird.conf`;
    this.#socket = `${folder}/bird.ctl`;
  }

  async start(): Promise<void> {
    await writeFile(this.#config, birdConfig());
    this.#running = this.#processes.start({
      name: "bird",
      host: "router",
      argv: [BIRD, "-f", "-c", this.#config, "-s", this.#socket],
    });
    await waitFor("BIRD answers", 10_000, async () => {
      if (!existsSync(this.#socket)) return false;
      return (await command([BIRDC, "-s", this.#socket, "show", "status"])).includes("Daemon is up");
    });
  }

  async stop(): Promise<void> {
    this.#running?.signal("SIGTERM");
    await this.#running?.ended;
    this.#running = null;
  }

  async table(): Promise<NextHops> {
    return parseBirdTable(await command([BIRDC, "-s", this.#socket, "show", "route"]));
  }
}

export function birdConfig(): string {
  const peers = (family: "4" | "6", range: string, local: string): string =>
    [
      `protocol bgp nodes${family} {`,
      `  local ${local} as ${ROUTER_AS};`,
      `  neighbor range ${range} as ${NODE_AS};`,
      `  dynamic name "node${family}_";`,
      "  hold time 3; keepalive time 1;",
      "  error wait time 1, 2;",
      `  ipv${family} { import all; export none; };`,
      "}",
    ].join("\n");
  const kernel = (family: "4" | "6"): string =>
    `protocol kernel kernel${family} { ipv${family} { import none; export all; }; merge paths yes limit 8; }`;
  return [
    `router id ${ROUTER_LAN.v4};`,
    "protocol device { }",
    kernel("4"),
    kernel("6"),
    peers("4", "10.10.0.0/24", ROUTER_LAN.v4),
    peers("6", "fd10::/64", ROUTER_LAN.v6),
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
