import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { notificationOf } from "./faults.ts";
import { frame } from "./framing.ts";
import { type Decoded, decodeMessage, encodeMessage } from "./message.ts";
import { describeNotification } from "./notification.ts";
import type { UpdateContext } from "./path-attributes.ts";
import { EXTERNAL, GOOD_ATTRIBUTES, GOOD_MESSAGES, INTERNAL, messageOf, octets, updateBody } from "./test-support.ts";

const CONTEXTS: readonly UpdateContext[] = [
  EXTERNAL,
  INTERNAL,
  { ...EXTERNAL, fourOctetAs: false },
  { ...INTERNAL, fourOctetAs: false, families: [] },
];

/**
 * Decodes in every context. What comes back must be a fault that makes a NOTIFICATION, or a value; and a value that is
 * written again must read as the same value.
 */
function judge(message: Uint8Array): readonly Decoded[] {
  const framed = frame(message);
  if (framed.kind === "need-more") return [];
  if (framed.kind === "fault") {
    expect(encodeMessage(notificationOf(framed.fault), EXTERNAL).length).toBeLessThanOrEqual(4096);
    return [];
  }
  return CONTEXTS.map((context) => {
    const decoded = decodeMessage(framed.bytes, context);
    if (decoded.kind === "fault") {
      expect(encodeMessage(notificationOf(decoded.fault), EXTERNAL).length).toBeLessThanOrEqual(4096);
      return decoded;
    }
    const { message } = decoded;
    if (message.type === "notification") expect(describeNotification(message)).not.toMatch(/\p{Cc}/u);
    const { mpReach, mpUnreach } = message.type === "update" ? message.attributes : {};
    const isForeign = [mpReach, mpUnreach].some((one) => one !== undefined && !("family" in one));
    if (isForeign) return decoded;
    const written = encodeMessage(message, context);
    const again = decodeMessage(written, context);
    if (again.kind !== "message" || !isDeepStrictEqual(again.message, message)) expect(again).toEqual({ message });
    return decoded;
  });
}

/** The message with another body; the header's length is right. */
const withBody = (message: Uint8Array, body: Uint8Array): Uint8Array => {
  const out = new Uint8Array(19 + body.length);
  out.set(message.subarray(0, 19));
  out.set(body, 19);
  out[16] = out.length >> 8;
  out[17] = out.length & 0xff;
  return out;
};

const runs = { numRuns: 400 };

describe("any octets", () => {
  it("are framed as a message, as a fault, or as not yet complete (ROB-01)", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(["message", "fault", "need-more"]).toContain(frame(bytes).kind);
      }),
      runs,
    );
  });

  it.each([1, 2, 3, 4, 5])("as the body of a message of type %i are a value or a fault (ROB-01)", (type) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (body) => void judge(withBody(messageOf(type, ""), body))),
      runs,
    );
  });

  it("as path attributes are a value or a fault (ROB-01, BGP-SEND-07)", () => {
    const attribute = fc
      .tuple(
        fc.constantFrom(0x40, 0x80, 0xc0, 0x50, 0x90, 0xd0, 0xe0, 0x00),
        fc.nat(40),
        fc.uint8Array({ maxLength: 40 }),
      )
      .map(([flags, code, value]) => {
        const length = (flags & 0x10) === 0 ? [value.length] : [0, value.length];
        return Uint8Array.of(flags, code, ...length, ...value);
      });
    fc.assert(
      fc.property(fc.array(attribute, { maxLength: 12 }), fc.uint8Array({ maxLength: 12 }), (list, nlri) => {
        const attributes = list.flatMap((one) => [...one]);
        const body = Uint8Array.of(0, 0, attributes.length >> 8, attributes.length & 0xff, ...attributes, ...nlri);
        judge(withBody(messageOf(2, ""), body));
      }),
      runs,
    );
  });

  it("as optional parameters of an OPEN are a value or a fault", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.boolean(), (parameters, isRightLength) => {
        const head = octets("04 fc00 005a c000020a");
        const length = isRightLength ? [parameters.length] : [];
        judge(withBody(messageOf(1, ""), Uint8Array.of(...head, ...length, ...parameters)));
      }),
      runs,
    );
  });
});

describe("a good message", () => {
  it("is judged as good", () => {
    for (const message of GOOD_MESSAGES) {
      expect(judge(message)[0]).toMatchObject({ kind: "message", faults: [] });
    }
  });

  it("cut off after any octet is a value or a fault (ROB-02)", () => {
    for (const message of GOOD_MESSAGES) {
      for (let length = 0; length < message.length; length++) {
        judge(message.subarray(0, length));
        if (length >= 19) judge(withBody(message, message.subarray(19, length)));
      }
    }
  });

  it("with any octet changed is a value or a fault (ROB-02)", () => {
    for (const message of GOOD_MESSAGES) {
      // Long runs of one attribute are all alike.
      for (let at = 0; at < Math.min(message.length, 300); at++) {
        const before = message[at]!;
        for (const octet of [
          0,
          0xff,
          before + 1,
          before - 1,
          ...[0, 1, 2, 3, 4, 5, 6, 7].map((bit) => before ^ (1 << bit)),
        ]) {
          const changed = message.slice();
          changed[at] = octet;
          judge(changed);
        }
      }
    }
  });

  it("with any two octets changed is a value or a fault (ROB-02)", () => {
    const update = GOOD_MESSAGES[2]!;
    fc.assert(
      fc.property(
        fc.nat(update.length - 20),
        fc.nat(255),
        fc.nat(update.length - 20),
        fc.nat(255),
        (first, one, second, two) => {
          const changed = update.slice();
          changed[19 + first] = one;
          changed[19 + second] = two;
          judge(changed);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("with an attribute doubled, removed, emptied or moved to the front is a value or a fault (ROB-02)", () => {
    const good = GOOD_ATTRIBUTES.slice(0, -1);
    for (let at = 0; at < good.length; at++) {
      const without = good.toSpliced(at, 1);
      const variants = [
        good.toSpliced(at, 0, good[at]!),
        without,
        good.toSpliced(at, 1, `${good[at]!.slice(0, 4)}00`),
        [good[at]!, ...without],
      ];
      for (const variant of variants) judge(messageOf(2, updateBody(variant.join(""), "20c6336407")));
    }
  });

  it("of the greatest length is decoded in time that grows with the length only (ROB-01, ROB-03)", () => {
    const prefixes = "20c6336407".repeat(810);
    const many = messageOf(2, updateBody("40010100400206020100 00fde84003040a000001".replaceAll(" ", ""), prefixes));
    const tiny = messageOf(2, updateBody("c0fe00".repeat(1350)));
    const path = messageOf(2, updateBody(`50020fd2${"0201000000fd".repeat(675)}`.slice(0, 8000)));
    for (const message of [many, tiny, path]) for (let round = 0; round < 20; round++) judge(message);
    expect(many.length).toBeGreaterThan(4000);
  });
});
