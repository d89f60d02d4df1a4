import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadSettings } from "../src/config/load.ts";
import type { Settings } from "../src/config/settings.ts";
import { environmentIn, type Manifest, podSpecOf, readManifests, vipcast } from "./support/run-vipcast.ts";

const FOLDER = join(import.meta.dirname, "../manifests");

const DAEMONSET =
  "manifest daemonset --interface eth0 --address 10.0.0.10 --inCluster --taint --controlplane --services --leaderElection";
const BGP =
  "--bgp --localAS 65000 --bgpRouterID 10.0.0.1 --bgppeers 10.0.0.254:65001::false,[fd00::fe]:65001:secret:true";

/** Every file with the command that prints it. */
const FILES: Record<string, string> = {
  "daemonset-arp.yaml":
    "manifest daemonset --interface eth0 --address 10.0.0.10 --inCluster --taint --controlplane --services --arp --leaderElection",
  "daemonset-bgp.yaml":
    "manifest daemonset --address 10.0.0.10 --inCluster --taint --controlplane --services --bgp --localAS 65000 --bgppeers 10.0.0.1:65001,10.0.0.2:65001",
  "pod-arp.yaml": "manifest pod --interface eth0 --address 10.0.0.10 --controlplane --services --arp --leaderElection",
  "pod-bgp.yaml":
    "manifest pod --address 10.0.0.10 --controlplane --services --bgp --localAS 65000 --bgppeers 10.0.0.1:65001,10.0.0.2:65001",
  "rbac.yaml": "manifest rbac",
};

const run = (command: string, ...more: readonly string[]): Manifest[] =>
  readManifests(vipcast([...command.split(" "), ...more]));
const one = (command: string, ...more: readonly string[]): Manifest => run(command, ...more)[0]!;

function settingsFrom(env: Record<string, string>, flags: Record<string, string> = {}): Settings {
  const loaded = loadSettings({ env, flags, file: null });
  if ("errors" in loaded) throw new Error(JSON.stringify(loaded.errors));
  expect(loaded.warnings).toEqual([]);
  return loaded.settings;
}

describe("manifests/", () => {
  it.each(Object.entries(FILES))(
    "%s is what its command prints (UPDATE=1 npx vitest … test/manifest.test.ts writes it)",
    (name, command) => {
      const text = `# vipcast ${command}\n${vipcast(command.split(" "))}`;
      if (process.env["UPDATE"] === "1") writeFileSync(join(FOLDER, name), text);
      expect(readFileSync(join(FOLDER, name), "utf8")).toBe(text);
    },
  );
  it("holds nothing else", () => {
    expect(readdirSync(FOLDER).toSorted()).toEqual([...Object.keys(FILES), "Dockerfile"].toSorted());
  });
});

describe("the environment of a manifest", () => {
  const common = {
    interface: "eth0",
    address: "10.0.0.10",
    controlplane: "true",
    services: "true",
    leaderElection: "true",
    nodeName: "node-1",
  };
  it("for ARP gives the settings of the flags", () => {
    const env = environmentIn(one(DAEMONSET, "--arp"));
    expect(settingsFrom(env)).toEqual(settingsFrom({}, { ...common, arp: "true" }));
  });
  it("for BGP gives the settings of the flags", () => {
    const env = environmentIn(one(`${DAEMONSET} ${BGP}`));
    const words = BGP.split(" ");
    expect(settingsFrom(env)).toEqual(
      settingsFrom({}, { ...common, bgp: "true", localAS: words[2]!, bgpRouterID: words[4]!, bgppeers: words[6]! }),
    );
  });
  it("for a routing table gives the settings of the flags, those that kube-vip's generator loses among them", () => {
    const flags = { table: "true", tableID: "254", tableType: "6", routingProtocol: "99", cleanRoutingTable: "true" };
    const words = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}=${value}`]);
    const manifest = one(DAEMONSET, ...words);
    expect(settingsFrom(environmentIn(manifest))).toEqual(settingsFrom({}, { ...common, ...flags }));
    expect(environmentIn(manifest)).toMatchObject({ vip_arp: "false", vip_routingtable: "true" });
  });
  it("keeps a dollar sign through the kubelet's replacement", () => {
    const peers = "10.0.0.1:65001:$(HOME)$$x";
    const manifest = one(DAEMONSET, "--bgp", "--bgppeers", peers);
    const raw = podSpecOf(manifest).containers[0]!.env.find(({ name }) => name === "bgp_peers")?.value;
    expect(raw).toBe("10.0.0.1:65001:$$(HOME)$$$$x");
    expect(settingsFrom(environmentIn(manifest)).bgp?.peers[0]?.password).toEqual({
      kind: "value",
      value: "$(HOME)$$x",
    });
  });
  it("has only text for values, whatever YAML would make of it", () => {
    const text = vipcast(`${DAEMONSET} --arp --leaseName on --servicesLeaseName 1.0`.split(" "));
    expect(text).toContain('name: vip_leasename\n              value: "on"');
    expect(text).toContain('name: svc_leasename\n              value: "1.0"');
  });
  it("has the name of the node from the API, or the one that was given", () => {
    const node = (manifest: Manifest) =>
      podSpecOf(manifest).containers[0]!.env.find(({ name }) => name === "vip_nodename");
    expect(node(one(DAEMONSET, "--arp"))).toEqual({
      name: "vip_nodename",
      valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } },
    });
    expect(node(one("manifest pod --arp --services --nodeName n9"))?.value).toBe("n9");
  });
});

describe("a pod", () => {
  const capabilities = (command: string): string[] =>
    podSpecOf(one(command)).containers[0]!.securityContext.capabilities.add ?? [];
  it("has no privileges but the capabilities that its settings need", () => {
    const text = vipcast(`${DAEMONSET} --arp`.split(" "));
    expect(text).not.toContain("privileged: true");
    expect(podSpecOf(one(DAEMONSET, "--arp")).containers[0]!.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { add: ["NET_ADMIN", "NET_RAW"], drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    });
    const bgp = "manifest daemonset --bgp --services --bgppeers 10.0.0.1:1";
    expect(capabilities(bgp)).toEqual([]);
    expect(capabilities("manifest daemonset --table --services")).toEqual(["NET_ADMIN"]);
    expect(capabilities(`${bgp} --sourceIF eth0`)).toEqual(["NET_RAW"]);
    expect(capabilities(`${bgp} --bgpListen :179`)).toEqual(["NET_BIND_SERVICE"]);
    expect(capabilities(`${bgp} --bgpListen :1790`)).toEqual([]);
    expect(capabilities(`${bgp} --bgpAttachIPToInterface`)).toEqual(["NET_ADMIN", "NET_RAW"]);
    expect(capabilities(`${bgp} --controlplane --address 10.0.0.10`)).toEqual(["NET_ADMIN", "NET_RAW"]);
    expect(capabilities(`${bgp} --mode auto`)).toEqual(["NET_ADMIN", "NET_RAW"]);
  });
  it("has what BFD and unnumbered peers need", () => {
    expect(capabilities("manifest daemonset --bgp --services --bgppeers 10.0.0.1:1:::::true;;;")).toEqual(["SYS_NICE"]);
    expect(capabilities("manifest daemonset --bgp --services --bgppeers unnumbered:eth1")).toEqual(["NET_RAW"]);
  });
  it("in the cluster uses the service account, and otherwise a kubeconfig of the host", () => {
    const inside = podSpecOf(one("manifest pod --arp --services --inCluster"));
    expect(inside.serviceAccountName).toBe("vipcast");
    expect(inside.volumes.map(({ name }) => name)).toEqual(["run"]);
    expect(inside.hostAliases).toBeUndefined();
    const outside = podSpecOf(one("manifest pod --arp --services --k8sConfigPath /etc/k3s.yaml"));
    expect(outside.serviceAccountName).toBeUndefined();
    expect(outside.hostAliases).toEqual([{ ip: "127.0.0.1", hostnames: ["kubernetes"] }]);
    expect(outside.volumes).toEqual([
      { name: "run", hostPath: { path: "/run/vipcast", type: "DirectoryOrCreate" } },
      { name: "kubeconfig", hostPath: { path: "/etc/k3s.yaml", type: "File" } },
    ]);
    expect(outside.containers[0]!.volumeMounts).toEqual([
      { name: "run", mountPath: "/run/vipcast" },
      { name: "kubeconfig", mountPath: "/etc/kubernetes/admin.conf", readOnly: true },
    ]);
  });
  it("sees the CA file of the health check", () => {
    const ca = "/etc/kubernetes/pki/ca.crt";
    const spec = podSpecOf(
      one(`manifest pod --arp --controlplane --address 10.0.0.1 --controlPlaneHealthCheckCAPath ${ca}`),
    );
    expect(spec.volumes.at(-1)).toEqual({ name: "health-check-ca", hostPath: { path: ca, type: "File" } });
    expect(spec.containers[0]!.volumeMounts.at(-1)).toEqual({ name: "health-check-ca", mountPath: ca, readOnly: true });
  });
  it("sees the files with passwords, each once, and has the time to drain", () => {
    const peers = JSON.stringify([
      { address: "10.0.0.1", as: 1, passwordFile: "/etc/bgp/a" },
      { address: "10.0.0.2", as: 1, passwordFile: "/etc/bgp/b" },
      { address: "10.0.0.3", as: 1, passwordFile: "/etc/bgp/a" },
    ]);
    const env = { vipcast_bgp_peers: peers, vipcast_bgp_drain_seconds: "30.5" };
    const text = vipcast("manifest pod --bgp --services --inCluster".split(" "), env);
    const spec = podSpecOf(readManifests(text)[0]!);
    expect(spec.volumes.map(({ hostPath }) => hostPath.path)).toEqual(["/run/vipcast", "/etc/bgp/a", "/etc/bgp/b"]);
    expect(spec.containers[0]!.volumeMounts.at(-1)).toEqual({
      ...{ name: "bgp-password-2", mountPath: "/etc/bgp/b", readOnly: true },
    });
    expect(text).toContain("terminationGracePeriodSeconds: 51");
  });
  it("has probes when there is a port for them", () => {
    const probes = (command: string) => {
      const { livenessProbe, readinessProbe } = podSpecOf(one(command)).containers[0]!;
      return [livenessProbe, readinessProbe];
    };
    expect(probes("manifest pod --arp --services")).toEqual([undefined, undefined]);
    expect(probes("manifest pod --arp --services --healthCheckPort 8080")).toMatchObject([
      { httpGet: { path: "/livez", port: 8080 } },
      { httpGet: { path: "/readyz", port: 8080 } },
    ]);
  });
  it("of kubeadm is that of `manifest pod`", () => {
    const flags = "--interface eth0 --address 10.0.0.10 --controlplane --arp --leaderElection";
    const pod = vipcast(`manifest pod ${flags}`.split(" "));
    expect(vipcast(`kubeadm init ${flags}`.split(" "))).toBe(pod);
    expect(vipcast(`kubeadm join --config ${import.meta.filename} ${flags}`.split(" "))).toBe(pod);
  });
  it.each([
    ["vipcast", "vipcast:"],
    ["registry.example.com:5000/team/vipcast", "registry.example.com:5000/team/vipcast:"],
    ["example.com/vipcast:1.0", "example.com/vipcast:1.0"],
    [`vipcast@sha256:${"a".repeat(64)}`, `vipcast@sha256:${"a".repeat(64)}`],
  ])("with --image %s has the image %s", (image, start) => {
    const full = podSpecOf(one("manifest pod --arp --services --image", image)).containers[0]!.image;
    expect(full.startsWith(start)).toBe(true);
    expect(full === start || /:\d+\.\d+\.\d+$/.test(full)).toBe(true);
  });
});

describe("a DaemonSet", () => {
  it("with --taint runs on control-plane nodes whatever their taints", () => {
    const spec = podSpecOf(one(DAEMONSET, "--arp"));
    expect(spec.tolerations).toEqual([
      { operator: "Exists", effect: "NoSchedule" },
      { operator: "Exists", effect: "NoExecute" },
    ]);
    const terms = ["master", "control-plane"].map((role) => ({
      matchExpressions: [{ key: `node-role.kubernetes.io/${role}`, operator: "Exists" }],
    }));
    expect(spec.affinity).toEqual({
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } },
    });
  });
  it("without it runs on every node without taints", () => {
    const spec = podSpecOf(one("manifest daemonset --arp --services"));
    expect([spec.tolerations, spec.affinity]).toEqual([undefined, undefined]);
  });
  it("is in the namespace that it serves", () => {
    expect(one(DAEMONSET, "--arp").metadata.namespace).toBe("kube-system");
    const text = vipcast(["manifest", "daemonset", "--arp", "--services"], { svc_namespace: "web" });
    expect(readManifests(text)[0]!.metadata.namespace).toBe("web");
    expect(settingsFrom(environmentIn(readManifests(text)[0]!)).services?.namespace).toBe("web");
  });
});

describe("rbac", () => {
  const kinds = (objects: readonly Manifest[]) => objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
  it("is a ClusterRole by default", () => {
    expect(kinds(run("manifest rbac"))).toEqual([
      "ServiceAccount vipcast",
      "ClusterRole system:vipcast-role",
      "ClusterRoleBinding system:vipcast-binding",
    ]);
  });
  it("with --role serves one namespace, and may read Nodes, which are in none", () => {
    const objects = run("manifest rbac --role");
    expect(kinds(objects)).toEqual([
      "ServiceAccount vipcast",
      "Role vipcast",
      "RoleBinding vipcast",
      "ClusterRole system:vipcast-nodes",
      "ClusterRoleBinding system:vipcast-nodes",
    ]);
    expect(objects[3]!.rules).toEqual([{ apiGroups: [""], resources: ["nodes"], verbs: ["list", "watch"] }]);
  });
  it("may follow the Secrets that hold passwords, and no other", () => {
    const secrets = [{ name: "a" }, { name: "b" }, { name: "a", key: "other" }, { namespace: "net", name: "c" }];
    const peers = secrets.map((it, index) => ({
      ...{ address: `10.0.0.${index + 1}`, as: 1, passwordSecret: { key: "k", ...it } },
    }));
    const objects = readManifests(vipcast(["manifest", "rbac"], { vipcast_bgp_peers: JSON.stringify(peers) })).slice(3);
    expect(objects.map(({ kind, metadata }) => `${kind} ${metadata.namespace}`)).toEqual([
      "Role kube-system",
      "RoleBinding kube-system",
      "Role net",
      "RoleBinding net",
    ]);
    expect(objects[0]!.rules).toEqual([
      { apiGroups: [""], resources: ["secrets"], resourceNames: ["a", "b"], verbs: ["list", "watch"] },
    ]);
    expect(objects[3]).toMatchObject({
      metadata: { name: "vipcast-bgp-passwords" },
      subjects: [{ kind: "ServiceAccount", name: "vipcast", namespace: "kube-system" }],
    });
  });
  it("with --rolebinding binds the ClusterRole in one namespace", () => {
    const objects = readManifests(vipcast(["manifest", "rbac", "--rolebinding"], { svc_namespace: "web" }));
    expect(objects[2]).toMatchObject({
      kind: "RoleBinding",
      metadata: { namespace: "web" },
      roleRef: { kind: "ClusterRole", name: "system:vipcast-role" },
      subjects: [{ kind: "ServiceAccount", name: "vipcast", namespace: "web" }],
    });
  });
});
