import { describe, expect, it } from "vitest";
import { microTime, parseLease, renderLease, sameRecord } from "./lease.ts";

const record = { holder: "me", durationSeconds: 15, acquireTime: "a", renewTime: "r", transitions: 2 };

describe("a Lease", () => {
  it("reads missing and misshapen fields as empty", () => {
    const odd = { holderIdentity: 5, leaseDurationSeconds: -1, acquireTime: null, leaseTransitions: "x" };
    for (const spec of [undefined, null, {}, odd, "x"]) {
      expect(parseLease({ metadata: { resourceVersion: "1" }, spec })?.record).toEqual({
        holder: "",
        durationSeconds: 0,
        acquireTime: "",
        renewTime: "",
        transitions: 0,
      });
    }
  });

  it("is none without a resourceVersion", () => {
    for (const body of [
      null,
      "x",
      [],
      {},
      { metadata: null },
      { metadata: {} },
      { metadata: { resourceVersion: 5 } },
    ]) {
      expect(parseLease(body)).toBe(null);
    }
  });

  it("is written with everything that others put there, except the server's own account of fields", () => {
    const base = parseLease({
      metadata: {
        name: "n",
        uid: "u",
        resourceVersion: "7",
        labels: { a: "b" },
        annotations: { c: "d" },
        managedFields: [{}],
      },
      spec: { holderIdentity: "other", strategy: "s" },
    });
    expect(renderLease({ namespace: "ns", name: "n" }, record, base, { e: "f" })).toEqual({
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: {
        namespace: "ns",
        name: "n",
        uid: "u",
        resourceVersion: "7",
        labels: { a: "b" },
        annotations: { c: "d", e: "f" },
      },
      spec: {
        strategy: "s",
        holderIdentity: "me",
        leaseDurationSeconds: 15,
        acquireTime: "a",
        renewTime: "r",
        leaseTransitions: 2,
      },
    });
  });

  it("writes time as client-go does", () => {
    expect(microTime(new Date(Date.UTC(2030, 0, 2, 3, 4, 5, 6)))).toBe("2030-01-02T03:04:05.006000Z");
  });

  it("is another record when any of its fields differs", () => {
    expect(sameRecord(record, { ...record })).toBe(true);
    const others = [
      { holder: "x" },
      { durationSeconds: 1 },
      { acquireTime: "x" },
      { renewTime: "x" },
      { transitions: 3 },
    ];
    for (const other of others) expect(sameRecord(record, { ...record, ...other })).toBe(false);
  });
});
