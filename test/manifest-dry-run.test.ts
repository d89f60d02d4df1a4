import { request } from "node:https";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createCertificate } from "../lab/kube/certificate.ts";
import { EmbeddedApiServer } from "../lab/kube/embedded.ts";
import { RealApiServer } from "../lab/kube/real.ts";
import { kubeAssets } from "./support/kube-assets.ts";
import { type Manifest, readManifests, vipcast } from "./support/run-vipcast.ts";

const ADMIN = "admin-token";
const DAEMON = "daemon-token";
const { certificate, key } = createCertificate({ commonName: "kube", names: ["127.0.0.1"] });

/** One request; `token` says who asks. */
function ask(
  url: string,
  method: string,
  path: string,
  token: string,
  body?: object,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    const headers = { authorization: `Bearer ${token}`, ...(body ? { "content-type": type } : {}) };
    const sent = request(`${url}${path}`, { method, headers, ca: certificate, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    sent.on("error", reject).end(body ? JSON.stringify(body) : undefined);
  });
}

const PLURALS: Record<string, string> = {
  Pod: "pods",
  DaemonSet: "daemonsets",
  ServiceAccount: "serviceaccounts",
  Role: "roles",
  RoleBinding: "rolebindings",
  ClusterRole: "clusterroles",
  ClusterRoleBinding: "clusterrolebindings",
};

function pathOf({ apiVersion, kind, metadata }: Manifest): string {
  const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  return `${root}${metadata.namespace ? `/namespaces/${metadata.namespace}` : ""}/${PLURALS[kind]}`;
}

const FLAGS =
  "--interface eth0 --address 10.0.0.10 --inCluster --taint --controlplane --services --leaderElection --healthCheckPort 8080";
const BGP = "--bgp --localAS 65000 --bgpRouterID 10.0.0.1 --bgppeers 10.0.0.254:65001:$(x)$$:false,[fd00::fe]:65001";
const COMMANDS = [
  `manifest daemonset ${FLAGS} --arp`,
  `manifest daemonset ${FLAGS} ${BGP}`,
  "manifest daemonset --services --bgp --bgppeers 10.0.0.1:1",
  `manifest pod --interface eth0 --address 10.0.0.10 --controlplane --arp --leaderElection`,
  `manifest pod --address 10.0.0.10,fd00::10 --controlplane --services ${BGP} --mode auto --bgpListen :179`,
  "manifest rbac",
  "manifest rbac --role",
  "manifest rbac --rolebinding",
];

interface Server {
  readonly url: string;
  stop(): Promise<void>;
}

const startEmbedded = (): Promise<Server> =>
  EmbeddedApiServer.start({ address: "127.0.0.1", port: 0, certificate, key, tokens: [ADMIN] });

function startReal(): Promise<RealApiServer> {
  const account = "system:serviceaccount:kube-system:vipcast";
  const tokens = [
    { token: ADMIN, user: "admin", groups: ["system:masters"] },
    { token: DAEMON, user: account, groups: ["system:serviceaccounts", "system:authenticated"] },
  ];
  return RealApiServer.start({ address: "127.0.0.1", port: 0, certificate, key, tokens });
}

describe("the embedded API server", () => {
  takesManifests(startEmbedded);
});
describe.runIf("folder" in kubeAssets())("the real API server", () => {
  takesManifests(startReal);
});

function takesManifests(start: () => Promise<Server>): void {
  let server: Server;
  beforeAll(async () => {
    server = await start();
  }, 120_000);
  afterAll(() => server?.stop());

  it.each(COMMANDS)("takes every object of: %s", async (command) => {
    for (const manifest of readManifests(vipcast(command.split(" ")))) {
      const path = `${pathOf(manifest)}?dryRun=All&fieldValidation=Strict`;
      const { status, text } = await ask(server.url, "POST", path, ADMIN, manifest);
      expect(`${manifest.kind}: ${status} ${status === 201 ? "" : text}`).toBe(`${manifest.kind}: 201 `);
    }
  });
}

describe.runIf("folder" in kubeAssets())("what `manifest rbac` grants", () => {
  let server: Server;
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web" },
    spec: { type: "LoadBalancer", ports: [{ port: 80 }] },
  };
  const lease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name: "plndr-cp-lock" }, spec: {} };
  const SERVICES = "/api/v1/namespaces/default/services";
  const LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
  beforeAll(async () => {
    server = await startReal();
    for (const manifest of readManifests(vipcast(["manifest", "rbac"])))
      expect(await ask(server.url, "POST", pathOf(manifest), ADMIN, manifest)).toMatchObject({ status: 201 });
    expect(await ask(server.url, "POST", SERVICES, ADMIN, service)).toMatchObject({ status: 201 });
  }, 120_000);
  afterAll(() => server?.stop());

  it.each<[string, string, number, object?]>([
    ["GET", "/api/v1/services", 200],
    ["GET", "/apis/discovery.k8s.io/v1/endpointslices", 200],
    ["GET", "/api/v1/nodes", 200],
    ["GET", "/readyz", 200],
    ["PATCH", `${SERVICES}/web`, 200, { metadata: { annotations: { "kube-vip.io/vipHost": "node-1" } } }],
    ["PATCH", `${SERVICES}/web/status`, 200, { status: { loadBalancer: { ingress: [{ ip: "10.0.0.1" }] } } }],
    ["POST", LEASES, 201, lease],
    ["GET", `${LEASES}/plndr-cp-lock`, 200],
  ])("is %s %s", async (method, path, status, body) => {
    expect(await ask(server.url, method, path, DAEMON, body)).toMatchObject({ status });
  });

  it.each<[string, string, object?]>([
    ["GET", "/api/v1/secrets"],
    ["GET", "/api/v1/pods"],
    ["GET", "/api/v1/namespaces/kube-system/configmaps"],
    ["DELETE", `${SERVICES}/web`],
    ["POST", SERVICES, service],
    ["DELETE", `${LEASES}/plndr-cp-lock`],
    ["PATCH", "/api/v1/nodes/node-1", {}],
  ])("is not %s %s", async (method, path, body) => {
    expect(await ask(server.url, method, path, DAEMON, body)).toMatchObject({ status: 403 });
  });
});
