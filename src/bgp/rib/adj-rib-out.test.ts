import { describe, expect, it } from "vitest";
import type { Prefix } from "../../addr/prefix.ts";
import { Asn } from "../wire/asn.ts";
import { decodeMessage } from "../wire/message.ts";
import { AdjRibOut, type RouteAttributes } from "./adj-rib-out.ts";
import { DesiredRoutes } from "./desired-routes.ts";
import { A, A6, B, B6, C, drain, hosts, lines, OUTSIDE, ribOf, routes, V4, V6 } from "./test-support.ts";

describe("AdjRibOut", () => {
  it("announces what is desired, each family by itself, and ends with End-of-RIB (BGP-4724-2-01, BGP-7606-5.1-02, BGP-4271-5-05, BGP-4271-5.1.2-02)", () => {
    const rib = ribOf();
    rib.setDesired(routes(A, A6, B));
    expect(rib.isDone).toBe(false);
    const updates = drain(rib);
    expect(lines(updates)).toEqual([`+${A} +${B}`, `+${A6}`, "end", "end ipv6-unicast"]);
    expect(updates[0]!.attributes).toEqual({ origin: 0, asPath: [65_001], nextHop: "10.0.0.1" });
    expect(updates[1]!.attributes).toEqual({
      origin: 0,
      asPath: [65_001],
      mpReach: { family: "ipv6-unicast", nextHop: "2001:db8::1", linkLocal: "fe80::1", prefixes: [A6] },
    });
    expect(rib.isDone).toBe(true);
    expect([rib.count("ipv4-unicast"), rib.count("ipv6-unicast")]).toEqual([2, 1]);
  });

  it("says nothing before it knows what is desired, and the End-of-RIB even of nothing (BGP-4724-4.1-03, BGP-4724-2-01)", () => {
    const rib = ribOf();
    expect(rib.next()).toBeNull();
    rib.setDesired(routes());
    expect(lines(drain(rib))).toEqual(["end", "end ipv6-unicast"]);
  });

  it("announces what is known already, and ends with End-of-RIB only once all is (BGP-4724-4.1-03)", () => {
    const rib = ribOf();
    const first = new DesiredRoutes(new Map([[A, {}]]), null, false);
    rib.setDesired(first);
    expect(lines(drain(rib))).toEqual([`+${A}`]);
    rib.setDesired(new DesiredRoutes(new Map([A, B].map((it) => [it, {}])), first));
    expect(lines(drain(rib))).toEqual([`+${B}`, "end", "end ipv6-unicast"]);
  });

  it("says of a prefix whether the peer was told, and if not, why", () => {
    const rib = ribOf();
    rib.setDesired(routes(A));
    expect(rib.told(A)).toEqual({ told: false, reason: "it is about to be told" });
    drain(rib);
    expect(rib.told(A)).toEqual({ told: true, reason: null });
    expect(rib.told(B)).toEqual({ told: false, reason: "this node has no route to announce" });
    rib.setExportPolicy({ rules: [], otherwise: "refuse" });
    drain(rib);
    expect(rib.told(A)).toEqual({ told: false, reason: "the export policy does not let it through" });
    rib.setExportPolicy(null);
    rib.setNextHop("ipv4-unicast", null);
    drain(rib);
    expect(rib.told(A).told).toBe(false);
  });

  it("sends nothing when nothing changed (BGP-SEND-05)", () => {
    const rib = ribOf();
    rib.setDesired(routes([A, { communities: [2, 1, 2] }], A6));
    drain(rib);
    rib.setDesired(routes(A6, [A, { communities: [1, 2] }]));
    expect(rib.isDone).toBe(true);
    expect(rib.next()).toBeNull();
  });

  it("sends the difference, withdrawals first (BGP-SEND-02)", () => {
    const rib = ribOf();
    rib.setDesired(routes(A, A6, B));
    drain(rib);
    rib.setDesired(routes(B, C, B6));
    expect(lines(drain(rib))).toEqual([`-${A}`, `-${A6}`, `+${C}`, `+${B6}`]);
    expect([rib.count("ipv4-unicast"), rib.count("ipv6-unicast")]).toEqual([2, 1]);
  });

  it("groups by attributes, and announces again what has others (BGP-SEND-01, BGP-1997-1-01)", () => {
    const rib = ribOf();
    const special = { communities: [0xfde8_0064, 7], med: 5 };
    rib.setDesired(routes(A, [B, special], [C, special]));
    const updates = drain(rib);
    expect(lines(updates)).toEqual([`+${A}`, `+${B} +${C}`, "end", "end ipv6-unicast"]);
    expect(updates[1]!.attributes).toMatchObject({ communities: [7, 0xfde8_0064], med: 5 });
    rib.setDesired(routes(A, B, [C, special]));
    expect(lines(drain(rib))).toEqual([`+${B}`]);
  });

  it("gives LOCAL_PREF, 100 by default, and an empty path inside our AS only (BGP-4271-5.1.5-01, BGP-4271-5.1.2-02)", () => {
    const inside = { ...OUTSIDE, external: false };
    const rib = ribOf(inside);
    rib.setDesired(routes(A, [B, { localPref: 50 }]));
    const updates = drain(rib, inside);
    expect(updates[0]!.attributes).toMatchObject({ asPath: [], localPref: 100 });
    expect(updates[1]!.attributes).toMatchObject({ asPath: [], localPref: 50 });
    const outside = ribOf();
    outside.setDesired(routes([B, { localPref: 50 }]));
    expect(drain(outside)[0]!.attributes).not.toHaveProperty("localPref");
  });

  it("tells a two-octet peer our AS in AS4_PATH, if it needs to", () => {
    const context = { ...OUTSIDE, fourOctetAs: false, localAsn: Asn.of(70_000) };
    const rib = ribOf(context);
    rib.setDesired(routes(A));
    expect(drain(rib, context)[0]!.attributes).toMatchObject({ asPath: [23_456], as4Path: [70_000] });
    const small = ribOf({ ...context, localAsn: Asn.of(65_001) });
    small.setDesired(routes(A));
    expect(drain(small, context)[0]!.attributes).not.toHaveProperty("as4Path");
  });

  it.each([4, 6] as const)("packs IPv%i messages full, and none fuller (BGP-SEND-01)", (family) => {
    const rib = ribOf();
    const all = hosts(3000, family);
    rib.setDesired(routes(...all.map((one): [Prefix, RouteAttributes] => [one, { communities: [1, 2, 3] }])));
    const most = family === 4 ? 5 : 17;
    const updates = drain(rib).slice(0, -2);
    const sent = lines(updates).flatMap((line) => line.split(" "));
    expect(sent).toEqual(all.map((one) => `+${one}`));
    const fewest = Math.ceil((3000 * most) / (4096 - 120));
    expect(updates.length).toBeLessThanOrEqual(fewest + 1);
    rib.setDesired(routes());
    const withdrawals = drain(rib);
    expect(withdrawals.length).toBe(Math.ceil((3000 * most) / (4096 - 35)));
    expect(lines(withdrawals).flatMap((line) => line.split(" "))).toEqual(all.map((one) => `-${one}`));
  });

  it("fills the first message with host routes to the last octets (BGP-SEND-01)", () => {
    const rib = ribOf();
    rib.setDesired(routes(...hosts(2000)));
    const first = rib.next()!;
    expect(4096 - first.length).toBeLessThan(5);
  });

  it("counts a prefix with its latest state, however often it changed in between (BGP-SEND-02, BGP-SEND-04)", () => {
    const rib = ribOf();
    rib.setDesired(routes(A, B));
    drain(rib);
    for (let round = 0; round < 100; round++) {
      rib.setDesired(routes());
      rib.setDesired(routes([A, { med: round }], B));
    }
    const updates = drain(rib);
    expect(lines(updates)).toEqual([`+${A}`]);
    expect(updates[0]!.attributes.med).toBe(99);
  });

  it("goes on from where the peer is when something changes between two messages (BGP-SEND-04)", () => {
    const rib = ribOf();
    const all = hosts(2000);
    rib.setDesired(routes(...all));
    const [first] = [rib.next()!];
    const decoded = decodeMessage(first, OUTSIDE);
    if (decoded.kind !== "message" || decoded.message.type !== "update") throw new Error("no UPDATE");
    const told = decoded.message.nlri;
    rib.setDesired(routes(...all.slice(1)));
    const after = lines(drain(rib)).flatMap((line) => line.split(" "));
    expect(after[0]).toBe(`-${all[0]}`);
    expect(after.filter((one) => one.startsWith("+")).length).toBe(2000 - told.length);
    expect(rib.count("ipv4-unicast")).toBe(1999);
  });

  it("sends a family again when the peer asks, and nothing but it (BGP-2918-4-01, BGP-2918-4-02)", () => {
    const rib = ribOf();
    rib.setDesired(routes(A, A6));
    drain(rib);
    rib.refresh("ipv4-unicast");
    rib.refresh("ipv4-unicast");
    expect(lines(drain(rib))).toEqual([`+${A}`]);
    rib.refresh("ipv6-unicast");
    rib.setDesired(routes(A, A6));
    expect(lines(drain(rib))).toEqual([`+${A6}`]);
    rib.refresh("ipv6-unicast");
    rib.setDesired(routes(A));
    expect(lines(drain(rib))).toEqual([`-${A6}`]);
  });

  it("announces no family without a next hop, and takes it back when the next hop goes", () => {
    const rib = new AdjRibOut(OUTSIDE);
    rib.setNextHop("ipv4-unicast", V4);
    rib.setDesired(routes(A, A6));
    expect(lines(drain(rib))).toEqual([`+${A}`, "end", "end ipv6-unicast"]);
    rib.setNextHop("ipv6-unicast", V6);
    expect(lines(drain(rib))).toEqual([`+${A6}`]);
    rib.setNextHop("ipv6-unicast", { ...V6 });
    expect(rib.next()).toBeNull();
    rib.setNextHop("ipv6-unicast", { address: V6.address });
    expect(drain(rib)[0]!.attributes.mpReach).not.toHaveProperty("linkLocal");
    rib.setNextHop("ipv6-unicast", null);
    expect(lines(drain(rib))).toEqual([`-${A6}`]);
  });

  it("announces no family that was not agreed, and ends none (BGP-4724-3-03)", () => {
    const only4 = { ...OUTSIDE, families: ["ipv4-unicast"] } as const;
    const rib = ribOf(only4);
    rib.setDesired(routes(A, A6));
    expect(lines(drain(rib, only4))).toEqual([`+${A}`, "end"]);
  });

  it("leaves out what does not fit a message, takes it back, and names it (BGP-8654-4-02, BGP-8654-P-01)", () => {
    const rib = ribOf();
    rib.setDesired(routes(A, B));
    drain(rib);
    const huge = { communities: Array.from({ length: 1100 }, (_, at) => at) };
    rib.setDesired(routes([A, huge], B));
    expect(lines(drain(rib))).toEqual([`-${A}`]);
    expect(rib.withheld()).toMatchObject([{ family: "ipv4-unicast", count: 1, prefixes: [A] }]);
    rib.setDesired(routes(A, B));
    expect(lines(drain(rib))).toEqual([`+${A}`]);
    expect(rib.withheld()).toEqual([]);
  });

  it("fits the most communities that one route leaves room for", () => {
    for (const length of [63, 64, 1000, 1003, 1004, 1005, 1006, 1010]) {
      const rib = ribOf();
      const attributes = { communities: Array.from({ length }, (_, at) => at) };
      rib.setDesired(routes([A, attributes], [A6, attributes]));
      drain(rib);
    }
  });
});
