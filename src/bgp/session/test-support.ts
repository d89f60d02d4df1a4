import { pino } from "pino";
import { seeded, VirtualTime } from "../../../test/support/virtual-time.ts";
import { type NetworkOptions, VirtualNetwork } from "../../../test/support/virtual-network.ts";
import { ip, type IpAddress, type Ipv4 } from "../../addr/ip.ts";
import { parsePrefix } from "../../addr/prefix.ts";
import type { ByteStream, StreamHandler } from "../../ports/stream.ts";
import type { ImportPolicy } from "../rib/policy.ts";
import { Asn } from "../wire/asn.ts";
import type { Capability } from "../wire/capabilities.ts";
import { frame, MESSAGE_LENGTH_MAX } from "../wire/framing.ts";
import { decodeMessage, encodeMessage, type Message } from "../wire/message.ts";
import { EXTERNAL, hexOf, messageOf, octets, updateBody } from "../wire/test-support.ts";
import { type PeerConfig, Speaker } from "./speaker.ts";

/** Addresses of the two hosts of a rack, a and b: on one link, in both families. */
export const HOSTS = {
  a: [ip("10.0.0.1"), ip("2001:db8::1"), ip("fe80::1")],
  b: [ip("10.0.0.2"), ip("2001:db8::2"), ip("fe80::2")],
} as const;

/** For tests about something else: every route may be used. */
const EVERYTHING: ImportPolicy = {
  accept: [
    { within: parsePrefix("0.0.0.0/0")!, lengthMax: 32 },
    { within: parsePrefix("::/0")!, lengthMax: 128 },
  ],
  honourGracefulShutdown: true,
};

export interface RackOptions {
  readonly seed?: number;
  readonly network?: NetworkOptions;
  /** Settings of a's peer b, and of b's peer a. */
  readonly a?: Partial<PeerConfig>;
  readonly b?: Partial<PeerConfig>;
  readonly asns?: readonly [number, number];
  readonly ids?: readonly [string, string];
  /** Addresses beside that of the session on the interface of each host; all that it has when absent. */
  readonly others?: readonly IpAddress[];
  /** Whether an address is in a subnet of the link; not told when absent. */
  readonly isOnLink?: (address: IpAddress) => boolean;
  /** a has restarted. */
  readonly restarted?: boolean;
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
        ...(options.isOnLink === undefined ? {} : { isOnLink: options.isOnLink }),
        localAddresses: (of) => options.others ?? HOSTS[name].filter((address) => address !== of),
      },
      {
        localAsn: Asn.of(asns[index]),
        routerId: ip(ids[index]) as Ipv4,
        restarted: name === "a" && options.restarted === true,
      },
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
    importPolicy: EVERYTHING,
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

/** What a router says when a session begins, and a KEEPALIVE. */
export const RAW = {
  open: octets(`${"ff".repeat(16)} 0031 01 04 fdea 0009 0a000002 14 0212 0104 0001 0001 0104 0002 0001 4104 0000fdea`),
  keepalive: octets(`${"ff".repeat(16)} 0013 04`),
};

/** The OPEN of a router, AS 65002, with these capabilities beside the usual ones for both families. */
export const openWith = (...capabilities: readonly Capability[]): Uint8Array =>
  encodeMessage(
    {
      type: "open",
      twoOctetAs: 65_002,
      holdTimeSeconds: 9,
      identifier: ip("10.0.0.2") as Ipv4,
      capabilities: [
        { kind: "multiprotocol", afi: 1, safi: 1 },
        { kind: "multiprotocol", afi: 2, safi: 1 },
        { kind: "route-refresh" },
        { kind: "four-octet-as", asn: Asn.of(65_002) },
        ...capabilities,
      ],
    },
    EXTERNAL,
  );

/** RFC 4724: the router wants its routes kept for so long, and keeps forwarding meanwhile. */
export const restartable = (
  restartTimeSeconds: number,
  { notification = false, restarting = false, forwarding = true } = {},
): Capability => ({
  kind: "graceful-restart",
  restarting,
  notification,
  restartTimeSeconds,
  families: [
    { afi: 1, safi: 1, forwarding },
    { afi: 2, safi: 1, forwarding },
  ],
});

/** An UPDATE of the router with one IPv4 route, by AS 65002 and 10.0.0.2. */
export const routeOf = (prefix: string): Uint8Array => {
  const [address = "", length = ""] = prefix.split("/");
  const octet = (value: number): string => value.toString(16).padStart(2, "0");
  const digits = address
    .split(".")
    .map(Number)
    .slice(0, Math.ceil(Number(length) / 8))
    .map(octet)
    .join("");
  return messageOf(2, updateBody("4001010040020602010000fdea4003040a000002", octet(Number(length)) + digits));
};

/** End-of-RIB of IPv4 and of IPv6. */
export const END_OF_RIB = [messageOf(2, updateBody("")), messageOf(2, updateBody("800f03000201"))] as const;

/** One speaker, a, and in place of the other a peer that sends and gets plain octets: it can do what no speaker would. */
export function rawRack(options: RackOptions = {}) {
  const net = rack(options);
  const received: Message[] = [];
  let stream: (ByteStream & { pause(): void; resume(): void }) | null = null;
  let buffer = new Uint8Array(0);
  let connectionCount = 0;
  let maxLength = MESSAGE_LENGTH_MAX;
  let longest = 0;
  const handlerOf = (own: ByteStream): StreamHandler => ({
    onOpen: () => {},
    onDrain: () => {},
    onEnd: () => {
      if (stream === own) stream = null;
    },
    onData(bytes) {
      if (stream !== own) return;
      buffer = Uint8Array.of(...buffer, ...bytes);
      for (;;) {
        const framed = frame(buffer, maxLength);
        if (framed.kind !== "message") break;
        longest = Math.max(longest, framed.bytes.length);
        const decoded = decodeMessage(framed.bytes, EXTERNAL);
        if (decoded.kind !== "message" || decoded.faults.length > 0) throw new Error("a speaker sends good messages");
        received.push(decoded.message);
        buffer = buffer.slice(framed.bytes.length);
      }
    },
  });
  const accept = (accepted: ByteStream): StreamHandler => {
    connectionCount++;
    buffer = new Uint8Array(0);
    stream = accepted as typeof stream;
    return handlerOf(accepted);
  };
  net.network.listen(HOSTS.b[0], 179, accept);
  const raw = {
    ...net,
    /** Messages that the speaker sent, since the last call of `clear`. */
    received,
    clear: () => void received.splice(0),
    /** Messages of up to so many octets are taken. */
    takes: (length: number) => void (maxLength = length),
    /** Octets of the longest message so far. */
    get longest(): number {
      return longest;
    },
    get connectionCount(): number {
      return connectionCount;
    },
    get isConnected(): boolean {
      return stream !== null;
    },
    get stream(): NonNullable<typeof stream> {
      if (stream === null) throw new Error("not connected");
      return stream;
    },
    send(...messages: readonly Uint8Array[]): void {
      for (const message of messages) raw.stream.write(message);
    },
    status: () => net.a.peers()[0]!,
    notification: () => received.find((message) => message.type === "notification") ?? null,
    /** Every NOTIFICATION, as "code/subcode data". */
    said: () =>
      received.flatMap((message) =>
        message.type === "notification" ? [`${message.code}/${message.subcode} ${hexOf(message.data)}`.trim()] : [],
      ),
    /** The speaker dials; then both OPENs, and the KEEPALIVE that establishes the session. */
    up(open = RAW.open): void {
      if (net.a.peers().length === 0) net.a.setPeers(net.peers.a);
      net.time.runUntil(() => stream !== null && received.some(({ type }) => type === "open"));
      raw.send(open, RAW.keepalive);
      net.time.runUntil(() => raw.status().state === "established");
      net.time.advance(10);
    },
  };
  return raw;
}
