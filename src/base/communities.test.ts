import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  communityText,
  extendedCommunityText,
  largeCommunityText,
  parseCommunity,
  parseExtendedCommunity,
  parseLargeCommunity,
} from "./communities.ts";

describe("communities as text", () => {
  it.each([
    ["65000:100", 0xfde8_0064],
    ["0:0", 0],
    ["65535:65535", 0xffff_ffff],
    ["no-export", 0xffff_ff01],
    ["NO-ADVERTISE", 0xffff_ff02],
    ["graceful-shutdown", 0xffff_0000],
    ["blackhole", 0xffff_029a],
    ["65536:1", null],
    ["1:65536", null],
    ["1:2:3", null],
    ["1", null],
    ["", null],
    [":", null],
    ["-1:2", null],
    [" 1:2", null],
    ["no_export", null],
  ])("%j as a standard one is %j", (text, value) => expect(parseCommunity(text)).toBe(value));

  it.each([
    ["4200000000:1:2", [4_200_000_000, 1, 2]],
    ["0:4294967295:0", [0, 4_294_967_295, 0]],
    ["4294967296:0:0", null],
    ["1:2", null],
    ["1:2:3:4", null],
    ["1::3", null],
  ])("%j as a large one is %j", (text, value) => expect(parseLargeCommunity(text)).toEqual(value));

  it.each([
    ["rt:65000:100", 0x0002_fde8_0000_0064n],
    ["rt:65000:4294967295", 0x0002_fde8_ffff_ffffn],
    ["RT:4200000000:100", 0x0202_fa56_ea00_0064n],
    ["soo:192.0.2.1:7", 0x0103_c000_0201_0007n],
    ["0x4004fde800000001", 0x4004_fde8_0000_0001n],
    ["rt:192.0.2.1:65536", null],
    ["rt:4200000000:65536", null],
    ["rt:4294967296:1", null],
    ["rt:192.0.2.256:1", null],
    ["0x12", null],
    ["xx:1:2", null],
    ["rt:1", null],
  ])("%j as an extended one is %s", (text, value) => expect(parseExtendedCommunity(text)).toBe(value));
});

describe("communities in print", () => {
  it.each([
    [0xfde8_0064, "65000:100"],
    [0xffff_0000, "graceful-shutdown"],
    [0xffff_ff04, "no-peer"],
    [0xffff_ffff, "65535:65535"],
  ])("%d as a standard one is %j", (value, text) => expect(communityText(value)).toBe(text));

  it.each([
    [0x0002_fde8_0000_0064n, "rt:65000:100"],
    [0x0103_c000_0201_0007n, "soo:192.0.2.1:7"],
    [0x0202_fa56_ea00_0064n, "rt:4200000000:100"],
    // A number that fits two octets in a field of four: the short form would be another community.
    [0x0202_0000_fde8_0064n, "0x02020000fde80064"],
    [0x4004_fde8_4cee_6b28n, "lb:65000:125000000"],
    [0x4004_fde8_7fc0_0000n, "0x4004fde87fc00000"],
    [0x030b_0000_0000_002an, "opaque:0b00000000002a"],
    [0x8006_0000_0000_0001n, "0x8006000000000001"],
  ])("%s as an extended one is %j (BGP-5668-2-01)", (value, text) => {
    expect(extendedCommunityText(value)).toBe(text);
    expect(parseExtendedCommunity(text)).toBe(value);
  });

  it("are read as what they were (BGP-8092-3-01)", () => {
    const word = fc.nat(0xffff_ffff);
    fc.assert(fc.property(word, (value) => parseCommunity(communityText(value)) === value));
    fc.assert(
      fc.property(
        fc.tuple(word, word, word),
        (value) => parseLargeCommunity(largeCommunityText(value))?.join() === value.join(),
      ),
    );
    const types = fc.constantFrom(0x00n, 0x01n, 0x02n, 0x03n, 0x40n, 0x43n, 0x80n);
    fc.assert(
      fc.property(types, fc.constantFrom(2n, 3n, 4n, 9n), fc.bigInt(0n, 0xffff_ffff_ffffn), (type, subtype, rest) => {
        const value = (type << 56n) | (subtype << 48n) | rest;
        expect(parseExtendedCommunity(extendedCommunityText(value))).toBe(value);
      }),
    );
    expect(parseLargeCommunity("01:2:3")).toBeNull();
  });
});
