import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ipFromBytes } from "../../addr/ip.ts";
import { parsePrefix, type Prefix, prefixOf } from "../../addr/prefix.ts";
import { Writer } from "../../base/bytes.ts";
import type { AddressFamily } from "./families.ts";
import { prefixProblem, prefixSize, readPrefixes, writePrefix } from "./nlri.ts";

describe("prefixes", () => {
  it("are read as they were written, whatever their length (BGP-4271-4.3-02, BGP-4271-4.3-03)", () => {
    const octet = fc.integer({ min: 0, max: 255 });
    const of = (family: AddressFamily, size: 4 | 16) =>
      fc.property(fc.tuple(...Array.from({ length: size }, () => octet)), fc.nat(size * 8), (address, length) => {
        const prefix = prefixOf(ipFromBytes(Uint8Array.from(address)), length);
        const out = new Writer();
        writePrefix(prefix, out);
        const bytes = out.finish();
        const clean: Prefix[] = [];
        expect(readPrefixes(bytes, 0, bytes.length, family, clean, null)).toBeNull();
        // Bits beyond the length say nothing.
        if (length % 8 !== 0) bytes[bytes.length - 1]! |= 0xff >> (length % 8);
        const dirty: Prefix[] = [];
        readPrefixes(bytes, 0, bytes.length, family, dirty, null);
        expect([clean, dirty]).toEqual([[prefix], [prefix]]);
      });
    fc.assert(of("ipv4-unicast", 4), { numRuns: 300 });
    fc.assert(of("ipv6-unicast", 16), { numRuns: 300 });
  });

  it("take as many octets as they say", () => {
    for (const text of [
      "0.0.0.0/0",
      "10.0.0.0/8",
      "10.128.0.0/9",
      "198.51.100.7/32",
      "2001:db8::/33",
      "::/0",
      "::2/128",
    ]) {
      const out = new Writer();
      writePrefix(parsePrefix(text)!, out);
      expect(out.length, text).toBe(prefixSize(parsePrefix(text)!));
    }
  });

  it("are judged by whether a route to them makes sense (BGP-4271-6.3-01)", () => {
    for (const [text, problem] of [
      ["224.0.0.0/4", "multicast prefix"],
      ["239.1.1.1/32", "multicast prefix"],
      ["240.0.0.0/4", "class E prefix"],
      ["255.255.255.255/32", "class E prefix"],
      ["127.0.0.1/32", "loopback prefix"],
      ["0.0.0.0/8", "prefix of network zero"],
      ["0.1.2.3/32", "prefix of network zero"],
      ["ff02::1/128", "multicast prefix"],
      ["fe80::/10", "link-local prefix"],
      ["fe80::1/128", "link-local prefix"],
      ["::1/128", "loopback prefix"],
      ["0.0.0.0/0", null],
      ["0.0.0.0/1", null],
      ["128.0.0.0/1", null],
      ["192.0.2.0/24", null],
      ["::/0", null],
      ["fec0::/10", null],
      ["2001:db8::1/128", null],
    ] as const)
      expect(prefixProblem(parsePrefix(text)!), text).toBe(problem);
  });
});
