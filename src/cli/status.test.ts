import { describe, expect, it } from "vitest";
import type { StatusReport } from "../status/report.ts";
import { explain, select, unknown } from "./explain.ts";
import { render } from "./status.ts";
import { duration } from "./table.ts";

const report: StatusReport = {
  version: "0.1.0",
  node: "node-1",
  mode: "bgp",
  role: "announces 1 of 2 VIPs",
  healthy: false,
  problems: ["peer r2 is active: connection refused by 10.0.0.253 port 179"],
  startedAt: "2026-01-01T00:00:00.000Z",
  uptimeSeconds: 130,
  fallback: false,
  kubernetes: { server: "https://10.0.0.1:6443", synced: true, error: null, services: 1, endpointSlices: 1, nodes: 3 },
  apiServerProbe: { state: "ready", detail: "https://127.0.0.1:6443/readyz answers 200" },
  peers: [
    {
      name: "r1",
      address: "10.0.0.254",
      port: 179,
      asn: 65000,
      state: "established",
      sinceSeconds: 125,
      families: ["ipv4-unicast"],
      prefixesSent: 1,
      prefixesReceived: 0,
      holdTimeSeconds: 9,
      localAddress: "10.0.0.1",
      establishedCount: 1,
      notAnnounced: [],
      lastError: null,
    },
    {
      name: "fd00:10:0:0:1234:5678:9abc:def0",
      address: "fd00:10:0:0:1234:5678:9abc:def0",
      port: 179,
      asn: 4_200_000_000,
      state: "active",
      sinceSeconds: 7_500,
      families: [],
      prefixesSent: 0,
      prefixesReceived: 0,
      holdTimeSeconds: null,
      localAddress: null,
      establishedCount: 0,
      notAnnounced: [],
      lastError: {
        message: "connection refused by 10.0.0.253 port 179",
        at: "2026-01-01T00:00:00.000Z",
        direction: "transport",
      },
    },
  ],
  vips: [
    {
      owner: "control-plane",
      address: "10.0.0.100",
      path: "bgp",
      announced: true,
      holder: null,
      lease: null,
      gates: [{ gate: "session", open: true, fact: "established with r1" }],
    },
    {
      owner: "default/web",
      address: "10.96.7.1",
      path: "bgp",
      announced: false,
      holder: "node-2",
      lease: "default/kubevip-web",
      gates: [
        { gate: "type", open: true, fact: "spec.type is LoadBalancer" },
        {
          gate: "endpoints",
          open: false,
          fact: "no usable IPv4 endpoint on node-1 (policy Local, 1 listed in 1 slice)",
          hint: "run a ready pod on this node",
        },
        { gate: "election", open: false, fact: "node-2 holds default/kubevip-web", hint: "nothing to do" },
      ],
    },
  ],
  leases: [],
  addresses: [],
  warnings: [],
};

describe("vipcast status", () => {
  it("fits into 80 columns and says why a VIP is not here", () => {
    const text = render(report, "table");
    for (const line of text.split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
    expect(text).toMatch(/10\.0\.0\.100 +control-plane +yes +by this node, BGP/);
    expect(text).toMatch(/10\.96\.7\.1 +default\/web +no +endpoints: no usable IPv4/);
    expect(text).toContain("connection refused by 10.0.0.253 port 179");
  });

  it("keeps the reason beside the longest addresses and names", () => {
    const [here, away] = report.vips;
    const long = "monitoring/kube-prometheus-stack-alertmanager";
    const vips = [
      { ...here!, address: "fd40:1234:5678:9abc:def0:1234:5678:9abc", owner: long },
      { ...away!, owner: `${long}-web` },
    ];
    const text = render({ ...report, vips }, "table");
    for (const line of text.split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
    expect(text).toMatch(/^fd40:1234:5678:9abc:def0:1234:5678:9abc  monitor…anager  yes   by this node, BGP$/m);
    expect(text).toMatch(/^10\.96\.7\.1 +monitor…er-web  no    endpoints: no us…$/m);
    expect(render({ ...report, vips }, "wide")).toContain(long);
  });

  it("says once why a session is not up", () => {
    expect(render(report, "table").split("connection refused")).toHaveLength(2);
  });

  it("as JSON is the document itself", () => {
    expect(JSON.parse(render(report, "json"))).toEqual(report);
  });

  it("prints durations as people say them", () => {
    expect([4, 130, 7_500, 600_000].map(duration)).toEqual(["4s", "2m10s", "2h05m", "6d"]);
  });
});

describe("vipcast explain", () => {
  it("finds a VIP by address, in any spelling, and by the name of its Service", () => {
    expect(select(report, "10.96.7.1")).toHaveLength(1);
    expect(select(report, "default/web")).toHaveLength(1);
    expect(select(report, "default/other")).toEqual([]);
  });

  it("of what it does not know says what it knows, and what was probably meant", () => {
    expect(unknown(report, "web")).toContain("it knows 10.0.0.100, 10.96.7.1. Did you mean default/web?");
    expect(unknown(report, "10.1.1.1")).toContain("A Service is listed when");
  });

  it("marks the gate that decided, shows those behind it, and says what would change it", () => {
    const text = explain(report, report.vips[1]!);
    expect(text).toContain("STOP  endpoints   no usable IPv4 endpoint on node-1");
    expect(text).toContain("no    election");
    expect(text).toContain("To change that: run a ready pod on this node.");
    for (const line of text.split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
  });
});
