import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { spawnSync } from "node:child_process";
import { command } from "../../../lab/rack/command.ts";
import { waitFor } from "../../../lab/wait.ts";
import type { Router, RouterKind, RouterSettings, SeenRoute, SeenRoutes } from "../router.ts";
import { OUR_ASN, ROUTER_ASN, ROUTER_PREFIXES, type Stage } from "../stage.ts";
import { Daemons } from "./daemons.ts";

const DAEMON = "/usr/sbin/bgpd";
const CLI = "/usr/sbin/bgpctl";
/** Its children lock themselves in there; Debian's service makes it. */
const CHROOT = "/run/openbgpd";

export const openbgpd: RouterKind = {
  name: "openbgpd",
  title: "OpenBGPD",
  package: "openbgpd",
  programsKernel: false,
  lacks: {
    "extended-messages": "version 7 has none",
    "extended-next-hop": "version 7 has none",
    "graceful-restart-helper": "it does not keep its own routes over a restart",
    bfd: "it has none",
    unnumbered: "it needs an address for a neighbour",
  },
  partly: {
    md5: "on Linux its listener has no keys, so that only the sessions that it dials can be signed",
  },
  obstacle: () => (existsSync(CLI) ? null : "OpenBGPD is not installed (package openbgpd)"),
  version: async () => /OpenBGPD (\S+)/.exec(spawnSync(CLI, ["-V"], { encoding: "utf8" }).stderr)?.[1] ?? "",
  on: (stage) => new Openbgpd(stage),
};

class Openbgpd implements Router {
  readonly #stage: Stage;
  readonly #daemons: Daemons;
  readonly #socket: string;
  #neighbor = "";

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#daemons = new Daemons(stage);
    this.#socket = `${stage.folder}/state/bgpd.sock`;
  }

  async start(settings: RouterSettings): Promise<void> {
    this.#neighbor = settings.peerAddress ?? this.#stage.address("ours");
    const config = `${this.#stage.folder}/bgpd.conf`;
    await writeFile(config, configText(settings, this.#neighbor, this.#socket, this.#stage), { mode: 0o600 });
    await mkdir(CHROOT, { recursive: true });
    // For the family that is not the session's it takes the first address that it finds as the next hop.
    await this.#stage.ip("router", "addr flush dev lo");
    for (const address of Object.values(this.#stage.addresses("router"))) {
      await this.#stage.ip("router", `addr add ${address} dev lo`);
    }
    this.#daemons.start("bgpd", [DAEMON, "-d", "-v", "-f", config]);
    await this.#daemons.listening();
    await waitFor("OpenBGPD answers", 10_000, () =>
      this.#bgpctl("show", "neighbor").then(
        () => true,
        () => false,
      ),
    );
  }

  kill(): Promise<void> {
    return this.#daemons.kill();
  }

  freeze(): void {
    this.#daemons.freeze();
  }

  async routes(): Promise<SeenRoutes> {
    const { rib = [] } = JSON.parse(await this.#bgpctl("-j", "show", "rib", "in", "detail")) as {
      rib?: OpenbgpdPath[];
    };
    const own: readonly string[] = ROUTER_PREFIXES;
    return new Map(rib.filter(({ prefix }) => !own.includes(prefix)).map((path) => [path.prefix, seen(path)]));
  }

  async isEstablished(): Promise<boolean> {
    return (await this.#bgpctl("show", "neighbor", this.#neighbor)).includes("BGP state = Established");
  }

  async words(): Promise<string> {
    return `${await this.#daemons.words()}\n${await this.#bgpctl("show", "neighbor", this.#neighbor).catch(() => "")}`;
  }

  async isBfdUp(): Promise<boolean> {
    return false;
  }

  async askRefresh(): Promise<void> {
    await this.#bgpctl("neighbor", this.#neighbor, "refresh");
  }

  async shutDown(text: string): Promise<string> {
    await this.#bgpctl("neighbor", this.#neighbor, "down", text);
    return text;
  }

  #bgpctl(...words: readonly string[]): Promise<string> {
    return command([CLI, "-s", this.#socket, ...words]);
  }
}

interface OpenbgpdPath {
  readonly prefix: string;
  readonly aspath: string;
  readonly exit_nexthop?: string;
  readonly true_nexthop?: string;
  readonly metric?: number;
  readonly communities?: readonly string[];
  readonly large_communities?: readonly string[];
  readonly extended_communities?: readonly string[];
  readonly stale?: boolean;
}

const WELL_KNOWN: Readonly<Record<string, string>> = { GRACEFUL_SHUTDOWN: "65535:0", NO_EXPORT: "65535:65281" };

const seen = (path: OpenbgpdPath): SeenRoute => ({
  nextHop: path.exit_nexthop ?? path.true_nexthop ?? "",
  asPath: path.aspath,
  communities: (path.communities ?? []).map((one) => WELL_KNOWN[one] ?? one),
  largeCommunities: path.large_communities ?? [],
  extendedCommunities: path.extended_communities ?? [],
  med: path.metric ?? null,
  stale: path.stale ?? false,
});

function configText(settings: RouterSettings, neighbor: string, socket: string, stage: Stage): string {
  const line = (wanted: unknown, text: string): string[] => (wanted === undefined || wanted === false ? [] : [text]);
  return [
    `AS ${settings.asn ?? ROUTER_ASN}`,
    "router-id 10.90.0.1",
    "fib-update no",
    `listen on ${stage.address("router")}`,
    `socket "${socket}"`,
    `holdtime ${settings.holdTimeSeconds ?? 90}`,
    "holdtime min 3",
    "connect-retry 1",
    ...ROUTER_PREFIXES.map((prefix) => `network ${prefix}`),
    `neighbor ${neighbor} {`,
    `  remote-as ${settings.peerAsn ?? OUR_ASN}`,
    `  local-address ${stage.address("router")}`,
    "  announce IPv4 unicast",
    "  announce IPv6 unicast",
    ...line(settings.passive, "  passive"),
    ...line(settings.password, `  tcp md5sig password ${settings.password}`),
    ...line(settings.gtsm, "  ttl-security yes"),
    ...line(settings.twoOctetAs, "  announce as-4byte no"),
    ...line(settings.enhancedRefresh, "  announce enhanced refresh yes"),
    ...line(settings.role, `  announce policy ${settings.role}`),
    "}",
    "allow from any",
    "allow to any",
    "",
  ].join("\n");
}
