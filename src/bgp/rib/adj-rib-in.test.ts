import { describe, expect, it } from "vitest";
import { ip, type Ipv4, type Ipv6 } from "../../addr/ip.ts";
import { hostPrefix, parsePrefix, type Prefix } from "../../addr/prefix.ts";
import { Instant } from "../../base/time.ts";
import { Asn } from "../wire/asn.ts";
import type { PathAttributes } from "../wire/path-attributes.ts";
import type { AttributeFault, Update } from "../wire/update.ts";
import { AdjRibIn, type InContext, RECEIVED_COUNT_MAX, type RouteKey } from "./adj-rib-in.ts";

const CONTEXT: InContext = {
  localAsn: Asn.of(65_001),
  localAddress: ip("10.0.0.1"),
  external: true,
  fourOctetAs: true,
  families: ["ipv4-unicast", "ipv6-unicast"],
};
const NOW = Instant.of(1000);
const prefix = (text: string): Prefix => parsePrefix(text)!;
const [A, B, A6] = ["192.0.2.1/32", "192.0.2.2/32", "2001:db8:7::1/128"].map(prefix) as [Prefix, Prefix, Prefix];
const ATTRIBUTES: PathAttributes = { origin: 0, asPath: [Asn.of(65_002)], nextHop: ip("10.0.0.2") as Ipv4 };
const MP = { family: "ipv6-unicast", nextHop: ip("2001:db8::2"), linkLocal: ip("fe80::2") as Ipv6 } as const;
const WITHDRAW: AttributeFault = {
  code: 8,
  consequence: "treat-as-withdraw",
  fault: { kind: "update.malformed-attribute-list", detail: "" },
};
const DISCARD: AttributeFault = { ...WITHDRAW, consequence: "attribute-discard" };

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
  it("keeps the latest of each prefix", () => {
    const rib = new AdjRibIn(CONTEXT);
    expect(give(rib, { nlri: [A] })).toBe(true);
    const attributes = { ...ATTRIBUTES, med: 7, communities: [1], origin: 2 };
    expect(give(rib, { nlri: [A], attributes })).toBe(true);
    expect([...rib.routes.values()]).toEqual([
      { prefix: A, nextHop: "10.0.0.2", asPath: [65_002], origin: 2, med: 7, communities: [1], unusable: null },
    ]);
  });

  it("takes routes and withdrawals of both families from one UPDATE", () => {
    const rib = new AdjRibIn(CONTEXT);
    give(rib, { nlri: [A, B], attributes: { ...ATTRIBUTES, mpReach: { ...MP, prefixes: [A6] }, localPref: 5 } });
    expect(keys(rib)).toEqual([A, B, A6]);
    expect(rib.routes.get(A6)).toMatchObject({ nextHop: "2001:db8::2", linkLocal: "fe80::2", localPref: 5 });
    const mpUnreach = { family: "ipv6-unicast", prefixes: [A6] } as const;
    expect(give(rib, { withdrawn: [A], attributes: { mpUnreach } })).toBe(true);
    expect(keys(rib)).toEqual([B]);
    expect(give(rib, { withdrawn: [A], attributes: { mpUnreach } })).toBe(false);
  });

  it("counts a prefix that is withdrawn and announced at once as announced", () => {
    const rib = new AdjRibIn(CONTEXT);
    give(rib, { withdrawn: [A], nlri: [A] });
    expect(keys(rib)).toEqual([A]);
  });

  it("takes away the routes of an UPDATE that is to be treated as withdrawal (RFC 7606 §2)", () => {
    const rib = new AdjRibIn(CONTEXT);
    const attributes = { ...ATTRIBUTES, mpReach: { ...MP, prefixes: [A6] } };
    give(rib, { nlri: [A, B], attributes });
    expect(give(rib, { withdrawn: [B], nlri: [A], attributes }, [DISCARD, WITHDRAW])).toBe(true);
    expect(keys(rib)).toEqual([]);
    expect(give(rib, { nlri: [A] }, [WITHDRAW])).toBe(false);
    expect(give(rib, { nlri: [A] }, [DISCARD])).toBe(true);
  });

  it("marks routes that came through us, or lead to us, as of no use", () => {
    const rib = new AdjRibIn(CONTEXT);
    give(rib, { nlri: [A], attributes: { ...ATTRIBUTES, asPath: [65_002, 65_001].map((asn) => Asn.of(asn)) } });
    give(rib, { nlri: [B], attributes: { ...ATTRIBUTES, nextHop: ip("10.0.0.1") as Ipv4 } });
    expect([...rib.routes.values()].map(({ unusable }) => unusable)).toEqual([
      "own AS 65001 in the path",
      "next hop is this host",
    ]);
  });

  it("finds our AS in the real path of a two-octet peer", () => {
    const localAsn = Asn.of(70_000);
    const rib = new AdjRibIn({ ...CONTEXT, localAsn, fourOctetAs: false });
    give(rib, { nlri: [A], attributes: { ...ATTRIBUTES, asPath: [Asn.of(23_456)], as4Path: [localAsn] } });
    expect(rib.routes.get(A)).toMatchObject({ asPath: [70_000], unusable: "own AS 70000 in the path" });
  });

  it("ignores a prefix without sense, and no other of the UPDATE", () => {
    const rib = new AdjRibIn(CONTEXT);
    expect(give(rib, { nlri: [prefix("224.0.0.0/4"), A, prefix("127.0.0.1/32")] })).toBe(true);
    expect(keys(rib)).toEqual([A]);
  });

  it("ignores IPv4 routes of the body, and foreign families, when they were not agreed", () => {
    const rib = new AdjRibIn({ ...CONTEXT, families: ["ipv6-unicast"] });
    const foreign = { afi: 25, safi: 65 };
    expect(give(rib, { nlri: [A], attributes: { ...ATTRIBUTES, mpReach: foreign, mpUnreach: foreign } })).toBe(false);
  });

  it("keeps no more routes than it has room for, and counts the rest", () => {
    const rib = new AdjRibIn(CONTEXT);
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
