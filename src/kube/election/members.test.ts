import { describe, expect, it } from "vitest";
import { Instant } from "../../base/time.ts";
import { MemberBook, type MemberLease, memberAnnotations, memberLeaseOf } from "./members.ts";

const TIMES = { leaseDurationMillis: 15_000, renewDeadlineMillis: 10_000, retryPeriodMillis: 2_000 };
const at = Instant.of;

function lease(node: string, revision: number, rest: Partial<MemberLease["record"]> = {}): MemberLease {
  const record = { holder: node, durationSeconds: 15, acquireTime: "a", renewTime: `r${revision}`, transitions: 0 };
  return { node, weight: 1, revision, record: { ...record, ...rest } };
}

const book = () => new MemberBook("me", TIMES);
const names = (one: MemberBook, now: number) => one.live(at(now)).map(({ node }) => node);
const own = { isHolder: true, since: at(0) };

describe("the members", () => {
  it("are read from their Leases, and from no other", () => {
    const metadata = { name: "vipcast-member-n1", resourceVersion: "7", annotations: memberAnnotations(3) };
    const spec = { holderIdentity: "n1", leaseDurationSeconds: 15 };
    expect(memberLeaseOf({ metadata, spec })).toMatchObject({ node: "n1", weight: 3, revision: 7 });
    expect(memberLeaseOf({ metadata: { ...metadata, annotations: undefined }, spec })?.weight).toBe(1);
    for (const [text, weight] of Object.entries({ "-4": 0, "1e9": 1000, much: 1 })) {
      const annotations = { "vipcast.io/weight": text };
      expect(memberLeaseOf({ metadata: { ...metadata, annotations }, spec })?.weight).toBe(weight);
    }
    expect(memberLeaseOf({ metadata: { ...metadata, name: "plndr-svcs-lock" }, spec })).toBe(null);
    expect(memberLeaseOf("nonsense")).toBe(null);
  });

  it("are live for as long as they promised since their last renewal was seen", () => {
    const one = book();
    one.observe([lease("n1", 1), lease("n2", 2, { durationSeconds: 5 })], at(1_000));
    expect(names(one, 5_999)).toEqual(["n1", "n2"]);
    expect(names(one, 6_000)).toEqual(["n1"]);
    one.observe([lease("n1", 3), lease("n2", 2, { durationSeconds: 5 })], at(7_000));
    expect(names(one, 21_999)).toEqual(["n1"]);
    expect(names(one, 22_000)).toEqual([]);
  });

  it("are not kept alive by a change that is no renewal", () => {
    const one = book();
    one.observe([lease("n1", 1)], at(0));
    one.observe([{ ...lease("n1", 1), revision: 9, weight: 2 }], at(10_000));
    expect(one.live(at(14_999))).toEqual([{ node: "n1", weight: 2 }]);
    expect(names(one, 15_000)).toEqual([]);
  });

  it("are gone at once when they release their Lease, it is deleted, or another holds it", () => {
    const one = book();
    one.observe([lease("n1", 1), lease("n2", 1), lease("n3", 1), lease("n4", 1)], at(0));
    one.observe([lease("n1", 2, { holder: "" }), lease("n3", 2, { holder: "n1" }), lease("n4", 2)], at(100));
    expect(names(one, 100)).toEqual(["n4"]);
  });
});

describe("what a node believes", () => {
  function joined(): MemberBook {
    const one = book();
    one.observe([lease("me", 5), lease("n1", 4)], at(0));
    one.renewed(5, at(0));
    return one;
  }

  it("is nothing to act on without its own Lease", () => {
    const one = joined();
    expect(one.doubt(null, at(3_000))?.fact).toContain("no member");
    expect(one.doubt({ isHolder: false, since: null }, at(3_000))?.fact).toContain("no member");
    expect(one.doubt(own, at(3_000))).toBe(null);
  });

  it("is waited with for a retry period after joining, so that the others have seen it", () => {
    expect(joined().doubt(own, at(1_999))?.fact).toContain("joined just now");
    expect(joined().doubt(own, at(2_000))).toBe(null);
  });

  it("counts for the renew deadline from the sending of the last renewal that came back", () => {
    const one = joined();
    expect(one.doubt(own, at(9_999))).toBe(null);
    expect(one.doubt(own, at(10_000))?.fact).toContain("lags");
    // The API server takes it, but the watch is silent.
    one.renewed(8, at(9_000));
    expect(one.doubt(own, at(10_000))?.fact).toContain("lags");
    one.observe([lease("me", 8), lease("n1", 4)], at(10_500));
    expect(one.doubt(own, at(18_999))).toBe(null);
    expect(one.doubt(own, at(19_000))?.fact).toContain("lags");
  });

  it("is proved as well when the watch is faster than the answer, and by a later renewal", () => {
    const one = joined();
    one.observe([lease("me", 9), lease("n1", 4)], at(6_000));
    one.renewed(8, at(4_000));
    one.renewed(9, at(5_900));
    expect(one.doubt(own, at(15_899))).toBe(null);
    expect(one.doubt(own, at(15_900))?.fact).toContain("lags");
  });

  it("says when to look again: after joining, when a member expires, when the proof does", () => {
    const one = joined();
    expect(one.nextChange(own, at(0))).toBe(2_000);
    expect(one.nextChange(own, at(2_000))).toBe(10_000);
    expect(one.nextChange(own, at(10_000))).toBe(15_000);
    expect(one.nextChange(own, at(15_000))).toBe(null);
  });
});
