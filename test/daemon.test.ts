import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readRecording } from "../src/bgp/session/recording.ts";
import { replay } from "../src/bgp/session/replay.ts";
import { NodeUnderTest } from "./support/node-under-test.ts";
import { needsRoot } from "./support/privileges.ts";
import { until } from "./support/until.ts";

const controlPlane = {
  bgp_enable: "true",
  bgp_as: "65001",
  bgp_peers: "10.0.0.9:65000",
  cp_enable: "true",
  address: "10.9.9.9,fd09::9",
  prometheus_server: "127.0.0.1:2112",
};
const services = {
  bgp_enable: "true",
  bgp_as: "65001",
  bgp_peers: "10.0.0.9:65000",
  svc_enable: "true",
  bgp_attach_ip_to_interface: "true",
  prometheus_server: "127.0.0.1:2113",
};
const arp = {
  vip_arp: "true",
  cp_enable: "true",
  address: "10.9.9.9",
  vip_interface: "e0",
  vip_leaderelection: "true",
  prometheus_server: "127.0.0.1:2114",
};
const VIPS = ["10.9.9.9/32", "fd09::9/128"];

/** The daemon as its user starts, stops and kills it, on a kernel of its own. */
describe.runIf(needsRoot === null)("a daemon on a node", () => {
  let node: NodeUnderTest;
  let api: ChildProcess;

  beforeEach(() => {
    node = new NodeUnderTest();
    api = node.startApi();
  });
  afterEach(() => node.remove());

  const has = (...addresses: string[]): boolean => addresses.every((address) => node.addresses("lo").includes(address));
  const vipsAreThere = (): Promise<void> => until("the VIPs are on lo", () => has(...VIPS), 15_000);

  it("puts the VIPs up, tells its status, and takes them away when told to stop", async () => {
    const daemon = node.startDaemon("a", controlPlane);
    await vipsAreThere();
    const status = node.cli("a", "status");
    // Running, but not as it should be: the router does not answer.
    expect(status.status).toBe(3);
    expect(status.stdout).toMatch(/10\.9\.9\.9 +control-plane +no +session: no session with 10\.0\.0\.9/);
    const explained = node.cli("a", "explain", "fd09::9");
    expect(explained.status).toBe(3);
    expect(explained.stdout).toContain("STOP  session");
    expect(node.cli("a", "explain", "10.1.1.1").status).toBe(1);
    expect(await NodeUnderTest.end(daemon, "SIGTERM")).toBe(0);
    expect(VIPS.some((vip) => has(vip))).toBe(false);
    expect(node.cli("a", "status").status).toBe(1);
  }, 60_000);

  it.each([
    ["by BGP on every node", { ...controlPlane, address: "10.9.9.9" }, "lo"],
    ["by ARP with a Lease", arp, "e0"],
  ])(
    "H1: has the VIP soon after the node's API server is there, which was not when it started: %s",
    async (_, env, device) => {
      await NodeUnderTest.end(api, "SIGKILL");
      node.startDaemon("a", env);
      await until("the daemon answers", () => node.cli("a", "status").stdout.includes("10.9.9.9"), 15_000);
      expect(node.addresses(device)).not.toContain("10.9.9.9/32");
      node.startApi();
      await until("the VIP is there", () => node.addresses(device).includes("10.9.9.9/32"), 20_000);
    },
    60_000,
  );

  it("says of a peer that does not answer why that may be, and writes down what happened", async () => {
    node.startDaemon("a", controlPlane);
    await vipsAreThere();
    await until("it is known what is wrong", () => node.cli("a", "status").stdout.includes("to do: "), 20_000);
    const peer = node.cli("a", "peer", "10.0.0.9");
    expect(peer.status).toBe(3);
    expect(peer.stdout).toMatch(/Problem: +there is no route to 10\.0\.0\.9\n +Fix: +check the interface/);
    expect(peer.stdout).toContain("no policy: nothing is accepted (RFC 8212)");
    const file = node.path("peer.jsonl");
    const recorded = node.cli("a", "peer", "10.0.0.9", "--record", file);
    expect(recorded.stderr).toMatch(/^\d+ octets written to /);
    expect(recorded.status).toBe(0);
    const recording = readRecording(readFileSync(file, "utf8"));
    expect(replay(recording).difference).toBeNull();
    expect(recording.entries.length).toBeGreaterThan(1);
    expect(node.cli("a", "peer", "10.0.0.9", "--record", "-", "--format", "mrt").status).toBe(0);
    expect(node.cli("a", "peer", "tor-9")).toMatchObject({ status: 1, stdout: "" });
    expect(node.cli("a", "peer", "10.0.0.9", "--record", "/nowhere/x").stderr).toContain("ENOENT");
  }, 60_000);

  it("shows passwords of its flags neither in the list of processes nor in log, status and recordings", async () => {
    const flags = ["--bgppeers", "10.0.0.9:65000:hunter2"];
    const daemon = node.startDaemon("a", { ...controlPlane, bgp_peers: "" }, [], flags);
    await vipsAreThere();
    expect(readFileSync(`/proc/${daemon.pid}/cmdline`, "utf8")).toMatch(/^vipcast manager\0*$/);
    const { stdout } = node.cli("a", "status", "-o", "json");
    expect(stdout).toContain("10.0.0.9");
    const recording = node.cli("a", "peer", "10.0.0.9", "--record", "-").stdout;
    expect(recording).toContain("vipcast-bgp-recording");
    expect(stdout + recording + node.log("a")).not.toContain("hunter2");
  }, 60_000);

  it("takes over what a killed run left, and removes what is no longer wanted", async () => {
    const killed = await started("a", controlPlane);
    await until("all of its VIPs are there", () => has(...VIPS), 15_000);
    await NodeUnderTest.end(killed, "SIGKILL");
    expect(has(...VIPS)).toBe(true);
    node.net.ip("n", "addr add 10.9.9.8/32 dev lo");
    node.startDaemon("a", { ...controlPlane, address: "10.9.9.9" });
    await until("the VIP that is no longer wanted is gone", () => !has("fd09::9/128"), 15_000);
    expect(has("10.9.9.9/32", "10.9.9.8/32")).toBe(true);
  }, 60_000);

  it("refuses to run twice, and the refused one touches nothing", async () => {
    await started("a", controlPlane);
    const second = node.startDaemon("a", { ...controlPlane, prometheus_server: "127.0.0.1:2199" });
    await until("the second one has ended", () => second.exitCode !== null, 15_000);
    expect(second.exitCode).toBe(1);
    expect(node.log("a")).toContain("another vipcast is running here");
    await until("the first one has its VIPs", () => has(...VIPS), 15_000);
  }, 60_000);

  it("stops within seconds although the API server does not answer, long as its Lease may be", async () => {
    const elected = { ...arp, vip_leaseduration: "60", vip_renewdeadline: "40", vip_retryperiod: "5" };
    const holder = await started("a", elected, "10.9.9.9/32", "e0");
    api.kill("SIGSTOP");
    const newcomer = node.startDaemon("b", { ...elected, vip_nodename: "n2", prometheus_server: "127.0.0.1:2199" });
    await until("the second one runs", () => node.log("b").includes("daemon.started"), 15_000);
    holder.kill("SIGTERM");
    newcomer.kill("SIGTERM");
    await until("both have ended", () => holder.exitCode !== null && newcomer.exitCode !== null, 10_000);
    expect([holder.exitCode, newcomer.exitCode]).toEqual([0, 0]);
    expect(node.addresses("e0")).not.toContain("10.9.9.9/32");
  }, 60_000);

  it("lives beside one that serves the Services, and neither takes the other's addresses", async () => {
    await started("a", controlPlane);
    node.net.ip("n", "addr add 10.9.9.7/32 dev lo");
    const other = node.startDaemon("b", services);
    await until("the other one is ready", () => node.log("b").includes("kube.synced"), 15_000);
    expect(await NodeUnderTest.end(other, "SIGTERM")).toBe(0);
    expect(has(...VIPS, "10.9.9.7/32")).toBe(true);
  }, 60_000);

  it("serves its VIPs although the port of its metrics is taken", async () => {
    await started("a", controlPlane);
    await started("b", { ...controlPlane, address: "10.9.9.5" }, "10.9.9.5/32");
    expect(node.cli("b", "status").stdout.replaceAll(/\s+/g, " ")).toMatch(
      /prometheus_server: nothing is served on port 2112: .*EADDRINUSE/,
    );
  }, 60_000);

  it("puts an IPv6 VIP back that the link's going down has taken", async () => {
    await started("a", { ...controlPlane, vip_interface: "e0" }, "", "e0");
    node.net.ip("n", "link set e0 down");
    await until("the kernel has dropped it", () => !node.addresses("e0").includes("fd09::9/128"), 5_000);
    node.net.ip("n", "link set e0 up");
    await until("it is back", () => node.addresses("e0").includes("fd09::9/128"), 5_000);
  }, 60_000);

  async function started(name: string, env: Record<string, string>, vip = "10.9.9.9/32", device = "lo") {
    const daemon = node.startDaemon(name, env);
    await until(`${name} has its VIP`, () => node.addresses(device).includes(vip || "fd09::9/128"), 15_000);
    return daemon;
  }
});
