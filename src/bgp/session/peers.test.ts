import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { seeded, VirtualTime } from "../../../test/support/virtual-time.ts";
import { VirtualNetwork } from "../../../test/support/virtual-network.ts";
import { ip, type IpAddress, type Ipv4 } from "../../addr/ip.ts";
import { hostPrefix, parsePrefix } from "../../addr/prefix.ts";
import { Asn } from "../wire/asn.ts";
import { type DynamicNeighbours, type PeerConfig, Speaker } from "./speaker.ts";

const VIP = hostPrefix(ip("198.51.100.7"));
const TAGGED = hostPrefix(ip("198.51.100.8"));
const US = ip("10.0.0.1");
const BASE = {
  port: 179,
  asn: Asn.of(65_002),
  ttl: 1,
  holdTimeSeconds: 9,
  connectRetrySeconds: 5,
  families: ["ipv4-unicast"],
} as const;

/** A speaker under test, and others on the same link, each at an address of its own. */
async function link() {
  const time = new VirtualTime();
  const network = new VirtualNetwork(time, seeded(1));
  const log: Record<string, unknown>[] = [];
  let made = 0;
  const make = async (asn: number, ...addresses: readonly IpAddress[]): Promise<Speaker> => {
    const sink = { write: (line: string) => void log.push({ speaker: addresses[0], ...JSON.parse(line) }) };
    const speaker = new Speaker(
      {
        clock: time,
        entropy: seeded(made + 1),
        dialer: network.dialer(...addresses),
        log: pino({ level: "debug", base: null }, sink),
        localAddresses: () => [],
      },
      { localAsn: Asn.of(asn), routerId: ip(`10.255.0.${++made}`) as Ipv4 },
    );
    for (const address of addresses) await speaker.listen(network.listener, { address, port: 179 });
    return speaker;
  };
  const us = await make(65_001, US, ip("2001:db8::1"), ip("fe80::1"));
  us.setRoutes(
    new Map([
      [VIP, {}],
      [TAGGED, { tags: ["gold"] }],
    ]),
  );
  const state = (name: string): string | undefined => us.peers().find((peer) => peer.name === name)?.state;
  return {
    time,
    network,
    log,
    us,
    state,
    /** A router that calls us, or is called. */
    router: async (address: string, change: Partial<PeerConfig> = {}, asn = 65_002): Promise<Speaker> => {
      const speaker = await make(asn, ip(address));
      speaker.setPeers([{ ...BASE, name: "us", address: US, asn: Asn.of(65_001), passive: false, ...change }]);
      return speaker;
    },
    peer: (name: string, address: string, change: Partial<PeerConfig> = {}): PeerConfig => ({
      ...BASE,
      name,
      address: ip(address),
      passive: false,
      ...change,
    }),
    keys: () => network.listening(US, 179).keys.map(({ remote, password }) => `${remote} ${password}`),
    until: (condition: () => boolean, millis?: number) => time.runUntil(condition, millis),
  };
}

describe("a change of settings", () => {
  it("of a policy reaches a living session by its difference, and no other peer (BGP-8212-P-01)", async () => {
    const net = await link();
    const [one, two] = [await net.router("10.0.0.2"), await net.router("10.0.0.3")];
    const peers = [net.peer("one", "10.0.0.2"), net.peer("two", "10.0.0.3")] as const;
    net.us.setPeers(peers);
    const learned = (speaker: Speaker): string[] => [...speaker.received().get("us")!.keys()];
    net.until(() => learned(one).length === 2 && learned(two).length === 2);
    const rules = [{ tags: ["gold"], action: "announce" }] as const;
    net.us.setPeers([{ ...peers[0], exportPolicy: { rules, otherwise: "refuse" } }, peers[1]]);
    net.until(() => learned(one).length === 1);
    expect(learned(one)).toEqual([TAGGED]);
    expect(learned(two)).toHaveLength(2);
    expect(net.us.peers()).toMatchObject([{ establishedCount: 1 }, { establishedCount: 1 }]);
  });

  it("of our AS or router id begins every session anew, with a Cease that says so", async () => {
    const net = await link();
    const [one, two] = [await net.router("10.0.0.2", { asn: "external" }), await net.router("10.0.0.3")];
    const peers = [net.peer("one", "10.0.0.2"), net.peer("two", "10.0.0.3")];
    net.us.setPeers(peers);
    net.until(() => net.state("one") === "established" && net.state("two") === "established");
    const local = { localAsn: Asn.of(65_009), routerId: ip("10.255.0.9") as Ipv4 };
    net.us.setPeers(peers, [], local);
    net.until(() => one.peers()[0]!.remote?.identifier === "10.255.0.9");
    expect(one.peers()[0]).toMatchObject({
      asn: 65_009,
      establishedCount: 2,
      lastError: { message: "Cease: Other Configuration Change" },
    });
    net.until(() => two.peers()[0]!.diagnosis?.cause === "wrong-as");
    net.us.setPeers(peers, [], { ...local });
    net.time.advance(10_000);
    expect(one.peers()[0]!.establishedCount).toBe(2);
  });

  it("of what may be received is judged anew, without a word to the router (BGP-8212-3-01)", async () => {
    const net = await link();
    const router = await net.router("10.0.0.2");
    router.setRoutes(new Map([[hostPrefix(ip("203.0.113.1")), {}]]));
    const peer = net.peer("one", "10.0.0.2");
    net.us.setPeers([peer]);
    const unusable = () => net.us.peers()[0]!.prefixesUnusable;
    net.until(() => net.us.peers()[0]!.prefixesReceived === 1);
    expect(unusable()).toEqual({ count: 1, reason: "no import policy (RFC 8212)" });
    const { messagesReceived } = net.us.peers()[0]!;
    const accept = [{ within: parsePrefix("203.0.113.0/24")!, lengthMax: 32 }];
    net.us.setPeers([{ ...peer, importPolicy: { accept, honourGracefulShutdown: true } }]);
    expect(unusable()).toEqual({ count: 0, reason: null });
    expect(net.us.peers()[0]).toMatchObject({ establishedCount: 1, messagesReceived });
  });

  it("of timers waits for the next session (BGP-4271-10-02)", async () => {
    const net = await link();
    await net.router("10.0.0.2", { holdTimeSeconds: 30 });
    const peer = net.peer("one", "10.0.0.2");
    net.us.setPeers([peer]);
    net.until(() => net.state("one") === "established");
    net.us.setPeers([{ ...peer, holdTimeSeconds: 12 }]);
    net.time.advance(1000);
    expect(net.us.peers()[0]).toMatchObject({ establishedCount: 1, holdTimeSeconds: 9 });
    net.network.silence(ip("10.0.0.2"));
    net.until(() => net.state("one") !== "established");
    net.network.revive(ip("10.0.0.2"));
    net.until(() => net.state("one") === "established");
    expect(net.us.peers()[0]).toMatchObject({ establishedCount: 2, holdTimeSeconds: 12 });
  });

  it("to passive and back takes effect while there is no session, and never on one that is up (BGP-4271-8-02)", async () => {
    const net = await link();
    const peer = net.peer("one", "10.0.0.2");
    net.us.setPeers([{ ...peer, passive: true }]);
    net.time.advance(20_000);
    expect(net.state("one")).toBe("active");
    const router = await net.router("10.0.0.2", { passive: true });
    net.us.setPeers([peer]);
    net.until(() => net.state("one") === "established", 3000);
    net.us.setPeers([{ ...peer, passive: true }]);
    net.time.advance(1000);
    expect(net.us.peers()[0]).toMatchObject({ state: "established", establishedCount: 1 });
    expect(router.peers()[0]!.establishedCount).toBe(1);
  });

  it("of one key begins that session anew and leaves the others alone (BGP-2385-2-02)", async () => {
    const net = await link();
    const [one, two] = [
      await net.router("10.0.0.2", { md5Password: "first" }),
      await net.router("10.0.0.3", { md5Password: "other" }),
    ];
    const peers = (password: string) => [
      net.peer("one", "10.0.0.2", { md5Password: password, passive: true }),
      net.peer("two", "10.0.0.3", { md5Password: "other", passive: true }),
    ];
    net.us.setPeers(peers("first"));
    expect(net.keys()).toEqual(["10.0.0.2 first", "10.0.0.3 other"]);
    net.until(() => net.state("one") === "established" && net.state("two") === "established");
    net.us.setPeers(peers("second"));
    expect(net.keys()).toEqual(["10.0.0.2 second", "10.0.0.3 other"]);
    net.until(() => one.peers()[0]!.lastError !== null);
    expect(one.peers()[0]!.lastError!.message).toBe("Cease: Other Configuration Change");
    one.setPeers([{ ...BASE, name: "us", address: US, asn: Asn.of(65_001), passive: false, md5Password: "third" }]);
    net.time.advance(20_000);
    expect(net.state("one")).not.toBe("established");
    one.setPeers([{ ...BASE, name: "us", address: US, asn: Asn.of(65_001), passive: false, md5Password: "second" }]);
    net.until(() => net.state("one") === "established");
    expect(two.peers()[0]).toMatchObject({ state: "established", establishedCount: 1 });
    net.us.setPeers(peers("second").slice(1));
    expect(net.keys()).toEqual(["10.0.0.3 other"]);
  });
});

describe("a peer", () => {
  it("whose key is missing has no session, not even one that it begins, and status says why (BGP-2385-2-03)", async () => {
    const net = await link();
    await net.router("10.0.0.2");
    const missing = "the Secret default/bgp has no key password";
    const peer = net.peer("one", "10.0.0.2");
    net.us.setPeers([{ ...peer, md5Missing: missing }]);
    net.time.advance(60_000);
    expect(net.us.peers()[0]).toMatchObject({
      state: "idle",
      withheld: missing,
      lastError: { message: `not started: ${missing}` },
      diagnosis: { cause: "md5-missing" },
    });
    net.us.setPeers([peer]);
    net.until(() => net.state("one") === "established");
    expect(net.us.peers()[0]!.withheld).toBeNull();
  });

  it("of which it is not decided whether they are any are not tried, nor taken, and say so", async () => {
    const net = await link();
    await net.router("10.0.0.2");
    const peer = net.peer("one", "10.0.0.2", { md5Password: "key" });
    net.us.setPeers([{ ...peer, undecided: "nobody has said yet" }]);
    net.time.advance(60_000);
    expect(net.us.peers()[0]).toMatchObject({
      ...{ state: "idle", establishedCount: 0, withheld: "nobody has said yet" },
      diagnosis: { cause: "undecided", problem: "nobody has said yet" },
    });
    expect(net.keys()).toEqual([]);
    const { md5Password: _, ...open } = peer;
    net.us.setPeers([open]);
    net.until(() => net.state("one") === "established");
  });

  it("may be any of another AS, or any of ours, and status has the number that it came with (UNN-08)", async () => {
    const net = await link();
    await net.router("10.0.0.2", {}, 65_099);
    await net.router("10.0.0.3", { asn: "internal" }, 65_001);
    net.us.setPeers([
      net.peer("outside", "10.0.0.2", { asn: "external" }),
      net.peer("inside", "10.0.0.3", { asn: "internal" }),
      net.peer("absent", "10.0.0.4", { asn: "external" }),
    ]);
    net.until(() => net.state("outside") === "established" && net.state("inside") === "established");
    expect(net.us.peers().map(({ asn }) => asn)).toEqual([65_099, 65_001, "external"]);
  });

  it("with GTSM sends and wants 255 from the first octet on, and others are not held to it (BGP-5082-3-01)", async () => {
    const net = await link();
    const near = net.peer("near", "10.0.0.2", { ttl: 255, minTtl: 255, passive: true });
    net.us.setPeers([near]);
    expect(net.network.listening(US, 179).options).toMatchObject({ ttl: 255, minTtl: 255 });
    const router = await net.router("10.0.0.2", { ttl: 64 });
    net.time.advance(20_000);
    expect(net.state("near")).toBe("active");
    net.us.setPeers([near, net.peer("far", "10.0.0.3", { ttl: 4 })]);
    expect(net.network.listening(US, 179).options).toMatchObject({ ttl: 255, minTtl: 0 });
    router.setPeers([]);
  });

  it("bound the segments of whoever connects by the shortest that one of them wants", async () => {
    const net = await link();
    const first = net.peer("first", "10.0.0.2", { maxSegmentLength: 1200 });
    const second = net.peer("second", "10.0.0.3", { maxSegmentLength: 900 });
    net.us.setPeers([first, second, net.peer("third", "10.0.0.4")]);
    expect(net.network.listening(US, 179).options).toMatchObject({ maxSegmentLength: 900 });
  });

  it("with a link-local address is told from its namesake on another link (UNN-06)", async () => {
    const net = await link();
    const peer = (name: string, interfaceName: string): PeerConfig =>
      net.peer(name, "fe80::2", { interfaceName, passive: true });
    net.us.setPeers([peer("left", "eth0"), peer("right", "eth1")]);
    await net.router("fe80::2", { address: ip("fe80::1"), interfaceName: "eth1" });
    net.until(() => net.state("right") === "established");
    expect(net.state("left")).toBe("active");
  });

  it("that drains asks others to take the traffic before anything is withdrawn (BGP-8326-4-02)", async () => {
    const net = await link();
    const router = await net.router("10.0.0.2");
    net.us.setPeers([net.peer("one", "10.0.0.2")]);
    const communities = () => [...router.received().get("us")!.values()].map((route) => route.communities);
    net.until(() => communities().length === 2);
    expect(communities()).toEqual([[], []]);
    net.us.drain();
    net.until(() => communities()[0]!.length > 0);
    expect(communities()).toEqual([[0xffff_0000], [0xffff_0000]]);
    expect(net.us.peers()[0]!.establishedCount).toBe(1);
  });
});

describe("a range of peers", () => {
  const range = (change: Partial<DynamicNeighbours> = {}): DynamicNeighbours => {
    const { ...template } = BASE;
    return { name: "rack", prefix: parsePrefix("10.0.0.0/24")!, countMax: 2, template, ...change };
  };

  it("gets a session for each that calls, as far as there are places, and none once it is gone", async () => {
    const net = await link();
    net.us.setPeers([], [range()]);
    const [one, two] = [await net.router("10.0.0.2"), await net.router("10.0.0.3")];
    net.until(() => net.us.peers().filter((peer) => peer.state === "established").length === 2);
    expect(net.us.peers()).toMatchObject([
      { name: "rack-10.0.0.2", dynamic: true },
      { name: "rack-10.0.0.3", dynamic: true },
    ]);
    const three = await net.router("10.0.0.4");
    net.time.advance(20_000);
    expect(three.peers()[0]!.establishedCount).toBe(0);
    expect(net.us.peers()).toHaveLength(2);
    await net.time.settle(one.stop("bye"), 3000);
    net.until(() => net.us.peers().some((peer) => peer.name === "rack-10.0.0.4" && peer.state === "established"));
    expect(net.us.peers().map((peer) => peer.name)).toEqual(["rack-10.0.0.3", "rack-10.0.0.4"]);
    expect(two.peers()[0]).toMatchObject({ state: "established", establishedCount: 1 });
  });

  it("has its places for itself, whatever other ranges are called", async () => {
    const net = await link();
    const other = { name: "rack-b", prefix: parsePrefix("10.0.1.0/24")! };
    net.us.setPeers([], [range({ countMax: 1 }), range(other)]);
    await net.router("10.0.1.2");
    net.until(() => net.state("rack-b-10.0.1.2") === "established");
    await net.router("10.0.0.2");
    net.until(() => net.state("rack-10.0.0.2") === "established");
  });

  it("does not let one of them call as often as it likes, and forgets it when it has been quiet", async () => {
    const net = await link();
    net.us.setPeers([], [range()]);
    const stray = await net.router("10.0.0.2", { connectRetrySeconds: 1, idleHoldSecondsMax: 1 }, 65_009);
    net.time.advance(300_000);
    const refusals = net.log.filter((line) => line["speaker"] === US && line["event"] === "bgp.notification.sent");
    expect(refusals.length).toBeGreaterThan(5);
    expect(refusals.length).toBeLessThan(30);
    expect(net.us.peers()).toMatchObject([{ name: "rack-10.0.0.2", lastError: { direction: "sent" } }]);
    // Places are for those who have sessions.
    await net.router("10.0.0.3");
    await net.router("10.0.0.4");
    net.until(() => ["3", "4"].every((host) => net.state(`rack-10.0.0.${host}`) === "established"));
    stray.setPeers([]);
    net.time.advance(120_000);
    expect(net.us.peers()).toHaveLength(2);
  });

  it("does not take who is outside of it, nor who is a peer of its own", async () => {
    const net = await link();
    net.us.setPeers([net.peer("own", "10.0.0.2", { passive: true })], [range()]);
    await net.router("10.0.0.2");
    await net.router("10.0.1.9");
    net.until(() => net.state("own") === "established");
    net.time.advance(10_000);
    expect(net.us.peers().map(({ name }) => name)).toEqual(["own"]);
  });

  it("has one key for all of it, and policies that reach living sessions (BGP-2385-2-01)", async () => {
    const net = await link();
    const template = { ...BASE, md5Password: "rack" };
    net.us.setPeers([], [range({ template })]);
    expect(net.keys()).toEqual(["10.0.0.0/24 rack"]);
    const router = await net.router("10.0.0.2", { md5Password: "rack" });
    await net.router("10.0.0.3", { md5Password: "wrong" });
    const learned = (): number => router.received().get("us")!.size;
    net.until(() => learned() === 2);
    net.us.setPeers([], [range({ template: { ...template, exportPolicy: { rules: [], otherwise: "refuse" } } })]);
    net.until(() => learned() === 0);
    expect(net.us.peers()).toMatchObject([{ name: "rack-10.0.0.2", establishedCount: 1 }]);
    net.us.setPeers([], []);
    expect(net.keys()).toEqual([]);
    net.until(() => router.peers()[0]!.lastError !== null);
    expect(router.peers()[0]!.lastError!.message).toBe("Cease: Peer De-configured");
  });
});

describe("stop", () => {
  it("ends the listening, too", async () => {
    const net = await link();
    await net.time.settle(net.us.stop("bye"), 3000);
    expect(() => net.network.listening(US, 179)).toThrow(/nobody listens/);
  });
});
