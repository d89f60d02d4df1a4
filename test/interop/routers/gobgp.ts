import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { waitFor } from "../../../lab/wait.ts";
import { command } from "../../../lab/rack/command.ts";
import type { Router, RouterKind, RouterSettings, SeenRoute, SeenRoutes } from "../router.ts";
import { OUR_ASN, ROUTER_ASN, ROUTER_PREFIXES, type Stage } from "../stage.ts";
import { Daemons } from "./daemons.ts";

const DAEMON = "/usr/bin/gobgpd";
const CLI = "/usr/bin/gobgp";
const API = "127.0.0.1:50051";

export const gobgp: RouterKind = {
  name: "gobgp",
  title: "GoBGP",
  package: "gobgpd",
  programsKernel: false,
  lacks: {
    "two-octet-as": "it has no setting that leaves the capability out",
    "route-refresh": "it keeps all that it received and never asks again",
    "enhanced-route-refresh": "it never asks, and does not offer it",
    "extended-messages": "version 3 has none",
    role: "version 3 has none",
    bfd: "version 3 has none",
    unnumbered: "it takes the neighbour from what the kernel knows when it starts, and not from advertisements",
  },
  obstacle: () => (existsSync(DAEMON) ? null : "GoBGP is not installed (package gobgpd)"),
  version: async () => /version (\S+)/.exec(await command([DAEMON, "--version"]))?.[1] ?? "",
  on: (stage) => new Gobgp(stage),
};

class Gobgp implements Router {
  readonly #stage: Stage;
  readonly #daemons: Daemons;
  #neighbor = "";
  #runs = 0;

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#daemons = new Daemons(stage);
  }

  async start(settings: RouterSettings): Promise<void> {
    this.#neighbor = settings.peerAddress ?? this.#stage.address("ours");
    const config = `${this.#stage.folder}/gobgpd.toml`;
    await writeFile(config, configText(settings, this.#neighbor, this.#stage));
    const restart = settings.gracefulRestart === true && this.#runs++ > 0 ? ["-r"] : [];
    this.#daemons.start("gobgpd", [
      DAEMON,
      "-f",
      config,
      "--api-hosts",
      API,
      "--pprof-disable",
      "-l",
      "debug",
      ...restart,
    ]);
    await waitFor("GoBGP answers", 10_000, () =>
      this.#gobgp("global").then(
        (text) => text.includes("AS:"),
        () => false,
      ),
    );
    const own = ["ipv4", "ipv6"] as const;
    await Promise.all(
      own.map((family, index) => {
        const { IPv4, IPv6 } = this.#stage.addresses("router");
        const nextHop = family === "ipv4" ? IPv4 : IPv6;
        return this.#gobgp("global", "rib", "add", ROUTER_PREFIXES[index]!, "nexthop", nextHop, "-a", family);
      }),
    );
    await this.#daemons.listening();
  }

  kill(): Promise<void> {
    return this.#daemons.kill();
  }

  freeze(): void {
    this.#daemons.freeze();
  }

  async routes(): Promise<SeenRoutes> {
    const tables = await Promise.all(
      ["ipv4", "ipv6"].map((family) => this.#gobgp("global", "rib", "-a", family, "-j")),
    );
    return new Map(
      tables.flatMap((text) => {
        const table = JSON.parse(text.trim() === "" ? "{}" : text) as Readonly<Record<string, readonly GobgpPath[]>>;
        return Object.entries(table).flatMap(([prefix, paths]) => {
          const path = paths.find((one) => (one["source-id"] ?? one["neighbor-ip"]) !== undefined);
          return path === undefined || (ROUTER_PREFIXES as readonly string[]).includes(prefix)
            ? []
            : [[prefix, seen(path)]];
        });
      }),
    );
  }

  async isEstablished(): Promise<boolean> {
    return /BGP state = ESTABLISHED/i.test(await this.#gobgp("neighbor", this.#neighbor));
  }

  async words(): Promise<string> {
    return `${await this.#daemons.words()}\n${await this.#gobgp("neighbor", this.#neighbor).catch(() => "")}`;
  }

  async isBfdUp(): Promise<boolean> {
    return false;
  }

  async askRefresh(): Promise<void> {
    await this.#gobgp("neighbor", this.#neighbor, "softresetin");
  }

  async shutDown(text: string): Promise<string> {
    await this.#gobgp("neighbor", this.#neighbor, "shutdown", "--reason", text);
    return text;
  }

  #gobgp(...words: readonly string[]): Promise<string> {
    return this.#stage.run("router", [CLI, ...words]);
  }
}

interface GobgpPath {
  readonly stale?: boolean;
  readonly "source-id"?: string;
  readonly "neighbor-ip"?: string;
  readonly attrs: readonly { readonly type: number; readonly [field: string]: unknown }[];
}

function seen(path: GobgpPath): SeenRoute {
  const attribute = (type: number, field: string): unknown => path.attrs.find((one) => one.type === type)?.[field];
  const asPaths = (attribute(2, "as_paths") as { asns: number[] }[] | undefined) ?? [];
  const large = (attribute(32, "value") as Record<string, number>[] | undefined) ?? [];
  const extended = (attribute(16, "value") as { type: number; subtype: number; value: string }[] | undefined) ?? [];
  return {
    nextHop: (attribute(3, "nexthop") as string | undefined) ?? (attribute(14, "nexthop") as string | undefined) ?? "",
    asPath: asPaths.flatMap(({ asns }) => asns).join(" "),
    communities: ((attribute(8, "communities") as number[] | undefined) ?? []).map(
      (one) => `${one >>> 16}:${one & 0xffff}`,
    ),
    largeCommunities: large.map((one) => `${one["ASN"]}:${one["LocalData1"]}:${one["LocalData2"]}`),
    extendedCommunities: extended.map(({ subtype, value }) => `${subtype === 2 ? "rt" : subtype} ${value}`),
    med: (attribute(4, "metric") as number | undefined) ?? null,
    stale: path.stale ?? false,
  };
}

function configText(settings: RouterSettings, neighbor: string, stage: Stage): string {
  const hold = settings.holdTimeSeconds ?? 90;
  const section = (wanted: unknown, name: string, ...lines: readonly string[]): string[] =>
    wanted === undefined || wanted === false
      ? []
      : [`  [neighbors.${name}.config]`, ...lines.map((one) => `    ${one}`)];
  return [
    "[global.config]",
    `  as = ${settings.asn ?? ROUTER_ASN}`,
    '  router-id = "10.90.0.1"',
    `  local-address-list = ["${stage.address("router")}"]`,
    "[[neighbors]]",
    "  [neighbors.config]",
    `    neighbor-address = "${neighbor}"`,
    `    peer-as = ${settings.peerAsn ?? OUR_ASN}`,
    ...(settings.password === undefined ? [] : [`    auth-password = "${settings.password}"`]),
    "  [neighbors.timers.config]",
    "    connect-retry = 1",
    "    idle-hold-time-after-reset = 1",
    `    hold-time = ${hold}`,
    `    keepalive-interval = ${Math.max(1, Math.floor(hold / 3))}`,
    "  [neighbors.transport.config]",
    `    local-address = "${stage.address("router")}"`,
    `    passive-mode = ${settings.passive ?? false}`,
    ...section(settings.gtsm, "ttl-security", "enabled = true", "ttl-min = 255"),
    ...section(settings.gracefulRestart, "graceful-restart", "enabled = true", "restart-time = 30"),
    ...["ipv4", "ipv6"].flatMap((family) => [
      "  [[neighbors.afi-safis]]",
      "    [neighbors.afi-safis.config]",
      `      afi-safi-name = "${family}-unicast"`,
      ...(settings.gracefulRestart === true
        ? ["    [neighbors.afi-safis.mp-graceful-restart.config]", "      enabled = true"]
        : []),
    ]),
    "",
  ].join("\n");
}
