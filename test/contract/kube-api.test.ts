import { CoreV1Api, KubeConfig, Watch } from "@kubernetes/client-node";
import pino from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ListWatch } from "../../src/kube/cache.ts";
import { type KubeResponse, type WatchEnd, type WatchEvent, connectKube } from "../../src/kube/client.ts";
import { Elector } from "../../src/kube/election/elector.ts";
import { KubeRefused, KubeWrites } from "../../src/kube/writes.ts";
import { systemClock as clock, systemEntropy as entropy } from "../../src/linux/io/system-clock.ts";
import { eventBody, type EventRecord } from "../../src/daemon/event-writer.ts";
import { serviceKey } from "../../src/vip/facts.ts";
import { until } from "../support/until.ts";
import { type KubeServer, SERVERS, adminCertificate } from "./kube-servers.ts";

const log = pino({ level: "silent" });

interface Seen {
  readonly events: WatchEvent[];
  readonly ends: WatchEnd[];
  close(): void;
}

/** What a test reads of an object. */
interface Read {
  metadata: Record<string, string> & { annotations?: Record<string, string>; labels?: Record<string, string> };
  spec: Record<string, unknown>;
  status: { loadBalancer: { ingress?: object[] } };
}
const object = (response: KubeResponse): Read => response.body as Read;
const reason = ({ status, body }: KubeResponse): string => `${status} ${(body as { reason?: string }).reason ?? ""}`;
const list = (response: KubeResponse) =>
  response.body as { metadata: { resourceVersion: string; continue?: string }; items: Read[] };
const named = (event: WatchEvent): string => `${event.type} ${(event.object as Read).metadata["name"]}`;

describe.each(SERVERS)("the %s API server", (_name, start) => {
  let server: KubeServer;
  let spaces = 0;

  beforeAll(async () => {
    server = await start();
  }, 90_000);
  afterAll(() => server.stop());

  const get = (path: string, query: Record<string, string> = {}) =>
    server.admin.request({ method: "GET", path, query });
  const post = (path: string, body: unknown, query: Record<string, string> = {}) =>
    server.admin.request({ method: "POST", path, body, query });
  const put = (path: string, body: unknown) => server.admin.request({ method: "PUT", path, body });
  const remove = (path: string, body?: object) =>
    server.admin.request({ method: "DELETE", path, ...(body ? { body } : {}) });
  const patch = (path: string, body: unknown, kind: "merge" | "json" = "merge") =>
    server.admin.request({ method: "PATCH", path, body, contentType: `application/${kind}-patch+json` });

  /** A namespace of its own for each test. */
  async function space(): Promise<{ name: string; services: string; leases: string; slices: string }> {
    const name = `test-${++spaces}`;
    expect((await post("/api/v1/namespaces", { metadata: { name } })).status).toBe(201);
    return {
      name,
      services: `/api/v1/namespaces/${name}/services`,
      leases: `/apis/coordination.k8s.io/v1/namespaces/${name}/leases`,
      slices: `/apis/discovery.k8s.io/v1/namespaces/${name}/endpointslices`,
    };
  }

  const service = (name: string, extra: object = {}, labels: Record<string, string> = {}) => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, labels },
    spec: { type: "LoadBalancer", ports: [{ port: 80 }], ...extra },
  });

  function watch(path: string, query: Record<string, string>): Seen {
    const events: WatchEvent[] = [];
    const ends: WatchEnd[] = [];
    const open = server.admin.watch(path, query, { event: (e) => events.push(e), end: (e) => ends.push(e) });
    return { events, ends, close: () => open.close() };
  }

  it("says that it is ready and which version it is, to anybody", async () => {
    expect(await get("/readyz")).toMatchObject({ status: 200, body: "ok" });
    expect((await get("/livez")).status).toBe(200);
    expect(object(await get("/version"))).toMatchObject({ major: "1" });
  });

  it("answers 401 to a token that it does not know", async () => {
    const stranger = connectKube({ kubeconfigPath: server.kubeconfigFor({ token: "wrong" }), clock });
    expect(reason(await stranger.request({ method: "GET", path: "/api/v1/services" }))).toBe("401 Unauthorized");
    const ends: WatchEnd[] = [];
    stranger.watch("/api/v1/services", {}, { event: () => {}, end: (end) => ends.push(end) });
    await until("the watch is refused", () => ends.length > 0);
    expect(ends).toMatchObject([{ kind: "refused", response: { status: 401 } }]);
  });

  it("creates once, with uid, time and resourceVersion, and answers 409 the second time and 404 for what is not there", async () => {
    const { services } = await space();
    const created = await post(services, service("a"));
    expect(created.status).toBe(201);
    const { uid, creationTimestamp, resourceVersion } = object(created).metadata;
    expect(uid).toMatch(/^[0-9a-f-]{36}$/);
    expect(creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(resourceVersion).toMatch(/^\d+$/);
    expect(reason(await post(services, service("a")))).toBe("409 AlreadyExists");
    expect(reason(await get(`${services}/b`))).toBe("404 NotFound");
    expect(reason(await remove(`${services}/b`))).toBe("404 NotFound");
    expect(reason(await patch(`${services}/b`, {}))).toBe("404 NotFound");
    expect((await get("/api/v1/nonsense")).status).toBe(404);
    expect(reason(await post("/api/v1/namespaces/nowhere/services", service("a")))).toBe("404 NotFound");
  });

  it("fills in what a LoadBalancer Service leaves out", async () => {
    const { services } = await space();
    expect(object(await post(services, service("a")))).toMatchObject({
      spec: {
        externalTrafficPolicy: "Cluster",
        internalTrafficPolicy: "Cluster",
        ipFamilies: ["IPv4"],
        ipFamilyPolicy: "SingleStack",
        allocateLoadBalancerNodePorts: true,
        ports: [{ port: 80, protocol: "TCP", targetPort: 80 }],
      },
      status: { loadBalancer: {} },
    });
  });

  it("refuses what is not valid with 422", async () => {
    const { services, leases, slices } = await space();
    const address = { status: { loadBalancer: { ingress: [{ ip: "10.0.0.300" }] } } };
    await post(services, service("a", { loadBalancerClass: "example.com/a" }));
    await post(services, service("b", { type: "ClusterIP" }));
    const answers = [
      await post(services, service("c", { ports: [] })),
      await post(services, service("c", { type: "ClusterIP", loadBalancerClass: "example.com/a" })),
      await patch(`${services}/a`, { spec: { loadBalancerClass: "example.com/b" } }),
      await patch(`${services}/a/status`, address),
      await patch(`${services}/b/status`, { status: { loadBalancer: { ingress: [{ ip: "10.0.0.3" }] } } }),
      await post(leases, { metadata: { name: "a" }, spec: { leaseDurationSeconds: 0 } }),
      await post(slices, { metadata: { name: "a" }, endpoints: [] }),
      await post(services, { spec: { ports: [{ port: 80 }] } }),
    ];
    expect(answers.map(reason)).toEqual(answers.map(() => "422 Invalid"));
  });

  it("updates from the present resourceVersion only, and not at all when nothing changes", async () => {
    const { services } = await space();
    const first = object(await post(services, service("a")));
    const changed = { ...first, metadata: { ...first.metadata, labels: { x: "1" } } };
    const second = object(await put(`${services}/a`, changed));
    expect(Number(second.metadata["resourceVersion"])).toBeGreaterThan(Number(first.metadata["resourceVersion"]));
    expect(reason(await put(`${services}/a`, changed))).toBe("409 Conflict");
    expect(object(await put(`${services}/a`, second)).metadata["resourceVersion"]).toBe(
      second.metadata["resourceVersion"],
    );
    const foreign = { ...second, metadata: { ...second.metadata, uid: "00000000-0000-0000-0000-000000000000" } };
    expect(reason(await put(`${services}/a`, foreign))).toBe("409 Conflict");
    expect((await put(`${services}/b`, second)).status).toBe(400);
    const configMap = { metadata: { name: "none" }, data: {} };
    const configMaps = services.replace("services", "configmaps");
    expect(reason(await put(`${configMaps}/none`, configMap))).toBe("404 NotFound");
  });

  it("takes a PUT for a Lease or a Service that is not there as a creation, unless it names a version", async () => {
    const { leases, services } = await space();
    const lease = (name: string, metadata: object = {}) => ({ metadata: { name, ...metadata }, spec: {} });
    expect((await put(`${leases}/a`, lease("a"))).status).toBe(201);
    expect(reason(await put(`${leases}/a`, lease("a")))).toBe("422 Invalid");
    expect((await put(`${services}/a`, service("a"))).status).toBe(201);
    const { metadata } = object(await get(`${leases}/a`));
    await remove(`${leases}/a`);
    expect(reason(await put(`${leases}/a`, lease("a", metadata)))).toBe("409 Conflict");
  });

  it("applies merge patches and JSON patches, guarded by a resourceVersion where one is named", async () => {
    const { services } = await space();
    const first = object(await post(services, service("a", {}, { x: "1", y: "1" })));
    const merged = object(await patch(`${services}/a`, { metadata: { labels: { x: null, z: "1" } } }));
    expect(merged.metadata.labels).toEqual({ y: "1", z: "1" });
    const old = { metadata: { resourceVersion: first.metadata["resourceVersion"], labels: { y: "2" } } };
    expect(reason(await patch(`${services}/a`, old))).toBe("409 Conflict");
    const operations = [
      { op: "test", path: "/metadata/labels/y", value: "1" },
      { op: "replace", path: "/metadata/labels/y", value: "2" },
      { op: "add", path: "/metadata/labels/example.com~1w", value: "1" },
      { op: "remove", path: "/metadata/labels/z" },
    ];
    const patched = object(await patch(`${services}/a`, operations, "json"));
    expect(patched.metadata.labels).toEqual({ y: "2", "example.com/w": "1" });
    expect((await patch(`${services}/a`, operations, "json")).status).toBe(422);
  });

  it("keeps status and the rest apart", async () => {
    const { services } = await space();
    await post(services, service("a"));
    const ingress = [{ ip: "10.0.0.1", ipMode: "VIP" }];
    const both = {
      metadata: { labels: { x: "1" } },
      spec: { sessionAffinity: "ClientIP" },
      status: { loadBalancer: { ingress } },
    };
    const byMain = object(await patch(`${services}/a`, both));
    expect([byMain.spec["sessionAffinity"], byMain.status.loadBalancer.ingress]).toEqual(["ClientIP", undefined]);
    const byStatus = object(
      await patch(`${services}/a/status`, { spec: { sessionAffinity: "None" }, status: { loadBalancer: { ingress } } }),
    );
    expect([byStatus.spec["sessionAffinity"], byStatus.status.loadBalancer.ingress]).toEqual(["ClientIP", ingress]);
  });

  it("carries nothing out with dryRun=All, but checks", async () => {
    const { services } = await space();
    expect((await post(services, service("a"), { dryRun: "All" })).status).toBe(201);
    expect((await get(`${services}/a`)).status).toBe(404);
    expect((await post(services, service("a", { ports: [] }), { dryRun: "All" })).status).toBe(422);
  });

  it("deletes under preconditions, and only once the finalizers are gone", async () => {
    const { services } = await space();
    const first = object(
      await post(services, { ...service("a"), metadata: { name: "a", finalizers: ["example.com/f"] } }),
    );
    const wrong = { preconditions: { resourceVersion: "1" } };
    expect(reason(await remove(`${services}/a`, wrong))).toBe("409 Conflict");
    expect((await remove(`${services}/a`, { preconditions: { uid: first.metadata["uid"] } })).status).toBe(200);
    expect(object(await get(`${services}/a`)).metadata["deletionTimestamp"]).toBeTruthy();
    await patch(`${services}/a`, { metadata: { finalizers: null } });
    expect((await get(`${services}/a`)).status).toBe(404);
  });

  it("lists by label, by name and in pages, in all namespaces or one", async () => {
    const here = await space();
    const there = await space();
    for (const name of ["a", "b", "c"]) await post(here.services, service(name, {}, { app: name, test: here.name }));
    await post(there.services, service("a", {}, { app: "a", test: here.name }));
    const names = async (path: string, query: Record<string, string>) =>
      list(await get(path, query)).items.map(({ metadata }) => `${metadata["namespace"]}/${metadata["name"]}`);
    const labelSelector = `test=${here.name}`;
    expect(await names("/api/v1/services", { labelSelector })).toHaveLength(4);
    expect(await names(here.services, { labelSelector: "app in (a, c)" })).toEqual([
      `${here.name}/a`,
      `${here.name}/c`,
    ]);
    expect(await names(here.services, { labelSelector: "app,app!=b" })).toHaveLength(2);
    expect(await names(here.services, { labelSelector: "!app" })).toEqual([]);
    expect(await names(here.services, { fieldSelector: "metadata.name=b" })).toEqual([`${here.name}/b`]);
    expect((await get(here.services, { fieldSelector: "spec.nonsense=b" })).status).toBe(400);
    const first = list(await get(here.services, { limit: "2" }));
    expect(first.items).toHaveLength(2);
    expect(first.items[0]).not.toHaveProperty("kind");
    await post(here.services, service("d"));
    const rest = list(await get(here.services, { limit: "2", continue: first.metadata.continue! }));
    expect(rest.items.map((item) => item.metadata["name"])).toEqual(["c"]);
    expect([rest.metadata.continue ?? "", rest.metadata.resourceVersion]).toEqual(["", first.metadata.resourceVersion]);
  });

  it("watches from a list on: every change once, in order, with newer resourceVersions, deletions too", async () => {
    const { services } = await space();
    await post(services, service("before"));
    const from = list(await get(services)).metadata.resourceVersion;
    const seen = watch(services, { resourceVersion: from });
    await post(services, service("a"));
    await patch(`${services}/a`, { metadata: { labels: { x: "1" } } });
    await remove(`${services}/a`);
    await post((await space()).services, service("elsewhere"));
    await post(services, service("b"));
    await until("all events", () => seen.events.length >= 4);
    expect(seen.events.map(named)).toEqual(["ADDED a", "MODIFIED a", "DELETED a", "ADDED b"]);
    const versions = seen.events.map((event) => Number((event.object as Read).metadata["resourceVersion"]));
    expect(versions.toSorted((x, y) => x - y)).toEqual(versions);
    expect(new Set(versions).size).toBe(4);
    seen.close();
    const again = watch(services, { resourceVersion: String(versions[1]) });
    await until("the rest", () => again.events.length >= 2);
    expect(again.events.map(named)).toEqual(["DELETED a", "ADDED b"]);
    again.close();
  });

  it("begins a watch without resourceVersion with what is there", async () => {
    const { services } = await space();
    for (const name of ["a", "b"]) await post(services, service(name));
    const seen = watch(services, { fieldSelector: "metadata.name=b" });
    await until("the object", () => seen.events.length > 0);
    await remove(`${services}/a`);
    await remove(`${services}/b`);
    await until("its deletion", () => seen.events.length > 1);
    expect(seen.events.map(named)).toEqual(["ADDED b", "DELETED b"]);
    seen.close();
  });

  it("tells a watch with a selector that an object came under it or left it", async () => {
    const { services } = await space();
    const from = list(await get(services)).metadata.resourceVersion;
    const seen = watch(services, { resourceVersion: from, labelSelector: "x=1" });
    await post(services, service("a"));
    await patch(`${services}/a`, { metadata: { labels: { x: "1" } } });
    await patch(`${services}/a`, { metadata: { labels: { x: "2" } } });
    await until("both events", () => seen.events.length >= 2);
    expect(seen.events.map(named)).toEqual(["ADDED a", "DELETED a"]);
    seen.close();
  });

  it("ends a watch after timeoutSeconds, with a bookmark before if anything happened elsewhere", async () => {
    const { services } = await space();
    await post(services, service("a"));
    const resourceVersion = list(await get(services)).metadata.resourceVersion;
    const seen = watch(services, { resourceVersion, timeoutSeconds: "6", allowWatchBookmarks: "true" });
    await post((await space()).services, service("elsewhere"));
    await until("the end", () => seen.ends.length > 0, 10_000);
    expect(seen.ends).toEqual([{ kind: "closed-by-server" }]);
    const [bookmark] = seen.events.filter((event) => event.type === "BOOKMARK");
    const { metadata } = bookmark!.object as Read;
    expect(Number(metadata["resourceVersion"])).toBeGreaterThan(Number(resourceVersion));
    expect(metadata["name"] ?? "").toBe("");
  });

  it("marks the end of the initial events where that is asked for", async () => {
    const { services } = await space();
    await post(services, service("a"));
    const seen = watch(services, {
      sendInitialEvents: "true",
      resourceVersionMatch: "NotOlderThan",
      allowWatchBookmarks: "true",
    });
    await until("the mark", () => seen.events.length >= 2);
    expect(seen.events.map((event) => event.type)).toEqual(["ADDED", "BOOKMARK"]);
    expect((seen.events[1]!.object as Read).metadata.annotations).toEqual({ "k8s.io/initial-events-end": "true" });
    seen.close();
  });

  it("answers 410 to what was compacted: in the stream to a watch, as its status to a list that goes on", async () => {
    const { services } = await space();
    for (const name of ["a", "b", "c"]) await post(services, service(name));
    const first = list(await get(services, { limit: "1" }));
    await post(services, service("d"));
    await server.compact();
    const seen = watch(services, { resourceVersion: first.metadata.resourceVersion });
    await until("the error", () => seen.events.length > 0);
    expect(seen.events).toMatchObject([{ type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired" } }]);
    seen.close();
    const rest = await get(services, { limit: "1", continue: first.metadata.continue! });
    expect(reason(rest)).toBe("410 Expired");
  }, 60_000);

  it("keeps a cache equal to itself through changes", async () => {
    const { services } = await space();
    for (let i = 0; i < 5; i++) await post(services, service(`s${i}`));
    const cache = new ListWatch(
      { client: server.admin, clock, entropy, log },
      { path: services, reduce: (s: Read) => s.metadata.labels ?? null },
    );
    const names = () => [...cache.facts.keys()].map((key) => key.replace(/.*\//, "")).toSorted();
    await until("it is complete", () => cache.synced);
    await remove(`${services}/s0`);
    await post(services, service("new", {}, { x: "1" }));
    await patch(`${services}/s1`, { metadata: { labels: { x: "2" } } });
    await until("the changes arrived", () => names().join() === "new,s1");
    cache.stop();
  });

  it("lets two electors lead one after the other", async () => {
    const { name, leases } = await space();
    const elect = (identity: string) => {
      const one = new Elector(
        { client: server.admin, clock, entropy, log },
        {
          lease: { namespace: name, name: "plndr-cp-lock" },
          identity,
          leaseDurationSeconds: 3,
          renewDeadlineSeconds: 2,
          retryPeriodSeconds: 0.5,
        },
      );
      one.setCandidate(true);
      return one;
    };
    const both = [elect("node-1"), elect("node-2")];
    const holders = () => both.filter((one) => one.view.isHolder).length;
    await until("one leads", () => holders() === 1);
    const [first, second] = both[0]!.view.isHolder ? [both[0]!, both[1]!] : [both[1]!, both[0]!];
    await until("the other knows", () => second.view.holder === first.view.holder);
    const renewed = object(await get(`${leases}/plndr-cp-lock`)).spec["renewTime"];
    expect(renewed).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    await first.stop();
    await until("the other leads", () => second.view.isHolder, 1_000);
    expect(object(await get(`${leases}/plndr-cp-lock`)).spec).toMatchObject({ leaseTransitions: 1 });
    // A label that someone sets does not disturb the holder, and stays.
    await patch(`${leases}/plndr-cp-lock`, { metadata: { labels: { mine: "1" } } });
    const { since } = second.view;
    await remove(`${leases}/plndr-cp-lock`);
    await until("the deleted Lease is made again", () => (second.view.since ?? since) !== since);
    await second.stop();
    const left = object(await get(`${leases}/plndr-cp-lock`));
    expect(left.spec).toMatchObject({ holderIdentity: "", leaseDurationSeconds: 1 });
  });

  it("takes an Event on a Service, and what comes again as one with a count", async () => {
    const { name, services } = await space();
    const { uid = "" } = object(await post(services, service("a"))).metadata;
    const writes = new KubeWrites(server.admin);
    const at = (count: number): EventRecord => ({
      ...{ namespace: name, name: "a.1", reason: "Announced", type: "Normal", message: "10.0.0.1 by node n1 (BGP)" },
      service: { key: serviceKey(name, "a"), namespace: name, name: "a", uid },
      ...{ first: new Date("2026-01-01T00:00:00Z"), last: new Date("2026-01-01T00:01:00Z"), count },
    });
    for (const count of [1, 2]) await writes.writeEvent(name, "a.1", eventBody(at(count), "n1"));
    const { items } = list(await get(`/api/v1/namespaces/${name}/events`));
    expect(items).toMatchObject([
      {
        ...{ count: 2, reason: "Announced", type: "Normal", lastTimestamp: "2026-01-01T00:01:00Z" },
        involvedObject: { kind: "Service", name: "a", uid },
      },
    ]);
    await expect(writes.writeEvent("nowhere", "a.1", eventBody(at(1), "n1"))).rejects.toThrow(KubeRefused);
  });

  it("takes the daemon's writes, by patch and with no more rights than kube-vip has", async () => {
    const { name, services } = await space();
    await post(services, service("a"));
    const ingress = [{ ip: "10.0.0.1", ports: [{ port: 80, protocol: "TCP" }] }];
    const byPatch = new KubeWrites(server.admin);
    await byPatch.writeIngress(name, "a", ingress);
    await byPatch.writeVipHost(name, "a", "node-1");
    const first = object(await get(`${services}/a`));
    expect(first.status.loadBalancer.ingress).toMatchObject(ingress);
    expect(first.metadata.annotations).toMatchObject({ "kube-vip.io/vipHost": "node-1" });
    await expect(byPatch.writeIngress(name, "gone", ingress)).rejects.toThrow(KubeRefused);

    const byUpdate = new KubeWrites(await server.likeKubeVip());
    await byUpdate.writeVipHost(name, "a", "node-2");
    await byUpdate.writeIngress(name, "a", []);
    const second = object(await get(`${services}/a`));
    expect(second.status.loadBalancer).toEqual({});
    expect(second.metadata.annotations).toMatchObject({ "kube-vip.io/vipHost": "node-2" });
  });

  it("shows client-node's own API the same Services, by list and by watch", async () => {
    const { name, services } = await space();
    await post(services, service("a", {}, { x: "1" }));
    const config = new KubeConfig();
    config.loadFromFile(server.kubeconfig);
    const theirs = await config.makeApiClient(CoreV1Api).listNamespacedService({ namespace: name });
    const ours = list(await get(services));
    expect(theirs.items.map((item) => item.metadata?.uid)).toEqual(ours.items.map((item) => item.metadata["uid"]));
    expect(theirs.metadata?.resourceVersion).toBe(ours.metadata.resourceVersion);
    const events: string[] = [];
    const stop = await new Watch(config).watch(
      services,
      { resourceVersion: ours.metadata.resourceVersion },
      (type: string, seen: Read) => events.push(`${type} ${seen.metadata["name"]}`),
      () => {},
    );
    await post(services, service("b"));
    await until("their event", () => events.length > 0);
    expect(events).toEqual(["ADDED b"]);
    stop.abort();
  });
});

describe.runIf(SERVERS.length > 1)("a client certificate", () => {
  it("is believed by the real API server", async () => {
    const server = await SERVERS[1]![1]();
    try {
      const data = (pem: string) => Buffer.from(pem).toString("base64");
      const { certificate, key } = adminCertificate;
      const user = { "client-certificate-data": data(certificate), "client-key-data": data(key) };
      const client = connectKube({ kubeconfigPath: server.kubeconfigFor(user), clock });
      const path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
      const answer = await client.request({ method: "POST", path, body: {} });
      expect(answer.body).toMatchObject({ status: { userInfo: { username: "certified" } } });
    } finally {
      await server.stop();
    }
  }, 90_000);
});
