import { mkdir, mkdtemp } from "node:fs/promises";
import { command } from "../../lab/rack/command.ts";
import { Processes } from "../../lab/rack/processes.ts";
import { folderPrefix, prefixOf, removeTraces } from "../../lab/rack/traces.ts";
import { ip } from "../../src/addr/ip.ts";
import type { PeerConfig } from "../../src/bgp/session/speaker.ts";
import { Asn } from "../../src/bgp/wire/asn.ts";
import { type SpeakerStart, SpeakerProcess } from "./speaker.ts";

export type Transport = "IPv4" | "IPv6";

export const BGP_PORT = 179;
export const OUR_ASN = 65_001;
export const ROUTER_ASN = 65_000;
export const INTERFACE = "eth0";

/** What we announce in most tests: a VIP of each family, which `ours` also answers for. */
export const VIPS = ["192.0.2.10/32", "2001:db8:2::10/128"] as const;
/** What the router announces. */
export const ROUTER_PREFIXES = ["198.51.100.0/24", "2001:db8:51::/48"] as const;

const ADDRESSES = {
  router: { IPv4: "10.90.0.1", IPv6: "fd90::1" },
  ours: { IPv4: "10.90.0.2", IPv6: "fd90::2" },
} as const;

let made = 0;

/**
 * Where one cell of the table is played: a namespace for the router, one for our speaker, a cable between them, and
 * the processes in both. Nothing is shared with another stage, so any number of them may exist at a time.
 */
export class Stage {
  readonly transport: Transport;
  readonly folder: string;
  readonly processes: Processes;
  readonly #prefix: string;

  private constructor(transport: Transport, prefix: string, folder: string) {
    this.transport = transport;
    this.#prefix = prefix;
    this.folder = folder;
    this.processes = new Processes(folder, prefix);
  }

  static async set(transport: Transport): Promise<Stage> {
    const prefix = `${prefixOf(process.pid)}${made++}-`;
    const stage = new Stage(transport, prefix, await mkdtemp(folderPrefix(prefix)));
    try {
      await stage.#build();
    } catch (error) {
      await stage.strike();
      throw error;
    }
    return stage;
  }

  /** Full name of a namespace; the router's is also FRR's name for its instance. */
  namespace(host: "router" | "ours"): string {
    return `${this.#prefix}${host}`;
  }

  /** Of the session's transport. */
  address(host: "router" | "ours"): string {
    return ADDRESSES[host][this.transport];
  }

  /** Of the interface, by transport. */
  addresses(host: "router" | "ours"): Readonly<Record<Transport, string>> {
    return ADDRESSES[host];
  }

  /** `ip` in a namespace; `words` are separated by blanks. */
  ip(host: "router" | "ours", words: string): Promise<string> {
    return command(["ip", "-n", this.namespace(host), ...words.split(" ")]);
  }

  /** Runs a short program in a namespace. */
  run(host: "router" | "ours", argv: readonly string[]): Promise<string> {
    return command(["ip", "netns", "exec", this.namespace(host), ...argv]);
  }

  /** Counters of the TCP stack there that tell what it has dropped without a word. */
  async tcpDrops(host: "router" | "ours"): Promise<Readonly<Record<string, number>>> {
    const text = await this.run(host, ["cat", "/proc/net/netstat"]);
    const [names = "", values = ""] = text.split("\n").filter((line) => line.startsWith("TcpExt:"));
    const numbers = values.split(" ");
    return Object.fromEntries(names.split(" ").map((name, index) => [name, Number(numbers[index])]));
  }

  /** Our side as most tests want it; `changes` replace what differs. */
  peer(changes: Partial<PeerConfig> = {}): PeerConfig {
    return {
      name: "router",
      address: ip(this.address("router")),
      port: BGP_PORT,
      asn: Asn.of(ROUTER_ASN),
      passive: false,
      ttl: 1,
      holdTimeSeconds: 90,
      connectRetrySeconds: 1,
      families: ["ipv4-unicast", "ipv6-unicast"],
      importPolicy: {
        accept: [
          { within: "0.0.0.0/0" as never, lengthMax: 32 },
          { within: "::/0" as never, lengthMax: 128 },
        ],
        honourGracefulShutdown: true,
      },
      ...changes,
    };
  }

  /** Starts our speaker, listening on its address of the transport. */
  async speaker(changes: Partial<SpeakerStart> = {}): Promise<SpeakerProcess> {
    const speaker = new SpeakerProcess(this.processes, "ours", {
      localAsn: OUR_ASN,
      routerId: ADDRESSES.ours.IPv4,
      addresses: Object.values(ADDRESSES.ours),
      listen: [{ address: this.address("ours"), port: BGP_PORT }],
      ...changes,
    });
    await speaker.process.firstLine;
    return speaker;
  }

  /** Removes everything. */
  async strike(): Promise<void> {
    await this.processes.killEverything();
    await removeTraces(this.#prefix);
  }

  async #build(): Promise<void> {
    const [router, ours] = [this.namespace("router"), this.namespace("ours")];
    // FRR's own user must be able to read its configuration.
    await command(["chmod", "711", this.folder]);
    await mkdir(`${this.folder}/state`);
    await command(["ip", "-batch", "-"], { input: `netns add ${router}\nnetns add ${ours}\n` });
    const settings = [
      ...["all", "default"].map((where) => `echo 0 > /proc/sys/net/ipv6/conf/${where}/accept_dad`),
      "echo 1 > /proc/sys/net/ipv4/ip_forward",
      "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding",
    ].join("\n");
    await Promise.all((["router", "ours"] as const).map((host) => this.run(host, ["sh", "-e", "-c", settings])));
    const lines = (host: "router" | "ours"): string =>
      [
        "link set lo up",
        `link set ${INTERFACE} up`,
        `addr add ${ADDRESSES[host].IPv4}/24 dev ${INTERFACE}`,
        `addr add ${ADDRESSES[host].IPv6}/64 dev ${INTERFACE} nodad`,
        ...(host === "ours" ? VIPS.map((vip) => `addr add ${vip} dev lo`) : []),
        "",
      ].join("\n");
    await command([
      "ip",
      "link",
      "add",
      INTERFACE,
      "netns",
      router,
      "type",
      "veth",
      "peer",
      "name",
      INTERFACE,
      "netns",
      ours,
    ]);
    await Promise.all(
      (["router", "ours"] as const).map((host) =>
        command(["ip", "-n", this.namespace(host), "-batch", "-"], { input: lines(host) }),
      ),
    );
  }
}

/** The community value that stands for "AS:number". */
export const community = (asn: number, value: number): number => ((asn << 16) | value) >>> 0;
