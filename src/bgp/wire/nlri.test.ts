import { describe, expect, it } from "vitest";
import { ip } from "../../addr/ip.ts";
import { parsePrefix } from "../../addr/prefix.ts";
import { Writer } from "../../base/bytes.ts";
import { isUnicastHost, prefixProblem, prefixSize, writePrefix } from "./nlri.ts";

describe("prefixes", () => {
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

  it("are judged by whether a route to them makes sense (RFC 4271 §6.3)", () => {
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

  it("have next hops that a packet can be sent to", () => {
    const hosts = ["10.0.0.1", "223.255.255.254", "2001:db8::1", "fe80::1"];
    const others = ["0.0.0.0", "0.0.0.1", "127.0.0.1", "224.0.0.1", "255.255.255.255", "::", "::1", "ff02::1"];
    expect(hosts.filter((text) => !isUnicastHost(ip(text)))).toEqual([]);
    expect(others.filter((text) => isUnicastHost(ip(text)))).toEqual([]);
  });
});
