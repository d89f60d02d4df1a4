import { describe, expect, it } from "vitest";
import { ip, type Ipv4, type Ipv6 } from "../../addr/ip.ts";
import { hostPrefix, type Prefix } from "../../addr/prefix.ts";
import { Instant } from "../../base/time.ts";
import { Asn } from "../wire/asn.ts";
import type { Role } from "../wire/capabilities.ts";
import type { PathAttributes } from "../wire/path-attributes.ts";
import type { AttributeFault, Update } from "../wire/update.ts";
import { AdjRibIn, type InContext, RECEIVED_COUNT_MAX, type RouteKey } from "./adj-rib-in.ts";
import type { InSettings } from "./import-rules.ts";
import type { ImportPolicy, PrefixLimit } from "./policy.ts";
import { A, A6, B, C, prefix, ribOf, octetsOf, routes } from "./test-support.ts";

const CONTEXT: InContext = {
  localAsn: Asn.of(65_001),
  localAddress: ip("10.0.0.1"),
  external: true,
  fourOctetAs: true,
  families: ["ipv4-unicast", "ipv6-unicast"],
};
const NOW = Instant.of(1000);
const ATTRIBUTES: PathAttributes = { origin: 0, asPath: [Asn.of(65_002)], nextHop: ip("10.0.0.2") as Ipv4 };
const MP = { family: "ipv6-unicast", nextHop: ip("2001:db8::2"), linkLocal: ip("fe80::2") as Ipv6 } as const;
const WITHDRAW: AttributeFault = {
  code: 8,
  consequence: "treat-as-withdraw",
  fault: { kind: "update.malformed-attribute-list", detail: "" },
};
const DISCARD: AttributeFault = { ...WITHDRAW, consequence: "attribute-discard" };

const OPEN: ImportPolicy = {
  accept: [
    { within: prefix("0.0.0.0/0"), lengthMax: 32 },
    { within: prefix("::/0"), lengthMax: 128 },
  ],
  honourGracefulShutdown: true,
};
const ribIn = (
  context: Partial<InContext> = {},
  settings: InSettings & { readonly maxPrefixes?: PrefixLimit } = {},
): AdjRibIn => new AdjRibIn({ ...CONTEXT, ...context }, { importPolicy: OPEN, ...settings });

const update = (change: Partial<Update>): Update => ({
  type: "update",
  withdrawn: [],
  attributes: ATTRIBUTES,
  opaque: [],
  nlri: [],
  ...change,
});
const give = (rib: AdjRibIn, change: Partial<Update>, faults: readonly AttributeFault[] = []): boolean =>
  rib.apply({ update: update(change), faults }, NOW);
const keys = (rib: AdjRibIn): RouteKey[] => [...rib.routes.keys()];

describe("AdjRibIn", () => {
  it("keeps the latest of each prefix (BGP-4271-9-02)", () => {
    const rib = ribIn();
    expect(give(rib, { nlri: [A] })).toBe(true);
    const attributes = { ...ATTRIBUTES, med: 7, communities: [1], origin: 2 };
    expect(give(rib, { nlri: [A], attributes })).toBe(true);
    expect([...rib.routes.values()]).toEqual([
      {
        prefix: A,
        nextHop: "10.0.0.2",
        asPath: [65_002],
        origin: 2,
        med: 7,
        communities: [1],
        preference: 100,
        unusable: null,
      },
    ]);
  });

  it("takes routes and withdrawals of both families from one UPDATE, and withdrawals of what is not there (BGP-7606-5.1-03, BGP-4271-9-02, BGP-4271-9-03)", () => {
    const rib = ribIn();
    give(rib, { nlri: [A, B], attributes: { ...ATTRIBUTES, mpReach: { ...MP, prefixes: [A6] }, localPref: 5 } });
    expect(keys(rib)).toEqual([A, B, A6]);
    expect(rib.routes.get(A6)).toMatchObject({ nextHop: "2001:db8::2", linkLocal: "fe80::2", localPref: 5 });
    const mpUnreach = { family: "ipv6-unicast", prefixes: [A6] } as const;
    expect(give(rib, { withdrawn: [A], attributes: { mpUnreach } })).toBe(true);
    expect(keys(rib)).toEqual([B]);
    expect(give(rib, { withdrawn: [A], attributes: { mpUnreach } })).toBe(false);
  });

  it("counts a prefix that is withdrawn and announced at once as announced (BGP-4271-4.3-05)", () => {
    const rib = ribIn();
    give(rib, { withdrawn: [A], nlri: [A] });
    expect(keys(rib)).toEqual([A]);
  });

  it("takes away the routes of an UPDATE that is to be treated as withdrawal, and keeps those of one with a discarded attribute (BGP-7606-2-01, BGP-7606-2-02)", () => {
    const rib = ribIn();
    const attributes = { ...ATTRIBUTES, mpReach: { ...MP, prefixes: [A6] } };
    give(rib, { nlri: [A, B], attributes });
    expect(give(rib, { withdrawn: [B], nlri: [A], attributes }, [DISCARD, WITHDRAW])).toBe(true);
    expect(keys(rib)).toEqual([]);
    expect(give(rib, { nlri: [A] }, [WITHDRAW])).toBe(false);
    expect(give(rib, { nlri: [A] }, [DISCARD])).toBe(true);
  });

  it("marks routes that came through us, or lead to us, as of no use (BGP-4271-9.1.2-01, BGP-4271-6.3-04, BGP-4271-5.1.3-02)", () => {
    const rib = ribIn();
    give(rib, { nlri: [A], attributes: { ...ATTRIBUTES, asPath: [65_002, 65_001].map((asn) => Asn.of(asn)) } });
    give(rib, { nlri: [B], attributes: { ...ATTRIBUTES, nextHop: ip("10.0.0.1") as Ipv4 } });
    expect([...rib.routes.values()].map(({ unusable }) => unusable)).toEqual([
      "own AS 65001 in the path",
      "next hop is this host",
    ]);
  });

  it("finds our AS in the real path of a two-octet peer", () => {
    const localAsn = Asn.of(70_000);
    const rib = ribIn({ localAsn, fourOctetAs: false });
    give(rib, { nlri: [A], attributes: { ...ATTRIBUTES, asPath: [Asn.of(23_456)], as4Path: [localAsn] } });
    expect(rib.routes.get(A)).toMatchObject({ asPath: [70_000], unusable: "own AS 70000 in the path" });
  });

  it("ignores a prefix without sense, and no other of the UPDATE (BGP-4271-6.3-01)", () => {
    const rib = ribIn();
    expect(give(rib, { nlri: [prefix("224.0.0.0/4"), A, prefix("127.0.0.1/32")] })).toBe(true);
    expect(keys(rib)).toEqual([A]);
  });

  it("ignores IPv4 routes of the body, and foreign families, when they were not agreed (BGP-4760-8-02, BGP-4760-7-01)", () => {
    const rib = ribIn({ families: ["ipv6-unicast"] });
    const foreign = { afi: 25, safi: 65 };
    expect(give(rib, { nlri: [A], attributes: { ...ATTRIBUTES, mpReach: foreign, mpUnreach: foreign } })).toBe(false);
  });

  it("keeps no more routes than it has room for without any setting, and counts the rest (BGP-9.1-P-01, BGP-4271-6.7-01)", () => {
    const rib = ribIn();
    for (let block = 0; block < 100; block++) {
      const nlri = Array.from({ length: 250 }, (_, at) => hostPrefix(ip(`10.1.${block}.${at}`)));
      give(rib, { nlri });
    }
    expect(rib.routes.size).toBe(RECEIVED_COUNT_MAX);
    expect(rib.refusedCount).toBe(100 * 250 - RECEIVED_COUNT_MAX);
    const attributes = { ...ATTRIBUTES, med: 9 };
    expect(give(rib, { nlri: [hostPrefix(ip("10.1.0.0"))], attributes })).toBe(true);
  });
});

const one = (rib: AdjRibIn) => [...rib.routes.values()][0]!;
const WIDE: Partial<Update> = {
  nlri: [A, B],
  attributes: { ...ATTRIBUTES, mpReach: { ...MP, prefixes: [A6] } },
};

describe("what is of use", () => {
  it("is nothing without an import policy: routes are kept and named unusable, in each family (BGP-8212-3-01, BGP-8212-P-01)", () => {
    const rib = new AdjRibIn(CONTEXT);
    give(rib, WIDE);
    expect([...rib.routes.values()].map(({ unusable }) => unusable)).toEqual(
      [0, 1, 2].map(() => "no import policy (RFC 8212)"),
    );
  });

  it("is what the import policy accepts, and that is judged again when it changes", () => {
    const rib = ribIn();
    give(rib, { nlri: [A, prefix("192.0.2.0/24"), prefix("10.0.0.0/8")] });
    const usable = (): RouteKey[] => keys(rib).filter((key) => rib.routes.get(key)!.unusable === null);
    expect(usable()).toHaveLength(3);
    const accept = [{ within: prefix("192.0.2.0/24"), lengthMax: 31 }];
    expect(rib.setImportPolicy({ accept, honourGracefulShutdown: false })).toBe(true);
    expect(usable()).toEqual(["192.0.2.0/24"]);
    expect(rib.routes.get(A)!.unusable).toBe("refused by the import policy");
    expect(rib.setImportPolicy({ accept, honourGracefulShutdown: true })).toBe(false);
    rib.setImportPolicy(null);
    expect(usable()).toEqual([]);
  });

  it("is least preferred when the peer is leaving, where that is honoured (BGP-8326-4-01)", () => {
    const rib = ribIn({ external: false });
    const attributes = { ...ATTRIBUTES, localPref: 300, communities: [0xffff_0000] };
    give(rib, { nlri: [A], attributes });
    give(rib, { nlri: [B], attributes: { ...attributes, communities: [] } });
    expect([...rib.routes.values()].map(({ preference }) => preference)).toEqual([0, 300]);
    rib.setImportPolicy({ ...OPEN, honourGracefulShutdown: false });
    expect([...rib.routes.values()].map(({ preference }) => preference)).toEqual([300, 300]);
  });

  it("has our own AS in its path no more often than allowed (BGP-4271-9.1.2-01)", () => {
    const asPath = [65_002, 65_001, 65_001].map((asn) => Asn.of(asn));
    for (const [ownAsCountMax, isUsable] of [
      [0, false],
      [1, false],
      [2, true],
    ] as const) {
      const rib = ribIn({}, { ownAsCountMax });
      give(rib, { nlri: [A], attributes: { ...ATTRIBUTES, asPath } });
      expect(one(rib).unusable === null).toBe(isUsable);
    }
  });

  it("has a next hop that is neither ours nor, for a neighbour, off the link; the session is not touched (BGP-4271-6.3-04, BGP-4271-5.1.3-02)", () => {
    const isOnLink = (address: string): boolean => address.startsWith("10.0.0.");
    const context = { peerAddress: ip("10.0.0.2"), isOnLink, isOwnAddress: (of: string) => of === "10.0.0.9" };
    const problem = (nextHop: string, change: Partial<InContext> = {}): string | null => {
      const rib = ribIn({ ...context, ...change });
      give(rib, { nlri: [A], attributes: { ...ATTRIBUTES, nextHop: ip(nextHop) as Ipv4 } });
      return one(rib).unusable;
    };
    expect(problem("10.0.0.3")).toBeNull();
    expect(problem("10.0.0.9")).toBe("next hop is this host");
    expect(problem("10.7.0.1")).toBe("next hop 10.7.0.1 is not on the link");
    expect(problem("10.7.0.1", { peerAddress: ip("10.7.0.1") })).toBeNull();
    expect(problem("10.7.0.1", { external: false })).toBeNull();
    const rib = ribIn(context);
    give(rib, { attributes: { ...ATTRIBUTES, mpReach: { ...MP, prefixes: [A6] } } });
    expect(one(rib).unusable).toBeNull();
  });

  it("does not originate here, whoever reflected it (BGP-4456-8-01)", () => {
    const rib = ribIn({ external: false, routerId: ip("10.0.0.1") as Ipv4 });
    const attributes = { ...ATTRIBUTES, localPref: 1, clusterList: [ip("10.0.0.7") as Ipv4] };
    give(rib, { nlri: [A], attributes: { ...attributes, originatorId: ip("10.0.0.1") as Ipv4 } });
    give(rib, { nlri: [B], attributes: { ...attributes, originatorId: ip("10.0.0.5") as Ipv4 } });
    expect(rib.routes.get(A)!.unusable).toBe("originated by this host (RFC 4456)");
    expect(rib.routes.get(B)).toMatchObject({ unusable: null, originatorId: "10.0.0.5", clusterList: ["10.0.0.7"] });
  });

  it("ignores a LOCAL_PREF that the codec has left out from another AS, and an absent one is 100 (BGP-4271-5.1.5-01)", () => {
    const rib = ribIn();
    give(rib, { nlri: [A] });
    expect(one(rib).preference).toBe(100);
  });
});

describe("the first AS of a path", () => {
  const attributes = { ...ATTRIBUTES, asPath: [65_009, 65_002].map((asn) => Asn.of(asn)) };
  const peerAsn = Asn.of(65_002);

  it("is the peer's, or the routes are withdrawn, where that is enforced (BGP-4271-6.3-05)", () => {
    const rib = ribIn({ peerAsn }, { enforceFirstAs: true });
    give(rib, { nlri: [A] });
    expect(give(rib, { nlri: [A, B], attributes })).toBe(true);
    expect(keys(rib)).toEqual([]);
    expect(rib.lost.list()[0]).toMatchObject({
      prefix: A,
      reason: "the path begins with AS 65009, the peer is AS 65002",
    });
    give(rib, { nlri: [A], attributes: { ...ATTRIBUTES, asPath: [] } });
    expect(keys(rib)).toEqual([]);
  });

  it("is anyone's otherwise, and inside our own AS", () => {
    for (const rib of [ribIn({ peerAsn }), ribIn({ peerAsn, external: false }, { enforceFirstAs: true })]) {
      give(rib, { nlri: [A], attributes });
      expect(keys(rib)).toEqual([A]);
    }
  });
});

describe("routes lost to malformed UPDATEs", () => {
  it("are remembered with reason and time until they are announced well or withdrawn (BGP-7606-6-02)", () => {
    const rib = ribIn();
    rib.apply({ update: update({ nlri: [A, B, C] }), faults: [WITHDRAW] }, Instant.of(7));
    expect(rib.lost.list().map(({ prefix, at }) => [prefix, at])).toEqual([A, B, C].map((one) => [one, 7]));
    expect(rib.lost.list()[0]!.reason).toContain("Malformed Attribute List");
    give(rib, { nlri: [A], withdrawn: [B] });
    expect(rib.lost.list().map(({ prefix }) => prefix)).toEqual([C]);
    expect(rib.lost.count).toBe(3);
  });

  it("are as many as are worth reading, the latest", () => {
    const rib = ribIn();
    for (let at = 0; at < 1000; at++) give(rib, { nlri: [hostPrefix(ip(`10.0.${at >> 8}.${at & 255}`))] }, [WITHDRAW]);
    expect(rib.lost.list()).toHaveLength(100);
    expect(rib.lost.list().at(-1)!.prefix).toBe("10.0.3.231/32");
    expect(rib.lost.count).toBe(1000);
  });
});

describe("path identifiers", () => {
  const paths = (rib: AdjRibIn): unknown[] => [...rib.routes.values()].map(({ pathId, med }) => [pathId, med]);

  it("tell routes of one prefix apart; one again replaces, one unknown is no withdrawal, 0 is one like others (BGP-7911-3-02)", () => {
    const rib = ribIn({ addPathReceive: ["ipv4-unicast", "ipv6-unicast"] });
    const med = (value: number): PathAttributes => ({ ...ATTRIBUTES, med: value });
    give(rib, { nlri: [A, A], nlriPathIds: [0, 1], attributes: med(1) });
    give(rib, { nlri: [A], nlriPathIds: [1], attributes: med(2) });
    expect(paths(rib)).toEqual([
      [0, 1],
      [1, 2],
    ]);
    expect(give(rib, { withdrawn: [A], withdrawnPathIds: [9] })).toBe(false);
    expect(give(rib, { withdrawn: [A], withdrawnPathIds: [0] })).toBe(true);
    expect(paths(rib)).toEqual([[1, 2]]);
    const mpReach = { ...MP, prefixes: [A6, A6], pathIds: [5, 6] };
    give(rib, { attributes: { ...ATTRIBUTES, mpReach } });
    give(rib, { attributes: { mpUnreach: { family: "ipv6-unicast", prefixes: [A6], pathIds: [5] } } });
    expect(paths(rib)).toEqual([
      [1, 2],
      [6, undefined],
    ]);
  });
});

describe("limits", () => {
  const LIMIT: PrefixLimit = { count: 4, action: "drop" };
  const hosts = (count: number): Prefix[] => Array.from({ length: count }, (_, at) => hostPrefix(ip(`10.1.0.${at}`)));

  it("are near at three quarters, count each family by itself, and refuse what is beyond (BGP-4271-6.7-01, BGP-9.1-P-01)", () => {
    const rib = ribIn({}, { maxPrefixes: LIMIT });
    give(rib, { nlri: hosts(2), attributes: { ...ATTRIBUTES, mpReach: { ...MP, prefixes: [A6] } } });
    expect(rib.use()).toMatchObject([
      { family: "ipv4-unicast", count: 2, limit: 4, isNear: false, refusedCount: 0 },
      { family: "ipv6-unicast", count: 1, isNear: false },
    ]);
    give(rib, { nlri: hosts(6) });
    expect(rib.use()[0]).toMatchObject({ count: 4, isNear: true, refusedCount: 2 });
    expect(rib.exceeded).toBeNull();
    give(rib, { withdrawn: hosts(1), nlri: [A] });
    expect(rib.use()[0]).toMatchObject({ count: 4 });
  });

  it("end the session where that is wanted (BGP-4271-6.7-01, BGP-4486-4-01)", () => {
    const rib = ribIn({}, { maxPrefixes: { count: 4, action: "cease" } });
    give(rib, { nlri: hosts(4) });
    expect(rib.exceeded).toBeNull();
    give(rib, { nlri: hosts(5) });
    expect(rib.exceeded).toEqual({ family: "ipv4-unicast", limit: 4 });
  });

  it("forget what was refused with the session that it was refused in", () => {
    const rib = ribIn({}, { maxPrefixes: LIMIT });
    give(rib, { nlri: hosts(6) });
    expect(rib.refusedCount).toBe(2);
    rib.resume(CONTEXT);
    expect(rib.refusedCount).toBe(0);
  });

  it("leave room for what a peer that is back announces: what is stale goes first (BGP-4724-4.2-03)", () => {
    const rib = ribIn({}, { maxPrefixes: { ...LIMIT, action: "cease" } });
    give(rib, { nlri: hosts(4) });
    rib.markStale("ipv4-unicast");
    rib.resume(CONTEXT);
    give(rib, { nlri: [...hosts(1), A] });
    expect(rib.exceeded).toBeNull();
    expect(keys(rib)).toEqual([...hosts(4).slice(0, 1), ...hosts(4).slice(2), A]);
    expect(rib.use()[0]).toMatchObject({ count: 4, refusedCount: 0 });
  });

  it("are of octets, too: long attributes take no more memory than a bounded share, and give it back (BGP-9.1-P-01, ROB-03)", () => {
    const rib = ribIn();
    const heavy = (at: number, prefix = hostPrefix(ip(`10.2.${at >> 8}.${at & 255}`))) =>
      give(rib, { nlri: [prefix], opaque: [{ code: 200, flags: 0xc0, value: new Uint8Array(60_000) }] });
    for (let at = 0; at < 2000; at++) heavy(at);
    const { count, refusedCount } = rib.use()[0]!;
    expect(count).toBeLessThan(1200);
    expect(count + refusedCount).toBe(2000);
    expect(rib.exceeded).toBeNull();
    // The same again replaces; a heavier one that finds no room is not what stands there.
    heavy(0);
    expect(rib.use()[0]).toMatchObject({ count, refusedCount });
    give(rib, { nlri: [A] });
    const value = new Uint8Array(65_000);
    for (let at = 0; at < 20; at++) give(rib, { nlri: [A], opaque: [{ code: 200, flags: 0xc0, value }] });
    expect(rib.routes.has(A)).toBe(false);
    rib.drop("ipv4-unicast");
    rib.resume(CONTEXT);
    for (let at = 0; at < count; at++) heavy(at);
    expect(rib.use()[0]).toMatchObject({ count, refusedCount: 0 });
  });

  it("change without the session: the latest routes go, and a higher one wants them sent again", () => {
    const rib = ribIn();
    give(rib, { nlri: hosts(6) });
    expect(rib.setMaxPrefixes(LIMIT)).toEqual([]);
    expect(keys(rib)).toEqual(hosts(4));
    expect(rib.setMaxPrefixes({ ...LIMIT, count: 5 })).toEqual(["ipv4-unicast"]);
    expect(rib.setMaxPrefixes()).toEqual([]);
    give(rib, { nlri: hosts(6) });
    expect(keys(rib)).toHaveLength(6);
  });
});

describe("roles", () => {
  const PEER = Asn.of(65_002);
  const judged = (role: Role | null, onlyToCustomer?: number): [boolean, number | undefined] => {
    const rib = ribIn({ role, peerAsn: PEER });
    const otc = onlyToCustomer === undefined ? {} : { onlyToCustomer: Asn.of(onlyToCustomer) };
    give(rib, { nlri: [A], attributes: { ...ATTRIBUTES, ...otc } });
    return [one(rib).unusable === null, one(rib).onlyToCustomer];
  };

  it("make a route with OTC from a customer, or with another's from a peer, a leak (BGP-9234-5-01)", () => {
    expect(judged("provider", 65_002)).toEqual([false, 65_002]);
    expect(judged("route-server", 65_002)).toEqual([false, 65_002]);
    expect(judged("peer", 65_009)).toEqual([false, 65_009]);
    expect(judged("peer", 65_002)).toEqual([true, 65_002]);
  });

  it("add OTC to what a provider, a peer or a route server sends, and change none that is there (BGP-9234-5-01, BGP-9234-5-03)", () => {
    expect(["customer", "peer", "route-server-client"].map((role) => judged(role as Role))).toEqual(
      [0, 1, 2].map(() => [true, 65_002]),
    );
    expect(judged("customer", 64_999)).toEqual([true, 64_999]);
    expect(judged("provider")).toEqual([true, undefined]);
  });

  it("leave the attribute alone when they are not in use (BGP-9234-P-01)", () => {
    expect(judged(null, 64_999)).toEqual([true, 64_999]);
    expect(judged(null)).toEqual([true, undefined]);
  });
});

describe("a peer that restarts", () => {
  const stale = (rib: AdjRibIn): unknown[] => [...rib.routes.values()].map(({ prefix, stale }) => [prefix, stale]);
  const lost = (): AdjRibIn => {
    const rib = ribIn();
    give(rib, WIDE);
    rib.markStale("ipv4-unicast");
    return rib;
  };

  it("keeps its routes of the family, stale and of use (BGP-4724-4.2-01)", () => {
    const rib = lost();
    expect(stale(rib)).toEqual([
      [A, "restart"],
      [B, "restart"],
      [A6, undefined],
    ]);
    expect([...rib.routes.values()].every(({ unusable }) => unusable === null)).toBe(true);
  });

  it("replaces them, and its End-of-RIB takes the others (BGP-4724-4.2-03)", () => {
    const rib = lost();
    rib.resume(CONTEXT);
    give(rib, { nlri: [B] });
    expect(stale(rib)).toEqual([
      [A, "restart"],
      [B, undefined],
      [A6, undefined],
    ]);
    expect(rib.dropStale("ipv6-unicast")).toBe(false);
    expect(rib.dropStale("ipv4-unicast")).toBe(true);
    expect(keys(rib)).toEqual([B, A6]);
  });

  it("loses them all when it stays away, or comes back without the family (BGP-4724-4.2-02)", () => {
    const rib = lost();
    expect(rib.resume({ ...CONTEXT, families: ["ipv6-unicast"] })).toBe(true);
    expect(keys(rib)).toEqual([A6]);
    rib.markStale("ipv6-unicast");
    expect(rib.drop("ipv6-unicast")).toBe(true);
    expect([keys(rib), rib.use()[0]!.count]).toEqual([[], 0]);
  });

  it("that goes again loses what was stale already (BGP-4724-4.2-04)", () => {
    const rib = lost();
    rib.resume(CONTEXT);
    give(rib, { nlri: [B] });
    expect(rib.markStale("ipv4-unicast")).toBe(true);
    expect(stale(rib)).toEqual([
      [B, "restart"],
      [A6, undefined],
    ]);
  });

  it("and is away for long has its routes as last resort, without those that must not be (BGP-9494-4.2-02)", () => {
    const rib = lost();
    rib.resume(CONTEXT);
    const NO_LLGR = { ...ATTRIBUTES, communities: [0xffff_0007] };
    give(rib, { nlri: [A], attributes: NO_LLGR });
    give(rib, { nlri: [B], attributes: { ...ATTRIBUTES, communities: [1, 0xffff_0006] } });
    give(rib, { nlri: [C], attributes: { ...ATTRIBUTES, communities: [1] } });
    rib.markStale("ipv4-unicast");
    expect(rib.beginLongLived("ipv4-unicast")).toBe(true);
    expect(stale(rib)).toEqual([
      [B, "long-lived"],
      [A6, undefined],
      [C, "long-lived"],
    ]);
    expect([rib.routes.get(B)!.communities, rib.routes.get(C)!.communities]).toEqual([
      [1, 0xffff_0006],
      [1, 0xffff_0006],
    ]);
    expect(rib.beginLongLived("ipv4-unicast")).toBe(false);
  });

  it("and is back ends the long-lived phase with its End-of-RIB, or when the time is over (BGP-9494-4.2-03)", () => {
    const rib = lost();
    rib.beginLongLived("ipv4-unicast");
    rib.resume(CONTEXT);
    give(rib, { nlri: [B] });
    rib.dropStale("ipv4-unicast");
    expect(stale(rib)).toEqual([
      [B, undefined],
      [A6, undefined],
    ]);
  });
});

describe("a refresh that the peer marks", () => {
  it("takes what was not sent again (BGP-7313-4-02)", () => {
    const rib = ribIn();
    give(rib, WIDE);
    rib.beginRefresh("ipv4-unicast", NOW);
    give(rib, { nlri: [B, C] });
    expect(keys(rib)).toHaveLength(4);
    expect(rib.endRefresh("ipv4-unicast")).toBe(true);
    expect(keys(rib).toSorted()).toEqual([A6, B, C].toSorted());
  });

  it("is over after six minutes all the same (BGP-7313-4-02)", () => {
    const rib = ribIn();
    give(rib, WIDE);
    expect(rib.deadline).toBeNull();
    rib.beginRefresh("ipv4-unicast", NOW);
    expect(rib.deadline).toBe(361_000);
    expect(rib.expire(Instant.of(360_999))).toBe(false);
    expect(rib.expire(Instant.of(361_000))).toBe(true);
    expect([keys(rib), rib.deadline]).toEqual([[A6], null]);
  });

  it("ends nothing without a begin, begins anew with a second one, and does not outlive the session (BGP-7313-4-03)", () => {
    const rib = ribIn();
    give(rib, WIDE);
    expect(rib.endRefresh("ipv4-unicast")).toBe(false);
    rib.beginRefresh("ipv4-unicast", NOW);
    give(rib, { nlri: [A, B] });
    rib.beginRefresh("ipv4-unicast", NOW);
    give(rib, { nlri: [A] });
    expect(rib.endRefresh("ipv4-unicast")).toBe(true);
    expect(keys(rib)).toEqual([A, A6]);
    rib.beginRefresh("ipv4-unicast", NOW);
    rib.resume(CONTEXT);
    expect(rib.endRefresh("ipv4-unicast")).toBe(false);
    expect(keys(rib)).toEqual([A, A6]);
  });
});

describe("what one peer announces", () => {
  it("is kept as it came, unknown attributes octet by octet (BGP-4271-5-02, BGP-4360-2-01)", () => {
    const rib = ribIn();
    const opaque = [{ code: 254, flags: 0xc0, value: Uint8Array.of(1, 2, 3) }];
    const carried: PathAttributes = { extendedCommunities: [0x43ff_0000_0000_0001n], largeCommunities: [[1, 2, 3]] };
    give(rib, { nlri: [A], opaque, attributes: { ...ATTRIBUTES, ...carried } });
    expect(one(rib)).toMatchObject({ opaque, ...carried });
  });

  it("is never told to another: announced is what the caller desires, and nothing else (BGP-4271-9.2-01, BGP-1997-2-01, BGP-4271-5.1.2-03, BGP-4271-5.1.4-01, BGP-4271-5.1.6-01, BGP-4456-8-02, BGP-9494-4.3-02, BGP-9494-4.4-01)", () => {
    const rib = ribIn();
    give(rib, WIDE);
    // Both RIBs of a speaker side by side: there is no way from one to the other.
    const out = ribOf();
    out.setDesired(routes());
    expect(octetsOf(out).map(({ length }) => length)).toEqual([23, 29]);
  });
});
