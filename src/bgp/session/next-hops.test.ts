import { describe, expect, it } from "vitest";
import { ip, type IpAddress, type Ipv4, type Ipv6 } from "../../addr/ip.ts";
import { hostPrefix } from "../../addr/prefix.ts";
import { Asn } from "../wire/asn.ts";
import { chooseNextHop } from "./next-hops.ts";
import type { PeerConfig } from "./peer-config.ts";

const PEER: PeerConfig = {
  name: "r1",
  address: ip("10.0.0.254"),
  port: 179,
  asn: Asn.of(65_000),
  passive: false,
  ttl: 1,
  holdTimeSeconds: 9,
  connectRetrySeconds: 5,
  families: ["ipv4-unicast", "ipv6-unicast"],
};
const choose = (
  family: 4 | 6,
  session: string,
  others: readonly string[],
  change: Partial<PeerConfig> = {},
  announced: readonly string[] = [],
  globalOnly = false,
) =>
  chooseNextHop({ ...PEER, ...change }, family === 4 ? "ipv4-unicast" : "ipv6-unicast", {
    sessionAddress: ip(session),
    others: others.map((text): IpAddress => ip(text)),
    announced: new Set(announced.map((text) => hostPrefix(ip(text)))),
    globalOnly,
  });

describe("chooseNextHop", () => {
  it("is our end of the session for its own family (BGP-4271-5.1.3-01, BGP-4271-5.1.3-03)", () => {
    expect(choose(4, "10.0.0.1", ["10.0.0.9"])).toEqual({ address: "10.0.0.1" });
    expect(choose(6, "2001:db8::1", ["2001:db8::9"])).toEqual({ address: "2001:db8::1" });
  });

  it("is an address on the same interface for the other family, and none of what is announced (BGP-2545-2-01)", () => {
    expect(choose(6, "10.0.0.1", ["fe80::1", "2001:db8::7", "2001:db8::1"], { ttl: 64 }, ["2001:db8::7"])).toEqual({
      address: "2001:db8::1",
    });
    expect(choose(4, "2001:db8::1", ["169.254.0.1", "10.0.0.1"])).toEqual({ address: "10.0.0.1" });
  });

  it("has the link-local address beside it on a link that we share with the peer, and nowhere else (BGP-2545-3-02)", () => {
    const both = { address: "2001:db8::1", linkLocal: "fe80::1" };
    expect(choose(6, "2001:db8::1", ["fe80::1"])).toEqual(both);
    expect(choose(6, "fe80::1", ["2001:db8::1"])).toEqual(both);
    expect(choose(6, "fe80::1", [])).toEqual({ address: "fe80::1" });
    expect(choose(6, "2001:db8::1", ["fe80::1"], { ttl: 50 })).toEqual({ address: "2001:db8::1" });
  });

  it("is the global address alone for a peer that refused more, and the link-local one where there is no other", () => {
    expect(choose(6, "2001:db8::1", ["fe80::1"], {}, [], true)).toEqual({ address: "2001:db8::1" });
    expect(choose(6, "fe80::1", [], {}, [], true)).toEqual({ address: "fe80::1" });
  });

  it("is what is configured, before all else", () => {
    const nextHop = { ipv4: ip("192.0.2.1") as Ipv4, ipv6: ip("2001:db8:1::1") as Ipv6 };
    expect(choose(4, "10.0.0.1", [], { nextHop })).toEqual({ address: "192.0.2.1" });
    expect(choose(6, "10.0.0.1", ["fe80::1"], { nextHop })).toEqual({ address: "2001:db8:1::1" });
  });

  it("is none where there is no address, and none that is the peer's own (BGP-2545-2-01, BGP-4271-5.1.3-02)", () => {
    const missing = (word: string, session: string) => ({
      reason: `no ${word} address for the next hop on the interface with ${session}; configure one`,
    });
    expect(choose(6, "10.0.0.1", ["10.0.0.9"])).toEqual(missing("IPv6", "10.0.0.1"));
    expect(choose(4, "2001:db8::1", ["169.254.0.1"])).toEqual(missing("IPv4", "2001:db8::1"));
    expect(choose(6, "fe80::1", [], { ttl: 64 })).toEqual(missing("IPv6", "fe80::1"));
    expect(choose(4, "10.0.0.1", [], { nextHop: { ipv4: ip("10.0.0.254") as Ipv4 } })).toEqual({
      reason: "the next hop 10.0.0.254 is the peer's own address",
    });
  });
});
