import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { command } from "../../../lab/rack/command.ts";
import { waitFor } from "../../../lab/wait.ts";
import type { Router, RouterKind, RouterSettings, SeenRoute, SeenRoutes } from "../router.ts";
import { INTERFACE, OUR_ASN, ROUTER_ASN, ROUTER_PREFIXES, type Stage } from "../stage.ts";
import { Daemons } from "./daemons.ts";

const DAEMONS = "/usr/lib/frr";

export const frr: RouterKind = {
  name: "frr",
  title: "FRR",
  package: "frr",
  programsKernel: true,
  lacks: {
    "two-octet-as": "it has no setting that leaves the capability out",
  },
  obstacle: () => (existsSync(`${DAEMONS}/bgpd`) ? null : "FRR is not installed (package frr)"),
  version: async () => /version (\S+)/.exec(await command([`${DAEMONS}/bgpd`, "--version"]))?.[1] ?? "",
  on: (stage) => new Frr(stage),
};

class Frr implements Router {
  readonly #stage: Stage;
  readonly #daemons: Daemons;
  readonly #name: string;
  #neighbor = "";

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#daemons = new Daemons(stage);
    this.#name = stage.namespace("router");
  }

  async start(settings: RouterSettings): Promise<void> {
    const config = `${this.#stage.folder}/frr.conf`;
    this.#neighbor = settings.unnumbered === true ? INTERFACE : (settings.peerAddress ?? this.#stage.address("ours"));
    await writeFile(config, configText(settings, this.#neighbor, this.#stage), { mode: 0o644 });
    const state = `/var/run/frr/${this.#name}`;
    await rm(state, { recursive: true, force: true });
    await mkdir(state, { recursive: true });
    await command(["chown", "frr:frr", state]);
    const common = ["-N", this.#name, "-u", "frr", "-g", "frr", "-A", "127.0.0.1", "-P", "0", "-f", config];
    const start = async (daemon: string, socket: string, options: readonly string[]): Promise<void> => {
      this.#daemons.start(daemon, [`${DAEMONS}/${daemon}`, ...common, ...options, "--log", "stdout"]);
      // A bgpd that finds no zebra tries again only after ten seconds.
      await waitFor(`${daemon} answers`, 10_000, () => existsSync(`${state}/${socket}`));
    };
    // After a restart the kernel still has the routes that are to be taken over.
    await start("zebra", "zserv.api", [
      "--v6-rr-semantics",
      ...(settings.gracefulRestart === true ? ["-K", "30"] : []),
    ]);
    if (settings.bfd === true) await start("bfdd", "bfdd.vty", []);
    await start("bgpd", "bgpd.vty", []);
    await this.#daemons.listening();
  }

  async kill(): Promise<void> {
    await this.#daemons.kill();
  }

  freeze(): void {
    this.#daemons.freeze();
  }

  async routes(): Promise<SeenRoutes> {
    const [v4, v6] = await Promise.all(
      ["ipv4", "ipv6"].map((family) => this.#show(`bgp ${family} unicast json detail`)),
    );
    const routes = { ...(v4 as FrrTable).routes, ...(v6 as FrrTable).routes };
    return new Map(
      Object.entries(routes).flatMap(([prefix, entry]) => {
        const paths = "paths" in entry ? (entry.paths ?? []) : (entry as readonly FrrPath[]);
        const path = paths.find((one) => one.peer?.peerId !== "0.0.0.0" && one.peer !== undefined);
        return path === undefined || (ROUTER_PREFIXES as readonly string[]).includes(prefix)
          ? []
          : [[prefix, seen(path)]];
      }),
    );
  }

  async isEstablished(): Promise<boolean> {
    const peers = (await this.#show("bgp neighbors json")) as Record<string, { bgpState?: string }>;
    return peers[this.#neighbor]?.bgpState === "Established";
  }

  async words(): Promise<string> {
    return `${await this.#daemons.words()}\n${await this.#vtysh("show bgp neighbors")}`;
  }

  async isBfdUp(): Promise<boolean> {
    const peers = (await this.#show("bfd peers json")) as readonly { readonly status?: string }[];
    return Array.isArray(peers) && peers.some(({ status }) => status === "up");
  }

  async askRefresh(): Promise<void> {
    await this.#vtysh("clear bgp * soft in");
  }

  async shutDown(text: string): Promise<string> {
    const asn = /router bgp (\d+)/.exec(await this.#vtysh("show running-config"))?.[1];
    await this.#vtysh("configure terminal", `router bgp ${asn}`, `neighbor ${this.#neighbor} shutdown message ${text}`);
    return text;
  }

  async #show(what: string): Promise<unknown> {
    const text = await this.#vtysh(`show ${what}`);
    return JSON.parse(text.trim() === "" ? "{}" : text) as unknown;
  }

  #vtysh(...lines: readonly string[]): Promise<string> {
    return command(["vtysh", "-N", this.#name, ...lines.flatMap((line) => ["-c", line])]);
  }
}

interface FrrPath {
  readonly peer?: { readonly peerId?: string };
  readonly aspath?: { readonly string?: string };
  readonly med?: number;
  readonly metric?: number;
  readonly stale?: boolean;
  readonly community?: { readonly string?: string };
  readonly largeCommunity?: { readonly string?: string };
  readonly extendedCommunity?: { readonly string?: string };
  readonly nexthops?: readonly { readonly ip: string; readonly scope?: string; readonly used?: boolean }[];
}

interface FrrTable {
  readonly routes?: Readonly<Record<string, readonly FrrPath[] | { readonly paths?: readonly FrrPath[] }>>;
}

const words = (text: string | undefined): string[] => (text ?? "").split(" ").filter(Boolean);

const WELL_KNOWN: Readonly<Record<string, string>> = {
  "graceful-shutdown": "65535:0",
  "no-export": "65535:65281",
};

const seen = (path: FrrPath): SeenRoute => ({
  nextHop: (path.nexthops?.find(({ scope }) => scope !== "link-local") ?? path.nexthops?.[0])?.ip ?? "",
  asPath: path.aspath?.string ?? "",
  communities: words(path.community?.string).map((one) => WELL_KNOWN[one] ?? one),
  largeCommunities: words(path.largeCommunity?.string),
  extendedCommunities: words(path.extendedCommunity?.string).map((one) =>
    one.replace(/^RT:/, "rt ").replace(/^SoO:/, "ro "),
  ),
  med: path.med ?? path.metric ?? null,
  stale: path.stale ?? false,
});

function configText(settings: RouterSettings, neighbor: string, { transport }: Stage): string {
  const asn = settings.asn ?? ROUTER_ASN;
  const hold = settings.holdTimeSeconds ?? 90;
  const line = (wanted: unknown, text: string): string[] => (wanted === undefined || wanted === false ? [] : [text]);
  const remote = settings.peerAsn ?? OUR_ASN;
  return [
    "frr defaults datacenter",
    ...line(settings.bfd, "bfd\n profile fast\n  receive-interval 50\n  transmit-interval 50\n !\n!"),
    `router bgp ${asn}`,
    " bgp router-id 10.90.0.1",
    " no bgp ebgp-requires-policy",
    " no bgp default ipv4-unicast",
    " no bgp network import-check",
    " bgp log-neighbor-changes",
    ...line(settings.gracefulRestart, " bgp graceful-restart\n bgp graceful-restart preserve-fw-state"),
    ` neighbor ${neighbor}${settings.unnumbered === true ? " interface" : ""} remote-as ${remote}`,
    ` neighbor ${neighbor} timers ${Math.max(1, Math.floor(hold / 3))} ${hold}`,
    ` neighbor ${neighbor} timers connect 1`,
    ...line(settings.passive, ` neighbor ${neighbor} passive`),
    ...line(settings.password, ` neighbor ${neighbor} password ${settings.password}`),
    ...line(settings.gtsm, ` neighbor ${neighbor} ttl-security hops 1`),
    ...line(settings.role, ` neighbor ${neighbor} local-role ${settings.role}`),
    ...line(settings.bfd, ` neighbor ${neighbor} bfd profile fast`),
    ...line(settings.extendedNextHop, ` neighbor ${neighbor} capability extended-nexthop`),
    ...(["ipv4", "ipv6"] as const).flatMap((family, index) => [
      ` address-family ${family} unicast`,
      `  neighbor ${neighbor} activate`,
      `  network ${ROUTER_PREFIXES[index]}`,
      " exit-address-family",
    ]),
    `! over ${transport}`,
    "",
  ].join("\n");
}
