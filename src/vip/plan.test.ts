import { describe, expect, it } from "vitest";
import { ip, type IpAddress } from "../addr/ip.ts";
import { hostPrefix } from "../addr/prefix.ts";
import { Instant } from "../base/time.ts";
import { groupSlices } from "./endpoints.ts";
import {
  type EndpointFact,
  type NodeFact,
  endpointSliceFact,
  serviceFact,
  type ServiceFact,
  serviceKey,
} from "./facts.ts";
import { firstClosed } from "./gates.ts";
import { plan, type Plan, type VipPlan } from "./plan.ts";
import type {
  ControlPlanePolicy,
  LeaseFact,
  Mode,
  Policy,
  RouteTablePolicy,
  RoutingPolicy,
  ServicePolicy,
  Snapshot,
} from "./snapshot.ts";

const CP = ip("10.0.0.100");
const WEB = ip("10.96.7.1");
const LAN = ip("10.0.0.200");
const cpLease = { namespace: "kube-system", name: "plndr-cp-lock" };
const svcLease = { namespace: "kube-system", name: "plndr-svcs-lock" };

const controlPlane: ControlPlanePolicy = {
  addresses: [CP],
  elected: false,
  lease: cpLease,
  interfaceName: null,
  probed: true,
};
const services: ServicePolicy = {
  namespace: null,
  className: "kube-vip.io/kube-vip-class",
  classOnly: false,
  legacyClassHandling: true,
  election: "none",
  onDemand: false,
  lease: svcLease,
  interfaceName: null,
  attach: false,
  updateStatus: true,
};
const routing: RoutingPolicy = {
  selections: [],
  allowed: {
    communities: [],
    largeCommunities: [],
    extendedCommunities: [],
    localPreference: false,
    med: false,
    maxPrepend: 0,
  },
};
const policy = (mode: Mode, rest: Partial<Policy> = {}): Policy => ({
  node: "node-1",
  mode,
  fallbackDelayMillis: 5_000,
  fallbackSettleMillis: 1_000,
  prefixLengths: { ipv4: 32, ipv6: 128 },
  controlPlane: null,
  services: null,
  routing,
  ...rest,
});

const ready = (node: string): EndpointFact => ({ node, ready: true, serving: true, terminating: false });
const key = serviceKey("default", "web");
const slices = (family: 4 | 6, ...endpoints: EndpointFact[]) => groupSlices([{ service: key, family, endpoints }]);

const web = (rest: Partial<ServiceFact> = {}): ServiceFact => ({
  ...serviceFact({
    metadata: { namespace: "default", name: "web", uid: "u1", annotations: { "kube-vip.io/loadbalancerIPs": WEB } },
    spec: { type: "LoadBalancer", ports: [{ port: 80 }] },
  }),
  ...rest,
});
const served = (...all: ServiceFact[]) => new Map(all.map((service) => [service.key, service]));

const snapshot = (rest: Partial<Snapshot>): Snapshot => ({
  now: Instant.of(100_000),
  policy: policy("bgp"),
  synced: true,
  services: new Map(),
  endpoints: new Map(),
  node: null,
  leases: new Map(),
  probe: { state: "ready", detail: "https://127.0.0.1:6443/readyz answers 200" },
  sessions: {
    configured: ["r1"],
    established: [{ name: "r1", families: [4, 6] }],
    upSince: Instant.of(0),
    downSince: null,
  },
  interfaces: [
    { index: 1, name: "lo", up: true, loopback: true, subnets: [{ address: ip("127.0.0.1"), length: 8 }] },
    {
      index: 2,
      name: "eth0",
      up: true,
      loopback: false,
      subnets: [
        { address: ip("10.0.0.1"), length: 24 },
        { address: ip("fd00::1"), length: 64 },
      ],
    },
  ],
  wasFallback: false,
  stopping: false,
  keeping: false,
  ...rest,
});

const held: LeaseFact = { holder: "node-1", isHolder: true, error: null };
const foreign: LeaseFact = { holder: "node-2", isHolder: false, error: null };
const leases = (name: string, fact: LeaseFact) => new Map([[`kube-system/${name}`, fact]]);
const down = (downSince: number) => ({
  configured: ["r1"],
  established: [],
  upSince: null,
  downSince: Instant.of(downSince),
});

const only = (result: Plan): VipPlan => {
  expect(result.vips).toHaveLength(1);
  return result.vips[0]!;
};
const decided = (result: Plan): string | null => {
  const gate = firstClosed(only(result).gates);
  return gate && `${gate.gate}: ${gate.fact}`;
};
const webPlan = (
  rest: Partial<Snapshot> = {},
  fact: Partial<ServiceFact> = {},
  change: Partial<ServicePolicy> = {},
): Plan =>
  plan(
    snapshot({
      policy: policy("bgp", { services: { ...services, ...change } }),
      services: served(web(fact)),
      endpoints: slices(4, ready("node-2")),
      ...rest,
    }),
  );

describe("an annotation as long as the API allows", () => {
  it("has no more than 64 addresses taken, and few words said about the others", () => {
    const many = Array.from({ length: 20_000 }, (_, at) => `10.97.${at >> 8}.${at & 255}`);
    const result = webPlan({}, { annotatedAddresses: many });
    expect(result.routes.size).toBe(64);
    expect(result.vips).toHaveLength(65);
    expect(result.vips.find(({ address }) => address === null)?.gates.at(-1)?.fact).toBe(
      "19936 more in annotation kube-vip.io/loadbalancerIPs: a Service can have 64 at most",
    );
    const long = webPlan({}, { annotatedAddresses: ["x".repeat(200_000)] });
    expect(decided(long)?.length).toBeLessThan(200);
  });
});

describe("an address at an end of a BGP session", () => {
  const ends = new Map([
    [WEB, "this node's end of the session with r1"],
    [CP, "the address of peer r1"],
  ]);
  const sessions = { ...snapshot({}).sessions, ends };

  it("is no VIP of a Service: its route would take the next hop from all others", () => {
    const result = webPlan({ sessions });
    expect(decided(result)).toBe(
      `address: ${WEB} from annotation kube-vip.io/loadbalancerIPs is this node's end of the session with r1`,
    );
    expect([result.routes.size, result.addresses.size]).toEqual([0, 0]);
  });

  it("costs a Service that address alone, and may be what ARP announces", () => {
    const two = webPlan({ sessions }, { annotatedAddresses: [WEB, LAN] });
    expect([...two.routes.keys()]).toEqual([`${LAN}/32`]);
    const arp = webPlan({ sessions, policy: policy("arp", { services }) }, {});
    expect(arp.vips[0]?.gates.find(({ gate }) => gate === "address")?.open).toBe(true);
  });
});

describe("a VIP in mode table", () => {
  const routeTable: RouteTablePolicy = { table: 198, protocol: 248, type: "unicast" };
  const inTable = (rest: Partial<Policy> = {}): Partial<Snapshot> => ({
    policy: policy("table", { routeTable, controlPlane, services, ...rest }),
    services: served(web()),
    endpoints: slices(4, ready("node-2")),
    sessions: { configured: [], established: [], upSince: null, downSince: Instant.of(0) },
  });
  const run = (rest: Partial<Snapshot> = {}, change: Partial<Policy> = {}): Plan =>
    plan(snapshot({ ...inTable(change), ...rest }));
  const routes = ({ tableRoutes }: Plan): string[] =>
    [...tableRoutes.values()].map(
      ({ prefix, interfaceIndex, lasting }) => `${prefix} ${interfaceIndex ?? "-"}${lasting ? " lasting" : ""}`,
    );

  it("is a route of every node that can serve it, and of the control plane an address as well", () => {
    const result = run();
    expect(routes(result)).toEqual([`${CP}/32 1 lasting`, `${WEB}/32 1 lasting`]);
    expect([...result.addresses.keys()]).toEqual([CP]);
    expect([result.routes.size, result.segments.size, result.leases.size]).toEqual([0, 0, 0]);
    expect(result.vips.map(({ path, announced, lease }) => [path, announced, lease])).toEqual([
      ["table", true, null],
      ["table", true, null],
    ]);
    expect(result.vips[1]?.gates.at(-1)?.fact).toBe("unicast in table 198, protocol 248");
  });

  it("goes with the API server's readiness and with the last endpoint, of policy Local with the node's own", () => {
    const failed = { state: "failed", detail: "connection refused" } as const;
    expect(routes(run({ probe: failed }))).toEqual([`${WEB}/32 1 lasting`]);
    expect(routes(run({ endpoints: new Map() }))).toEqual([`${CP}/32 1 lasting`]);
    const local = served(web({ externalTrafficPolicy: "Local" }));
    expect(routes(run({ services: local }))).toEqual([`${CP}/32 1 lasting`]);
    expect(routes(run({ services: local, endpoints: slices(4, ready("node-1")) }))).toHaveLength(2);
    expect(routes(run({ stopping: true }))).toEqual([]);
    expect(routes(run({ stopping: true, keeping: true }))).toHaveLength(2);
  });

  it("under an election is the holder's alone, and goes with a stop that leaves the others", () => {
    const elected = { services: { ...services, election: "global" as const } };
    expect(routes(run({}, elected))).toEqual([`${CP}/32 1 lasting`]);
    const own = { leases: leases("plndr-svcs-lock", held) };
    expect(routes(run(own, elected))).toEqual([`${CP}/32 1 lasting`, `${WEB}/32 1`]);
    expect(routes(run({ ...own, stopping: true, keeping: true }, elected))).toEqual([`${CP}/32 1 lasting`]);
    const wanted = run({}, elected).leases.get("kube-system/plndr-svcs-lock");
    expect(wanted).toMatchObject({ stands: true, purpose: "services" });
  });

  it("leads to the interface that is named while that is up, and to none where the type has none", () => {
    const onEth0 = { services: { ...services, interfaceName: "eth0" }, controlPlane: null };
    expect(routes(run({}, onEth0))).toEqual([`${WEB}/32 2 lasting`]);
    const interfaces = snapshot({}).interfaces.map((it) => ({ ...it, up: it.loopback }));
    const gone = run({ interfaces }, onEth0);
    expect([routes(gone), decided(gone)]).toEqual([[], "interface: eth0 is down"]);
    const blackhole = { ...onEth0, routeTable: { ...routeTable, type: "blackhole" as const } };
    expect(routes(run({ interfaces }, blackhole))).toEqual([`${WEB}/32 - lasting`]);
  });

  it("is not announced while the kernel refuses its route, and goes on being wanted", () => {
    const failure = "route 10.96.7.1/32: another program's route is in its place";
    const result = run({ tableFailures: new Map([[hostPrefix(WEB), failure]]) }, { controlPlane: null });
    expect(decided(result)).toBe(`route: not in table 198: ${failure}`);
    expect([only(result).announced, routes(result), result.statuses]).toEqual([false, [`${WEB}/32 1 lasting`], []]);
  });

  it("of several owners is lasting as soon as it is for one of them", () => {
    const shared = web({ annotatedAddresses: [CP] });
    const elected = { services: { ...services, election: "global" as const } };
    const both = run({ services: served(shared), leases: leases("plndr-svcs-lock", held) }, elected);
    expect(routes(both)).toEqual([`${CP}/32 1 lasting`]);
  });
});

describe("the control-plane VIP with BGP", () => {
  const run = (rest: Partial<Snapshot> = {}, change: Partial<ControlPlanePolicy> = {}): Plan =>
    plan(snapshot({ policy: policy("bgp", { controlPlane: { ...controlPlane, ...change } }), ...rest }));

  it("is a route and an address on lo while the API server is ready", () => {
    const result = run();
    expect([...result.routes.keys()]).toEqual(["10.0.0.100/32"]);
    expect(result.addresses.get(CP)).toEqual({ address: CP, prefixLength: 32, interfaceIndex: 1, scopeHost: true });
    expect(only(result).announced).toBe(true);
  });

  it("is withdrawn and removed when the API server fails, and says so", () => {
    const result = run({ probe: { state: "failed", detail: "connection refused" } });
    expect(result.routes.size).toBe(0);
    expect(result.addresses.size).toBe(0);
    expect(decided(result)).toBe("api-server: connection refused");
  });

  it("is announced with a failed API server when the health check is off", () => {
    expect(run({ probe: { state: "failed", detail: "" } }, { probed: false }).routes.size).toBe(1);
  });

  it("keeps what an earlier run left until the first probe has answered", () => {
    expect(run({ probe: { state: "pending", detail: "" } }).settled).toBe(false);
    expect(run({ probe: { state: "failed", detail: "" } }).settled).toBe(true);
  });

  it("keeps the route wanted while no session is up, but does not claim to announce it", () => {
    const result = run({ sessions: down(0) });
    expect(result.routes.size).toBe(1);
    expect(only(result).announced).toBe(false);
    expect(decided(result)).toBe("session: no session with r1 is established");
  });

  it("is not said to be announced where no session carries its family", () => {
    const sessions = { ...snapshot({}).sessions, established: [{ name: "r1", families: [4] as const }] };
    const result = run({ sessions }, { addresses: [CP, ip("fd00::100")] });
    expect(result.vips.map((vip) => vip.announced)).toEqual([true, false]);
    expect(firstClosed(result.vips[1]!.gates)?.fact).toBe("no session carries IPv6 (established with r1)");
  });

  it("goes to the configured interface", () => {
    expect(run({}, { interfaceName: "eth0" }).addresses.get(CP)?.interfaceIndex).toBe(2);
    expect(decided(run({}, { interfaceName: "eth7" }))).toBe("interface: eth7 does not exist");
  });

  it("says so when there is no loopback interface to put it on", () => {
    const result = run({ interfaces: snapshot({}).interfaces.filter((it) => !it.loopback) });
    expect(decided(result)).toBe("interface: there is no loopback interface");
    expect(result.routes.size).toBe(0);
  });

  it("with election belongs to the holder alone", () => {
    const elected = { elected: true };
    const mine = run({ leases: leases("plndr-cp-lock", held) }, elected);
    expect(mine.routes.size).toBe(1);
    const other = run({ leases: leases("plndr-cp-lock", foreign) }, elected);
    expect(other.routes.size).toBe(0);
    expect(other.addresses.size).toBe(0);
    expect(decided(other)).toBe("election: node-2 holds kube-system/plndr-cp-lock");
  });

  it("with election a node whose API server is not ready does not stand", () => {
    const stands = (probe: Snapshot["probe"]) =>
      run({ probe }, { elected: true }).leases.get("kube-system/plndr-cp-lock")?.stands;
    expect(stands({ state: "ready", detail: "" })).toBe(true);
    expect(stands({ state: "failed", detail: "" })).toBe(false);
    expect(stands({ state: "pending", detail: "" })).toBe(false);
  });

  it("H4: is announced by nobody when all API servers fail: each withdraws, also the last one", () => {
    const failed = { state: "failed", detail: "no answer" } as const;
    for (const elected of [false, true]) {
      const result = run({ probe: failed, leases: leases("plndr-cp-lock", held) }, { elected });
      expect([result.routes.size, result.addresses.size, only(result).announced]).toEqual([0, 0, false]);
    }
  });

  it("with election removes leftovers at once, as another node may hold the address already", () => {
    expect(run({ probe: { state: "pending", detail: "" }, synced: false }, { elected: true }).settled).toBe(true);
  });

  it("is given up, Lease included, when the daemon stops", () => {
    const result = run({ stopping: true, leases: leases("plndr-cp-lock", held) }, { elected: true });
    expect(result.routes.size).toBe(0);
    expect(result.addresses.size).toBe(0);
    expect(result.leases.get("kube-system/plndr-cp-lock")?.stands).toBe(false);
    expect(decided(result)).toBe("node: the daemon is stopping");
  });
});

describe("a Service with BGP", () => {
  it("D2: stays on a cordoned node, or with the drain policy asks for other ways and goes a while later", () => {
    const cordoned: NodeFact = {
      ...{ name: "node-1", ready: true, cordoned: true, controlPlane: false, excluded: false },
      ...{ networkUnavailable: false, internalAddresses: [] },
    };
    const at = (now: number, cordonDrainMillis: number | null, mode: Mode = "bgp"): Plan =>
      plan(
        snapshot({
          ...{ now: Instant.of(now), node: cordoned, cordonedSince: Instant.of(1_000) },
          policy: policy(mode, { services: { ...services, cordonDrainMillis } }),
          ...{ services: served(web()), endpoints: slices(4, ready("node-2")) },
        }),
      );
    const route = (result: Plan) => [...result.routes.values()][0];
    expect(route(at(60_000, null))).toEqual({});
    const begun = at(1_500, 2_000);
    expect([route(begun), begun.replanAt, only(begun).announced]).toEqual([
      { communities: [0xffff_0000], localPref: 0 },
      3_000,
      true,
    ]);
    const over = at(3_000, 2_000);
    expect([over.routes.size, over.replanAt, decided(over)]).toEqual([
      0,
      null,
      "node: node-1 is cordoned (spec.unschedulable)",
    ]);
    expect(at(1_500, 2_000, "arp").leases.get("kube-system/plndr-svcs-lock")?.stands).toBe(false);
  });

  it("B2: that becomes a ClusterIP loses its route at once, and says why", () => {
    expect(webPlan().routes.size).toBe(1);
    const switched = webPlan({}, { type: "ClusterIP" });
    expect([switched.routes.size, decided(switched)]).toEqual([0, "type: spec.type is ClusterIP"]);
    const forgotten = webPlan({}, { type: "ClusterIP", annotatedAddresses: null });
    expect(forgotten.vips).toEqual([]);
  });

  it("J3: whose errors are corrected one by one says the next one each time, and in the end none", () => {
    const wrongs: Partial<ServiceFact>[] = [
      { type: "NodePort" },
      { ignored: true },
      { loadBalancerClass: "foreign" },
      { annotatedAddresses: ["10.0.0.300"] },
      { externalTrafficPolicy: "Local" },
    ];
    const said = wrongs.map((_, corrected) => {
      const result = webPlan({}, Object.assign({}, ...wrongs.slice(corrected)) as Partial<ServiceFact>);
      expect(result.routes.size).toBe(0);
      return firstClosed(only(result).gates)!.gate;
    });
    expect(said).toEqual(["type", "ignored", "class", "address", "endpoints"]);
    const correct = webPlan();
    expect([correct.routes.size, decided(correct)]).toEqual([1, null]);
  });

  it("D1: is not announced from a node without pod network, nor, where that is asked for, from an excluded one", () => {
    const own: NodeFact = {
      ...{ name: "node-1", ready: true, cordoned: false, controlPlane: false, excluded: false },
      ...{ networkUnavailable: false, internalAddresses: [] },
    };
    const planned = (node: NodeFact, honoursExcludeLabel: boolean): Plan =>
      webPlan({ node }, {}, { honoursExcludeLabel });
    expect(planned(own, true).routes.size).toBe(1);
    expect(planned({ ...own, networkUnavailable: true }, false).routes.size).toBe(0);
    expect(planned({ ...own, excluded: true }, false).routes.size).toBe(1);
    const excluded = planned({ ...own, excluded: true }, true);
    expect([excluded.routes.size, decided(excluded)]).toEqual([
      0,
      "node: label node.kubernetes.io/exclude-from-external-load-balancers is on node-1",
    ]);
  });

  it("is announced by every node while an endpoint is usable anywhere", () => {
    const result = webPlan();
    expect([...result.routes.keys()]).toEqual(["10.96.7.1/32"]);
    expect(result.addresses.size).toBe(0);
    expect(result.statuses.map((it) => [it.addresses, it.vipHost])).toEqual([[[WEB], null]]);
    expect(result.leases.size).toBe(0);
  });

  it.each<[string, Partial<ServiceFact>, Partial<ServicePolicy>, string]>([
    ["is of another type", { type: "ClusterIP" }, {}, "type: spec.type is ClusterIP"],
    ["is in another namespace", {}, { namespace: "prod" }, "namespace: only namespace prod is served"],
    ["is ignored", { ignored: true }, {}, 'ignored: annotation kube-vip.io/ignore is "true"'],
    [
      "has another class",
      { loadBalancerClass: "x/y" },
      {},
      "class: spec.loadBalancerClass is x/y, served is kube-vip.io/kube-vip-class",
    ],
    [
      "has no class where one is asked for",
      {},
      { classOnly: true },
      "class: spec.loadBalancerClass is unset and lb_class_only is on",
    ],
    [
      "has no class under the strict rule",
      {},
      { legacyClassHandling: false },
      "class: spec.loadBalancerClass is unset and the strict rule is on",
    ],
    [
      "names a host",
      { annotatedAddresses: ["web.example"] },
      {},
      "address: web.example in annotation kube-vip.io/loadbalancerIPs: not an IP address (names are not resolved)",
    ],
    [
      "asks for DHCP",
      { annotatedAddresses: ["0.0.0.0"] },
      {},
      "address: 0.0.0.0 in annotation kube-vip.io/loadbalancerIPs: asks for DHCP, which is not supported",
    ],
  ])("is not announced when it %s", (_, fact, change, reason) => {
    const result = webPlan({}, fact, change);
    expect(decided(result)).toBe(reason);
    expect(result.routes.size).toBe(0);
    expect(result.statuses).toEqual([]);
  });

  it("without any address says which fields were looked at", () => {
    const result = webPlan({}, { annotatedAddresses: null });
    expect(only(result).address).toBeNull();
    expect(decided(result)).toContain("annotation kube-vip.io/loadbalancerIPs");
  });

  it("that never asked for a VIP is not listed", () => {
    expect(webPlan({}, { type: "ClusterIP", annotatedAddresses: null }).vips).toEqual([]);
  });

  it("is announced when it has the served class, under the strict rule as well", () => {
    const fact = { loadBalancerClass: "kube-vip.io/kube-vip-class" };
    expect(webPlan({}, fact, { legacyClassHandling: false }).routes.size).toBe(1);
  });

  it("with policy Local is announced by nodes with a usable endpoint only", () => {
    const local = { externalTrafficPolicy: "Local" as const };
    expect(webPlan({ endpoints: slices(4, ready("node-1")) }, local).routes.size).toBe(1);
    const other = webPlan({ endpoints: slices(4, ready("node-2")) }, local);
    expect(other.routes.size).toBe(0);
    expect(decided(other)).toBe("endpoints: no usable IPv4 endpoint on node-1 (policy Local, 1 listed in 1 slice)");
  });

  it("loses its route with the last usable endpoint of the family", () => {
    expect(webPlan({ endpoints: new Map() }).routes.size).toBe(0);
    expect(webPlan({ endpoints: slices(6, ready("node-1")) }).routes.size).toBe(0);
    expect(webPlan({ endpoints: slices(4, { ...ready("node-1"), ready: false, serving: false }) }).routes.size).toBe(0);
  });

  it("without endpoints is announced when its annotation says so, but not with policy Local", () => {
    const fact = { allowWithoutEndpoints: true };
    expect(webPlan({ endpoints: new Map() }, fact).routes.size).toBe(1);
    expect(webPlan({ endpoints: new Map() }, { ...fact, externalTrafficPolicy: "Local" }).routes.size).toBe(0);
  });

  it("counts all of its slices, and a terminating endpoint that still serves when none is ready", () => {
    const terminating: EndpointFact = { node: "node-1", ready: false, serving: true, terminating: true };
    const endpoints = groupSlices([
      { service: key, family: 4, endpoints: [] },
      { service: key, family: 4, endpoints: [terminating] },
    ]);
    expect(webPlan({ endpoints }, { externalTrafficPolicy: "Local" }).routes.size).toBe(1);
  });

  it("C6: with policy Local leaves it to other nodes when the endpoint here terminates and theirs are ready", () => {
    const terminating: EndpointFact = { node: "node-1", ready: false, serving: true, terminating: true };
    const local = { externalTrafficPolicy: "Local" } as const;
    expect(webPlan({ endpoints: slices(4, terminating, ready("node-2")) }, local).routes.size).toBe(0);
    expect(webPlan({ endpoints: slices(4, terminating, { ...terminating, node: "node-2" }) }, local).routes.size).toBe(
      1,
    );
  });

  it("C7: whose endpoint here flaps is held down while others serve, and never where it is the last one that serves", () => {
    const local = { externalTrafficPolicy: "Local" } as const;
    const hold = { requiredMillis: 10_000, lossesCount: 3 };
    const damping = (...nodes: string[]): Partial<Snapshot> => ({
      damping: { holds: new Map([[key, new Map(nodes.map((node) => [node, hold]))]]), nextAt: Instant.of(7_000) },
    });
    const both = slices(4, ready("node-1"), ready("node-2"));
    const held = webPlan({ endpoints: both, ...damping("node-1") }, local);
    expect([held.routes.size, held.replanAt, decided(held)]).toEqual([
      0,
      7_000,
      "endpoints: held down: the endpoint on node-1 must stay ready for 10 s (it stopped being ready 3 times within 5 minutes), and others serve",
    ]);
    expect(webPlan({ endpoints: both, ...damping("node-1", "node-2") }, local).routes.size).toBe(1);
    expect(webPlan({ endpoints: slices(4, ready("node-1")), ...damping("node-1") }, local).routes.size).toBe(1);
    expect(webPlan({ endpoints: both, ...damping("node-1") }).routes.size).toBe(1);
  });

  it("with its own election is announced by the holder, who alone writes vipHost", () => {
    const change = { election: "per-service" as const };
    const endpoints = slices(4, ready("node-1"));
    const lease = "default/kubevip-web";
    expect(webPlan({ endpoints }, {}, change).leases.get(lease)?.stands).toBe(true);
    expect(webPlan({ endpoints, leases: new Map([[lease, foreign]]) }, {}, change).routes.size).toBe(0);
    const mine = webPlan({ endpoints, leases: new Map([[lease, held]]) }, {}, change);
    expect(mine.routes.size).toBe(1);
    expect(mine.statuses[0]?.vipHost).toBe("node-1");
  });

  it("with its own election may name the global Lease, which is then stood for", () => {
    const result = webPlan({}, { leaseName: "kube-system/plndr-svcs-lock" }, { election: "per-service" });
    expect(result.leases.get("kube-system/plndr-svcs-lock")?.stands).toBe(true);
  });

  it("that shares the Lease of the control plane does not keep it on a node whose API server failed", () => {
    const shared = { ...policy("arp", { controlPlane, services: { ...services, lease: cpLease } }) };
    const result = plan(
      snapshot({
        policy: shared,
        services: served(web()),
        endpoints: slices(4, ready("node-2")),
        probe: { state: "failed", detail: "connection refused" },
        leases: leases("plndr-cp-lock", held),
      }),
    );
    expect(result.leases.get("kube-system/plndr-cp-lock")?.stands).toBe(false);
  });

  it("with its own election is refused alone when its annotation names what is no Lease", () => {
    for (const leaseName of ["..", "a/b/c", "a/..", "/web", "web?x=1", "Web"]) {
      const result = webPlan({}, { leaseName }, { election: "per-service" });
      expect(decided(result)).toBe(`election: annotation kube-vip.io/leaseName is "${leaseName}"`);
      expect(result.leases.size).toBe(0);
    }
  });

  it("with its own election and policy Local is stood for by nodes with an endpoint only", () => {
    const result = webPlan(
      { endpoints: slices(4, ready("node-2")) },
      { externalTrafficPolicy: "Local" },
      { election: "per-service" },
    );
    expect(result.leases.get("default/kubevip-web")?.stands).toBe(false);
  });

  it("that shares its address keeps the route when the other one loses its endpoints", () => {
    const other = web({ key: serviceKey("default", "api"), name: "api" });
    const result = webPlan({ services: served(web(), other) });
    expect([...result.routes.keys()]).toEqual(["10.96.7.1/32"]);
    expect(result.vips.map((vip) => vip.announced)).toEqual([true, false]);
  });

  it("is put on an interface only when that is asked for", () => {
    expect(webPlan({}, {}, { attach: true }).addresses.get(WEB)?.interfaceIndex).toBe(1);
  });

  it("is listed as refused for the bad address alone when one of two can be served", () => {
    const result = webPlan({}, { annotatedAddresses: ["224.0.0.1", WEB] });
    expect(result.vips.map((vip) => [vip.address, vip.announced])).toEqual([
      [null, false],
      [WEB, true],
    ]);
  });
});

describe("ARP mode", () => {
  const arp = (rest: Partial<Snapshot>): Plan =>
    plan(
      snapshot({
        policy: policy("arp", { controlPlane, services }),
        services: served(web({ annotatedAddresses: [LAN] })),
        endpoints: slices(4, ready("node-2")),
        sessions: { configured: [], established: [], upSince: null, downSince: Instant.of(0) },
        ...rest,
      }),
    );
  const both = new Map([...leases("plndr-cp-lock", held), ...leases("plndr-svcs-lock", held)]);

  it("puts the VIPs of the holder on the interface of their subnet and announces them", () => {
    const result = arp({ leases: both });
    expect([...result.segments]).toEqual([
      [CP, 2],
      [LAN, 2],
    ]);
    expect([...result.addresses.values()].map((it) => [it.address, it.interfaceIndex, it.scopeHost])).toEqual([
      [CP, 2, false],
      [LAN, 2, false],
    ]);
    expect(result.routes.size).toBe(0);
  });

  it("does nothing without the Lease, but stands for it", () => {
    const result = arp({});
    expect(result.segments.size).toBe(0);
    expect(result.addresses.size).toBe(0);
    expect([...result.leases.values()].map((it) => it.stands)).toEqual([true, true]);
  });

  it("gives the Leases up when the interface goes down", () => {
    const interfaces = snapshot({}).interfaces.map((it) => ({ ...it, up: it.loopback }));
    const result = arp({ leases: both, interfaces });
    expect(result.segments.size).toBe(0);
    expect([...result.leases.values()].map((it) => it.stands)).toEqual([false, false]);
  });

  it("names the interface as the reason on a node that lacks it, not the election for which it does not stand", () => {
    const away = { ...controlPlane, interfaceName: "eth7" };
    const result = arp({ policy: policy("arp", { controlPlane: away }), leases: leases("plndr-cp-lock", foreign) });
    expect(decided(result)).toBe("interface: eth7 does not exist");
    const perService = policy("arp", { services: { ...services, election: "per-service", interfaceName: "eth7" } });
    expect(arp({ policy: perService }).leases.get("default/kubevip-web")?.stands).toBe(false);
  });

  it("puts a VIP on the interface of the narrowest subnet, and on one that is up before one that is down", () => {
    const link = (index: number, length: number, up = true) => ({
      index,
      name: `eth${index}`,
      up,
      loopback: false,
      subnets: [{ address: ip("10.0.0.1"), length }],
    });
    const at = (...interfaces: ReturnType<typeof link>[]): number | undefined =>
      plan(
        snapshot({
          policy: policy("arp", { controlPlane }),
          leases: leases("plndr-cp-lock", held),
          interfaces,
        }),
      ).segments.get(CP);
    expect(at(link(2, 8), link(3, 24), link(4, 16))).toBe(3);
    expect(at(link(2, 24, false), link(3, 8))).toBe(3);
  });

  it("says so when no interface has a subnet that holds the address", () => {
    const far = ip("192.0.2.1");
    const result = arp({ leases: both, services: served(web({ annotatedAddresses: [far] })) });
    const gate = firstClosed(result.vips[1]!.gates);
    expect(gate?.fact).toBe("no interface has a subnet that holds 192.0.2.1");
  });
});

describe("mode auto", () => {
  const auto = (rest: Partial<Snapshot>, address: IpAddress = CP): Plan =>
    plan(snapshot({ policy: policy("auto", { controlPlane: { ...controlPlane, addresses: [address] } }), ...rest }));
  const holds = { leases: leases("plndr-cp-lock", held) };

  it("stands for its Leases while the delay runs, so that the fallback begins with a holder, and not with a session", () => {
    const at = (sessions: Partial<Snapshot["sessions"]>): (boolean | undefined)[] => {
      const { leases: planned, fallback } = plan(
        snapshot({
          policy: policy("auto", { controlPlane: { ...controlPlane, addresses: [CP] }, services }),
          sessions: { ...down(99_000), ...sessions },
        }),
      );
      expect(fallback).toBe(false);
      return ["plndr-cp-lock", "plndr-svcs-lock"].map((name) => planned.get(`kube-system/${name}`)?.stands);
    };
    expect(at({})).toEqual([true, true]);
    expect(at({ upSince: Instant.of(0), downSince: null })).toEqual([false, false]);
  });

  it("announces by BGP without election while a session is up", () => {
    const result = auto({});
    expect(result.routes.size).toBe(1);
    expect(result.segments.size).toBe(0);
    expect(result.leases.get("kube-system/plndr-cp-lock")?.stands).toBe(false);
  });

  it("waits for the configured time before the segment stands in, and asks to be woken then", () => {
    const waiting = auto({ sessions: down(97_000), ...holds });
    expect(waiting.fallback).toBe(false);
    expect(waiting.replanAt).toBe(102_000);
    const due = auto({ sessions: down(95_000), ...holds });
    expect(due.fallback).toBe(true);
    expect([...due.segments.keys()]).toEqual([CP]);
    expect(due.addresses.get(CP)?.interfaceIndex).toBe(2);
  });

  it("in the fallback leaves the VIP to the holder", () => {
    const result = auto({ sessions: down(0), leases: leases("plndr-cp-lock", foreign) });
    expect(result.segments.size).toBe(0);
    expect(result.addresses.size).toBe(0);
    expect(result.leases.get("kube-system/plndr-cp-lock")?.stands).toBe(true);
  });

  it("in the fallback refuses an address that is on no connected subnet", () => {
    const result = auto({ sessions: down(0), ...holds }, ip("192.0.2.9"));
    expect(result.segments.size).toBe(0);
    expect(decided(result)).toBe("interface: 192.0.2.9 is on no connected subnet");
  });

  it("gives the VIP back to BGP once a session has been up for the settle time", () => {
    const sessions = (upSince: number) => ({ ...snapshot({}).sessions, upSince: Instant.of(upSince) });
    const early = auto({ wasFallback: true, sessions: sessions(99_500), ...holds });
    expect(early.fallback).toBe(true);
    expect(early.replanAt).toBe(100_500);
    const settled = auto({ wasFallback: true, sessions: sessions(99_000), ...holds });
    expect(settled.fallback).toBe(false);
    expect(settled.segments.size).toBe(0);
    expect(settled.routes.size).toBe(1);
  });

  it("does not fall back because a session has only just come up", () => {
    const sessions = { ...snapshot({}).sessions, upSince: Instant.of(99_900) };
    expect(auto({ sessions })).toMatchObject({ fallback: false, replanAt: null });
  });

  it("falls back for addresses of Services with the global Lease", () => {
    const result = plan(
      snapshot({
        policy: policy("auto", { services }),
        services: served(web({ annotatedAddresses: [LAN] })),
        endpoints: slices(4, ready("node-2")),
        sessions: down(0),
        leases: leases("plndr-svcs-lock", held),
      }),
    );
    expect([...result.segments.keys()]).toEqual([LAN]);
  });
});

describe("the facts", () => {
  it("take the address from the annotation, then spec.loadBalancerIP, then the status", () => {
    const addresses = (annotated: string[] | null, loadBalancerIp: string | null, ...ingress: string[]) => [
      ...webPlan(
        {},
        { annotatedAddresses: annotated, loadBalancerIp, ingress: ingress.map((address) => ({ address, ports: [] })) },
      ).routes.keys(),
    ];
    expect(addresses(["10.1.1.1"], "10.2.2.2", "10.3.3.3")).toEqual(["10.1.1.1/32"]);
    expect(addresses(null, "10.2.2.2", "10.3.3.3")).toEqual(["10.2.2.2/32"]);
    expect(addresses(null, "10.3.3.3", "10.3.3.3", "10.4.4.4")).toEqual(["10.3.3.3/32", "10.4.4.4/32"]);
    expect(addresses(null, null, "10.3.3.3")).toEqual(["10.3.3.3/32"]);
  });

  it("read absent endpoint conditions as the API defines them", () => {
    const fact = endpointSliceFact({
      addressType: "IPv4",
      metadata: { namespace: "default", labels: { "kubernetes.io/service-name": "web" } },
      endpoints: [
        { addresses: ["10.1.0.1"], nodeName: "node-1" },
        { addresses: [], conditions: { ready: false } },
      ],
    });
    expect(fact?.endpoints).toEqual([
      ready("node-1"),
      { node: null, ready: false, serving: false, terminating: false },
    ]);
  });

  it("come out of an empty object without an exception", () => {
    expect(serviceFact({}).type).toBe("ClusterIP");
    expect(endpointSliceFact({ addressType: "IPv4", endpoints: [] })).toBeNull();
  });
});
