import { describe, expect, it } from "vitest";
import { pino } from "pino";
import { seeded, VirtualTime } from "../../../test/support/virtual-time.ts";
import { ip, type Ipv4 } from "../../addr/ip.ts";
import type { ByteStream, StreamHandler } from "../../ports/stream.ts";
import { hostPrefix, type Prefix } from "../../addr/prefix.ts";
import { Asn } from "../wire/asn.ts";
import { describeNotification, type Notification } from "../wire/notification.ts";
import { type RouteAttributes, type RouteKey, Speaker } from "./speaker.ts";
import { HOSTS, rack, RAW, rawRack } from "./test-support.ts";

const VIP = hostPrefix(ip("198.51.100.7"));
const OTHER = hostPrefix(ip("198.51.100.8"));
const VIP6 = hostPrefix(ip("2001:db8:7::1"));
const NONE = new Map<Prefix, RouteAttributes>();
const routes = (...prefixes: Prefix[]): Map<Prefix, RouteAttributes> => new Map(prefixes.map((prefix) => [prefix, {}]));
type Rack = ReturnType<typeof rack>;
const learned = (net: Rack): RouteKey[] => [...(net.b.received().get("a") ?? NONE).keys()];

describe("two speakers", () => {
  it("K2: say of a prefix which peer was told of it, and why not", () => {
    const net = rack();
    net.a.setRoutes(routes(VIP));
    net.up();
    net.time.runUntil(() => net.a.toldOf(VIP)[0]!.told);
    expect(net.a.toldOf(VIP)).toEqual([{ peer: "b", told: true, reason: null }]);
    expect(net.a.toldOf(OTHER)).toEqual([{ peer: "b", told: false, reason: "this node has no route to announce" }]);
  });

  it("exchange the routes of both families", () => {
    const net = rack();
    net.a.setRoutes(new Map([...routes(VIP6), [VIP, { communities: [1, 2] }]]));
    net.b.setRoutes(NONE);
    net.up();
    net.time.runUntil(() => learned(net).length === 2);
    const { a, b } = { a: net.a.peers()[0]!, b: net.b.received().get("a")! };
    expect(b.get(VIP)).toMatchObject({ nextHop: "10.0.0.1", asPath: [65_001], communities: [1, 2], unusable: null });
    expect(b.get(VIP6)).toMatchObject({ nextHop: "2001:db8::1", linkLocal: "fe80::1", asPath: [65_001] });
    expect(a).toMatchObject({
      name: "b",
      state: "established",
      establishedCount: 1,
      prefixesSent: 2,
      prefixesSentByFamily: { "ipv4-unicast": 1, "ipv6-unicast": 1 },
      prefixesReceived: 0,
      holdTimeSeconds: 9,
      families: ["ipv4-unicast", "ipv6-unicast"],
      localAddress: "10.0.0.1",
      notAnnounced: [],
      lastError: null,
      remote: { identifier: "10.0.0.2", fourOctetAs: true, routeRefresh: true, gracefulRestartSeconds: null },
    });
  });

  it("exchange them inside one AS, over IPv6, and through octets that come one by one", () => {
    const net = rack({
      asns: [65_001, 65_001],
      network: { delayMillis: [1, 3], pieceLength: 1 },
      a: { address: HOSTS.b[1] },
      b: { address: HOSTS.a[1], passive: true },
    });
    net.a.setRoutes(routes(VIP, VIP6));
    net.up();
    net.time.runUntil(() => learned(net).length === 2);
    const received = net.b.received().get("a")!;
    expect(received.get(VIP)).toMatchObject({ nextHop: "10.0.0.1", asPath: [], localPref: 100, unusable: null });
    expect(received.get(VIP6)).toMatchObject({ nextHop: "2001:db8::1", asPath: [] });
  });

  it("keep a session for an hour, with nothing but keepalives, and tell nobody of them (BGP-4271-10-04)", () => {
    const net = rack();
    net.a.setRoutes(routes(VIP));
    net.up();
    net.time.advance(100);
    let changeCount = 0;
    net.a.onChange(() => changeCount++);
    const before = net.a.peers()[0]!.messagesSent;
    net.time.advance(3_600_000);
    expect(net.isUp()).toBe(true);
    expect(net.a.peers()[0]!.establishedCount).toBe(1);
    const keepalives = net.a.peers()[0]!.messagesSent - before;
    expect(keepalives).toBeGreaterThan(1200);
    expect(keepalives).toBeLessThan(1610);
    expect(changeCount).toBe(0);
  });

  it("send only what changes (BGP-SEND-05)", () => {
    const net = rack();
    net.a.setRoutes(routes(VIP, OTHER));
    net.up();
    net.time.runUntil(() => learned(net).length === 2);
    const sent = (): number => net.a.peers()[0]!.messagesSent;
    const before = sent();
    net.a.setRoutes(routes(OTHER, VIP));
    expect(sent()).toBe(before);
    net.a.setRoutes(routes(VIP));
    expect(sent()).toBe(before + 1);
    net.time.runUntil(() => learned(net).join() === VIP);
  });

  it("tell their listeners when a session comes or goes and when routes change", () => {
    const net = rack();
    const seen: string[] = [];
    net.b.onChange(() => seen.push(`${net.b.peers()[0]?.state} ${learned(net).length}`));
    net.up();
    net.a.setRoutes(routes(VIP));
    net.time.runUntil(() => learned(net).length === 1);
    expect(seen).toContain("established 0");
    expect(seen.at(-1)).toBe("established 1");
    net.a.setPeers([]);
    net.time.runUntil(() => net.b.peers()[0]!.state !== "established");
    expect(seen.at(-1)).toBe("idle 0");
  });

  it("say nothing of routes, not even that there are none, before these are known (BGP-4724-4.1-03)", () => {
    const net = rawRack();
    net.up();
    expect(net.received.filter(({ type }) => type === "update")).toEqual([]);
    net.a.setRoutes(NONE);
    net.time.advance(10);
    expect(net.received.filter(({ type }) => type === "update")).toHaveLength(2);
  });
});

describe("a session that is lost", () => {
  it("to silence ends with the hold time, and comes back (BGP-4271-10-08)", () => {
    const net = rack();
    net.a.setRoutes(routes(VIP));
    net.up();
    net.time.runUntil(() => learned(net).length === 1);
    net.network.silence(HOSTS.b[0]);
    const since = net.time.now();
    net.time.runUntil(() => net.a.peers()[0]!.state !== "established", 9100);
    expect(net.time.now() - since).toBeGreaterThan(5000);
    expect(net.a.peers()[0]!.lastError).toMatchObject({ message: "Hold Timer Expired", direction: "sent" });
    expect(net.a.peers()[0]!.lastError!.at).toEqual(net.time.wallTime());
    expect(net.a.peers()[0]!.prefixesSent).toBe(0);
    net.time.runUntil(() => learned(net).length === 0, 1000);
    net.network.revive(HOSTS.b[0]);
    net.time.runUntil(() => net.isUp() && learned(net).length === 1, 20_000);
    expect(net.a.peers()[0]!.establishedCount).toBe(2);
  });

  it.each([
    [0.5, "established"],
    [2.5, "idle"],
  ])(
    "to the hold time is lost only if the octets are not there at a second look: %f ms late, %s (BGP-4271-10-09)",
    (late, state) => {
      const net = rawRack();
      net.up();
      net.send(RAW.keepalive);
      // It takes 1 ms to arrive, and the next one is late by so much.
      net.time.after(9000 + late, () => net.isConnected && net.send(RAW.keepalive));
      net.time.advance(9010);
      expect(net.status().state).toBe(state);
    },
  );

  it("to a reset of TCP is back within the connect-retry time", () => {
    const net = rawRack();
    net.up();
    net.stream.destroy();
    net.time.runUntil(() => net.status().state !== "established", 100);
    expect(net.status().lastError).toMatchObject({ message: "connection reset by 10.0.0.2 port 179" });
    net.clear();
    net.time.runUntil(() => net.isConnected, 5000);
  });

  it("to a peer that flaps is dialled ever less often (BGP-4271-8-12)", () => {
    const net = rawRack();
    net.a.setPeers(net.peers.a);
    for (let round = 0; round < 12; round++) {
      net.up();
      net.stream.close();
      net.clear();
      net.time.runUntil(() => !net.isConnected, 1000);
    }
    const before = net.time.now();
    net.time.runUntil(() => net.isConnected);
    expect(net.time.now() - before).toBeGreaterThan(22_000);
    expect(net.time.now() - before).toBeLessThan(30_100);
  });
});

describe("what an operator reads", () => {
  it("is a refused connection, tried again at the connect-retry time's pace", () => {
    const net = rack();
    net.a.setPeers([{ ...net.peers.a[0]!, port: 1179 }]);
    net.time.advance(60_000);
    expect(net.a.peers()[0]).toMatchObject({
      lastError: { message: "connection refused by 10.0.0.2 port 1179", direction: "transport" },
    });
    expect(net.events("a", "bgp.transport.failed")).toEqual(["connection refused by 10.0.0.2 port 1179"]);
    const dials = net.events("a", "bgp.connection.state").filter((line) => line.endsWith("to connect")).length;
    expect(dials).toBeGreaterThan(11);
    expect(dials).toBeLessThan(18);
  });

  it("is silence, and that a password may be the reason (BGP-2385-2-02)", () => {
    const net = rack();
    net.network.silence(HOSTS.b[0]);
    const [peer] = net.peers.a;
    net.a.setPeers([peer!, { ...peer!, name: "md5", md5Password: "secret" }]);
    net.time.advance(6000);
    const [plain, keyed] = net.a.peers().map(({ lastError }) => lastError!.message);
    expect(plain).toBe("no answer from 10.0.0.2 port 179");
    expect(keyed).toMatch(/^no answer from 10\.0\.0\.2 port 179 \(a TCP MD5 password is set/);
  });

  it("is what the two sides expected of each other's AS", () => {
    const net = rack({ a: { asn: Asn.of(65_009) } });
    net.start();
    net.time.runUntil(() => net.a.peers()[0]!.lastError !== null);
    net.time.advance(100);
    expect(net.a.peers()[0]!.lastError).toMatchObject({
      message: "OPEN Message Error: Bad Peer AS (expected 65009, received 65002)",
      direction: "sent",
    });
    expect(net.b.peers()[0]!.lastError).toMatchObject({
      message: "OPEN Message Error: Bad Peer AS",
      direction: "received",
    });
  });

  it("is why a family is not announced", () => {
    const net = rack({ b: { families: ["ipv4-unicast"] } });
    net.a.setRoutes(routes(VIP, VIP6));
    net.up();
    net.time.runUntil(() => learned(net).length === 1);
    expect(net.a.peers()[0]!.notAnnounced).toEqual([{ family: "ipv6-unicast", reason: "the peer does not offer it" }]);
    expect(net.a.peers()[0]!.prefixesSent).toBe(1);
    expect(net.events("a", "bgp.family.not-announced")).toEqual(["no ipv6-unicast: the peer does not offer it"]);
  });
});

describe("the log and the listeners", () => {
  it("have one line for each time that a session comes and goes, and the time of it in the status", () => {
    const net = rawRack();
    net.a.setPeers(net.peers.a);
    expect(net.status().since).toBe(net.time.now());
    net.up();
    const upAt = net.status().since;
    expect(upAt).toBeLessThan(net.time.now());
    net.time.advance(1000);
    expect(net.status().since).toBe(upAt);
    net.stream.close();
    net.time.runUntil(() => !net.isConnected);
    expect(net.status().since).toBeGreaterThan(upAt);
    const lines = net.log.filter(({ event }) => event === "bgp.session.state");
    expect(lines).toMatchObject([
      { level: 30, peer: "b", from: "open-confirm", to: "established", cause: "received-keepalive", msg: "session up" },
      { level: 30, peer: "b", from: "established", to: "idle", cause: "tcp-failed", msg: "session down" },
    ]);
    expect(net.events("a", "bgp.connection.state")).toEqual([
      "outgoing connection: idle to connect",
      "outgoing connection: connect to open-sent",
      "outgoing connection: open-sent to open-confirm",
      "outgoing connection: open-confirm to established",
      "outgoing connection: established to idle",
    ]);
  });

  it("say again what TCP's trouble is after there was a session", () => {
    const net = rawRack();
    for (let round = 0; round < 2; round++) {
      net.up();
      net.stream.close();
      net.time.runUntil(() => !net.isConnected);
      net.clear();
    }
    const closed = "connection closed by 10.0.0.2 port 179";
    expect(net.events("a", "bgp.transport.failed")).toEqual([closed, closed]);
  });

  it("are told of a new state, of a new trouble, and of routes that were sent", () => {
    const net = rawRack();
    net.network.silence(HOSTS.b[0]);
    const seen: string[] = [];
    net.a.onChange(() => {
      const { state, prefixesSent, lastError } = net.status();
      seen.push(`${state} ${prefixesSent} ${lastError?.message.slice(0, 9) ?? "-"}`);
    });
    net.a.setPeers(net.peers.a);
    net.time.advance(5100);
    expect(new Set(seen)).toEqual(new Set(["connect 0 -", "connect 0 no answer"]));
    net.network.revive(HOSTS.b[0]);
    net.a.setRoutes(NONE);
    net.up();
    expect(seen.at(-1)).toBe("established 0 no answer");
    const count = seen.length;
    net.a.setRoutes(routes(VIP));
    expect(seen.slice(count)).toEqual(["established 1 no answer"]);
  });
});

describe("a session that has UPDATEs to send", () => {
  it("needs no KEEPALIVE besides (BGP-4271-8-08)", () => {
    const net = rawRack();
    net.up();
    net.clear();
    for (let round = 0; round < 40; round++) {
      net.a.setRoutes(routes(round % 2 === 0 ? VIP : OTHER));
      net.send(RAW.keepalive);
      net.time.advance(1000);
    }
    expect(net.received.filter(({ type }) => type === "keepalive")).toEqual([]);
  });
});

describe("ports that answer before their call returns", () => {
  it("disturb nothing: what happens meanwhile waits its turn", () => {
    const time = new VirtualTime();
    let dials = 0;
    let taken: StreamHandler | null | undefined;
    const speaker: Speaker = new Speaker(
      {
        clock: time,
        entropy: seeded(1),
        log: pino({ enabled: false }),
        localAddresses: () => [],
        dialer: {
          dial(_options, handler) {
            dials++;
            taken = speaker.accept({ remote: { address: HOSTS.b[0], port: 179 } } as ByteStream);
            handler.onEnd({ kind: "refused" });
            return () => {};
          },
        },
      },
      { localAsn: Asn.of(65_001), routerId: ip("10.0.0.1") as Ipv4 },
    );
    speaker.setPeers(rack().peers.a);
    expect(speaker.peers()[0]).toMatchObject({
      state: "idle",
      lastError: { message: "connection refused by 10.0.0.2 port 179" },
    });
    expect(taken).toBeNull();
    time.advance(5000);
    expect(dials).toBe(2);
  });
});

describe("setPeers", () => {
  it("touches no peer that stays as it is", () => {
    const net = rack();
    net.up();
    const { name, ...rest } = net.peers.a[0]!;
    net.a.setPeers([
      { ...rest, name },
      { ...rest, name: "new", port: 1179 },
    ]);
    net.time.advance(20_000);
    expect(net.a.peers()[0]).toMatchObject({ state: "established", establishedCount: 1 });
    expect(net.a.peers()[1]).toMatchObject({ name: "new", establishedCount: 0 });
  });

  it("tells a peer that is removed, and one whose settings change", () => {
    const net = rack();
    net.up();
    net.a.setPeers([{ ...net.peers.a[0]!, families: ["ipv4-unicast"] }]);
    net.time.runUntil(() => net.b.peers()[0]!.lastError !== null);
    expect(net.b.peers()[0]!.lastError!.message).toBe("Cease: Other Configuration Change");
    net.time.runUntil(net.isUp);
    net.a.setPeers([]);
    expect(net.a.peers()).toEqual([]);
    net.time.runUntil(() => net.b.peers()[0]!.state !== "established");
    expect(net.b.peers()[0]!.lastError!.message).toBe("Cease: Peer De-configured");
  });
});

describe("accept", () => {
  it("takes nobody who is not a peer (BGP-4271-8-03)", () => {
    const net = rack();
    const stranger = ip("10.0.0.77");
    net.up();
    let end = "";
    net.network.dialer(stranger).dial(
      { remote: { address: HOSTS.a[0], port: 179 } },
      {
        onOpen: () => {},
        onData: () => void (end = "data"),
        onDrain: () => {},
        onEnd: ({ kind }) => void (end ||= kind),
      },
    );
    net.time.runUntil(() => end !== "");
    expect(end).toBe("closed-by-peer");
    expect(net.events("a", "bgp.connection.refused")).toEqual(["connection from 10.0.0.77 not taken"]);
  });
});

describe("stop", () => {
  it("withdraws, says why it goes, and leaves nothing open (BGP-9003-2-03, BGP-4724-P-01)", async () => {
    const net = rawRack();
    net.a.setRoutes(routes(VIP, VIP6));
    net.up();
    net.time.runUntil(() => net.status().prefixesSent === 2);
    net.time.advance(10);
    net.clear();
    const begun = net.time.now();
    await net.time.settle(net.a.stop("node-1 drains"));
    expect(net.time.now() - begun).toBeLessThan(1200);
    expect(net.received.map(({ type }) => type)).toEqual(["update", "update", "notification"]);
    expect(net.received[0]).toMatchObject({ withdrawn: [VIP] });
    expect(net.received[1]).toMatchObject({ attributes: { mpUnreach: { prefixes: [VIP6] } } });
    expect(describeNotification(net.received[2] as Notification)).toBe("Cease: Administrative Shutdown: node-1 drains");
    expect(net.a.peers()).toEqual([]);
    net.time.advance(2000);
    expect(net.network.openCount).toBe(0);
    expect(net.time.armed).toBe(0);
  });

  it("lets the withdrawals leave before it closes, even to a peer that is slow", async () => {
    const net = rawRack();
    const all = Array.from({ length: 20_000 }, (_, at) => hostPrefix(ip(`10.9.${at >> 8}.${at & 255}`)));
    net.a.setRoutes(routes(...all));
    net.a.setPeers(net.peers.a);
    net.time.runUntil(() => net.isConnected);
    net.stream.pause();
    net.send(RAW.open, RAW.keepalive);
    net.time.runUntil(() => net.status().state === "established");
    net.time.after(300, () => net.stream.resume());
    await net.time.settle(net.a.stop("bye"));
    const table = new Set<Prefix>();
    let most = 0;
    for (const message of net.received) {
      if (message.type !== "update") continue;
      for (const prefix of message.withdrawn) table.delete(prefix);
      for (const prefix of message.nlri) table.add(prefix);
      most = Math.max(most, table.size);
    }
    expect(most).toBeGreaterThan(1000);
    expect(table.size).toBe(0);
    expect(net.received.at(-1)).toMatchObject({ type: "notification", code: 6, subcode: 2 });
  });

  it("takes two seconds at most when a peer reads nothing", async () => {
    const net = rawRack();
    net.a.setRoutes(
      new Map(Array.from({ length: 20_000 }, (_, at) => [hostPrefix(ip(`10.9.${at >> 8}.${at & 255}`)), {}])),
    );
    net.up();
    net.stream.pause();
    net.time.advance(100);
    const begun = net.time.now();
    await net.time.settle(net.a.stop("bye"));
    expect(net.time.now() - begun).toBeLessThanOrEqual(2000);
    net.time.advance(100);
    expect(net.network.openCount).toBe(0);
  });

  it("is done at once without a session, and dials no more", async () => {
    const net = rack();
    net.a.setPeers([{ ...net.peers.a[0]!, port: 1179 }]);
    net.time.advance(100);
    await net.time.settle(net.a.stop("bye"));
    const lines = net.log.length;
    net.time.advance(60_000);
    expect(net.log.length).toBe(lines);
  });
});
