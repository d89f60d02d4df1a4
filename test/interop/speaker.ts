import { readFileSync } from "node:fs";
import type { Ipv6 } from "../../src/addr/ip.ts";
import type { BfdSessionConfig, BfdSessionStatus } from "../../src/bfd/session/session-config.ts";
import type { PeerConfig, PeerStatus, ReceivedRoute, RouteAttributes } from "../../src/bgp/session/speaker.ts";
import type { RouterLink } from "../../src/l2/session/router-discovery.ts";
import type { ListenOptions, Md5Key } from "../../src/ports/stream.ts";
import type { ManagedProcess, Processes } from "../../lab/rack/processes.ts";
import { type Seen, waitFor } from "../../lab/wait.ts";
import type { Traffic } from "./tap.ts";

const PROGRAM = new URL("speaker-main.ts", import.meta.url).pathname;

/** What a speaker process is told once and for all. */
export interface SpeakerStart {
  readonly localAsn: number;
  readonly routerId: string;
  /** Of its interface: where the next hop of the other family is found. */
  readonly addresses: readonly string[];
  /** The process before this one has kept its routes at the peers. */
  readonly restarted?: boolean;
  /** Look for the router on this interface, and let it find us. */
  readonly discover?: { readonly name: string } & RouterLink;
  readonly listen: readonly (Omit<ListenOptions, "local"> & { readonly address: string; readonly port: number })[];
}

/** A route to announce; extended communities are text, since JSON has no such numbers. */
export type Announcement = Omit<RouteAttributes, "extendedCommunities"> & {
  readonly prefix: string;
  readonly extendedCommunities?: readonly string[];
};

export type Order =
  | { readonly do: "peers"; readonly peers: readonly PeerConfig[] }
  | { readonly do: "routes"; readonly routes: readonly Announcement[] }
  /** The MD5 keys of the listeners. */
  | { readonly do: "keys"; readonly keys: readonly Md5Key[] }
  | { readonly do: "look" }
  | { readonly do: "drain" }
  | { readonly do: "bfd"; readonly sessions: readonly BfdSessionConfig[] }
  | { readonly do: "stop"; readonly reason: string; readonly keepRoutes?: boolean };

/** All that a speaker says of itself. */
export interface SpeakerView {
  /** Orders that were carried out. */
  readonly answered: number;
  readonly ended: boolean;
  readonly peers: readonly PeerStatus[];
  readonly received: Readonly<Record<string, readonly ReceivedRoute[]>>;
  /** The address of the router on the interface of `discover`. */
  readonly discovered: Ipv6 | null;
  readonly bfd: readonly BfdSessionStatus[];
  readonly traffic: { readonly sent: Traffic; readonly received: Traffic };
}

/** A running speaker process. */
export class SpeakerProcess {
  readonly process: ManagedProcess;
  #view: SpeakerView | null = null;
  #orders = 0;

  constructor(processes: Processes, host: string, start: SpeakerStart) {
    this.process = processes.start({
      name: "speaker",
      host,
      argv: [process.execPath, PROGRAM, JSON.stringify(start)],
      onLine: (line) => (this.#view = JSON.parse(line) as SpeakerView),
    });
  }

  /** @throws Error before its first word */
  get view(): SpeakerView {
    if (this.#view === null) throw new Error(`the speaker has not said anything, see ${this.process.log}`);
    return this.#view;
  }

  /** Resolves once the order is carried out, with what the speaker then says. */
  async order(order: Order): Promise<SpeakerView> {
    await this.process.firstLine;
    const wanted = ++this.#orders;
    this.process.write(JSON.stringify(order));
    await waitFor(
      `the speaker does "${order.do}"`,
      10_000,
      () => {
        if (!this.process.running) throw new Error(`the speaker has ended: ${lastLines(this.process.log)}`);
        return this.view.answered >= wanted;
      },
      { everyMillis: 5 },
    );
    return this.view;
  }

  /** Asks for a fresh view until `condition` holds of it. */
  async until(what: string, limitMillis: number, condition: (view: SpeakerView) => Seen): Promise<number> {
    return waitFor(what, limitMillis, async () => condition(await this.order({ do: "look" })), { everyMillis: 25 });
  }
}

const lastLines = (file: string): string => readFileSync(file, "utf8").trim().split("\n").slice(-8).join("\n");
