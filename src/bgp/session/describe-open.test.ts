import { expect, it } from "vitest";
import { Asn } from "../wire/asn.ts";
import type { Capability } from "../wire/capabilities.ts";
import { capabilityText } from "./describe-open.ts";

const text = (words: string): Uint8Array => new TextEncoder().encode(words);

const CASES: readonly (readonly [Capability, string])[] = [
  [{ kind: "multiprotocol", afi: 2, safi: 1 }, "multiprotocol ipv6-unicast"],
  [{ kind: "multiprotocol", afi: 25, safi: 70 }, "multiprotocol AFI 25 SAFI 70"],
  [{ kind: "enhanced-route-refresh" }, "enhanced-route-refresh"],
  [
    { kind: "extended-next-hop", entries: [{ afi: 1, safi: 1, nextHopAfi: 2 }] },
    "extended-next-hop (ipv4-unicast by AFI 2)",
  ],
  [{ kind: "role", role: "customer" }, "role customer"],
  [{ kind: "role", role: 77 }, "role 77"],
  [
    {
      kind: "graceful-restart",
      restarting: true,
      notification: true,
      restartTimeSeconds: 120,
      families: [{ afi: 1, safi: 1, forwarding: true }],
    },
    "graceful-restart 120s restarting notification (ipv4-unicast forwarding)",
  ],
  [{ kind: "four-octet-as", asn: Asn.of(4_200_000_001) }, "four-octet-as 4200000001"],
  [{ kind: "add-path", families: [{ afi: 1, safi: 1, mode: "both" }] }, "add-path (ipv4-unicast both)"],
  [{ kind: "add-path", families: [] }, "add-path"],
  [
    {
      kind: "long-lived-graceful-restart",
      families: [{ afi: 2, safi: 1, forwarding: false, staleSeconds: 3_600 }],
    },
    "long-lived-graceful-restart (ipv6-unicast 3600s)",
  ],
  [{ kind: "fqdn", host: text("leaf1"), domain: text("example.net") }, "fqdn leaf1.example.net"],
  [{ kind: "fqdn", host: text("leaf1"), domain: text("") }, "fqdn leaf1"],
  [{ kind: "unknown", code: 200, value: Uint8Array.of(1, 255) }, "code 200 0x01ff"],
];

it.each(CASES)("%j is shown in words", (capability, words) => {
  expect(capabilityText(capability)).toBe(words);
});

it("what a peer wrote into its name or version cannot move a terminal's cursor (ROB-04)", () => {
  const shown = [
    capabilityText({ kind: "software-version", version: text("9.1\u001B[2J\nroot") }),
    capabilityText({ kind: "fqdn", host: text("a\u202Eb"), domain: Uint8Array.of(0xff) }),
  ];
  for (const line of shown) expect(line).toMatch(/^[\x20-\x7E]*$/);
});
