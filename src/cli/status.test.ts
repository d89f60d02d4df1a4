import { describe, expect, it } from "vitest";
import type { PeerReport, StatusReport } from "../status/report.ts";
import { ESTABLISHED_PEER, IDLE_PEER } from "../status/test-support.ts";
import { explain, unknown } from "./explain.ts";
import { renderPeer, selectPeer, unknownPeer } from "./peer.ts";
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
  routeTable: null,
  kubernetes: { server: "https://10.0.0.1:6443", synced: true, error: null, services: 1, endpointSlices: 1, nodes: 3 },
  apiServerProbe: { state: "ready", detail: "https://127.0.0.1:6443/readyz answers 200" },
  peers: [
    ESTABLISHED_PEER,
    {
      ...IDLE_PEER,
      name: "fd00:10:0:0:1234:5678:9abc:def0",
      address: "fd00:10:0:0:1234:5678:9abc:def0",
      asn: 4_200_000_000,
      state: "active",
      sinceSeconds: 7_500,
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
  backends: [],
  pools: [],
  warnings: [],
};

/** As the daemon explains it. */
const seen = (vip: StatusReport["vips"][number]) => ({
  ...{ ...vip, peers: [] },
  gates: vip.gates.map((gate) => ({ ...gate, object: `what ${gate.gate} looks at` })),
});

describe("vipcast status", () => {
  it("says that there is no VIP, and does not speak of Services that it does not know", () => {
    const without = { ...report, vips: [] };
    expect(render(without, "table")).toContain(
      "No VIPs: no control-plane address is set, and no Service asks for one.",
    );
    const kubernetes = { ...report.kubernetes, synced: false };
    expect(render({ ...without, kubernetes }, "table")).toContain("and the Services are not known");
  });

  it("names the table in whose routes the VIPs are", () => {
    const inTable = {
      ...report,
      mode: "table" as const,
      routeTable: { table: 198, protocol: 248, type: "unicast" },
      vips: report.vips.map((vip) => ({ ...vip, path: "table" as const })),
    };
    expect(render(inTable, "wide")).toMatch(/^Mode: +table \(198, protocol 248, unicast\), up/m);
    expect(render(inTable, "wide")).toContain("by this node, table 198");
    expect(explain(inTable, seen(inTable.vips.find(({ announced }) => announced)!))).toContain(
      "announces it by table 198",
    );
  });

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

  it("says under the peers what is wrong with one and what to do, and not again among the problems", () => {
    const diagnosis = {
      cause: "wrong-as",
      problem: "10.0.0.254 is in AS 65009, not 65000",
      fix: "set this peer's as to 65009 here, or correct the router",
    };
    const peers = [{ ...IDLE_PEER, diagnosis, bfd: { state: "down" as const, session: null } }];
    const problems = [`peer r1 is not up (idle): ${diagnosis.problem}`, "Kubernetes: no answer"];
    const text = render({ ...report, peers, problems }, "table");
    expect(text).toContain(
      "! r1: 10.0.0.254 is in AS 65009, not 65000\n  to do: set this peer's as to 65009 here, or correct the router\n! r1: BFD is down",
    );
    expect(text.split("65009, not")).toHaveLength(2);
    expect(text).toContain("! Kubernetes: no answer");
  });

  it("shows BFD and stale routes where there is room", () => {
    const peers = [{ ...ESTABLISHED_PEER, prefixesReceived: 3, prefixesStale: 2, bfd: { state: "up", session: null } }];
    const text = render({ ...report, peers: peers as StatusReport["peers"] }, "wide");
    expect(text).toMatch(/RECEIVED +HOLD +BFD +LOCAL ADDRESS/);
    expect(text).toMatch(/3 \(2 stale\) +9s +up +10\.0\.0\.1/);
  });

  it("as JSON is the document itself", () => {
    expect(JSON.parse(render(report, "json"))).toEqual(report);
  });

  it("prints durations as people say them", () => {
    expect([4, 130, 7_500, 600_000].map(duration)).toEqual(["4s", "2m10s", "2h05m", "6d"]);
  });
});

const BFD: NonNullable<PeerReport["bfd"]>["session"] = {
  state: "up",
  diagnostic: "no diagnostic",
  remoteState: "up",
  remoteDiagnostic: "no diagnostic",
  local: "10.0.0.1",
  multihop: false,
  transmitMillis: 50,
  detectionMillis: 150,
  packetsSent: 1200,
  packetsReceived: 1190,
  lossCount: 1,
};

describe("vipcast peer", () => {
  it("finds a peer by name and by address, and otherwise says which there are", () => {
    expect(selectPeer(report, "r1")?.name).toBe("r1");
    expect(selectPeer(report, "10.0.0.254")?.name).toBe("r1");
    expect(selectPeer(report, "r9")).toBeNull();
    expect(unknownPeer(report, "r9")).toContain("no peer r9: it has r1, fd00:10:0:0:1234:5678:9abc:def0");
    expect(unknownPeer({ ...report, peers: [] }, "r9")).toContain("it has none");
  });

  it("shows everything about one peer in 80 columns", () => {
    const peer: PeerReport = {
      ...ESTABLISHED_PEER,
      diagnosis: { cause: "family", problem: "the router does not offer ipv6-unicast", fix: "activate it" },
      prefixesReceived: 3,
      prefixesStale: 1,
      prefixesUnusable: 2,
      unusableReason: "no import policy",
      malformedUpdates: 2,
      malformedAttributes: { "8": 2 },
      malformedWithdrawn: 1,
      malformedLast: { at: "2026-01-01T00:00:00.000Z", prefixes: ["10.1.0.0/16"], reason: "length 3" },
      bfd: { state: "up", session: BFD },
      notifications: {
        sent: null,
        received: { code: 6, subcode: 2, message: "Cease: Administrative Shutdown", at: "2026", count: 3 },
      },
    };
    const text = renderPeer(peer);
    for (const line of text.split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
    expect(text).toMatchInlineSnapshot(`
      "r1 (10.0.0.254) port 179, AS 65000
        State:      established for 2m05s, the first session
        Problem:    the router does not offer ipv6-unicast
        Fix:        activate it
        Local end:  10.0.0.1
        Hold time:  9s
        Families:   ipv4-unicast
        Agreed:     external, four-octet AS numbers, route refresh
        BFD:        up, every 50 ms, down after 150 ms of silence, lost 1x
        Import:     no policy: nothing is accepted (RFC 8212)
        Export:     everything that is announced here
        Prefixes:   1 sent, 3 received (1 stale, 2 unusable: no import policy)
        Malformed:  2 UPDATEs, of which 1 took routes away: attribute 8 2x; gone
                    since 2026-01-01T00:00:00.000Z: 10.1.0.0/16 (length 3)
        It said:    NOTIFICATION 6/2 received: Cease: Administrative Shutdown (3x,
                    last 2026)

        CONNECTION  STATE        FAILURES  TIMERS
        outgoing    established  0         HoldTimer 8s

        MESSAGES  OPEN  UPDATE  NOTIFICATION  KEEPALIVE  ROUTE-REFRESH
        sent      0     0       0             0          0
        received  0     0       0             0          0

        OPEN received at 2026-01-01T00:00:00.000Z: AS 65000, identifier 10.0.0.254,
        hold time 90s
          multiprotocol ipv4-unicast
          graceful-restart 120s (ipv4-unicast forwarding)"
    `);
  });

  it("shows an OPEN that could not be read as octets", () => {
    const unread = { at: "2026", asn: null, identifier: null, holdTimeSeconds: null, capabilities: [], hex: "04fd" };
    expect(renderPeer({ ...IDLE_PEER, opens: { sent: null, received: unread } })).toContain(
      "OPEN received at 2026: not readable: 04fd",
    );
  });
});

describe("vipcast explain", () => {
  it("of what it does not know says what it knows, and what was probably meant", () => {
    expect(unknown(report, "web")).toContain("it knows 10.0.0.100, 10.96.7.1. Did you mean default/web?");
    expect(unknown(report, "10.1.1.1")).toContain("A Service is listed when");
  });

  it("marks the gate that decided, shows those behind it, and says what would change it", () => {
    const text = explain(report, seen(report.vips[1]!));
    expect(text).toContain("STOP  endpoints   no usable IPv4 endpoint on node-1");
    expect(text).toContain("no    election");
    expect(text).toContain("Decided by: what endpoints looks at.");
    expect(text).toContain("To change that: run a ready pod on this node.");
    for (const line of text.split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
  });
});
