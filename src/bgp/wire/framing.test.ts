import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EXTENDED_LENGTH_MAX, frame } from "./framing.ts";
import { GOOD_MESSAGES, hexOf, messageOf, octets } from "./test-support.ts";

const MARKER = "ff".repeat(16);
const faultOf = (text: string) => frame(octets(text));

describe("frame", () => {
  it("waits for a header that is good so far, octet by octet (BGP-4271-4.1-01)", () => {
    const keepalive = octets(`${MARKER}001304`);
    for (let length = 0; length < 19; length++) {
      expect(frame(keepalive.subarray(0, length))).toEqual({ kind: "need-more" });
    }
    expect(frame(keepalive)).toEqual({ kind: "message", bytes: keepalive });
  });

  it("leaves what follows the first message, without padding (BGP-4271-4.1-02)", () => {
    const two = octets(`${MARKER}001304 ${MARKER}00170500010001`);
    const first = frame(two);
    expect(first).toEqual({ kind: "message", bytes: two.subarray(0, 19) });
    expect(frame(two.subarray(19))).toEqual({ kind: "message", bytes: two.subarray(19) });
  });

  it("refuses a wrong marker as soon as it is seen (BGP-4271-6.1-01)", () => {
    const fault = { kind: "fault", fault: { kind: "header.not-synchronized" } };
    for (let at = 0; at < 16; at++) {
      const input = octets(MARKER);
      input[at] = 0xfe;
      expect(frame(input)).toEqual(fault);
      expect(frame(input.subarray(0, at + 1))).toEqual(fault);
    }
    expect(faultOf("47")).toEqual(fault);
  });

  it("refuses a length out of range without waiting for the octets (BGP-4271-4.1-04, BGP-4271-6.1-02)", () => {
    for (const [text, length] of [
      ["0012 04", 18],
      ["0000 04", 0],
      ["1001 02", 4097],
      ["ffff 02", 65_535],
    ] as const) {
      expect(faultOf(MARKER + text)).toEqual({ kind: "fault", fault: { kind: "header.bad-length", length } });
    }
    expect(frame(octets(`${MARKER}1000 02`))).toEqual({ kind: "need-more" });
  });

  it("refuses each type below its own least length, and a KEEPALIVE above it (BGP-4271-6.1-03)", () => {
    for (const [type, least] of [
      ["01", 29],
      ["02", 23],
      ["03", 21],
      ["05", 23],
    ] as const) {
      const length = (value: number): string => value.toString(16).padStart(4, "0");
      expect(faultOf(MARKER + length(least - 1) + type)).toEqual({
        kind: "fault",
        fault: { kind: "header.bad-length", length: least - 1 },
      });
      expect(faultOf(MARKER + length(least) + type)).toEqual({ kind: "need-more" });
    }
    expect(frame(messageOf(4, "00"))).toEqual({ kind: "fault", fault: { kind: "header.bad-length", length: 20 } });
  });

  it("refuses a type that does not exist, after the length (BGP-4271-6.1-04, BGP-4271-6.1-07)", () => {
    expect(faultOf(`${MARKER}0013 00`)).toEqual({ kind: "fault", fault: { kind: "header.bad-type", type: 0 } });
    expect(faultOf(`${MARKER}0013 06`)).toEqual({ kind: "fault", fault: { kind: "header.bad-type", type: 6 } });
    expect(faultOf(`${MARKER}0012 06`)).toEqual({ kind: "fault", fault: { kind: "header.bad-length", length: 18 } });
  });

  it("finds the same messages however the stream is cut (BGP-4271-4.1-03)", () => {
    const stream = Uint8Array.from(GOOD_MESSAGES.flatMap((message) => [...message]));
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 40 }), (sizes) => {
        const found: string[] = [];
        let kept: Uint8Array = new Uint8Array(0);
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const size = sizes[turn % Math.max(1, sizes.length)] ?? 1;
          kept = Uint8Array.of(...kept, ...stream.subarray(at, at + size));
          at += size;
          for (let one = frame(kept); one.kind === "message"; one = frame(kept)) {
            found.push(hexOf(one.bytes));
            kept = kept.subarray(one.bytes.length);
          }
        }
        expect(kept.length).toBe(0);
        expect(found).toEqual(GOOD_MESSAGES.map(hexOf));
      }),
      { numRuns: 50 },
    );
  });

  it("names the first of several faults: marker, length, type, the type's own length (BGP-4271-6.1-07)", () => {
    expect(faultOf(`fe${"ff".repeat(15)} 0012 06`)).toMatchObject({ fault: { kind: "header.not-synchronized" } });
    expect(faultOf(`${MARKER}0012 06`)).toMatchObject({ fault: { kind: "header.bad-length" } });
    expect(faultOf(`${MARKER}0014 06`)).toMatchObject({ fault: { kind: "header.bad-type" } });
    expect(faultOf(`${MARKER}0014 01`)).toMatchObject({ fault: { kind: "header.bad-length" } });
  });

  it("takes longer messages where that was offered, and only there (BGP-8654-3-01, BGP-8654-5-01)", () => {
    const long = messageOf(2, `0000 0000${"20c6336407".repeat(1000)}`);
    expect(frame(long)).toEqual({ kind: "fault", fault: { kind: "header.bad-length", length: long.length } });
    expect(frame(long, EXTENDED_LENGTH_MAX)).toEqual({ kind: "message", bytes: long });
    expect(frame(octets(`${MARKER}ffff 03`), EXTENDED_LENGTH_MAX)).toEqual({ kind: "need-more" });
  });

  it("takes no longer OPEN nor KEEPALIVE all the same (BGP-8654-4-01)", () => {
    for (const text of ["1001 01", "0014 04", "1001 04"]) {
      const framed = frame(octets(MARKER + text), EXTENDED_LENGTH_MAX);
      expect(framed, text).toMatchObject({ kind: "fault", fault: { kind: "header.bad-length" } });
    }
  });
});
