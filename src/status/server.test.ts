import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Metrics } from "../telemetry/metrics.ts";
import { fetchNodes, fetchRecording, fetchStatus, fetchView, StatusUnavailable } from "./client.ts";
import type { StatusReport } from "./report.ts";
import { ESTABLISHED_PEER, IDLE_PEER } from "./test-support.ts";
import { StatusServer, type StatusSource } from "./server.ts";

const report: StatusReport = {
  version: "1.2.3",
  node: "node-1",
  mode: "arp",
  role: "announces 1 of 1 VIPs",
  healthy: true,
  problems: [],
  startedAt: "2026-01-01T00:00:00.000Z",
  uptimeSeconds: 1,
  fallback: false,
  routeTable: null,
  kubernetes: { server: "https://x", synced: true, error: null, services: 0, endpointSlices: 0, nodes: 0 },
  apiServerProbe: { state: "off", detail: "" },
  peers: [
    {
      ...ESTABLISHED_PEER,
      malformedUpdates: 2,
      messages: { ...ESTABLISHED_PEER.messages, received: { ...ESTABLISHED_PEER.messages.received, update: 7 } },
    },
    { ...IDLE_PEER, name: "r2", address: "2001:db8::2", diagnosis: { cause: "refused", problem: "p", fix: "f" } },
  ],
  vips: [
    {
      owner: "default/web",
      address: "10.0.0.9",
      path: "l2",
      announced: true,
      holder: "node-1",
      lease: "a/b",
      gates: [],
    },
  ],
  leases: [
    {
      lease: "a/b",
      purpose: "services",
      holder: "node-1",
      isHolder: true,
      stands: true,
      error: null,
      sameIdentity: false,
    },
  ],
  addresses: [],
  backends: [],
  pools: [],
  warnings: [],
};

const source: StatusSource = {
  report: () => report,
  live: () => true,
  ready: () => true,
  view: (wanted) => ({
    ...{ version: "1.2.3", node: "node-1", routeTable: null },
    vips: wanted === "default/web" ? [{ ...report.vips[0]!, gates: [], peers: [] }] : [],
  }),
  nodes: () => ({ node: "node-1", port: 2112, nodes: [{ name: "node-1", address: "10.0.0.1" }] }),
  recording: (peer, format) => (peer === "rack 1/a" ? `${format} of ${peer}` : null),
};

/** A port that nobody has at the moment. */
async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((listening) => probe.listen(0, "127.0.0.1", listening));
  const { port } = probe.address() as AddressInfo;
  await new Promise((closed) => probe.close(closed));
  return port;
}

describe("the status server", () => {
  let folder = "";
  let socket = "";
  let isReady = true;
  let server: StatusServer;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "vipcast-status-"));
    socket = join(folder, "deep", "s.sock");
    isReady = true;
    server = new StatusServer({ ...source, ready: () => isReady }, new Metrics());
    await server.listenLocal(socket);
  });
  afterEach(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const get = (path: string, method = "GET"): Promise<{ status: number; body: string }> =>
    new Promise((resolve, reject) => {
      const asked = request({ socketPath: socket, path, method }, (response) => {
        let body = "";
        response.on("data", (chunk: Buffer) => (body += chunk.toString()));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      });
      asked.on("error", reject);
      asked.end();
    });

  it("gives the command line the report", async () => {
    expect(await fetchStatus(socket)).toEqual(report);
  });

  it("is read-only", async () => {
    expect((await get("/status", "POST")).status).toBe(405);
  });

  it("answers the probes of the kubelet", async () => {
    expect((await get("/livez")).status).toBe(200);
    expect((await get("/readyz")).status).toBe(200);
    isReady = false;
    expect((await get("/readyz")).status).toBe(503);
    expect((await get("/nothing")).status).toBe(404);
  });

  it("draws the metrics from the report, under kube-vip's names where they exist", async () => {
    const { body } = await get("/metrics");
    expect(body).toContain('kube_vip_is_leader{node="node-1",lease_name="a/b"} 1');
    expect(body).toContain('kube_vip_active_services{namespace="default"} 1');
    expect(body).toContain('vipcast_vip_announced{owner="default/web",address="10.0.0.9",path="l2"} 1');
    expect(body).toContain('kube_vip_build_info{version="1.2.3",build="",node="node-1"} 1');
    expect(body).toContain(
      'kube_vip_manager_bgp_session_info{state="SESSION_STATE_ESTABLISHED",peer="10.0.0.254:179"} 1',
    );
    expect(body).toContain('kube_vip_manager_bgp_session_info{state="SESSION_STATE_IDLE",peer="[2001:db8::2]:179"} 1');
  });

  it("counts what the peers did since they were configured, however often it is asked", async () => {
    await get("/metrics");
    const { body } = await get("/metrics");
    expect(body).toContain('vipcast_bgp_messages_total{peer="r1",direction="received",type="update"} 7');
    expect(body).toContain('vipcast_bgp_malformed_updates_total{peer="r1"} 2');
    expect(body).toContain('vipcast_bgp_diagnosis{peer="r2",cause="refused"} 1');
  });

  it("hands a peer's recording out, whatever the peer is called", async () => {
    expect(String(await fetchRecording(socket, "rack 1/a", "mrt"))).toBe("mrt of rack 1/a");
    expect(String(await fetchRecording(socket, "rack 1/a", "jsonl"))).toBe("jsonl of rack 1/a");
    await expect(fetchRecording(socket, "b", "mrt")).rejects.toThrow("404: no such peer");
    expect((await get("/peers/%E0/recording")).status).toBe(404);
  });

  it("keeps recordings from the network", async () => {
    const port = await freePort();
    await server.listenTcp(port, "127.0.0.1");
    const answer = await fetch(`http://127.0.0.1:${port}/peers/rack%201%2Fa/recording`);
    expect(answer.status).toBe(404);
  });

  it("refuses to share its socket with a second daemon, and takes over a dead one's", async () => {
    const second = new StatusServer(source, new Metrics());
    await expect(second.listenLocal(socket)).rejects.toThrow("another vipcast is running here");
    await server.close();
    writeFileSync(socket, "");
    await second.listenLocal(socket);
    expect((await fetchStatus(socket)).node).toBe("node-1");
    await second.close();
    expect(existsSync(socket)).toBe(false);
  });

  it("of a daemon of another version names the version", async () => {
    const socket = join(folder, "newer.sock");
    const newer = createServer((_, response) => response.end('{"version":"9.1.0","new":[]}'));
    await new Promise<void>((listening) => newer.listen(socket, listening));
    await expect(fetchStatus(socket)).rejects.toThrow("the daemon is vipcast 9.1.0; ask it with the same version");
    newer.close();
  });

  it("of another node that refuses names the setting that may be to blame", async () => {
    const port = await freePort();
    await expect(fetchView({ host: "127.0.0.1", port }, "control-plane", 3_000)).rejects.toThrow(
      `127.0.0.1 port ${port}: refused; no daemon runs there, or its prometheus_server is off or bound to another address`,
    );
  });

  it("without a daemon says what to do", async () => {
    await expect(fetchStatus(join(folder, "none.sock"))).rejects.toThrow(
      /no vipcast daemon is running here.*vipcast manager/,
    );
    await expect(fetchStatus(join(folder, "none.sock"))).rejects.toBeInstanceOf(StatusUnavailable);
  });

  it("say of one VIP what is asked, to other nodes as well; which nodes there are only here", async () => {
    const server = new StatusServer(source, new Metrics());
    const path = join(folder, "view.sock");
    const port = await freePort();
    try {
      await server.listenLocal(path);
      await server.listenTcp(port, "127.0.0.1");
      const there = { host: "127.0.0.1", port };
      expect((await fetchView(there, "default/web")).vips.map(({ owner }) => owner)).toEqual(["default/web"]);
      expect((await fetchView(path, "default/other")).vips).toEqual([]);
      expect((await fetchNodes(path)).nodes).toEqual([{ name: "node-1", address: "10.0.0.1" }]);
      expect((await fetch(`http://127.0.0.1:${port}/nodes`)).status).toBe(404);
    } finally {
      await server.close();
    }
    await expect(fetchView({ host: "127.0.0.1", port }, "x", 500)).rejects.toThrow(StatusUnavailable);
  });
});
