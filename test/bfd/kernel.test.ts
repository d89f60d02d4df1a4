import { execFileSync } from "node:child_process";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ip } from "../../src/addr/ip.ts";
import { packet } from "../../src/bfd/fsm/test-support.ts";
import { encodeControlPacket } from "../../src/bfd/wire/control-packet.ts";
import { WakeSignal } from "../../src/linux/io/datagram-calls.ts";
import { DatagramLoop } from "../../src/linux/io/datagram-loop.ts";
import { AF_INET6, closeSocket, int32, openSocket, sendDatagram, setSocketOption } from "../../src/linux/io/ffi.ts";
import { sockaddr } from "../../src/linux/io/socket-options.ts";
import { Instant } from "../../src/base/time.ts";
import type { ReceivedDatagram } from "../../src/ports/datagram.ts";
import { Namespaces } from "../support/namespaces.ts";
import { needsRoot } from "../support/privileges.ts";
import { until } from "../support/until.ts";
import { type Bfd, sessionTo, startBfd } from "./main-thread.ts";

const SOCK_DGRAM = 2;
const AF_INET = 2;

describe.runIf(!needsRoot)("two BFD threads on one link", () => {
  let lan: Namespaces;
  const running: Bfd[] = [];
  const linkLocals: string[] = [];

  beforeAll(async () => {
    lan = new Namespaces("a", "b");
    lan.connect("a", "b", "e0");
    for (const [name, host] of [
      ["a", 1],
      ["b", 2],
    ] as const) {
      lan.ip(name, `addr add 10.0.0.${host}/24 dev e0`);
      lan.ip(name, `addr add fd00::${host}/64 dev e0 nodad`);
    }
    const shown = (name: string): string => lan.ip(name, "addr show e0");
    await until("link-local addresses", () =>
      ["a", "b"].every((name) => /fe80:\S+\/64 scope link (?!tentative)/.test(shown(name))),
    );
    for (const name of ["a", "b"]) linkLocals.push(/fe80:[0-9a-f:]+/.exec(shown(name))![0]);
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map(({ sessions }) => sessions.close()));
  });
  afterAll(() => lan.remove());

  const start = (...words: Parameters<typeof startBfd>): Bfd => {
    const bfd = startBfd(...words);
    running.push(bfd);
    return bfd;
  };
  const areUp = (bfd: Bfd, ...names: readonly string[]): boolean =>
    names.every((name) => bfd.sessions.stateOf(name) === "up");

  it("come up over IPv4, IPv6, a link-local address and several hops, each from a port of its own (BFD-5881-4-01, BFD-5881-4-02, BFD-5883-5-01)", async () => {
    const [la, lb] = linkLocals as [string, string];
    const wanted = (own: number, other: number, ownLink: string, otherLink: string) => [
      sessionTo(`10.0.0.${other}`, `10.0.0.${own}`, { name: "v4" }),
      sessionTo(`fd00::${other}`, `fd00::${own}`, { name: "v6" }),
      sessionTo(otherLink, ownLink, { name: "link", interfaceName: "e0" }),
      sessionTo(`10.0.0.${other}`, null, { name: "hops", minimumTtl: 250 }),
    ];
    const a = start(lan, "a", wanted(1, 2, la, lb));
    const b = start(lan, "b", wanted(2, 1, lb, la));
    const names = ["v4", "v6", "link", "hops"];
    await until("all up", () => areUp(a, ...names) && areUp(b, ...names), 10_000);
    await until("figures", () => a.sessions.status().every((it) => it.transmitMillis === 50));
    const ports = a.sessions.status().map(({ sourcePort }) => sourcePort!);
    expect(new Set(ports).size).toBe(4);
    for (const port of ports) expect(port >= 49_152 && port <= 65_535).toBe(true);
  });

  it("find a path gone within the Detection Time, and come back with it (BFD-5880-6.2-02, BFD-5882-4.2-01)", async () => {
    const a = start(lan, "a", [sessionTo("10.0.0.2", "10.0.0.1")]);
    const b = start(lan, "b", [sessionTo("10.0.0.1", "10.0.0.2")]);
    await until("up", () => areUp(a, "10.0.0.2") && areUp(b, "10.0.0.1"), 10_000);
    await until("in a hurry", () => a.sessions.status()[0]?.detectionMillis === 150);
    lan.ip("b", "link set e0 down");
    await until("down", () => a.sessions.stateOf("10.0.0.2") === "down" && b.sessions.stateOf("10.0.0.1") === "down");
    lan.ip("b", "link set e0 up");
    await until("up again", () => areUp(a, "10.0.0.2") && areUp(b, "10.0.0.1"), 10_000);
    lan.ip("b", "addr replace fd00::2/64 dev e0 nodad");
    expect(a.changes.map(({ state }) => state)).toEqual(["up", "down", "up"]);
    expect((await a.metrics.bfdTransitions.get()).values.map(({ labels, value }) => [labels.to, value])).toEqual([
      ["up", 2],
      ["down", 1],
    ]);
  });

  it("end by AdminDown, which is no failure, and leave no thread behind (BFD-5882-3.2-02, BFD-5880-6.8.16-01)", async () => {
    const auth = { type: "meticulous-sha1", keyId: 1, key: "not a secret" } as const;
    const a = start(lan, "a", [sessionTo("10.0.0.2", "10.0.0.1", { auth })]);
    const b = start(lan, "b", [sessionTo("10.0.0.1", "10.0.0.2", { auth })]);
    await until("up", () => areUp(a, "10.0.0.2") && areUp(b, "10.0.0.1"), 10_000);
    a.sessions.setSessions([]);
    await until("told", () => b.sessions.stateOf("10.0.0.1") === "admin-down", 1_000);
    expect(a.changes.at(-1)).toMatchObject({ state: "unknown" });
    // Wanted again: the thread that is ending is followed by another.
    lan.in("a", () => a.sessions.setSessions([sessionTo("10.0.0.2", "10.0.0.1", { auth })]));
    await a.sessions.close();
    expect(b.changes.map(({ state }) => state)).toEqual(["up", "admin-down"]);
  });

  it("say nothing of a peer that has no BFD (BFD-5882-3.2-01)", async () => {
    const a = start(lan, "a", [sessionTo("10.0.0.2", "10.0.0.1")]);
    await until("asked", () => (a.sessions.status()[0]?.packetsSent ?? 0) > 2, 10_000);
    expect(a.changes).toEqual([]);
    expect(a.sessions.stateOf("10.0.0.2")).toBe("unknown");
  });

  it("that die are no failure of anybody's path, and are followed by others (BFD-P-04)", async () => {
    const b = start(lan, "b", [sessionTo("10.0.0.1", "10.0.0.2")]);
    const a = start(lan, "a", [sessionTo("10.0.0.2", "10.0.0.1")]);
    await until("up", () => areUp(a, "10.0.0.2") && areUp(b, "10.0.0.1"), 10_000);
    // What no configuration can say, and the thread does not survive.
    const broken = { ...sessionTo("10.0.0.9", null), remote: null as never };
    a.sessions.setSessions([sessionTo("10.0.0.2", "10.0.0.1"), broken]);
    await until("dead", () => a.events.includes("bfd.worker.failed"));
    lan.in("a", () => a.sessions.setSessions([sessionTo("10.0.0.2", "10.0.0.1")]));
    await until("up again", () => areUp(a, "10.0.0.2") && areUp(b, "10.0.0.1"), 10_000);
    expect(a.changes.map(({ state }) => state)).toEqual(["up", "unknown", "up"]);
  });

  it("say it when the port is somebody else's, and take it when it is free (BFD-P-03)", async () => {
    const loop = lan.in("a", () => new DatagramLoop(new WakeSignal(), () => undefined));
    const other = lan.in("a", () => loop.openReceiver({ family: 4, port: 3784, onlyTtl255: false }, () => undefined));
    const a = start(lan, "a", [sessionTo("10.0.0.2", "10.0.0.1")]);
    await until("trouble", () => /3784.*EADDRINUSE/.test(a.sessions.status()[0]?.trouble ?? ""));
    other.close();
    await until("no trouble", () => a.sessions.status()[0]?.trouble === null, 10_000);
  });
});

describe.runIf(!needsRoot)("the sockets of BFD", () => {
  let lan: Namespaces;
  const sockets: (() => void)[] = [];

  beforeAll(() => {
    lan = new Namespaces("a", "b");
    lan.connect("a", "b", "e0");
    for (const [name, host] of [
      ["a", 1],
      ["b", 2],
    ] as const) {
      lan.ip(name, `addr add 10.0.0.${host}/24 dev e0`);
      lan.ip(name, `addr add fd00::${host}/64 dev e0 nodad`);
    }
  });
  afterEach(() => {
    for (const close of sockets.splice(0)) close();
  });
  afterAll(() => lan.remove());

  /** What was received, copied; and the loop, to be turned by hand. */
  function receiving(family: 4 | 6, onlyTtl255: boolean) {
    const got: (Omit<ReceivedDatagram, "bytes"> & { readonly octets: number })[] = [];
    const wake = lan.in("b", () => new WakeSignal());
    const loop = lan.in("b", () => new DatagramLoop(wake, () => undefined));
    const receiver = lan.in("b", () =>
      loop.openReceiver(
        { family, port: 3784, onlyTtl255 },
        ({ bytes, source, destination, interfaceIndex, ttl, receivedAt }) => {
          got.push({ octets: bytes.length, source, destination, interfaceIndex, ttl, receivedAt });
        },
      ),
    );
    sockets.push(
      () => receiver.close(),
      () => wake.close(),
    );
    return { got, loop, receiver };
  }

  /** A socket of somebody else, with the options that the test gives it. */
  function foreign(
    family: 4 | 6,
    options: readonly (readonly [level: number, name: number, value: number])[],
  ): (bytes: Uint8Array) => void {
    const fd = lan.in("a", () => openSocket(family === 4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0, true));
    sockets.push(() => closeSocket(fd));
    for (const [level, name, value] of options) setSocketOption(fd, `${level} ${name}`, level, name, int32(value));
    const to = sockaddr(ip(family === 4 ? "10.0.0.2" : "fd00::2"));
    new DataView(to.buffer).setUint16(2, 3784);
    return (bytes) => sendDatagram(fd, bytes, to);
  }

  const PAYLOAD = encodeControlPacket(packet(), 0);

  for (const family of [4, 6] as const) {
    const [level, option] = family === 4 ? [0, 2] : [41, 16];
    it(`of IPv${family} take a TTL of 255 alone, and count what they refuse (BFD-5881-5-01)`, async () => {
      const { got, loop, receiver } = receiving(family, true);
      for (const ttl of [254, 64, 1, 255]) foreign(family, [[level, option, ttl]])(PAYLOAD);
      await until("one has come", () => (loop.turn(), got.length > 0));
      await until("three have not", () => receiver.droppedCount === 3);
      loop.turn();
      expect(got.map(({ ttl }) => ttl)).toEqual([255]);
    });

    it(`of IPv${family} tell TTL, addresses, interface and time of each datagram (BFD-P-01)`, async () => {
      const { got, loop } = receiving(family, false);
      foreign(family, [[level, option, 77]])(new Uint8Array(1_000));
      // The thread is late; the datagram is not.
      const late = performance.now() + 60;
      await until("late", () => performance.now() > late);
      await until("it has come", () => (loop.turn(), got.length > 0));
      const index = Number(/^(\d+):/.exec(lan.ip("b", "link show e0"))![1]);
      const [source, destination] = family === 4 ? ["10.0.0.1", "10.0.0.2"] : ["fd00::1", "fd00::2"];
      expect(got).toMatchObject([{ octets: 256, ttl: 77, source, destination, interfaceIndex: index }]);
      expect(performance.now() - got[0]!.receivedAt).toBeGreaterThan(50);
    });

    it(`of IPv${family} send with TTL 255, class CS6 and the port that was asked for (BFD-5881-4-01, BFD-5880-7-01)`, async () => {
      const { got, loop } = receiving(family, true);
      const [remote, local] = family === 4 ? ["10.0.0.2", "10.0.0.1"] : ["fd00::2", "fd00::1"];
      const sender = lan.in("a", () =>
        loop.openSender({
          remote: { address: ip(remote), port: 3784 },
          local: ip(local),
          sourcePort: 50_000,
          interfaceName: "e0",
        }),
      );
      sockets.push(() => sender.close());
      const rule = family === 4 ? "ip dscp cs6 ip ttl 255" : "ip6 dscp cs6 ip6 hoplimit 255";
      const counted = marked(lan, `${rule} udp sport 50000 udp dport 3784`);
      sender.send(PAYLOAD);
      await until("it has come", () => (loop.turn(), got.length > 0));
      expect(got).toMatchObject([{ ttl: 255, source: local }]);
      expect(counted()).toBe(1);
    });
  }

  it("do not take an IPv6 datagram without a checksum (BFD-5881-5-02)", async () => {
    const { got, loop } = receiving(6, true);
    const hops = [41, 16, 255] as const;
    // SOL_UDP, UDP_NO_CHECK6_TX
    foreign(6, [hops, [17, 101, 1]])(PAYLOAD);
    foreign(6, [hops])(PAYLOAD);
    await until("the other has come", () => (loop.turn(), got.length > 0));
    loop.turn();
    expect(got.length).toBe(1);
  });

  it("rather lose a flood than keep the thread: alarms ring between bounded portions of it (ROB-09)", async () => {
    const { got, loop } = receiving(4, true);
    const send = foreign(4, [[0, 2, 255]]);
    for (let count = 0; count < 300; count++) send(PAYLOAD);
    let rang = 0;
    const alarm = loop.clock.alarm(() => void (rang += 1));
    alarm.set(Instant.of(0));
    await until("some have come", () => (loop.turn(), got.length > 0));
    expect(rang).toBe(1);
    expect(got.length).toBeLessThanOrEqual(128);
    await until("all have come", () => (loop.turn(), got.length === 300));
  });
});

/** Counts what leaves namespace `a` and fits `match`. */
function marked(lan: Namespaces, match: string): () => number {
  const nft = (script: string): string =>
    lan.in("a", () => execFileSync("nft", script.split(" "), { encoding: "utf8" }));
  nft("add table inet counted");
  nft("flush table inet counted");
  nft("add chain inet counted out { type filter hook output priority 0 ; }");
  nft(`add rule inet counted out ${match} counter`);
  return () => Number(/packets (\d+)/.exec(nft("list table inet counted"))![1]);
}
