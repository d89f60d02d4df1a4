import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ip, type Ipv4, type Ipv6, ipFromBytes } from "../../addr/ip.ts";
import { type Mac, macFromBytes } from "../../addr/mac.ts";
import { Truncated } from "../../base/bytes.ts";
import { decodeArp, encodeArp, gratuitousArp } from "./arp.ts";
import {
  decodeNeighbourAdvertisement,
  encodeNeighbourAdvertisement,
  unsolicitedAdvertisement,
} from "./neighbour-advertisement.ts";

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));
const MAC = macFromBytes(hex("02fc00000001"));
const VIP4 = ip("10.0.0.100") as Ipv4;
const VIP6 = ip("fd00::100") as Ipv6;
const PADDING = "00".repeat(18);

describe("a gratuitous ARP frame", () => {
  it("as a request names no target hardware (RFC 5227 §2.3), and is padded to Ethernet's minimum (ARP-5227-2.3-01, ARP-5227-3-01)", () => {
    const bytes = gratuitousArp("request", VIP4, MAC);
    expect(bytes).toEqual(
      hex(`ffffffffffff 02fc00000001 0806  0001 0800 06 04 0001
        02fc00000001 0a000064  000000000000 0a000064 ${PADDING}`),
    );
    expect(decodeArp(bytes)).toMatchObject({ operation: 1, senderIp: VIP4, targetIp: VIP4, senderMac: MAC });
  });

  it("as a reply is addressed to everybody (ARP-5227-2.3-02)", () => {
    const bytes = gratuitousArp("reply", VIP4, MAC);
    expect(bytes).toEqual(
      hex(`ffffffffffff 02fc00000001 0806  0001 0800 06 04 0002
        02fc00000001 0a000064  ffffffffffff 0a000064 ${PADDING}`),
    );
    expect(decodeArp(bytes)).toMatchObject({ operation: 2, targetMac: "ff:ff:ff:ff:ff:ff" });
  });

  it("is not taken for one when type, lengths or operation differ", () => {
    for (const [at, value] of [
      [13, 0],
      [15, 6],
      [17, 1],
      [18, 8],
      [19, 16],
      [21, 3],
    ] as const) {
      const bytes = gratuitousArp("request", VIP4, MAC);
      bytes[at] = value;
      expect(decodeArp(bytes)).toBeNull();
    }
  });
});

describe("an unsolicited neighbour advertisement", () => {
  it("overrides, carries our Ethernet address, and says router where we are one (RFC 4861 §7.2.6; ND-4861-7.2.6-01, ND-P-01)", () => {
    const bytes = unsolicitedAdvertisement(VIP6, MAC, false);
    const target = "fd000000000000000000000000000100";
    expect(bytes).toEqual(hex(`88 00 0000 20 000000 ${target} 02 01 02fc00000001`));
    expect(unsolicitedAdvertisement(VIP6, MAC, true)).toEqual(hex(`88 00 0000 a0 000000 ${target} 02 01 02fc00000001`));
    expect(decodeNeighbourAdvertisement(bytes)).toEqual({
      router: false,
      solicited: false,
      override: true,
      target: VIP6,
      mac: MAC,
    });
  });

  it("is discarded with an option of length zero, a code, or another type (RFC 4861 §7.1.2)", () => {
    for (const [at, value] of [
      [25, 0],
      [1, 1],
      [0, 135],
    ] as const) {
      const bytes = unsolicitedAdvertisement(VIP6, MAC, false);
      bytes[at] = value;
      expect(decodeNeighbourAdvertisement(bytes)).toBeNull();
    }
  });

  it("may carry options that we do not know", () => {
    const bytes = hex("88 00 0000 60 000000 fd000000000000000000000000000100  0e 02 00000000000000000000 00000000");
    expect(decodeNeighbourAdvertisement(bytes)).toMatchObject({ solicited: true, override: true, mac: null });
  });
});

const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const mac: fc.Arbitrary<Mac> = octets(6).map(macFromBytes);

describe("any layer-2 message", () => {
  it("comes back as it was encoded", () => {
    const ipv4 = octets(4).map((bytes) => ipFromBytes(bytes) as Ipv4);
    const frame = fc.record({
      destination: mac,
      source: mac,
      operation: fc.constantFrom(1 as const, 2 as const),
      senderMac: mac,
      senderIp: ipv4,
      targetMac: mac,
      targetIp: ipv4,
    });
    const advertisement = fc.record({
      router: fc.boolean(),
      solicited: fc.boolean(),
      override: fc.boolean(),
      target: octets(16).map((bytes) => ipFromBytes(bytes) as Ipv6),
      mac: fc.option(mac),
    });
    fc.assert(
      fc.property(frame, advertisement, (arp, nd) => {
        expect(decodeArp(encodeArp(arp))).toEqual(arp);
        expect(decodeNeighbourAdvertisement(encodeNeighbourAdvertisement(nd))).toEqual(nd);
      }),
    );
  });

  for (const [what, decode, valid] of [
    ["ARP", decodeArp, gratuitousArp("request", VIP4, MAC)],
    ["ND", decodeNeighbourAdvertisement, unsolicitedAdvertisement(VIP6, MAC, false)],
  ] as const) {
    it(`gives a value, null or Truncated, whatever the octets (${what})`, () => {
      const damaged = fc
        .tuple(fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 5 }), fc.nat())
        .map(([changes, cut]) => {
          const bytes = Uint8Array.from(valid);
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          return bytes.subarray(0, bytes.length - (cut % bytes.length));
        });
      fc.assert(
        fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 80 })), (bytes) => {
          try {
            decode(bytes);
          } catch (error) {
            if (!(error instanceof Truncated)) throw error;
          }
        }),
        { numRuns: 1000 },
      );
    });
  }
});
