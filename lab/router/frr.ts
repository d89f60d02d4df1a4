import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { command } from "../rack/command.ts";
import type { ManagedProcess, Processes } from "../rack/processes.ts";
import { addressOn, NODE_AS, nodesOf, rackTopology, ROUTER_AS, ROUTER_LAN } from "../topology.ts";
import { waitFor } from "../wait.ts";
import { BFD, type NextHops, type PeeringSettings, type RouterDriver } from "./driver.ts";

const DAEMONS = "/usr/lib/frr";
const BGPD = "bgpd";
/**
 * Without it zebra changes the next hops of an IPv6 route by deleting the route and adding it again; a packet that
 * arrives in between, some 0.2 ms, finds no route. IPv4 routes are always replaced in one step.
 */
const ZEBRA_OPTIONS = ["--v6-rr-semantics"];

/** Why FRR cannot be used here, or null. */
export function frrObstacle(inUserNamespace: boolean): string | null {
  if (!existsSync(`${DAEMONS}/bgpd`))
    return "FRR is not installed; on Debian: apt-get install --no-install-recommends frr";
  if (existsSync(`${DAEMONS}/mgmtd`))
    return "this FRR is of the 10 series, the lab starts FRR 8 and 9 only (Debian 12 has 8.4)";
  // A user namespace made without privilege has one user, and FRR insists on changing to its own.
  if (inUserNamespace) return "FRR changes to a user of its own, which needs real root; try --router bird or embedded";
  return null;
}

/** zebra and bgpd of the machine's FRR, in the router's namespace. */
export class FrrRouter implements RouterDriver {
  readonly cli = "vtysh";
  readonly kernelProtocol = 186;
  readonly #processes: Processes;
  readonly #namespace: string;
  readonly #config: string;
  readonly #settings: PeeringSettings;
  readonly #running = new Map<string, ManagedProcess>();

  /** @param namespace  full name, also FRR's own name for this instance; @param folder  for the configuration */
  constructor(processes: Processes, namespace: string, folder: string, settings: PeeringSettings) {
    this.#processes = processes;
    this.#settings = settings;
    this.#namespace = namespace;
    this.#config = `${folder}/frr.conf`;
  }

  /** Starts those of the daemons that do not run. */
  async start(): Promise<void> {
    await writeFile(this.#config, frrConfig(this.#settings), { mode: 0o644 });
    // Sockets that an earlier run left would look like daemons that answer.
    if (this.#running.size === 0) await rm(this.#stateFolder, { recursive: true, force: true });
    await mkdir(this.#stateFolder, { recursive: true });
    execFileSync("chown", ["frr:frr", this.#stateFolder]);
    // A bgpd that finds no zebra tries again only after ten seconds, and knows no interface until then.
    await this.#startDaemon("zebra", "zserv.api", ZEBRA_OPTIONS);
    if (this.#settings.bfd === true) await this.#startDaemon("bfdd", "bfdd.vty", []);
    await this.#startDaemon(BGPD, `${BGPD}.vty`, []);
    await waitFor("FRR listens for BGP", 10_000, async () =>
      (await command(["ip", "netns", "exec", this.#namespace, "cat", "/proc/net/tcp"])).includes(
        ":00B3 00000000:0000 0A",
      ),
    );
  }

  async stop(): Promise<void> {
    for (const one of [...this.#running.values()].toReversed()) {
      one.signal("SIGTERM");
      await one.ended;
    }
    this.#running.clear();
  }

  async crash(): Promise<void> {
    this.#running.get(BGPD)?.signal("SIGKILL");
    await this.#running.get(BGPD)?.ended;
    this.#running.delete(BGPD);
    await rm(`${this.#stateFolder}/${BGPD}.vty`, { force: true });
  }

  async changePassword(password: string): Promise<void> {
    await this.#vtysh("configure terminal", `router bgp ${ROUTER_AS}`, `neighbor NODES password ${password}`);
  }

  async bfdSessionsUp(): Promise<number> {
    const peers = JSON.parse(await this.#vtysh("show bfd peers json")) as readonly { readonly status?: string }[];
    return peers.filter(({ status }) => status === "up").length;
  }

  async table(): Promise<NextHops> {
    const show = (family: string): Promise<string> => this.#vtysh(`show bgp ${family} unicast json`);
    const [v4, v6] = await Promise.all([show("ipv4"), show("ipv6")]);
    return new Map([...parseFrrTable(v4), ...parseFrrTable(v6)]);
  }

  async #startDaemon(daemon: string, socket: string, options: readonly string[]): Promise<void> {
    if (this.#running.has(daemon)) return;
    const argv = [`${DAEMONS}/${daemon}`, "-N", this.#namespace, "-u", "frr", "-g", "frr", ...options];
    const started = this.#processes.start({
      name: daemon,
      host: "router",
      argv: [...argv, "-A", "127.0.0.1", "-P", "0", "-f", this.#config, "--log", "stdout"],
    });
    this.#running.set(daemon, started);
    await waitFor(`${daemon} answers`, 10_000, () => existsSync(`${this.#stateFolder}/${socket}`));
  }

  #vtysh(...lines: readonly string[]): Promise<string> {
    return command(["vtysh", "-N", this.#namespace, ...lines.flatMap((line) => ["-c", line])]);
  }

  get #stateFolder(): string {
    return `/var/run/frr/${this.#namespace}`;
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
