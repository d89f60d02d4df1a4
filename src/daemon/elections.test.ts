import { describe, expect, it } from "vitest";
import type { LeasePlan } from "../vip/plan.ts";
import { Elections } from "./elections.ts";

const wanted = new Map<string, LeasePlan>([
  [
    "kube-system/plndr-cp-lock",
    { lease: { namespace: "kube-system", name: "plndr-cp-lock" }, stands: true, purpose: "control-plane" },
  ],
]);

/** Elections that write down what is done with them. */
function rack(onStop: () => void = () => {}, released: Promise<void> = Promise.resolve()) {
  const trace: string[] = [];
  const elections = new Elections(({ lease }) => {
    trace.push(`start ${lease.name}`);
    return {
      fact: { holder: null, isHolder: false, error: null },
      setCandidate: (stands) => void trace.push(stands ? "stand" : "do not stand"),
      stop: async () => {
        trace.push("stop");
        onStop();
        await released;
      },
    };
  });
  return { elections, happened: () => trace.splice(0) };
}

describe("the elections of a node", () => {
  it("one runs for each Lease of the plan, and is stopped when the plan has it no longer", () => {
    const { elections, happened } = rack();
    elections.converge(wanted);
    elections.converge(wanted);
    expect(happened()).toEqual(["start plndr-cp-lock", "stand", "stand"]);
    elections.converge(new Map());
    expect(happened()).toEqual(["stop"]);
    expect(elections.facts().size).toBe(0);
  });

  it("none is started anew by the plan that follows from its end", async () => {
    const { elections, happened } = rack(() => elections.converge(wanted));
    elections.converge(wanted);
    happened();
    await elections.stop();
    elections.converge(wanted);
    expect(happened()).toEqual(["stop"]);
  });

  it("one that is wanted again starts only when its predecessor has given the Lease up", async () => {
    const released = Promise.withResolvers<void>();
    const { elections, happened } = rack(() => {}, released.promise);
    elections.converge(wanted);
    elections.converge(new Map());
    elections.converge(wanted);
    expect(happened()).toEqual(["start plndr-cp-lock", "stand", "stop"]);
    released.resolve();
    await new Promise((done) => setImmediate(done));
    expect(happened()).toEqual(["start plndr-cp-lock", "stand"]);
  });
});
