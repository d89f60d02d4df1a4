import { describe, expect, it } from "vitest";
import { Writer } from "../../base/bytes.ts";
import { mergeAs4Path, readAsPath, writeAsPath } from "./as-path.ts";
import { Asn } from "./asn.ts";
import { attributesOf, EXTERNAL, octets, outcome } from "./test-support.ts";

const path = (...asns: number[]): Asn[] => asns.map((asn) => Asn.of(asn));

describe("an AS path", () => {
  it("is cut into segments of 255 and read as one (BGP-4271-5.1.2-01, ROB-03)", () => {
    const long = path(...Array.from({ length: 600 }, (_, at) => at + 65_000));
    const out = new Writer();
    writeAsPath(long, out, true);
    const bytes = out.finish();
    expect(bytes.length).toBe(600 * 4 + 3 * 2);
    expect([bytes[1], bytes[1 + 2 + 255 * 4]]).toEqual([255, 255]);
    const read: Asn[] = [];
    expect(readAsPath(bytes, 0, bytes.length, 4, read)).toBeNull();
    expect(read).toEqual(long);
  });

  it("has AS_TRANS where two octets are too few (BGP-6793-4.2.2-01)", () => {
    const out = new Writer();
    writeAsPath(path(70_000, 1), out, false);
    expect([...out.finish()]).toEqual([2, 2, 0x5b, 0xa0, 0, 1]);
  });
});

describe("mergeAs4Path", () => {
  it("replaces the tail of the path (BGP-6793-4.2.3-02)", () => {
    expect(mergeAs4Path(path(1, 23_456, 23_456), path(70_000, 80_000))).toEqual([1, 70_000, 80_000]);
    expect(mergeAs4Path(path(23_456), path(70_000))).toEqual([70_000]);
  });

  it("leaves the path alone without AS4_PATH, or with one that is longer (BGP-6793-4.2.3-02)", () => {
    expect(mergeAs4Path(path(1, 2), undefined)).toEqual([1, 2]);
    expect(mergeAs4Path(path(1), path(70_000, 80_000))).toEqual([1]);
  });

  it("leaves the path alone when a two-octet speaker aggregated the route (BGP-6793-4.2.3-01)", () => {
    expect(mergeAs4Path(path(23_456), path(70_000), Asn.of(65_000))).toEqual([23_456]);
    expect(mergeAs4Path(path(23_456), path(70_000), Asn.of(23_456))).toEqual([70_000]);
  });
});

describe("an AS4_PATH", () => {
  const read = (text: string): Asn[] | string => {
    const found: Asn[] = [];
    const bytes = octets(text);
    const bad = readAsPath(bytes, 0, bytes.length, 4, found, true);
    return bad === null ? found : `${bad.detail} at ${bad.at}`;
  };

  it("is used without its confederation sequences (BGP-6793-6-01)", () => {
    expect(read("0302 0000fde8 0000fde9 0201 00011170")).toEqual([70_000]);
    expect(read("0301 0000fde8")).toEqual([]);
    expect(read("0302 0000fde8")).toBe("segment of 8 octets, 4 left at 2");
  });

  it("with a set costs the routes, where other faults cost the attribute (BGP-9774-3-01)", () => {
    const twoOctet = { ...EXTERNAL, fourOctetAs: false };
    const mandatory = "400101004002040201fde84003040a000001";
    expect(outcome(`${mandatory}c01106010100011170`, twoOctet)).toBe("withdraw 17");
    expect(outcome(`${mandatory}c01106040100011170`, twoOctet)).toBe("withdraw 17");
    expect(outcome(`${mandatory}c01106050100011170`, twoOctet)).toBe("discard 17");
    expect(outcome(`${mandatory}c01106030100011170`, twoOctet)).toBe("ok");
  });

  it("is not looked into on a four-octet session (BGP-6793-4.1-03)", () => {
    expect(attributesOf("400101004002004003040a000001c01102ffff")).not.toHaveProperty("as4Path");
    expect(outcome("400101004002004003040a000001c01102ffffc01201ff")).toBe("ok");
  });
});
