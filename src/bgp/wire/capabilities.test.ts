import { describe, expect, it } from "vitest";
import { Asn } from "./asn.ts";
import { type Capability, decodeCapabilities, encodeCapabilities } from "./capabilities.ts";
import { notificationOf } from "./faults.ts";
import { shownText } from "./shown-text.ts";
import { hexOf, octets } from "./test-support.ts";

const decode = (text: string): Capability[] | string => {
  const found: Capability[] = [];
  const bytes = octets(text);
  return decodeCapabilities(bytes, 0, bytes.length, found) ?? found;
};

/** Each capability and its octets, code and length included; the name ends in the rows that it proves. */
const CAPABILITIES: readonly (readonly [string, string, Capability])[] = [
  ["multiprotocol (BGP-4760-8-01)", "0104 0002 00 01", { kind: "multiprotocol", afi: 2, safi: 1 }],
  ["route refresh", "0200", { kind: "route-refresh" }],
  [
    "extended next hop encoding (BGP-8950-3-01)",
    "0506 0001 0001 0002",
    { kind: "extended-next-hop", entries: [{ afi: 1, safi: 1, nextHopAfi: 2 }] },
  ],
  ["extended message (BGP-8654-3-01)", "0600", { kind: "extended-message" }],
  ["role customer (BGP-9234-4.1-01)", "0901 03", { kind: "role", role: "customer" }],
  ["a role without a name, which matches none", "0901 05", { kind: "role", role: 5 }],
  [
    "graceful restart (BGP-4724-3-01, BGP-8538-2-01)",
    "400a c078 0001 01 80 0002 01 00",
    {
      kind: "graceful-restart",
      restarting: true,
      notification: true,
      restartTimeSeconds: 120,
      families: [
        { afi: 1, safi: 1, forwarding: true },
        { afi: 2, safi: 1, forwarding: false },
      ],
    },
  ],
  ["four-octet AS (BGP-6793-3-01)", "4104 fa56ea01", { kind: "four-octet-as", asn: Asn.of(4_200_000_001) }],
  [
    "ADD-PATH (BGP-7911-4-01)",
    "450c 0001 01 01 0002 01 02 0001 80 03",
    {
      kind: "add-path",
      families: [
        { afi: 1, safi: 1, mode: "receive" },
        { afi: 2, safi: 1, mode: "send" },
        { afi: 1, safi: 128, mode: "both" },
      ],
    },
  ],
  ["enhanced route refresh", "4600", { kind: "enhanced-route-refresh" }],
  [
    "long-lived graceful restart (BGP-9494-3-01)",
    "470e 0001 01 80 000e10 0002 01 00 ffffff",
    {
      kind: "long-lived-graceful-restart",
      families: [
        { afi: 1, safi: 1, forwarding: true, staleSeconds: 3600 },
        { afi: 2, safi: 1, forwarding: false, staleSeconds: 0xff_ffff },
      ],
    },
  ],
  ["FQDN", "4906 03 6e6f64 01 6c", { kind: "fqdn", host: octets("6e6f64"), domain: octets("6c") }],
  ["BFD strict mode", "4a00", { kind: "bfd-strict" }],
  ["software version", "4b05 04 62697264", { kind: "software-version", version: octets("62697264") }],
  ["link-local next hop", "4d00", { kind: "link-local-next-hop" }],
];

describe("a capability", () => {
  for (const [name, text, capability] of CAPABILITIES) {
    it(`is read and written: ${name}`, () => {
      expect(decode(text)).toEqual([capability]);
      expect(hexOf(encodeCapabilities([capability]))).toBe(hexOf(octets(text)));
    });
  }

  it.each([
    ["multiprotocol of 3", "0103 000100"],
    ["extended next hop of 5", "0505 0001000100"],
    ["role of none", "0900"],
    ["role of two", "0902 0303"],
    ["graceful restart of 1", "4001 00"],
    ["graceful restart of 5", "4005 0078 000101"],
    ["ADD-PATH of 3", "4503 000101"],
    ["long-lived graceful restart of 6", "4706 000101800001"],
    ["FQDN of none", "4900"],
    ["FQDN whose host passes its end", "4902 0261"],
    ["FQDN whose domain passes its end", "4904 0161 0261"],
    ["software version that passes its end", "4b02 0261"],
    ["software version of none", "4b00"],
    ["one that nobody knows", "fe01 00"],
  ])("of another length than registered is kept and means nothing: %s (BGP-5492-4-02)", (_name, text) => {
    expect(decode(`0200 ${text} 0200`)).toEqual([
      { kind: "route-refresh" },
      { kind: "unknown", code: octets(text)[0], value: octets(text).subarray(2) },
      { kind: "route-refresh" },
    ]);
  });

  it("that says all by being there is taken with content, which says nothing (BGP-5492-4-02)", () => {
    const kinds = ["route-refresh", "extended-message", "enhanced-route-refresh", "link-local-next-hop"];
    expect(decode("0201 ff 0601 ff 4602 ffff 4d01 00")).toEqual(kinds.map((kind) => ({ kind })));
  });

  it("of ADD-PATH ignores an entry without a direction that exists (BGP-7911-4-01)", () => {
    expect(decode("450c 0001 01 00 0002 01 01 0001 80 04")).toEqual([
      { kind: "add-path", families: [{ afi: 2, safi: 1, mode: "receive" }] },
    ]);
  });

  it("is never read past its parameter (BGP-5492-P-01)", () => {
    for (const text of ["02", "0201", "0104 000100", "0200 41", "41ff 00000001", "0900 0901"]) {
      expect(decode(text), text).toBeTypeOf("string");
    }
    const bytes = octets("0200 0104 0001 00 01");
    expect(decodeCapabilities(bytes, 0, 7, [])).toBe("capability 1 of 4 octets, 3 left");
  });

  it("stays as often as it comes (BGP-5492-4-03)", () => {
    expect(decode("0901 03 0901 03 0901 04")).toMatchObject([
      { role: "customer" },
      { role: "customer" },
      { role: "peer" },
    ]);
  });

  it("that is required and missing goes back in the NOTIFICATION (BGP-5492-3-02)", () => {
    const missing: Capability[] = [{ kind: "multiprotocol", afi: 2, safi: 1 }, { kind: "route-refresh" }];
    expect(notificationOf({ kind: "open.unsupported-capability", missing })).toMatchObject({
      code: 2,
      subcode: 7,
      data: octets("0104 00020001 0200"),
    });
  });

  it("with text of the peer is shown escaped (ROB-04)", () => {
    expect(shownText(octets("6e 1b5b324a 0a"))).toBe("n\\u{1b}[2J\\u{a}");
    expect(shownText(octets("ff6e"))).toBe("malformed text 0xff6e");
  });

  it("must fit the one octet of its length", () => {
    const tooLong: Capability = { kind: "unknown", code: 254, value: new Uint8Array(256) };
    expect(() => encodeCapabilities([tooLong])).toThrow(RangeError);
  });
});
