import { describe, expect, it } from "vitest";
import { ip } from "../addr/ip.ts";
import { Instant } from "../base/time.ts";
import { groupSlices } from "./endpoints.ts";
import { type EndpointFact, type NodeFact, serviceFact, type ServiceFact } from "./facts.ts";
import { firstClosed } from "./gates.ts";
import { plan, type Plan } from "./plan.ts";
import type { LeaseFact, Member, MembersFact, Mode, ServicePolicy, Snapshot } from "./snapshot.ts";

const svcLease = { namespace: "kube-system", name: "plndr-svcs-lock" };
const settings: ServicePolicy = {
  namespace: null,
  className: "kube-vip.io/kube-vip-class",
  classOnly: false,
  legacyClassHandling: true,
  election: "spread",
  onDemand: false,
  lease: svcLease,
  interfaceName: null,
  attach: false,
  updateStatus: true,
  honoursExcludeLabel: true,
};
const held: LeaseFact = { holder: "n1", isHolder: true, error: null };
const ready = (node: string): EndpointFact => ({ node, ready: true, serving: true, terminating: false });
const member = (node: string, weight = 1): Member => ({ node, weight });
const members = (...live: Member[]): MembersFact => ({ live, doubt: null });
const node = (name: string, rest: Partial<NodeFact> = {}): NodeFact => ({
  ...{
    name,
    ready: true,
    cordoned: false,
    controlPlane: false,
    excluded: false,
    networkUnavailable: false,
    internalAddresses: [],
  },
  ...rest,
});

interface Wanted {
  readonly name: string;
  readonly address: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly policy?: "Cluster" | "Local";
  readonly endpoints?: readonly string[];
}

interface Case {
  readonly at?: string;
  readonly mode?: Mode;
  readonly services: readonly Wanted[];
  readonly settings?: Partial<ServicePolicy>;
  readonly snapshot?: Partial<Snapshot>;
}

function facts({ name, address, annotations = {}, policy = "Cluster" }: Wanted): ServiceFact {
  return serviceFact({
    metadata: { namespace: "default", name, annotations: { "kube-vip.io/loadbalancerIPs": address, ...annotations } },
    spec: { type: "LoadBalancer", externalTrafficPolicy: policy, ports: [{ port: 80 }] },
  });
}

function planOf({ at = "n1", mode = "bgp", services, settings: change = {}, snapshot = {} }: Case): Plan {
  const all = services.map(facts);
  const slices = services.map(({ endpoints = ["n1", "n2", "n3"] }, index) => ({
    service: all[index]!.key,
    family: 4 as const,
    endpoints: endpoints.map(ready),
  }));
  return plan({
    now: Instant.of(100_000),
    policy: {
      node: at,
      mode,
      fallbackDelayMillis: 5_000,
      fallbackSettleMillis: 1_000,
      prefixLengths: { ipv4: 32, ipv6: 128 },
      controlPlane: null,
      services: { ...settings, ...change },
      routing: {
        selections: [],
        allowed: {
          ...{ communities: [], largeCommunities: [], extendedCommunities: [] },
          ...{ localPreference: false, med: false, maxPrepend: 0 },
        },
      },
    },
    synced: true,
    services: new Map(all.map((service) => [service.key, service])),
    endpoints: groupSlices(slices),
    node: null,
    leases: new Map(),
    probe: { state: "ready", detail: "" },
    sessions: {
      configured: ["r1"],
      established: [{ name: "r1", families: [4, 6] }],
      upSince: Instant.of(0),
      downSince: null,
    },
    interfaces: [
      { index: 1, name: "lo", up: true, loopback: true, subnets: [] },
      { index: 2, name: "eth0", up: true, loopback: false, subnets: [{ address: ip("10.0.0.1"), length: 24 }] },
    ],
    wasFallback: false,
    stopping: false,
    keeping: false,
    members: members(member("n1"), member("n2"), member("n3")),
    ...snapshot,
  });
}

const NODES = ["n1", "n2", "n3"];
/** Nodes whose plan announces the Service, each planning for itself from the same facts. */
const announcers = (it: Case, name: string): string[] =>
  NODES.filter((at) => planOf({ ...it, at }).vips.some((vip) => vip.owner === `default/${name}` && vip.announced));
const closedGate = (made: Plan, name: string) =>
  firstClosed(made.vips.find((vip) => vip.owner === `default/${name}`)?.gates ?? []);

const many: Wanted[] = Array.from({ length: 60 }, (_, i) => ({ name: `s${i}`, address: `10.0.0.${100 + i}` }));

describe("Services that are spread over members", () => {
  it.each(["bgp", "arp"] as const)("are each announced by one node, and every node has some (%s)", (mode) => {
    const count = new Map<string, number>();
    const plans = NODES.map((at) => planOf({ at, mode, services: many }));
    for (const { name } of many) {
      const by = NODES.filter((_, i) => plans[i]!.vips.some((it) => it.owner === `default/${name}` && it.announced));
      expect(by, name).toHaveLength(1);
      count.set(by[0]!, (count.get(by[0]!) ?? 0) + 1);
    }
    for (const name of NODES) expect(count.get(name)).toBeGreaterThan(8);
  });

  it("say on every node who has them, and name the node that announces as vipHost", () => {
    const plans = NODES.map((at) => planOf({ at, services: many }));
    for (const [at, made] of plans.entries()) {
      for (const vip of made.vips) {
        expect(vip.chosen).toBe(plans[0]!.vips.find((it) => it.owner === vip.owner)!.chosen);
        expect(vip.announced).toBe(vip.chosen === NODES[at]);
        const gate = vip.gates.find((it) => it.gate === "election")!;
        if (!vip.announced) expect(gate.hint).toBe(`nothing to do: ${vip.chosen} announces it`);
      }
      for (const status of made.statuses) expect(status.vipHost).toBe(NODES[at]);
    }
  });

  it("make this node stand for its member Lease and for no other", () => {
    expect([...planOf({ services: many }).leases]).toEqual([
      [
        "kube-system/vipcast-member-n1",
        {
          lease: { namespace: "kube-system", name: "vipcast-member-n1" },
          stands: true,
          purpose: "member",
        },
      ],
    ]);
  });

  it("G5: are not announced by a node that has no interface for them, which is then no member", () => {
    const interfaces: Snapshot["interfaces"] = [{ index: 2, name: "eth0", up: false, loopback: false, subnets: [] }];
    const made = planOf({ mode: "arp", services: many, snapshot: { interfaces } });
    expect([...made.leases.values()].map(({ stands }) => stands)).toEqual([false]);
  });

  it("are announced by nobody who doubts what it sees, and says why", () => {
    const doubt = { fact: "the watch lags", hint: "wait" };
    const made = planOf({ services: many, snapshot: { members: { ...members(member("n1")), doubt } } });
    expect(made.routes.size).toBe(0);
    expect(closedGate(made, "s0")).toMatchObject({ gate: "election", fact: "the watch lags", hint: "wait" });
    const before = planOf({ services: many, snapshot: { members: null } });
    expect(closedGate(before, "s0")?.fact).toBe("the members are not known yet");
  });

  it("C2: with policy Local go to a node with a ready endpoint, and to nobody without one", () => {
    const local = (endpoints: string[]): Case => ({
      services: [{ name: "web", address: "10.0.0.100", policy: "Local", endpoints }],
    });
    for (const only of NODES) expect(announcers(local([only]), "web")).toEqual([only]);
    expect(announcers(local([]), "web")).toEqual([]);
    expect(planOf(local([])).vips[0]?.chosen).toBe(null);
  });

  it("D1: pass over a node that is excluded, and over one that is not ready while another is", () => {
    const all = (change: (name: string) => Partial<NodeFact>): Case => ({
      services: many,
      snapshot: { nodes: new Map(NODES.map((name) => [name, node(name, change(name))])) },
    });
    const chosen = (it: Case) => new Set(planOf(it).vips.map((vip) => vip.chosen));
    expect(chosen(all((name) => ({ excluded: name === "n2" })))).toEqual(new Set(["n1", "n3"]));
    expect(chosen(all((name) => ({ networkUnavailable: name === "n1" })))).toEqual(new Set(["n2", "n3"]));
    expect(chosen(all((name) => ({ ready: name !== "n3" })))).toEqual(new Set(["n1", "n2"]));
    expect(chosen(all(() => ({ ready: false })))).toEqual(new Set(NODES));
    expect(chosen(all(() => ({ excluded: true })))).toEqual(new Set([null]));
  });

  it("G6: go to the first preferred node that can serve them, fall back, and come back", () => {
    const it = (live: string[], endpoints = NODES): Case => ({
      services: [
        {
          ...{ name: "web", address: "10.0.0.100", policy: "Local" as const, endpoints },
          annotations: { "vipcast.io/preferred-nodes": "n3, N2" },
        },
      ],
      snapshot: { members: members(...live.map((name) => member(name))) },
    });
    expect(announcers(it(NODES), "web")).toEqual(["n3"]);
    expect(announcers(it(["n1", "n2"]), "web")).toEqual(["n2"]);
    expect(announcers(it(NODES, ["n1"]), "web")).toEqual(["n1"]);
    expect(announcers(it(NODES), "web")).toEqual(["n3"]);
  });

  it("G7: that share an address go to one node, also through a third that joins them", () => {
    const shared: Wanted[] = [
      { name: "a", address: "10.0.0.100" },
      { name: "b", address: "10.0.0.100,10.0.0.101" },
      { name: "c", address: "10.0.0.101" },
    ];
    for (let offset = 0; offset < 20; offset++) {
      const services = shared.map((one) => ({
        ...one,
        address: one.address.replaceAll(/\.(10\d)/g, (_, last: string) => `.${Number(last) + 2 * offset}`),
      }));
      const by = ["a", "b", "c"].map((name) => announcers({ services }, name).join());
      expect(new Set(by).size).toBe(1);
      expect(NODES).toContain(by[0]);
    }
  });
});

describe("a Lease for each Service", () => {
  const perService = { election: "per-service" as const };

  it("G7: is one for those that share an address: the first by name decides, and is stood for", () => {
    const services = [
      { name: "b", address: "10.0.0.100" },
      { name: "a", address: "10.0.0.100,10.0.0.101" },
    ];
    const made = planOf({ services, settings: perService });
    expect([...made.leases.keys()]).toEqual(["default/kubevip-a"]);
    const mine = planOf({
      services,
      settings: perService,
      snapshot: { leases: new Map([["default/kubevip-a", held]]) },
    });
    expect([...mine.routes.keys()].toSorted()).toEqual(["10.0.0.100/32", "10.0.0.101/32"]);
  });

  it("is not shared with a Service that is not served at all", () => {
    const services = [
      { name: "a", address: "10.0.0.100", annotations: { "kube-vip.io/ignore": "true" } },
      { name: "b", address: "10.0.0.100" },
    ];
    expect([...planOf({ services, settings: perService }).leases.keys()]).toEqual(["default/kubevip-b"]);
  });

  it("is the one that several name, in every mode", () => {
    const services = ["a", "b"].map((name, i) => ({
      ...{ name, address: `10.0.0.10${i}` },
      annotations: { "kube-vip.io/leaseName": "kube-system/common" },
    }));
    for (const mode of ["bgp", "arp"] as const) {
      expect([...planOf({ mode, services, settings: perService }).leases.keys()]).toEqual(["kube-system/common"]);
    }
  });

  it("cannot be common to Services of policy Local", () => {
    const annotations = { "kube-vip.io/leaseName": "common" };
    const services = [{ name: "web", address: "10.0.0.100", policy: "Local" as const, annotations }];
    const made = planOf({ services, settings: perService });
    expect(closedGate(made, "web")).toMatchObject({
      gate: "election",
      hint: expect.stringContaining("policy Cluster"),
    });
    expect(made.leases.size).toBe(0);
  });

  it.each(["none", "global", "spread"] as const)("is had on demand beside election %s", (election) => {
    const annotations = { "kube-vip.io/forcePerServiceElection": "true" };
    const services = [
      { name: "forced", address: "10.0.0.100", annotations },
      { name: "web", address: "10.0.0.101" },
    ];
    const allowed = planOf({ services, settings: { election, onDemand: true } });
    expect(allowed.leases.get("default/kubevip-forced")).toMatchObject({ stands: true, purpose: "service" });
    expect(allowed.leases.has("default/kubevip-web")).toBe(false);
    expect(closedGate(allowed, "forced")?.fact).toBe("nobody is known to hold default/kubevip-forced");
    const refused = planOf({ services, settings: { election, onDemand: false } });
    expect(refused.leases.has("default/kubevip-forced")).toBe(false);
  });
});

describe("one Lease for all Services", () => {
  it("can be had with BGP, too: the holder alone announces", () => {
    const services = [{ name: "web", address: "10.0.0.100" }];
    const election = { election: "global" as const };
    expect(planOf({ services, settings: election }).routes.size).toBe(0);
    const leases = new Map([["kube-system/plndr-svcs-lock", held]]);
    const mine = planOf({ services, settings: election, snapshot: { leases } });
    expect(mine.routes.size).toBe(1);
    expect(mine.statuses[0]?.vipHost).toBe("n1");
  });
});
