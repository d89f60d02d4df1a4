import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { spawnSync } from "node:child_process";
import { command } from "../../../lab/rack/command.ts";
import { waitFor } from "../../../lab/wait.ts";
import type { Router, RouterKind, RouterSettings, SeenRoute, SeenRoutes } from "../router.ts";
import { INTERFACE, OUR_ASN, ROUTER_ASN, ROUTER_PREFIXES, type Stage } from "../stage.ts";
import { Daemons } from "./daemons.ts";

const BIRD = "/usr/sbin/bird";
const BIRDC = "/usr/sbin/birdc";

export const bird: RouterKind = {
  name: "bird",
  title: "BIRD",
  package: "bird2",
  programsKernel: true,
  lacks: {
    unnumbered: "it finds no neighbour by its router advertisements",
    "two-octet-as": "without the capability it takes no neighbour with a number above 65535",
  },
  obstacle: () => (existsSync(BIRD) ? null : "BIRD is not installed (package bird2)"),
  version: async () => /(\d[\d.]+)/.exec(spawnSync(BIRD, ["--version"], { encoding: "utf8" }).stderr)?.[1] ?? "",
  on: (stage) => new Bird(stage),
};

class Bird implements Router {
  readonly #stage: Stage;
  readonly #daemons: Daemons;
  readonly #socket: string;
  #runs = 0;

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#daemons = new Daemons(stage);
    this.#socket = `${stage.folder}/state/bird.ctl`;
  }

  async start(settings: RouterSettings): Promise<void> {
    const config = `${this.#stage.folder}/bird.conf`;
    await writeFile(config, configText(settings, this.#stage));
    // The second time it is the restart of a router that keeps forwarding.
    const restart = this.#runs++ > 0 ? ["-R"] : [];
    this.#daemons.start("bird", [BIRD, "-f", "-c", config, "-s", this.#socket, ...restart]);
    await waitFor("BIRD answers", 10_000, async () => {
      if (!existsSync(this.#socket)) return false;
      return (await this.#birdc("show status").catch(() => "")).includes("Daemon is up");
    });
    await this.#daemons.listening();
  }

  kill(): Promise<void> {
    return this.#daemons.kill();
  }

  freeze(): void {
    this.#daemons.freeze();
  }

  async routes(): Promise<SeenRoutes> {
    const [routes, session] = await Promise.all([
      this.#birdc("show route all protocol ours"),
      this.#birdc("show protocols all ours"),
    ]);
    // It says of the session, and not of the routes, that they are kept.
    return parseRoutes(routes, session.includes("Neighbor graceful restart active"));
  }

  async isEstablished(): Promise<boolean> {
    return (await this.#birdc("show protocols ours")).includes("Established");
  }

  async words(): Promise<string> {
    return `${await this.#daemons.words()}\n${await this.#birdc("show protocols all ours")}`;
  }

  async isBfdUp(): Promise<boolean> {
    return / Up /.test(await this.#birdc("show bfd sessions"));
  }

  async askRefresh(): Promise<void> {
    await this.#birdc("reload in ours");
  }

  async shutDown(text: string): Promise<string> {
    await this.#birdc(`disable ours "${text}"`);
    return text;
  }

  #birdc(words: string): Promise<string> {
    // A text in quotes has to arrive as one word with them.
    const argv = /^(.*?) ("[^"]*")$/.exec(words);
    return command([BIRDC, "-s", this.#socket, ...(argv ? [...argv[1]!.split(" "), argv[2]!] : words.split(" "))]);
  }
}

/** Communities are printed as "(65001,100) (65535,0)", extended ones as "(rt, 65001, 7)". */
const tuples = (text: string): string[][] =>
  [...text.matchAll(/\(([^)]*)\)/g)].map(([, inside = ""]) => inside.split(",").map((one) => one.trim()));

/** @param text  of `show route all`: each prefix, its routes, and below each route its attributes, "\tNAME: value" */
function parseRoutes(text: string, stale: boolean): SeenRoutes {
  const routes = new Map<string, SeenRoute>();
  for (const block of text.split(/\n(?=[0-9a-f.:]+\/\d+\s)/)) {
    const prefix = /^([0-9a-f.:]+\/\d+)\s/m.exec(block)?.[1];
    if (prefix === undefined) continue;
    const attribute = (name: string): string => new RegExp(`^\\s+BGP\\.${name}: (.*)$`, "m").exec(block)?.[1] ?? "";
    const med = attribute("med");
    routes.set(prefix, {
      nextHop: attribute("next_hop").split(" ")[0] ?? "",
      asPath: attribute("as_path"),
      communities: tuples(attribute("community")).map((one) => one.join(":")),
      largeCommunities: tuples(attribute("large_community")).map((one) => one.join(":")),
      extendedCommunities: tuples(attribute("ext_community")).map(([kind, ...rest]) => `${kind} ${rest.join(":")}`),
      med: med === "" ? null : Number(med),
      stale,
    });
  }
  return routes;
}

function configText(settings: RouterSettings, stage: Stage): string {
  const hold = settings.holdTimeSeconds ?? 90;
  const line = (wanted: unknown, text: string): string[] => (wanted === undefined || wanted === false ? [] : [text]);
  const linkLocal = settings.unnumbered === true;
  const peer = settings.peerAddress ?? stage.address("ours");
  const families = (["4", "6"] as const).flatMap((family, index) => [
    `protocol kernel kernel${family} { ${settings.gracefulRestart === true ? "persist; " : ""}ipv${family} { import none; export where source = RTS_BGP; }; }`,
    `protocol static own${family} { ipv${family}; route ${ROUTER_PREFIXES[index]} blackhole; }`,
  ]);
  return [
    "router id 10.90.0.1;",
    "log stderr all;",
    "protocol device { }",
    ...families,
    ...line(
      settings.bfd,
      `protocol bfd { interface "${INTERFACE}" { min rx interval 50 ms; min tx interval 50 ms; multiplier 3; }; }`,
    ),
    "protocol bgp ours {",
    "  debug { states, events };",
    `  local ${linkLocal ? "" : `${stage.address("router")} `}as ${settings.asn ?? ROUTER_ASN};`,
    `  neighbor ${peer}${peer.startsWith("fe80") ? `%${INTERFACE}` : ""} as ${settings.peerAsn ?? OUR_ASN};`,
    `  hold time ${hold}; keepalive time ${Math.max(1, Math.floor(hold / 3))};`,
    "  connect delay time 1; connect retry time 1; error wait time 1, 2;",
    ...line(settings.passive, "  passive on;"),
    ...line(settings.password, `  password "${settings.password}";`),
    ...line(settings.gtsm, "  ttl security on;"),
    ...line(settings.twoOctetAs, "  enable as4 off;"),
    ...line(settings.gracefulRestart, "  graceful restart on; graceful restart time 30;"),
    ...line(settings.role, `  local role ${settings.role};`),
    ...line(settings.bfd, "  bfd on;"),
    ...line(settings.extendedMessages, "  enable extended messages on;"),
    `  ipv4 { import all; export where source = RTS_STATIC;${settings.extendedNextHop === true ? " extended next hop on;" : ""} };`,
    "  ipv6 { import all; export where source = RTS_STATIC; };",
    "}",
    "",
  ].join("\n");
}
