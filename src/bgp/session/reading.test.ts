import { describe, expect, it } from "vitest";
import { ip } from "../../addr/ip.ts";
import { hostPrefix } from "../../addr/prefix.ts";
import { seeded } from "../../../test/support/virtual-time.ts";
import { messageOf, octets, updateBody } from "../wire/test-support.ts";
import { Link } from "./link.ts";
import { END_OF_RIB, HOSTS, openWith, RAW, rack, rawRack, routeOf } from "./test-support.ts";

const ATTRIBUTES = "4001010040020602010000fdea4003040a000002";
/** An UPDATE with so many octets of an attribute that nobody knows. */
const longUpdate = (length: number): Uint8Array => {
  const padding = `d0fe${length.toString(16).padStart(4, "0")}${"00".repeat(length)}`;
  return messageOf(2, updateBody(ATTRIBUTES + padding, "20c6336407"));
};
const joined = (messages: readonly Uint8Array[]): Uint8Array => Uint8Array.from(messages.flatMap((one) => [...one]));
const learned = (net: ReturnType<typeof rawRack>): number => net.a.received().get("b")!.size;

describe("a stream of messages", () => {
  it("means the same however it is cut: 200 random ways (BGP-4271-4.1-03)", () => {
    const entropy = seeded(11);
    const routes = Array.from({ length: 100 }, (_, at) => routeOf(`198.51.100.${at}/32`));
    const whole = joined([...routes, ...END_OF_RIB, RAW.keepalive, routeOf("203.0.113.0/24")]);
    for (let round = 0; round < 200; round++) {
      const net = rawRack();
      net.up();
      for (let at = 0; at < whole.length;) {
        const length = 1 + Math.floor(entropy.fraction() ** 3 * 600);
        net.stream.write(whole.slice(at, at + length));
        at += length;
      }
      net.time.advance(20);
      expect([learned(net), net.status().messagesReceived, net.status().state]).toEqual([101, 106, "established"]);
    }
  });

  it("with a header that is wrong is answered before the rest of it comes (BGP-4271-4.1-04)", () => {
    const net = rawRack();
    net.up();
    net.send(octets(`${"ff".repeat(16)} 0012 02`));
    net.time.advance(10);
    expect(net.said()).toEqual(["1/2 0012"]);
  });

  it("that comes octet by octet is not copied for each: the longest message (ROB-01)", () => {
    const backings = new Set<ArrayBufferLike>();
    const nothing = (): void => {};
    const link = new Link(
      {
        opened: nothing,
        drained: nothing,
        ended: nothing,
        received: (one) => {
          one.settle();
          backings.add(one.buffer.buffer);
        },
      },
      null,
    );
    const message = longUpdate(60_000);
    for (const octet of message) link.onData(Uint8Array.of(octet));
    expect(link.buffer).toEqual(message);
    expect(backings.size).toBeLessThan(20);
  });
});

describe("messages of more than 4096 octets", () => {
  it("are taken, since we say that we take them, whatever the peer says of itself (BGP-8654-3-01)", () => {
    const net = rawRack();
    net.up(openWith());
    net.send(longUpdate(20_000));
    net.time.runUntil(() => learned(net) === 1);
    expect(net.status().state).toBe("established");
  });

  it("are no KEEPALIVEs and no OPENs (BGP-8654-4-01)", () => {
    for (const type of [1, 4]) {
      const net = rawRack();
      net.up(openWith());
      net.send(messageOf(type, "00".repeat(4078)));
      net.time.runUntil(() => !net.isConnected);
      expect(net.said()).toEqual(["1/2 1001"]);
    }
  });

  it("are sent to a peer that takes them only (BGP-8654-3-01)", () => {
    const all = new Map(Array.from({ length: 5000 }, (_, at) => [hostPrefix(ip(`10.9.${at >> 8}.${at & 255}`)), {}]));
    for (const [capabilities, isLong] of [
      [[{ kind: "extended-message" }], true],
      [[], false],
    ] as const) {
      const net = rawRack();
      net.a.setRoutes(all);
      net.takes(65_535);
      net.up(openWith(...capabilities));
      net.time.runUntil(() => net.status().prefixesSent === 5000);
      net.time.advance(10);
      expect(net.longest > 4096).toBe(isLong);
    }
  });
});

describe("a peer that sends as fast as it can", () => {
  it("has 64 messages read in a turn, waits meanwhile in its own buffers, and others have theirs (ROB-09)", () => {
    const net = rawRack({ network: { delayMillis: [1, 1], pieceLength: 65_536, windowLength: 1_000_000 } });
    net.up();
    const before = net.status().messagesReceived;
    const turns: number[] = [];
    net.a.onChange(() => turns.push(net.status().messagesReceived - before));
    net.send(joined(Array.from({ length: 1000 }, (_, at) => routeOf(`10.1.${at >> 8}.${at & 255}/32`))));
    net.time.advance(2);
    expect(net.status().messagesReceived - before).toBe(1000);
    const steps = turns.map((count, at) => count - (turns[at - 1] ?? 0));
    expect(Math.max(...steps)).toBeLessThanOrEqual(64);
    expect(steps.length).toBeGreaterThanOrEqual(16);
  });

  it("is not dead while its messages wait to be read (BGP-4271-10-09)", () => {
    const net = rawRack({ network: { delayMillis: [1, 1], windowLength: 1_000_000 } });
    net.up();
    for (let round = 0; round < 20; round++) {
      net.send(joined(Array.from({ length: 300 }, () => RAW.keepalive)));
      net.time.advance(4500);
      expect(net.status().state).toBe("established");
    }
  });
});

describe("a peer before its OPEN", () => {
  it("that sends half a header has the same time as one that sends nothing (ROB-06)", () => {
    const net = rawRack();
    net.a.setPeers(net.peers.a);
    net.time.runUntil(() => net.isConnected);
    for (let at = 0; at < 18; at++) {
      if (net.isConnected) net.send(Uint8Array.of(0xff).subarray(0, at < 10 ? 1 : 0));
      net.time.advance(13_000);
    }
    expect(net.isConnected).toBe(true);
    net.time.runUntil(() => !net.isConnected, 11_000);
  });

  it("that opens and leaves connections has a bounded number of them (ROB-06)", () => {
    const net = rawRack({ a: { passive: true } });
    net.a.setPeers(net.peers.a);
    const silent = { onOpen: () => {}, onData: () => {}, onDrain: () => {}, onEnd: () => {} };
    let most = 0;
    for (let round = 0; round < 400; round++) {
      net.network.dialer(...HOSTS.b).dial({ remote: { address: HOSTS.a[0], port: 179 } }, silent);
      net.time.advance(2);
      most = Math.max(most, net.network.openCount / 2);
    }
    expect(most).toBeLessThan(12);
  });

  it("that is dialled twice by two speakers keeps one connection (BGP-4271-8-01)", () => {
    const net = rack();
    net.up();
    net.time.advance(5000);
    expect(net.network.openCount).toBe(2);
  });
});
