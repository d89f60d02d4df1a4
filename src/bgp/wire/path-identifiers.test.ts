import { describe, expect, it } from "vitest";
import { decodeMessage, encodeMessage } from "./message.ts";
import type { UpdateContext } from "./path-attributes.ts";
import { EXTERNAL, hexOf, messageOf, octets, outcome, updateBody, updateOf } from "./test-support.ts";

const WITH_IDS: UpdateContext = { ...EXTERNAL, addPathReceive: ["ipv4-unicast", "ipv6-unicast"] };
const ONLY_6: UpdateContext = { ...EXTERNAL, addPathReceive: ["ipv6-unicast"] };
const MANDATORY = "40010100 40020602010000fde8 4003040a000001".replaceAll(" ", "");
const NEXT_HOP_6 = "20010db800000000000000000000000a";

describe("path identifiers", () => {
  it("stand before each prefix of the body, announced and withdrawn (BGP-7911-3-01, BGP-7911-3-02)", () => {
    const update = updateOf(MANDATORY, WITH_IDS, "00000000 20c6336407 ffffffff 20c6336407", "00000007 18c63364");
    expect(update).toMatchObject({
      withdrawn: ["198.51.100.0/24"],
      withdrawnPathIds: [7],
      nlri: ["198.51.100.7/32", "198.51.100.7/32"],
      nlriPathIds: [0, 0xffff_ffff],
    });
  });

  it("stand before each prefix of the MP attributes (BGP-7911-3-01)", () => {
    const value = `000201 10 ${NEXT_HOP_6} 00 00000001 3020010db80007`.replaceAll(" ", "");
    const reach = `800e${(value.length / 2).toString(16)}${value}`;
    const update = updateOf(
      `${reach}800f0a 000201 00000002 1020 01 40010100 40020602010000fde8`.replaceAll(" ", ""),
      WITH_IDS,
      "",
    );
    expect(update.attributes).toMatchObject({
      mpReach: { prefixes: ["2001:db8:7::/48"], pathIds: [1] },
      mpUnreach: { prefixes: ["2001::/16"], pathIds: [2] },
    });
  });

  it("are written where they were read", () => {
    const wire = messageOf(2, updateBody(MANDATORY, "00000005 20c6336407", "00000006 18c63364"));
    const decoded = decodeMessage(wire, WITH_IDS);
    if (decoded.kind === "fault") throw new Error("refused");
    expect(hexOf(encodeMessage(decoded.message, WITH_IDS))).toBe(hexOf(wire));
  });

  it("are not in an End-of-RIB (BGP-7911-3-01)", () => {
    expect(updateOf("", WITH_IDS, "")).toEqual({ type: "update", withdrawn: [], attributes: {}, opaque: [], nlri: [] });
    expect(updateOf("800f03000201", WITH_IDS, "").attributes).toEqual({
      mpUnreach: { family: "ipv6-unicast", prefixes: [] },
    });
  });

  it("are agreed for each family by itself (BGP-7911-4-01)", () => {
    expect(updateOf(MANDATORY, ONLY_6)).toMatchObject({ nlri: ["198.51.100.7/32"] });
    expect(updateOf(MANDATORY, ONLY_6)).not.toHaveProperty("nlriPathIds");
  });

  it("that were agreed and are not there, or the reverse, end in a fault and never past the end (BGP-7911-P-01, BGP-7911-5-01)", () => {
    for (let trailing = 0; trailing <= 8; trailing++) {
      // One octet more, and it reads as a /7 with an identifier: nobody can know better.
      if (trailing === 1) continue;
      const nlri = `20c6336407${"ff".repeat(trailing)}`;
      expect(outcome(MANDATORY, WITH_IDS, nlri), nlri).toBe("reset 3/10");
      expect(
        outcome(`800f${(3 + octets(nlri).length).toString(16).padStart(2, "0")}000101${nlri}`, WITH_IDS, ""),
      ).toMatch(/^reset 3\/9/);
    }
    expect(outcome(MANDATORY, EXTERNAL, "00000001 20c6336407 00000001 21")).toMatch(/^reset 3\/10/);
  });
});
