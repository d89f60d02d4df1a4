import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NodeUnderTest } from "./support/node-under-test.ts";
import { needsRoot } from "./support/privileges.ts";
import { until } from "./support/until.ts";

const SETTINGS = {
  bgp_enable: "true",
  bgp_as: "65001",
  bgp_peers: "10.0.0.9:65000",
  cp_enable: "true",
  address: "10.9.9.9,fd09::9",
  prometheus_server: "off",
  vipcast_bgp_graceful_restart: "true",
  vipcast_bgp_keep_on_stop: "true",
};

/** What an upgrade and a drain of the node leave behind, on a kernel of its own. */
describe.runIf(needsRoot === null)("a daemon that keeps routes over a stop", () => {
  let node: NodeUnderTest;

  beforeEach(() => {
    node = new NodeUnderTest();
    node.startApi();
  });
  afterEach(() => node.remove());

  const has = (): boolean => ["10.9.9.9/32", "fd09::9/128"].every((address) => node.addresses("lo").includes(address));
  const start = async (name: string) => {
    const daemon = node.startDaemon(name, { ...SETTINGS, vipcast_status_socket: node.socket("a") });
    await until("the daemon knows the cluster", () => node.log(name).includes('"kube.synced"'), 15_000);
    await until("the VIPs are on lo", has, 15_000);
    return daemon;
  };

  it("leaves its addresses to the next process while the node is in service, and takes them away once it is cordoned (BGP-4724-P-01)", async () => {
    node.ask("POST", "/api/v1/nodes", { apiVersion: "v1", kind: "Node", metadata: { name: "n1" } });
    node.ask("PATCH", "/api/v1/nodes/n1/status", { status: { conditions: [{ type: "Ready", status: "True" }] } });
    expect(await NodeUnderTest.end(await start("a"), "SIGTERM")).toBe(0);
    expect(has()).toBe(true);
    expect(node.log("a")).toContain('"bgp.routes.kept"');

    expect(await NodeUnderTest.end(await start("b"), "SIGTERM")).toBe(0);
    expect(node.log("b")).toMatch(/"noted":true.*"event":"bgp.resumed"/);
    expect(node.log("b")).not.toContain('"address.removed"');
    expect(has()).toBe(true);

    node.ask("PATCH", "/api/v1/nodes/n1", { spec: { unschedulable: true } });
    expect(await NodeUnderTest.end(await start("c"), "SIGTERM")).toBe(0);
    expect(node.log("c")).not.toContain('"bgp.routes.kept"');
    expect(has()).toBe(false);
  }, 120_000);
});
