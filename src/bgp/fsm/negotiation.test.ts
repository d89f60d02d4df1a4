import { describe, expect, it } from "vitest";
import { Asn } from "../wire/asn.ts";
import type { Capability } from "../wire/capabilities.ts";
import { judgeOpen, type Negotiated, openFor } from "./negotiation.ts";
import { identifier, OPEN, PEER } from "./test-support.ts";

const capabilities = (...list: Capability[]) => ({ ...OPEN, capabilities: list });
const v4: Capability = { kind: "multiprotocol", afi: 1, safi: 1 };
const v6: Capability = { kind: "multiprotocol", afi: 2, safi: 1 };
const vpn: Capability = { kind: "multiprotocol", afi: 1, safi: 128 };
const agreed = (open: typeof OPEN, peer = PEER): Negotiated => {
  const judged = judgeOpen(open, peer);
  if ("fault" in judged) throw new Error(judged.fault.kind);
  return judged;
};

describe("an OPEN of the peer", () => {
  it("must come from the configured AS, whichever field tells it", () => {
    const fault = (received: number) => ({
      fault: { kind: "open.bad-peer-as", expected: 65_002, received },
    });
    expect(judgeOpen({ ...OPEN, twoOctetAs: 65_003, capabilities: [] }, PEER)).toEqual(fault(65_003));
    expect(judgeOpen(capabilities({ kind: "four-octet-as", asn: Asn.of(70_000) }), PEER)).toEqual(fault(70_000));
    expect(judgeOpen({ ...OPEN, twoOctetAs: 23_456, capabilities: [] }, PEER)).toEqual(fault(23_456));
    const large = { ...PEER, peerAsn: Asn.of(70_000) };
    const open = {
      ...OPEN,
      twoOctetAs: 23_456,
      capabilities: [{ kind: "four-octet-as", asn: Asn.of(70_000) }],
    } as const;
    expect(agreed(open, large).external).toBe(true);
  });

  it("may have our identifier from another AS, and not from ours (RFC 6286)", () => {
    const same = { ...OPEN, identifier: PEER.identifier };
    expect(agreed(same).peerIdentifier).toBe("10.0.0.1");
    const inside = { ...same, twoOctetAs: 65_001, capabilities: [] };
    const judged = judgeOpen(inside, { ...PEER, peerAsn: PEER.localAsn });
    expect(judged).toEqual({ fault: { kind: "open.bad-identifier", identifier: "10.0.0.1" } });
    const other = { ...inside, identifier: identifier("10.0.0.9") };
    expect(agreed(other, { ...PEER, peerAsn: PEER.localAsn }).external).toBe(false);
  });
});

describe("what is agreed", () => {
  it("is the lower hold time, and a third of it for keepalives unless less is configured", () => {
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

  it("are the families that both list; a peer without the capability speaks IPv4 (RFC 4760 §8)", () => {
    expect(agreed(capabilities(v4, v6, vpn)).families).toEqual(["ipv4-unicast", "ipv6-unicast"]);
    expect(agreed(capabilities(v6)).families).toEqual(["ipv6-unicast"]);
    expect(agreed(capabilities()).families).toEqual(["ipv4-unicast"]);
    expect(agreed(capabilities(vpn)).families).toEqual([]);
    expect(agreed(capabilities(v4, v6), { ...PEER, families: ["ipv6-unicast"] }).families).toEqual(["ipv6-unicast"]);
  });

  it("are four-octet AS numbers, route refresh and graceful restart as the peer offers them", () => {
    expect(agreed(capabilities())).toMatchObject({ fourOctetAs: false, routeRefresh: false, gracefulRestart: null });
    const gracefulRestart: Capability = {
      kind: "graceful-restart",
      restarting: true,
      notification: false,
      restartTimeSeconds: 120,
      families: [],
    };
    const all = capabilities({ kind: "four-octet-as", asn: PEER.peerAsn }, { kind: "route-refresh" }, gracefulRestart);
    expect(agreed(all)).toMatchObject({ fourOctetAs: true, routeRefresh: true, gracefulRestart });
  });
});

describe("our OPEN", () => {
  it("offers what is configured", () => {
    expect(openFor({ ...PEER, localAsn: Asn.of(70_000), families: ["ipv6-unicast"] })).toEqual({
      type: "open",
      twoOctetAs: 23_456,
      holdTimeSeconds: 9,
      identifier: "10.0.0.1",
      capabilities: [v6, { kind: "route-refresh" }, { kind: "four-octet-as", asn: 70_000 }],
    });
  });
});
