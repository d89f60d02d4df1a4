import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { BGP_SAMPLES } from "../../test/support/bgp-samples.ts";
import { KUBE_VIP_ONLY } from "./kube-vip-only.ts";
import { type Loaded, loadConfig, loadSettings, type Refused } from "./load.ts";
import { options } from "./options.ts";
import { problemText } from "./problem.ts";
import type { Environment, Flags } from "./read-names.ts";
import type { Settings } from "./settings.ts";
import { setAt, valueAt } from "./tree.ts";

const ARP = { vip_arp: "true", cp_enable: "true", address: "10.0.0.10" };
const TABLE = { vip_routingtable: "true", cp_enable: "true", address: "10.0.0.10" };
const PW = { kind: "value", value: "pw" };
const BGP = { bgp_enable: "true", cp_enable: "true", address: "10.0.0.10", bgp_peers: "10.0.0.1:65001" };

function load(env: Environment, flags: Flags = {}, text?: string): Loaded {
  const result = loadSettings({ flags, env, file: text === undefined ? null : { path: "vipcast.yaml", text } });
  if ("errors" in result) throw new Error(result.errors.map(problemText).join("\n"));
  return result;
}
const settings = (env: Environment, flags: Flags = {}, text?: string): Settings => load(env, flags, text).settings;
function refusal(env: Environment, flags: Flags = {}, text?: string): string {
  const result: Loaded | Refused = loadSettings({
    flags,
    env,
    file: text === undefined ? null : { path: "vipcast.yaml", text },
  });
  return "errors" in result ? result.errors.map(problemText).join("\n") : "accepted";
}

/** What a peer has that says nothing of it. */
const DEFAULT_SESSION = {
  passive: false,
  minTtl: null,
  minHoldTimeSeconds: null,
  delayOpenSeconds: 0,
  sendHoldTimeSeconds: null,
  maxIdleSeconds: null,
  userTimeoutMillis: null,
  maxSegmentLength: null,
  trafficClass: null,
  requiredFamilies: [],
  extendedNextHop: false,
  addPathReceive: false,
  role: null,
  strictRole: false,
  enforceFirstAs: true,
  importPolicy: null,
  exportPolicy: null,
  maxPrefixes: null,
  gracefulRestart: null,
  bfd: null,
};

/** Two values of each setting: as text, and as the file has it. */
const SAMPLES: Record<string, readonly [readonly [string, unknown], readonly [string, unknown]]> = {
  mode: [
    ["bgp", "bgp"],
    ["auto", "auto"],
  ],
  nodeName: [
    ["Node-1", "node-1"],
    ["node-2", "node-2"],
  ],
  interface: [
    ["eth0", "eth0"],
    ["bond0.100", "bond0.100"],
  ],
  prefixLengths: [
    ["24", [24]],
    ["24,64", [24, 64]],
  ],
  "controlPlane.enabled": [
    ["true", true],
    ["F", false],
  ],
  "controlPlane.addresses": [
    ["10.0.0.1", ["10.0.0.1"]],
    ["10.0.0.1, FD00::0001", ["10.0.0.1", "fd00::1"]],
  ],
  "controlPlane.port": [
    ["6444", 6444],
    ["443", 443],
  ],
  "controlPlane.election": [
    ["true", true],
    ["false", false],
  ],
  "controlPlane.leaseName": [
    ["a", "a"],
    ["ns/b", "ns/b"],
  ],
  "controlPlane.leaseAnnotations": [
    ['{"a":"b"}', { a: "b" }],
    ['{"c":""}', { c: "" }],
  ],
  "controlPlane.healthCheck.enabled": [
    ["true", true],
    ["false", false],
  ],
  "controlPlane.healthCheck.url": [
    ["http://a/x", "http://a/x"],
    ["https://b:1/", "https://b:1/"],
  ],
  "controlPlane.healthCheck.periodSeconds": [
    ["5", 5],
    ["0.5", 0.5],
  ],
  "controlPlane.healthCheck.timeoutSeconds": [
    ["3", 3],
    ["0.5", 0.5],
  ],
  "controlPlane.healthCheck.failureThreshold": [
    ["1", 1],
    ["7", 7],
  ],
  "controlPlane.healthCheck.caFile": [
    ["/a", "/a"],
    ["/b/c", "/b/c"],
  ],
  "services.enabled": [
    ["true", true],
    ["0", false],
  ],
  "services.namespace": [
    ["a", "a"],
    ["b", "b"],
  ],
  "services.perServiceElection": [
    ["true", true],
    ["false", false],
  ],
  "services.election": [
    ["spread", "spread"],
    ["none", "none"],
  ],
  "services.perServiceElectionOnDemand": [
    ["true", true],
    ["false", false],
  ],
  "services.spreadWeight": [
    ["0", 0],
    ["7", 7],
  ],
  "services.leaseName": [
    ["a", "a"],
    ["ns/b", "ns/b"],
  ],
  "services.interface": [
    ["eth1", "eth1"],
    ["auto", "auto"],
  ],
  "services.loadBalancerClass": [
    ["a/b", "a/b"],
    ["", ""],
  ],
  "services.loadBalancerClassOnly": [
    ["true", true],
    ["false", false],
  ],
  "services.legacyClassHandling": [
    ["false", false],
    ["true", true],
  ],
  "services.attachAddresses": [
    ["true", true],
    ["false", false],
  ],
  "services.updateStatus": [
    ["true", false],
    ["false", true],
  ],
  "controlPlane.balancer.enabled": [
    ["true", true],
    ["false", false],
  ],
  "controlPlane.balancer.port": [
    ["6444", 6444],
    ["443", 443],
  ],
  "controlPlane.balancer.method": [
    ["masquerade", "masquerade"],
    ["local", "local"],
  ],
  "controlPlane.balancer.algorithm": [
    ["random", "random"],
    ["source-hash", "source-hash"],
  ],
  "controlPlane.balancer.probeSeconds": [
    ["5", 5],
    ["0.2", 0.2],
  ],
  "services.drainCordonedNodes": [
    ["true", true],
    ["false", false],
  ],
  "services.endpointMinimumReadySeconds": [
    ["2.5", 2.5],
    ["10", 10],
  ],
  "services.endpointHoldDownSeconds": [
    ["30", 30],
    ["0", 0],
  ],
  "services.excludeLabel": [
    ["true", true],
    ["false", false],
  ],
  "services.pools.enabled": [
    ["true", true],
    ["false", false],
  ],
  "services.pools.configMap": [
    ["default/pools", "default/pools"],
    ["pools", "pools"],
  ],
  "services.pools.leaseName": [
    ["default/pools", "default/pools"],
    ["pools", "pools"],
  ],
  "services.onlyServicePorts": [
    ["true", true],
    ["false", false],
  ],
  "services.sourceRanges": [
    ["true", true],
    ["false", false],
  ],
  "election.type": [
    ["kubernetes", "kubernetes"],
    ["etcd", "etcd"],
  ],
  "etcd.endpoints": [
    ["https://10.0.0.1:2379", ["https://10.0.0.1:2379"]],
    ["http://10.0.0.1:2379,http://[fd00::1]:2379", ["http://10.0.0.1:2379", "http://[fd00::1]:2379"]],
  ],
  "etcd.caFile": [
    ["/etc/etcd/ca.crt", "/etc/etcd/ca.crt"],
    ["/ca", "/ca"],
  ],
  "etcd.certFile": [
    ["/etc/etcd/client.crt", "/etc/etcd/client.crt"],
    ["/crt", "/crt"],
  ],
  "etcd.keyFile": [
    ["/etc/etcd/client.key", "/etc/etcd/client.key"],
    ["/key", "/key"],
  ],
  "election.leaseDurationSeconds": [
    ["20", 20],
    ["30", 30],
  ],
  "election.renewDeadlineSeconds": [
    ["8", 8],
    ["9", 9],
  ],
  "election.retryPeriodSeconds": [
    ["1", 1],
    ["3", 3],
  ],
  "election.addressLifetimes": [
    ["false", false],
    ["true", true],
  ],
  "bgp.localAs": [
    ["64512", 64512],
    ["4200000000", 4_200_000_000],
  ],
  "bgp.routerId": [
    ["10.0.0.1", "10.0.0.1"],
    ["10.0.0.2", "10.0.0.2"],
  ],
  "bgp.routerInterface": [
    ["eth0", "eth0"],
    ["eth1", "eth1"],
  ],
  "bgp.sourceAddress": [
    ["10.0.0.1", "10.0.0.1"],
    ["fd00::1", "fd00::1"],
  ],
  "bgp.sourceInterface": [
    ["eth0", "eth0"],
    ["eth1", "eth1"],
  ],
  "bgp.holdTimeSeconds": [
    ["30", 30],
    ["0", 0],
  ],
  "bgp.keepaliveSeconds": [
    ["1", 1],
    ["2", 2],
  ],
  "bgp.connectRetrySeconds": [
    ["5", 5],
    ["60", 60],
  ],
  "bgp.listen": [
    [":179", ":179"],
    ["[fd00::1]:1790", "[fd00::1]:1790"],
  ],
  ...BGP_SAMPLES,
  "bgp.mpbgp.nextHop": [
    ["fixed", "fixed"],
    ["auto_sourceip", "auto_sourceip"],
  ],
  "bgp.mpbgp.ipv4": [
    ["10.0.0.1", "10.0.0.1"],
    ["10.0.0.2", "10.0.0.2"],
  ],
  "bgp.mpbgp.ipv6": [
    ["fd00::1", "fd00::1"],
    ["fd00::2", "fd00::2"],
  ],
  "bgp.peers": [
    ["10.0.0.1:1", ["10.0.0.1:1"]],
    ["10.0.0.1:1,,[fd00::1]:2", ["10.0.0.1:1", "[fd00::1]:2"]],
  ],
  "arp.intervalMillis": [
    ["500", 500],
    ["1000", 1000],
  ],
  "routingTable.table": [
    ["254", 254],
    ["1000", 1000],
  ],
  "routingTable.protocol": [
    ["99", 99],
    ["0", 0],
  ],
  "routingTable.type": [
    ["6", 6],
    ["2", 2],
  ],
  "routingTable.clean": [
    ["true", true],
    ["f", false],
  ],
  "routingTable.keepOnStop": [
    ["true", true],
    ["false", false],
  ],
  "fallback.delaySeconds": [
    ["0", 0],
    ["2.5", 2.5],
  ],
  "fallback.settleSeconds": [
    ["0", 0],
    ["60", 60],
  ],
  "kubernetes.kubeconfig": [
    ["/a", "/a"],
    ["/b", "/b"],
  ],
  "kubernetes.address": [
    ["https://a:1", "https://a:1"],
    ["https://b:2", "https://b:2"],
  ],
  "kubernetes.namespace": [
    ["a", "a"],
    ["b", "b"],
  ],
  "metrics.listen": [
    [":1", ":1"],
    ["off", "off"],
  ],
  "health.port": [
    ["8080", 8080],
    ["0", 0],
  ],
  "log.level": [
    ["-4", "debug"],
    ["error", "error"],
  ],
  "status.socket": [
    ["/run/a", "/run/a"],
    ["/run/b", "/run/b"],
  ],
};

describe("every setting", () => {
  it("has two samples here", () => {
    expect(Object.keys(SAMPLES).toSorted()).toEqual(options.map(({ key }) => key).toSorted());
  });

  const value = (key: string, env: Environment, flags: Flags, file: string | null): unknown => {
    const result = loadConfig({ env, flags, file: file === null ? null : { path: "f.yaml", text: file } });
    if ("errors" in result) throw new Error(result.errors.map(problemText).join("\n"));
    return valueAt(result.config, key.split("."));
  };

  it.each(options)(
    "$key is read from each of its names, flag before environment before file before default",
    (option) => {
      const { key, flag, env: names, path } = option;
      const [[first, one], [second, two]] = SAMPLES[key]!;
      const tree: Record<string, unknown> = {};
      setAt(tree, path, one);
      const file = stringify(tree);
      expect(value(key, {}, {}, null)).toEqual(option.fallback);
      expect(value(key, {}, {}, file)).toEqual(one);
      for (const name of names) {
        expect(value(key, { [name]: first }, {}, null), name).toEqual(one);
        expect(value(key, { [name]: second }, {}, file), name).toEqual(two);
      }
      if (flag === undefined) return;
      expect(value(key, { [names[0]]: first }, { [flag]: second }, file)).toEqual(two);
      expect(value(key, { [names[0]]: second }, { [flag]: first }, file)).toEqual(one);
    },
  );

  it("an empty environment value counts as unset, except for the load balancer's class", () => {
    const env = Object.fromEntries(options.flatMap(({ env }) => env).map((name) => [name, ""]));
    expect(settings({ ...env, ...ARP, lb_class_legacy_handling: "" })).toEqual(settings({ ...ARP, lb_class_name: "" }));
    expect(load({ ...ARP, svc_enable: "true", lb_class_name: "" }).settings.services?.className).toBe("");
  });

  it("the first of two environment names counts", () => {
    expect(settings({ ...ARP, vip_address: "10.0.0.99" }).controlPlane?.addresses).toEqual(["10.0.0.10"]);
    expect(settings({ ...ARP, vip_subnet: "24", vip_cidr: "16" }).prefixLengths.ipv4).toBe(24);
  });

  it("has the names that kube-vip gives it", () => {
    expect(options.map(({ key, flag, env }) => `${key} ${flag ?? "-"} ${env.join(" ")}`)).toMatchSnapshot();
  });
});

describe("settings", () => {
  it("of an ARP manifest are complete, with the defaults that the documentation names", () => {
    expect(settings(ARP)).toMatchSnapshot();
  });
  it("of a BGP manifest are complete, with the defaults that the documentation names", () => {
    expect(settings({ ...BGP, svc_enable: "true" })).toMatchSnapshot();
  });
  it("a dead or hung API server is found in under a second by default", () => {
    const { periodMillis, timeoutMillis, failureThreshold } = settings(BGP).controlPlane!.healthCheck!;
    expect(periodMillis + failureThreshold * Math.max(periodMillis, timeoutMillis)).toBeLessThan(1000);
  });
  it("the health check can be turned off, and asks another URL without credentials", () => {
    expect(settings({ ...BGP, vipcast_control_plane_health_check: "false" }).controlPlane?.healthCheck).toBeNull();
    expect(settings({ ...BGP, port: "7443" }).controlPlane?.healthCheck).toMatchObject({
      kind: "local",
      url: "https://127.0.0.1:7443/readyz",
    });
    expect(
      settings({
        ...BGP,
        control_plane_health_check_address: "https://10.0.0.1:6443/livez",
        control_plane_health_check_period_seconds: "1",
        control_plane_health_check_timeout_seconds: "1",
        control_plane_health_check_failure_threshold: "2",
        control_plane_health_check_ca_path: "/etc/kubernetes/pki/ca.crt",
      }).controlPlane?.healthCheck,
    ).toEqual({
      kind: "url",
      url: "https://10.0.0.1:6443/livez",
      caFile: "/etc/kubernetes/pki/ca.crt",
      periodMillis: 1000,
      timeoutMillis: 1000,
      failureThreshold: 2,
    });
  });
  it("a Lease may name its namespace", () => {
    expect(settings({ ...ARP, vip_leasename: "other/lock" }).controlPlane?.lease).toEqual({
      namespace: "other",
      name: "lock",
    });
  });
  it("ARP elects whatever vip_leaderelection says", () => {
    expect(settings({ ...ARP, vip_leaderelection: "false" }).controlPlane?.elected).toBe(true);
    expect(settings(BGP).controlPlane?.elected).toBe(false);
  });
  it("one prefix length belongs to the family of the VIPs", () => {
    expect(settings({ ...ARP, vip_subnet: "24" }).prefixLengths).toEqual({ ipv4: 24, ipv6: 128 });
    expect(settings({ ...ARP, vip_subnet: "64" }).prefixLengths).toEqual({ ipv4: 32, ipv6: 64 });
    expect(settings({ ...ARP, address: "fd00::1", vip_subnet: "32" }).prefixLengths).toEqual({ ipv4: 32, ipv6: 32 });
    expect(settings({ ...ARP, vip_subnet: "24,64" }).prefixLengths).toEqual({ ipv4: 24, ipv6: 64 });
    expect(refusal({ ...ARP, vip_subnet: "64,24" })).toContain("IPv4 comes first");
  });
  it("services use the interface of the VIP unless they have their own", () => {
    const env = { ...ARP, svc_enable: "true", vip_interface: "eth0" };
    expect(settings(env).services?.interfaceName).toBe("eth0");
    expect(settings({ ...env, vip_servicesinterface: "eth1" }).services?.interfaceName).toBe("eth1");
  });
  it("an ARP interval below 500 ms becomes the default, as in kube-vip", () => {
    const { settings: it, warnings } = load({ ...ARP, vip_arpRate: "499" });
    expect(it.arp.intervalMillis).toBe(3000);
    expect(warnings).toEqual([expect.objectContaining({ name: "vip_arpRate" })]);
  });
  it("metrics and health are off where they are told to be", () => {
    expect(settings(ARP, { prometheusHTTPServer: "" }).metrics).toBeNull();
    expect(settings({ ...ARP, prometheus_server: "off" }).metrics).toBeNull();
    expect(settings({ ...ARP, prometheus_server: "127.0.0.1:9000" }).metrics).toEqual({
      address: "127.0.0.1",
      port: 9000,
    });
    expect(settings({ ...ARP, health_check_port: "8080" }).health).toEqual({ port: 8080 });
    expect(refusal({ ...ARP, health_check_port: "80" })).toContain("1024 and more");
    expect(refusal({ ...ARP, health_check_port: "2112" })).toContain("taken by the metrics");
  });
});

describe("the mode", () => {
  it.each<[string, Environment, Flags, string | undefined, Settings["mode"]]>([
    ["vip_arp", ARP, {}, undefined, "arp"],
    ["bgp_enable", BGP, {}, undefined, "bgp"],
    ["vipcast_mode", { ...BGP, vipcast_mode: "auto" }, {}, undefined, "auto"],
    ["vip_routingtable", TABLE, {}, undefined, "table"],
    ["--table", BGP, { table: "true" }, undefined, "table"],
    ["auto beside both switches", { ...BGP, vip_arp: "true", vipcast_mode: "auto" }, {}, undefined, "auto"],
    ["a flag over the environment", { ...BGP }, { arp: "true" }, undefined, "arp"],
    ["the environment over the file", ARP, {}, "mode: bgp", "arp"],
    ["the file where nothing else chooses", { ...BGP, bgp_enable: "false", vip_arp: "false" }, {}, "mode: bgp", "bgp"],
  ])("is chosen by %s", (_, env, flags, file, mode) => {
    expect(settings(env, flags, file).mode).toBe(mode);
  });
  it("cannot be two at once", () => {
    expect(refusal({ ...BGP, vip_arp: "true" })).toMatch(/^vip_arp and bgp_enable: choose two modes/);
    expect(refusal({ ...ARP, vipcast_mode: "bgp" })).toContain("choose two modes");
    expect(refusal({ ...ARP, vip_routingtable: "true" })).toMatch(/^vip_arp and vip_routingtable: choose two modes/);
  });
  it("must be chosen", () => {
    expect(refusal({ cp_enable: "true", address: "10.0.0.1" })).toContain("no mode is chosen");
  });
  it("WireGuard is refused", () => {
    expect(refusal({ ...ARP }, { wireguard: "true" })).toMatch(/--wireguard.*not yet in vipcast/);
  });
});

describe("routing-table mode", () => {
  it("has kube-vip's defaults: table 198, protocol 248, unicast, nothing cleaned, nothing left on a stop", () => {
    expect(settings(TABLE)).toMatchObject({
      bgp: null,
      routeTable: { table: 198, protocol: 248, type: "unicast", cleans: false, keepOnStop: false },
    });
    expect(settings(ARP).routeTable).toBeNull();
  });

  it("takes kube-vip's settings, with its rule for protocol 0, and refuses what no kernel would take", () => {
    const given = {
      vip_routingtableid: "1000",
      vip_routingtabletype: "6",
      vip_routingprotocol: "0",
      vip_cleanroutingtable: "true",
      vipcast_routing_table_keep_on_stop: "true",
    };
    const routeTable = { table: 1000, protocol: 1, type: "blackhole", cleans: true, keepOnStop: true };
    expect(settings({ ...TABLE, ...given }).routeTable).toEqual(routeTable);
    expect(refusal({ ...TABLE, vip_routingtabletype: "5" })).toMatch(/^vip_routingtabletype: must be 1 \(unicast\), 2/);
    expect(refusal({ ...TABLE, vip_routingtableid: "255" })).toMatch(/^vip_routingtableid: must not be 255/);
    expect(refusal({ ...TABLE, vip_routingprotocol: "2" })).toMatch(/^vip_routingprotocol: must not be 2/);
  });

  it("elects as kube-vip: Services by one Lease where election is on, the control plane never", () => {
    const both = { ...TABLE, svc_enable: "true" };
    const elects = ({ controlPlane, services }: Settings) => [controlPlane?.elected, services?.election];
    expect(elects(settings(both))).toEqual([false, "none"]);
    expect(elects(settings({ ...both, vip_leaderelection: "true" }))).toEqual([false, "global"]);
    expect(elects(settings({ ...both, vip_leaderelection: "true", svc_election: "true" }))).toEqual([
      false,
      "per-service",
    ]);
    expect(load({ ...both, vip_leaderelection: "true" }).warnings).toEqual([]);
    expect(load({ ...TABLE, vip_leaderelection: "true" }).warnings).toEqual([
      expect.objectContaining({ name: "controlPlane.election" }),
    ]);
    const spread = { ...both, vip_leaderelection: "true", vipcast_services_election: "spread" };
    expect(elects(settings(spread))).toEqual([false, "spread"]);
  });
});

describe("BGP peers", () => {
  const peers = (env: Environment, file?: string) => settings({ ...BGP, ...env }, {}, file).bgp!.peers;
  it("have kube-vip's TTL: 1, 50 with multihop, and the kernel's to an internal peer (BGP-5082-3-02)", () => {
    const env = { bgp_as: "65000", bgp_peers: "10.0.0.1:65001,10.0.0.2:65001::true,10.0.0.3:65000" };
    expect(peers(env).map(({ ttl }) => ttl)).toEqual([1, 50, 64]);
  });
  it("the older names add one peer at the end", () => {
    const env = { bgp_peeraddress: "10.0.0.9", bgp_peeras: "65009", bgp_peerpass: "pw", bgp_multihop: "true" };
    expect(peers(env)).toHaveLength(2);
    expect(peers(env)[1]).toMatchObject({ address: "10.0.0.9", as: 65009, password: PW, multihop: true, port: 179 });
    expect(peers({ bgp_peeraddress: "10.0.0.9" })[1]?.as).toBe(65000);
    expect(peers({ bgp_peeraddress: "", bgp_peeras: "65009" })).toHaveLength(1);
    expect(refusal({ ...BGP, bgp_peeraddress: "10.0.0.9", bgp_peeras: "x" })).toMatch(/^bgp_peeras: must be/);
    expect(refusal({ ...BGP, bgp_peeraddress: "10.0.0.300" })).toMatch(/^bgp_peeraddress: must be an IP address/);
    expect(load({ ...BGP, bgp_peerpass: "pw" }).warnings).toEqual([expect.objectContaining({ name: "bgp_peerpass" })]);
  });
  it("the older names work as flags, too", () => {
    const flags = { peerAddress: "fd00::9", peerAS: "65009", peerPass: "pw", multihop: "true" };
    expect(settings(BGP, flags).bgp?.peers[1]).toMatchObject({
      address: "fd00::9",
      as: 65009,
      password: PW,
      ttl: 50,
    });
  });
  it("in JSON come after those in kube-vip's form", () => {
    const json = JSON.stringify([{ address: "10.0.0.2", as: 2, holdTimeSeconds: 30 }, "10.0.0.3:3"]);
    expect(
      peers({ vipcast_bgp_peers: json }).map(({ address, holdTimeSeconds }) => [address, holdTimeSeconds]),
    ).toEqual([
      ["10.0.0.1", 9],
      ["10.0.0.2", 30],
      ["10.0.0.3", 9],
    ]);
    expect(refusal({ ...BGP, vipcast_bgp_peers: "{}" })).toContain("JSON array");
    expect(refusal({ ...BGP, vipcast_bgp_peers: '[{"address":"10.0.0.2"}]' })).toContain("is missing");
  });
  it.each<[Environment, readonly [number, number]]>([
    [{}, [9, 3]],
    [{ bgp_hold_time: "30" }, [30, 10]],
    [{ bgp_hold_time: "30", bgp_keepalive_interval: "5" }, [30, 5]],
    [{ bgp_keepalive_interval: "10" }, [30, 10]],
    [{ bgp_keepalive_interval: "1" }, [9, 1]],
    [{ bgp_hold_time: "0" }, [0, 0]],
  ])("with %j offer the timers %j", (env, [hold, keepalive]) => {
    expect(peers(env)[0]).toMatchObject({ holdTimeSeconds: hold, keepaliveSeconds: keepalive });
  });
  it("a keepalive interval over a third of the hold time is refused, and hold times of 1 and 2 s", () => {
    expect(refusal({ ...BGP, bgp_hold_time: "9", bgp_keepalive_interval: "4" })).toContain("at most a third");
    expect(refusal({ ...BGP, bgp_hold_time: "2" })).toMatch(/^bgp_hold_time: must be 0/);
    expect(refusal({ ...BGP, bgp_hold_time: "9", bgp_keepalive_interval: "0" })).toContain("turns keepalives off");
  });
  it("MP-BGP for all peers gives both families and the next hop", () => {
    expect(peers({ mpbgp_nexthop: "fixed", mpbgp_ipv6: "fd00::9" })[0]).toMatchObject({
      families: [4, 6],
      nextHop: { kind: "fixed", ipv4: null, ipv6: "fd00::9" },
    });
    expect(peers({ mpbgp_nexthop: "auto_sourceif", bgp_sourceif: "eth0" })[0]).toMatchObject({
      families: [4, 6],
      sourceInterface: "eth0",
      nextHop: { kind: "interface", interfaceName: "eth0" },
    });
    expect(peers({ mpbgp_nexthop: "auto_sourceip", bgp_sourceip: "10.0.0.5" })[0]).toMatchObject({
      families: [4, 6],
      sourceAddress: "10.0.0.5",
      nextHop: { kind: "session" },
    });
    expect(peers({})[0]).toMatchObject({ families: [4], nextHop: { kind: "session" } });
    expect(refusal({ ...BGP, mpbgp_nexthop: "fixed" })).toContain("needs mpbgp_ipv4 or mpbgp_ipv6");
    expect(refusal({ ...BGP, mpbgp_nexthop: "auto_sourceip" })).toContain("needs bgp_sourceip");
    expect(refusal({ ...BGP, mpbgp_nexthop: "auto_sourceif" })).toContain("needs bgp_sourceif");
    expect(refusal({ ...BGP, bgp_peers: "10.0.0.1:1::::mpbgp_nexthop=other" })).toContain("must be fixed");
  });
  it("a peer's own MP-BGP options come before those for all", () => {
    const env = {
      mpbgp_nexthop: "fixed",
      mpbgp_ipv6: "fd00::9",
      bgp_peers: "10.0.0.1:1,10.0.0.2:1::::mpbgp_nexthop=fixed;mpbgp_ipv6=[fd00::8]",
    };
    expect(peers(env).map(({ nextHop }) => nextHop)).toEqual([
      { kind: "fixed", ipv4: null, ipv6: "fd00::9" },
      { kind: "fixed", ipv4: null, ipv6: "fd00::8" },
    ]);
  });
  it("a source address serves the peers of its family", () => {
    const list = peers({ bgp_peers: "10.0.0.1:1,[fd00::1]:1", bgp_sourceip: "10.0.0.5" });
    expect(list.map(({ sourceAddress }) => sourceAddress)).toEqual(["10.0.0.5", null]);
    expect(refusal({ ...BGP, bgp_sourceip: "10.0.0.5", bgp_sourceif: "eth0" })).toContain("cannot be together");
  });
  it("a link-local peer needs an interface", () => {
    expect(peers({ bgp_peers: "[fe80::1%eth0]:1" })[0]).toMatchObject({ address: "fe80::1", sourceInterface: "eth0" });
    expect(peers({ bgp_peers: "[fe80::1]:1", bgp_sourceif: "eth1" })[0]?.sourceInterface).toBe("eth1");
    expect(refusal({ ...BGP, bgp_peers: "[fe80::1]:1" })).toContain("link-local");
  });
  it("are told apart by address and port, and have names of their own", () => {
    expect(peers({ bgp_peers: "10.0.0.1:1,10.0.0.1:1:::1179" }).map(({ name }) => name)).toEqual([
      "10.0.0.1",
      "10.0.0.1 port 1179",
    ]);
    expect(refusal({ ...BGP, bgp_peers: "10.0.0.1:1,10.0.0.1:2" })).toContain("twice");
    const named = "bgp: {peers: [{name: a, address: 10.0.0.1, as: 1}, {name: a, address: 10.0.0.2, as: 1}]}";
    expect(refusal({ ...BGP, bgp_peers: undefined }, {}, named)).toContain("vipcast.yaml:1:7: bgp.peers[1].name");
  });
  it("from the file have everything of their own", () => {
    const file = `
bgp:
  holdTimeSeconds: 30
  peers:
    - name: tor-1
      address: 2001:db8::1
      as: 4200000001
      port: 1179
      password: "p,w:x"
      multihop: true
      sourceAddress: 2001:db8::5
      holdTimeSeconds: 6
      keepaliveSeconds: 1
      connectRetrySeconds: 3
      families: [ipv6, ipv4]
      nextHop: {ipv4: 10.0.0.5, ipv6: 2001:db8::5}
`;
    expect(peers({ bgp_peers: undefined }, file)).toEqual([
      {
        name: "tor-1",
        address: "2001:db8::1",
        port: 1179,
        as: 4_200_000_001,
        password: { kind: "value", value: "p,w:x" },
        multihop: true,
        ttl: 50,
        sourceAddress: "2001:db8::5",
        sourceInterface: null,
        nodeSelector: null,
        holdTimeSeconds: 6,
        keepaliveSeconds: 1,
        connectRetrySeconds: 3,
        families: [4, 6],
        nextHop: { kind: "fixed", ipv4: "10.0.0.5", ipv6: "2001:db8::5" },
        ...DEFAULT_SESSION,
      },
    ]);
  });
  it("must be there", () => {
    expect(refusal({ ...BGP, bgp_peers: "" })).toContain("BGP has no peers");
  });
  it("a wrong one is named with its place in the list", () => {
    expect(refusal({ ...BGP, bgp_peers: "10.0.0.1:1,10.0.0.2:0" })).toMatch(
      /^bgp_peers\[1\]: as must be a whole number/,
    );
  });
});

describe("what kube-vip has and vipcast has not", () => {
  const asking = (idle: readonly string[], form: "bool" | "text"): string | null => {
    if (form === "text") return "something";
    return idle.includes("true") ? null : "true";
  };
  it.each(KUBE_VIP_ONLY.filter(({ env }) => env !== null))("$env is $verdict, once", ({ env, idle, form, verdict }) => {
    for (const text of ["", ...idle]) expect(load({ ...ARP, [env!]: text }).warnings).toEqual([]);
    const text = asking(idle, form);
    if (text === null) return;
    if (verdict === "refused") expect(refusal({ ...ARP, [env!]: text })).toContain(env);
    else expect(load({ ...ARP, [env!]: text }).warnings.map(({ name }) => name)).toEqual([env]);
  });
  it.each(KUBE_VIP_ONLY.filter(({ flag }) => flag !== null))(
    "--$flag is $verdict, once",
    ({ flag, idle, form, verdict }) => {
      const text = asking(idle, form);
      if (text === null) return;
      if (verdict === "refused") expect(refusal(ARP, { [flag!]: text })).toContain(flag);
      else expect(load(ARP, { [flag!]: text }).warnings.map(({ name }) => name)).toEqual([`--${flag}`]);
    },
  );
  it("a boolean that Go would not read is refused even so", () => {
    expect(refusal({ ...ARP, enable_upnp: "yes" })).toMatch(/^enable_upnp: must be true or false/);
  });
  it("the seconds that kube-vip's generator writes under vip_loseleadership are no error", () => {
    expect(load({ ...ARP, vip_loseleadership: "30" }).warnings).toEqual([]);
  });
  it("the balancer as kube-vip is told of it, without the methods of IPVS that nftables lacks", () => {
    const balanced = settings({ ...ARP, lb_enable: "true", lb_port: "443", lb_fwdmethod: "masquerade" });
    expect(balanced.controlPlane!.balancer).toEqual({
      ...{ port: 443, method: "masquerade", algorithm: "round-robin", probeMillis: 500 },
    });
    expect(settings(ARP).controlPlane!.balancer).toBeNull();
    expect(refusal({ ...ARP, lb_enable: "true", lb_fwdmethod: "tunnel" })).toContain("must be local or masquerade");
  });
  it("auto prefix lengths and DHCP addresses and DNS names", () => {
    expect(load({ ...ARP, vip_subnet: "auto" })).toMatchObject({
      settings: { prefixLengths: { ipv4: 32, ipv6: 128 } },
      warnings: [{ name: "vip_subnet" }],
    });
    expect(refusal({ ...ARP, address: "0.0.0.0" })).toContain("DHCP");
    expect(refusal({ ...ARP, address: "vip.example.com" })).toContain("DNS");
    expect(refusal({ ...ARP, address: "10.0.0.10/24" })).toContain("vip_subnet has the length");
    expect(refusal({ ...ARP, address: "224.0.0.1" })).toContain("not an address that a host can have");
  });
});

describe("unknown names", () => {
  it.each([
    ["vip_adress", "did you mean vip_address?"],
    ["bgp_peer", "did you mean bgp_peers?"],
    ["svc_enabled", "did you mean svc_enable?"],
    ["vipcast_mod", "did you mean vipcast_mode?"],
    ["cp_enabel", "did you mean cp_enable?"],
    ["lb_clas_name", "did you mean lb_class_name?"],
    ["VIP_INTERFACE", "did you mean vip_interface?"],
    ["vip_zzzzzzzzzz", "is not a known setting"],
  ])("%s in the environment is one warning", (name, hint) => {
    expect(load({ ...ARP, [name]: "x" }).warnings).toEqual([{ name, message: expect.stringContaining(hint) }]);
  });
  it("names of others in the environment are passed over", () => {
    const env = { PATH: "/bin", KUBERNETES_SERVICE_HOST: "10.96.0.1", VIP_PORT_443_TCP: "x", vipx: "y" };
    expect(load({ ...ARP, ...env }).warnings).toEqual([]);
  });
  it("an unknown flag is refused", () => {
    expect(refusal(ARP, { intreface: "x" })).toBe("--intreface: is not a known flag (did you mean --interface?)");
  });
});

describe("refusals", () => {
  it("name every problem at once, each with its source", () => {
    const text = refusal(
      { ...ARP, port: "0", cp_enable: "yes" },
      { leaseDuration: "x" },
      "arp:\n  intervalMillis: 1\n",
    );
    expect(text.split("\n")).toEqual([
      "vipcast.yaml:2:19: arp.intervalMillis: must be a whole number from 500 to 3600000",
      'cp_enable: must be true or false (also 1, t, T, TRUE, 0, f, F, FALSE), not "yes"',
      '--leaseDuration: must be a whole number, not "x"',
      "port: must be a whole number from 1 to 65535",
    ]);
  });
  it("elections in etcd without endpoints, with half a key pair, or for Services", () => {
    const text = refusal({ ...ARP, svc_enable: "true" }, { leaderElectionType: "etcd", etcdCert: "/crt" });
    expect(text).toMatch(/etcd\.endpoints.*no endpoint is given/);
    expect(text).toMatch(/a client certificate and its key go together/);
    expect(text).toMatch(/for the control plane only/);
    expect(refusal(ARP, { etcdEndpoints: "https://10.0.0.1:2379" })).toMatch(/etcd is not asked/);
    expect(refusal(ARP, { leaderElectionType: "etcd", etcdEndpoints: "10.0.0.1:2379" })).toMatch(
      /must be like https:\/\/10\.0\.0\.1:2379/,
    );
  });
  it("elections in etcd as kube-vip is told of them", () => {
    const it = settings(ARP, {
      leaderElectionType: "etcd",
      etcdEndpoints: "https://10.0.0.1:2379/,https://10.0.0.2:2379",
      etcdCACert: "/ca.crt",
      etcdCert: "/client.crt",
      etcdKey: "/client.key",
    });
    expect(it.etcd).toEqual({
      endpoints: ["https://10.0.0.1:2379", "https://10.0.0.2:2379"],
      caFile: "/ca.crt",
      certFile: "/client.crt",
      keyFile: "/client.key",
    });
    expect(settings(ARP).etcd).toBeNull();
  });
  it("Leases that client-go would not accept", () => {
    expect(refusal({ ...ARP, vip_renewdeadline: "15" })).toContain("must be less than the Lease's duration");
    expect(refusal({ ...ARP, vip_retryperiod: "9" })).toContain("must be less than the renew deadline");
    expect(settings({ ...ARP, vip_leaseduration: "5", vip_renewdeadline: "3", vip_retryperiod: "1" }).election).toEqual(
      {
        leaseDurationSeconds: 5,
        renewDeadlineSeconds: 3,
        retryPeriodSeconds: 1,
        addressLifetimes: true,
      },
    );
    const narrow = { vip_leaseduration: "4", vip_renewdeadline: "3", vip_retryperiod: "1" };
    expect(settings({ ...ARP, ...narrow }).election.addressLifetimes).toBe(false);
    expect(load({ ...ARP, ...narrow }).warnings).toEqual([
      { name: "election.renewDeadlineSeconds", message: expect.stringContaining("leaves less than 2 s") },
    ]);
  });
  it("nothing to do, and a control plane without an address", () => {
    expect(refusal({ vip_arp: "true" })).toContain("nothing to announce");
    expect(refusal({ vip_arp: "true", cp_enable: "true" })).toContain("set address to the VIP");
  });
  it.each([
    ["vip_interface", "name-longer-than-15"],
    ["vip_leasename", "a/b/c"],
    ["vip_leasename", "Upper"],
    ["vip_nodename", "node 1"],
    ["control_plane_health_check_address", "ftp://x"],
    ["vipcast_status_socket", `/${"x".repeat(107)}`],
    ["prometheus_server", "2112"],
    ["bgp_routerid", "fd00::1"],
    ["vip_leaseannotations", '{"a":1}'],
  ])("%s=%s", (name, text) => {
    expect(refusal({ ...BGP, [name]: text })).toContain(name);
  });
});
