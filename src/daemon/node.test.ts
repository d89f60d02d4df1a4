import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../test/support/virtual-clock.ts";
import { ip } from "../addr/ip.ts";
import { hostPrefix, type Prefix } from "../addr/prefix.ts";
import type { Mac } from "../addr/mac.ts";
import { Instant } from "../base/time.ts";
import type { PeerStatus } from "../bgp/session/speaker.ts";
import type { Clock } from "../ports/clock.ts";
import { type AddressToAdd, type InterfaceAddress, type KernelNetwork, NetlinkRefused } from "../ports/network.ts";
import { StatusReport } from "../status/report.ts";
import { VipView } from "../status/view.ts";
import { type ServiceFact, serviceFact, type ServiceKey } from "../vip/facts.ts";
import type { LeasePlan } from "../vip/plan.ts";
import type { LeaseFact, Policy, ProbeFact, ServicePolicy } from "../vip/snapshot.ts";
import { Elections } from "./elections.ts";
import { NodeDaemon } from "./node.ts";
import type { NodeParts } from "./node-parts.ts";

const VIP = ip("10.0.0.100");
const policy: Policy = {
  node: "node-1",
  mode: "bgp",
  fallbackDelayMillis: 0,
  fallbackSettleMillis: 0,
  prefixLengths: { ipv4: 32, ipv6: 128 },
  controlPlane: {
    addresses: [VIP],
    elected: true,
    lease: { namespace: "kube-system", name: "plndr-cp-lock" },
    interfaceName: null,
    probed: true,
  },
  services: null,
  routing: {
    selections: [],
    allowed: {
      communities: [],
      largeCommunities: [],
      extendedCommunities: [],
      localPreference: false,
      med: false,
      maxPrepend: 0,
    },
  },
};
const unelected: Policy = { ...policy, controlPlane: { ...policy.controlPlane!, elected: false } };
const services: ServicePolicy = {
  namespace: null,
  className: "kube-vip.io/kube-vip-class",
  classOnly: false,
  legacyClassHandling: true,
  election: "none",
  onDemand: false,
  lease: { namespace: "kube-system", name: "plndr-svcs-lock" },
  interfaceName: null,
  attach: false,
  updateStatus: false,
};
const frozen: Clock = {
  now: () => Instant.of(1_000),
  wallTime: () => new Date(0),
  alarm: () => ({ set: () => {}, close: () => {} }),
};
const NO_MESSAGES: PeerStatus["messages"]["sent"] = {
  counts: { open: 0, update: 0, notification: 0, keepalive: 0, "route-refresh": 0 },
  lastOpen: null,
  lastNotification: null,
};
const established: PeerStatus = {
  name: "r1",
  address: ip("10.0.0.254"),
  port: 179,
  asn: 65000 as PeerStatus["asn"],
  state: "established",
  since: Instant.of(0),
  families: ["ipv4-unicast"],
  prefixesSent: 0,
  prefixesReceived: 0,
  holdTimeSeconds: 9,
  localAddress: ip("10.0.0.1"),
  establishedCount: 1,
  notAnnounced: [],
  lastError: null,
  dynamic: false,
  withheld: null,
  importPolicy: null,
  exportPolicy: null,
  prefixesSentByFamily: { "ipv4-unicast": 0, "ipv6-unicast": 0 },
  prefixesRefused: 0,
  prefixesStale: 0,
  prefixesUnusable: { count: 0, reason: null },
  malformed: { updates: 0, withdrawn: 0, byAttribute: {}, last: null },
  negotiated: null,
  remote: null,
  notifications: { sent: null, received: null },
  messages: { sent: NO_MESSAGES, received: NO_MESSAGES },
  messagesReceived: 0,
  messagesSent: 0,
  bfd: null,
  diagnosis: null,
};

/** A node whose every effect is written down in the order in which it happens. */
function rack(change: Partial<NodeParts> = {}, left: InterfaceAddress[] = []) {
  const trace: string[] = [];
  let addresses: InterfaceAddress[] = [
    { interfaceIndex: 2, address: ip("10.0.0.1"), prefixLength: 24, owned: false, tentative: false },
    ...left,
  ];
  let refuse: NetlinkRefused | null = null;
  let attempts = 0;
  let mute = false;
  const network = {
    links: () => [
      { index: 1, name: "lo", up: true, loopback: true, mac: null },
      { index: 2, name: "eth0", up: true, loopback: false, mac: "02:00:00:00:00:01" as Mac },
    ],
    addresses() {
      if (mute) throw new NetlinkRefused("list addresses", 105, "no buffer space available");
      return addresses;
    },
    addAddress(it: AddressToAdd) {
      attempts++;
      if (refuse) throw refuse;
      trace.push(`add ${it.address} to ${it.interfaceIndex}`);
      addresses = [...addresses, { ...it, owned: true, tentative: false }];
    },
    removeAddress(it: InterfaceAddress) {
      trace.push(`remove ${it.address} from ${it.interfaceIndex}`);
      addresses = addresses.filter((has) => has.address !== it.address || has.interfaceIndex !== it.interfaceIndex);
    },
  } as unknown as KernelNetwork;
  let routes = "";
  const completed: boolean[] = [];
  const speaker: NodeParts["speaker"] = {
    drain: () => void trace.push("drain"),
    toldOf: () => [{ peer: "r1", told: false, reason: "the export policy does not let it through" }],
    setRoutes(wanted, { complete }) {
      completed.push(complete);
      const text = [...wanted.keys()].join(" ");
      if (text !== routes) trace.push(text === "" ? "withdraw" : `announce ${text}`);
      routes = text;
    },
    summaries: () => [established],
    peers: () => [established],
    recorder: () => null,
  };
  let segments = "";
  const conflicts: unknown[] = [];
  const announcer: NodeParts["announcer"] = {
    setVips(vips) {
      const text = [...vips].map(([address, { interfaceIndex }]) => `${address}@${interfaceIndex}`).join(" ");
      if (text !== segments) trace.push(text === "" ? "fall silent" : `answer ${text}`);
      segments = text;
    },
    status: () => conflicts as ReturnType<NodeParts["announcer"]["status"]>,
  };
  let fact: LeaseFact = { holder: null, isHolder: false, error: null };
  let stood: boolean | null = null;
  const elections = new Elections((lease: LeasePlan) => ({
    get fact() {
      return fact;
    },
    setCandidate(stands) {
      if (stood !== stands) trace.push(`${stands ? "stand for" : "give up"} ${lease.lease.name}`);
      stood = stands;
    },
    stop: async () => {
      trace.push("release");
    },
  }));
  const probe: { fact: ProbeFact } = { fact: { state: "ready", detail: "answers 200" } };
  const daemon = new NodeDaemon({
    policy,
    clock: frozen,
    log: pino({ level: "silent" }),
    network,
    server: "https://api:6443",
    services: null,
    slices: null,
    nodes: { facts: new Map(), synced: true, lastError: null },
    elections,
    probe,
    speaker,
    announcer,
    statuses: null,
    warnings: [],
    troubles: [],
    ...change,
  });
  return {
    daemon,
    probe,
    completed,
    /** What happened since the last call. */
    happened: () => trace.splice(0),
    lease: (next: Partial<LeaseFact>) => (fact = { ...fact, ...next }),
    refuse: (error: NetlinkRefused | null) => (refuse = error),
    /** How often an address was asked for. */
    attempts: () => attempts,
    claim: (conflict: unknown) => conflicts.push({ vip: "10.0.0.100", conflict }),
    mute: (silent: boolean) => (mute = silent),
    lose: (address: string) => (addresses = addresses.filter((it) => it.address !== address)),
  };
}

const owned = (address: string, interfaceIndex = 1): InterfaceAddress => ({
  interfaceIndex,
  address: ip(address),
  prefixLength: 32,
  owned: true,
  tentative: false,
});

describe("the loop of a node", () => {
  it("puts the VIP in place before it announces it", () => {
    const node = rack();
    node.daemon.replan();
    expect(node.happened()).toEqual(["stand for plndr-cp-lock"]);
    node.daemon.replan();
    node.lease({ holder: "node-1", isHolder: true });
    node.daemon.replan();
    expect(node.happened()).toEqual(["add 10.0.0.100 to 1", "announce 10.0.0.100/32"]);
  });

  it("withdraws and removes the VIP within the call that reports the Lease lost", () => {
    const node = rack();
    node.daemon.replan();
    node.lease({ holder: "node-1", isHolder: true });
    node.daemon.replan();
    node.happened();
    node.lease({ holder: "node-2", isHolder: false });
    node.daemon.replan();
    expect(node.happened()).toEqual(["withdraw", "remove 10.0.0.100 from 1"]);
  });

  it("lets go of the Lease only after the VIP is gone", () => {
    const node = rack();
    node.daemon.replan();
    node.lease({ holder: "node-1", isHolder: true });
    node.daemon.replan();
    node.happened();
    node.probe.fact = { state: "failed", detail: "connection refused" };
    node.daemon.replan();
    expect(node.happened()).toEqual(["withdraw", "remove 10.0.0.100 from 1", "give up plndr-cp-lock"]);
  });

  it("names a host that claims one of its VIPs as a trouble, until it was not heard for five minutes", () => {
    let now = Instant.of(0);
    const clock: Clock = { ...frozen, now: () => now };
    const node = rack({ clock });
    node.claim(null);
    node.daemon.replan();
    expect(node.daemon.report().problems).toEqual([]);
    node.claim({ mac: "02:00:00:00:00:bb", count: 3, at: Instant.of(0) });
    expect(node.daemon.report().problems).toEqual([
      "10.0.0.100 is claimed by 02:00:00:00:00:bb, too (heard 3 times): find that host",
    ]);
    now = Instant.of(300_001);
    expect(node.daemon.report().problems).toEqual([]);
  });

  it("in ARP mode answers after the address is there and is silent before it goes", () => {
    const arp = { ...policy, mode: "arp" as const };
    const node = rack({ policy: arp, speaker: null });
    node.daemon.replan();
    node.lease({ holder: "node-1", isHolder: true });
    node.daemon.replan();
    expect(node.happened().slice(1)).toEqual(["add 10.0.0.100 to 2", "answer 10.0.0.100@2"]);
    node.lease({ isHolder: false });
    node.daemon.replan();
    expect(node.happened()).toEqual(["fall silent", "remove 10.0.0.100 from 2"]);
  });

  it("in mode table puts the route after the address, and takes it away a while before on a stop", () => {
    const kernel = { refused: new Map<Prefix, string>() };
    const asked: string[] = [];
    const table: Policy = { ...unelected, mode: "table", routeTable: { table: 198, protocol: 248, type: "unicast" } };
    let known = "";
    const routes: NodeParts["routes"] = {
      get failures() {
        return kernel.refused;
      },
      troubles: [],
      isRefused: false,
      converge(wanted, isComplete) {
        asked.push(`${[...wanted.keys()].join(" ")}${isComplete ? " complete" : ""}`);
        const now = JSON.stringify([...kernel.refused]);
        const isChanged = now !== known && known !== "";
        known = now;
        return isChanged;
      },
    };
    const node = rack({ policy: table, speaker: null, routes });
    node.probe.fact = { state: "pending", detail: "" };
    node.daemon.replan();
    node.probe.fact = { state: "ready", detail: "answers 200" };
    node.daemon.replan();
    expect(asked.splice(0)).toEqual(["", "10.0.0.100/32 complete"]);
    expect(node.happened()).toEqual(["add 10.0.0.100 to 1"]);
    expect(node.daemon.report()).toMatchObject({
      ...{ mode: "table", routeTable: { table: 198 }, healthy: true },
      vips: [{ path: "table", announced: true, lease: null }],
    });

    kernel.refused = new Map([[hostPrefix(VIP), "no such device"]]);
    node.daemon.replan();
    expect(node.daemon.report()).toMatchObject({
      problems: ["route to 10.0.0.100/32 could not be changed: no such device"],
      vips: [{ announced: false }],
    });
    kernel.refused = new Map();
    node.daemon.replan();
    asked.splice(0);

    expect(node.daemon.beginStop()).toBe(true);
    expect([asked.splice(0), node.happened()]).toEqual([[" complete"], []]);
    node.daemon.finishStop();
    expect(node.happened()).toEqual(["remove 10.0.0.100 from 1"]);
  });

  it("removes what an earlier run left, and nothing that is not ours", () => {
    const foreign = { ...owned("10.0.0.77"), owned: false };
    const node = rack({}, [owned("10.0.0.99"), owned("10.0.0.100", 2), foreign]);
    node.daemon.replan();
    expect(node.happened()).toEqual(["remove 10.0.0.99 from 1", "remove 10.0.0.100 from 2", "stand for plndr-cp-lock"]);
  });

  it("adopts the VIP of an earlier run instead of adding it again", () => {
    const unelected = { ...policy, controlPlane: { ...policy.controlPlane!, elected: false } };
    const node = rack({ policy: unelected }, [owned("10.0.0.100")]);
    node.daemon.replan();
    expect(node.happened()).toEqual(["announce 10.0.0.100/32"]);
  });

  it("leaves the VIP of an earlier run alone until the probe has answered", () => {
    const unelected = { ...policy, controlPlane: { ...policy.controlPlane!, elected: false } };
    const node = rack({ policy: unelected }, [owned("10.0.0.100")]);
    node.probe.fact = { state: "pending", detail: "" };
    node.daemon.replan();
    expect(node.happened()).toEqual([]);
  });

  it("puts an address back that a link flap took", () => {
    const node = rack();
    node.daemon.replan();
    node.lease({ holder: "node-1", isHolder: true });
    node.daemon.replan();
    node.happened();
    node.lose("10.0.0.100");
    node.daemon.replan();
    expect(node.happened()).toEqual(["add 10.0.0.100 to 1"]);
  });

  it("reports an address that the kernel refused, and tries again", () => {
    const node = rack();
    node.daemon.replan();
    node.lease({ holder: "node-1", isHolder: true });
    node.refuse(new NetlinkRefused("add 10.0.0.100", 1, "operation not permitted"));
    node.daemon.replan();
    expect(node.daemon.report().problems).toContain(
      "10.0.0.100 could not be set: add 10.0.0.100: operation not permitted",
    );
    node.refuse(null);
    node.daemon.replan();
    expect(node.daemon.report().healthy).toBe(true);
  });

  it("asks again by itself for an address that the kernel refused, at once and then ever more rarely", () => {
    const clock = new VirtualClock();
    const node = rack({ clock });
    node.daemon.replan();
    node.lease({ holder: "node-1", isHolder: true });
    node.refuse(new NetlinkRefused("add 10.0.0.100", 105, "no buffer space available"));
    node.daemon.replan();
    const before = node.attempts();
    clock.advance(60_000);
    expect(node.attempts() - before).toBeGreaterThan(4);
    expect(node.attempts() - before).toBeLessThan(15);
    node.refuse(null);
    clock.advance(30_000);
    expect(node.happened()).toContain("add 10.0.0.100 to 1");
    expect(node.daemon.report().healthy).toBe(true);
    const settled = node.attempts();
    clock.advance(300_000);
    expect(node.attempts()).toBe(settled);
  });

  it("takes part in no election before the kernel has said what is there: it may be an address of the run before", () => {
    const node = rack();
    node.mute(true);
    node.daemon.replan();
    expect(node.happened()).toEqual([]);
    node.mute(false);
    node.daemon.replan();
    expect(node.happened()).toEqual(["stand for plndr-cp-lock"]);
  });

  it("withdraws when the Lease is lost although the kernel does not say what addresses it has", () => {
    const node = rack();
    node.daemon.replan();
    node.lease({ holder: "node-1", isHolder: true });
    node.daemon.replan();
    node.happened();
    node.mute(true);
    node.lease({ holder: "node-2", isHolder: false });
    node.daemon.replan();
    expect(node.happened()).toEqual(["withdraw", "remove 10.0.0.100 from 1"]);
    expect(node.daemon.report().problems).toContain("the kernel: list addresses: no buffer space available");
    node.mute(false);
    node.daemon.replan();
    expect(node.daemon.report().problems).toEqual([]);
  });

  it("takes away what it has put in place although the kernel has not said since what is there", () => {
    const node = rack();
    node.daemon.replan();
    node.happened();
    node.mute(true);
    node.lease({ holder: "node-1", isHolder: true });
    node.daemon.replan();
    expect(node.happened()).toContain("add 10.0.0.100 to 1");
    node.lease({ holder: "node-2", isHolder: false });
    node.daemon.replan();
    expect(node.happened()).toContain("remove 10.0.0.100 from 1");
  });

  it("forgets a refused address with the wish for it", () => {
    const node = rack();
    node.daemon.replan();
    node.lease({ holder: "node-1", isHolder: true });
    node.refuse(new NetlinkRefused("add 10.0.0.100", 1, "operation not permitted"));
    node.daemon.replan();
    node.lease({ holder: "node-2", isHolder: false });
    node.daemon.replan();
    expect(node.daemon.report().problems).toEqual([]);
  });

  it("is ready once the lists are in, and no longer when it stops", () => {
    expect(rack({ nodes: { facts: new Map(), synced: false, lastError: null } }).daemon.ready()).toBe(false);
    const node = rack();
    expect(node.daemon.ready()).toBe(true);
    node.daemon.beginStop();
    expect(node.daemon.ready()).toBe(false);
  });

  it("does nothing any more once it is closed", () => {
    const node = rack();
    node.daemon.close();
    node.daemon.replan();
    expect(node.happened()).toEqual([]);
  });

  it("logs that a VIP was withdrawn only if it was announced", () => {
    const lines: string[] = [];
    const log = pino({ base: null }, { write: (line) => void lines.push(line) });
    const facts = new Map([
      ["default/web", serviceFact({ spec: { type: "LoadBalancer", loadBalancerIP: "10.9.0.1" } })],
    ]);
    const services = { facts, synced: true, lastError: null };
    const withServices = {
      ...policy,
      services: {
        ...{ namespace: null, className: "", classOnly: false, legacyClassHandling: true },
        ...{ election: "none" as const, onDemand: false },
        ...{ lease: { namespace: "a", name: "b" }, interfaceName: null, attach: false, updateStatus: false },
      },
    };
    const node = rack({ log, policy: withServices, services });
    node.daemon.replan();
    facts.clear();
    node.daemon.replan();
    expect(lines.filter((line) => line.includes("vip.withdrawn"))).toEqual([]);
  });

  it("logs a change of the probe once, however often it plans", () => {
    const lines: string[] = [];
    const node = rack({ log: pino({ base: null }, { write: (line) => void lines.push(line) }) });
    for (let i = 0; i < 3; i++) node.daemon.replan();
    expect(lines.filter((line) => line.includes("probe.changed"))).toHaveLength(1);
  });

  it("when stopping withdraws, removes and gives up at once what a Lease decides", () => {
    const node = rack();
    node.daemon.replan();
    node.lease({ holder: "node-1", isHolder: true });
    node.daemon.replan();
    node.happened();
    expect(node.daemon.beginStop()).toBe(false);
    expect(node.happened()).toEqual(["withdraw", "remove 10.0.0.100 from 1", "give up plndr-cp-lock"]);
  });

  it("when stopping lets an address that all nodes announce linger behind its route, whatever happens meanwhile", () => {
    const node = rack({ policy: unelected });
    node.daemon.replan();
    node.happened();
    expect(node.daemon.beginStop()).toBe(true);
    node.daemon.replan();
    expect(node.happened()).toEqual(["withdraw"]);
    node.daemon.finishStop();
    expect(node.happened()).toEqual(["remove 10.0.0.100 from 1"]);
  });

  it("asks routers to prefer other ways before it withdraws, where it announces anything and any of them hears it", () => {
    const node = rack({ policy: unelected });
    expect(node.daemon.drain()).toBe(false);
    node.daemon.replan();
    node.happened();
    expect(node.daemon.drain()).toBe(true);
    node.daemon.beginStop();
    expect(node.happened()).toEqual(["drain", "withdraw"]);
  });

  it("when it will be back leaves routes and addresses that every node announces (BGP-4724-P-01)", () => {
    const node = rack({ policy: unelected });
    node.daemon.replan();
    node.happened();
    expect(node.daemon.beginStop(true)).toBe(false);
    node.daemon.finishStop();
    expect(node.happened()).toEqual([]);
    expect(node.daemon.ready()).toBe(false);
  });

  it("when it will be back does not log as withdrawn what stays when the sessions end", () => {
    const lines: string[] = [];
    let peers: PeerStatus[] = [established];
    const { daemon } = rack({
      policy: unelected,
      log: pino({}, { write: (line: string) => void lines.push(line) }),
      speaker: {
        ...{ drain: () => undefined, setRoutes: () => undefined, recorder: () => null, toldOf: () => [] },
        ...{ peers: () => peers, summaries: () => peers },
      },
    });
    daemon.replan();
    daemon.beginStop(true);
    peers = [];
    daemon.replan();
    expect(lines.filter((line) => line.includes("vip.announced"))).toHaveLength(1);
    expect(lines.filter((line) => line.includes("vip.withdrawn"))).toEqual([]);
  });

  it("when it will be back gives up all the same what a Lease decides (BGP-4724-P-01)", () => {
    const node = rack();
    node.daemon.replan();
    node.lease({ holder: "node-1", isHolder: true });
    node.daemon.replan();
    node.happened();
    node.daemon.beginStop(true);
    expect(node.happened()).toEqual(["withdraw", "remove 10.0.0.100 from 1", "give up plndr-cp-lock"]);
  });

  it.each([
    ["in service", { ready: true, cordoned: false }, true],
    ["cordoned", { ready: true, cordoned: true }, false],
    ["going down", { ready: false, cordoned: false }, false],
    ["not known", null, false],
  ])("with a node that is %s tells whether a stop is an upgrade (BGP-4724-P-01)", (_, fact, isIn) => {
    const facts = new Map(
      fact
        ? [
            [
              "node-1",
              {
                name: "node-1",
                controlPlane: true,
                excluded: false,
                networkUnavailable: false,
                internalAddresses: [],
                ...fact,
              },
            ],
          ]
        : [],
    );
    const { daemon } = rack({ nodes: { facts, synced: true, lastError: null } });
    daemon.replan();
    expect(daemon.isInService()).toBe(isIn);
  });

  it("takes a stop for none to return from while the first lists or probe are missing, or the node is not followed", () => {
    const facts = new Map([
      [
        "node-1",
        {
          name: "node-1",
          controlPlane: true,
          excluded: false,
          networkUnavailable: false,
          internalAddresses: [],
          ready: true,
          cordoned: false,
        },
      ],
    ]);
    const nodes = { facts, synced: true, lastError: null as string | null };
    const slices = { facts: new Map(), version: 0, synced: false, lastError: "endpointslices is forbidden" };
    const node = rack({ policy: unelected, nodes, slices });
    const isIn = (): boolean => {
      node.daemon.replan();
      return node.daemon.isInService();
    };
    expect(isIn()).toBe(false);
    slices.synced = true;
    node.probe.fact = { state: "pending", detail: "" };
    expect(isIn()).toBe(false);
    node.probe.fact = { state: "ready", detail: "" };
    expect(isIn()).toBe(true);
    nodes.lastError = "no route to host";
    expect(isIn()).toBe(false);
  });

  it("announces what it knows, and tells that this is all only once lists and probe are in (BGP-4724-4.1-03)", () => {
    const nodes = { facts: new Map(), synced: false, lastError: null };
    const node = rack({ policy: unelected, nodes });
    node.daemon.replan();
    expect(node.happened()).toContain("announce 10.0.0.100/32");
    nodes.synced = true;
    node.probe.fact = { state: "pending", detail: "" };
    node.daemon.replan();
    node.probe.fact = { state: "failed", detail: "" };
    node.daemon.replan();
    node.probe.fact = { state: "pending", detail: "" };
    node.daemon.replan();
    expect(node.completed).toEqual([false, false, true]);
  });

  it("refuses to a Service the ends of BGP sessions, as long as they are not VIPs of its own", () => {
    const fact = serviceFact({
      metadata: {
        namespace: "default",
        name: "web",
        annotations: {
          "kube-vip.io/loadbalancerIPs": "10.0.0.1,10.0.0.254,10.0.0.9",
          "kube-vip.io/allow-reconcile-without-endpoints": "true",
        },
      },
      spec: { type: "LoadBalancer" },
    });
    const change = {
      policy: { ...policy, controlPlane: null, services },
      services: { facts: new Map([[fact.key, fact]]), synced: true, lastError: null },
    };
    const node = rack(change);
    node.daemon.replan();
    expect(node.happened()).toEqual(["announce 10.0.0.9/32"]);
    const chosen = rack({ ...change, policy: { ...change.policy, services: { ...services, attach: true } } }, [
      owned("10.0.0.1", 1),
    ]);
    chosen.daemon.replan();
    expect(chosen.happened()).toContain("announce 10.0.0.1/32 10.0.0.9/32");
  });

  it("says that routers keep the routes of the process before, for as long as it does not know all", () => {
    const nodes = { facts: new Map(), synced: false, lastError: null };
    const kept = (daemon: NodeDaemon): boolean => {
      daemon.replan();
      return daemon.report().problems.some((it) => it.startsWith("routers keep the routes of the process before"));
    };
    const { daemon } = rack({ policy: unelected, nodes, bgp: { isResumed: true, troubles: [] } });
    expect([kept(daemon), kept(rack({ policy: unelected, nodes }).daemon)]).toEqual([true, false]);
    nodes.synced = true;
    expect(kept(daemon)).toBe(false);
  });

  it("logs each word that a Service cannot have once, not with every plan", () => {
    const lines: string[] = [];
    const fact = serviceFact({
      metadata: { namespace: "default", name: "web", annotations: { "kube-vip.io/loadbalancerIPs": "vip.example,x" } },
      spec: { type: "LoadBalancer" },
    });
    const node = rack({
      policy: { ...policy, controlPlane: null, services },
      services: { facts: new Map([[fact.key, fact]]), synced: true, lastError: null },
      log: pino({ level: "debug" }, { write: (line: string) => void lines.push(line) }),
    });
    for (let plans = 0; plans < 5; plans++) node.daemon.replan();
    expect(lines.filter((line) => line.includes("vip.refused"))).toHaveLength(2);
  });

  it("while changes keep coming plans for half of the time at most, and at once after a rest", () => {
    let [now, plans] = [0, 0];
    const alarms: { at: Instant | null; readonly ring: () => void }[] = [];
    const clock: Clock = {
      now: () => Instant.of(now),
      wallTime: () => new Date(0),
      alarm: (ring) => {
        const alarm = { at: null as Instant | null, ring };
        alarms.push(alarm);
        return { set: (at) => void (alarm.at = at), close: () => {} };
      },
    };
    const change = (): void => {
      node.daemon.replanSoon();
      for (const alarm of alarms) if (Instant.isDue(alarm.at, clock.now())) alarm.ring();
    };
    const planning = (): void => {
      plans += 1;
      now += 40;
    };
    const node = rack({ clock, announcer: { setVips: planning, status: () => [] } });
    for (; now < 8_000; now += 5) change();
    expect(plans).toBeLessThanOrEqual(100);
    now += 10_000;
    plans = 0;
    change();
    expect(plans).toBe(1);
  });

  it("K2: says of one VIP which gate decided, by which object and field, what would change it, and who was told", () => {
    const node = rack();
    node.daemon.replan();
    const [vip] = node.daemon.view("control-plane").vips;
    const gate = vip?.gates.find(({ open }) => !open);
    expect(gate).toMatchObject({ gate: "election", fact: "nobody is known to hold kube-system/plndr-cp-lock" });
    expect(gate?.hint).toBe("wait for the election");
    expect(vip?.peers).toEqual([{ peer: "r1", told: false, reason: "the export policy does not let it through" }]);
    expect(node.daemon.view(VIP).vips).toEqual([vip]);
    expect(VipView.safeParse(node.daemon.view("default/none")).data?.vips).toEqual([]);
  });

  it("reports in the published form", () => {
    const node = rack();
    node.daemon.replan();
    const report = node.daemon.report();
    expect(StatusReport.safeParse(report).error).toBeUndefined();
    expect(report.vips[0]?.gates.find((gate) => !gate.open)?.gate).toBe("election");
    expect(report.role).toBe("announces 0 of 1 VIPs");
  });
});

describe("a process that was stopped past its Lease", () => {
  /** A Lease that is held when the plan is made, and lost when it is carried out. */
  function lapsing() {
    let reads = 0;
    let lapsesAfter = Infinity;
    const elections = new Elections(() => ({
      get fact(): LeaseFact {
        const isHolder = ++reads <= lapsesAfter;
        return { holder: isHolder ? "node-1" : "node-2", isHolder, error: null };
      },
      get heldUntil() {
        return Instant.of(16_000);
      },
      setCandidate: () => {},
      stop: async () => {},
    }));
    return { elections, lapseAfter: (count: number) => ((reads = 0), (lapsesAfter = count)) };
  }

  it("puts no address in place on a plan from before", () => {
    const { elections, lapseAfter } = lapsing();
    const node = rack({ elections, lendsAddresses: true });
    node.daemon.replan();
    node.happened();
    // The snapshot is the one that still sees it.
    lapseAfter(1);
    node.daemon.replan();
    expect(node.happened()).toEqual([]);
    lapseAfter(Infinity);
    node.daemon.replan();
    expect(node.happened()).toEqual(["add 10.0.0.100 to 1", "announce 10.0.0.100/32"]);
  });

  it("announces nothing, and takes back what it has put in place", () => {
    const { elections, lapseAfter } = lapsing();
    const node = rack({ elections });
    node.daemon.replan();
    node.happened();
    lapseAfter(1);
    node.daemon.replan();
    expect(node.happened()).toEqual(["add 10.0.0.100 to 1", "remove 10.0.0.100 from 1"]);
  });

  it("announces all the same what that Lease has nothing to do with", () => {
    const { elections, lapseAfter } = lapsing();
    const metadata = { namespace: "default", name: "web", annotations: { "kube-vip.io/loadbalancerIPs": "10.96.7.1" } };
    const web = {
      ...serviceFact({ metadata, spec: { type: "LoadBalancer", externalTrafficPolicy: "Cluster" } }),
      allowWithoutEndpoints: true,
    };
    const facts = new Map<ServiceKey, ServiceFact>();
    const pooled = { ...services, poolLease: { namespace: "kube-system", name: "pools" } };
    const node = rack({
      policy: { ...policy, controlPlane: null, services: pooled },
      services: { facts, synced: true, lastError: null },
      elections,
    });
    node.daemon.replan();
    expect(node.happened()).toEqual([]);
    facts.set(web.key, web);
    lapseAfter(1);
    node.daemon.replan();
    expect(node.happened()).toEqual(["announce 10.96.7.1/32"]);
  });

  it("notices when anyone asks whether it may still speak", () => {
    const { elections, lapseAfter } = lapsing();
    const node = rack({ elections });
    node.daemon.replan();
    node.daemon.replan();
    node.happened();
    node.daemon.confirm();
    expect(node.happened()).toEqual([]);
    lapseAfter(0);
    node.daemon.confirm();
    expect(node.happened()).toEqual(["withdraw", "remove 10.0.0.100 from 1"]);
  });
});
