import pino from "pino";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { V1ConfigMap, V1Service } from "@kubernetes/client-node";
import { PoolController } from "../../src/daemon/pools.ts";
import { ListWatch } from "../../src/kube/cache.ts";
import { KubeWrites } from "../../src/kube/writes.ts";
import { systemClock as clock, systemEntropy as entropy } from "../../src/linux/io/system-clock.ts";
import { serviceFact } from "../../src/vip/facts.ts";
import { until } from "../support/until.ts";
import { type KubeServer, SERVERS } from "./kube-servers.ts";

const WITHIN = { timeout: 15_000, interval: 20 };
const log = pino({ level: "silent" });

/** Addresses from pools, as far as the API server has a part in it. */
describe.each(SERVERS)("address pools at the %s API server", (_name, start) => {
  let server: KubeServer;
  const closers: (() => void)[] = [];

  beforeAll(async () => {
    server = await start();
  }, 90_000);
  afterEach(() => closers.splice(0).forEach((close) => close()));
  afterAll(() => server.stop());

  const request = (method: "GET" | "POST" | "PATCH" | "DELETE", path: string, body?: object) =>
    server.admin.request({
      ...{ method, path, ...(body ? { body } : {}) },
      ...(method === "PATCH" ? { contentType: "application/merge-patch+json" } : {}),
    });
  const NAMESPACE = "/api/v1/namespaces/pools";
  const create = async (name: string): Promise<void> => {
    const spec = { type: "LoadBalancer", ports: [{ port: 80 }] };
    expect((await request("POST", `${NAMESPACE}/services`, { metadata: { name }, spec })).status).toBe(201);
  };
  const read = async (name: string): Promise<V1Service> =>
    (await request("GET", `${NAMESPACE}/services/${name}`)).body as V1Service;
  const addressOf = async (name: string): Promise<string | undefined> =>
    (await read(name)).metadata?.annotations?.["kube-vip.io/loadbalancerIPs"];

  /** As a daemon that holds the Lease. */
  function controller(): PoolController {
    const parts = { client: server.admin, clock, entropy, log };
    const services = new ListWatch(parts, {
      path: `${NAMESPACE}/services`,
      reduce: (object) => serviceFact(object as V1Service),
    });
    const configMap = new ListWatch<Readonly<Record<string, string>>>(parts, {
      path: `${NAMESPACE}/configmaps`,
      query: { fieldSelector: "metadata.name=kubevip" },
      reduce: (object) => (object as V1ConfigMap).data ?? {},
    });
    const writes = new KubeWrites(server.admin);
    const pools = new PoolController({
      policy: {
        ...{ namespace: "pools", className: "x", classOnly: false, legacyClassHandling: true, election: "none" },
        ...{ onDemand: false, lease: { namespace: "pools", name: "lock" }, interfaceName: null },
        ...{ attach: false, updateStatus: false },
      },
      ...{ services, configMap, isHolder: () => true, clock, entropy, log, onChange: () => {} },
      api: { assign: ({ namespace, name, addresses }) => writes.assignAddresses(namespace, name, addresses, null) },
    });
    services.onChange(() => pools.updateSoon());
    configMap.onChange(() => pools.updateSoon());
    closers.push(
      () => services.stop(),
      () => configMap.stop(),
      () => pools.close(),
    );
    return pools;
  }

  it("I2, I3: Services get addresses, keep them over a restart, and the one that waits is served when one is free", async () => {
    await request("POST", "/api/v1/namespaces", { metadata: { name: "pools" } });
    const data = { "range-pools": "10.0.0.1-10.0.0.2" };
    await request("POST", `${NAMESPACE}/configmaps`, { metadata: { name: "kubevip" }, data });
    await request("POST", `${NAMESPACE}/configmaps`, {
      metadata: { name: "other" },
      data: { "range-pools": "10.9.9.1-10.9.9.9" },
    });
    const first = controller();
    for (const name of ["a", "b", "c"]) await create(name);
    await until("one waits", () => first.status?.failures.size === 1);
    const all = (): Promise<(string | undefined)[]> => Promise.all(["a", "b", "c"].map(addressOf));
    await vi.waitFor(async () => expect((await all()).filter((one) => one !== undefined)).toHaveLength(2), WITHIN);
    const served = [
      ...(await Promise.all(["a", "b", "c"].map(async (name) => [name, await addressOf(name)] as const))),
    ];
    const given = served.filter(([, address]) => address !== undefined);
    expect(new Set(given.map(([, address]) => address))).toEqual(new Set(["10.0.0.1", "10.0.0.2"]));
    const [winner, address] = given[0]!;
    const { metadata, spec } = await read(winner);
    expect([metadata?.labels?.["implementation"], spec?.loadBalancerIP]).toEqual(["kube-vip", address]);

    closers.splice(0).forEach((close) => close());
    const second = controller();
    await until("the second knows who waits", () => second.status?.failures.size === 1);
    expect(second.status!.usage).toEqual([{ pool: "range-pools", family: 4, used: 2, size: 2n }]);
    await request("DELETE", `${NAMESPACE}/services/${winner}`);
    const waiting = served.find(([, it]) => it === undefined)![0];
    await vi.waitFor(async () => expect(await addressOf(waiting)).toBe(address), WITHIN);
    await until("nobody waits", () => second.status?.failures.size === 0);
  });
});
