import { describe, expect, it } from "vitest";
import { ip } from "../addr/ip.ts";
import { serviceFact, serviceKey } from "./facts.ts";
import { closed, open } from "./gates.ts";
import type { VipPlan } from "./plan.ts";
import { type NoticeFacts, serviceNotices } from "./service-notices.ts";

const KEY = serviceKey("default", "web");
const node = (name: string, ready = true): [string, { name: string; ready: boolean }] => [name, { name, ready }];

type Facts = Omit<NoticeFacts, "conflicts">;

function seen(of: { nodes?: [string, { name: string; ready: boolean }][]; poolFailures?: [string, string][] }): Facts {
  const metadata = { name: "web", namespace: "default", uid: "u" };
  const service = serviceFact({ metadata, spec: { type: "LoadBalancer" } });
  return {
    node: "n1",
    services: new Map([[KEY, service]]),
    nodes: new Map(of.nodes ?? [node("n1"), node("n2")]),
    poolFailures: new Map(of.poolFailures),
  };
}
const vip = (of: Partial<VipPlan>): VipPlan => ({
  ...{ owner: KEY, address: ip("10.0.0.1"), path: "l2", announced: true, gates: [open("node", "")] },
  ...{ lease: { namespace: "kube-system", name: "lock" }, ...of },
});
const told = (facts: Facts, vips: VipPlan[], conflicts: [string, string][] = []): string[] =>
  serviceNotices({ ...facts, conflicts: new Map(conflicts) }, vips).map(
    ({ reason, message }) => `${reason}: ${message}`,
  );

describe("what is said of a Service", () => {
  it("is who announces it, by the node that alone does", () => {
    expect(told(seen({}), [vip({}), vip({ address: ip("fd00::1") })])).toEqual([
      "Announced: 10.0.0.1, fd00::1 by node n1 (ARP and NDP)",
    ]);
    expect(told(seen({}), [vip({ lease: null, path: "bgp" })])).toEqual([]);
    expect(told(seen({}), [vip({ lease: null, path: "bgp", chosen: "n1" })])).toEqual([
      "Announced: 10.0.0.1 by node n1 (BGP)",
    ]);
    expect(told(seen({}), [vip({ path: "table" })])).toEqual([
      "Announced: 10.0.0.1 by node n1 (a route in its kernel)",
    ]);
    expect(told(seen({}), [vip({ announced: false })])).toEqual([]);
  });

  it("is a mistake of its owner, by the first of the nodes that are ready and by no other", () => {
    const mistaken = vip({ announced: false, gates: [closed("address", "10.0.0 is no address", "name one")] });
    expect(told(seen({}), [mistaken])).toEqual(["NotAnnounced: 10.0.0 is no address"]);
    expect(told(seen({ nodes: [node("a"), node("n1")] }), [mistaken])).toEqual([]);
    expect(told(seen({ nodes: [node("a", false), node("n1")] }), [mistaken])).toHaveLength(1);
    expect(told(seen({}), [vip({ announced: false, gates: [closed("endpoints", "none", "run one")] })])).toEqual([]);
  });

  it("I2: is that no pool has an address for it, by who gives them", () => {
    const without = vip({ address: null, announced: false, gates: [closed("address", "none", "")] });
    const reason = "pool cidr-global is exhausted";
    expect(told(seen({ poolFailures: [[KEY, reason]] }), [without])).toEqual([`NoAddress: ${reason}`]);
  });

  it("is that somebody else claims its VIP", () => {
    expect(told(seen({}), [vip({})], [["10.0.0.1", "02:00:00:00:00:01"]])).toContain(
      "AddressConflict: 10.0.0.1 is claimed by 02:00:00:00:00:01, too",
    );
  });
});
