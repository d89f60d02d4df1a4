import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ALL_AUTH_TYPES, bytesOf, DIGESTS, hexOf, key, packet } from "../fsm/test-support.ts";
import { openPacket, sealPacket } from "./authentication.ts";
import { decodeControlPacket, diagnosticName, encodeControlPacket } from "./control-packet.ts";
import { DISCARDS } from "./discards.ts";

/** Up, multiplier 3, discriminators 1 and 2, 300 ms both ways. */
const GOLDEN = "20 c0 03 18 00000001 00000002 000493e0 000493e0 00000000";

const changed = (at: number, octet: number): Uint8Array => {
  const bytes = bytesOf(GOLDEN);
  bytes[at] = octet;
  return bytes;
};
const reasonOf = (bytes: Uint8Array): string => {
  const decoded = decodeControlPacket(bytes);
  return decoded.kind === "discard" ? decoded.reason : "none";
};

describe("a control packet", () => {
  it("is written and read as RFC 5880 §4.1 draws it", () => {
    expect(hexOf(encodeControlPacket(packet(), 0))).toBe(GOLDEN.replaceAll(" ", ""));
    expect(decodeControlPacket(bytesOf(GOLDEN))).toEqual({ kind: "packet", packet: packet(), authSection: null });
  });

  it.each([
    ["admin-down", 0x00],
    ["down", 0x40],
    ["init", 0x80],
    ["up", 0xc0],
  ] as const)("has its state in two bits: %s", (state, octet) => {
    expect(encodeControlPacket(packet({ state }), 0)[1]).toBe(octet);
    expect(decodeControlPacket(changed(1, octet))).toMatchObject({ packet: { state } });
  });

  it.each([
    ["poll", 0x20],
    ["final", 0x10],
    ["controlPlaneIndependent", 0x08],
    ["demand", 0x02],
  ] as const)("has one bit for %s", (name, bit) => {
    expect(encodeControlPacket(packet({ [name]: true }), 0)[1]).toBe(0xc0 | bit);
    expect(decodeControlPacket(changed(1, 0xc0 | bit))).toMatchObject({ packet: { [name]: true } });
  });

  it("of another version than 1 is discarded (BFD-5880-6.8.6-01)", () => {
    for (const version of [0, 2, 7]) expect(reasonOf(changed(0, version << 5))).toBe("version");
  });

  it("with a Length under 24, or under 26 with the A bit, is discarded (BFD-5880-6.8.6-02)", () => {
    for (let length = 0; length < 24; length++) expect(reasonOf(changed(3, length))).toBe("length");
    for (const length of [24, 25]) {
      const bytes = new Uint8Array(60);
      bytes.set(bytesOf(GOLDEN));
      bytes[1] = 0xc4;
      bytes[3] = length;
      expect(reasonOf(bytes)).toBe("length");
      bytes[3] = 26;
      expect(reasonOf(bytes)).toBe("none");
    }
  });

  it("longer than its datagram is discarded, a datagram longer than the packet is not (BFD-5880-6.8.6-03)", () => {
    expect(reasonOf(changed(3, 25))).toBe("length");
    const longer = new Uint8Array(100);
    longer.set(bytesOf(GOLDEN));
    expect(decodeControlPacket(longer)).toEqual({ kind: "packet", packet: packet(), authSection: null });
    for (let length = 0; length < 24; length++) expect(reasonOf(bytesOf(GOLDEN).subarray(0, length))).toBe("length");
  });

  it("with a Detect Mult of 0 is discarded (BFD-5880-6.8.6-04)", () => {
    expect(reasonOf(changed(2, 0))).toBe("multiplier");
  });

  it("with the Multipoint bit is discarded (BFD-5880-6.8.6-05)", () => {
    expect(reasonOf(changed(1, 0xc1))).toBe("multipoint");
  });

  it("without a My Discriminator is discarded (BFD-5880-6.8.6-06)", () => {
    expect(reasonOf(changed(7, 0))).toBe("my-discriminator");
  });

  it("without a Your Discriminator must say Down or AdminDown (BFD-5880-6.8.6-08)", () => {
    const stranger = (flags: number): string => {
      const bytes = changed(1, flags);
      bytes[11] = 0;
      return reasonOf(bytes);
    };
    expect([0x00, 0x40, 0x80, 0xc0].map(stranger)).toEqual([
      "none",
      "none",
      "your-discriminator",
      "your-discriminator",
    ]);
  });

  it("with Poll and Final is discarded (BFD-5880-6.8.6-10)", () => {
    expect(reasonOf(changed(1, 0xf0))).toBe("poll-and-final");
  });

  it("keeps a reserved diagnostic, and shows its number", () => {
    expect(decodeControlPacket(changed(0, 0x20 | 31))).toMatchObject({ packet: { diagnostic: 31 } });
    expect([0, 1, 3, 8, 9, 31].map(diagnosticName)).toEqual([
      "no diagnostic",
      "control detection time expired",
      "neighbor signaled session down",
      "reverse concatenated path down",
      "diagnostic 9",
      "diagnostic 31",
    ]);
  });
});

describe("an authentication section", () => {
  it.each([
    ["simple", "01 09 07 736563726574", 9],
    ["md5", "02 18 07 00 01020304", 24],
    ["meticulous-md5", "03 18 07 00 01020304", 24],
    ["sha1", "04 1c 07 00 01020304", 28],
    ["meticulous-sha1", "05 1c 07 00 01020304", 28],
  ] as const)("of %s has the form of RFC 5880 §4.2 to §4.4 (BFD-5880-4.2-01)", (type, head, length) => {
    const bytes = sealPacket(packet(), key(type), 0x0102_0304, DIGESTS);
    expect(bytes.length).toBe(24 + length);
    expect(bytes[1]! & 0x04).toBe(0x04);
    expect(bytes[3]).toBe(24 + length);
    expect(hexOf(bytes.subarray(24)).startsWith(head.replaceAll(" ", ""))).toBe(true);
  });

  it("has a digest over the whole packet with the padded key in its place (BFD-5880-6.7.3-01)", () => {
    for (const [type, algorithm, length] of [
      ["md5", "md5", 16],
      ["meticulous-sha1", "sha1", 20],
    ] as const) {
      const bytes = sealPacket(packet(), key(type), 5, DIGESTS);
      const blank = bytes.slice();
      blank.fill(0, 32);
      blank.set(new TextEncoder().encode("secret"), 32);
      expect(bytes.subarray(32)).toEqual(Uint8Array.from(DIGESTS[algorithm](blank)));
      expect(bytes.length).toBe(32 + length);
    }
  });

  const opened = (bytes: Uint8Array, by = key("md5")): string => {
    const decoded = decodeControlPacket(bytes);
    if (decoded.kind === "discard" || decoded.authSection === null) return "not decoded";
    const result = openPacket(bytes, decoded.authSection, by, DIGESTS);
    return result.kind === "genuine" ? "genuine" : result.reason;
  };

  it("of another type, length or key id, or with a wrong digest, is told apart (BFD-5880-6.7.1-01)", () => {
    const good = sealPacket(packet(), key("md5"), 5, DIGESTS);
    const spoilt = (at: number, octet: number): Uint8Array => {
      const bytes = good.slice();
      bytes[at] = octet;
      return bytes;
    };
    expect(opened(good)).toBe("genuine");
    expect(opened(good, key("sha1"))).toBe("auth-type");
    expect(opened(spoilt(24, 99))).toBe("auth-type");
    expect(opened(spoilt(25, 23))).toBe("auth-length");
    expect(opened(spoilt(25, 25))).toBe("auth-length");
    expect(opened(spoilt(26, 8))).toBe("auth-key");
    expect(opened(spoilt(47, good[47]! ^ 1))).toBe("auth-digest");
    expect(opened(spoilt(8, 1))).toBe("auth-digest");
    expect(opened(good, key("md5", 7, "other"))).toBe("auth-digest");
    const password = sealPacket(packet(), key("simple"), 0, DIGESTS);
    expect(opened(password, key("simple"))).toBe("genuine");
    expect(opened(password, key("simple", 7, "secreT"))).toBe("auth-digest");
    expect(opened(password, key("simple", 7, "secrets"))).toBe("auth-digest");
  });

  it("with every length of section and datagram is judged without reading past either (BFD-5880-4.2-01)", () => {
    for (const type of ALL_AUTH_TYPES) {
      const good = sealPacket(packet(), key(type), 5, DIGESTS);
      for (let packetLength = 24; packetLength <= 255; packetLength++) {
        for (const sectionLength of [0, 1, 2, 3, 4, 8, 19, 20, 23, 24, 25, 28, 29, 255]) {
          const bytes = good.slice();
          bytes[3] = packetLength;
          bytes[25] = sectionLength;
          const isGood = packetLength === good.length && sectionLength === good.length - 24;
          expect(opened(bytes, key(type)) === "genuine").toBe(isGood);
        }
      }
    }
  });

  it("is not looked for beyond the packet's own Length", () => {
    const longer = new Uint8Array(100).fill(0xee);
    longer.set(sealPacket(packet(), key("sha1"), 5, DIGESTS));
    expect(opened(longer, key("sha1"))).toBe("genuine");
  });
});

describe("any octets", () => {
  it("are a packet that is written again as it was, or a reason to discard them (ROB-01)", () => {
    const almost = fc.tuple(fc.uint8Array({ maxLength: 80 }), fc.boolean()).map(([bytes, isPlausible]) => {
      if (isPlausible && bytes.length >= 24) {
        bytes[0] = 0x20 | (bytes[0]! & 0x1f);
        bytes[3] = bytes.length;
        bytes[1]! &= 0xfe;
      }
      return bytes;
    });
    fc.assert(
      fc.property(almost, fc.constantFrom(...ALL_AUTH_TYPES), (bytes, type) => {
        const decoded = decodeControlPacket(bytes);
        if (decoded.kind === "discard") {
          expect(DISCARDS).toHaveProperty(decoded.reason);
          return;
        }
        const authLength = decoded.authSection?.length ?? 0;
        expect(encodeControlPacket(decoded.packet, authLength)).toEqual(
          Uint8Array.of(...bytes.subarray(0, 3), 24 + authLength, ...bytes.subarray(4, 24)),
        );
        if (decoded.authSection) openPacket(bytes, decoded.authSection, key(type), DIGESTS);
      }),
      { numRuns: 3_000 },
    );
  });

  it("do not pass for a packet that was sealed, whichever one of its bits is wrong (ROB-02)", () => {
    for (const type of ALL_AUTH_TYPES) {
      const good = sealPacket(packet(), key(type), 5, DIGESTS);
      // A password protects nothing but itself.
      const from = type === "simple" ? 24 : 0;
      for (let bit = from * 8; bit < good.length * 8; bit++) {
        const bytes = good.slice();
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        const decoded = decodeControlPacket(bytes);
        if (decoded.kind === "discard" || decoded.authSection === null) continue;
        expect(openPacket(bytes, decoded.authSection, key(type), DIGESTS).kind, `bit ${bit}`).toBe("forged");
      }
    }
  });
});
