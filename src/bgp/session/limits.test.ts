import { describe, expect, it } from "vitest";
import type { MaxPrefixes } from "./peer-config.ts";
import { openWith, RAW, rawRack, routeOf } from "./test-support.ts";

const ROUTES = Array.from({ length: 8 }, (_, at) => routeOf(`198.51.100.${at}/32`));

function limited(maxPrefixes: MaxPrefixes) {
  const net = rawRack({ a: { maxPrefixes } });
  net.a.setRoutes(new Map());
  net.up(openWith());
  net.clear();
  return net;
}

describe("more prefixes than a peer may announce", () => {
  it("end the session with 6/1 and the limit, and it stays down when nothing else is configured (BGP-4486-4-01, BGP-4486-4-03)", () => {
    const net = limited({ count: 4, action: "cease" });
    net.send(...ROUTES.slice(0, 4));
    net.time.advance(10);
    expect(net.status()).toMatchObject({ state: "established", prefixesReceived: 4 });
    net.send(...ROUTES.slice(4));
    net.time.advance(10);
    expect(net.said()).toEqual(["6/1 00010100000004"]);
    expect(net.a.received().get("b")!.size).toBe(0);
    expect(net.status()).toMatchObject({
      state: "idle",
      withheld: "it announced more prefixes than are allowed",
      diagnosis: { cause: "prefix-limit" },
    });
    const { connectionCount } = net;
    net.time.advance(3_600_000);
    expect(net.connectionCount).toBe(connectionCount);
  });

  it("keep it down for the configured time, in which the peer is not let in either (BGP-4486-4-03)", () => {
    const net = limited({ count: 4, action: "cease", restartSeconds: 300 });
    net.send(...ROUTES);
    net.time.runUntil(() => !net.isConnected);
    const { connectionCount } = net;
    let end = "";
    net.network
      .dialer(net.peers.a[0]!.address)
      .dial(
        { remote: { address: net.peers.b[0]!.address, port: 179 } },
        { onOpen: () => {}, onData: () => {}, onDrain: () => {}, onEnd: ({ kind }) => void (end = kind) },
      );
    net.time.advance(299_000);
    expect(end).toBe("closed-by-peer");
    expect(net.connectionCount).toBe(connectionCount);
    net.clear();
    net.up(openWith());
    expect(net.status()).toMatchObject({ state: "established", withheld: null });
  });

  it("end it once, though they come in one piece with more of them", () => {
    const net = limited({ count: 4, action: "cease", restartSeconds: 60 });
    net.send(Uint8Array.from([...ROUTES, ...ROUTES].flatMap((message) => [...message])));
    net.time.advance(1000);
    expect(net.said()).toEqual(["6/1 00010100000004"]);
  });

  it("are dropped and counted where that is configured, and a warning comes before (BGP-4271-6.7-01)", () => {
    const net = limited({ count: 4, action: "drop" });
    net.send(...ROUTES);
    net.time.advance(10);
    expect(net.status()).toMatchObject({ state: "established", prefixesReceived: 4, prefixesRefused: 4 });
    expect(net.events("a", "bgp.prefixes.near-limit")).toEqual(["3 of at most 4 prefixes of ipv4-unicast"]);
  });

  it("are asked for again when the limit is raised, and the session stays", () => {
    const net = limited({ count: 4, action: "drop" });
    net.send(...ROUTES);
    net.time.advance(10);
    net.a.setPeers([{ ...net.peers.a[0]!, maxPrefixes: { count: 10, action: "drop" } }]);
    net.time.advance(10);
    expect(net.received).toMatchObject([{ type: "route-refresh", afi: 1, safi: 1, subtype: 0 }]);
    net.send(...ROUTES);
    net.time.advance(10);
    expect(net.status()).toMatchObject({ establishedCount: 1, prefixesReceived: 8, prefixesRefused: 0 });
  });

  it("end it at once when the limit falls below what is there (BGP-4271-6.7-01)", () => {
    const net = limited({ count: 10, action: "cease" });
    net.send(...ROUTES);
    net.time.advance(10);
    net.a.setPeers([{ ...net.peers.a[0]!, maxPrefixes: { count: 4, action: "cease", restartSeconds: 60 } }]);
    net.time.advance(10);
    expect(net.said()).toEqual(["6/1 00010100000004"]);
    net.clear();
    net.up(openWith());
    net.send(...ROUTES.slice(0, 4));
    net.time.advance(10);
    expect(net.status()).toMatchObject({ state: "established", prefixesReceived: 4, prefixesRefused: 0 });
  });

  it("that ended the session are forgiven when the limit is raised", () => {
    const net = limited({ count: 4, action: "cease" });
    net.send(...ROUTES);
    net.time.runUntil(() => !net.isConnected);
    net.clear();
    net.a.setPeers([{ ...net.peers.a[0]!, maxPrefixes: { count: 10, action: "cease" } }]);
    net.up(openWith());
    net.send(...ROUTES, RAW.keepalive);
    net.time.advance(10);
    expect(net.status()).toMatchObject({ state: "established", prefixesReceived: 8, withheld: null });
  });
});
