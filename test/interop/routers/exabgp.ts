import { existsSync } from "node:fs";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { command } from "../../../lab/rack/command.ts";
import type { Router, RouterKind, RouterSettings, SeenRoute, SeenRoutes } from "../router.ts";
import { OUR_ASN, ROUTER_ASN, ROUTER_PREFIXES, type Stage } from "../stage.ts";
import { Daemons } from "./daemons.ts";

const DAEMON = "/usr/sbin/exabgp";
const AS_TRANS = 23_456;

export const exabgp: RouterKind = {
  name: "exabgp",
  title: "ExaBGP",
  package: "exabgp",
  programsKernel: false,
  lacks: {
    role: "version 4 has none",
    "graceful-restart": "it has no table: what is to be kept is for the programs behind it to know",
    bfd: "it has none",
    unnumbered: "it needs an address for a neighbour",
  },
  partly: {
    "both-families": "it cannot handle connections that cross, so only we dial, here and below",
    gtsm: "it sends 255 and does not look at what it receives",
    "notification-text":
      "it fails to decode a text and answers with an error of its own; the text that it sends is always the same",
  },
  obstacle: () => (existsSync(DAEMON) ? null : "ExaBGP is not installed (package exabgp)"),
  version: async () => /ExaBGP : (\S+)/.exec(await command([DAEMON, "--version"]))?.[1] ?? "",
  on: (stage) => new Exabgp(stage),
};

/**
 * ExaBGP has no tables: it hands what it hears to a program, and says what that program tells it to. Ours is a shell
 * that writes all of it to one file, and passes on what is written into a named pipe.
 */
class Exabgp implements Router {
  readonly #stage: Stage;
  readonly #daemons: Daemons;
  #neighbor = "";

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#daemons = new Daemons(stage);
  }

  async start(settings: RouterSettings): Promise<void> {
    const { folder } = this.#stage;
    this.#neighbor = settings.peerAddress ?? this.#stage.address("ours");
    const config = `${folder}/exabgp.conf`;
    await writeFile(config, configText(settings, this.#neighbor, this.#stage));
    if (!existsSync(this.#pipe)) await command(["mkfifo", this.#pipe]);
    await writeFile(this.#events, "");
    await writeFile(`${folder}/helper.sh`, `#!/bin/sh\ncat <>${this.#pipe} &\nexec cat >>${this.#events}\n`, {
      mode: 0o755,
    });
    this.#daemons.start("exabgp", [DAEMON, config], {
      "exabgp.daemon.user": "root",
      "exabgp.daemon.drop": "false",
      "exabgp.api.cli": "false",
      "exabgp.api.ack": "false",
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
    const routes = new Map<string, SeenRoute>();
    for (const { type, neighbor } of await this.#heard()) {
      if (type === "state" && neighbor.state === "down") routes.clear();
      const update = neighbor.message?.update;
      if (!update) continue;
      for (const withdrawn of Object.values(update.withdraw ?? {})) {
        for (const { nlri } of withdrawn) routes.delete(nlri);
      }
      for (const announced of Object.values(update.announce ?? {})) {
        for (const [nextHop, prefixes] of Object.entries(announced)) {
          for (const { nlri } of prefixes) routes.set(nlri, seen(nextHop, update.attribute ?? {}));
        }
      }
    }
    return routes;
  }

  async isEstablished(): Promise<boolean> {
    return (await this.#heard()).findLast(({ type }) => type === "state")?.neighbor.state === "up";
  }

  async words(): Promise<string> {
    return `${await this.#daemons.words()}\n${await readFile(this.#events, "utf8")}`;
  }

  async isBfdUp(): Promise<boolean> {
    return false;
  }

  async askRefresh(): Promise<void> {
    for (const family of ["ipv4", "ipv6"]) await this.#tell(`announce route-refresh ${family} unicast`);
  }

  async shutDown(_text: string): Promise<string> {
    await this.#tell(`neighbor ${this.#neighbor} teardown 2`);
    return "Administrative Shutdown";
  }

  async #tell(line: string): Promise<void> {
    await appendFile(this.#pipe, `${line}\n`);
  }

  async #heard(): Promise<readonly ExabgpEvent[]> {
    const lines = (await readFile(this.#events, "utf8")).split("\n");
    return lines.slice(0, -1).map((line) => JSON.parse(line) as ExabgpEvent);
  }

  get #events(): string {
    return `${this.#stage.folder}/state/events`;
  }

  get #pipe(): string {
    return `${this.#stage.folder}/state/orders`;
  }
}

interface ExabgpAttributes {
  readonly "as-path"?: readonly number[];
  readonly med?: number;
  readonly community?: readonly (readonly number[])[];
  readonly "large-community"?: readonly (readonly number[])[];
  readonly "extended-community"?: readonly { readonly string: string }[];
}

interface ExabgpEvent {
  readonly type: string;
  readonly neighbor: {
    readonly state?: string;
    readonly message?: {
      readonly update?: {
        readonly attribute?: ExabgpAttributes;
        readonly announce?: Readonly<Record<string, Readonly<Record<string, readonly { readonly nlri: string }[]>>>>;
        readonly withdraw?: Readonly<Record<string, readonly { readonly nlri: string }[]>>;
      };
    };
  };
}

const seen = (nextHop: string, attributes: ExabgpAttributes): SeenRoute => ({
  nextHop,
  asPath: (attributes["as-path"] ?? []).join(" "),
  communities: (attributes.community ?? []).map((one) => one.join(":")),
  largeCommunities: (attributes["large-community"] ?? []).map((one) => one.join(":")),
  extendedCommunities: (attributes["extended-community"] ?? []).map(({ string }) =>
    string.replace(/^target:/, "rt ").replace(/^origin:/, "ro "),
  ),
  med: attributes.med ?? null,
  stale: false,
});

function configText(settings: RouterSettings, neighbor: string, stage: Stage): string {
  const line = (wanted: unknown, text: string): string[] => (wanted === undefined || wanted === false ? [] : [text]);
  const { IPv4, IPv6 } = stage.addresses("router");
  return [
    `process watch { run ${stage.folder}/helper.sh; encoder json; }`,
    `neighbor ${neighbor} {`,
    "  router-id 10.90.0.1;",
    `  local-address ${stage.address("router")};`,
    `  local-as ${settings.asn ?? ROUTER_ASN};`,
    // Without the capability it sees but two octets of our number.
    `  peer-as ${settings.twoOctetAs === true ? AS_TRANS : (settings.peerAsn ?? OUR_ASN)};`,
    "  listen 179;",
    `  hold-time ${settings.holdTimeSeconds ?? 90};`,
    // It cannot handle connections that cross: where both sides dial, it resets one after the other.
    ...line(settings.passive ?? true, "  passive true;"),
    ...line(settings.password, `  md5-password "${settings.password}";`),
    ...line(settings.gtsm, "  outgoing-ttl 255;\n  incoming-ttl 255;"),
    "  capability {",
    "    route-refresh enable;",
    ...line(settings.twoOctetAs, "    asn4 disable;"),
    ...line(settings.gracefulRestart, "    graceful-restart 30;"),
    ...line(settings.extendedNextHop, "    nexthop enable;"),
    "  }",
    ...line(settings.extendedNextHop, "  nexthop { ipv4 unicast ipv6; }"),
    "  family { ipv4 unicast; ipv6 unicast; }",
    "  api { processes [ watch ]; neighbor-changes; receive { parsed; update; notification; } }",
    `  static { route ${ROUTER_PREFIXES[0]} next-hop ${IPv4}; route ${ROUTER_PREFIXES[1]} next-hop ${IPv6}; }`,
    "}",
    "",
  ].join("\n");
}
