import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { printEnvironment } from "./environment.ts";
import { type Loaded, loadSettings } from "./load.ts";
import { printFile } from "./print-file.ts";
import { problemText } from "./problem.ts";
import type { Environment, Flags } from "./read-names.ts";
import { redact } from "./redact.ts";

function load(env: Environment, flags: Flags = {}, text?: string): Loaded {
  const result = loadSettings({ flags, env, file: text === undefined ? null : { path: "f.yaml", text } });
  if ("errors" in result) throw new Error(result.errors.map(problemText).join("\n"));
  return result;
}

const environmentOf = (loaded: Loaded): Record<string, string> =>
  Object.fromEntries(printEnvironment(loaded).flatMap(({ name, value }) => (value === null ? [] : [[name, value]])));

/** Flags that a user of the generator may give, in any combination that is accepted. */
const bool = fc.constantFrom("true", "false");
const address = fc.constantFrom("10.0.0.10", "10.0.0.10,fd00::10", "FD00::A");
const peer = fc
  .record({
    address: fc.constantFrom("10.1.0.1", "10.1.0.2", "[fd00::1]", "[fe80::2%eth0]", "10.1.0.3"),
    as: fc.constantFrom("65000", "65001", "4200000000"),
    password: fc.constantFrom("", "secret", "a=b;c", "$(HOME)$$x", "wörd"),
    multihop: fc.constantFrom("", "true", "F"),
    port: fc.constantFrom("", "179", "1179"),
    mpbgp: fc.constantFrom("", "mpbgp_nexthop=fixed;mpbgp_ipv4=10.0.0.9", "mpbgp_nexthop=fixed;mpbgp_ipv6=[fd00::9]"),
  })
  .map((it) => `${it.address}:${it.as}:${it.password}:${it.multihop}:${it.port}:${it.mpbgp}`);
const flags: fc.Arbitrary<Flags> = fc.record(
  {
    interface: fc.constantFrom("eth0", "lo"),
    serviceInterface: fc.constantFrom("eth1", "auto"),
    address,
    vipSubnet: fc.constantFrom("24", "24,64"),
    port: fc.constantFrom("6443", "443"),
    namespace: fc.constantFrom("kube-system", "other"),
    controlplane: bool,
    services: bool,
    servicesElection: bool,
    leaderElection: bool,
    leaseName: fc.constantFrom("lock", "ns/lock"),
    servicesLeaseName: fc.constantFrom("svcs", "ns/svcs"),
    leaseDuration: fc.constantFrom("15", "30"),
    leaseRenewDuration: fc.constantFrom("10", "8"),
    leaseRetry: fc.constantFrom("2", "3"),
    lbClassOnly: bool,
    lbClassName: fc.constantFrom("", "example.com/x"),
    lbClassNameLegacyHandling: bool,
    disableServiceUpdates: bool,
    bgpAttachIPToInterface: bool,
    mode: fc.constantFrom("auto", "bgp", "arp", "table"),
    tableID: fc.constantFrom("198", "254"),
    tableType: fc.constantFrom("1", "6"),
    routingProtocol: fc.constantFrom("248", "99"),
    cleanRoutingTable: bool,
    bgpRouterID: fc.constantFrom("10.0.0.1"),
    localAS: fc.constantFrom("65000", "64512"),
    sourceIP: fc.constantFrom("10.0.0.2"),
    bgpHoldTimer: fc.constantFrom("30", "0"),
    bgpListen: fc.constantFrom("0.0.0.0:179", "[fd00::1]:1790"),
    peerAddress: fc.constantFrom("10.2.0.1", "fd00::2", "[fe80::1%eth1]"),
    peerAS: fc.constantFrom("65002"),
    peerPass: fc.constantFrom("x,y:z"),
    multihop: bool,
    bgppeers: fc.uniqueArray(peer, { minLength: 1, maxLength: 3 }).map((list) => list.join(",")),
    healthCheckPort: fc.constantFrom("0", "8080"),
    prometheusHTTPServer: fc.constantFrom("", ":2112", "127.0.0.1:9"),
    controlPlaneHealthCheck: bool,
    controlPlaneHealthCheckAddress: fc.constantFrom("https://10.0.0.1:6443/readyz"),
    controlPlaneHealthCheckPeriodSeconds: fc.constantFrom("5", "0.5"),
    controlPlaneHealthCheckTimeoutSeconds: fc.constantFrom("3"),
    controlPlaneHealthCheckFailureThreshold: fc.constantFrom("1"),
    controlPlaneHealthCheckCAPath: fc.constantFrom("/etc/ca.crt"),
    log: fc.constantFrom("-4", "8"),
    fallbackDelay: fc.constantFrom("1", "0.5"),
    statusSocket: fc.constantFrom("/run/x/y.sock"),
  },
  { requiredKeys: ["mode", "bgppeers", "address", "services", "controlplane"] },
);

describe("printing", () => {
  it("the environment of a manifest gives exactly the settings of the flags", () => {
    let accepted = 0;
    fc.assert(
      fc.property(flags, (given) => {
        const loaded = loadSettings({ flags: given, env: {}, file: null });
        if ("errors" in loaded) return;
        accepted++;
        expect(load(environmentOf(loaded)).settings).toEqual(loaded.settings);
      }),
      { numRuns: 300 },
    );
    expect(accepted).toBeGreaterThan(60);
  });

  it("the effective configuration is a file that gives exactly the same settings", () => {
    let accepted = 0;
    fc.assert(
      fc.property(flags, (given) => {
        const loaded = loadSettings({ flags: given, env: {}, file: null });
        if ("errors" in loaded) return;
        accepted++;
        expect(load({}, {}, stringify(printFile(loaded, "shown"))).settings).toEqual(loaded.settings);
      }),
      { numRuns: 300 },
    );
    expect(accepted).toBeGreaterThan(60);
  });

  it("what only the file can say about peers goes into the environment as JSON", () => {
    const file = `
mode: auto
services: {enabled: true, namespace: web}
kubernetes: {kubeconfig: /etc/kubernetes/other.conf, address: "https://10.0.0.1:6443"}
controlPlane: {leaseAnnotations: {a: "b,c"}}
bgp:
  routerInterface: eth0
  connectRetrySeconds: 7
  mpbgp: {nextHop: fixed, ipv6: fd00::9}
  peers:
    - 10.0.0.1:65001
    - {name: tor-2, address: 10.0.0.2, as: 65001, password: "a,b", holdTimeSeconds: 6, families: [ipv6], nextHop: {}}
fallback: {delaySeconds: 1.5, settleSeconds: 3}
arp: {intervalMillis: 700}
`;
    const loaded = load({}, {}, file);
    const environment = environmentOf(loaded);
    expect(environment["bgp_peers"]).toBeUndefined();
    expect(load(environment).settings).toEqual({
      ...loaded.settings,
      kubernetes: { ...loaded.settings.kubernetes, kubeconfig: null },
    });
    expect(load({}, {}, stringify(printFile(loaded, "shown"))).settings).toEqual(loaded.settings);
  });

  it("the environment has kube-vip's names in kube-vip's order", () => {
    const loaded = load(
      {},
      {
        interface: "eth0",
        address: "10.0.0.10",
        controlplane: "true",
        services: "true",
        bgp: "true",
        leaderElection: "true",
        localAS: "65000",
        bgpRouterID: "10.0.0.1",
        bgppeers: "10.0.0.254:65001::false",
        peerAddress: "10.0.0.253",
        peerAS: "65002",
        peerPass: "pw",
      },
    );
    expect(printEnvironment(loaded).map(({ name }) => name)).toEqual([
      "vip_arp",
      "port",
      "vip_nodename",
      "vip_interface",
      "cp_enable",
      "cp_namespace",
      "svc_enable",
      "svc_leasename",
      "vip_leaderelection",
      "vip_leasename",
      "vip_leaseduration",
      "vip_renewdeadline",
      "vip_retryperiod",
      "bgp_enable",
      "bgp_routerid",
      "bgp_as",
      "bgp_peeraddress",
      "bgp_peerpass",
      "bgp_peeras",
      "bgp_peers",
      "address",
      "prometheus_server",
    ]);
  });
});

describe("secrets", () => {
  const loaded = load({
    bgp_enable: "true",
    cp_enable: "true",
    address: "10.0.0.10",
    bgp_peers: "10.0.0.1:65001:hunter2",
    bgp_peeraddress: "10.0.0.2",
    bgp_peerpass: "hunter2",
    control_plane_health_check_address: "https://me:hunter2@10.0.0.1/x",
    kubernetes_addr: "https://me:hunter2@10.0.0.1:6443",
  });
  it("are not in the redacted settings, and everything else is", () => {
    const redacted = redact(loaded.settings);
    expect(JSON.stringify(redacted)).not.toContain("hunter2");
    expect(redacted.bgp?.peers.map(({ password }) => password)).toEqual([
      { kind: "value", value: "(redacted)" },
      { kind: "value", value: "(redacted)" },
    ]);
    expect({ ...redacted, bgp: null, controlPlane: null, kubernetes: null }).toEqual({
      ...loaded.settings,
      bgp: null,
      controlPlane: null,
      kubernetes: null,
    });
  });
  it("are not in the redacted configuration", () => {
    expect(JSON.stringify(printFile(loaded, "redacted"))).not.toContain("hunter2");
    expect(JSON.stringify(printFile(loaded, "shown"))).toContain("hunter2");
  });
});
