import { describe, expect, it } from "vitest";
import { Reader, Truncated, Writer } from "./bytes.ts";

describe("Writer and Reader", () => {
  it("give back what was written, however small the first buffer was", () => {
    for (const capacity of [0, 1, 3, 8, 128]) {
      const out = new Writer(capacity)
        .u8(1)
        .u16(0x0203)
        .u32(0x0405_0607)
        .bytes(Uint8Array.of(8, 9, 10));
      expect([...out.finish()]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
      out.patchU16(1, 0xffee);
      const reader = new Reader(out.finish());
      expect([reader.u8("a"), reader.u16("b"), reader.u32("c"), ...reader.rest()]).toEqual([
        1, 0xffee, 0x0405_0607, 8, 9, 10,
      ]);
      expect(reader.left).toBe(0);
    }
  });

  it("name the field that does not fit, and take nothing of it", () => {
    const reader = new Reader(Uint8Array.of(1, 2, 3));
    const inner = reader.sub(2, "inner");
    expect(() => inner.u32("number")).toThrow(new Truncated("number", 4, 2));
    expect(inner.u16("number")).toBe(0x0102);
    expect(reader.offset).toBe(2);
    expect(() => reader.slice(2, "tail")).toThrow("tail: 2 octets wanted, 1 left");
  });
});
