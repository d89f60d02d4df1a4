import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ipFromBytes, ipToBytes, ipv6At, parseIp } from "./ip.ts";

describe("an IPv6 address", () => {
  it.each([
    ["0:0:0:0:0:0:0:0", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["1:0:0:0:0:0:0:0", "1::"],
    ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["0:0:1:2:3:4:5:6", "::1:2:3:4:5:6"],
    ["1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"],
    ["0:1:2:3:4:5:6:0", "0:1:2:3:4:5:6:0"],
    ["fe80:0:0:0:a00:ff:fe00:ab", "fe80::a00:ff:fe00:ab"],
  ])("%s is written as %s (RFC 5952)", (text, canonical) => expect(parseIp(text)).toBe(canonical));

  it("is the same in octets and in text, wherever its octets are", () => {
    const group = fc.oneof(fc.constant(0), fc.nat(0xffff), fc.nat(255));
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), fc.nat(9), (groups, at) => {
        const octets = groups.flatMap((value) => [value >> 8, value & 0xff]);
        const text = ipFromBytes(Uint8Array.from(octets));
        expect([...ipToBytes(text)]).toEqual(octets);
        expect(ipv6At(Uint8Array.of(...Array.from({ length: at }, () => 0xff), ...octets), at)).toBe(text);
        expect(parseIp(groups.map((value) => value.toString(16)).join(":"))).toBe(text);
      }),
    );
  });
});
