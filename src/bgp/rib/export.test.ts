import { describe, expect, it } from "vitest";
import { ip, type Ipv6 } from "../../addr/ip.ts";
import type { Role } from "../wire/capabilities.ts";
import { decodeMessage } from "../wire/message.ts";
import type { PathAttributes } from "../wire/path-attributes.ts";
import type { Update } from "../wire/update.ts";
import { AdjRibOut, type OutContext, type RouteAttributes } from "./adj-rib-out.ts";
import type { ExportPolicy, ExportRule } from "./policy.ts";
import {
  A,
  A6,
  B,
  B6,
  C,
  drain,
  hosts,
  INSIDE,
  lines,
  octetsOf,
  OUTSIDE,
  prefix,
  ribOf,
  routes,
  routesAfter,
  V4,
  V6,
} from "./test-support.ts";

const AS = 65_001;
const policy = (...rules: ExportRule[]): ExportPolicy => ({ rules, otherwise: "refuse" });

/** The attributes with which the peer is told of A. */
function told(
  route: RouteAttributes,
  context: OutContext = OUTSIDE,
  rules: ExportPolicy | null = null,
): PathAttributes {
  const rib = ribOf(context, rules);
  rib.setDesired(routes([A, route]));
  return drain(rib, context).find(({ nlri, attributes }) => nlri.length > 0 || attributes.mpReach !== undefined)!
    .attributes;
}

/** What is announced, one line for each message, without the ends. */
const announced = (rib: AdjRibOut, context: OutContext = OUTSIDE): string[] =>
  lines(drain(rib, context)).filter((line) => !line.startsWith("end"));

describe("what goes with an announcement", () => {
  it("is IGP as origin, our AS once as path, and no LOCAL_PREF, towards another AS (BGP-4271-5.1.1-01, BGP-4271-5.1.2-02, BGP-4271-5.1.5-01, BGP-4271-5-05)", () => {
    expect(told({ localPref: 300 })).toEqual({ origin: 0, asPath: [AS], nextHop: "10.0.0.1" });
  });

  it("has an empty path and LOCAL_PREF inside our AS (BGP-4271-5.1.2-02, BGP-4271-5.1.5-01)", () => {
    expect(told({}, INSIDE)).toEqual({ origin: 0, asPath: [], nextHop: "10.0.0.1", localPref: 100 });
    expect(told({ localPref: 300 }, INSIDE)).toMatchObject({ localPref: 300 });
  });

  it("repeats our AS as often as asked, towards other ASes only (BGP-4271-5.1.2-04)", () => {
    expect(told({ prependCount: 3 }).asPath).toEqual([AS, AS, AS, AS]);
    expect(told({ prependCount: 64 }).asPath).toHaveLength(65);
    expect(told({ prependCount: 3 }, INSIDE).asPath).toEqual([]);
  });

  it("has its attributes in ascending order, an MP attribute first (BGP-4271-5-04, BGP-7606-5.1-01)", () => {
    const all: RouteAttributes = { med: 1, communities: [1], extendedCommunities: [1n], largeCommunities: [[1, 2, 3]] };
    const rib = ribOf({ ...INSIDE, families: ["ipv4-unicast", "ipv6-unicast"] });
    rib.setDesired(routes([A, all], [A6, all]));
    const codes = octetsOf(rib).slice(0, 2).map(codesOf);
    expect(codes).toEqual([
      [1, 2, 3, 4, 5, 8, 16, 32],
      [14, 1, 2, 4, 5, 8, 16, 32],
    ]);
  });

  it("has communities as sorted sets of each kind (BGP-1997-1-01, BGP-8092-3-01, BGP-4360-2-01)", () => {
    const route: RouteAttributes = {
      communities: [7, 3, 7],
      largeCommunities: [
        [2, 0, 0],
        [1, 2, 3],
        [2, 0, 0],
      ],
      extendedCommunities: [0x0002_0000_0000_0002n, 0x0002_0000_0000_0001n, 0x0002_0000_0000_0002n],
    };
    expect(told(route)).toMatchObject({
      communities: [3, 7],
      largeCommunities: [
        [1, 2, 3],
        [2, 0, 0],
      ],
      extendedCommunities: [0x0002_0000_0000_0001n, 0x0002_0000_0000_0002n],
    });
  });

  it("attaches well-known communities like any other: what they forbid is for the peer to heed (BGP-1997-2-02)", () => {
    expect(told({ communities: [0xffff_ff01, 0xffff_ff02, 0xffff_ff03] }).communities).toHaveLength(3);
  });

  it("keeps non-transitive extended communities inside our AS, unless the peer's own policy adds them (BGP-4360-6-01)", () => {
    const [local, other] = [0x4004_fde9_0000_0001n, 0x0002_fde9_0000_0001n];
    expect(told({ extendedCommunities: [local, other] }).extendedCommunities).toEqual([other]);
    expect(told({ extendedCommunities: [local] })).not.toHaveProperty("extendedCommunities");
    expect(told({ extendedCommunities: [local, other] }, INSIDE).extendedCommunities).toEqual([other, local]);
    const added = policy({ action: "announce", set: { extendedCommunities: [local] } });
    expect(told({}, OUTSIDE, added).extendedCommunities).toEqual([local]);
  });

  it("has extended lengths where a value exceeds 255 octets, and nowhere else (BGP-SEND-06)", () => {
    const rib = ribOf();
    const communities = (length: number): number[] => Array.from({ length }, (_, at) => at);
    rib.setDesired(routes([A, { communities: communities(63) }], [B, { communities: communities(64) }]));
    const flags = octetsOf(rib).map((octets) => octets[23 + 4 + 9 + 7]);
    expect(flags.slice(0, 2)).toEqual([0xc0, 0xd0]);
  });

  it("announces a blackhole for single addresses only, and never without a bound (BGP-7999-3-01)", () => {
    const BLACKHOLE = 0xffff_029a;
    expect(told({ communities: [BLACKHOLE] }).communities).toEqual([BLACKHOLE, 0xffff_ff01]);
    expect(told({ communities: [BLACKHOLE, 0xffff_ff02] }).communities).toEqual([BLACKHOLE, 0xffff_ff02]);
    const rib = ribOf();
    const wide = prefix("192.0.2.0/24");
    rib.setDesired(routes([wide, { communities: [BLACKHOLE] }], [A6, { communities: [BLACKHOLE] }]));
    expect(announced(rib)).toEqual([`+${A6}`]);
    expect(rib.withheld()).toEqual([
      { family: "ipv4-unicast", count: 1, prefixes: [wide], reason: "a blackhole must be a single address (RFC 7999)" },
    ]);
  });
});

/** Types of the attributes of an UPDATE without withdrawn routes. */
function codesOf(message: Uint8Array): number[] {
  const codes: number[] = [];
  const end = 23 + ((message[21]! << 8) | message[22]!);
  for (let at = 23; at < end;) {
    codes.push(message[at + 1]!);
    const isLong = (message[at]! & 0x10) !== 0;
    at += isLong ? 4 + ((message[at + 2]! << 8) | message[at + 3]!) : 3 + message[at + 2]!;
  }
  return codes;
}

describe("an export policy", () => {
  it("is what the caller announces when none is given, and nothing is announced before that (BGP-8212-3-01, BGP-8212-P-01)", () => {
    const rib = ribOf();
    expect(rib.next()).toBeNull();
    rib.setDesired(routes(A));
    expect(announced(rib)).toEqual([`+${A}`]);
    const closed = ribOf(OUTSIDE, { rules: [], otherwise: "refuse" });
    closed.setDesired(routes(A, A6));
    expect(announced(closed)).toEqual([]);
    expect(closed.withheld()).toEqual([]);
  });

  it("decides by its first rule that matches prefix and tag", () => {
    const rules: ExportPolicy = {
      rules: [
        { prefixes: [prefix("192.0.2.2/31"), prefix("2001:db8:7::/48")], action: "refuse" },
        { tags: ["edge", "lab"], action: "announce", set: { med: 9 } },
        { prefixes: [prefix("192.0.2.0/25")], tags: ["none"], action: "announce" },
      ],
      otherwise: "refuse",
    };
    const rib = ribOf(OUTSIDE, rules);
    const tagged = { tags: ["edge"] };
    rib.setDesired(routes([A, tagged], [B, tagged], [C, {}], [A6, tagged], [prefix("2001:db8:8::1/128"), tagged]));
    const updates = drain(rib).filter(({ attributes }) => attributes.origin !== undefined);
    expect(lines(updates)).toEqual([`+${A}`, "+2001:db8:8::1/128"]);
    expect(updates.map(({ attributes }) => attributes.med)).toEqual([9, 9]);
  });

  it.each([
    ["0.0.0.0/0", "10.1.2.3/32", true],
    ["10.0.0.0/7", "11.1.2.3/32", true],
    ["10.0.0.0/7", "12.1.2.3/32", false],
    ["10.1.2.0/24", "10.1.0.0/16", false],
    ["10.1.2.3/32", "10.1.2.3/32", true],
    ["::/0", "10.1.2.3/32", false],
    ["2001:db8::/33", "2001:db8:7fff::1/128", true],
    ["2001:db8::/33", "2001:db8:8000::1/128", false],
  ])("%s holds %s: %s", (range, one, isWithin) => {
    const rib = ribOf(OUTSIDE, policy({ prefixes: [prefix(range)], action: "announce" }));
    rib.setDesired(routes(prefix(one)));
    expect(announced(rib)).toEqual(isWithin ? [`+${one}`] : []);
  });

  it("adds communities and removes none, well-known ones included; numbers replace the route's (BGP-8642-4-01)", () => {
    const set = { communities: [5], largeCommunities: [[1, 1, 1] as const], med: 3, localPref: 7, prependCount: 1 };
    const rules = policy({ action: "announce", set });
    const route = { communities: [9, 0xffff_ff01], med: 8, localPref: 8, prependCount: 4 };
    expect(told(route, OUTSIDE, rules)).toMatchObject({
      communities: [5, 9, 0xffff_ff01],
      largeCommunities: [[1, 1, 1]],
      med: 3,
      asPath: [AS, AS],
    });
    expect(told(route, INSIDE, rules)).toMatchObject({ localPref: 7 });
  });

  it("sends the difference when it changes, and nothing that comes to the same octets (BGP-SEND-05)", () => {
    const rib = ribOf();
    rib.setDesired(routes([A, { tags: ["edge"] }], B, [C, { med: 4 }]));
    announced(rib);
    rib.setExportPolicy({ rules: [{ tags: ["edge"], action: "refuse" }], otherwise: "announce" });
    expect(announced(rib)).toEqual([`-${A}`]);
    rib.setExportPolicy(policy({ action: "announce", set: { med: 4 } }));
    expect(announced(rib)).toEqual([`+${A} +${B}`]);
    rib.setExportPolicy(policy({ action: "announce", set: { med: 4, prependCount: 0 } }));
    expect(rib.next()).toBeNull();
    rib.setExportPolicy(null);
    expect(announced(rib)).toEqual([`+${A} +${B}`]);
  });
});

describe("the next hop", () => {
  it("can be set by a rule, for routes of the family that can have it", () => {
    const rules = policy({ action: "announce", set: { nextHop: ip("10.9.9.9") } });
    const rib = ribOf(OUTSIDE, rules);
    rib.setDesired(routes(A, A6));
    const [four, six] = drain(rib);
    expect(four!.attributes.nextHop).toBe("10.9.9.9");
    expect(six!.attributes.mpReach).toMatchObject({ nextHop: V6.address, linkLocal: V6.linkLocal });
  });

  it("is never the peer's own address (BGP-4271-5.1.3-02)", () => {
    const rib = ribOf({ ...OUTSIDE, peerAddress: V4.address });
    rib.setDesired(routes(A, A6));
    expect(announced(rib)).toEqual([`+${A6}`]);
    expect(rib.withheld()).toMatchObject([{ family: "ipv4-unicast", count: 1, prefixes: [A] }]);
    rib.setNextHop("ipv4-unicast", { address: ip("10.0.0.3") });
    expect(announced(rib)).toEqual([`+${A}`]);
    expect(rib.withheld()).toEqual([]);
  });

  it("of IPv6 routes has 32 octets with a link-local address beside it, and 16 without (BGP-2545-3-01, BGP-2545-3-02)", () => {
    const rib = ribOf();
    rib.setDesired(routes(A6));
    const both = rib.next()!;
    expect(both.subarray(26, 30)).toEqual(Uint8Array.of(0, 2, 1, 32));
    rib.setNextHop("ipv6-unicast", { address: V6.address });
    const one = octetsOf(rib).at(-1)!;
    expect(one.subarray(26, 30)).toEqual(Uint8Array.of(0, 2, 1, 16));
  });

  it("of IPv4 routes may be IPv6 where both sides say so: in MP_REACH_NLRI, with 16 or 32 octets (BGP-8950-3-01)", () => {
    const context = { ...OUTSIDE, extendedNextHop: true };
    const rib = ribOf(context);
    rib.setNextHop("ipv4-unicast", V6);
    rib.setDesired(routes(A));
    const updates = drain(rib, context);
    expect(lines(updates)).toContain(`+${A}`);
    expect(updates[0]!.attributes.mpReach).toMatchObject({ family: "ipv4-unicast", nextHop: V6.address });
    rib.setNextHop("ipv4-unicast", { address: ip("fe80::1") as Ipv6 });
    expect(drain(rib, context)[0]!.attributes.mpReach).toMatchObject({ nextHop: "fe80::1" });
    rib.setDesired(routes());
    const [withdrawal] = drain(rib, context);
    expect(withdrawal!.attributes.mpUnreach).toMatchObject({ family: "ipv4-unicast", prefixes: [A] });
    expect(withdrawal!.withdrawn).toEqual([]);
  });

  it("decides where a route is withdrawn: in MP_UNREACH_NLRI what came in MP_REACH_NLRI, in the body what came there (BGP-8950-3-01)", () => {
    const context = { ...OUTSIDE, extendedNextHop: true };
    const rules = [{ prefixes: [A], action: "announce", set: { nextHop: V4.address } }] as const;
    const rib = ribOf(context, { rules, otherwise: "announce" });
    rib.setNextHop("ipv4-unicast", V6);
    rib.setDesired(routes(A, ...hosts(2000)));
    const gone = (updates: readonly Update[]) =>
      updates.map(({ withdrawn, attributes: { mpUnreach } }) => [
        withdrawn.length,
        mpUnreach !== undefined && "family" in mpUnreach ? mpUnreach.prefixes.length : 0,
      ]);
    drain(rib, context);
    rib.setDesired(routes());
    const [body, ...others] = gone(drain(rib, context));
    expect(body).toEqual([1, 0]);
    expect(others.map(([count]) => count)).toEqual(others.map(() => 0));
    expect(others.reduce((sum, [, count]) => sum + count!, 0)).toBe(2000);
    expect(rib.isDone).toBe(true);
  });

  it("of IPv4 routes is in the body where it is IPv4, even if IPv6 would do (BGP-4760-3-04)", () => {
    expect(told({}, { ...OUTSIDE, extendedNextHop: true })).toMatchObject({ nextHop: "10.0.0.1" });
  });

  it("of IPv4 routes is IPv6 for nobody else: they are withheld, and the reason is told (BGP-8950-P-01)", () => {
    const rib = ribOf();
    rib.setNextHop("ipv4-unicast", V6);
    rib.setDesired(routes(...hosts(8), A6));
    expect(announced(rib)).toEqual([`+${A6}`]);
    expect(rib.withheld()).toMatchObject([
      { family: "ipv4-unicast", count: 8, reason: expect.stringContaining("8950") },
    ]);
    expect(rib.withheld()[0]!.prefixes).toHaveLength(5);
  });
});

describe("draining", () => {
  it("announces everything again with GRACEFUL_SHUTDOWN, with LOCAL_PREF 0 inside our AS, and takes it back (BGP-8326-4-02)", () => {
    for (const [context, localPref] of [
      [OUTSIDE, undefined],
      [INSIDE, 0],
    ] as const) {
      const rib = ribOf(context);
      rib.setDesired(routes([A, { communities: [1], localPref: 200 }], A6));
      announced(rib, context);
      rib.setDraining(true);
      const updates = drain(rib, context);
      expect(lines(updates)).toEqual([`+${A}`, `+${A6}`]);
      expect(updates[0]!.attributes.communities).toEqual([1, 0xffff_0000]);
      expect(updates.map(({ attributes }) => attributes.localPref)).toEqual([localPref, localPref]);
      rib.setDraining(true);
      expect(rib.next()).toBeNull();
      rib.setDraining(false);
      expect(drain(rib, context)[0]!.attributes.communities).toEqual([1]);
    }
  });
});

describe("roles", () => {
  const otc = (role: Role | null, external = true): number | undefined =>
    told({}, { ...OUTSIDE, external, role }).onlyToCustomer;

  it("mark what goes to a customer, a peer or a route server's client, and nothing else (BGP-9234-5-02)", () => {
    expect([otc("provider"), otc("peer"), otc("route-server")]).toEqual([AS, AS, AS]);
    expect([otc("customer"), otc("route-server-client")]).toEqual([undefined, undefined]);
  });

  it("mark nothing when they are not in use, or inside our AS (BGP-9234-P-01)", () => {
    expect([otc(null), otc("provider", false)]).toEqual([undefined, undefined]);
  });
});

describe("long messages", () => {
  it("are sent to a peer that takes them, and to no other (BGP-8654-3-01, BGP-8654-4-02)", () => {
    const huge = { communities: Array.from({ length: 5000 }, (_, at) => at) };
    const long = { ...OUTSIDE, maxLength: 65_535 };
    const rib = ribOf(long);
    rib.setDesired(routes([A, huge], ...hosts(20_000)));
    const messages = octetsOf(rib, 65_535);
    expect(messages.some(({ length }) => length > 20_000 && length < 20_100)).toBe(true);
    expect(Math.max(...messages.map(({ length }) => length))).toBeGreaterThan(65_500);
    expect(decodeMessage(messages[0]!, long).kind).toBe("message");
    const short = ribOf();
    short.setDesired(routes([A, huge]));
    expect(announced(short)).toEqual([]);
    expect(short.withheld()).toMatchObject([
      { prefixes: [A], reason: "its attributes exceed a message of 4096 octets" },
    ]);
  });

  it("are judged with what a policy, a drain or a prepend adds (BGP-8654-P-01)", () => {
    const full = { communities: Array.from({ length: 1006 }, (_, at) => at) };
    const rib = ribOf();
    rib.setDesired(routes([A, full]));
    expect(announced(rib)).toEqual([`+${A}`]);
    rib.setDraining(true);
    rib.setExportPolicy({ rules: [{ action: "announce", set: { prependCount: 10 } }], otherwise: "refuse" });
    expect(announced(rib)).toEqual([`-${A}`]);
    expect(rib.withheld()).toMatchObject([{ prefixes: [A] }]);
    rib.setExportPolicy(null);
    rib.setDraining(false);
    expect(announced(rib)).toEqual([`+${A}`]);
  });
});

describe("a table of desired routes", () => {
  it("knows its difference to the one before, and shares what is equal", () => {
    const first = routes([A, { med: 1 }], [B, { communities: [1] }], C);
    const second = routesAfter(first, [A, { med: 1 }], [B, { communities: [2] }], [B6, { med: 1 }]);
    expect(second.follows(first)).toBe(true);
    expect(first.follows(second)).toBe(false);
    expect(second.changed.map(({ prefix }) => prefix)).toEqual([B, B6]);
    expect(second.removed.map(({ prefix }) => prefix)).toEqual([C]);
    const [a, , b6] = [...second.values()];
    expect(a).toBe([...first.values()][0]);
    expect(b6!.attributes).toBe(a!.attributes);
    expect([second.size, second.has(B6), second.has(C)]).toEqual([3, true, false]);
  });

  it("is looked at as a whole by a peer that missed one", () => {
    const rib = ribOf();
    const first = routes(A, B);
    rib.setDesired(first);
    announced(rib);
    const second = routesAfter(first, A, C);
    const third = routesAfter(second, A, C, A6);
    rib.setDesired(third);
    expect(announced(rib)).toEqual([`-${B}`, `+${C}`, `+${A6}`]);
    rib.setDesired(third);
    expect(rib.next()).toBeNull();
  });

  it("does not collect sets of attributes that nobody has any more", () => {
    let table = routes(A);
    for (let med = 0; med < 500; med++) table = routesAfter(table, [A, { med, tags: ["x"], prependCount: 1 }]);
    const rib = ribOf();
    rib.setDesired(table);
    expect(drain(rib)[0]!.attributes.med).toBe(499);
  });
});
