import { describe, expect, it } from "vitest";
import { ip, type Ipv4 } from "../../addr/ip.ts";
import { Asn } from "./asn.ts";
import { type BgpFault, describeFault, NOTIFICATION, notificationOf } from "./faults.ts";
import { frame } from "./framing.ts";
import { decodeMessage, encodeMessage } from "./message.ts";
import { describeNotification, isHardReset, notificationWords, unwrapHardReset } from "./notification.ts";
import { encodeShutdownText } from "./shown-text.ts";
import { EXTERNAL, hexOf, octets } from "./test-support.ts";

const describeCease = (subcode: number, data: string): string =>
  describeNotification({ type: "notification", code: 6, subcode, data: octets(data) });

const attribute = octets("40 01 01 03");
/** Each fault, its NOTIFICATION in hexadecimal (code, subcode, data), and its words. */
const FAULTS: readonly (readonly [BgpFault, string, string])[] = [
  [{ kind: "header.not-synchronized" }, "0101", "Message Header Error: Connection Not Synchronized"],
  [{ kind: "header.bad-length", length: 18 }, "01020012", "Message Header Error: Bad Message Length (length 18)"],
  [{ kind: "header.bad-type", type: 9 }, "010309", "Message Header Error: Bad Message Type (type 9)"],
  [{ kind: "open.malformed", detail: "why" }, "0200", "OPEN Message Error (why)"],
  [
    { kind: "open.unsupported-version", version: 3 },
    "02010004",
    "OPEN Message Error: Unsupported Version Number (version 3)",
  ],
  [
    { kind: "open.bad-peer-as", expected: Asn.of(1), received: Asn.of(2) },
    "0202",
    "OPEN Message Error: Bad Peer AS (expected 1, received 2)",
  ],
  [
    { kind: "open.bad-peer-as", expected: null, received: Asn.of(0) },
    "0202",
    "OPEN Message Error: Bad Peer AS (received 0)",
  ],
  [
    { kind: "open.bad-identifier", identifier: ip("0.0.0.0") as Ipv4 },
    "0203",
    "OPEN Message Error: Bad BGP Identifier (identifier 0.0.0.0)",
  ],
  [
    { kind: "open.unsupported-parameter", parameter: 1 },
    "0204",
    "OPEN Message Error: Unsupported Optional Parameter (parameter type 1)",
  ],
  [{ kind: "open.unacceptable-hold-time", seconds: 2 }, "02060002", "OPEN Message Error: Unacceptable Hold Time (2 s)"],
  [
    { kind: "open.unsupported-capability", missing: [{ kind: "multiprotocol", afi: 2, safi: 1 }] },
    "0207010400020001",
    "OPEN Message Error: Unsupported Capability (missing: multiprotocol AFI 2 SAFI 1)",
  ],
  [
    { kind: "open.role-mismatch", local: "peer", remote: "provider" },
    "020b",
    "OPEN Message Error: Role Mismatch (we are peer, the peer is provider)",
  ],
  [
    { kind: "open.role-mismatch", local: "customer", remote: null },
    "020b",
    "OPEN Message Error: Role Mismatch (we are customer, the peer is silent about its role)",
  ],
  [
    { kind: "update.malformed-attribute-list", detail: "why", offset: 21 },
    "0301",
    "UPDATE Message Error: Malformed Attribute List (why, at octet 21; RFC 4271 §6.3)",
  ],
  [
    { kind: "update.unrecognized-well-known", attribute, offset: 30 },
    "030240010103",
    "UPDATE Message Error: Unrecognized Well-known Attribute (ORIGIN, at octet 30; RFC 4271 §6.3)",
  ],
  [
    { kind: "update.missing-well-known", code: 2 },
    "030302",
    "UPDATE Message Error: Missing Well-known Attribute (AS_PATH; RFC 4271 §6.3)",
  ],
  [
    { kind: "update.attribute-flags", attribute, detail: "flags 0xc0", section: "RFC 7606 §3 (c)" },
    "030440010103",
    "UPDATE Message Error: Attribute Flags Error (ORIGIN, flags 0xc0; RFC 7606 §3 (c))",
  ],
  [
    { kind: "update.attribute-length", attribute, detail: "length 3", offset: 26, section: "RFC 7606 §7.1" },
    "030540010103",
    "UPDATE Message Error: Attribute Length Error (ORIGIN, length 3, at octet 26; RFC 7606 §7.1)",
  ],
  [
    { kind: "update.invalid-origin", attribute, detail: "value 3" },
    "030640010103",
    "UPDATE Message Error: Invalid ORIGIN Attribute (ORIGIN, value 3; RFC 4271 §6.3)",
  ],
  [
    { kind: "update.invalid-next-hop", attribute: octets("4003047f000001") },
    "03084003047f000001",
    "UPDATE Message Error: Invalid NEXT_HOP Attribute (NEXT_HOP; RFC 4271 §6.3)",
  ],
  [
    { kind: "update.optional-attribute", attribute: octets("c06300") },
    "0309c06300",
    "UPDATE Message Error: Optional Attribute Error (attribute 99; RFC 7606 §5.3)",
  ],
  [
    { kind: "update.bad-network-field", detail: "why", offset: 40 },
    "030a",
    "UPDATE Message Error: Invalid Network Field (why, at octet 40; RFC 7606 §5.3)",
  ],
  [
    { kind: "update.malformed-as-path", detail: "why", section: "RFC 7607 §2" },
    "030b",
    "UPDATE Message Error: Malformed AS_PATH (why; RFC 7607 §2)",
  ],
  [{ kind: "hold-timer.expired" }, "0400", "Hold Timer Expired"],
  [{ kind: "send-hold-timer.expired" }, "0800", "Send Hold Timer Expired"],
  [
    { kind: "fsm.unexpected-in-open-sent", messageType: 4 },
    "050104",
    "Finite State Machine Error: unexpected message in OpenSent (message type 4)",
  ],
  [
    { kind: "fsm.unexpected-in-open-confirm", messageType: 2 },
    "050202",
    "Finite State Machine Error: unexpected message in OpenConfirm (message type 2)",
  ],
  [
    { kind: "fsm.unexpected-in-established", messageType: 1 },
    "050301",
    "Finite State Machine Error: unexpected message in Established (message type 1)",
  ],
  [
    { kind: "route-refresh.bad-length", message: octets("ffff") },
    "0701ffff",
    "ROUTE-REFRESH Message Error: Invalid Message Length (length 2)",
  ],
  [
    { kind: "cease.max-prefixes", afi: 2, safi: 1, limit: 1000 },
    "0601000201000003e8",
    "Cease: Maximum Number of Prefixes Reached (AFI 2 SAFI 1, limit 1000)",
  ],
  [{ kind: "cease.administrative-shutdown", text: "" }, "0602", "Cease: Administrative Shutdown"],
  [{ kind: "cease.administrative-shutdown", text: "é" }, "060202c3a9", "Cease: Administrative Shutdown (é)"],
  [{ kind: "cease.peer-deconfigured" }, "0603", "Cease: Peer De-configured"],
  [{ kind: "cease.administrative-reset", text: "hi" }, "0604026869", "Cease: Administrative Reset (hi)"],
  [{ kind: "cease.connection-rejected" }, "0605", "Cease: Connection Rejected"],
  [{ kind: "cease.other-configuration-change" }, "0606", "Cease: Other Configuration Change"],
  [{ kind: "cease.connection-collision" }, "0607", "Cease: Connection Collision Resolution"],
  [{ kind: "cease.out-of-resources" }, "0608", "Cease: Out of Resources"],
  [
    { kind: "cease.hard-reset", inner: { kind: "cease.administrative-shutdown", text: "bye" } },
    "0609060203627965",
    "Cease: Hard Reset (Cease: Administrative Shutdown (bye))",
  ],
  [{ kind: "cease.bfd-down" }, "060a", "Cease: BFD Down"],
];

describe("a fault", () => {
  it.each(FAULTS)(
    "%o has its code, its data and its words (BGP-4271-6-01, BGP-4486-4-01, BGP-4486-4-02, BGP-9384-3-01)",
    (fault, hex, words) => {
      const wire = encodeMessage(notificationOf(fault), EXTERNAL);
      expect(hexOf(wire.subarray(19))).toBe(hex);
      expect(frame(wire)).toEqual({ kind: "message", bytes: wire });
      expect(describeFault(fault)).toBe(words);
    },
  );

  it("of every kind is in this list, with the section that asks for it", () => {
    expect(new Set(FAULTS.map(([{ kind }]) => kind))).toEqual(new Set(Object.keys(NOTIFICATION)));
    for (const { section } of Object.values(NOTIFICATION)) expect(section).toMatch(/^RFC \d{4} §/);
  });

  it("never makes a NOTIFICATION longer than a message of the peer (BGP-8654-5-02, ROB-08)", () => {
    const wire = encodeMessage(
      notificationOf({ kind: "update.optional-attribute", attribute: new Uint8Array(9000) }),
      EXTERNAL,
    );
    expect(wire.length).toBe(4096);
    const fault = { kind: "update.optional-attribute", attribute: new Uint8Array(9000) } as const;
    expect(encodeMessage(notificationOf(fault, 65_535), EXTERNAL).length).toBe(9021);
  });
});

describe("a NOTIFICATION in words", () => {
  it("has names for what is registered and numbers for what is not (BGP-4271-6.4-01)", () => {
    expect(notificationWords(6, 10)).toBe("Cease: BFD Down");
    expect(notificationWords(4, 0)).toBe("Hold Timer Expired");
    expect(notificationWords(4, 3)).toBe("Hold Timer Expired: subcode 3");
    expect(notificationWords(6, 77)).toBe("Cease: subcode 77");
    expect(notificationWords(99, 1)).toBe("error 99, subcode 1");
  });

  it("tells the shutdown text of a shutdown and a reset only (BGP-9003-2-01)", () => {
    expect(describeCease(2, "0b 6e6f646520647261696e2e")).toBe("Cease: Administrative Shutdown: node drain.");
    expect(describeCease(4, "02 6869")).toBe("Cease: Administrative Reset: hi");
    expect(describeCease(3, "02 6869")).toBe("Cease: Peer De-configured");
    expect(describeCease(2, "")).toBe("Cease: Administrative Shutdown");
    expect(describeCease(2, "00")).toBe("Cease: Administrative Shutdown");
  });

  it("shows a text that is not what it says in hexadecimal (BGP-9003-3-01)", () => {
    expect(describeCease(2, "05 6869")).toBe("Cease: Administrative Shutdown: malformed text 0x056869");
    expect(describeCease(2, "02 c328")).toBe("Cease: Administrative Shutdown: malformed text 0xc328");
  });

  it("lets no control character out (BGP-9003-2-02, ROB-04)", () => {
    expect(describeCease(2, "07 1b5b324a 0a 0d 00")).toBe(
      "Cease: Administrative Shutdown: \\u{1b}[2J\\u{a}\\u{d}\\u{0}",
    );
    expect(describeCease(2, "03 e280ae")).toBe("Cease: Administrative Shutdown: \\u{202e}");
  });

  it("tells what a hard reset wraps (BGP-8538-3-02)", () => {
    expect(describeCease(9, "0603")).toBe("Cease: Hard Reset (Cease: Peer De-configured)");
    expect(describeCease(9, "06")).toBe("Cease: Hard Reset");
    expect(describeCease(9, "0602 026869")).toBe("Cease: Hard Reset (Cease: Administrative Shutdown: hi)");
    expect(describeCease(9, "0609 0609")).toBe("Cease: Hard Reset (Cease: Hard Reset)");
  });

  it("tells the family and the limit of a prefix limit, if they are there (BGP-4486-4-01)", () => {
    const words = "Cease: Maximum Number of Prefixes Reached";
    expect(describeCease(1, "0001 01 00000064")).toBe(`${words} (AFI 1 SAFI 1, limit 100)`);
    expect(describeCease(1, "")).toBe(words);
    expect(describeCease(1, "0001 01 000000")).toBe(words);
  });

  it("is a hard reset with what it wraps, or without (BGP-8538-3-02)", () => {
    const cease = (subcode: number, data: string) =>
      ({ type: "notification", code: 6, subcode, data: octets(data) }) as const;
    expect([cease(9, "0603"), cease(9, ""), cease(2, "")].map(isHardReset)).toEqual([true, true, false]);
    expect(unwrapHardReset(cease(9, "0402 aa"))).toMatchObject({ code: 4, subcode: 2, data: octets("aa") });
    expect(unwrapHardReset(cease(9, "06"))).toEqual(cease(9, "06"));
    expect(unwrapHardReset(cease(2, "0603"))).toEqual(cease(2, "0603"));
  });

  it("is never a fault, whatever it says (BGP-4271-6.1-05, BGP-4271-6.4-01)", () => {
    const message = { type: "notification", code: 250, subcode: 251, data: octets("00ff17") } as const;
    const decoded = decodeMessage(encodeMessage(message, EXTERNAL), EXTERNAL);
    expect(decoded).toEqual({ kind: "message", message, faults: [] });
  });
});

describe("a shutdown text", () => {
  it("is cut to 128 octets between characters, and read up to 255 (BGP-9003-2-01)", () => {
    const data = encodeShutdownText("é".repeat(100));
    expect(data.length).toBe(129);
    expect(data[0]).toBe(128);
    expect(encodeShutdownText(`a${"é".repeat(100)}`)[0]).toBe(127);
    expect(describeCease(2, `ff${"61".repeat(255)}`)).toBe(`Cease: Administrative Shutdown: ${"a".repeat(255)}`);
  });
});
