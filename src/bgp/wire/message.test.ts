import { describe, expect, it } from "vitest";
import { ip, type Ipv4, type Ipv6 } from "../../addr/ip.ts";
import { parsePrefix, type Prefix } from "../../addr/prefix.ts";
import { Asn } from "./asn.ts";
import { frame } from "./framing.ts";
import { decodeMessage, encodeMessage, type Message, REFRESH_SUBTYPE } from "./message.ts";
import { encodeShutdownText } from "./shown-text.ts";
import type { UpdateContext } from "./path-attributes.ts";
import { EXTERNAL, hexOf, INTERNAL, messageOf, octets } from "./test-support.ts";

const prefix = (value: string): Prefix => parsePrefix(value)!;
const MARKER = "ff".repeat(16);
const identifier = ip("192.0.2.10") as Ipv4;
const asn = Asn.of(4_200_000_001);
const families = (forwarding: boolean) => [
  { afi: 1, safi: 1, forwarding },
  { afi: 2, safi: 1, forwarding },
];

const golden: readonly {
  name: string;
  bytes: string;
  context?: UpdateContext;
  message: Message;
  oneWay?: true;
  ids?: string;
}[] = [
  {
    name: "an OPEN with capabilities known and unknown",
    ids: " (BGP-4271-4.2-01, BGP-4724-3-01)",
    bytes:
      "0043 01 04 5ba0 005a c000020a 26 0224 010400010001 010400020001 0200 0600 4104fa56ea01 4600 400a40780001018000020180",
    message: {
      type: "open",
      twoOctetAs: 23_456,
      holdTimeSeconds: 90,
      identifier,
      capabilities: [
        { kind: "multiprotocol", afi: 1, safi: 1 },
        { kind: "multiprotocol", afi: 2, safi: 1 },
        { kind: "route-refresh" },
        { kind: "extended-message" },
        { kind: "four-octet-as", asn },
        { kind: "enhanced-route-refresh" },
        {
          kind: "graceful-restart",
          restarting: false,
          notification: true,
          restartTimeSeconds: 120,
          families: families(true),
        },
      ],
    },
  },
  {
    name: "an OPEN in the extended form, which is only read",
    ids: " (BGP-9072-2-01)",
    bytes: "0029 01 04 fc00 0009 c000020a ff ff 0009 02 0006 0104 0001 00 01",
    oneWay: true,
    message: {
      type: "open",
      twoOctetAs: 64_512,
      holdTimeSeconds: 9,
      identifier,
      capabilities: [{ kind: "multiprotocol", afi: 1, safi: 1 }],
    },
  },
  { name: "a KEEPALIVE", bytes: "0013 04", message: { type: "keepalive" } },
  {
    name: "an UPDATE to another AS with two routes and communities",
    ids: " (BGP-4271-4.3-01)",
    bytes:
      "004b 02 0000 002a 40010100 4002060201fa56ea01 400304c000020a c00804fde80064 c0200cfa56ea010000000100000002 20c6336407 20c6336408",
    message: {
      type: "update",
      withdrawn: [],
      attributes: {
        origin: 0,
        asPath: [asn],
        nextHop: identifier,
        communities: [0xfde8_0064],
        largeCommunities: [[4_200_000_001, 1, 2]],
      },
      opaque: [],
      nlri: [prefix("198.51.100.7/32"), prefix("198.51.100.8/32")],
    },
  },
  {
    name: "a withdrawal of an IPv4 route",
    bytes: "001c 02 0005 20c6336407 0000",
    message: { type: "update", withdrawn: [prefix("198.51.100.7/32")], attributes: {}, opaque: [], nlri: [] },
  },
  {
    name: "an UPDATE inside the AS with an IPv6 route and two next hops",
    ids: " (BGP-4760-3-01, BGP-4760-3-02, BGP-2545-3-01)",
    bytes:
      "005e 02 0000 0047 800e36 0002 01 20 20010db800000000000000000000000a fe80000000000000000000000000000a 00 8020010db8000700000000000000000001 40010100 400200 40050400000064",
    context: INTERNAL,
    message: {
      type: "update",
      withdrawn: [],
      attributes: {
        origin: 0,
        asPath: [],
        localPref: 100,
        mpReach: {
          family: "ipv6-unicast",
          nextHop: ip("2001:db8::a"),
          linkLocal: ip("fe80::a") as Ipv6,
          prefixes: [prefix("2001:db8:7::1/128")],
        },
      },
      opaque: [],
      nlri: [],
    },
  },
  {
    name: "a withdrawal of an IPv6 route",
    ids: " (BGP-4760-4-01)",
    bytes: "002e 02 0000 0017 800f14 0002 01 8020010db8000700000000000000000001",
    message: {
      type: "update",
      withdrawn: [],
      attributes: { mpUnreach: { family: "ipv6-unicast", prefixes: [prefix("2001:db8:7::1/128")] } },
      opaque: [],
      nlri: [],
    },
  },
  {
    name: "the End-of-RIB of IPv4",
    ids: " (BGP-7606-5.2-02)",
    bytes: "0017 02 0000 0000",
    message: { type: "update", withdrawn: [], attributes: {}, opaque: [], nlri: [] },
  },
  {
    name: "the End-of-RIB of IPv6",
    ids: " (BGP-7606-5.2-02)",
    bytes: "001d 02 0000 0006 800f03 0002 01",
    message: {
      type: "update",
      withdrawn: [],
      attributes: { mpUnreach: { family: "ipv6-unicast", prefixes: [] } },
      opaque: [],
      nlri: [],
    },
  },
  {
    name: "a NOTIFICATION with a shutdown text",
    ids: " (BGP-9003-2-01)",
    bytes: "0021 03 06 02 0b 6e6f646520647261696e2e",
    message: { type: "notification", code: 6, subcode: 2, data: encodeShutdownText("node drain.") },
  },
  {
    name: "an IPv4 route with an IPv6 next hop",
    ids: " (BGP-8950-3-01)",
    context: { ...EXTERNAL, extendedNextHop: true },
    bytes:
      "0041 02 0000 002a 800e1a 0001 01 10 20010db800000000000000000000000a 00 20c6336407 40010100 40020602010000fc00",
    message: {
      type: "update",
      withdrawn: [],
      attributes: {
        origin: 0,
        asPath: [Asn.of(64_512)],
        mpReach: {
          family: "ipv4-unicast",
          nextHop: ip("2001:db8::a"),
          prefixes: [prefix("198.51.100.7/32")],
        },
      },
      opaque: [],
      nlri: [],
    },
  },
  {
    name: "a hard reset that wraps another cease",
    ids: " (BGP-8538-3-02)",
    bytes: "0017 03 06 09 06 03",
    message: { type: "notification", code: 6, subcode: 9, data: Uint8Array.of(6, 3) },
  },
  {
    name: "a ROUTE-REFRESH for IPv6",
    ids: " (BGP-2918-3-01)",
    bytes: "0017 05 0002 00 01",
    message: { type: "route-refresh", afi: 2, subtype: 0, safi: 1 },
  },
  {
    name: "the beginning of an enhanced route refresh",
    bytes: "0017 05 0001 01 01",
    message: { type: "route-refresh", afi: 1, subtype: 1, safi: 1 },
  },
];

describe("messages and their octets", () => {
  for (const { name, bytes, context = EXTERNAL, message, ids = "" } of golden) {
    const wire = octets(MARKER + bytes);
    it(`reads ${name}${ids}`, () => {
      expect(frame(wire)).toEqual({ kind: "message", bytes: wire });
      expect(decodeMessage(wire, context)).toEqual({ kind: "message", message, faults: [] });
    });
  }
  for (const { name, bytes, context = EXTERNAL, message } of golden.filter((one) => !one.oneWay)) {
    it(`writes ${name}`, () => expect(hexOf(encodeMessage(message, context))).toBe(hexOf(octets(MARKER + bytes))));
  }
});

describe("a ROUTE-REFRESH", () => {
  const enhanced: UpdateContext = { ...EXTERNAL, enhancedRouteRefresh: true };
  const refresh = (body: string, context = enhanced) => decodeMessage(messageOf(5, body), context);

  it("that marks a beginning or an end has four octets, and nothing behind (BGP-7313-5-01)", () => {
    for (const subtype of ["01", "02"]) {
      const wire = messageOf(5, `0001 ${subtype} 01 00`);
      expect(decodeMessage(wire, enhanced)).toEqual({
        kind: "fault",
        fault: { kind: "route-refresh.bad-length", message: wire },
      });
      expect(decodeMessage(wire, EXTERNAL)).toMatchObject({ kind: "message", message: { afi: 1, safi: 1 } });
    }
  });

  it("that asks may have more behind, which is ignored (BGP-7313-5-01, BGP-2918-3-01)", () => {
    expect(refresh("0001 00 01 0a0b0c")).toMatchObject({
      message: { afi: 1, subtype: REFRESH_SUBTYPE.request, safi: 1 },
    });
  });

  it("of a subtype that nobody knows is no fault (BGP-7313-4-04)", () => {
    expect(refresh("0002 09 01")).toMatchObject({ message: { afi: 2, subtype: 9, safi: 1 } });
    expect(refresh("0002 ff 01 00")).toMatchObject({ kind: "message" });
  });
});

describe("a message of a type that framing does not let through", () => {
  it("is a fault all the same (BGP-4271-6.1-04)", () => {
    expect(decodeMessage(messageOf(6, ""), EXTERNAL)).toEqual({
      kind: "fault",
      fault: { kind: "header.bad-type", type: 6 },
    });
  });
});
