import { describe, expect, it } from "vitest";
import { ip, type Ipv4, type Ipv6 } from "../../addr/ip.ts";
import { parsePrefix, type Prefix } from "../../addr/prefix.ts";
import { needsAs4Path } from "./as-path.ts";
import { Asn } from "./asn.ts";
import { decodeMessage, encodeMessage } from "./message.ts";
import { nextHopOctets } from "./mp-routes.ts";
import type { PathAttributes, UpdateContext } from "./path-attributes.ts";
import { EXTERNAL, hexOf, INTERNAL, octets, outcome, updateOf } from "./test-support.ts";
import type { Update } from "./update.ts";
import {
  announcementRoom,
  attributeOctets,
  packAnnouncement,
  packEndOfRib,
  packWithdrawal,
  passedOn,
  prefixOctets,
  withdrawalRoom,
} from "./update-encoding.ts";

const prefix = (text: string): Prefix => parsePrefix(text)!;
const asn = (value: number): Asn => Asn.of(value);
const TWO_OCTET: UpdateContext = { ...EXTERNAL, fourOctetAs: false };
const EMPTY: Update = { type: "update", withdrawn: [], attributes: {}, opaque: [], nlri: [] };
const attributesHex = (attributes: PathAttributes, context = EXTERNAL): string =>
  hexOf(attributeOctets(attributes, context));

describe("attributes that are written", () => {
  it("come in ascending order, an MP attribute before them all (BGP-4271-5-04, BGP-7606-5.1-01)", () => {
    const reach = { family: "ipv6-unicast", nextHop: ip("2001:db8::a"), prefixes: [prefix("2001:db8::/32")] } as const;
    const opaque = [
      { code: 20, flags: 0xc0, value: octets("01") },
      { code: 99, flags: 0xe0, value: octets("02") },
    ];
    const attributes = { onlyToCustomer: asn(1), communities: [1], asPath: [], origin: 0, mpReach: reach, med: 1 };
    const wire = encodeMessage({ ...EMPTY, attributes, opaque }, EXTERNAL);
    const codes: number[] = [];
    for (let at = 23; at < wire.length; at += 3 + wire[at + 2]!) codes.push(wire[at + 1]!);
    expect(codes).toEqual([14, 1, 2, 4, 8, 20, 35, 99]);
  });

  it("have an extended length above 255 octets, and only then (BGP-SEND-06)", () => {
    const communities = Array.from({ length: 64 }, (_, at) => at);
    expect(attributesHex({ communities: communities.slice(1) })).toMatch(/^c008fc/);
    expect(attributesHex({ communities })).toMatch(/^d0080100/);
  });

  it("leave out what does not belong on the session (BGP-4271-5.1.5-01, BGP-6793-4.1-03)", () => {
    const attributes = { localPref: 100, as4Path: [asn(70_000)] };
    expect(attributesHex(attributes, EXTERNAL)).toBe("");
    expect(attributesHex(attributes, INTERNAL)).toBe("40050400000064");
    expect(attributesHex(attributes, TWO_OCTET)).toBe("c01106020100011170");
  });

  it("tell a two-octet peer AS_TRANS, and the real path beside it (BGP-6793-4.2.2-01, BGP-6793-4.2.2-02)", () => {
    const asPath = [asn(70_000), asn(65_000)];
    const aggregator = { asn: asn(70_000), address: ip("10.0.0.1") as Ipv4 };
    expect(needsAs4Path(asPath)).toBe(true);
    expect(needsAs4Path([asn(65_000)])).toBe(false);
    expect(attributesHex({ asPath, as4Path: asPath, aggregator, as4Aggregator: aggregator }, TWO_OCTET)).toBe(
      hexOf(octets("40020602025ba0fde8 c007065ba00a000001 c0110a0202000111700000fde8 c01208000111700a000001")),
    );
    expect(attributesHex({ asPath, aggregator })).toBe(
      hexOf(octets("40020a0202000111700000fde8 c00708000111700a000001")),
    );
  });

  it("are of an empty path inside the AS, and of one segment outside (BGP-4271-5.1.2-02)", () => {
    expect(attributesHex({ asPath: [] })).toBe("400200");
    expect(attributesHex({ asPath: [asn(1), asn(2)] })).toBe("40020a02020000000100000002");
  });
});

describe("attributes that are not known", () => {
  const MANDATORY = "400101004002004003040a000001";

  it("are kept as they came when they are transitive, and are passed on as partial (BGP-4271-5-02)", () => {
    const { opaque } = updateOf(`${MANDATORY}e0fe0102c0630103`);
    expect(opaque).toEqual([
      { code: 99, flags: 0xc0, value: octets("03") },
      { code: 254, flags: 0xe0, value: octets("02") },
    ]);
    expect(passedOn(opaque).map(({ flags }) => flags)).toEqual([0xe0, 0xe0]);
    expect(opaque[0]!.flags).toBe(0xc0);
  });

  it("are dropped when they are not transitive, AIGP among them (BGP-4271-5-03)", () => {
    expect(updateOf(`${MANDATORY}801a0b01000b0000000000000005 80630103`).opaque).toEqual([]);
  });

  it("cost the routes when they call themselves well-known (BGP-4271-5-01)", () => {
    expect(outcome(`${MANDATORY}40630103`)).toBe("withdraw 99");
  });

  it("count once, whatever they are (BGP-7606-3g-01)", () => {
    expect(updateOf(`${MANDATORY}c0630103c0630104`).opaque).toEqual([{ code: 99, flags: 0xc0, value: octets("03") }]);
  });
});

describe("communities of all kinds", () => {
  const MANDATORY = "400101004002004003040a000001";

  it("are read as numbers, unknown types among them (BGP-4360-2-01)", () => {
    const { attributes } = updateOf(`${MANDATORY}c01010 0002fde800000064 80ff010203040506`.replaceAll(" ", ""));
    expect(attributes.extendedCommunities).toEqual([0x0002_fde8_0000_0064n, 0x80ff_0102_0304_0506n]);
    expect(attributesHex(attributes)).toContain("c010100002fde80000006480ff010203040506");
  });

  it("count once when they are large (BGP-8092-3-01)", () => {
    const one = "fa56ea010000000100000002";
    const other = "fa56ea010000000100000003";
    expect(updateOf(`${MANDATORY}c02024${one}${other}${one}`).attributes.largeCommunities).toEqual([
      [4_200_000_001, 1, 2],
      [4_200_000_001, 1, 3],
    ]);
  });

  it("are of one value with ONLY_TO_CUSTOMER beside them (BGP-9234-5-03)", () => {
    const { attributes } = updateOf(`${MANDATORY}c0230400010000`);
    expect(attributes.onlyToCustomer).toBe(65_536);
    expect(attributesHex({ onlyToCustomer: asn(65_536) })).toBe("c0230400010000");
  });
});

describe("an UPDATE made by copying", () => {
  const nextHop = ip("192.0.2.10") as Ipv4;
  const attributes: PathAttributes = { origin: 0, asPath: [asn(4_200_000_001)], communities: [0xfde8_0064] };
  const prefixes4 = [prefix("198.51.100.7/32"), prefix("0.0.0.0/0"), prefix("10.64.0.0/10")];
  const prefixes6 = [prefix("2001:db8:7::1/128"), prefix("::/0"), prefix("2001:db8::/33")];

  it("is the one that is made from values, in the body (BGP-SEND-07, BGP-7606-5.1-02)", () => {
    const all = { ...attributes, nextHop };
    const packed = packAnnouncement(
      { attributes: attributeOctets(all, EXTERNAL), mp: null },
      prefixes4.map(prefixOctets),
    );
    expect(hexOf(packed)).toBe(hexOf(encodeMessage({ ...EMPTY, attributes: all, nlri: prefixes4 }, EXTERNAL)));
    expect(decodeMessage(packed, EXTERNAL)).toMatchObject({ faults: [], message: { withdrawn: [], nlri: prefixes4 } });
  });

  it("is the one that is made from values, in MP_REACH_NLRI, short and long (BGP-SEND-07, BGP-2545-3-01)", () => {
    const global = ip("2001:db8::a");
    const linkLocal = ip("fe80::a") as Ipv6;
    const many = Array.from({ length: 100 }, (_, at) => prefix(`2001:db8:${at.toString(16)}::1/128`));
    for (const prefixes of [[], prefixes6, many]) {
      const mpReach = { family: "ipv6-unicast", nextHop: global, linkLocal, prefixes } as const;
      const mp = { family: "ipv6-unicast", nextHop: nextHopOctets(global, linkLocal) } as const;
      const packed = packAnnouncement(
        { attributes: attributeOctets(attributes, EXTERNAL), mp },
        prefixes.map(prefixOctets),
      );
      expect(hexOf(packed)).toBe(hexOf(encodeMessage({ ...EMPTY, attributes: { ...attributes, mpReach } }, EXTERNAL)));
    }
  });

  it("withdraws, and ends an initial update (BGP-4724-2-01)", () => {
    const inBody = packWithdrawal("body", prefixes4.map(prefixOctets));
    expect(hexOf(inBody)).toBe(hexOf(encodeMessage({ ...EMPTY, withdrawn: prefixes4 }, EXTERNAL)));
    const inAttribute = packWithdrawal("ipv4-unicast", prefixes4.map(prefixOctets));
    const unreach4 = { family: "ipv4-unicast", prefixes: prefixes4 } as const;
    expect(hexOf(inAttribute)).toBe(hexOf(encodeMessage({ ...EMPTY, attributes: { mpUnreach: unreach4 } }, EXTERNAL)));
    const many = Array.from({ length: 100 }, (_, at) => prefix(`2001:db8:${at.toString(16)}::1/128`));
    for (const prefixes of [prefixes6, many]) {
      const packed = packWithdrawal("ipv6-unicast", prefixes.map(prefixOctets));
      const mpUnreach = { family: "ipv6-unicast", prefixes } as const;
      expect(hexOf(packed)).toBe(hexOf(encodeMessage({ ...EMPTY, attributes: { mpUnreach } }, EXTERNAL)));
    }
    expect(hexOf(packEndOfRib("ipv4-unicast"))).toBe(hexOf(encodeMessage(EMPTY, EXTERNAL)));
    const mpUnreach = { family: "ipv6-unicast", prefixes: [] } as const;
    expect(hexOf(packEndOfRib("ipv6-unicast"))).toBe(
      hexOf(encodeMessage({ ...EMPTY, attributes: { mpUnreach } }, EXTERNAL)),
    );
  });

  it("fills the room that it is said to have, and no more (BGP-SEND-01)", () => {
    const all = attributeOctets({ ...attributes, nextHop }, EXTERNAL);
    const host = prefixOctets(prefix("198.51.100.7/32"));
    for (const maxLength of [4096, 65_535]) {
      const room = announcementRoom({ attributes: all, mp: null }, maxLength);
      const nlri = Array.from({ length: Math.floor(room / 5) }, () => host);
      expect(packAnnouncement({ attributes: all, mp: null }, nlri).length).toBeGreaterThan(maxLength - 5);
      const mp = { family: "ipv6-unicast", nextHop: nextHopOctets(ip("2001:db8::a")) } as const;
      const host6 = prefixOctets(prefix("2001:db8::1/128"));
      const room6 = announcementRoom({ attributes: all, mp }, maxLength);
      const nlri6 = Array.from({ length: Math.floor(room6 / 17) }, () => host6);
      const length = packAnnouncement({ attributes: all, mp }, nlri6).length;
      expect(length).toBeGreaterThan(maxLength - 17);
      expect(length).toBeLessThanOrEqual(maxLength);
      for (const place of ["body", "ipv4-unicast", "ipv6-unicast"] as const) {
        const one = place === "ipv6-unicast" ? host6 : host;
        const count = Math.floor(withdrawalRoom(place, maxLength) / one.length);
        const full = packWithdrawal(
          place,
          Array.from({ length: count }, () => one),
        ).length;
        expect(full).toBeGreaterThan(maxLength - one.length);
        expect(full).toBeLessThanOrEqual(maxLength);
      }
    }
  });
});
