import { pino } from "pino";
import { seeded, VirtualTime } from "../../../test/support/virtual-time.ts";
import { type NetworkOptions, VirtualNetwork } from "../../../test/support/virtual-network.ts";
import { ip, type Ipv4 } from "../../addr/ip.ts";
import { Asn } from "../wire/asn.ts";
import { type PeerConfig, Speaker } from "./speaker.ts";

/** Addresses of the two hosts of a rack, a and b: on one link, in both families. */
export const HOSTS = {
  a: [ip("10.0.0.1"), ip("2001:db8::1"), ip("fe80::1")],
  b: [ip("10.0.0.2"), ip("2001:db8::2"), ip("fe80::2")],
} as const;

export interface RackOptions {
  readonly seed?: number;
  readonly network?: NetworkOptions;
  /** Settings of a's peer b, and of b's peer a. */
  readonly a?: Partial<PeerConfig>;
  readonly b?: Partial<PeerConfig>;
  readonly asns?: readonly [number, number];
  readonly ids?: readonly [string, string];
}

/** Two speakers that know each other, on a network in memory and in virtual time. Each line of their logs is kept. */
export function rack(options: RackOptions = {}) {
  const { seed = 1, asns = [65_001, 65_002], ids = ["10.0.0.1", "10.0.0.2"] } = options;
  const time = new VirtualTime();
  const network = new VirtualNetwork(time, seeded(seed), options.network);
  const log: Record<string, unknown>[] = [];
  const speaker = (name: "a" | "b", index: 0 | 1): Speaker => {
    const sink = { write: (line: string) => void log.push({ speaker: name, ...JSON.parse(line) }) };
    return new Speaker(
      {
        clock: time,
        entropy: seeded(seed * 31 + index),
        dialer: network.dialer(...HOSTS[name]),
        log: pino({ level: "debug", base: null }, sink),
        localAddresses: (of) => HOSTS[name].filter((address) => address !== of),
      },
      { localAsn: Asn.of(asns[index]), routerId: ip(ids[index]) as Ipv4 },
    );
  };
  const [a, b] = [speaker("a", 0), speaker("b", 1)];
  const peer = (name: "a" | "b", index: 0 | 1): PeerConfig => ({
    name,
    address: HOSTS[name][0],
    port: 179,
    asn: Asn.of(asns[index]),
    passive: false,
    ttl: 1,
    holdTimeSeconds: 9,
    connectRetrySeconds: 5,
    families: ["ipv4-unicast", "ipv6-unicast"],
  });
  for (const address of HOSTS.a) network.listen(address, 179, (stream) => a.accept(stream));
  for (const address of HOSTS.b) network.listen(address, 179, (stream) => b.accept(stream));
  const peers = { a: [{ ...peer("b", 1), ...options.a }], b: [{ ...peer("a", 0), ...options.b }] };
  const isUp = (): boolean => [a, b].every((one) => one.peers().every(({ state }) => state === "established"));
  return {
    time,
    network,
    log,
    a,
    b,
    peers,
    isUp,
    start(): void {
      a.setPeers(peers.a);
      b.setPeers(peers.b);
    },
    /** Starts both and lets time pass until they have a session. */
    up(): void {
      this.start();
      time.runUntil(isUp);
    },
    /** Names and messages of what was logged by one of them. */
    events: (name: "a" | "b", event: string): string[] =>
      log.filter((line) => line["speaker"] === name && line["event"] === event).map((line) => String(line["msg"])),
  };
}
