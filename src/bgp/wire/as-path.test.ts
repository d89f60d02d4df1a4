import { describe, expect, it } from "vitest";
import { Writer } from "../../base/bytes.ts";
import { mergeAs4Path, readAsPath, writeAsPath } from "./as-path.ts";
import { Asn } from "./asn.ts";

const path = (...asns: number[]): Asn[] => asns.map((asn) => Asn.of(asn));

describe("an AS path", () => {
  it("is cut into segments of 255 and read as one", () => {
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

  it("has AS_TRANS where two octets are too few", () => {
    const out = new Writer();
    writeAsPath(path(70_000, 1), out, false);
    expect([...out.finish()]).toEqual([2, 2, 0x5b, 0xa0, 0, 1]);
  });
});

describe("mergeAs4Path", () => {
  it("replaces the tail of the path (RFC 6793 §4.2.3)", () => {
    expect(mergeAs4Path(path(1, 23_456, 23_456), path(70_000, 80_000))).toEqual([1, 70_000, 80_000]);
    expect(mergeAs4Path(path(23_456), path(70_000))).toEqual([70_000]);
  });

  it("leaves the path alone without AS4_PATH, or with one that is longer", () => {
    expect(mergeAs4Path(path(1, 2), undefined)).toEqual([1, 2]);
    expect(mergeAs4Path(path(1), path(70_000, 80_000))).toEqual([1]);
  });

  it("leaves the path alone when a two-octet speaker aggregated the route", () => {
    expect(mergeAs4Path(path(23_456), path(70_000), Asn.of(65_000))).toEqual([23_456]);
    expect(mergeAs4Path(path(23_456), path(70_000), Asn.of(23_456))).toEqual([70_000]);
  });
});
