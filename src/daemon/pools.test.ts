import pino from "pino";
import { beforeEach, describe, expect, it } from "vitest";
import { VirtualClock } from "../../test/support/virtual-clock.ts";
import { KubeUnreachable } from "../kube/client.ts";
import type { Assignment } from "../pools/allocate.ts";
import { type ServiceFact, serviceFact } from "../vip/facts.ts";
import type { ServicePolicy } from "../vip/snapshot.ts";
import { PoolController } from "./pools.ts";

const POLICY: ServicePolicy = {
  ...{
    namespace: null,
    className: "x",
    classOnly: false,
    legacyClassHandling: true,
    election: "none",
    onDemand: false,
  },
  ...{ lease: { namespace: "kube-system", name: "lock" }, interfaceName: null, attach: false, updateStatus: false },
};

/** An API server that takes writes and shows them when it is told to. */
let facts: Map<string, ServiceFact>;
let data: Record<string, string>;
let written: Assignment[];
let fails: boolean;
let isHolder: boolean;
let clock: VirtualClock;
let pools: PoolController;

function create(name: string, annotation?: string): void {
  const annotations = annotation === undefined ? {} : { "kube-vip.io/loadbalancerIPs": annotation };
  const labels = annotation === undefined ? {} : { implementation: "kube-vip" };
  const metadata = { name, namespace: "default", annotations, labels };
  facts.set(
    `default/${name}`,
    serviceFact({ metadata, spec: { type: "LoadBalancer", ipFamilies: ["IPv4"], ports: [{ port: 80 }] } }),
  );
}

beforeEach(() => {
  [facts, written, fails, isHolder] = [new Map(), [], false, true];
  data = { "range-global": "10.0.0.1-10.0.0.2" };
  clock = new VirtualClock();
  pools = new PoolController({
    policy: POLICY,
    services: { facts, synced: true, lastError: null },
    configMap: {
      get facts() {
        return new Map([["kube-system/kubevip", data]]);
      },
      synced: true,
      lastError: null,
    },
    isHolder: () => isHolder,
    api: {
      assign: async (assignment) => {
        if (fails) throw new KubeUnreachable("no answer");
        written.push(assignment);
      },
    },
    clock,
    entropy: { fraction: () => 0 },
    log: pino({ level: "silent" }),
    onChange: () => {},
  });
});

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
};
const given = (): string[] => written.map(({ name, addresses }) => `${name} ${addresses?.join()}`);

describe("who gives addresses", () => {
  it("gives each Service one, although the watch shows none of the writes yet", async () => {
    create("a");
    create("b");
    pools.update();
    await settle();
    create("c");
    pools.update();
    await settle();
    expect(given()).toEqual(["a 10.0.0.1", "b 10.0.0.2"]);
    expect(pools.status!.troubles).toEqual([
      "pools: default/c has no address: pool range-global is exhausted: all 2 IPv4 addresses are taken",
    ]);
  });

  it("gives nothing without the Lease, and stops in the middle when it is lost", async () => {
    isHolder = false;
    create("a");
    pools.update();
    await settle();
    expect([written, pools.status]).toEqual([[], null]);
    isHolder = true;
    create("b");
    pools.update();
    isHolder = false;
    await settle();
    expect(written).toHaveLength(1);
  });

  it("follows the ConfigMap", async () => {
    data = {};
    create("a");
    pools.update();
    await settle();
    expect(pools.status!.failures.get("default/a")).toMatch(/no pool/);
    data = { "cidr-default": "10.9.0.0/24", "interface-default": "eth1" };
    pools.updateSoon();
    clock.advance(20);
    await settle();
    expect(written).toMatchObject([{ name: "a", addresses: ["10.9.0.1"], interfaceName: "eth1" }]);
  });

  it("tries again with growing pauses while the API server does not take it, and says so", async () => {
    fails = true;
    create("a");
    pools.update();
    await settle();
    expect(pools.status!.troubles).toEqual([expect.stringContaining("did not take its address: no answer")]);
    fails = false;
    clock.advance(499);
    await settle();
    expect(written).toEqual([]);
    clock.advance(1);
    await settle();
    expect([given(), pools.status!.troubles]).toEqual([["a 10.0.0.1"], []]);
  });

  it("I5: an address that somebody removed by hand is given again", async () => {
    create("a");
    pools.update();
    await settle();
    create("a", "10.0.0.1");
    pools.update();
    create("a");
    pools.update();
    await settle();
    expect(given()).toEqual(["a 10.0.0.1", "a 10.0.0.1"]);
  });

  it("B2: gives the address of a Service that became a ClusterIP to one that waits", async () => {
    data = { "range-global": "10.0.0.1-10.0.0.1" };
    create("first", "10.0.0.1");
    create("second");
    pools.update();
    await settle();
    expect(given()).toEqual([]);
    facts.set("default/first", { ...facts.get("default/first")!, type: "ClusterIP" });
    pools.update();
    await settle();
    expect(given()).toEqual(["second 10.0.0.1"]);
  });

  it("leaves Services alone that are of another class or ignored", async () => {
    const spec = { type: "LoadBalancer", loadBalancerClass: "other" };
    facts.set("default/a", serviceFact({ metadata: { name: "a", namespace: "default" }, spec }));
    const ignored = { name: "b", namespace: "default", annotations: { "kube-vip.io/ignore": "true" } };
    facts.set("default/b", serviceFact({ metadata: ignored, spec: { type: "LoadBalancer" } }));
    pools.update();
    await settle();
    expect(written).toEqual([]);
  });
});
