import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bfdMillis, parsePeerText } from "./peer-text.ts";

const bfd = { enabled: false, receive: null, transmit: null, multiplier: null };
const plain = { zone: null, password: null, multihop: false, port: 179, mpbgp: null, bfd: null };

describe("kube-vip's text for a peer", () => {
  it.each([
    ["192.0.2.1:65001", { ...plain, address: "192.0.2.1", as: 65001 }],
    ["192.0.2.1:65001::false", { ...plain, address: "192.0.2.1", as: 65001 }],
    ["192.0.2.1:65001:secret:true", { ...plain, address: "192.0.2.1", as: 65001, password: "secret", multihop: true }],
    ["192.0.2.1:65001:::1179", { ...plain, address: "192.0.2.1", as: 65001, port: 1179 }],
    ["[2001:db8::1]:4200000000", { ...plain, address: "2001:db8::1", as: 4_200_000_000 }],
    [
      "[2001:db8::1]:65001:p[w:T:180",
      { ...plain, address: "2001:db8::1", as: 65001, password: "p[w", multihop: true, port: 180 },
    ],
    ["[fe80::1%eth0]:65001", { ...plain, address: "fe80::1", zone: "eth0", as: 65001 }],
    [
      "10.0.0.1:65001::false::mpbgp_nexthop=auto_sourceif:true;300000;300000;3",
      {
        ...plain,
        address: "10.0.0.1",
        as: 65001,
        mpbgp: { nextHop: "auto_sourceif", ipv4: null, ipv6: null },
        bfd: { enabled: true, receive: 300_000, transmit: 300_000, multiplier: 3 },
      },
    ],
    [
      "10.0.0.1:65001::::mpbgp_nexthop=fixed;mpbgp_ipv4=10.0.0.9;mpbgp_ipv6=[2001:db8::9]",
      { ...plain, address: "10.0.0.1", as: 65001, mpbgp: { nextHop: "fixed", ipv4: "10.0.0.9", ipv6: "2001:db8::9" } },
    ],
    ["10.0.0.1:65001:::::false;;;", { ...plain, address: "10.0.0.1", as: 65001, bfd }],
    ["unnumbered:eth0", { ...plain, address: null, zone: "eth0", as: "external" }],
    ["unnumbered:eth0:65001", { ...plain, address: null, zone: "eth0", as: 65001 }],
    ["unnumbered:eth0::pw", { ...plain, address: null, zone: "eth0", as: "external", password: "pw" }],
    ["10.0.0.1:65001:::::true;;;", { ...plain, address: "10.0.0.1", as: 65001, bfd: { ...bfd, enabled: true } }],
  ])("%s is understood", (text, peer) => {
    expect(parsePeerText(text)).toEqual(peer);
  });

  it.each([
    ["192.0.2.1", /needs an AS number/],
    ["192.0.2.1:", /needs an AS number/],
    ["192.0.2.1:AS1", /needs an AS number/],
    [":65001", /begin with an address/],
    ["2001:db8::1:65001", /brackets/],
    ["fd00::1:65001", /brackets/],
    ["192.0.2.1:1:pass:maybe", /fourth field/],
    ["192.0.2.1:1:::x", /fifth field/],
    ["10.0.0.1:65001::false:mpbgp_nexthop=fixed", /one more colon/],
    ["10.0.0.1:65001::false::mpbgp_nexthp=fixed", /did you mean mpbgp_nexthop/],
    ["10.0.0.1:65001::false:::true", /BFD/],
    ["10.0.0.1:65001::false:::true;1;2;3;4", /BFD/],
    ["10.0.0.1:65001::false::::8", /more than seven/],
    ["unnumbered:eth0:x", /needs an AS number/],
    ["10.0.0.1:65001::false:::true;-1;2;3", /BFD/],
  ])("%s is refused with advice", (text, advice) => {
    expect(parsePeerText(text)).toEqual({ problem: expect.stringMatching(advice) });
  });

  it("a password with a colon does not appear in the message", () => {
    expect(JSON.stringify(parsePeerText("192.0.2.1:1:se:cret"))).not.toContain("cret");
    expect(JSON.stringify(parsePeerText("192.0.2.1:1:se:true:cret"))).not.toContain("cret");
  });

  it("what a comma cut off from a password does not appear in the message", () => {
    expect(JSON.stringify(parsePeerText("cret"))).not.toContain("cret");
  });

  it("any text is a peer or a problem", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9a-f:.[\];=%mpbg_T,]*$/), (text) => {
        const parsed = parsePeerText(text);
        if (!("problem" in parsed))
          expect((parsed.as === "external" || Number.isInteger(parsed.as)) && parsed.port <= 99_999).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it("numbers of BFD below 1000 are milliseconds, others microseconds as kube-vip hands them on", () => {
    expect([50, 300, 999, 1000, 300_000, 1_000_000].map(bfdMillis)).toEqual([50, 300, 999, 1, 300, 1000]);
  });
});
