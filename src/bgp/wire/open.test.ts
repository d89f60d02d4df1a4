import { describe, expect, it } from "vitest";
import { ip, type Ipv4 } from "../../addr/ip.ts";
import { Asn } from "./asn.ts";
import type { Capability } from "./capabilities.ts";
import { notificationOf } from "./faults.ts";
import { decodeMessage, encodeMessage } from "./message.ts";
import { asnOfOpen, type Open } from "./open.ts";
import { EXTERNAL, hexOf, messageOf } from "./test-support.ts";

const HEAD = "04 fc00 005a c000020a";
const decode = (body: string) => decodeMessage(messageOf(1, body), EXTERNAL);
/** Code, subcode and data of the NOTIFICATION that such an OPEN gets. */
const refusal = (body: string): string => {
  const decoded = decode(body);
  if (decoded.kind !== "fault") throw new Error("not refused");
  const { code, subcode, data } = notificationOf(decoded.fault);
  return `${code}/${subcode} ${hexOf(data)}`.trim();
};
const openOf = (body: string): Open => {
  const decoded = decode(body);
  if (decoded.kind !== "message" || decoded.message.type !== "open") throw new Error("no OPEN");
  return decoded.message;
};
const capabilitiesOf = (parameters: string): readonly Capability[] => openOf(HEAD + parameters).capabilities;

describe("an OPEN", () => {
  it("may do without parameters", () => {
    const open = openOf(`${HEAD} 00`);
    expect(open).toEqual({
      type: "open",
      twoOctetAs: 64_512,
      holdTimeSeconds: 90,
      identifier: "192.0.2.10",
      capabilities: [],
    });
    expect(hexOf(encodeMessage(open, EXTERNAL))).toBe(hexOf(messageOf(1, `${HEAD} 00`)));
  });

  it("is refused for each fixed field that is out of range (BGP-4271-6.2-01, BGP-4271-6.2-03, BGP-4271-6.2-04, BGP-4271-6.2-08)", () => {
    expect(refusal("03 fc00 005a c000020a 00")).toBe("2/1 0004");
    expect(refusal("04 0000 005a c000020a 00")).toBe("2/2");
    expect(refusal("04 fc00 0001 c000020a 00")).toBe("2/6 0001");
    expect(refusal("04 fc00 0002 c000020a 00")).toBe("2/6 0002");
    expect(refusal("04 fc00 005a 00000000 00")).toBe("2/3");
  });

  it("may have an identifier that is no host address, and a hold time of 0 or 3 (BGP-6286-2.1-01, BGP-4271-4.2-03)", () => {
    expect(openOf("04 fc00 0000 ffffffff 00").identifier).toBe("255.255.255.255");
    expect(openOf("04 fc00 0003 e0000001 00").holdTimeSeconds).toBe(3);
  });

  it("is refused for a parameter that is not about capabilities (BGP-4271-6.2-05, BGP-9072-2-04)", () => {
    expect(refusal(`${HEAD} 04 01 02 0000`)).toBe("2/4");
    expect(refusal(`${HEAD} 06 02 00 ff 02 0000`)).toBe("2/4");
  });

  it("is refused when its parameters do not add up (BGP-4271-6.2-06, BGP-4271-6.2-07, BGP-5492-P-01)", () => {
    for (const parameters of [
      "01",
      "00 02",
      "02 02",
      "03 02 00",
      "01 02",
      "03 02 02 01",
      "04 02 03 02 00",
      "05 02 03 40 02 00",
    ])
      expect(refusal(`${HEAD} ${parameters}`), parameters).toBe("2/0");
  });

  it("is refused when the extended form does not add up (BGP-9072-P-01, BGP-9072-2-04)", () => {
    for (const tail of [
      "",
      "00",
      "0000 02",
      "0001 02",
      "0002 02 00",
      "0003 02 0001",
      "0004 02 0001",
      "0009 02 0006 0104 0001 00",
    ])
      expect(refusal(`${HEAD} ff ff ${tail}`), tail).toBe("2/0");
  });

  it("may use the extended form with any length octet but 0, and for nothing (BGP-9072-2-02, BGP-9072-2-04)", () => {
    expect(capabilitiesOf("ff ff 0005 02 0002 0200")).toEqual([{ kind: "route-refresh" }]);
    expect(capabilitiesOf("01 ff 0005 02 0002 0200")).toEqual([{ kind: "route-refresh" }]);
    expect(capabilitiesOf("ff ff 0000")).toEqual([]);
    expect(refusal(`${HEAD} 00 ff 0005 02 0002 0200`)).toBe("2/0");
  });

  it("is written in the extended form once its capabilities need it (BGP-9072-2-03)", () => {
    const many: Capability[] = Array.from({ length: 3 }, (_, at) => ({
      kind: "unknown",
      code: 128 + at,
      value: new Uint8Array(100).fill(at),
    }));
    for (const capabilities of [many.slice(0, 2), many]) {
      const open: Open = { ...openOf(`${HEAD} 00`), capabilities };
      expect(decodeMessage(encodeMessage(open, EXTERNAL), EXTERNAL)).toEqual({
        kind: "message",
        message: open,
        faults: [],
      });
    }
  });
});

describe("an OPEN with several faults", () => {
  it("is refused for the first of them (BGP-4271-4.2-05)", () => {
    expect(refusal("03 0000 0001 00000000 01")).toBe("2/1 0004");
    expect(refusal("04 0000 0001 00000000 01")).toBe("2/2");
    expect(refusal("04 fc00 0001 00000000 01")).toBe("2/6 0001");
    expect(refusal("04 fc00 005a 00000000 01")).toBe("2/3");
    expect(refusal("04 fc00 005a c000020a 04 01 02 4100")).toBe("2/4");
  });
});

describe("capabilities", () => {
  it("may come in one parameter or in several, empty ones among them (BGP-5492-4-01)", () => {
    const both = [{ kind: "multiprotocol", afi: 1, safi: 1 }, { kind: "route-refresh" }];
    expect(capabilitiesOf("0a 02 08 0104 0001 00 01 0200")).toEqual(both);
    expect(capabilitiesOf("0e 02 06 0104 0001 00 01 02 00 02 02 0200")).toEqual(both);
  });

  it("stay opaque when they are not known or not of their registered length (BGP-5492-4-02)", () => {
    expect(capabilitiesOf("05 02 03 0101 07")).toEqual([{ kind: "unknown", code: 1, value: Uint8Array.of(7) }]);
    expect(capabilitiesOf("05 02 03 4001 07")).toEqual([{ kind: "unknown", code: 64, value: Uint8Array.of(7) }]);
    expect(capabilitiesOf("07 02 05 4003 4078 01")).toMatchObject([{ kind: "unknown", code: 64 }]);
    expect(capabilitiesOf("06 02 04 4902 0100")).toMatchObject([{ kind: "unknown", code: 73 }]);
  });

  it("refuse the OPEN where the AS number cannot be read, or is 0 (BGP-4271-6.2-08)", () => {
    expect(refusal(`${HEAD} 07 02 05 4103 000001`)).toBe("2/0");
    expect(refusal(`${HEAD} 08 02 06 4104 00000000`)).toBe("2/2");
  });

  it("tell graceful restart's flags, time and families", () => {
    expect(capabilitiesOf("08 02 06 4002 c078 0200")).toEqual([
      { kind: "graceful-restart", restarting: true, notification: true, restartTimeSeconds: 120, families: [] },
      { kind: "route-refresh" },
    ]);
  });
});

describe("the peer's AS", () => {
  const open: Open = {
    type: "open",
    twoOctetAs: 23_456,
    holdTimeSeconds: 9,
    identifier: ip("10.0.0.1") as Ipv4,
    capabilities: [],
  };

  it("is the capability's, the last one, or else the two-octet field's (BGP-4271-6.2-02, BGP-6793-4.1-02, BGP-5492-4-03)", () => {
    const capability = (asn: number): Capability => ({ kind: "four-octet-as", asn: Asn.of(asn) });
    expect(asnOfOpen(open)).toBe(23_456);
    expect(asnOfOpen({ ...open, capabilities: [capability(70_000)] })).toBe(70_000);
    expect(asnOfOpen({ ...open, twoOctetAs: 1, capabilities: [capability(70_000), capability(80_000)] })).toBe(80_000);
  });
});

describe("Asn", () => {
  it("is an unsigned 32-bit integer, and AS_TRANS where two octets do not hold it (BGP-6793-4.1-01)", () => {
    for (const value of [-1, 0x1_0000_0000, 1.5, Number.NaN]) expect(() => Asn.of(value)).toThrow(RangeError);
    expect([65_535, 65_536].map((value) => Asn.toTwoOctet(Asn.of(value)))).toEqual([65_535, 23_456]);
  });
});
