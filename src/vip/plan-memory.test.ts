import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Family, ip } from "../addr/ip.ts";
import { hostPrefix } from "../addr/prefix.ts";
import { Instant } from "../base/time.ts";
import { EndpointsFold } from "./endpoints.ts";
import { type EndpointSliceFact, type NodeFact, serviceFact, type ServiceFact, type ServiceKey } from "./facts.ts";
import { plan } from "./plan.ts";
import { PlanMemory } from "./plan-memory.ts";
import type { Policy, ServiceElection, Snapshot } from "./snapshot.ts";

const NAMES = ["a", "b", "c"] as const;
const NODES = ["node-1", "node-2"] as const;

/** What a Service of that name may say, in every respect that some gate looks at. */
const serviceOf = (name: string): fc.Arbitrary<ServiceFact> =>
  fc
    .record({
      addresses: fc.constantFrom("10.0.0.1", "10.0.0.2", "10.0.0.1,fd00::1", "no address", ""),
      ignored: fc.boolean(),
      policy: fc.constantFrom("Cluster", "Local"),
      type: fc.constantFrom("LoadBalancer", "ClusterIP"),
      loadBalancerClass: fc.constantFrom(undefined, "foreign"),
      leaseName: fc.constantFrom("", "shared", "not a name!"),
      forces: fc.boolean(),
      med: fc.constantFrom("", "7"),
      ranges: fc.constantFrom<string[][]>([], ["192.0.2.0/24"]),
      interfaceName: fc.constantFrom("", "eth0", "eth9"),
    })
    .map((of) =>
      serviceFact({
        metadata: {
          namespace: "ns",
          name,
          annotations: {
            "kube-vip.io/loadbalancerIPs": of.addresses,
            "kube-vip.io/ignore": String(of.ignored),
            "kube-vip.io/leaseName": of.leaseName,
            "kube-vip.io/forcePerServiceElection": String(of.forces),
            "kube-vip.io/serviceInterface": of.interfaceName,
            "vipcast.io/bgp-med": of.med,
          },
        },
        spec: {
          type: of.type,
          externalTrafficPolicy: of.policy,
          loadBalancerSourceRanges: of.ranges,
          ports: [{ port: 80 }],
          ...(of.loadBalancerClass === undefined ? {} : { loadBalancerClass: of.loadBalancerClass }),
        },
      }),
    );

const sliceOf = (name: string): fc.Arbitrary<EndpointSliceFact> =>
  fc
    .array(
      fc.record({
        node: fc.constantFrom(...NODES),
        ready: fc.boolean(),
        serving: fc.boolean(),
        terminating: fc.boolean(),
      }),
      { maxLength: 2 },
    )
    .map((endpoints) => ({ service: `ns/${name}` as ServiceKey, family: 4, endpoints }));

const nodeOf = (name: string): fc.Arbitrary<NodeFact> =>
  fc.record({
    ...{ name: fc.constant(name), ready: fc.boolean(), cordoned: fc.boolean(), controlPlane: fc.constant(false) },
    ...{ excluded: fc.boolean(), networkUnavailable: fc.boolean(), internalAddresses: fc.constant([]) },
  });

const lease = fc.option(
  fc.record({
    holder: fc.constantFrom(null, ...NODES),
    isHolder: fc.boolean(),
    error: fc.constantFrom(null, "refused"),
  }),
  { nil: undefined },
);

/** One thing that is different from now on. */
const change: fc.Arbitrary<(snapshot: Snapshot) => Snapshot> = fc.oneof(
  fc.constantFrom(...NAMES).chain((name) =>
    fc.option(serviceOf(name), { nil: null }).map((service) => (it: Snapshot) => {
      const services = new Map(it.services);
      if (service === null) services.delete(`ns/${name}` as ServiceKey);
      else services.set(service.key, service);
      return { ...it, services };
    }),
  ),
  fc.constantFrom(...NODES).chain((name) =>
    nodeOf(name).map((node) => (it: Snapshot) => ({
      ...it,
      nodes: new Map([...(it.nodes ?? []), [name, node]]),
      ...(name === "node-1" ? { node } : {}),
    })),
  ),
  fc.tuple(fc.constantFrom("ns/lock", "ns/shared", "ns/kubevip-a"), lease).map(([name, fact]) => (it: Snapshot) => {
    const leases = new Map(it.leases);
    if (fact === undefined) leases.delete(name);
    else leases.set(name, fact);
    return { ...it, leases };
  }),
  fc.subarray([...NODES]).map((live) => (it: Snapshot) => ({
    ...it,
    members: { live: live.map((node) => ({ node, weight: 1 })), doubt: null },
  })),
  fc.constantFrom<Family[][]>([], [4], [6], [4, 6]).map((families) => (it: Snapshot) => ({
    ...it,
    sessions: {
      ...it.sessions,
      established: families.length === 0 ? [] : [{ name: "r1", families: families }],
    },
  })),
  fc.constantFrom(new Map(), new Map([[ip("10.0.0.1"), "the address of peer r1"]])).map((ends) => (it: Snapshot) => ({
    ...it,
    sessions: { ...it.sessions, ends },
  })),
  fc.record({ up: fc.boolean(), index: fc.constantFrom(2, 3) }).map(({ up, index }) => (it: Snapshot) => ({
    ...it,
    interfaces: [
      LOOPBACK,
      { index, name: "eth0", up, loopback: false, subnets: [{ address: ip("10.0.0.9"), length: 24 }] },
    ],
  })),
  fc
    .constantFrom(new Map(), new Map([[hostPrefix(ip("10.0.0.1")), "no buffer space available"]]))
    .map((tableFailures) => (it: Snapshot) => ({ ...it, tableFailures })),
  fc.constantFrom(null, "nft: refused").map((firewallFailure) => (it: Snapshot) => ({ ...it, firewallFailure })),
  fc
    .constantFrom(null, new Map([["ns/a", "pool is exhausted"]]))
    .map((poolFailures) => (it: Snapshot) => ({ ...it, poolFailures })),
  fc.record({ stopping: fc.boolean(), keeping: fc.boolean() }).map((stop) => (it: Snapshot) => ({ ...it, ...stop })),
  fc
    .constantFrom(null, Instant.of(0), Instant.of(-9))
    .map((cordonedSince) => (it: Snapshot) => ({ ...it, cordonedSince })),
  fc
    .constantFrom(new Map(), new Map([["node-1", { requiredMillis: 5_000, lossesCount: 2 }]]))
    .map((holds) => (it: Snapshot) => ({
      ...it,
      damping: { holds: new Map([["ns/a" as ServiceKey, holds]]), nextAt: null },
    })),
  fc.boolean().map((wasFallback) => (it: Snapshot) => ({ ...it, wasFallback })),
);

const LOOPBACK = { index: 1, name: "lo", up: true, loopback: true, subnets: [] };

const policies: fc.Arbitrary<Policy> = fc
  .record({
    mode: fc.constantFrom("bgp", "arp", "auto", "table"),
    type: fc.constantFrom("unicast", "blackhole"),
    election: fc.constantFrom<ServiceElection[]>("none", "global", "per-service", "spread"),
    onDemand: fc.boolean(),
    attach: fc.boolean(),
  })
  .map(({ mode, type, ...rest }) => ({
    ...{ node: "node-1", mode, fallbackDelayMillis: 0, fallbackSettleMillis: 0 },
    ...{ prefixLengths: { ipv4: 32, ipv6: 128 }, controlPlane: null },
    routeTable: mode === "table" ? { table: 198, protocol: 248, type } : null,
    services: {
      ...{ namespace: null, className: "kube-vip.io/kube-vip-class", classOnly: false, legacyClassHandling: true },
      ...{
        lease: { namespace: "ns", name: "lock" },
        interfaceName: null,
        updateStatus: true,
        honoursExcludeLabel: true,
        cordonDrainMillis: 5,
      },
      enforced: { onlyServicePorts: true, sourceRanges: true },
      ...rest,
    },
    routing: {
      selections: [],
      allowed: {
        communities: [],
        largeCommunities: [],
        extendedCommunities: [],
        localPreference: false,
        med: true,
        maxPrepend: 0,
      },
    },
  }));

describe("PlanMemory", () => {
  it("never shows in a plan: after any changes it is the one that a planner without memory makes", () => {
    const rounds = fc.array(
      fc.tuple(change, fc.array(fc.constantFrom(...NAMES).chain(sliceOf), { maxLength: 4 }), fc.boolean()),
      {
        minLength: 1,
        maxLength: 12,
      },
    );
    fc.assert(
      fc.property(policies, fc.tuple(...NAMES.map(serviceOf)), rounds, (policy, services, changes) => {
        const memory = new PlanMemory();
        const fold = new EndpointsFold();
        let slices: readonly EndpointSliceFact[] = [];
        let snapshot: Snapshot = {
          ...{ now: Instant.of(0), policy, synced: true, endpoints: new Map(), node: null },
          services: new Map(services.map((service) => [service.key, service])),
          ...{ leases: new Map(), probe: { state: "ready", detail: "" }, interfaces: [LOOPBACK] },
          sessions: { configured: ["r1"], established: [], upSince: null, downSince: Instant.of(0) },
          ...{ wasFallback: false, stopping: false, keeping: false },
        };
        for (const [version, [apply, newSlices, isOfSlices]] of changes.entries()) {
          if (isOfSlices) slices = newSlices;
          snapshot = { ...apply(snapshot), endpoints: fold.fold(new Map(slices.entries()), version) };
          expect(plan(snapshot, memory)).toEqual(plan(snapshot));
        }
      }),
      { numRuns: 1_500 },
    );
  });

  it("gives the very same objects for Services that have not changed", () => {
    const [a, b] = NAMES.map((name, index) =>
      serviceFact({
        metadata: { namespace: "ns", name, annotations: { "kube-vip.io/loadbalancerIPs": `10.0.0.${index}` } },
        spec: { type: "LoadBalancer" },
      }),
    );
    const policy = fc.sample(policies, { numRuns: 1, seed: 1 })[0]!;
    const snapshot: Snapshot = {
      ...{ now: Instant.of(0), policy, synced: true, endpoints: new Map(), node: null },
      services: new Map([a!, b!].map((service) => [service.key, service])),
      ...{ leases: new Map(), probe: { state: "ready", detail: "" }, interfaces: [LOOPBACK] },
      sessions: { configured: ["r1"], established: [], upSince: null, downSince: Instant.of(0) },
      ...{ wasFallback: false, stopping: false, keeping: false },
    };
    const memory = new PlanMemory();
    const before = plan(snapshot, memory);
    const changed = { ...b!, ignored: true };
    const after = plan({ ...snapshot, services: new Map([...snapshot.services, [changed.key, changed]]) }, memory);
    expect(after.vips[0]).toBe(before.vips[0]);
    expect(after.vips[1]).not.toBe(before.vips[1]);
  });
});
