import { describe, expect, it } from "vitest";
import { ip } from "../addr/ip.ts";
import { Instant } from "../base/time.ts";
import { serviceFact, type ServiceFact } from "./facts.ts";
import { plan, type Plan } from "./plan.ts";
import { serviceAttributes } from "./route-attributes.ts";
import type { AllowedAttributes, Policy, RouteSelection, RoutingPolicy, Snapshot } from "./snapshot.ts";

const NOTHING: AllowedAttributes = {
  communities: [],
  largeCommunities: [],
  extendedCommunities: [],
  localPreference: false,
  med: false,
  maxPrepend: 0,
};
const EVERYTHING: AllowedAttributes = {
  communities: ["*:*", "no-export"],
  largeCommunities: ["*:*:*"],
  extendedCommunities: ["rt:*:*"],
  localPreference: true,
  med: true,
  maxPrepend: 3,
};

const service = (annotations: Record<string, string>, rest: object = {}): ServiceFact =>
  serviceFact({
    metadata: {
      namespace: "shop",
      name: "web",
      labels: { tier: "front", app: "web" },
      annotations: Object.fromEntries(
        Object.entries(annotations).map(([key, text]) => [`vipcast.io/bgp-${key}`, text]),
      ),
      ...rest,
    },
    spec: { type: "LoadBalancer", loadBalancerIP: "10.9.0.1" },
  });
const routing = (allowed: Partial<AllowedAttributes>, selections: readonly RouteSelection[] = []): RoutingPolicy => ({
  selections,
  allowed: { ...NOTHING, ...allowed },
});
const select = (tag: string, rest: Partial<RouteSelection>): RouteSelection => ({
  ...{ tag, kind: null, namespaces: null, services: null, labels: {} },
  ...rest,
});

describe("attributes that a Service asks for", () => {
  it("are carried by its routes where all of them are allowed", () => {
    const asked = service({
      communities: "65000:1, no-export,65000:2",
      "large-communities": "4200000000:1:2",
      "extended-communities": "rt:65000:7",
      "local-preference": "200",
      med: "0",
      prepend: "3",
    });
    expect(serviceAttributes(asked, routing(EVERYTHING))).toEqual({
      attributes: {
        communities: [0xfde8_0001, 0xffff_ff01, 0xfde8_0002],
        largeCommunities: [[4_200_000_000, 1, 2]],
        extendedCommunities: [0x0002_fde8_0000_0007n],
        localPref: 200,
        med: 0,
        prependCount: 3,
      },
      gate: expect.objectContaining({ gate: "attributes", open: true }),
    });
  });

  it("are all left out unless the configuration allows them, each with its reason", () => {
    const asked = service({ communities: "65000:1", "local-preference": "1", med: "1", prepend: "1" });
    const { attributes, gate } = serviceAttributes(asked, routing({}));
    expect(attributes).toEqual({});
    expect(gate).toMatchObject({
      open: true,
      fact:
        "left out: vipcast.io/bgp-communities 65000:1: not allowed; vipcast.io/bgp-local-preference is not allowed; " +
        "vipcast.io/bgp-med is not allowed; vipcast.io/bgp-prepend is not allowed",
      hint: expect.stringContaining("bgp.serviceAttributes"),
    });
  });

  it.each<[Record<string, string>, object, RegExp]>([
    [{ communities: "65000:1,x,65000:2" }, { communities: [0xfde8_0001, 0xfde8_0002] }, /has "x", which is none/],
    [{ med: "-1" }, {}, /bgp-med must be a number from 0 to 4294967295/],
    [{ med: "4294967296" }, {}, /bgp-med must be a number/],
    [{ med: "many" }, {}, /not "many"/],
    [{ prepend: "4", med: "5" }, { med: 5 }, /bgp-prepend must be a number from 0 to 3/],
    [{ "large-communities": "1:2" }, {}, /large-communities has "1:2"/],
  ])("in %j cost only what is bad", (annotations, attributes, reason) => {
    const result = serviceAttributes(service(annotations), routing(EVERYTHING));
    expect(result.attributes).toEqual(attributes);
    expect(result.gate?.fact).toMatch(reason);
    expect(result.gate?.open).toBe(true);
  });

  it.each([
    ["65000:*", "65000:7", true],
    ["65000:*", "65001:7", false],
    ["*:7", "1:7", true],
    ["65000:7", "65000:7", true],
    ["*:*", "65000:07", false],
    ["no-export", "65535:65281", true],
    ["65535:65281", "no-export", true],
    ["65000:*", "no-export", false],
  ])("by the pattern %s allow %s: %s", (pattern, community, isAllowed) => {
    const { attributes } = serviceAttributes(service({ communities: community }), routing({ communities: [pattern] }));
    expect(attributes.communities?.length ?? 0).toBe(isAllowed ? 1 : 0);
  });

  it("are not said at all without annotations", () => {
    expect(serviceAttributes(service({}), routing(EVERYTHING))).toEqual({ attributes: {}, gate: null });
  });

  it("are bounded in number", () => {
    const many = Array.from({ length: 500 }, (_, index) => `65000:${index}`).join(",");
    const { attributes, gate } = serviceAttributes(service({ communities: many }), routing(EVERYTHING));
    expect(attributes.communities).toHaveLength(64);
    expect(gate?.fact).toContain("has 500 values: those after the first 64 are left out");
  });

  it("are told of in a few words, however long the annotation is", () => {
    const asked = service({ communities: "x,".repeat(100_000), med: "many" });
    const { gate } = serviceAttributes(asked, routing(EVERYTHING));
    expect(gate?.fact.length).toBeLessThan(1000);
    expect(gate?.fact).toMatch(/; and 99993 more$/);
  });
});

describe("tags of export rules", () => {
  it.each<[string, Partial<RouteSelection>, boolean, boolean]>([
    ["everything of Services", { kind: "services" }, true, false],
    ["the control plane", { kind: "control-plane" }, false, true],
    ["its namespace", { namespaces: ["a", "shop"] }, true, false],
    ["another namespace", { namespaces: ["a"] }, false, false],
    ["its name", { services: ["shop/web"] }, true, false],
    ["its labels", { labels: { tier: "front", app: "web" } }, true, false],
    ["one label that differs", { labels: { tier: "front", app: "db" } }, false, false],
    ["its namespace and another name", { namespaces: ["shop"], services: ["shop/db"] }, false, false],
  ])("for %s fit what they name", (_, selection, ofService, ofControlPlane) => {
    const policy = routing({}, [select("t", selection)]);
    expect(serviceAttributes(service({}), policy).attributes.tags).toEqual(ofService ? ["t"] : undefined);
    expect([...run(policy, []).routes.values()]).toEqual([ofControlPlane ? { tags: ["t"] } : {}]);
  });
});

function run(routed: RoutingPolicy, services: readonly ServiceFact[]): Plan {
  const lease = { namespace: "a", name: "b" };
  const policy: Policy = {
    ...{ node: "n", mode: "bgp", fallbackDelayMillis: 0, fallbackSettleMillis: 0 },
    prefixLengths: { ipv4: 32, ipv6: 128 },
    controlPlane: { addresses: [ip("10.0.0.100")], elected: false, lease, interfaceName: null, probed: false },
    services: {
      ...{ namespace: null, className: "", classOnly: false, legacyClassHandling: true },
      ...{ election: "none" as const, onDemand: false },
      ...{ lease, interfaceName: null, attach: false, updateStatus: false },
    },
    routing: routed,
  };
  const endpoint = { node: "n", ready: true, serving: true, terminating: false };
  const snapshot: Snapshot = {
    ...{ now: Instant.of(0), policy, synced: true, node: null, leases: new Map(), wasFallback: false },
    services: new Map(services.map((it) => [it.key, it])),
    endpoints: new Map(
      services.map((it) => [it.key, [{ service: it.key, family: 4 as const, endpoints: [endpoint] }]]),
    ),
    probe: { state: "ready", detail: "" },
    sessions: {
      configured: ["r"],
      established: [{ name: "r", families: [4] }],
      upSince: Instant.of(0),
      downSince: null,
    },
    interfaces: [{ index: 1, name: "lo", up: true, loopback: true, subnets: [] }],
    ...{ stopping: false, keeping: false },
  };
  return plan(snapshot);
}

describe("a plan", () => {
  it("has the attributes with the route, and what was left out with the VIP, which is announced all the same", () => {
    const result = run(routing({ med: true }), [service({ med: "5", prepend: "1" })]);
    expect(result.routes.get("10.9.0.1/32" as never)).toEqual({ med: 5 });
    const vip = result.vips.find(({ owner }) => owner === "shop/web");
    expect(vip?.announced).toBe(true);
    expect(vip?.gates.find(({ gate }) => gate === "attributes")?.fact).toContain("bgp-prepend is not allowed");
  });

  it("for an address of several Services has the communities of all and the numbers of the first by name, in whatever order they come", () => {
    const a = service({ communities: "1:1,1:2", med: "7" }, { name: "a" });
    const b = service({ communities: "1:2,1:3", med: "8", "local-preference": "9" }, { name: "b" });
    for (const order of [
      [a, b],
      [b, a],
    ]) {
      expect(run(routing(EVERYTHING), order).routes.get("10.9.0.1/32" as never)).toEqual({
        communities: [0x1_0001, 0x1_0002, 0x1_0003],
        med: 7,
        localPref: 9,
      });
    }
  });

  it("for an address of many Services has no more communities than one of them could ask for", () => {
    const owners = Array.from({ length: 40 }, (_, owner) => {
      const communities = Array.from({ length: 64 }, (_, at) => `${owner}:${at}`).join(",");
      return service({ communities }, { name: `s${String(owner).padStart(2, "0")}` });
    });
    const route = run(routing(EVERYTHING), owners).routes.get("10.9.0.1/32" as never);
    expect(route?.communities).toEqual(Array.from({ length: 64 }, (_, at) => at));
  });
});
