import { describe, expect, it } from "vitest";
import { decodeMessage } from "./message.ts";
import type { UpdateContext } from "./path-attributes.ts";
import { attributesOf, EXTERNAL, INTERNAL, messageOf, outcome, updateBody } from "./test-support.ts";

const ORIGIN = "40010100";
const AS_PATH = "40020602010000fde8";
const NEXT_HOP = "4003040a000001";
const LOCAL_PREF = "40050400000064";
const NLRI = "20c6336407";
const MANDATORY = ORIGIN + AS_PATH + NEXT_HOP;
const TWO_OCTET: UpdateContext = { ...EXTERNAL, fourOctetAs: false };
const MANDATORY_2 = `${ORIGIN}4002040201fde8${NEXT_HOP}`;
const V6 = "8020010db8000700000000000000000001";
const NEXT_HOP_6 = "20010db800000000000000000000000a";
const MP_REACH = `800e2600020110${NEXT_HOP_6}00${V6}`;

describe("the fields of an UPDATE", () => {
  it("reset the session when their lengths do not fit the message (BGP-4271-4.3-06)", () => {
    for (const body of ["0001 0000", "ffff 0000", "0000 0001", "0000 ffff", "0005 20c6336407 0001"]) {
      const decoded = decodeMessage(messageOf(2, body), EXTERNAL);
      expect(decoded, body).toMatchObject({ kind: "fault", fault: { kind: "update.malformed-attribute-list" } });
    }
  });

  it("reset the session when a prefix is too long or cut short (BGP-7606-5.3-01, BGP-7606-3i-01)", () => {
    expect(outcome(MANDATORY, EXTERNAL, "21c633640700")).toBe("reset 3/10");
    expect(outcome(MANDATORY, EXTERNAL, "20c63364")).toBe("reset 3/10");
    expect(outcome("", EXTERNAL, "", "21c633640700")).toBe("reset 3/10");
    expect(outcome("", EXTERNAL, "", "18c633")).toBe("reset 3/10");
  });

  it("ignore bits beyond a prefix's length, and know the default route (BGP-4271-4.3-02, BGP-4271-4.3-03)", () => {
    const decoded = decodeMessage(messageOf(2, updateBody(MANDATORY, "00 1bc63364ff 08ac")), EXTERNAL);
    expect(decoded).toMatchObject({ message: { nlri: ["0.0.0.0/0", "198.51.100.224/27", "172.0.0.0/8"] } });
  });
});

describe("a path attribute", () => {
  it("is no trouble in an UPDATE as it should be (BGP-4271-6.3-02)", () => {
    expect(outcome(MANDATORY)).toBe("ok");
    expect(outcome(MANDATORY + LOCAL_PREF, INTERNAL)).toBe("ok");
    expect(outcome(MANDATORY_2, TWO_OCTET)).toBe("ok");
    expect(outcome(MP_REACH + ORIGIN + AS_PATH, EXTERNAL, "")).toBe("ok");
    expect(outcome(MANDATORY, EXTERNAL, "")).toBe("ok");
    expect(outcome("", EXTERNAL, "")).toBe("ok");
  });

  it.each([
    ["ORIGIN", ORIGIN, "withdraw 1"],
    ["AS_PATH", AS_PATH, "withdraw 2"],
    ["NEXT_HOP", NEXT_HOP, "withdraw 3"],
  ])("%s may not be missing where there are routes (BGP-7606-3d-01)", (_name, attribute, expected) => {
    expect(outcome(MANDATORY.replace(attribute, ""))).toBe(expected);
  });

  it("may be missing where it is not needed (BGP-7606-3d-01, BGP-4271-4.3-07, BGP-4271-5-05)", () => {
    expect(outcome(MANDATORY, INTERNAL)).toBe("withdraw 5");
    expect(outcome(MP_REACH + MANDATORY, EXTERNAL, "")).toBe("ok");
    expect(outcome(MP_REACH + ORIGIN + AS_PATH)).toBe("withdraw 3");
    expect(outcome("")).toBe("withdraw 1, withdraw 2, withdraw 3");
  });

  it.each([
    ["ORIGIN of no octet", "400100", "withdraw 1, withdraw 1"],
    ["ORIGIN of two octets", "4001020000", "withdraw 1, withdraw 1"],
    ["ORIGIN 3", "40010103", "withdraw 1, withdraw 1"],
    ["ORIGIN optional", "c0010100", "withdraw 1, withdraw 1"],
    ["ORIGIN partial", "60010100", "withdraw 1, withdraw 1"],
  ])("%s costs the routes (BGP-7606-3c-01, BGP-4271-5.1.1-01)", (_name, attribute, expected) => {
    expect(outcome(attribute + AS_PATH + NEXT_HOP)).toBe(expected);
  });

  it.each([
    ["an unknown segment type", "400206 0501 0000fde8"],
    ["an AS_SET (RFC 9774)", "400206 0101 0000fde8"],
    ["a confederation sequence (RFC 5065 §5)", "400206 0301 0000fde8"],
    ["a confederation set", "400206 0401 0000fde8"],
    ["an empty segment", "400202 0200"],
    ["a segment past the attribute", "400206 0202 0000fde8"],
    ["an octet left over", "400207 0201 0000fde8 02"],
    ["two-octet numbers on a four-octet session", "400204 0201 fde8"],
    ["AS 0 (RFC 7607)", "40020a 0202 0000fde8 00000000"],
  ])("AS_PATH with %s costs the routes (BGP-4271-5.1.2-01, BGP-7607-2-01, BGP-9774-3-01)", (_name, attribute) => {
    expect(outcome(ORIGIN + attribute + NEXT_HOP)).toBe("withdraw 2, withdraw 2");
  });

  it.each([
    ["three octets", "4003030a0000", "withdraw 3, withdraw 3"],
    ["five octets", "4003050a00000100", "withdraw 3, withdraw 3"],
    ["0.0.0.0", "40030400000000", "withdraw 3"],
    ["127.0.0.1", "4003047f000001", "withdraw 3"],
    ["224.0.0.1", "400304e0000001", "withdraw 3"],
    ["255.255.255.255", "400304ffffffff", "withdraw 3"],
  ])("NEXT_HOP of %s costs the routes (BGP-4271-6.3-03)", (_name, attribute, expected) => {
    expect(outcome(ORIGIN + AS_PATH + attribute)).toBe(expected);
  });

  /** Attribute after the mandatory ones; outcome on a session to another AS, and inside our own. */
  it.each([
    ["MULTI_EXIT_DISC", "80040400000001", "ok", "ok"],
    ["MULTI_EXIT_DISC of 3", "800403000000", "withdraw 4", "withdraw 4"],
    ["MULTI_EXIT_DISC transitive", "c0040400000001", "withdraw 4", "withdraw 4"],
    ["LOCAL_PREF from another AS", LOCAL_PREF, "ok", "discard 5"],
    ["LOCAL_PREF of 5", "4005050000006400", "ok", "discard 5"],
    ["ATOMIC_AGGREGATE", "400600", "ok", "ok"],
    ["ATOMIC_AGGREGATE of 1", "40060100", "discard 6", "discard 6"],
    ["AGGREGATOR", "c007080000fde80a000001", "ok", "ok"],
    ["AGGREGATOR of 6", "c00706fde80a000001", "discard 7", "discard 7"],
    ["AGGREGATOR with AS 0", "c00708000000000a000001", "discard 7", "discard 7"],
    ["COMMUNITIES", "c00804fde80064", "ok", "ok"],
    ["COMMUNITIES with Partial", "e00804fde80064", "ok", "ok"],
    ["COMMUNITIES with Extended Length", "d0080004fde80064", "ok", "ok"],
    ["COMMUNITIES of 0", "c00800", "withdraw 8", "withdraw 8"],
    ["COMMUNITIES of 5", "c00805fde8006400", "withdraw 8", "withdraw 8"],
    ["COMMUNITIES well-known", "400804fde80064", "withdraw 8", "withdraw 8"],
    ["ORIGINATOR_ID", "8009040a000001", "ok", "ok"],
    ["ORIGINATOR_ID of 3", "8009030a0000", "ok", "withdraw 9"],
    ["CLUSTER_LIST", "800a080a0000010a000002", "ok", "ok"],
    ["CLUSTER_LIST of 0", "800a00", "ok", "withdraw 10"],
    ["CLUSTER_LIST of 6", "800a060a0000010a00", "ok", "withdraw 10"],
    ["EXTENDED COMMUNITIES", "c010080002fde800000064", "ok", "ok"],
    ["EXTENDED COMMUNITIES of 0", "c01000", "withdraw 16", "withdraw 16"],
    ["EXTENDED COMMUNITIES of 7", "c010070002fde8000000", "withdraw 16", "withdraw 16"],
    ["AS4_PATH on a four-octet session", "c01101ff", "ok", "ok"],
    ["AS4_AGGREGATOR on a four-octet session", "c01201ff", "ok", "ok"],
    ["IPv6 EXTENDED COMMUNITIES of 19", `c01913${"00".repeat(19)}`, "withdraw 25", "withdraw 25"],
    ["IPv6 EXTENDED COMMUNITIES", `c01914${"00".repeat(20)}`, "ok", "ok"],
    ["LARGE COMMUNITIES", `c0200c${"01".repeat(12)}`, "ok", "ok"],
    ["LARGE COMMUNITIES of 0", "c02000", "withdraw 32", "withdraw 32"],
    ["LARGE COMMUNITIES of 13", `c0200d${"01".repeat(13)}`, "withdraw 32", "withdraw 32"],
    ["ONLY_TO_CUSTOMER", "c023040000fde8", "ok", "ok"],
    ["ONLY_TO_CUSTOMER of 3", "c0230300fde8", "withdraw 35", "withdraw 35"],
    ["ONLY_TO_CUSTOMER 0", "c0230400000000", "withdraw 35", "withdraw 35"],
    ["an unknown optional transitive one", "c0fe0101", "ok", "ok"],
    ["an unknown optional one", "80fe00", "ok", "ok"],
    ["an unknown well-known one", "40fe00", "withdraw 254", "withdraw 254"],
    ["a second ORIGIN", ORIGIN, "discard 1", "discard 1"],
    ["a second unknown one", "c0fe0101c0fe0102", "discard 254", "discard 254"],
  ])("%s costs what RFC 7606 §7 says (BGP-7606-2-02, BGP-7606-7-01)", (_name, attribute, outside, inside) => {
    expect(outcome(MANDATORY + attribute)).toBe(outside);
    expect(outcome(MANDATORY + LOCAL_PREF + attribute, INTERNAL)).toBe(inside);
  });

  it.each([
    ["AS4_PATH", "c011060201fa56ea01", "ok"],
    ["AS4_PATH of no octet", "c01100", "discard 17"],
    ["AS4_PATH cut short", "c011050201fa56ea", "discard 17"],
    ["AS4_PATH with AS 0", "c01106020100000000", "discard 17"],
    ["AS4_AGGREGATOR", "c01208fa56ea010a000001", "ok"],
    ["AS4_AGGREGATOR of 6", "c01206fa560a000001", "discard 18"],
    ["AS4_AGGREGATOR with AS 0", "c01208000000000a000001", "discard 18"],
    ["AGGREGATOR of 6", "c00706fde80a000001", "ok"],
    ["AGGREGATOR of 8", "c007080000fde80a000001", "discard 7"],
  ])(
    "%s from a two-octet peer costs what RFC 6793 §6 says (BGP-4271-5.1.7-01, BGP-7607-2-01)",
    (_name, attribute, expected) => {
      expect(outcome(MANDATORY_2 + attribute, TWO_OCTET)).toBe(expected);
    },
  );

  it("LOCAL_PREF of another length costs the routes inside our own AS (RFC 7606 §7.5)", () => {
    expect(outcome(`${MANDATORY}4005050000006400`, INTERNAL)).toBe("withdraw 5, withdraw 5");
  });

  it("is kept from the first of two, and dropped where it does not belong (BGP-7606-3g-01, BGP-4271-5.1.5-01)", () => {
    expect(attributesOf(MANDATORY + "40010102")).toMatchObject({ origin: 0 });
    expect(attributesOf(MANDATORY + LOCAL_PREF)).not.toHaveProperty("localPref");
  });
});

describe("an attribute list", () => {
  it.each([
    ["an attribute past the end", `${MANDATORY}c00808fde80064`],
    ["a single octet at the end", `${MANDATORY}c0`],
    ["flags and type at the end", `${MANDATORY}c008`],
    ["half an extended length", `${MANDATORY}d00800`],
  ])("with %s costs the routes, which are still found (BGP-7606-4-01, BGP-7606-4-02)", (_name, attributes) => {
    expect(outcome(attributes)).toBe("withdraw list");
  });

  it("resets the session when it is malformed and there is no route to take back (BGP-7606-5.2-01)", () => {
    expect(outcome("40010103", EXTERNAL, "")).toBe("reset 3/6 40010103");
    expect(outcome("c001", EXTERNAL, "")).toBe("reset 3/1");
    expect(outcome("c0010100", EXTERNAL, "")).toBe("reset 3/4 c0010100");
    expect(outcome("400202ffff", EXTERNAL, "")).toBe("reset 3/11");
    expect(outcome("40030100", EXTERNAL, "")).toBe("reset 3/5 40030100");
    expect(outcome("40fe00", EXTERNAL, "", NLRI)).toBe("reset 3/2 40fe00");
    expect(outcome("40060100", EXTERNAL, "")).toBe("discard 6");
  });
});

describe("MP_REACH_NLRI and MP_UNREACH_NLRI", () => {
  const reach = (value: string, flags = "80"): string => {
    const length = (value.replaceAll(" ", "").length / 2).toString(16).padStart(2, "0");
    return outcome(`${flags}0e${length}${value.replaceAll(" ", "")}${ORIGIN}${AS_PATH}`, EXTERNAL, "");
  };
  const unreach = (value: string, flags = "80"): string => {
    const length = (value.replaceAll(" ", "").length / 2).toString(16).padStart(2, "0");
    return outcome(`${flags}0f${length}${value.replaceAll(" ", "")}`, EXTERNAL, "");
  };

  it("reset the session when they cannot be read (BGP-7606-5.3-02, BGP-7606-3j-01)", () => {
    expect(reach("0002 01 10")).toMatch(/^reset 3\/9 800e/);
    expect(reach("0002")).toMatch(/^reset 3\/9/);
    expect(reach(`0002 01 10 ${NEXT_HOP_6} 00 81`)).toMatch(/^reset 3\/9/);
    expect(reach(`0002 01 10 ${NEXT_HOP_6} 00 8020`)).toMatch(/^reset 3\/9/);
    expect(reach(`0002 01 10 ${NEXT_HOP_6}`)).toMatch(/^reset 3\/9/);
    expect(reach(`0002 01 10 ${NEXT_HOP_6} 00 ${V6}`, "c0")).toMatch(/^reset 3\/9/);
    expect(reach(`0002 01 10 ${NEXT_HOP_6} 00 ${V6}`, "a0")).toMatch(/^reset 3\/9/);
    expect(unreach("0002")).toMatch(/^reset 3\/9 800f020002/);
    expect(unreach("0002 01 81")).toMatch(/^reset 3\/9/);
    expect(unreach(`0002 01 ${V6}`, "40")).toMatch(/^reset 3\/9/);
  });

  it("reset the session for a next hop of another length than the family's (BGP-2545-3-01, BGP-8950-3-02, BGP-4760-3-05)", () => {
    expect(reach(`0002 01 04 0a000001 00 ${V6}`)).toMatch(/^reset 3\/9/);
    expect(reach(`0002 01 00 00 ${V6}`)).toMatch(/^reset 3\/9/);
    expect(reach(`0001 01 10 ${NEXT_HOP_6} 00 ${NLRI}`)).toMatch(/^reset 3\/9/);
    expect(reach(`0002 01 10 ${NEXT_HOP_6} 00`)).toBe("ok");
  });

  it("may have IPv4 routes, with an IPv4 next hop (BGP-4760-3-04)", () => {
    expect(reach(`0001 01 04 0a000001 00 ${NLRI}`)).toBe("ok");
    const value = `0001 01 04 0a000001 00 ${NLRI}`.replaceAll(" ", "");
    expect(attributesOf(`800e0e${value}${ORIGIN}${AS_PATH}`)).toMatchObject({
      mpReach: { family: "ipv4-unicast", nextHop: "10.0.0.1", prefixes: ["198.51.100.7/32"] },
    });
  });

  it("may have IPv4 routes with an IPv6 next hop where that was agreed (BGP-8950-3-01, BGP-8950-3-02)", () => {
    const agreed: UpdateContext = { ...EXTERNAL, extendedNextHop: true };
    const linkLocal = `fe80${"00".repeat(13)}0a`;
    for (const nextHop of [`10${NEXT_HOP_6}`, `20${NEXT_HOP_6}${linkLocal}`]) {
      const value = `000101${nextHop}00${NLRI}`;
      const attribute = `800e${(value.length / 2).toString(16).padStart(2, "0")}${value}${ORIGIN}${AS_PATH}`;
      expect(outcome(attribute, agreed, "")).toBe("ok");
      expect(outcome(attribute, EXTERNAL, "")).toMatch(/^reset 3\/9/);
    }
    const ofOneOctet = `800e0d00010101ff00${NLRI}${ORIGIN}${AS_PATH}`.replace("0d", "0b");
    expect(outcome(ofOneOctet, agreed, "")).toMatch(/^reset 3\/9/);
  });

  it("may not come twice (BGP-7606-3g-01)", () => {
    expect(outcome(MP_REACH + MP_REACH + ORIGIN + AS_PATH, EXTERNAL, "")).toBe("reset 3/1");
    expect(outcome("800f03000201800f03000201", EXTERNAL, "")).toBe("reset 3/1");
  });

  it("may come with Extended Length, and anywhere in the list (BGP-4271-4.3-04, BGP-4271-4.3-05)", () => {
    expect(outcome(`${ORIGIN}${AS_PATH}900e0026${MP_REACH.slice(6)}`, EXTERNAL, "")).toBe("ok");
  });

  it("cost the routes for a next hop that no packet can be sent to (BGP-2545-3-04)", () => {
    for (const nextHop of ["00".repeat(16), `${"00".repeat(15)}01`, `ff02${"00".repeat(13)}01`]) {
      expect(reach(`0002 01 10 ${nextHop} 00 ${V6}`), nextHop).toBe("withdraw 14");
    }
    expect(reach(`0002 01 10 ${"00".repeat(10)}ffff0a000001 00 ${V6}`)).toBe("ok");
  });

  it("take the link-local address beside the global one, or alone (BGP-2545-3-03)", () => {
    const linkLocal = `fe80${"00".repeat(13)}0a`;
    const of = (nextHop: string) =>
      attributesOf(`800e36 0002 01 20 ${nextHop} 00 ${V6}`.replaceAll(" ", "") + MANDATORY);
    expect(of(NEXT_HOP_6 + linkLocal)).toMatchObject({ mpReach: { nextHop: "2001:db8::a", linkLocal: "fe80::a" } });
    expect(of("00".repeat(16) + linkLocal)).toMatchObject({ mpReach: { nextHop: "::", linkLocal: "fe80::a" } });
    expect(of(NEXT_HOP_6 + NEXT_HOP_6)).not.toHaveProperty("mpReach.linkLocal");
    expect(reach(`0002 01 20 ${"00".repeat(16)}${linkLocal} 00 ${V6}`)).toBe("ok");
    expect(reach(`0002 01 10 ${linkLocal} 00 ${V6}`)).toBe("ok");
    expect(of(linkLocal + linkLocal)).toMatchObject({ mpReach: { nextHop: "fe80::a", linkLocal: "fe80::a" } });
  });

  it("of a family that was not agreed are noted and not looked into (BGP-4760-7-01)", () => {
    const only4: UpdateContext = { ...EXTERNAL, families: ["ipv4-unicast"] };
    const body = updateBody(`800e0b 0002 80 03 ffffff 00 ffffff800f06000280ffffff`);
    for (const context of [EXTERNAL, only4]) {
      const decoded = decodeMessage(messageOf(2, body), context);
      expect(decoded).toMatchObject({
        faults: [],
        message: { attributes: { mpReach: { afi: 2, safi: 128 }, mpUnreach: { afi: 2, safi: 128 } } },
      });
    }
    expect(outcome(MP_REACH, only4, "")).toBe("ok");
  });

  it("may share an UPDATE with routes of the body (BGP-7606-5.1-03, BGP-4760-3-03)", () => {
    const body = updateBody(`${MP_REACH}800f03000201${MANDATORY}`, NLRI, "20c6336408");
    expect(decodeMessage(messageOf(2, body), EXTERNAL)).toMatchObject({
      faults: [],
      message: {
        withdrawn: ["198.51.100.8/32"],
        nlri: ["198.51.100.7/32"],
        attributes: { mpReach: { prefixes: ["2001:db8:7::1/128"] }, mpUnreach: { prefixes: [] } },
      },
    });
  });
});
