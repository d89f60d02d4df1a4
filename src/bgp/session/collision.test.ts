import { describe, expect, it } from "vitest";
import { ip } from "../../addr/ip.ts";
import { hostPrefix } from "../../addr/prefix.ts";
import type { ByteStream } from "../../ports/stream.ts";
import { HOSTS, RAW, rack } from "./test-support.ts";

const VIP = hostPrefix(ip("198.51.100.7"));
const SEEDS = Array.from({ length: 60 }, (_, at) => at + 1);

/** Who starts how much later, how slow the network is, and who has the higher identifier: all from the seed. */
function dialBoth(seed: number) {
  const delayMillis: readonly [number, number] = [1, 1 + ((seed * 37) % 400)];
  const ids = seed % 2 === 0 ? (["10.0.0.1", "10.0.0.2"] as const) : (["10.0.0.9", "10.0.0.2"] as const);
  const net = rack({ seed, network: { delayMillis }, ids: seed % 7 === 0 ? ["10.0.0.5", "10.0.0.5"] : ids });
  net.a.setRoutes(new Map([[VIP, {}]]));
  net.b.setRoutes(new Map());
  net.a.setPeers(net.peers.a);
  net.time.after((seed * 13) % 300, () => net.b.setPeers(net.peers.b));
  return net;
}

describe("two speakers that dial each other", () => {
  it.each(SEEDS)("keep one session (seed %i) (BGP-4271-6.8-06)", (seed) => {
    const net = dialBoth(seed);
    const isDone = (): boolean => net.b.peers().length > 0 && net.isUp() && net.b.received().get("a")!.size === 1;
    net.time.runUntil(isDone, 15_000);
    const counts = () => [net.a, net.b].map((one) => one.peers()[0]!.establishedCount);
    net.time.advance(3000);
    const settled = counts();
    // One connection, which has two sides, and it stays.
    expect(net.network.openCount).toBe(2);
    net.time.advance(60_000);
    expect(net.isUp()).toBe(true);
    expect(counts()).toEqual(settled);
    expect(net.network.openCount).toBe(2);
    expect(net.b.received().get("a")!.size).toBe(1);
  });

  it("nearly always keep the first, and never need more than one connect-retry (BGP-4271-6.8-06, BGP-4271-6.8-07)", () => {
    let firstTime = 0;
    for (const seed of SEEDS) {
      const net = dialBoth(seed);
      const begun = net.time.now();
      net.time.runUntil(() => net.b.peers().length > 0 && net.isUp(), 15_000);
      net.time.advance(6000);
      expect(net.isUp(), `seed ${seed}`).toBe(true);
      if (net.a.peers()[0]!.establishedCount === 1 && net.b.peers()[0]!.establishedCount === 1) firstTime++;
      expect(net.time.now() - begun, `seed ${seed}`).toBeLessThan(6000 + 5000 + 4000);
    }
    expect(firstTime).toBeGreaterThanOrEqual(SEEDS.length * 0.8);
  });

  it("keep one session through losses of the network, for as long as these last", () => {
    for (const seed of SEEDS.slice(0, 10)) {
      const net = dialBoth(seed);
      for (let round = 0; round < 5; round++) {
        net.time.advance(4000 + seed * 100);
        net.network.silence(ip("10.0.0.2"));
        net.time.advance(seed * 900);
        net.network.revive(ip("10.0.0.2"));
      }
      net.time.runUntil(net.isUp, 90_000);
      net.time.advance(15_000);
      expect(net.isUp(), `seed ${seed}`).toBe(true);
      expect(net.network.openCount, `seed ${seed}`).toBe(2);
    }
  });
});

describe("a router that calls, and resets the connection of the session, again and again", () => {
  it("is let in each time", () => {
    const net = rack({ a: { passive: true, idleHoldSecondsMax: 1 } });
    net.a.setPeers(net.peers.a);
    const dialer = net.network.dialer(HOSTS.b[0]);
    for (let turn = 1; turn <= 20; turn++) {
      const streams: ByteStream[] = [];
      const handler = {
        onOpen: (opened: ByteStream) => {
          streams.push(opened);
          opened.write(RAW.open);
          opened.write(RAW.keepalive);
        },
        onData: () => {},
        onDrain: () => {},
        onEnd: () => {},
      };
      dialer.dial({ remote: { address: HOSTS.a[0], port: 179 }, ttl: 1 }, handler);
      net.time.advance(1000);
      expect(net.a.peers()[0]).toMatchObject({ state: "established", establishedCount: turn });
      streams[0]!.destroy();
      net.time.advance(2000);
      expect(net.network.openCount).toBe(0);
    }
  });
});
