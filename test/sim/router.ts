import { type IpAddress, ip, type Ipv4 } from "../../src/addr/ip.ts";
import { parsePrefix, prefixAddress } from "../../src/addr/prefix.ts";
import { Speaker } from "../../src/bgp/session/speaker.ts";
import { Asn } from "../../src/bgp/wire/asn.ts";
import type { Chance } from "./chance.ts";
import type { Host, Process } from "./host.ts";
import type { Tcp } from "./streams.ts";
import { traceLog } from "./log.ts";
import type { Trace } from "./trace.ts";

export const ROUTER_AS = 65_000;
const BGP_PORT = 179;

export interface RouterParts {
  readonly host: Host;
  readonly address: IpAddress;
  readonly tcp: Tcp;
  readonly chance: Chance;
  readonly trace: Trace;
  readonly holdTimeSeconds: number;
  /** By the address of their end of the session. */
  readonly nodes: ReadonlyMap<IpAddress, string>;
  /** A node's route appeared or went. */
  readonly onRoute: (router: SimRouter, node: string, vip: IpAddress, isThere: boolean) => void;
}

/** A router: takes every node's session, and keeps a table of what each of them announces. */
export class SimRouter {
  readonly host: Host;
  readonly #parts: RouterParts;
  #process: Process | null = null;
  #speaker: Speaker | null = null;
  /** "vip node" of every route in the table. */
  #table = new Set<string>();

  constructor(parts: RouterParts) {
    this.#parts = parts;
    this.host = parts.host;
  }

  get name(): string {
    return this.host.name;
  }

  /** Nodes that are next hops of the VIP. */
  nextHops(vip: IpAddress): readonly string[] {
    return [...this.#table].filter((it) => it.startsWith(`${vip} `)).map((it) => it.slice(vip.length + 1));
  }

  get routes(): readonly (readonly [vip: IpAddress, node: string])[] {
    return [...this.#table].map((it) => it.split(" ") as unknown as [IpAddress, string]);
  }

  get isRunning(): boolean {
    return this.#process !== null;
  }

  start(): void {
    const { host, address, tcp, chance, trace, holdTimeSeconds } = this.#parts;
    const process = host.start();
    const log = traceLog(trace, host.name);
    const speaker = new Speaker(
      { clock: process.clock, entropy: chance, dialer: tcp.dialer(process, address), log, localAddresses: () => [] },
      { localAsn: Asn.of(ROUTER_AS), routerId: address as Ipv4, restarted: false },
    );
    const template = {
      port: BGP_PORT,
      asn: "external",
      ttl: 1,
      holdTimeSeconds,
      connectRetrySeconds: 5,
      families: ["ipv4-unicast"],
      importPolicy: { accept: [{ within: parsePrefix("10.0.0.0/8")!, lengthMax: 32 }], honourGracefulShutdown: true },
    } as const;
    speaker.setPeers([], [{ name: "node", prefix: parsePrefix("10.0.0.0/24")!, countMax: 64, template }]);
    speaker.setRoutes(new Map());
    speaker.onChange(() => this.#read());
    tcp.listen(process, address, BGP_PORT, (stream) => speaker.accept(stream));
    this.#process = process;
    this.#speaker = speaker;
  }

  /** Its program dies, and its table with it. */
  crash(): void {
    if (this.#process === null) return;
    this.#process.isAlive = false;
    this.#parts.tcp.end(this.#process);
    this.#process = null;
    this.#speaker = null;
    this.#read();
  }

  #read(): void {
    const table = new Set<string>();
    for (const [peer, routes] of this.#speaker?.received() ?? []) {
      const node = this.#parts.nodes.get(ip(peer.slice("node-".length)));
      if (node === undefined) continue;
      for (const { prefix } of routes.values()) table.add(`${prefixAddress(prefix)} ${node}`);
    }
    const before = this.#table;
    this.#table = table;
    for (const route of before) if (!table.has(route)) this.#tell(route, false);
    for (const route of table) if (!before.has(route)) this.#tell(route, true);
  }

  #tell(route: string, isThere: boolean): void {
    const [vip, node] = route.split(" ") as [IpAddress, string];
    this.#parts.onRoute(this, node, vip, isThere);
  }
}
