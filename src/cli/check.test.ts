import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isMissed, KUBE_VIP_ONLY } from "../config/kube-vip-only.ts";
import { check, renderCheck } from "./check-command.ts";
import type { SettingVerdict } from "./check-settings.ts";

/** What kube-vip's generator prints for a control plane by ARP: a static Pod with the administrator's kubeconfig. */
const STATIC_POD = `
apiVersion: v1
kind: Pod
metadata: { name: kube-vip, namespace: kube-system }
spec:
  containers:
  - args: [manager]
    env:
    - { name: vip_arp, value: "true" }
    - { name: port, value: "6443" }
    - name: vip_nodename
      valueFrom: { fieldRef: { fieldPath: spec.nodeName } }
    - { name: vip_interface, value: eth0 }
    - { name: dns_mode, value: first }
    - { name: dhcp_mode, value: ipv4 }
    - { name: cp_enable, value: "true" }
    - { name: cp_namespace, value: kube-system }
    - { name: svc_enable, value: "true" }
    - { name: svc_leasename, value: plndr-svcs-lock }
    - { name: vip_leaderelection, value: "true" }
    - { name: vip_leasename, value: plndr-cp-lock }
    - { name: vip_leaseduration, value: "5" }
    - { name: vip_renewdeadline, value: "3" }
    - { name: vip_retryperiod, value: "1" }
    - { name: address, value: 192.168.0.40 }
    - { name: prometheus_server, value: ":2112" }
    image: ghcr.io/kube-vip/kube-vip:v1.0.0
    name: kube-vip
    resources: {}
    securityContext: { capabilities: { add: [NET_ADMIN, NET_RAW], drop: [ALL] } }
  hostNetwork: true
status: {}
`;

/** The older form of its documentation: flags and variables, more than one document. */
const daemonSet = (args: string, env: string): string => `
apiVersion: v1
kind: ServiceAccount
metadata: { name: kube-vip }
---
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: kube-vip-ds, namespace: kube-system, labels: { name: kube-vip-ds } }
spec:
  template:
    spec:
      hostNetwork: true
      containers:
      - name: kube-vip
        image: kube-vip
        imagePullPolicy: Always
        args: ${args}
        env: ${env}
        securityContext: { capabilities: { add: [NET_ADMIN, NET_RAW, SYS_TIME] } }
`;
const BGP = daemonSet(
  '[manager, --bgp, --localAS, "65000", --bgppeers=10.0.0.1:65001, -n, kube-system]',
  '[{name: svc_enable, value: "true"}]',
);
const POOLS = `
apiVersion: v1
kind: ConfigMap
metadata: { name: kubevip, namespace: kube-system }
data:
  cidr-default: 10.40.0.0/30,fd40::/120
  range-global: 10.40.0.1-10.40.0.5
  cidr-dev: 10.41.0.0/33
  cird-prod: 10.42.0.0/24
`;

const checked = (text: string) => check([{ path: "kube-vip.yaml", text }]);
const settings = (text: string): readonly SettingVerdict[] => checked(text).containers[0]!.settings;
const verdictOn = (text: string, name: string): string => {
  const found = settings(text).find((it) => it.name === name);
  return found === undefined ? "not listed" : `${found.verdict}: ${found.detail}`;
};
const errors = (text: string): string => checked(text).containers[0]!.errors.join("\n");
const withEnv = (entry: string): string =>
  STATIC_POD.replace("    - { name: port,", `    - ${entry}\n    - { name: port,`);

describe("vipcast check", () => {
  it("takes what kube-vip's generator prints as it is", () => {
    const { containers, ok } = checked(STATIC_POD);
    expect(
      containers[0]!.settings.map(({ name, verdict }) => `${name} ${verdict}`).filter((it) => !it.endsWith("as is")),
    ).toEqual([]);
    expect(containers[0]).toMatchObject({ title: "Pod kube-system/kube-vip, container kube-vip", errors: [] });
    expect(ok).toBe(true);
  });

  it.each(["pod-arp", "pod-bgp", "daemonset-arp", "daemonset-bgp"])(
    "takes manifests/%s.yaml, which vipcast prints",
    (name) => {
      const text = readFileSync(join(import.meta.dirname, `../../manifests/${name}.yaml`), "utf8");
      expect(renderCheck(checked(text))).toContain("vipcast would run with this.");
    },
  );

  it("reads flags as kube-vip does, and says what is different where they say nothing", () => {
    const { containers, ok } = checked(BGP);
    expect(containers[0]!.settings.map(({ name, verdict }) => `${name} ${verdict}`)).toEqual([
      "--bgp as is",
      "--localAS as is",
      "--bgppeers differs",
      "--namespace as is",
      "svc_enable as is",
    ]);
    expect(containers[0]!.notes.join("\n")).toContain("bgp_hold_time is not set: 9 s");
    expect(ok).toBe(true);
  });

  it.each([
    ['{ name: enable_node_labeling, value: "true" }', "enable_node_labeling", /^not supported: is not yet/, false],
    ['{ name: vip_wireguard, value: "true" }', "vip_wireguard", /^not supported: asks for WireGuard mode/, false],
    ['{ name: enable_endpoints, value: "true" }', "enable_endpoints", /^differs: changes nothing: /, true],
    ['{ name: enable_endpoints, value: "false" }', "enable_endpoints", /^as is: asks for nothing/, true],
    ['{ name: vip_cidr, value: "32" }', "vip_cidr", /^differs: is the old name of vip_subnet/, true],
    [
      "{ name: vip_interfase, value: eth0 }",
      "vip_interfase",
      /^unknown: is not read; did you mean vip_interface\?/,
      true,
    ],
    ["{ name: TZ, value: UTC }", "TZ", /^unknown: is not read/, true],
    ["{ name: bgp_as, value: 6$$5 }", "bgp_as", /^wrong: .*"6\$5"/, false],
    ["{ name: bgp_as, value: many }", "bgp_as", /^wrong: must be a whole number, not "many"/, false],
    [
      "{ name: bgp_peerpass, valueFrom: { secretKeyRef: { name: x, key: y } } }",
      "bgp_peerpass",
      /^not judged: its value is in secretKeyRef/,
      true,
    ],
  ])("of %s says what vipcast makes of it", (entry, name, verdict, ok) => {
    expect(verdictOn(withEnv(entry), name)).toMatch(verdict);
    expect(checked(withEnv(entry)).ok).toBe(ok);
  });

  it("names the line of a variable, and repeats no value that may be a password", () => {
    const text = withEnv("{ name: bgp_peers, value: '10.0.0.1:65000:hunter2:false' }");
    expect(settings(text).find(({ name }) => name === "bgp_peers")!.place).toBe("kube-vip.yaml:10:7");
    expect(renderCheck(checked(text))).not.toContain("hunter2");
  });

  it.each(["*hunter2", "|hunter2"])("repeats no password that is not YAML, such as %s", (value) => {
    const read = (): unknown => checked(withEnv(`name: bgp_peerpass\n      value: ${value}`));
    expect(read).toThrow(/not YAML: .*in single quotes/);
    expect(read).not.toThrow("hunter2");
  });

  it.each(["--interface", "-n"])("refuses %s without a value, as manager does", (flag) => {
    const text = STATIC_POD.replace("[manager]", `[manager, --arp, ${flag}]`);
    expect(errors(text)).toBe(`kube-vip.yaml:7:5: ${flag} has no value: manager would not start`);
    expect(checked(text).ok).toBe(false);
  });

  it("says what manager would refuse beside single settings", () => {
    expect(errors(STATIC_POD.replace(/.*name: address.*\n/, ""))).toMatch(/address/);
    expect(checked(STATIC_POD.replace(/.*name: address.*\n/, "")).ok).toBe(false);
    expect(verdictOn(daemonSet("[manager, --bgp, --intreface, eth0]", "[]"), "--intreface")).toMatch(
      /^unknown: .*did you mean --interface\?/,
    );
  });

  it("says what the pod lacks", () => {
    const lone = STATIC_POD.replace("hostNetwork: true", "hostNetwork: false")
      .replace("NET_ADMIN, ", "")
      .replace("[manager]", "[service]");
    expect(errors(lone)).toMatch(
      /args must begin with manager, not service[^]*hostNetwork must be true[^]*lacks NET_ADMIN/,
    );
    expect(errors(STATIC_POD.replace("args:", "command: [/kube-vip]\n    args:"))).toContain("leave `command` out");
    expect(errors(daemonSet("[manager, --config, x.yaml, eth0]", "[]"))).toMatch(
      /"eth0" is no setting[^]*--config names a file|--config names a file/,
    );
  });

  it("judges pools as the daemon would: sizes, mistakes with their place, overlaps", () => {
    const { pools, ok } = checked(`${STATIC_POD}---${POOLS}`);
    expect(pools[0]!.pools).toEqual([
      { pool: "cidr-default", family: "ipv4", size: "3" },
      { pool: "cidr-default", family: "ipv6", size: "256" },
      { pool: "range-global", family: "ipv4", size: "5" },
    ]);
    expect(pools[0]!.errors).toEqual([
      expect.stringMatching(/^kube-vip\.yaml:\d+:13: cidr-dev: "10\.41\.0\.0\/33" is not a CIDR$/),
      expect.stringMatching(/^kube-vip\.yaml:\d+:14: cird-prod: not a key of pools/),
    ]);
    expect(pools[0]!.notes).toEqual([expect.stringContaining("cidr-default and range-global overlap")]);
    expect(ok).toBe(false);
    expect(checked(POOLS.replace(/ {2}ci(dr-dev|rd).*\n/g, "")).ok).toBe(true);
  });

  it("finds objects inside a List, and passes over ConfigMaps and containers of others", () => {
    const items = [STATIC_POD, POOLS].map((text) => `- ${text.trim().replaceAll("\n", "\n  ")}`);
    const list = `apiVersion: v1\nkind: List\nitems:\n${items.join("\n")}\n`;
    expect(checked(list)).toMatchObject({
      containers: [{ errors: [] }],
      pools: [{ title: "ConfigMap kube-system/kubevip" }],
    });
    expect(() => checked("kind: ConfigMap\nmetadata: { name: other }\ndata: { a: b }\n")).toThrow(
      "there is no container",
    );
    expect(() => checked("a: [")).toThrow(/kube-vip\.yaml:\d+:\d+: not YAML/);
    expect(() => checked("")).toThrow("there is no container");
  });

  it("takes none of kube-vip's own settings for unknown", () => {
    for (const { env } of KUBE_VIP_ONLY)
      if (env !== null) expect(verdictOn(withEnv(`{ name: ${env}, value: "true" }`), env)).not.toMatch(/^unknown/);
    expect(KUBE_VIP_ONLY.filter(isMissed).map(({ env }) => env)).toContain("enable_upnp");
  });
});
