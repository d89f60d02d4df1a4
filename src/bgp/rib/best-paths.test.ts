import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ip, type Ipv4 } from "../../addr/ip.ts";
import { Asn } from "../wire/asn.ts";
import { bestPaths, type Candidate, type Selection } from "./best-paths.ts";
import type { ReceivedRoute } from "./received-route.ts";
import { A } from "./test-support.ts";

const BASE: ReceivedRoute = {
  prefix: A,
  nextHop: ip("10.0.0.2"),
  asPath: [65_002, 65_003].map((asn) => Asn.of(asn)),
  origin: 1,
  med: 10,
  communities: [],
  preference: 100,
  unusable: null,
};
const path = (...asns: number[]) => ({ asPath: asns.map((asn) => Asn.of(asn)) });
const one = (route: Partial<ReceivedRoute>, peer: Partial<Candidate> = {}): Candidate => ({
  route: { ...BASE, ...route },
  external: true,
  peerIdentifier: ip("10.0.0.5") as Ipv4,
  peerAddress: ip("10.0.0.5"),
  ...peer,
});
/** Asserts that `better` wins against `worse`, whichever comes first. */
function beats(better: Candidate, worse: Candidate, selection: Selection = {}): void {
  expect(bestPaths([better, worse], selection)[0]).toBe(better);
  expect(bestPaths([worse, better], selection)[0]).toBe(better);
}

describe("bestPaths", () => {
  it("goes by preference, path length, origin, MED, kind of session, metric, identifier, cluster list and address, in this order (BGP-4271-9.1.2.2-01)", () => {
    const low = { peerIdentifier: ip("10.0.0.1") as Ipv4, peerAddress: ip("10.0.0.1") };
    beats(one({ preference: 101, ...path(1, 2, 3) }), one({}, low));
    beats(one({ ...path(1), origin: 2 }), one({}, low));
    beats(one({ origin: 0, med: 20 }), one({}, low));
    beats(one({ med: 9 }, { external: false }), one({}, low));
    beats(one({}, { metric: 9 }), one({}, { ...low, external: false }));
    beats(one({}, { metric: 1 }), one({}, { ...low, metric: 2 }));
    beats(one({ clusterList: [ip("1.1.1.1") as Ipv4] }, { peerIdentifier: ip("9.0.0.1") as Ipv4 }), one({}));
    beats(one({ originatorId: ip("9.0.0.1") as Ipv4 }), one({}, low));
    beats(one({}), one({ clusterList: [ip("1.1.1.1") as Ipv4] }, { peerAddress: ip("10.0.0.1") }));
    beats(one({}, { peerAddress: ip("10.0.0.4") }), one({}));
  });

  it("compares the MED of one neighbouring AS only, an absent one as 0 (BGP-4271-9.1.2.2-01, BGP-4271-5.1.4-01)", () => {
    const low = { peerIdentifier: ip("10.0.0.1") as Ipv4 };
    const { med: _, ...without } = BASE;
    const absent: Candidate = { ...one({}), route: without };
    beats(absent, one({}, low));
    beats(one({ med: 99 }, low), one({ ...path(65_009, 65_003) }));
    beats(one({ ...path(65_009, 65_003) }), one({ med: 99 }, low), { med: "always" });
    beats(one({ med: 99 }, low), one({ med: 1 }), { med: "ignore" });
  });

  it("takes long-lived stale routes last, whatever speaks for them (BGP-9494-4.3-01)", () => {
    beats(one({ preference: 0 }), one({ preference: 500, stale: "long-lived" }));
    beats(one({ preference: 0 }), one({ preference: 500, communities: [0xffff_0006] }));
    const only = one({ stale: "long-lived" });
    expect(bestPaths([only])).toEqual([only]);
  });

  it("takes no unusable route, and nothing out of nothing (BGP-8212-3-01)", () => {
    expect(bestPaths([one({ unusable: "no import policy (RFC 8212)", preference: 900 })])).toEqual([]);
    expect(bestPaths([])).toEqual([]);
  });

  it("shares the traffic among equals, with equal paths or paths of equal length (BGP-4271-9.1.2.2-02)", () => {
    const [a, b, c] = ["10.0.0.9", "10.0.0.10", "10.0.0.8"].map((address, at) =>
      one(at === 2 ? path(65_009, 65_003) : {}, { peerAddress: ip(address) }),
    ) as [Candidate, Candidate, Candidate];
    const longer = one(path(1, 2, 3));
    const inside = one({}, { external: false });
    const all = [longer, a, inside, b, c];
    expect(bestPaths(all)).toEqual([c]);
    expect(bestPaths(all, { multipath: "relaxed" })).toEqual([c, a, b]);
    expect(bestPaths([longer, b, inside, a], { multipath: "equal" })).toEqual([a, b]);
    expect(bestPaths(all, { multipath: "equal" })).toEqual([c]);
  });

  it("keeps the present best of other ASes when only identifiers speak against it (BGP-5004-3-01)", () => {
    const present = one({}, { peerAddress: ip("10.0.0.9"), peerIdentifier: ip("10.0.0.9") as Ipv4 });
    const lower = one({}, { peerAddress: ip("10.0.0.1"), peerIdentifier: ip("10.0.0.1") as Ipv4 });
    beats(present, lower, { present });
    beats(lower, present);
    beats(one({ med: 1 }), present, { present });
    const inside = { external: false };
    beats({ ...lower, ...inside }, { ...present, ...inside }, { present: { ...present, ...inside } });
  });

  it("gives the same answer for any order of candidates with one neighbour, and a best path that is one of them", () => {
    const candidate = fc
      .record({
        preference: fc.nat(2),
        length: fc.integer({ min: 1, max: 3 }),
        origin: fc.nat(2),
        med: fc.nat(2),
        external: fc.boolean(),
        octet: fc.integer({ min: 1, max: 250 }),
      })
      .map(({ length, external, octet, ...route }) =>
        one(
          { ...route, ...path(...Array.from({ length }, () => 65_002)) },
          { external, peerAddress: ip(`10.0.0.${octet}`), peerIdentifier: ip(`10.0.0.${octet}`) as Ipv4 },
        ),
      );
    const many = fc.uniqueArray(candidate, { minLength: 1, maxLength: 8, selector: (it) => it.peerAddress });
    fc.assert(
      fc.property(many, fc.constantFrom("none", "equal", "relaxed"), (candidates, multipath) => {
        const best = bestPaths(candidates, { multipath });
        expect(candidates).toContain(best[0]);
        expect(bestPaths(candidates.toReversed(), { multipath })).toEqual(best);
      }),
    );
  });
});
