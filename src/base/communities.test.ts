import { describe, expect, it } from "vitest";
import { parseCommunity, parseExtendedCommunity, parseLargeCommunity } from "./communities.ts";

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
