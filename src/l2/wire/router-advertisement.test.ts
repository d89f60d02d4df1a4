import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { routerFrame } from "../../../test/support/router-frame.ts";
import { macFromBytes } from "../../addr/mac.ts";
import { decodeRouterMessage, encodeRouterAdvertisement, encodeRouterSolicitation } from "./router-advertisement.ts";

const MAC = macFromBytes(Uint8Array.of(2, 0, 0, 0, 0, 1));
const SOURCE = "fe80::1";
const RA = encodeRouterAdvertisement(MAC);
const changed = (at: number, value: number): Uint8Array => {
  const message = RA.slice();
  message[at] = value;
  return message;
};
/** What zebra sends on an unnumbered interface: lifetime 0, interval and link-layer options. */
const ZEBRA = Uint8Array.from([
  ...[134, 0, 0, 0, 64, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  ...[7, 1, 0, 0, 0, 0, 0x27, 0x10],
  ...[1, 1, 2, 0, 0, 0, 0, 1],
]);

describe("router advertisements", () => {
  it("offer nothing: no lifetime, no prefix, no flag, our link-layer address alone (UNN-03, UNN-11)", () => {
    expect([...RA]).toEqual([134, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 1]);
    expect(decodeRouterMessage(routerFrame(RA, { source: SOURCE }))).toEqual({
      type: "advertisement",
      source: SOURCE,
      lifetimeSeconds: 0,
      mac: MAC,
    });
  });

  it("of FRR are read, and options that mean nothing here are passed over (UNN-03)", () => {
    expect(decodeRouterMessage(routerFrame(ZEBRA, { source: SOURCE }))).toMatchObject({ source: SOURCE, mac: MAC });
  });

  it("say how long they are good for, and need no option", () => {
    const message = RA.slice(0, 16);
    message[6] = 0x07;
    message[7] = 0x08;
    expect(decodeRouterMessage(routerFrame(message, { source: SOURCE }))).toMatchObject({
      lifetimeSeconds: 1800,
      mac: null,
    });
  });

  it.each<[string, Uint8Array]>([
    ["another hop limit than 255", routerFrame(RA, { source: SOURCE, hopLimit: 254 })],
    ["a source that is not link-local", routerFrame(RA, { source: "2001:db8::1" })],
    ["no source", routerFrame(RA, { source: "::" })],
    ["another next header", routerFrame(RA, { source: SOURCE, nextHeader: 0 })],
    ["another type", routerFrame(changed(0, 136), { source: SOURCE })],
    ["another code than 0", routerFrame(changed(1, 1), { source: SOURCE })],
    ["less than 16 octets", routerFrame(RA.slice(0, 15), { source: SOURCE })],
    ["an option without length", routerFrame(changed(17, 0), { source: SOURCE })],
    ["an option that is longer than the message", routerFrame(changed(17, 2), { source: SOURCE })],
    ["a wrong checksum", routerFrame(RA, { source: SOURCE }).with(56, 0xff)],
    ["another version than 6", routerFrame(RA, { source: SOURCE }).with(14, 0x40)],
    ["another protocol than IPv6", routerFrame(RA, { source: SOURCE }).with(13, 0)],
  ])("with %s are discarded (UNN-01)", (_, frame) => {
    expect(decodeRouterMessage(frame)).toBeNull();
  });

  it("cut at any octet are discarded, and padding behind them is no part of them (UNN-01)", () => {
    const frame = routerFrame(RA, { source: SOURCE });
    for (let length = 0; length < frame.length; length++) {
      expect(decodeRouterMessage(frame.subarray(0, length)), String(length)).toBeNull();
    }
    expect(decodeRouterMessage(Uint8Array.from([...frame, 9, 9, 9]))).not.toBeNull();
  });

  it("and any other octets never throw", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (frame) => void decodeRouterMessage(frame)));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.constantFrom(133, 134), (body, type) => {
        decodeRouterMessage(routerFrame(Uint8Array.from([type, 0, 0, 0, ...body]), { source: SOURCE }));
      }),
      { numRuns: 2000 },
    );
  });
});

describe("router solicitations", () => {
  const RS = encodeRouterSolicitation(MAC);
  it("are read from a host with and without an address (UNN-02)", () => {
    expect(decodeRouterMessage(routerFrame(RS, { source: SOURCE }))).toEqual({ type: "solicitation", source: SOURCE });
    expect(decodeRouterMessage(routerFrame(RS.slice(0, 8), { source: "::" }))).toMatchObject({ type: "solicitation" });
  });
  it.each<[string, Uint8Array]>([
    ["from nowhere with a link-layer address", routerFrame(RS, { source: "::" })],
    ["of less than eight octets", routerFrame(RS.slice(0, 7), { source: SOURCE })],
    ["with another hop limit than 255", routerFrame(RS, { source: SOURCE, hopLimit: 64 })],
    ["with an option without length", routerFrame(RS.with(9, 0), { source: SOURCE })],
  ])("%s are discarded (UNN-02)", (_, frame) => {
    expect(decodeRouterMessage(frame)).toBeNull();
  });
});
