import { describe, expect, it } from "vitest";
import { ip, type Ipv4 } from "../../addr/ip.ts";
import type { TcpCounters } from "../../ports/tcp-counters.ts";
import { Asn } from "../wire/asn.ts";
import type { BgpFault } from "../wire/faults.ts";
import { octets } from "../wire/test-support.ts";
import { type ConnectionEnd, diagnose, type DiagnosisFacts } from "./diagnosis.ts";

const NOTHING: TcpCounters = { md5NotFound: 0, md5Unexpected: 0, md5Failure: 0, minTtlDrop: 0 };

/** A peer that has never had a session. */
const FACTS: DiagnosisFacts = {
  peer: {
    address: ip("10.0.0.254"),
    port: 179,
    asn: Asn.of(65_000),
    passive: false,
    ttl: 1,
    families: ["ipv4-unicast", "ipv6-unicast"],
  },
  hasMd5Key: false,
  localAsn: Asn.of(65_001),
  routerId: ip("10.0.0.1") as Ipv4,
  state: "active",
  establishedCount: 0,
  families: [],
  localAddress: ip("10.0.0.1"),
  lastEnd: null,
  collisions: 0,
  bfd: null,
  heldByPrefixLimit: false,
  counted: NOTHING,
};

const SILENT: ConnectionEnd = { kind: "no-answer" };
const said = (code: number, subcode: number, data = ""): ConnectionEnd => ({
  kind: "received",
  notification: { type: "notification", code, subcode, data: octets(data) },
});
const weSaid = (fault: BgpFault): ConnectionEnd => ({ kind: "sent", fault });
const closed = (kind: "refused" | "reset" | "unreachable", stage: "open" | "connecting" = "connecting") =>
  ({ kind: "transport", end: { kind }, stage }) as const;

const withGtsm = { ...FACTS.peer, ttl: 255, minTtl: 255 };

/** What is known, the cause that is told apart by it, and a part of the fix. */
const CASES: readonly (readonly [string, Partial<DiagnosisFacts>, string, RegExp])[] = [
  [
    "another key",
    { hasMd5Key: true, lastEnd: SILENT, counted: { ...NOTHING, md5Failure: 2 } },
    "md5-mismatch",
    /same password/,
  ],
  [
    "an unsigned answer",
    { hasMd5Key: true, lastEnd: SILENT, counted: { ...NOTHING, md5NotFound: 1 } },
    "md5-mismatch",
    /or remove it here/,
  ],
  [
    "a signature without a key of ours",
    { lastEnd: SILENT, counted: { ...NOTHING, md5Unexpected: 1 } },
    "md5-mismatch",
    /router's password .* here/,
  ],
  ["a key and no sign of anything", { hasMd5Key: true, lastEnd: SILENT }, "md5-suspected", /compare the password/],
  [
    "no key in place",
    { peer: { ...FACTS.peer, md5Missing: "no Secret kube-system/bgp" } },
    "md5-missing",
    /provide the password/,
  ],
  [
    "no router on its interface yet",
    { peer: { ...FACTS.peer, notFound: "no router has advertised itself on eth1" } },
    "router-not-found",
    /send router advertisements/,
  ],
  [
    "a TTL that is too low",
    { peer: withGtsm, lastEnd: SILENT, counted: { ...NOTHING, minTtlDrop: 3 } },
    "ttl",
    /TTL security/,
  ],
  ["nothing at all", { lastEnd: SILENT }, "filtered", /TCP port 179 .* needs multihop/],
  ["nothing at all, and a kernel that does not count", { lastEnd: SILENT, counted: null }, "filtered", /filter/],
  ["nothing at all beside TTL security", { peer: withGtsm, lastEnd: SILENT }, "filtered", /only one side has/],
  ["a refusal", { lastEnd: closed("refused") }, "refused", /10\.0\.0\.1 \(AS 65001\) as its neighbour/],
  ["no route", { lastEnd: closed("unreachable") }, "no-route", /interface/],
  [
    "connections that end at once",
    { lastEnd: closed("reset", "open") },
    "not-a-neighbour",
    /configure 10\.0\.0\.1 \(AS 65001\)/,
  ],
  [
    "a session that was lost",
    { establishedCount: 1, lastEnd: closed("reset", "open") },
    "connection-lost",
    /by itself/,
  ],
  [
    "another AS",
    { lastEnd: weSaid({ kind: "open.bad-peer-as", expected: Asn.of(65_000), received: Asn.of(65_009) }) },
    "wrong-as",
    /65009 here/,
  ],
  ["our AS not expected", { lastEnd: said(2, 2) }, "wrong-as", /65001 on the router/],
  [
    "a hold time we refuse",
    { lastEnd: weSaid({ kind: "open.unacceptable-hold-time", seconds: 3 }) },
    "hold-time",
    /on the router/,
  ],
  ["a hold time the router refuses", { lastEnd: said(2, 6) }, "hold-time", /holdTimeSeconds/],
  [
    "our own id at the router",
    { lastEnd: weSaid({ kind: "open.bad-identifier", identifier: ip("10.0.0.1") as Ipv4 }) },
    "router-id",
    /another router id/,
  ],
  ["our id refused", { lastEnd: said(2, 3) }, "router-id", /another routerId/],
  ["a capability the router wants", { lastEnd: said(2, 7, "0104000200010600") }, "capability", /enable it/],
  ["a role that does not fit", { lastEnd: said(2, 11) }, "role", /roles/],
  ["a router that shut us down", { lastEnd: said(6, 2, "056d61696e74") }, "shut-down", /enable the neighbour/],
  ["a router that does not know us", { lastEnd: said(6, 5) }, "rejected", /dynamic neighbours/],
  ["the router's prefix limit", { lastEnd: said(6, 1) }, "prefix-limit", /on the router/],
  ["our prefix limit", { heldByPrefixLimit: true }, "prefix-limit", /raise maxPrefixes/],
  ["a hard reset around a shutdown", { lastEnd: said(6, 9, "0602") }, "shut-down", /enable/],
  [
    "a hold time without a word",
    { establishedCount: 1, lastEnd: weSaid({ kind: "hold-timer.expired" }) },
    "hold-timer",
    /look at the link/,
  ],
  [
    "a router that falls silent once TCP is up",
    { lastEnd: weSaid({ kind: "hold-timer.expired" }) },
    "hold-timer",
    /TTL security that only the router has/,
  ],
  [
    "an OPEN that the kernel drops",
    { peer: withGtsm, state: "open-sent", counted: { ...NOTHING, minTtlDrop: 2 } },
    "ttl",
    /TTL security/,
  ],
  [
    "a hold time in which the kernel dropped",
    { peer: withGtsm, lastEnd: weSaid({ kind: "hold-timer.expired" }), counted: { ...NOTHING, minTtlDrop: 2 } },
    "ttl",
    /TTL security/,
  ],
  ["our silence", { lastEnd: said(4, 0) }, "hold-timer", /load on this node/],
  ["BFD that went down", { lastEnd: said(6, 10) }, "bfd", /link/],
  ["BFD that is waited for", { bfd: "down", state: "open-confirm" }, "bfd", /3784/],
  ["collisions without end", { collisions: 5, lastEnd: SILENT }, "collision", /make one side passive/],
  ["a passive peer that nobody calls", { peer: { ...FACTS.peer, passive: true } }, "waiting", /10\.0\.0\.1/],
  [
    "a passive peer that signs with another key",
    { peer: { ...FACTS.peer, passive: true }, hasMd5Key: true, counted: { ...NOTHING, md5Failure: 4 } },
    "md5-mismatch",
    /same password/,
  ],
  ["no family in common", { state: "established", families: [] }, "family", /activate ipv4-unicast and ipv6-unicast/],
  ["one family of two", { state: "established", families: ["ipv4-unicast"] }, "family", /activate ipv6-unicast/],
  ["octets that are no BGP", { lastEnd: weSaid({ kind: "header.not-synchronized" }) }, "malformed", /--record/],
  ["a refused UPDATE of ours", { lastEnd: said(3, 5) }, "malformed", /--record/],
];

describe("the diagnosis of a peer", () => {
  it.each(CASES)("knows %s", (_name, facts, cause, fix) => {
    const diagnosis = diagnose({ ...FACTS, ...facts });
    expect(diagnosis).toMatchObject({ cause });
    expect(diagnosis!.fix).toMatch(fix);
    for (const text of [diagnosis!.problem, diagnosis!.fix]) expect(text).not.toMatch(/[\n.]$|undefined|null/);
  });

  it("reports silence with a key configured as what a wrong key looks like (BGP-2385-2-02)", () => {
    const { problem } = diagnose({ ...FACTS, hasMd5Key: true, lastEnd: SILENT })!;
    expect(problem).toBe(
      "no answer from 10.0.0.254 port 179; a TCP-MD5 password is configured, and a wrong one looks like this",
    );
  });

  it("names the capabilities that the router demands, and survives data that lie about them", () => {
    expect(diagnose({ ...FACTS, lastEnd: said(2, 7, "0104000200010600") })!.problem).toContain("capability 1, 6");
    expect(diagnose({ ...FACTS, lastEnd: said(2, 7, "01ff") })!.problem).toContain("capability 1");
    expect(diagnose({ ...FACTS, lastEnd: said(2, 7, "01") })!.problem).not.toContain("capability 1");
  });

  it("has nothing to say of a session with all families, of a first attempt, and of what we ended ourselves", () => {
    expect(diagnose({ ...FACTS, state: "established", families: FACTS.peer.families })).toBeNull();
    expect(diagnose(FACTS)).toBeNull();
    expect(diagnose({ ...FACTS, lastEnd: weSaid({ kind: "cease.peer-deconfigured" }) })).toBeNull();
  });

  it("shows what the router wrote with its control characters escaped (BGP-9003-2-02, ROB-04)", () => {
    const { problem } = diagnose({ ...FACTS, lastEnd: said(6, 2, "051b5b324a0a") })!;
    expect(problem).toContain(String.raw`\u{1b}[2J\u{a}`);
  });
});
