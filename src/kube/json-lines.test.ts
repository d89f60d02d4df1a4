import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JsonLines } from "./json-lines.ts";

describe("lines of JSON", () => {
  it("come out the same however the stream is cut", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.array(fc.nat(40)), (values, cuts) => {
        const bytes = Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join(""));
        const lines = new JsonLines(1e6);
        const seen: unknown[] = [];
        let at = 0;
        for (const length of [...cuts, bytes.length]) {
          seen.push(...lines.push(bytes.subarray(at, at + length)));
          at += length;
        }
        expect(JSON.stringify(seen)).toBe(JSON.stringify(values));
      }),
    );
  });

  it("may be cut within a character", () => {
    const bytes = Buffer.from('"ü"\n');
    const lines = new JsonLines(100);
    expect([...lines.push(bytes.subarray(0, 2)), ...lines.push(bytes.subarray(2))]).toEqual(["ü"]);
  });

  it("skip empty lines and keep what has no end yet", () => {
    const lines = new JsonLines(100);
    expect([...lines.push(Buffer.from("\n\r\n1\n 2"))]).toEqual([1]);
    expect([...lines.push(Buffer.from("3\n"))]).toEqual([23]);
  });

  it("fail on what is not JSON, and on a line that is too long, whole or in pieces", () => {
    expect(() => [...new JsonLines(100).push(Buffer.from("{\n"))]).toThrow(SyntaxError);
    expect(() => [...new JsonLines(10).push(Buffer.alloc(11, 0x20))]).toThrow(RangeError);
    const lines = new JsonLines(10);
    expect(() => {
      for (let i = 0; i < 3; i++) expect([...lines.push(Buffer.alloc(5, 0x20))]).toEqual([]);
    }).toThrow(RangeError);
  });
});
