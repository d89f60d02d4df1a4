import { describe, expect, it } from "vitest";
import { Instant } from "../base/time.ts";
import { EndpointDamping, type DampingPolicy } from "./endpoint-damping.ts";
import { EndpointsFold } from "./endpoints.ts";
import { type EndpointSliceFact, serviceKey } from "./facts.ts";

const WEB = serviceKey("default", "web");
const POLICY: DampingPolicy = { minimumReadyMillis: 0, holdDownMaxMillis: 20_000 };

/** A watch on one Service, with the ready nodes that it shows. */
function watched(policy: DampingPolicy = POLICY) {
  const damping = new EndpointDamping(policy);
  const fold = new EndpointsFold();
  let [now, version] = [0, 0];
  const other: EndpointSliceFact = { service: serviceKey("default", "other"), family: 4, endpoints: [] };
  let slices = new Map<string, EndpointSliceFact>([["other", other]]);
  const held = (): Record<string, number> => {
    const { holds } = damping.observe(fold.fold(slices, version), Instant.of(now));
    return Object.fromEntries([...(holds.get(WEB) ?? [])].map(([node, { requiredMillis }]) => [node, requiredMillis]));
  };
  return {
    damping,
    at: (millis: number) => ((now = millis), held()),
    nextAt: () => damping.observe(fold.fold(slices, version), Instant.of(now)).nextAt,
    /** @param nodes  null: the whole slice is gone */
    ready(nodes: readonly string[] | null) {
      const endpoints = (nodes ?? []).map((node) => ({ node, ready: true, serving: true, terminating: false }));
      slices = new Map(slices);
      if (nodes === null) slices.delete("web");
      else slices.set("web", { service: WEB, family: 4, endpoints });
      version++;
      return held();
    },
    look: () => damping.observe(fold.fold(slices, version), Instant.of(now)),
  };
}

describe("endpoints that come and go", () => {
  it("C7: hold their node down from the third time within minutes, each time for longer, up to a limit", () => {
    const it = watched();
    expect(it.ready(["n1", "n2"])).toEqual({});
    const seen: Record<string, number>[] = [];
    for (let round = 0; round < 6; round++) {
      it.at(round * 1_000);
      it.ready(["n2"]);
      seen.push(it.ready(["n1", "n2"]));
    }
    expect(seen).toEqual([{}, {}, { n1: 5_000 }, { n1: 10_000 }, { n1: 20_000 }, { n1: 20_000 }]);
    expect(it.nextAt()).toBe(25_000);
    expect(it.at(24_999)).toEqual({ n1: 20_000 });
    expect(it.at(25_000)).toEqual({});
    expect(it.nextAt()).toBeNull();
  });

  it("are forgiven what is minutes ago, also where the whole slice went", () => {
    const it = watched();
    it.ready(["n1"]);
    for (const at of [0, 500, 1_000]) {
      it.at(at);
      it.ready(null);
      it.ready(["n1"]);
    }
    expect(it.at(1_000)).toEqual({ n1: 5_000 });
    it.at(302_000);
    it.ready([]);
    expect(it.ready(["n1"])).toEqual({});
  });

  it("must have been ready for the configured time, but not those that were there from the start", () => {
    const it = watched({ minimumReadyMillis: 3_000, holdDownMaxMillis: 0 });
    const start = watched({ minimumReadyMillis: 3_000, holdDownMaxMillis: 0 });
    it.at(0);
    expect(it.ready(["n1"])).toEqual({ n1: 3_000 });
    expect(it.at(3_000)).toEqual({});
    expect(start.ready(["n1"])).toEqual({});
  });

  it("are told in the same object as long as nothing changes", () => {
    const it = watched();
    it.ready(["n1"]);
    for (let round = 0; round < 3; round++) {
      it.ready([]);
      it.ready(["n1"]);
    }
    const before = it.look().holds.get(WEB);
    expect(before).toBeDefined();
    it.at(100);
    expect(it.look().holds.get(WEB)).toBe(before);
  });
});
