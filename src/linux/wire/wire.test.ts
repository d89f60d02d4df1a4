import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ip, type IpAddress, ipFromBytes } from "../../addr/ip.ts";
import { prefixOf } from "../../addr/prefix.ts";
import { Truncated } from "../../base/bytes.ts";
import { type AddressMessage, decodeAddress, encodeAddress } from "./address.ts";
import { decodeLink, encodeLink, type LinkMessage } from "./link.ts";
import { decodeMessages, decodeOutcome, encodeMessage, type NetlinkMessage } from "./message.ts";
import { decodeRoute, encodeRoute, encodeRouteQuery, type RouteMessage } from "./route.ts";

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));

/** Recorded from Linux 6.18 where it says so; the rest is written after the headers of linux/rtnetlink.h. */
describe("netlink messages", () => {
  it("frames a message: length, type, flags, sequence, port, payload padded to four", () => {
    const message = { type: 20, flags: 0x605, sequence: 7, payload: hex("0a0b0c") };
    const bytes = encodeMessage(message);
    expect(bytes).toEqual(hex("13000000 1400 0506 07000000 00000000 0a0b0c 00"));
    expect(decodeMessages(bytes)).toEqual([message]);
  });

  it("encodes an IPv4 address with label, protocol and lifetime, and reads it back", () => {
    const message: AddressMessage = {
      interfaceIndex: 3,
      address: ip("10.0.0.100"),
      prefixLength: 32,
      flags: 0,
      scope: 254,
      protocol: 200,
      label: "e0:vc",
      lifetime: { preferredSeconds: 0, validSeconds: 0xffff_ffff },
    };
    const bytes = encodeAddress(message);
    expect(bytes).toEqual(
      hex(`02 20 00 fe 03000000
        0800 0100 0a000064   0800 0200 0a000064   0a00 0300 65303a7663 00 0000
        0500 0b00 c8 000000   1400 0600 00000000 ffffffff 00000000 00000000`),
    );
    expect(decodeAddress(bytes)).toEqual(message);
  });

  it("encodes an IPv6 address without duplicate address detection, and reads it back", () => {
    const message: AddressMessage = {
      interfaceIndex: 2,
      address: ip("fd00::1"),
      prefixLength: 128,
      flags: 0x02,
      scope: 0,
      protocol: 0,
      label: "",
      lifetime: null,
    };
    const bytes = encodeAddress(message);
    expect(bytes).toEqual(
      hex(`0a 80 02 00 02000000
        1400 0100 fd000000000000000000000000000001   1400 0200 fd000000000000000000000000000001
        0800 0800 02000000`),
    );
    expect(decodeAddress(bytes)).toEqual(message);
  });

  it("takes the local address of a point-to-point link, not the peer's", () => {
    const bytes = hex("02 20 80 00 05000000  0800 0100 0a000002  0800 0200 0a000001");
    expect(decodeAddress(bytes)).toMatchObject({ address: "10.0.0.1", flags: 0x80 });
  });

  it("passes over addresses and routes of other families", () => {
    expect(decodeAddress(hex("80 20 00 00 05000000"))).toBeNull();
    expect(decodeRoute(hex("80 20 00 00 fe 00 00 01 00000000"))).toBeNull();
  });

  it("encodes a route with one gateway, and reads it back", () => {
    const route: RouteMessage = {
      prefix: prefixOf(ip("10.96.0.10"), 32),
      table: 1000,
      protocol: 202,
      scope: 0,
      type: 1,
      flags: 0,
      priority: 20,
      nextHops: [{ via: ip("10.0.0.2"), interfaceIndex: 2 }],
    };
    const bytes = encodeRoute(route);
    expect(bytes).toEqual(
      hex(`02 20 00 00 fc ca 00 01 00000000
        0800 0100 0a60000a   0800 0f00 e8030000   0800 0600 14000000
        0800 0400 02000000   0800 0500 0a000002`),
    );
    expect(decodeRoute(bytes)).toEqual(route);
  });

  it("encodes a multipath route with an IPv6 next hop for IPv4, and reads it back", () => {
    const route: RouteMessage = {
      prefix: prefixOf(ip("10.96.0.0"), 24),
      table: 254,
      protocol: 202,
      scope: 0,
      type: 1,
      flags: 0,
      priority: 0,
      nextHops: [{ via: ip("10.0.0.2") }, { via: ip("fe80::1"), interfaceIndex: 4 }],
    };
    const bytes = encodeRoute(route);
    expect(bytes).toEqual(
      hex(`02 18 00 00 fe ca 00 01 00000000
        0800 0100 0a600000   0800 0f00 fe000000
        3400 0900
          1000 00 00 00000000  0800 0500 0a000002
          2000 00 00 04000000  1600 1200 0a00 fe800000000000000000000000000001 0000`),
    );
    expect(decodeRoute(bytes)).toEqual(route);
  });

  it("asks for one table and protocol only", () => {
    expect(encodeRouteQuery(6, 254, 202)).toEqual(hex("0a 00 00 00 fe ca 00 00 00000000  0800 0f00 fe000000"));
  });

  it("reads a default route, which has no destination", () => {
    const bytes = hex("0a 00 00 00 fe 09 00 01 00000000  0800 0400 02000000");
    expect(decodeRoute(bytes)).toMatchObject({ prefix: "::/0", table: 254, nextHops: [{ interfaceIndex: 2 }] });
  });

  it("reads a link with nested IPv6 configuration", () => {
    const link: LinkMessage = {
      index: 4,
      name: "eth0",
      hardwareType: 1,
      flags: 0x1_1043,
      operState: 6,
      hardwareAddress: hex("02fc00000001"),
      forwardsIpv6: true,
    };
    const bytes = encodeLink(link);
    expect(bytes).toEqual(
      hex(`0000 0100 04000000 43100100 00000000
        0900 0300 6574683000 000000   0500 1000 06 000000   0a00 0100 02fc00000001 0000
        1000 1a00  0c00 0a00  0800 0200 01000000`),
    );
    expect(decodeLink(bytes)).toEqual(link);
  });

  it("reads an acknowledgement, and a refusal that repeats the request before the kernel's words", () => {
    const base = { type: 2, sequence: 1 };
    expect(decodeOutcome({ ...base, flags: 0, payload: hex("00000000") })).toEqual({ errno: 0, explanation: null });
    const repeated = hex("ea ff ff ff  14000000 1800 0506 01000000 00000000  deadbeef  0700 0100 6e6f00 00");
    expect(decodeOutcome({ ...base, flags: 0x200, payload: repeated })).toEqual({ errno: 22, explanation: "no" });
  });
});

const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const address = fc.oneof(octets(4), octets(16)).map((bytes): IpAddress => ipFromBytes(bytes));
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const octet = fc.integer({ min: 0, max: 255 });
const index = fc.integer({ min: 1, max: 0x7fff_ffff });
const name = fc.stringMatching(/^[a-z0-9.:-]{1,15}$/);

const anAddress: fc.Arbitrary<AddressMessage> = fc
  .record({
    interfaceIndex: index,
    address,
    prefixLength: fc.integer({ min: 0, max: 128 }),
    flags: u32,
    scope: octet,
    protocol: octet,
    label: fc.oneof(fc.constant(""), name),
    lifetime: fc.option(fc.record({ preferredSeconds: u32, validSeconds: u32 })),
  })
  .map((message) => (message.address.includes(":") ? { ...message, label: "" } : message));

const aRoute: fc.Arbitrary<RouteMessage> = fc
  .record({
    address,
    length: fc.integer({ min: 0, max: 32 }),
    table: u32,
    protocol: octet,
    scope: octet,
    type: octet,
    flags: u32,
    priority: u32,
    nextHops: fc.array(fc.oneof(fc.record({ via: address }), fc.record({ via: address, interfaceIndex: index })), {
      maxLength: 20,
    }),
  })
  .map(({ address, length, ...rest }) => ({ ...rest, prefix: prefixOf(address, length) }));

const aLink: fc.Arbitrary<LinkMessage> = fc.record({
  index,
  name,
  hardwareType: fc.integer({ min: 0, max: 0xffff }),
  flags: u32,
  operState: octet,
  hardwareAddress: fc.uint8Array({ maxLength: 20 }),
  forwardsIpv6: fc.option(fc.boolean()),
});

const aMessage: fc.Arbitrary<NetlinkMessage> = fc.record({
  type: fc.integer({ min: 0, max: 0xffff }),
  flags: fc.integer({ min: 0, max: 0xffff }),
  sequence: u32,
  payload: fc.uint8Array({ maxLength: 300 }),
});

describe("any netlink message", () => {
  it("comes back as it was encoded", () => {
    fc.assert(
      fc.property(anAddress, (message) => {
        expect(decodeAddress(encodeAddress(message))).toEqual(message);
      }),
    );
    fc.assert(
      fc.property(aRoute, (route) => {
        expect(decodeRoute(encodeRoute(route))).toEqual(route);
      }),
    );
    fc.assert(
      fc.property(aLink, (link) => {
        expect(decodeLink(encodeLink(link))).toEqual(link);
      }),
    );
    fc.assert(
      fc.property(fc.array(aMessage), (messages) => {
        expect(decodeMessages(new Uint8Array(Buffer.concat(messages.map(encodeMessage))))).toEqual(messages);
      }),
    );
  });

  /** A valid payload with some octets changed, perhaps cut short; or plain noise. */
  const damaged = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc
      .tuple(
        fc.oneof(
          anAddress.map(encodeAddress),
          aRoute.map(encodeRoute),
          aLink.map(encodeLink),
          aMessage.map(encodeMessage),
        ),
        fc.array(fc.tuple(fc.nat(), octet), { maxLength: 4 }),
        fc.option(fc.nat()),
      )
      .map(([bytes, changes, cut]) => {
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        return cut === null ? bytes : bytes.subarray(0, cut % bytes.length);
      }),
  );

  for (const [what, decode] of [
    ["address", decodeAddress],
    ["route", decodeRoute],
    ["link", decodeLink],
    ["datagram", decodeMessages],
    ["outcome", (payload: Uint8Array) => decodeOutcome({ type: 2, flags: 0x200, sequence: 0, payload })],
  ] as const) {
    it(`gives a value or says that it is malformed, whatever the octets (${what})`, () => {
      fc.assert(
        fc.property(damaged, (bytes) => {
          try {
            decode(bytes);
          } catch (error) {
            if (!(error instanceof Truncated) && !(error instanceof RangeError)) throw error;
          }
        }),
        { numRuns: 2000 },
      );
    });
  }
});
