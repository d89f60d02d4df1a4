import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ip, type Ipv4, type Ipv6 } from "../../addr/ip.ts";
import { BROADCAST, macFromBytes } from "../../addr/mac.ts";
import { ARP_OPERATION, encodeArp, gratuitousArp } from "./arp.ts";
import { claimIn } from "./claim.ts";
import { unsolicitedAdvertisement } from "./neighbour-advertisement.ts";

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));
const OTHER = macFromBytes(hex("02fc00000002"));
const VIP4 = ip("10.0.0.100") as Ipv4;
const VIP6 = ip("fd00::100") as Ipv6;
const NO_MAC = macFromBytes(new Uint8Array(6));

/** An ICMPv6 message in IPv6 and Ethernet, from `source` with `hopLimit`. */
function frameOf(message: Uint8Array, source: string, hopLimit = 255): Uint8Array {
  const length = message.length.toString(16).padStart(4, "0");
  return Uint8Array.from([
    ...hex("3333000000 01 02fc00000002 86dd 60000000"),
    ...hex(`${length} 3a ${hopLimit.toString(16).padStart(2, "0")} ${source} ff020000000000000000000000000001`),
    ...message,
  ]);
}
const LINK_LOCAL = "fe800000000000000000000000000002";
const UNSPECIFIED = "00".repeat(16);
const solicitation = hex("87 00 0000 00000000 fd000000000000000000000000000100");

describe("a claim to an address", () => {
  it("is any ARP packet with it as the sender's, request or reply (ARP-5227-2.4-01)", () => {
    for (const form of ["request", "reply"] as const) {
      expect(claimIn(gratuitousArp(form, VIP4, OTHER))).toEqual({ address: VIP4, mac: OTHER });
    }
    const asking = { destination: BROADCAST, source: OTHER, operation: ARP_OPERATION.request, senderMac: OTHER };
    const elsewhere = encodeArp({ ...asking, senderIp: VIP4, targetMac: NO_MAC, targetIp: ip("10.0.0.7") as Ipv4 });
    expect(claimIn(elsewhere)).toEqual({ address: VIP4, mac: OTHER });
  });

  it("is no ARP probe: its sender has no address yet, and the kernel's answer tells it enough", () => {
    const probe = encodeArp({
      destination: BROADCAST,
      source: OTHER,
      operation: ARP_OPERATION.request,
      senderMac: OTHER,
      senderIp: ip("0.0.0.0") as Ipv4,
      targetMac: NO_MAC,
      targetIp: VIP4,
    });
    expect(claimIn(probe)).toBeNull();
  });

  it("is a neighbour advertisement, and somebody's duplicate address detection (ND-4861-7.2.5-01)", () => {
    const advertisement = unsolicitedAdvertisement(VIP6, OTHER, false);
    expect(claimIn(frameOf(advertisement, LINK_LOCAL))).toEqual({ address: VIP6, mac: OTHER });
    expect(claimIn(frameOf(solicitation, UNSPECIFIED))).toEqual({ address: VIP6, mac: OTHER });
  });

  it("is no question for the address, and nothing that came over a router", () => {
    expect(claimIn(frameOf(solicitation, LINK_LOCAL))).toBeNull();
    expect(claimIn(frameOf(unsolicitedAdvertisement(VIP6, OTHER, false), LINK_LOCAL, 254))).toBeNull();
  });

  it("is not found in other or in damaged frames, and looking for it never throws", () => {
    const valid = [gratuitousArp("reply", VIP4, OTHER), frameOf(solicitation, UNSPECIFIED)];
    for (const frame of valid) {
      for (let length = 0; length < 38; length++) expect(claimIn(frame.subarray(0, length))).toBeNull();
    }
    fc.assert(
      fc.property(fc.constantFrom(...valid), fc.array(fc.tuple(fc.nat(), fc.nat(255))), (frame, changes) => {
        const bytes = Uint8Array.from(frame);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        claimIn(bytes);
      }),
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => void claimIn(bytes)));
  });
});
