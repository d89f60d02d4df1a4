import { describe, expect, it } from "vitest";
import { Asn } from "../wire/asn.ts";
import type { Capability, Role } from "../wire/capabilities.ts";
import type { Open } from "../wire/open.ts";
import { type FsmPeer, judgeOpen, openFor } from "./negotiation.ts";
import { agreed, identifier, OPEN, PEER } from "./test-support.ts";

const capabilities = (...list: Capability[]): Open => ({ ...OPEN, capabilities: [AS4, ...list] });
const AS4: Capability = { kind: "four-octet-as", asn: Asn.of(65_002) };
const v4: Capability = { kind: "multiprotocol", afi: 1, safi: 1 };
const v6: Capability = { kind: "multiprotocol", afi: 2, safi: 1 };
const vpn: Capability = { kind: "multiprotocol", afi: 1, safi: 128 };
const INTERNAL: FsmPeer = { ...PEER, peerAsn: PEER.localAsn };
const fromOurAs: Open = { ...OPEN, twoOctetAs: 65_001, capabilities: [] };
const GRACEFUL = { restartTimeSeconds: 120, helper: true, longLivedSecondsMax: 0 } as const;

const faultOf = (open: Open, peer: FsmPeer = PEER): string => {
  const judged = judgeOpen(open, peer);
  return "fault" in judged ? judged.fault.kind : "none";
};
const kinds = (peer: FsmPeer): string[] => openFor(peer).capabilities.map((one) => one.kind);
const offered = <K extends Capability["kind"]>(
  peer: FsmPeer,
  kind: K,
  flags = { restarting: false, forwarding: false },
) => openFor(peer, flags).capabilities.filter((one): one is Capability & { kind: K } => one.kind === kind);

describe("the AS number in an OPEN", () => {
  it("is the capability's, else the field's, and must be the configured one (BGP-4271-6.2-02)", () => {
    const fault = (received: number) => ({ fault: { kind: "open.bad-peer-as", expected: 65_002, received } });
    expect(judgeOpen({ ...OPEN, twoOctetAs: 65_003, capabilities: [] }, PEER)).toEqual(fault(65_003));
    const other = { ...OPEN, capabilities: [{ kind: "four-octet-as", asn: Asn.of(70_000) } as const] };
    expect(judgeOpen(other, PEER)).toEqual(fault(70_000));
    expect(agreed({ ...OPEN, capabilities: [] }).peerAsn).toBe(65_002);
  });

  it("that does not fit is AS_TRANS there, and needs the capability (BGP-6793-4.1-01)", () => {
    const large = { ...PEER, peerAsn: Asn.of(70_000) };
    const open = { ...OPEN, twoOctetAs: 23_456 };
    expect(faultOf({ ...open, capabilities: [] }, large)).toBe("open.bad-peer-as");
    const told = { ...open, capabilities: [{ kind: "four-octet-as", asn: Asn.of(70_000) } as const] };
    expect(agreed(told, large)).toMatchObject({ external: true, peerAsn: 70_000 });
    expect(openFor({ ...PEER, localAsn: Asn.of(70_000) }).twoOctetAs).toBe(23_456);
  });

  it("may differ from the field, and then the capability counts (BGP-6793-4.1-02)", () => {
    expect(agreed({ ...OPEN, twoOctetAs: 1234 }).peerAsn).toBe(65_002);
  });

  it("may be configured as any but ours, with neither 0 nor AS_TRANS, or as ours (UNN-08)", () => {
    const external: FsmPeer = { ...PEER, peerAsn: "external" };
    expect(agreed(OPEN, external)).toMatchObject({ external: true, peerAsn: 65_002 });
    for (const twoOctetAs of [65_001, 23_456, 0]) {
      expect(judgeOpen({ ...OPEN, twoOctetAs, capabilities: [] }, external)).toMatchObject({
        fault: { kind: "open.bad-peer-as", expected: null, received: twoOctetAs },
      });
    }
    const internal: FsmPeer = { ...PEER, peerAsn: "internal" };
    expect(agreed(fromOurAs, internal).external).toBe(false);
    expect(faultOf(OPEN, internal)).toBe("open.bad-peer-as");
  });
});

describe("the identifier in an OPEN", () => {
  it("may be ours only if the peer is in another AS (BGP-4271-6.2-04, BGP-6286-2.3-01)", () => {
    const same = { identifier: PEER.identifier };
    expect(agreed({ ...OPEN, ...same }).peerIdentifier).toBe("10.0.0.1");
    expect(judgeOpen({ ...fromOurAs, ...same }, INTERNAL)).toEqual({
      fault: { kind: "open.bad-identifier", identifier: "10.0.0.1" },
    });
    expect(faultOf({ ...fromOurAs, ...same }, { ...PEER, peerAsn: "internal" })).toBe("open.bad-identifier");
    expect(agreed(fromOurAs, INTERNAL).external).toBe(false);
  });

  it("of ours is the same towards every peer (BGP-4271-4.2-04)", () => {
    for (const peer of [PEER, INTERNAL]) expect(openFor(peer).identifier).toBe("10.0.0.1");
  });

  it("may be any number but 0 (BGP-6286-2.1-01)", () => {
    for (const text of ["255.255.255.255", "224.0.0.1", "0.0.0.1"]) {
      expect(agreed({ ...OPEN, identifier: identifier(text) }).peerIdentifier).toBe(text);
    }
  });
});

describe("the hold time in an OPEN", () => {
  it("must reach the configured minimum, unless it is 0 (BGP-4271-6.2-03)", () => {
    const strict = { ...PEER, holdTimeSecondsMin: 20 };
    expect(judgeOpen({ ...OPEN, holdTimeSeconds: 19 }, strict)).toEqual({
      fault: { kind: "open.unacceptable-hold-time", seconds: 19 },
    });
    expect(agreed({ ...OPEN, holdTimeSeconds: 20 }, strict).holdTimeSeconds).toBe(9);
    expect(agreed({ ...OPEN, holdTimeSeconds: 0 }, strict).holdTimeSeconds).toBe(0);
  });

  it("and ours agree on the lower, with a third of it for keepalives unless less is configured (BGP-4271-4.2-03, BGP-4271-10-02, BGP-4271-10-04)", () => {
    const times = (theirs: number, ours: number, keepaliveSeconds: number | null = null) => {
      const peer = { ...PEER, holdTimeSeconds: ours, keepaliveSeconds };
      const { holdTimeSeconds, keepaliveMillis } = agreed({ ...OPEN, holdTimeSeconds: theirs }, peer);
      return [holdTimeSeconds, keepaliveMillis];
    };
    expect(times(90, 9)).toEqual([9, 3000]);
    expect(times(6, 9)).toEqual([6, 2000]);
    expect(times(0, 9)).toEqual([0, null]);
    expect(times(9, 0)).toEqual([0, null]);
    expect(times(90, 90, 10)).toEqual([90, 10_000]);
    expect(times(9, 90, 10)).toEqual([9, 3000]);
    expect(times(3, 3)).toEqual([3, 1000]);
    expect(times(3, 3, 0.1)).toEqual([3, 1000]);
  });
});

describe("the families of both OPENs", () => {
  it("are active if both list them; a peer without the capability speaks IPv4 (BGP-4760-8-01)", () => {
    expect(agreed(capabilities(v4, v6, vpn)).families).toEqual(["ipv4-unicast", "ipv6-unicast"]);
    expect(agreed(capabilities()).families).toEqual(["ipv4-unicast"]);
    expect(agreed(capabilities(vpn)).families).toEqual([]);
    expect(agreed(capabilities(v4, v6), { ...PEER, families: ["ipv6-unicast"] }).families).toEqual(["ipv6-unicast"]);
    expect(kinds(PEER).filter((kind) => kind === "multiprotocol")).toHaveLength(2);
  });

  it("leave IPv4 out when the peer lists others only (BGP-4760-8-02)", () => {
    expect(agreed(capabilities(v6)).families).toEqual(["ipv6-unicast"]);
  });

  it("must have those that are required, else the missing capabilities are named (BGP-5492-3-02)", () => {
    const needs: FsmPeer = { ...PEER, requiredFamilies: ["ipv4-unicast", "ipv6-unicast"] };
    expect(judgeOpen(capabilities(v4), needs)).toEqual({
      fault: { kind: "open.unsupported-capability", missing: [v6] },
    });
    expect(judgeOpen(capabilities(), needs)).toEqual({ fault: { kind: "open.unsupported-capability", missing: [v6] } });
    expect(faultOf(capabilities(v4, v6), needs)).toBe("none");
    expect(faultOf(capabilities(v4))).toBe("none");
  });

  it("count once, however often the peer lists them (BGP-5492-4-03)", () => {
    expect(agreed(capabilities(v6, v4, v6)).families).toEqual(["ipv4-unicast", "ipv6-unicast"]);
  });
});

describe("a role", () => {
  const as = (role: Role, strictRole = false): FsmPeer => ({ ...PEER, role, strictRole });
  const said = (...roles: (Role | number)[]): Open =>
    capabilities(v4, ...roles.map((role) => ({ kind: "role", role }) as const));

  it("fits only its opposite (BGP-9234-4.1-01)", () => {
    const roles: Role[] = ["provider", "customer", "route-server", "route-server-client", "peer"];
    const pairs = roles.flatMap((ours) =>
      roles.filter((theirs) => faultOf(said(theirs), as(ours)) === "none").map((theirs) => `${ours}-${theirs}`),
    );
    expect(pairs).toEqual([
      "provider-customer",
      "customer-provider",
      "route-server-route-server-client",
      "route-server-client-route-server",
      "peer-peer",
    ]);
    expect(judgeOpen(said("peer"), as("customer"))).toEqual({
      fault: { kind: "open.role-mismatch", local: "customer", remote: "peer" },
    });
    expect(faultOf(said(5), as("peer"))).toBe("open.role-mismatch");
    expect(agreed(said("provider"), as("customer")).role).toBe("customer");
  });

  it("is no matter within an AS, nor where none is configured (BGP-9234-4.1-01)", () => {
    const inside: FsmPeer = { ...INTERNAL, role: "peer", strictRole: true };
    expect(agreed(fromOurAs, inside).role).toBeNull();
    expect(kinds(inside)).not.toContain("role");
    expect(agreed(said("peer")).role).toBeNull();
    expect(offered(as("customer"), "role")).toEqual([{ kind: "role", role: "customer" }]);
  });

  it("may be missing unless it is demanded, and must be one (BGP-9234-4.2-01)", () => {
    expect(agreed(said(), as("customer")).role).toBe("customer");
    expect(judgeOpen(said(), as("customer", true))).toEqual({
      fault: { kind: "open.role-mismatch", local: "customer", remote: null },
    });
    expect(faultOf(said("provider", "provider"), as("customer", true))).toBe("none");
    expect(faultOf(said("provider", "peer"), as("customer"))).toBe("open.role-mismatch");
    expect(faultOf(said("peer", "provider"), as("customer"))).toBe("open.role-mismatch");
  });
});

describe("of several faults in an OPEN", () => {
  it("hold time, identifier, AS, required capability and role are reported in this order (BGP-4271-4.2-05)", () => {
    const peer: FsmPeer = {
      ...PEER,
      holdTimeSecondsMin: 20,
      requiredFamilies: ["ipv6-unicast"],
      role: "peer",
      strictRole: true,
    };
    const inside: FsmPeer = { ...peer, peerAsn: "internal" };
    const all = { ...OPEN, holdTimeSeconds: 5, identifier: PEER.identifier, twoOctetAs: 9, capabilities: [v4] };
    expect(faultOf(all, inside)).toBe("open.unacceptable-hold-time");
    expect(faultOf({ ...all, holdTimeSeconds: 90 }, inside)).toBe("open.bad-identifier");
    expect(faultOf({ ...all, holdTimeSeconds: 90 }, peer)).toBe("open.bad-peer-as");
    expect(faultOf({ ...all, holdTimeSeconds: 90, twoOctetAs: 65_002 }, peer)).toBe("open.unsupported-capability");
    expect(faultOf({ ...all, holdTimeSeconds: 90, twoOctetAs: 65_002, capabilities: [v6] }, peer)).toBe(
      "open.role-mismatch",
    );
  });
});

describe("a capability", () => {
  it("is used only if both sides have it, and nothing is refused for lack of one (BGP-5492-3-01, BGP-5492-3-02)", () => {
    const all: FsmPeer = { ...PEER, extendedNextHop: true, addPathReceive: true, bfdStrict: true };
    expect(agreed({ ...OPEN, capabilities: [] }, all)).toMatchObject({
      fourOctetAs: false,
      routeRefresh: false,
      enhancedRouteRefresh: false,
      extendedMessage: false,
      addPathReceive: [],
      extendedNextHop: false,
      gracefulRestart: null,
      longLived: null,
      bfdStrict: false,
    });
    const theirs = capabilities(
      v4,
      { kind: "extended-next-hop", entries: [{ afi: 1, safi: 1, nextHopAfi: 2 }] },
      { kind: "add-path", families: [{ afi: 1, safi: 1, mode: "both" }] },
      { kind: "bfd-strict" },
    );
    expect(agreed(theirs)).toMatchObject({ addPathReceive: [], extendedNextHop: false, bfdStrict: false });
    expect(agreed(theirs, all)).toMatchObject({
      addPathReceive: ["ipv4-unicast"],
      extendedNextHop: true,
      bfdStrict: true,
    });
  });

  it("that we do not know is ignored (BGP-5492-4-02)", () => {
    const unknown: Capability = { kind: "unknown", code: 200, value: new Uint8Array(9) };
    expect(agreed(capabilities(v4, unknown))).toEqual(agreed(capabilities(v4)));
  });

  it("for four-octet AS numbers is always offered (BGP-6793-3-01)", () => {
    expect(offered(PEER, "four-octet-as")).toEqual([{ kind: "four-octet-as", asn: 65_001 }]);
    expect(agreed(capabilities()).fourOctetAs).toBe(true);
  });

  it("for route refresh is always offered, and used if the peer has it (BGP-2918-4-01, BGP-7313-4-01)", () => {
    expect(kinds(PEER)).toEqual(expect.arrayContaining(["route-refresh", "enhanced-route-refresh"]));
    const both = capabilities({ kind: "route-refresh" }, { kind: "enhanced-route-refresh" });
    expect(agreed(both)).toMatchObject({ routeRefresh: true, enhancedRouteRefresh: true });
  });

  it("for extended messages lets the peer send them, and us if the peer has it (BGP-8654-3-01)", () => {
    expect(kinds(PEER)).toContain("extended-message");
    expect(agreed(capabilities())).toMatchObject({ extendedMessage: false, maxLength: 4096, receiveMaxLength: 65_535 });
    expect(agreed(capabilities({ kind: "extended-message" }))).toMatchObject({
      extendedMessage: true,
      maxLength: 65_535,
    });
  });

  it("for IPv6 next hops of IPv4 routes counts with its own entry and with the family (BGP-8950-3-01, BGP-8950-4-01)", () => {
    const peer: FsmPeer = { ...PEER, extendedNextHop: true };
    const entry = (afi: number, safi: number, nextHopAfi: number): Capability => ({
      kind: "extended-next-hop",
      entries: [{ afi, safi, nextHopAfi }],
    });
    expect(offered(peer, "extended-next-hop")).toEqual([entry(1, 1, 2)]);
    expect(offered({ ...peer, families: ["ipv6-unicast"] }, "extended-next-hop")).toEqual([]);
    expect(agreed(capabilities(v4, entry(1, 1, 2)), peer).extendedNextHop).toBe(true);
    expect(agreed(capabilities(v6, entry(1, 1, 2)), peer).extendedNextHop).toBe(false);
    expect(agreed(capabilities(v4, entry(1, 128, 2), entry(1, 1, 1)), peer).extendedNextHop).toBe(false);
    expect(agreed(capabilities(v4, entry(1, 128, 2), entry(1, 1, 2)), peer).extendedNextHop).toBe(true);
  });

  it("for several paths is asked for if configured, and counts per family where the peer sends (BGP-7911-4-01)", () => {
    const peer: FsmPeer = { ...PEER, addPathReceive: true };
    const theirs = (mode4: "send" | "receive" | "both", mode6: "send" | "receive" | "both"): Open =>
      capabilities(v4, v6, {
        kind: "add-path",
        families: [
          { afi: 1, safi: 1, mode: mode4 },
          { afi: 2, safi: 1, mode: mode6 },
        ],
      });
    expect(agreed(theirs("send", "receive"), peer).addPathReceive).toEqual(["ipv4-unicast"]);
    expect(agreed(theirs("receive", "both"), peer).addPathReceive).toEqual(["ipv6-unicast"]);
    expect(offered(peer, "add-path")[0]?.families.map((one) => one.mode)).toEqual(["receive", "receive"]);
  });

  it("for several paths is not offered unless configured (BGP-7911-5-01)", () => {
    expect(kinds(PEER)).not.toContain("add-path");
  });

  it("for BFD's strict mode is offered if configured (BFD-STRICT-01)", () => {
    expect(kinds(PEER)).not.toContain("bfd-strict");
    expect(kinds({ ...PEER, bfdStrict: true })).toContain("bfd-strict");
  });
});

describe("graceful restart", () => {
  const peer: FsmPeer = { ...PEER, gracefulRestart: GRACEFUL };
  const theirs = (change: object = {}): Capability => ({
    kind: "graceful-restart",
    restarting: false,
    notification: true,
    restartTimeSeconds: 90,
    families: [{ afi: 1, safi: 1, forwarding: true }],
    ...change,
  });

  it("of ours is asked for where it is configured, with R after a restart and F where forwarding went on (BGP-4724-3-01, BGP-4724-3-02, BGP-4724-4.1-01)", () => {
    const families = (forwarding: boolean) => [
      { afi: 1, safi: 1, forwarding },
      { afi: 2, safi: 1, forwarding },
    ];
    expect(offered(peer, "graceful-restart")).toEqual([
      {
        kind: "graceful-restart",
        restarting: false,
        notification: true,
        restartTimeSeconds: 120,
        families: families(false),
      },
    ]);
    expect(offered(peer, "graceful-restart", { restarting: true, forwarding: true })).toEqual([
      {
        kind: "graceful-restart",
        restarting: true,
        notification: true,
        restartTimeSeconds: 120,
        families: families(true),
      },
    ]);
  });

  it("is otherwise offered without families: others are helped, and understood (BGP-4724-3-01)", () => {
    expect(offered(PEER, "graceful-restart", { restarting: true, forwarding: true })).toEqual([
      { kind: "graceful-restart", restarting: false, notification: false, restartTimeSeconds: 0, families: [] },
    ]);
    expect(agreed(capabilities(v4, theirs())).gracefulRestart?.agreed).toBe(true);
  });

  it("of the peer concerns the families that are active on the session (BGP-4724-3-03)", () => {
    expect(offered({ ...peer, families: ["ipv6-unicast"] }, "graceful-restart")[0]?.families).toHaveLength(1);
    const both = [
      { afi: 1, safi: 1, forwarding: true },
      { afi: 2, safi: 1, forwarding: false },
      { afi: 1, safi: 128, forwarding: true },
    ];
    expect(agreed(capabilities(v4, v6, theirs({ families: both })), peer).gracefulRestart).toEqual({
      agreed: true,
      notification: true,
      restarting: false,
      restartTimeSeconds: 90,
      families: [
        { family: "ipv4-unicast", forwarding: true },
        { family: "ipv6-unicast", forwarding: false },
      ],
    });
    expect(agreed(capabilities(v6, theirs()), peer).gracefulRestart).toMatchObject({ agreed: false, families: [] });
  });

  it("of the peer is not helped where that is turned off", () => {
    const alone: FsmPeer = { ...PEER, gracefulRestart: { ...GRACEFUL, helper: false } };
    expect(agreed(capabilities(v4, theirs()), alone).gracefulRestart).toMatchObject({
      agreed: false,
      notification: true,
    });
  });

  it("takes NOTIFICATIONs in only if both sides say N (BGP-8538-2-01)", () => {
    const graceful = (open: Open, one: FsmPeer) => agreed(open, one).gracefulRestart?.notification;
    expect(graceful(capabilities(v4, theirs()), peer)).toBe(true);
    expect(graceful(capabilities(v4, theirs({ notification: false })), peer)).toBe(false);
    expect(graceful(capabilities(v4, theirs()), PEER)).toBe(false);
  });

  it("is what the last of several capabilities says (BGP-5492-4-03)", () => {
    const open = capabilities(v4, theirs(), theirs({ restartTimeSeconds: 7 }));
    expect(agreed(open, peer).gracefulRestart?.restartTimeSeconds).toBe(7);
  });

  it("for long is understood beside the plain one only, within our own bound; 0 is no time (BGP-9494-3-01)", () => {
    const listed = (staleSeconds: number, forwarding = true): Capability => ({
      kind: "long-lived-graceful-restart",
      families: [{ afi: 1, safi: 1, forwarding, staleSeconds }],
    });
    const long: FsmPeer = { ...PEER, gracefulRestart: { ...GRACEFUL, longLivedSecondsMax: 600 } };
    const result = (...list: Capability[]) => agreed(capabilities(v4, ...list), long).longLived;
    expect(result(theirs(), listed(60))).toEqual({
      families: [{ family: "ipv4-unicast", forwarding: true, staleSeconds: 60 }],
    });
    expect(result(theirs(), listed(86_400, false))).toEqual({
      families: [{ family: "ipv4-unicast", forwarding: false, staleSeconds: 600 }],
    });
    expect(result(theirs(), listed(0))).toEqual({ families: [] });
    expect(result(listed(60))).toBeNull();
    expect(result(theirs())).toBeNull();
    expect(agreed(capabilities(v4, theirs(), listed(60)), peer).longLived).toEqual({ families: [] });
  });

  it("for long is not asked for, and offered to others only if configured (BGP-9494-P-01)", () => {
    expect(kinds(peer)).not.toContain("long-lived-graceful-restart");
    const long: FsmPeer = { ...PEER, gracefulRestart: { ...GRACEFUL, longLivedSecondsMax: 600 } };
    expect(offered(long, "long-lived-graceful-restart")).toEqual([
      { kind: "long-lived-graceful-restart", families: [] },
    ]);
  });
});

describe("our OPEN", () => {
  it("offers what every session can use, and no more unless configured", () => {
    expect(openFor({ ...PEER, localAsn: Asn.of(70_000), families: ["ipv6-unicast"] })).toEqual({
      type: "open",
      twoOctetAs: 23_456,
      holdTimeSeconds: 9,
      identifier: "10.0.0.1",
      capabilities: [
        v6,
        { kind: "route-refresh" },
        { kind: "extended-message" },
        { kind: "graceful-restart", restarting: false, notification: false, restartTimeSeconds: 0, families: [] },
        { kind: "four-octet-as", asn: 70_000 },
        { kind: "enhanced-route-refresh" },
      ],
    });
  });
});
