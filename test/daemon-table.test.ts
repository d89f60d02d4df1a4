import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NodeUnderTest } from "./support/node-under-test.ts";
import { needsRoot } from "./support/privileges.ts";
import { until } from "./support/until.ts";

const SETTINGS = {
  vip_routingtable: "true",
  cp_enable: "true",
  svc_enable: "true",
  address: "10.9.9.9,fd09::9",
  prometheus_server: "off",
  vipcast_control_plane_health_check: "false",
};
const CONTROL_PLANE = ["10.9.9.9", "fd09::9"];
const WEB = ["10.9.9.10", "fd09::10"];

/** Mode table as its user runs it, with a kernel of its own. */
describe.runIf(needsRoot === null)("a daemon that puts routes into a table", () => {
  let node: NodeUnderTest;

  beforeEach(() => {
    node = new NodeUnderTest();
    node.startApi();
    node.ask("POST", "/api/v1/nodes", { apiVersion: "v1", kind: "Node", metadata: { name: "n1" } });
    node.ask("PATCH", "/api/v1/nodes/n1/status", { status: { conditions: [{ type: "Ready", status: "True" }] } });
  });
  afterEach(() => node.remove());

  /** What `ip` prints, without the number of the table. */
  const lines = (table = "198"): string =>
    ["-4", "-6"]
      .flatMap((family) => node.net.ip("n", `${family} route show table all`).split("\n"))
      .filter((line) => line.includes(` table ${table} `))
      .map((line) => `${line.replace(` table ${table} `, " ")}\n`)
      .join("");
  const has = (addresses: readonly string[], table?: string): boolean =>
    addresses.every((address) => lines(table).includes(`${address} `));
  const start = async (name: string, env: Readonly<Record<string, string>> = {}) => {
    const daemon = node.startDaemon(name, { ...SETTINGS, vipcast_status_socket: node.socket("a"), ...env });
    await until("the daemon knows the cluster", () => node.log(name).includes('"kube.synced"'), 15_000);
    return daemon;
  };
  const createService = (): void => {
    const metadata = { name: "web", namespace: "default" };
    node.ask("POST", "/api/v1/namespaces/default/services", {
      ...{ apiVersion: "v1", kind: "Service" },
      metadata: { ...metadata, annotations: { "kube-vip.io/loadbalancerIPs": WEB.join(",") } },
      spec: { type: "LoadBalancer", ports: [{ port: 80 }] },
    });
    for (const [family, address] of [
      ["IPv4", "10.244.0.2"],
      ["IPv6", "fd44::2"],
    ] as const)
      node.ask("POST", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", {
        ...{ apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", addressType: family, ports: [] },
        metadata: { ...metadata, name: `web-${family.toLowerCase()}`, labels: { "kubernetes.io/service-name": "web" } },
        endpoints: [{ addresses: [address], nodeName: "n1", conditions: { ready: true } }],
      });
  };
  const setEndpoints = (endpoints: readonly object[]): void => {
    for (const family of ["ipv4", "ipv6"])
      node.ask("PATCH", `/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/web-${family}`, { endpoints });
  };

  it("has a route to each VIP, of both families, puts it back, and takes its own away with the endpoints and on a stop", async () => {
    node.net.ip("n", "route add 10.9.9.77 dev lo table 198 proto 248");
    node.net.ip("n", "route add 10.9.9.78 dev lo table 198 proto static");
    createService();
    const daemon = await start("a");
    await until("routes of control plane and Service", () => has([...CONTROL_PLANE, ...WEB]), 15_000);
    expect(lines()).toMatch(/^10\.9\.9\.9 dev lo proto 248 $/m);
    expect(node.addresses("lo")).toEqual(expect.arrayContaining(["10.9.9.9/32", "fd09::9/128"]));
    expect(node.addresses("lo")).not.toContain("10.9.9.10/32");
    expect(node.cli("a", "explain", "default/web").stdout).toContain("n1 announces it by table 198");
    expect(node.cli("a", "status").stdout).toMatch(/10\.9\.9\.9 +control-plane +yes +by this node, table 198/);

    node.net.ip("n", "route del 10.9.9.10 table 198");
    node.net.ip("n", "-6 route flush table 198");
    await until("routes are back", () => has([...CONTROL_PLANE, ...WEB]), 5_000);
    expect(node.log("a")).toContain('"event":"route.gone"');

    setEndpoints([]);
    await until("the Service's routes are gone", () => !has([WEB[0]!]) && !has([WEB[1]!]), 5_000);
    expect(has(CONTROL_PLANE)).toBe(true);
    expect(await NodeUnderTest.end(daemon, "SIGTERM")).toBe(0);
    expect(lines().match(/^\S+/gm)).toEqual(["10.9.9.77", "10.9.9.78"]);
    expect(node.addresses("lo")).not.toContain("10.9.9.9/32");
  }, 60_000);

  it("leaves a route of another program where it is, says that the VIP is not announced, and announces it once that is gone", async () => {
    node.net.ip("n", "route add 10.9.9.10 dev e0 table 198 proto static");
    node.net.ip("n", "-6 route add fd09::10 dev e0 table 198 proto static");
    createService();
    await start("a");
    const explained = (): string => node.cli("a", "explain", "default/web").stdout.replaceAll(/\s+/g, " ");
    await until("the daemon has asked for the routes", () => node.log("a").includes('"event":"route.failed"'), 15_000);
    expect(explained().match(/does not announce it/g)).toHaveLength(2);
    expect(explained()).toMatch(/STOP route not in table 198: route 10\.9\.9\.10\/32: another program's route/);
    expect(lines().match(/proto static/g)).toHaveLength(2);
    node.net.ip("n", "route del 10.9.9.10 table 198 proto static");
    node.net.ip("n", "-6 route del fd09::10 table 198 proto static");
    await until("the routes are ours", () => lines().match(/9\.9\.10 dev lo|::10 dev lo/g)?.length === 2, 5_000);
    expect(explained()).not.toContain("STOP");
  }, 60_000);

  it("knows what a killed run of its own has left, in any table; a second daemon's routes with the same number it does not touch", async () => {
    const other = { cp_enable: "false", address: "", vipcast_status_socket: node.socket("services") };
    await start("services", other);
    createService();
    await until("the other daemon's routes", () => has(WEB), 15_000);
    const only = { svc_enable: "false" };
    const killed = await start("a", only);
    await until("routes of the control plane", () => has(CONTROL_PLANE), 15_000);
    await NodeUnderTest.end(killed, "SIGKILL");
    expect(has(CONTROL_PLANE)).toBe(true);

    const next = await start("b", { ...only, address: "10.9.9.9", vip_routingtableid: "199" });
    await until("the route is in the other table", () => has(["10.9.9.9"], "199"), 15_000);
    await until("those of before are gone", () => !lines().includes(".9.9 ") && !lines().includes("::9 "), 5_000);
    expect(has(WEB)).toBe(true);
    expect(await NodeUnderTest.end(next, "SIGTERM")).toBe(0);
    expect(has(WEB)).toBe(true);
    expect(node.log("services")).not.toContain('"route.gone"');
  }, 60_000);

  it("leaves its routes over a stop where that is asked for, except those of a Lease, and takes them away once the node is cordoned", async () => {
    const keep = { vipcast_routing_table_keep_on_stop: "true" };
    createService();
    const first = await start("a", keep);
    await until("routes", () => has([...CONTROL_PLANE, ...WEB]), 15_000);
    expect(await NodeUnderTest.end(first, "SIGTERM")).toBe(0);
    expect(has([...CONTROL_PLANE, ...WEB])).toBe(true);
    expect(node.addresses("lo")).toContain("10.9.9.9/32");

    const elected = await start("elected", { ...keep, vip_leaderelection: "true" });
    await until("the Lease is held", () => node.log("elected").includes('"owner":"default/web"'), 15_000);
    expect(node.cli("a", "explain", "default/web").stdout).toMatch(
      /election +this node holds kube-system\/plndr-svcs-lock/,
    );
    expect(await NodeUnderTest.end(elected, "SIGTERM")).toBe(0);
    expect([has(CONTROL_PLANE), has([WEB[0]!]), has([WEB[1]!])]).toEqual([true, false, false]);

    node.ask("PATCH", "/api/v1/nodes/n1", { spec: { unschedulable: true } });
    const second = await start("b", keep);
    await until("routes of control plane and Service", () => has([...CONTROL_PLANE, ...WEB]), 5_000);
    // Taken over as they were.
    expect(node.log("b")).not.toContain('"prefix":"10.9.9.9/32"');
    expect(await NodeUnderTest.end(second, "SIGTERM")).toBe(0);
    expect(lines()).toBe("");
    expect(node.addresses("lo")).not.toContain("10.9.9.9/32");
  }, 60_000);
});
