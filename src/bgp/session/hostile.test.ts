import { describe, expect, it } from "vitest";
import { ip } from "../../addr/ip.ts";
import { hostPrefix, type Prefix } from "../../addr/prefix.ts";
import type { StreamHandler } from "../../ports/stream.ts";
import { describeNotification } from "../wire/notification.ts";
import { GOOD_MESSAGES, messageOf, octets, updateBody } from "../wire/test-support.ts";
import { seeded } from "../../../test/support/virtual-time.ts";
import type { RouteKey } from "./speaker.ts";
import { HOSTS, RAW, rawRack } from "./test-support.ts";

type RawRack = ReturnType<typeof rawRack>;

const ORIGIN = "40010100";
const AS_PATH = "40020602010000fdea";
const NEXT_HOP = "4003040a000002";
const PREFIX = "20c6336407";
const ROUTE = messageOf(2, updateBody(ORIGIN + AS_PATH + NEXT_HOP, PREFIX));
const hosts = (count: number): Prefix[] =>
  Array.from({ length: count }, (_, at) => hostPrefix(ip(`10.9.${at >> 8}.${at & 255}`)));
const refresh = messageOf(5, "0001 00 01");

function established(): RawRack {
  const net = rawRack();
  net.a.setRoutes(new Map([[hostPrefix(ip("198.51.100.1")), {}]]));
  net.up();
  net.clear();
  return net;
}
const learned = (net: RawRack): RouteKey[] => [...net.a.received().get("b")!.keys()];
/** What the speaker said before it closed. */
const lastWords = (net: RawRack): string | null => {
  const said = net.notification();
  return said?.type === "notification" ? describeNotification(said) : null;
};
const codes = (net: RawRack): string | null => {
  const said = net.notification();
  return said?.type === "notification" ? `${said.code}/${said.subcode}` : null;
};

describe("a malformed UPDATE", () => {
  it("that RFC 7606 calls a withdrawal takes its routes away and keeps the session (BGP-7606-2-01, BGP-7606-6-01)", () => {
    const net = established();
    net.send(ROUTE);
    net.time.runUntil(() => learned(net).length === 1);
    net.send(messageOf(2, updateBody(`${ORIGIN}${AS_PATH}${NEXT_HOP}c00803000000`, PREFIX)));
    net.time.runUntil(() => learned(net).length === 0);
    expect(net.status()).toMatchObject({ state: "established", lastError: null });
    const [line] = net.log.filter(({ event }) => event === "bgp.update.malformed");
    expect(line).toMatchObject({
      level: 40,
      peer: "b",
      attributes: [8],
      faults: ["update.attribute-length"],
      withdrawn: true,
      suppressed: 0,
    });
    expect(line!["hex"]).toMatch(/^f{32}/);
  });

  it("with an attribute to be discarded counts without it (BGP-7606-2-02)", () => {
    const net = established();
    net.send(messageOf(2, updateBody(`${ORIGIN}${AS_PATH}${NEXT_HOP}40060100`, PREFIX)));
    net.time.runUntil(() => learned(net).length === 1);
    expect(net.events("a", "bgp.update.malformed")).toEqual(["malformed UPDATE, attribute discarded"]);
  });

  it.each([
    ["prefixes that cannot be read", messageOf(2, updateBody(ORIGIN + AS_PATH + NEXT_HOP, "21c633640700")), "3/10"],
    ["lengths that lie", messageOf(2, "0001 0000"), "3/1"],
    ["an MP_REACH_NLRI that cannot be read", messageOf(2, updateBody("800e020002")), "3/9"],
    ["nothing to withdraw", messageOf(2, updateBody("40010103")), "3/6"],
  ])("with %s ends the session with its NOTIFICATION", (_name, message, expected) => {
    const net = established();
    net.send(message);
    net.time.runUntil(() => !net.isConnected);
    expect(codes(net)).toBe(expected);
    expect(net.status().lastError!.direction).toBe("sent");
    expect(learned(net)).toEqual([]);
  });

  it("is logged once in ten seconds, however many come (BGP-7606-6-01, ROB-05)", () => {
    const net = established();
    const bad = messageOf(2, updateBody(`${ORIGIN}${AS_PATH}${NEXT_HOP}c00803000000`, PREFIX));
    for (let round = 0; round < 500; round++) {
      net.send(bad);
      net.time.advance(10);
    }
    expect(net.events("a", "bgp.update.malformed")).toHaveLength(1);
    net.send(RAW.keepalive);
    net.time.advance(5100);
    net.send(bad);
    net.time.advance(10);
    expect(net.log.findLast(({ event }) => event === "bgp.update.malformed")).toMatchObject({ suppressed: 499 });
    expect(net.status().state).toBe("established");
  });
});

describe("routes of a family that is not exchanged", () => {
  it("are ignored, with one line in the log", () => {
    const net = established();
    const foreign = messageOf(2, updateBody("800e0b 0019 46 03 ffffff 00 ffffff".replaceAll(" ", "")));
    for (let round = 0; round < 5; round++)
      net.send(foreign, messageOf(2, updateBody("800f030002 80".replaceAll(" ", ""))));
    net.time.advance(50);
    expect(net.events("a", "bgp.update.ignored")).toEqual([
      "the peer sends routes of AFI 25 SAFI 70, which is not exchanged",
      "the peer sends routes of AFI 2 SAFI 128, which is not exchanged",
    ]);
    expect(net.status().state).toBe("established");
  });

  it("cannot fill the log by being of many families (ROB-05)", () => {
    const net = established();
    for (let safi = 2; safi < 200; safi++) {
      net.send(messageOf(2, updateBody(`800f030001${safi.toString(16).padStart(2, "0")}`)));
    }
    net.time.advance(50);
    expect(net.events("a", "bgp.update.ignored")).toHaveLength(16);
  });
});

describe("octets that are no BGP", () => {
  it.each([
    ["a request of the web", Uint8Array.from("GET / HTTP/1.1\r\n\r\n", (char) => char.charCodeAt(0)), "1/1"],
    ["a length of 18", octets(`${"ff".repeat(16)} 0012 04`), "1/2"],
    ["a KEEPALIVE of 65535", octets(`${"ff".repeat(16)} ffff 04`), "1/2"],
    ["a type of 77", octets(`${"ff".repeat(16)} 0013 4d`), "1/3"],
  ])(
    "such as %s are answered by the right NOTIFICATION, before and after the OPEN (BGP-4271-6.1-01, BGP-4271-6.1-02, BGP-4271-6.1-03, BGP-4271-6.1-04, BGP-4271-6.1-06)",
    (_name, bytes, expected) => {
      const net = rawRack();
      net.a.setPeers(net.peers.a);
      net.time.runUntil(() => net.received.length > 0);
      net.send(bytes);
      net.time.runUntil(() => !net.isConnected);
      expect(codes(net)).toBe(expected);
      net.clear();
      net.up();
      net.send(bytes);
      net.time.runUntil(() => !net.isConnected);
      expect(codes(net)).toBe(expected);
    },
  );
});

describe("a message at the wrong time", () => {
  it.each([
    ["a KEEPALIVE for an OPEN", [RAW.keepalive], "5/1"],
    ["an UPDATE for an OPEN", [ROUTE], "5/1"],
    ["a ROUTE-REFRESH for an OPEN", [refresh], "5/1"],
    ["a malformed UPDATE for an OPEN", [messageOf(2, "ffff 0000")], "5/1"],
    ["an UPDATE for a KEEPALIVE", [RAW.open, ROUTE], "5/2"],
    ["a second OPEN for a KEEPALIVE", [RAW.open, RAW.open], "5/2"],
    ["a second OPEN in a session", [RAW.open, RAW.keepalive, RAW.open], "5/3"],
    ["a bad OPEN", [messageOf(1, "03 fdea 0009 0a000002 00")], "2/1"],
    ["an OPEN of another AS", [messageOf(1, "04 0001 0009 0a000002 00")], "2/2"],
  ])("such as %s gets its NOTIFICATION (BGP-6608-4-01)", (_name, messages, expected) => {
    const net = rawRack();
    net.a.setPeers(net.peers.a);
    net.time.runUntil(() => net.received.length > 0);
    net.send(...messages);
    net.time.runUntil(() => !net.isConnected);
    expect(codes(net)).toBe(expected);
  });

  it("is not a NOTIFICATION, which ends the session and is never answered (BGP-4271-6.1-05)", () => {
    for (const data of ["", "05", "0b 6e6f646520647261696e2e", "ff 00", "02 c328"]) {
      const net = established();
      net.send(messageOf(3, `06 02 ${data}`), ROUTE, RAW.open);
      net.time.runUntil(() => !net.isConnected);
      expect(lastWords(net)).toBeNull();
      expect(net.status().lastError).toMatchObject({ direction: "received" });
      expect(net.status().lastError!.message).toMatch(/^Cease: Administrative Shutdown/);
    }
  });
});

describe("a peer that says nothing", () => {
  it("after TCP is up is let go after four minutes (BGP-4271-8-06, BGP-4271-10-03, ROB-06)", () => {
    const net = rawRack();
    net.a.setPeers(net.peers.a);
    net.time.runUntil(() => net.isConnected);
    net.time.advance(230_000);
    expect(net.isConnected).toBe(true);
    net.time.runUntil(() => !net.isConnected, 11_000);
    expect(codes(net)).toBe("4/0");
  });

  it("and opens connection upon connection has one at a time (ROB-06)", () => {
    const net = rawRack({ a: { passive: true } });
    net.a.setPeers(net.peers.a);
    const dialer = net.network.dialer(...HOSTS.b);
    for (let round = 0; round < 50; round++) {
      dialer.dial(
        { remote: { address: HOSTS.a[0], port: 179 } },
        {
          onOpen: () => {},
          onData: () => {},
          onDrain: () => {},
          onEnd: () => {},
        },
      );
      net.time.advance(20);
      expect(net.network.openCount).toBeLessThanOrEqual(4);
    }
    expect(net.status().state).toBe("open-sent");
  });
});

describe("a peer that resets every connection", () => {
  it("leaves nothing behind, and is let in when it comes to reason", async () => {
    const net = rawRack({ a: { passive: true, idleHoldSecondsMax: 1 } });
    net.a.setPeers(net.peers.a);
    const call = (handler: Partial<StreamHandler>): void => {
      const silent = { onOpen: () => {}, onData: () => {}, onDrain: () => {}, onEnd: () => {} };
      const remote = { address: HOSTS.a[0], port: 179 };
      net.network.dialer(...HOSTS.b).dial({ remote }, { ...silent, ...handler });
    };
    for (let round = 0; round < 30; round++) {
      call({ onOpen: (stream) => net.time.after(5, () => stream.destroy()) });
      net.time.advance(3000);
    }
    call({
      onOpen: (stream) => {
        stream.write(RAW.open);
        stream.write(RAW.keepalive);
      },
    });
    net.time.runUntil(() => net.status().state === "established", 100);
    const begun = net.time.now();
    await net.time.settle(net.a.stop("bye"), 3000);
    expect(net.time.now() - begun).toBeLessThan(1200);
  });
});

describe("a peer that reads nothing", () => {
  it("costs memory by the number of routes and not of changes, and is let go after eight minutes (BGP-9687-P-01, BGP-9687-5-01, BGP-9687-4-01, BGP-SEND-04)", () => {
    const net = rawRack();
    net.a.setRoutes(new Map());
    net.up();
    const stream = net.stream;
    stream.pause();
    const [all, none] = [new Map(hosts(15_000).map((one) => [one, { med: 1 }])), new Map()];
    const begun = net.time.now();
    let mostQueued = 0;
    let round = 0;
    while (net.status().state === "established") {
      if (round % 4 === 0) net.a.setRoutes(round % 8 === 0 ? all : none);
      round++;
      net.send(RAW.keepalive);
      net.time.advance(5000);
      mostQueued = Math.max(mostQueued, queuedBy(net));
    }
    expect(mostQueued).toBeGreaterThan(50_000);
    expect(mostQueued).toBeLessThan(65_536 + 4096 + 19 * 200);
    expect(net.time.now() - begun).toBeGreaterThan(479_000);
    expect(net.time.now() - begun).toBeLessThan(495_000);
    expect(net.status().lastError!.message).toBe("Send Hold Timer Expired");
  });

  it("gets the latest state when it reads again (BGP-SEND-02)", () => {
    const net = rawRack();
    net.a.setRoutes(new Map());
    net.up();
    net.stream.pause();
    const all = hosts(20_000);
    net.a.setRoutes(new Map(all.map((one) => [one, {}])));
    net.time.advance(1000);
    for (let round = 0; round < 5; round++) net.a.setRoutes(new Map(all.map((one) => [one, { med: round }])));
    net.a.setRoutes(new Map(all.slice(0, 10).map((one) => [one, { med: 77 }])));
    net.clear();
    net.stream.resume();
    net.time.runUntil(() => net.status().prefixesSent === 10);
    net.time.advance(100);
    const table = new Map<Prefix, number | undefined>();
    for (const message of net.received) {
      if (message.type !== "update") continue;
      for (const prefix of message.withdrawn) table.delete(prefix);
      for (const prefix of message.nlri) table.set(prefix, message.attributes.med);
    }
    expect([...table]).toEqual(all.slice(0, 10).map((one) => [one, 77]));
  });
});

/** What the speaker has written and TCP has not taken. */
const queuedBy = (net: RawRack): number => net.network.queuedBytes;

describe("a route refresh", () => {
  it("is answered with the whole family, changed or not (BGP-2918-4-01, BGP-2918-4-02)", () => {
    const net = established();
    net.send(refresh);
    net.time.advance(10);
    expect(net.received).toMatchObject([{ type: "update", nlri: ["198.51.100.1/32"] }]);
    net.clear();
    net.send(messageOf(5, "0002 00 01"), messageOf(5, "0019 00 46"));
    net.time.advance(1100);
    expect(net.received.filter(({ type }) => type === "update")).toEqual([]);
  });

  it("is answered once in a second, however often it is asked, and after the last (BGP-2918-4-03)", () => {
    const net = established();
    for (let round = 0; round < 1000; round++) {
      net.send(refresh);
      net.time.advance(5);
    }
    net.time.advance(2000);
    const count = net.received.filter(({ type }) => type === "update").length;
    expect(count).toBeGreaterThanOrEqual(5);
    expect(count).toBeLessThanOrEqual(7);
  });
});

describe("messages that arrive octet by octet, or many at once", () => {
  it.each([1, 7, 18, 65_536])("mean the same in pieces of %i (BGP-4271-4.1-03)", (pieceLength) => {
    const net = rawRack({ network: { delayMillis: [1, 2], pieceLength } });
    net.up();
    net.clear();
    const many = Array.from({ length: 60 }, (_, at) =>
      messageOf(2, updateBody(ORIGIN + AS_PATH + NEXT_HOP, `200a0900${at.toString(16).padStart(2, "0")}`)),
    );
    net.send(...many, RAW.keepalive);
    net.time.runUntil(() => learned(net).length === 60);
    expect(net.status()).toMatchObject({ state: "established", messagesReceived: 63 });
  });
});

describe("a live session", () => {
  it("gets every good message with any octet changed, and the speaker lives on (ROB-02)", () => {
    const net = established();
    const entropy = seeded(7);
    const pick = (below: number): number => Math.floor(entropy.fraction() * below);
    let resets = 0;
    let kept = 0;
    for (let round = 0; round < 2000; round++) {
      if (net.status().state !== "established") {
        expect(net.received.some(({ type }) => type === "notification") || !net.isConnected).toBe(true);
        resets++;
        net.time.runUntil(() => !net.isConnected);
        net.clear();
        net.up();
        net.clear();
      }
      const changed = GOOD_MESSAGES[pick(GOOD_MESSAGES.length)]!.slice();
      // Mostly below the header, where there is more to get wrong.
      const at = entropy.fraction() < 0.1 ? pick(19) : 19 + pick(Math.max(1, changed.length - 19));
      if (at < changed.length) changed[at] = pick(256);
      net.send(changed);
      net.time.advance(3);
      if (net.status().state === "established") kept++;
    }
    net.time.runUntil(() => !net.isConnected, 20_000);
    net.clear();
    net.up();
    net.send(ROUTE);
    net.time.runUntil(() => learned(net).includes(hostPrefix(ip("198.51.100.7"))));
    expect(resets).toBeGreaterThan(200);
    expect(kept).toBeGreaterThan(200);
    expect(net.network.openCount).toBe(2);
  });
});

describe("a peer that refuses our UPDATE", () => {
  it("gets the global IPv6 next hop alone from then on, where it got a link-local one beside it", () => {
    const net = rawRack();
    net.a.setRoutes(new Map([[hostPrefix(ip("2001:db8:9::1")), {}]]));
    const nextHop = () =>
      net.received
        .map((message) => (message.type === "update" ? message.attributes.mpReach : undefined))
        .filter((reach) => reach !== undefined && "nextHop" in reach)
        .map((reach) => ("linkLocal" in reach ? `${String(reach.nextHop)} ${String(reach.linkLocal)}` : reach.nextHop));
    net.up();
    expect(nextHop()).toEqual(["2001:db8::1 fe80::1"]);
    // UPDATE Message Error, Invalid Network Field: FRR 8 says so while it does not know its interfaces.
    net.send(messageOf(3, "030a"));
    net.time.runUntil(() => !net.isConnected);
    net.clear();
    net.up();
    expect(nextHop()).toEqual(["2001:db8::1"]);
  });
});
