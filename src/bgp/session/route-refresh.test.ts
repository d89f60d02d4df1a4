import { describe, expect, it } from "vitest";
import { ip } from "../../addr/ip.ts";
import { hostPrefix } from "../../addr/prefix.ts";
import { messageOf } from "../wire/test-support.ts";
import { END_OF_RIB, openWith, RAW, rawRack, routeOf } from "./test-support.ts";

const VIP = hostPrefix(ip("198.51.100.1"));
const REQUEST = messageOf(5, "0001 00 01");
const [BEGIN, END] = [messageOf(5, "0001 01 01"), messageOf(5, "0001 02 01")];
const ENHANCED = openWith({ kind: "enhanced-route-refresh" });

function established(open = ENHANCED) {
  const net = rawRack();
  net.a.setRoutes(new Map([[VIP, {}]]));
  net.up(open);
  net.send(...END_OF_RIB);
  net.time.advance(10);
  net.clear();
  return net;
}
type RawRack = ReturnType<typeof established>;
/** What was sent of routes: marks by their subtype, announcements by their prefixes. */
const answers = (net: RawRack): string[] =>
  net.received.flatMap((message) => {
    if (message.type === "route-refresh") return [["request", "begin", "end"][message.subtype] ?? "?"];
    return message.type === "update" ? [message.nlri.join()] : [];
  });
const learned = (net: RawRack): string[] => [...net.a.received().get("b")!.keys()];

describe("a route refresh", () => {
  it("of a peer that knows the marks is answered between them (BGP-7313-4-01)", () => {
    const net = established();
    net.send(REQUEST);
    net.time.advance(10);
    expect(answers(net)).toEqual(["begin", VIP, "end"]);
  });

  it("of any other peer is answered without marks, whatever its subtype octet is (BGP-2918-3-01, BGP-2918-4-01)", () => {
    const net = established(openWith());
    net.send(REQUEST);
    net.time.advance(10);
    expect(answers(net)).toEqual([VIP]);
    net.send(BEGIN);
    net.time.advance(1100);
    expect(answers(net)).toEqual([VIP, VIP]);
  });

  it("waits for our own End-of-RIB, which comes first (BGP-7313-4-01)", () => {
    const net = rawRack();
    net.up(ENHANCED);
    net.send(REQUEST);
    net.time.advance(10);
    net.clear();
    net.a.setRoutes(new Map([[VIP, {}]]));
    net.time.advance(10);
    // Then comes the other family's.
    expect(answers(net)).toEqual([VIP, "", "begin", "", VIP, "end"]);
  });

  it("for a family that is not exchanged is ignored, with a line in the log (BGP-2918-4-01)", () => {
    const net = established();
    net.send(messageOf(5, "0019 00 46"), messageOf(5, "0001 00 80"));
    net.time.advance(1100);
    expect(answers(net)).toEqual([]);
    expect(net.events("a", "bgp.update.ignored")).toHaveLength(2);
    expect(net.status().state).toBe("established");
  });

  it("of an unknown subtype is ignored, with a line in the log (BGP-7313-4-04)", () => {
    const net = established();
    net.send(messageOf(5, "0001 07 01"));
    net.time.advance(1100);
    expect(answers(net)).toEqual([]);
    expect(net.events("a", "bgp.update.ignored")).toEqual(["the peer sends route refresh of subtype 7"]);
  });

  it("with marks and of another length ends the session with the whole message (BGP-7313-5-01)", () => {
    const net = established();
    net.send(messageOf(5, "0001 01 01 00"));
    net.time.runUntil(() => !net.isConnected);
    expect(net.said()).toEqual([`7/1 ${"ff".repeat(16)}0018050001010100`]);
  });

  it("with a filter behind it that we did not offer is answered all the same (BGP-7313-5-01)", () => {
    const net = established();
    net.send(messageOf(5, "0001 00 01 0140 0000"));
    net.time.advance(10);
    expect(answers(net)).toEqual(["begin", VIP, "end"]);
  });

  it("is answered once for a burst, once in a second for a flood, and after the last (BGP-2918-4-02, BGP-2918-4-03)", () => {
    const net = established();
    net.send(...Array.from({ length: 50 }, () => REQUEST));
    net.time.advance(900);
    expect(answers(net).filter((one) => one === "begin").length).toBeLessThanOrEqual(2);
    net.clear();
    for (let round = 0; round < 1000; round++) {
      net.send(REQUEST);
      net.time.advance(5);
    }
    const begun = answers(net).filter((one) => one === "begin").length;
    expect(begun).toBeGreaterThanOrEqual(4);
    expect(begun).toBeLessThanOrEqual(7);
    net.clear();
    net.send(REQUEST);
    net.time.advance(2000);
    expect(answers(net).slice(-3)).toEqual(["begin", VIP, "end"]);
  });
});

describe("a peer's own resend", () => {
  it("takes away what it does not contain, and only after its end (BGP-7313-4-02)", () => {
    const net = established();
    net.send(routeOf("198.51.100.7/32"), routeOf("198.51.100.8/32"));
    net.time.runUntil(() => learned(net).length === 2);
    net.send(BEGIN, routeOf("198.51.100.8/32"));
    net.time.advance(10);
    expect(learned(net)).toHaveLength(2);
    net.send(END);
    net.time.advance(10);
    expect(learned(net)).toEqual(["198.51.100.8/32"]);
  });

  it("that never ends is taken for ended after six minutes (BGP-7313-4-02)", () => {
    const net = established();
    net.send(routeOf("198.51.100.7/32"), BEGIN);
    net.time.runUntil(() => learned(net).length === 1);
    for (let round = 0; round < 61; round++) {
      net.send(RAW.keepalive);
      net.time.advance(6000);
    }
    expect(learned(net)).toEqual([]);
    expect(net.status().state).toBe("established");
  });

  it("begins anew with a second begin, and an end alone says nothing (BGP-7313-4-03)", () => {
    const net = established();
    net.send(END, routeOf("198.51.100.7/32"), END);
    net.time.advance(10);
    expect(learned(net)).toEqual(["198.51.100.7/32"]);
    net.send(BEGIN, routeOf("198.51.100.7/32"), BEGIN, END);
    net.time.advance(10);
    expect(learned(net)).toEqual([]);
  });
});
