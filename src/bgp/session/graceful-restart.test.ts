import { describe, expect, it } from "vitest";
import { ip } from "../../addr/ip.ts";
import { hostPrefix, parsePrefix } from "../../addr/prefix.ts";
import type { Capability, GracefulRestart } from "../wire/capabilities.ts";
import { decodeMessage } from "../wire/message.ts";
import { EXTERNAL, messageOf } from "../wire/test-support.ts";
import { END_OF_RIB, HOSTS, openWith, RAW, rawRack, restartable, routeOf } from "./test-support.ts";

type RawRack = ReturnType<typeof rawRack>;

const HELPER = { gracefulRestart: { restartTimeSeconds: 120, helper: true, longLivedSecondsMax: 0 } } as const;
const [ONE, TWO] = ["198.51.100.7/32", "198.51.100.8/32"];
const staleness = (net: RawRack): string[] =>
  [...net.a.received().get("b")!.values()].map(({ prefix, stale }) => `${prefix} ${stale ?? "fresh"}`);
const lose = (net: RawRack): void => {
  net.stream.destroy();
  net.time.runUntil(() => net.status().state !== "established");
  net.clear();
};
const offered = (net: RawRack): GracefulRestart | undefined => {
  const open = net.received.findLast(({ type }) => type === "open");
  const found = open?.type === "open" ? open.capabilities : [];
  return found.find((one): one is GracefulRestart => one.kind === "graceful-restart");
};
/** With a session, and one route of the router. */
function learned(...capabilities: readonly Capability[]): RawRack {
  const net = rawRack({ a: { ...HELPER, connectRetrySeconds: 2 } });
  net.a.setRoutes(new Map());
  net.up(openWith(...capabilities));
  net.send(routeOf(ONE), ...END_OF_RIB);
  net.time.runUntil(() => staleness(net).length === 1);
  return net;
}

describe("a session that new settings begin anew", () => {
  it("says that we went on forwarding, and nothing of a restart: the peer keeps our routes meanwhile (BGP-4724-4.1-01)", () => {
    const net = learned(restartable(60, { notification: true }));
    expect(offered(net)).toMatchObject({ restarting: false, families: [{ forwarding: false }, { forwarding: false }] });
    net.clear();
    net.a.setPeers([{ ...net.peers.a[0]!, userTimeoutMillis: 9000 }]);
    net.time.runUntil(() => offered(net) !== undefined);
    expect(net.said()).toEqual(["6/6"]);
    expect(offered(net)).toMatchObject({ restarting: false, families: [{ forwarding: true }, { forwarding: true }] });
  });

  it("says neither before there was one", () => {
    const net = rawRack({ a: HELPER });
    net.a.setRoutes(new Map());
    net.a.setPeers(net.peers.a);
    net.a.setPeers([{ ...net.peers.a[0]!, userTimeoutMillis: 9000 }]);
    net.time.runUntil(() => offered(net) !== undefined);
    expect(offered(net)).toMatchObject({ restarting: false, families: [{ forwarding: false }, { forwarding: false }] });
  });
});

describe("the routes of a peer that goes away", () => {
  it("stay, marked stale, for its restart time, and not longer (BGP-4724-4.2-01, BGP-4724-4.2-02)", () => {
    const net = learned(restartable(60));
    lose(net);
    net.network.silence(HOSTS.b[0]);
    expect(staleness(net)).toEqual([`${ONE} restart`]);
    expect(net.status()).toMatchObject({ prefixesReceived: 1, prefixesStale: 1 });
    net.time.advance(50_000);
    expect(staleness(net)).toEqual([`${ONE} restart`]);
    net.time.advance(11_000);
    expect(staleness(net)).toEqual([]);
  });

  it("are deleted at once when it did not ask for that (BGP-4271-6-02)", () => {
    const net = learned();
    lose(net);
    expect(staleness(net)).toEqual([]);
  });

  it("are fresh when it announces them again, and go at its End-of-RIB when not (BGP-4724-4.2-03)", () => {
    const net = learned(restartable(60));
    net.send(routeOf(TWO));
    net.time.runUntil(() => staleness(net).length === 2);
    lose(net);
    net.up(openWith(restartable(60, { restarting: true })));
    expect(staleness(net)).toEqual([`${ONE} restart`, `${TWO} restart`]);
    net.send(routeOf(TWO));
    net.time.advance(10);
    expect(staleness(net)).toEqual([`${ONE} restart`, `${TWO} fresh`]);
    net.send(...END_OF_RIB);
    net.time.advance(10);
    expect(staleness(net)).toEqual([`${TWO} fresh`]);
  });

  it("go six minutes after its return when it never sends End-of-RIB (BGP-4724-4.2-03)", () => {
    const net = learned(restartable(60));
    lose(net);
    net.up(openWith(restartable(60)));
    for (let round = 0; round < 59; round++) {
      net.send(RAW.keepalive);
      net.time.advance(6000);
    }
    expect(staleness(net)).toEqual([`${ONE} restart`]);
    net.send(RAW.keepalive);
    net.time.advance(7000);
    expect(staleness(net)).toEqual([]);
    expect(net.status().state).toBe("established");
  });

  it.each([
    ["says that it did not forward meanwhile", [restartable(60, { forwarding: false })]],
    ["no longer has the family", [{ ...restartable(60), families: [] } as Capability]],
    ["no longer speaks of restarts", []],
  ])("go at once when it comes back and %s (BGP-4724-4.2-02)", (_what, capabilities) => {
    const net = learned(restartable(60));
    lose(net);
    net.up(openWith(...capabilities));
    expect(staleness(net)).toEqual([]);
  });

  it("that were stale already go when it is lost once more (BGP-4724-4.2-04)", () => {
    const net = learned(restartable(60));
    lose(net);
    net.up(openWith(restartable(60)));
    net.send(routeOf(TWO));
    net.time.advance(10);
    lose(net);
    expect(staleness(net)).toEqual([`${TWO} restart`]);
  });

  it("go with a NOTIFICATION unless both sides say that these are graceful (BGP-4724-4.2-05, BGP-8538-3-01)", () => {
    for (const [notification, left] of [
      [false, []],
      [true, [`${ONE} restart`]],
    ] as const) {
      const net = learned(restartable(60, { notification }));
      net.send(messageOf(3, "0404"));
      net.time.runUntil(() => !net.isConnected);
      expect(staleness(net)).toEqual(left);
    }
  });

  it("go with a hard reset all the same, whatever is in it (BGP-8538-3-02)", () => {
    for (const body of ["0609 0602 04 62796521", "0609"]) {
      const net = learned(restartable(60, { notification: true }));
      net.send(messageOf(3, body));
      net.time.runUntil(() => !net.isConnected);
      expect(staleness(net)).toEqual([]);
    }
  });

  it("stay when the hold time runs out, if NOTIFICATIONs are graceful (BGP-8538-3-01)", () => {
    const net = learned(restartable(60, { notification: true }));
    net.clear();
    net.time.advance(9100);
    expect(net.said()).toEqual(["4/0"]);
    expect(staleness(net)).toEqual([`${ONE} restart`]);
  });

  it("stay when it calls again before anybody noticed that it was gone (BGP-4724-5-01)", () => {
    const net = learned(restartable(60));
    for (let round = 0; round < 2; round++) {
      net.time.advance(4000);
      net.send(RAW.keepalive);
    }
    net.clear();
    let second: { write(bytes: Uint8Array): void } | null = null;
    const received: number[] = [];
    net.network.dialer(...HOSTS.b).dial(
      { remote: { address: HOSTS.a[0], port: 179 } },
      {
        onOpen: (stream) => void (second = stream),
        onData: (bytes) => void received.push(bytes[18]!),
        onDrain: () => {},
        onEnd: () => {},
      },
    );
    net.time.runUntil(() => received.includes(1));
    second!.write(openWith(restartable(60, { restarting: true })));
    second!.write(RAW.keepalive);
    net.time.runUntil(() => net.status().establishedCount === 2, 1000);
    expect(net.said()).toEqual([]);
    expect(net.status().state).toBe("established");
    expect(staleness(net)).toEqual([`${ONE} restart`]);
    second!.write(routeOf(ONE));
    net.time.advance(10);
    expect(staleness(net)).toEqual([`${ONE} fresh`]);
  });

  it("stay as a last resort when it asks for that and it is configured, except those that may not (BGP-9494-4.2-01, BGP-9494-4.2-02)", () => {
    const llgr: Capability = {
      kind: "long-lived-graceful-restart",
      families: [{ afi: 1, safi: 1, forwarding: true, staleSeconds: 3600 }],
    };
    const net = rawRack({
      a: { gracefulRestart: { restartTimeSeconds: 120, helper: true, longLivedSecondsMax: 100 } },
    });
    net.a.setRoutes(new Map());
    net.up(openWith(restartable(30), llgr));
    // NO_LLGR on the second.
    const noLlgr = messageOf(2, "0000 001b 40010100 40020602010000fdea 4003040a000002 c00804ffff0007 20c6336408");
    net.send(routeOf(ONE), noLlgr);
    net.time.runUntil(() => staleness(net).length === 2);
    lose(net);
    net.network.silence(HOSTS.b[0]);
    net.time.advance(29_000);
    expect(staleness(net)).toEqual([`${ONE} restart`, `${TWO} restart`]);
    net.time.advance(2000);
    expect(staleness(net)).toEqual([`${ONE} long-lived`]);
    net.time.advance(97_000);
    expect(staleness(net)).toEqual([`${ONE} long-lived`]);
    net.time.advance(4000);
    expect(staleness(net)).toEqual([]);
  });
});

describe("a speaker that restarts", () => {
  const VIP = hostPrefix(ip("198.51.100.1"));

  it("says so in the first OPENs, with what it forwards by kept, and not any more after the first session (BGP-4724-4.1-01, BGP-4724-3-01)", () => {
    const net = rawRack({ restarted: true, a: HELPER });
    net.a.setRoutes(new Map([[VIP, {}]]));
    net.up(openWith(restartable(60)));
    expect(offered(net)).toMatchObject({ restarting: true, notification: true, restartTimeSeconds: 120 });
    expect(offered(net)!.families).toEqual([
      { afi: 1, safi: 1, forwarding: true },
      { afi: 2, safi: 1, forwarding: true },
    ]);
    net.send(...END_OF_RIB);
    net.time.advance(10);
    lose(net);
    net.up(openWith(restartable(60)));
    expect(offered(net)).toMatchObject({ restarting: false });
  });

  it("sends End-of-RIB only once it knows its routes, and after them (BGP-4724-4.1-03, BGP-4724-2-01)", () => {
    const net = rawRack({ restarted: true, a: HELPER });
    net.up(openWith(restartable(60)));
    net.send(RAW.keepalive);
    net.time.advance(5000);
    expect(net.received.filter(({ type }) => type === "update")).toEqual([]);
    net.a.setRoutes(new Map([[VIP, {}]]));
    net.time.advance(10);
    const updates = net.received.filter((message) => message.type === "update");
    expect(updates.map(({ nlri }) => nlri)).toEqual([[VIP], [], []]);
    expect(updates.map(({ attributes }) => attributes.mpUnreach)).toEqual([
      undefined,
      undefined,
      { family: "ipv6-unicast", prefixes: [] },
    ]);
  });

  it("does not say so to a peer that is configured later", () => {
    const net = rawRack({ restarted: true, a: HELPER });
    net.a.setPeers([]);
    net.up();
    expect(offered(net)).toMatchObject({ restarting: false });
  });

  it("says so also to a peer whose router or key was not known at first, and not after its restart time", () => {
    for (const [millis, restarting] of [
      [10_000, true],
      [130_000, false],
    ] as const) {
      const net = rawRack({ restarted: true, a: HELPER });
      const [peer] = net.peers.a;
      net.a.setPeers([{ ...peer!, notFound: "no router has advertised itself" }]);
      net.time.advance(millis);
      expect(net.connectionCount).toBe(0);
      net.a.setPeers([peer!]);
      net.up(openWith(restartable(60)));
      expect(offered(net)).toMatchObject({ restarting });
    }
  });

  it("says so to those of a range that call in time", () => {
    const net = rawRack({ restarted: true });
    const { name: _name, address: _address, passive: _passive, ...template } = { ...net.peers.a[0]!, ...HELPER };
    net.a.setPeers([], [{ name: "rack", prefix: parsePrefix("10.0.0.0/24")!, countMax: 4, template }]);
    const octetsOf: number[] = [];
    net.network
      .dialer(...HOSTS.b)
      .dial(
        { remote: { address: HOSTS.a[0], port: 179 } },
        { onOpen: () => {}, onData: (bytes) => void octetsOf.push(...bytes), onDrain: () => {}, onEnd: () => {} },
      );
    net.time.runUntil(() => octetsOf.length > 29);
    const decoded = decodeMessage(Uint8Array.from(octetsOf), EXTERNAL);
    const open = decoded.kind === "message" && decoded.message.type === "open" ? decoded.message : null;
    expect(open!.capabilities).toContainEqual(expect.objectContaining({ kind: "graceful-restart", restarting: true }));
  });

  it("takes End-of-RIB for a family without routes, twice, and before any route (BGP-4724-2-02)", () => {
    const net = rawRack({ a: HELPER });
    net.up(openWith(restartable(60)));
    net.send(...END_OF_RIB, ...END_OF_RIB, routeOf(ONE), ...END_OF_RIB);
    net.time.runUntil(() => staleness(net).length === 1);
    expect(net.status()).toMatchObject({ state: "established", malformed: { updates: 0 } });
  });
});

describe("stop", () => {
  it("for a restart withdraws nothing and says nothing to a peer that keeps our routes (BGP-4724-P-01)", async () => {
    const net = rawRack({ a: HELPER });
    net.a.setRoutes(new Map([[hostPrefix(ip("198.51.100.1")), {}]]));
    net.up(openWith(restartable(60, { notification: true })));
    net.clear();
    await net.time.settle(net.a.stop("upgrade", { keepRoutes: true }));
    expect(net.received).toEqual([]);
    expect(net.isConnected).toBe(false);
    net.time.advance(2000);
    expect(net.time.armed).toBe(0);
  });

  it("for a restart says so to a peer that does not", async () => {
    const net = rawRack({ a: HELPER });
    net.a.setRoutes(new Map([[hostPrefix(ip("198.51.100.1")), {}]]));
    net.up();
    net.clear();
    await net.time.settle(net.a.stop("upgrade", { keepRoutes: true }));
    expect(net.said()).toEqual(["6/2 0775706772616465"]);
  });

  it("for good withdraws, and resets hard where a NOTIFICATION would be graceful (BGP-4724-P-01, BGP-8538-3-03)", async () => {
    const net = rawRack({ a: HELPER });
    net.a.setRoutes(new Map([[hostPrefix(ip("198.51.100.1")), {}]]));
    net.up(openWith(restartable(60, { notification: true })));
    net.clear();
    await net.time.settle(net.a.stop("bye"));
    expect(net.received[0]).toMatchObject({ type: "update", withdrawn: ["198.51.100.1/32"] });
    expect(net.said()).toEqual(["6/9 060203627965"]);
  });
});
