import { describe, expect, it } from "vitest";
import { ip } from "../../addr/ip.ts";
import { hostPrefix } from "../../addr/prefix.ts";
import { describeNotification } from "../wire/notification.ts";
import { messageOf, updateBody } from "../wire/test-support.ts";
import { END_OF_RIB, HOSTS, openWith, RAW, rack, rawRack, routeOf } from "./test-support.ts";

type RawRack = ReturnType<typeof rawRack>;

const VIP = hostPrefix(ip("198.51.100.7"));
function established(...args: Parameters<typeof rawRack>): RawRack {
  const net = rawRack(...args);
  net.a.setRoutes(new Map([[VIP, {}]]));
  net.up(openWith());
  net.send(...END_OF_RIB);
  net.time.advance(10);
  net.clear();
  return net;
}
const words = (net: RawRack): string[] =>
  net.received.flatMap((message) => (message.type === "notification" ? [describeNotification(message)] : []));

describe("what the peer is told at the end", () => {
  it("depends on why: removed, changed, or stopped with the operator's words (BGP-4486-4-02, BGP-9003-2-01, BGP-9003-2-03)", async () => {
    const net = established();
    net.a.setPeers([]);
    net.time.advance(10);
    expect(net.said()).toEqual(["6/3"]);
    const changed = established();
    changed.a.setPeers([{ ...changed.peers.a[0]!, ttl: 3 }]);
    changed.time.advance(10);
    expect(changed.said()).toEqual(["6/6"]);
    const stopped = established();
    await stopped.time.settle(stopped.a.stop("node-1 is drained"));
    expect(words(stopped)).toEqual(["Cease: Administrative Shutdown: node-1 is drained"]);
  });

  it("is the last thing that is written, and arrives (BGP-4271-6-01, BGP-4271-4.5-01)", () => {
    const net = established();
    net.send(messageOf(2, "ffff 0000"), routeOf("203.0.113.9/32"));
    net.time.runUntil(() => !net.isConnected);
    expect(net.received.map(({ type }) => type)).toEqual(["notification"]);
    expect(net.a.received().get("b")!.size).toBe(0);
  });

  it("is nothing in answer to a NOTIFICATION, whatever is in it (BGP-4271-6.1-05, BGP-4271-6.4-01)", () => {
    for (const body of ["0602 ff 00", "0602 02 c328", "ee ee 0102", "0000"]) {
      const net = established();
      net.send(messageOf(3, body));
      net.time.runUntil(() => !net.isConnected);
      expect(net.received).toEqual([]);
      expect(net.status().lastError).toMatchObject({ direction: "received" });
    }
  });

  it("is 1/2 in answer to a NOTIFICATION that is too short to be one (BGP-4271-6.1-05)", () => {
    const net = established();
    net.send(messageOf(3, "06"));
    net.time.runUntil(() => !net.isConnected);
    expect(net.said()).toEqual(["1/2 0014"]);
  });

  it("is nothing on connections that are not taken (BGP-4271-8-03)", () => {
    const net = established();
    let text = "";
    net.network.dialer(ip("10.0.0.99")).dial(
      { remote: { address: HOSTS.a[0], port: 179 } },
      {
        onOpen: () => {},
        onData: () => void (text += "data"),
        onDrain: () => {},
        onEnd: ({ kind }) => void (text += kind),
      },
    );
    net.time.runUntil(() => text !== "");
    expect(text).toBe("closed-by-peer");
  });
});

describe("what an operator is told", () => {
  it("is the last NOTIFICATION each way, with time and number (BGP-4271-4.5-02)", () => {
    const net = established();
    net.send(messageOf(3, "0602 05 6d61696e74"));
    net.time.runUntil(() => !net.isConnected);
    const at = net.time.wallTime().getTime();
    net.clear();
    net.up(openWith());
    net.send(messageOf(3, "0604"));
    net.time.runUntil(() => !net.isConnected);
    const { received, sent } = net.status().notifications;
    expect(sent).toBeNull();
    expect(received).toMatchObject({ code: 6, subcode: 4, message: "Cease: Administrative Reset", count: 2 });
    expect(received!.at.getTime()).toBeGreaterThan(at);
    net.clear();
    net.up(openWith());
    net.send(messageOf(77, ""));
    net.time.runUntil(() => !net.isConnected);
    expect(net.status().notifications.sent).toMatchObject({ code: 1, subcode: 3, count: 1 });
  });

  it("has nothing in it that a terminal would obey, whatever the peer wrote (BGP-9003-2-02, ROB-04)", () => {
    const net = established();
    net.send(messageOf(3, "0602 09 1b5b324a0a68692121"));
    net.time.runUntil(() => !net.isConnected);
    const { message } = net.status().lastError!;
    expect(message).toMatch(/^Cease: Administrative Shutdown: /);
    // oxlint-disable-next-line no-control-regex
    expect(message).not.toMatch(/[\u0000-\u001f\u007f]/);
  });

  it("is both OPENs, octet by octet (BGP-4271-4.2-06)", () => {
    const net = established();
    const { sent, received } = net.status().messages;
    expect(received.lastOpen!.octets).toEqual(openWith());
    expect([...sent.lastOpen!.octets.subarray(16, 20)]).toEqual([0, sent.lastOpen!.octets.length, 1, 4]);
  });

  it("is what ended the session, not that TCP then refuses, as long as that is what helps", () => {
    const net = established();
    net.send(messageOf(3, "0603"));
    net.time.runUntil(() => !net.isConnected);
    net.network.silence(HOSTS.b[0]);
    net.time.advance(60_000);
    expect(net.status().lastError).toMatchObject({ message: "Cease: Peer De-configured", direction: "received" });
    expect(net.events("a", "bgp.transport.failed")).toEqual(["no answer from 10.0.0.2 port 179"]);
    net.time.advance(300_000);
    expect(net.status().lastError).toMatchObject({ message: "no answer from 10.0.0.2 port 179" });
  });

  it("is how many UPDATEs were malformed, by attribute, and which routes that cost (BGP-7606-6-01, BGP-7606-6-02)", () => {
    const net = established();
    const update = (attributes: string): Uint8Array => messageOf(2, updateBody(attributes, "20c6336409"));
    const good = "4001010040020602010000fdea4003040a000002";
    net.send(update(`${good}40060100`), update(`${good}c00803000000`), update(`${good}c00803000000`));
    net.time.advance(10);
    expect(net.status().malformed).toMatchObject({
      updates: 3,
      withdrawn: 2,
      byAttribute: { 6: 1, 8: 2 },
      last: { prefixes: ["198.51.100.9/32"] },
    });
    expect(net.status().malformed.last!.reason).toMatch(/COMMUNITIES/);
    net.send(update(good));
    net.time.advance(10);
    expect(net.status().malformed).toMatchObject({ updates: 3, last: null });
  });

  it("is why IPv4 is not announced on a session over IPv6 that has no address for it (BGP-8950-P-01)", () => {
    const ipv6 = { address: HOSTS.b[1], extendedNextHop: true } as const;
    const net = rack({ a: ipv6, b: { address: HOSTS.a[1], passive: true }, others: [] });
    net.a.setRoutes(new Map([[VIP, {}]]));
    net.up();
    const [missing] = net.a.peers()[0]!.notAnnounced;
    expect(missing).toMatchObject({ family: "ipv4-unicast" });
    expect(missing!.reason).toMatch(/no IPv4 address .*; the peer does not offer IPv6 next hops for IPv4/);
    expect(net.a.peers()[0]!.prefixesSent).toBe(0);
  });

  it("has no secret in it (BGP-SEC-01)", () => {
    const net = rawRack({ a: { md5Password: "hunter2" } });
    net.a.setPeers(net.peers.a);
    net.time.advance(20_000);
    expect(JSON.stringify([net.a.peers(), net.a.recorder("b")!.snapshot(), net.log])).not.toContain("hunter2");
  });
});

describe("IPv4 routes on a session over IPv6", () => {
  it("have our end of it as next hop where both sides agree (BGP-8950-3-01)", () => {
    const extended = { extendedNextHop: true } as const;
    const net = rack({
      a: { ...extended, address: HOSTS.b[1] },
      b: { ...extended, address: HOSTS.a[1], passive: true },
    });
    net.a.setRoutes(new Map([[VIP, {}]]));
    net.up();
    net.time.runUntil(() => net.b.received().get("a")!.size === 1);
    expect(net.b.received().get("a")!.get(VIP)).toMatchObject({ nextHop: "2001:db8::1", linkLocal: "fe80::1" });
  });
});

describe("roles", () => {
  it("that do not fit end in 2/11, and those that fit mark what goes down to a customer (BGP-9234-4.1-01, BGP-9234-5-02)", () => {
    const wrong = rack({ a: { role: "provider" }, b: { role: "provider" } });
    wrong.start();
    wrong.time.runUntil(() => wrong.a.peers()[0]!.lastError !== null);
    expect(wrong.a.peers()[0]!.lastError!.message).toMatch(/Role Mismatch/);
    const net = rack({ a: { role: "provider" }, b: { role: "customer" } });
    net.a.setRoutes(new Map([[VIP, {}]]));
    net.up();
    net.time.runUntil(() => net.b.received().get("a")!.size === 1);
    expect(net.b.received().get("a")!.get(VIP)).toMatchObject({ onlyToCustomer: 65_001 });
  });
});

describe("a route of a router on our link", () => {
  it("is of no use when its next hop is on none of our links, and the session stays", () => {
    const net = established({ isOnLink: (address) => address.startsWith("10.0.0.") });
    const via = (hop: string, octet: string): Uint8Array =>
      messageOf(2, updateBody(`4001010040020602010000fdea400304${hop}`, `20c63364${octet}`));
    net.send(via("0a000002", "07"), via("0a000009", "08"), via("c0000209", "09"));
    net.time.advance(10);
    const unusable = [...net.a.received().get("b")!.values()].map((route) => route.unusable);
    expect(unusable.map((reason) => reason === null)).toEqual([true, true, false]);
    expect(net.status().state).toBe("established");
  });
});

describe("whatever a peer sends", () => {
  it("changes nothing of what is announced, but for the session, a refresh and what was agreed (ROB-07)", () => {
    const net = established();
    net.send(
      routeOf("198.51.100.7/32"),
      messageOf(2, updateBody("", "", "20c6336407")),
      messageOf(2, updateBody("4001010040020602010000fde94003040a000001", "20c6336407")),
      RAW.keepalive,
    );
    net.time.advance(1000);
    expect(net.received.filter(({ type }) => type === "update")).toEqual([]);
    expect(net.status().prefixesSent).toBe(1);
  });
});
