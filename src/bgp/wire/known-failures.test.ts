import { describe, expect, it } from "vitest";
import { notificationOf } from "./faults.ts";
import { decodeMessage } from "./message.ts";
import { describeNotification } from "./notification.ts";
import type { UpdateContext } from "./path-attributes.ts";
import { EXTERNAL, hexOf, messageOf, octets, outcome, updateBody, updateOf } from "./test-support.ts";

/*
 * What has crashed, hung or reset other speakers, each by name. Most of it needed one message of one neighbour; the
 * worst of it travelled through routers that did not mind to routers that did.
 */

const MANDATORY = "40010100 40020602010000fde8 4003040a000001";
const TWO_OCTET: UpdateContext = { ...EXTERNAL, fourOctetAs: false };
const HEAD = "04 fc00 005a c000020a";
const openAnswer = (parameters: string): string => {
  const decoded = decodeMessage(messageOf(1, `${HEAD}${parameters}`), EXTERNAL);
  if (decoded.kind === "message") return "taken";
  const { code, subcode } = notificationOf(decoded.fault);
  return `${code}/${subcode}`;
};

describe("what has brought other speakers down", () => {
  it("option walking in an OPEN that trusts the inner length (ROB-01)", () => {
    for (const parameters of ["02 02ff", "04 02ff0200", "03 020201", "06 02040104", "ff", "01 02", "04 0202 41ff"]) {
      expect(openAnswer(parameters), parameters).toBe("2/0");
    }
  });

  it("an extended parameter header with nothing behind it (BGP-9072-P-01)", () => {
    for (const parameters of ["ff ff", "ff ff 00", "02 ff 00", "ff ff ffff", "ff ff 0003 02 ffff"]) {
      expect(openAnswer(parameters), parameters).toBe("2/0");
    }
    expect(openAnswer("02 0200 ff".replace("02 0200 ff", "03 0200 ff"))).toBe("2/0");
  });

  it("a capability of length 0 where others have a value (BGP-5492-P-01)", () => {
    for (const code of [1, 5, 9, 64, 69, 71, 73, 75, 128, 131]) {
      expect(openAnswer(`04 02 02 ${code.toString(16).padStart(2, "0")} 00`), `capability ${code}`).toBe("taken");
    }
    expect(openAnswer("04 02 02 4100")).toBe("2/0");
    // So many that the walk would not end if it did not move.
    expect(openAnswer(`fe 02 fc ${"0100".repeat(126)}`)).toBe("taken");
  });

  it("AS4_PATH in front of AS_PATH, and the removal of either (BGP-6793-P-01)", () => {
    const as4 = "c011060201fa56ea01";
    const path = "40020402015ba0";
    for (const list of [as4 + path, path + as4]) {
      expect(updateOf(`${list}400101004003040a000001`, TWO_OCTET).attributes).toMatchObject({
        asPath: [23_456],
        as4Path: [4_200_000_001],
      });
    }
    // One that is discarded while the list is walked.
    expect(outcome(`c0110002${path}400101004003040a000001`.replace("c0110002", "c01100"), TWO_OCTET)).toBe(
      "discard 17",
    );
    expect(outcome(`${as4}40020602010000fde8400101004003040a000001`)).toBe("ok");
  });

  it("an attribute whose length passes the end of the list (BGP-7606-4-01)", () => {
    for (const tail of ["c008ff", "c00805fde80064", "d008ffff", "d008ffff00", "c0", "c008", "d008", "d00800"]) {
      expect(outcome(`${MANDATORY}${tail}`), tail).toBe("withdraw list");
    }
  });

  it("attributes with faults and not a single route (BGP-7606-5.2-01)", () => {
    expect(outcome("40010103 40020602010000fde8 4003040a000001", EXTERNAL, "")).toBe("reset 3/6 40010103");
    expect(outcome("40060100", EXTERNAL, "")).toBe("discard 6");
    expect(outcome("800f03000201 40010103", EXTERNAL, "")).toMatch(/^reset 3\/6/);
  });

  it("a shutdown text longer than its field, than 128 octets, or without end (BGP-9003-3-01)", () => {
    for (const data of [
      "ff",
      "80",
      "ff61",
      `80${"61".repeat(127)}`,
      `01${"61".repeat(4000)}`,
      `ff${"c3".repeat(255)}`,
    ]) {
      const words = describeNotification({ type: "notification", code: 6, subcode: 2, data: octets(data) });
      expect(words).toMatch(/^Cease: Administrative Shutdown/);
      expect(words.length).toBeLessThan(9000);
    }
  });

  /** Each was passed on by those that did not know it, and reset sessions far away. */
  it.each([
    ["attribute 99 of a university's experiment, 2010", `d0630bb8${"00".repeat(3000)}`],
    ["AS_PATH attribute limit, attribute 30 of 2018", "c01e0a010203040506070809 00"],
    ["attribute 28, ENTROPY_LABEL", "c01c00"],
    ["attribute 128, ATTR_SET", "c080080000fde840010100"],
    ["attribute 255, for development", "e0ff01ff"],
    ["attribute 23, TUNNEL_ENCAPSULATION with nonsense", "c01705ffffffffff"],
    ["attribute 29, BGP-LS", "80 1d 04 04000001"],
    ["attribute 40, PREFIX-SID with nonsense", "c02803 01ffff"],
    ["attribute 26, AIGP with nonsense", "801a03 01000f"],
    ["attribute 36, BGP Domain Path with nonsense", "c02402 ffff"],
  ])("an attribute that few know: %s (BGP-4271-5-02, BGP-4271-5-03, ROB-02)", (_name, attribute) => {
    expect(outcome(`${MANDATORY}${attribute}`.replaceAll(" ", ""))).toBe("ok");
  });

  it("a path longer than anyone prepends (ROB-03)", () => {
    const segment = `02ff${"0000fde8".repeat(255)}`;
    const three = `5002${(octets(segment).length * 3).toString(16).padStart(4, "0")}${segment.repeat(3)}`;
    const { attributes } = updateOf(`40010100${three}4003040a000001`);
    expect(attributes.asPath).toHaveLength(765);
    expect(outcome(`${MANDATORY}d0080fa0${"fde80064".repeat(1000)}`.replaceAll(" ", "").slice(0, 8000))).not.toBe("");
  });

  it("65,535 octets of what is cheapest to send and dearest to read (ROB-01, ROB-03)", () => {
    const mandatory = MANDATORY.replaceAll(" ", "");
    const segments = `02ff${"0000fde8".repeat(255)}`.repeat(60);
    const path = `5002${octets(segments).length.toString(16).padStart(4, "0")}${segments}`;
    const longest: readonly (readonly [string, string])[] = [
      ["prefixes", updateBody(mandatory, "00".repeat(65_000))],
      ["attributes of no octet, all of one code", updateBody(`${mandatory}${"c06300".repeat(21_000)}`, "00")],
      ["attributes of no octet, all well-known", updateBody(`${mandatory}${"400600".repeat(21_000)}`, "00")],
      ["a path of 15,300 numbers", updateBody(`40010100${path}4003040a000001`, "00")],
      ["large communities, all alike", updateBody(`${mandatory}d020fc00${"00".repeat(64_512)}`, "00")],
      ["withdrawn routes", updateBody("", "", "00".repeat(65_000))],
    ];
    for (const [name, body] of longest) {
      const decoded = decodeMessage(messageOf(2, body), EXTERNAL);
      expect(decoded.kind, name).toBe("message");
      if (decoded.kind === "message") expect(decoded.faults.length, name).toBeLessThan(70);
    }
  });

  it("a NOTIFICATION about a message is bounded by the octets that came (ROB-08)", () => {
    const decoded = decodeMessage(messageOf(2, `0000 0004 40010103`), EXTERNAL);
    if (decoded.kind !== "fault") throw new Error("taken");
    expect(hexOf(notificationOf(decoded.fault).data)).toBe("40010103");
  });
});
