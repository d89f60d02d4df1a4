import { describe, expect, it } from "vitest";
import { frame } from "./framing.ts";
import { messageOf, octets } from "./test-support.ts";

const MARKER = "ff".repeat(16);
const faultOf = (text: string) => frame(octets(text));

describe("frame", () => {
  it("waits for a header that is good so far, octet by octet", () => {
    const keepalive = octets(`${MARKER}001304`);
    for (let length = 0; length < 19; length++) {
      expect(frame(keepalive.subarray(0, length))).toEqual({ kind: "need-more" });
    }
    expect(frame(keepalive)).toEqual({ kind: "message", bytes: keepalive });
  });

  it("leaves what follows the first message", () => {
    const two = octets(`${MARKER}001304 ${MARKER}00170500010001`);
    const first = frame(two);
    expect(first).toEqual({ kind: "message", bytes: two.subarray(0, 19) });
    expect(frame(two.subarray(19))).toEqual({ kind: "message", bytes: two.subarray(19) });
  });

  it("refuses a wrong marker as soon as it is seen", () => {
    const fault = { kind: "fault", fault: { kind: "header.not-synchronized" } };
    for (let at = 0; at < 16; at++) {
      const input = octets(MARKER);
      input[at] = 0xfe;
      expect(frame(input)).toEqual(fault);
      expect(frame(input.subarray(0, at + 1))).toEqual(fault);
    }
    expect(faultOf("47")).toEqual(fault);
  });

  it("refuses a length out of range without waiting for the octets", () => {
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

  it("refuses each type below its own least length, and a KEEPALIVE above it", () => {
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

  it("refuses a type that does not exist, after the length", () => {
    expect(faultOf(`${MARKER}0013 00`)).toEqual({ kind: "fault", fault: { kind: "header.bad-type", type: 0 } });
    expect(faultOf(`${MARKER}0013 06`)).toEqual({ kind: "fault", fault: { kind: "header.bad-type", type: 6 } });
    expect(faultOf(`${MARKER}0012 06`)).toEqual({ kind: "fault", fault: { kind: "header.bad-length", length: 18 } });
  });
});
