import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCertificate } from "../../lab/kube/certificate.ts";
import { EmbeddedApiServer } from "../../lab/kube/embedded.ts";
import { RealApiServer } from "../../lab/kube/real.ts";
import { type KubeClient, connectKube } from "../../src/kube/client.ts";
import { systemClock } from "../../src/linux/io/system-clock.ts";
import { kubeAssets } from "../support/kube-assets.ts";

/** An API server under test, whichever it is. */
export interface KubeServer {
  readonly url: string;
  readonly admin: KubeClient;
  /** A kubeconfig file for the admin's token. */
  readonly kubeconfig: string;
  /** A kubeconfig file for any other user entry. */
  kubeconfigFor(user: object): string;
  /** Makes every resourceVersion before now too old. */
  compact(): Promise<void>;
  /** A client that may read and update, but not patch or create Events: what kube-vip's RBAC grants. */
  likeKubeVip(): Promise<KubeClient>;
  stop(): Promise<void>;
}

const TOKEN = "admin-token";
const KUBE_VIP_TOKEN = "kube-vip-token";
const authority = createCertificate({ commonName: "vipcast test", names: ["127.0.0.1", "localhost"] });

/** A client certificate of the group that may do everything; only a real server believes it. */
export const adminCertificate = createCertificate({
  commonName: "certified",
  organizations: ["system:masters"],
  issuer: { commonName: "vipcast test", key: authority.key },
});

/** Both servers, or the embedded one alone where the machine has no other (the closing block of the tests says so). */
export const SERVERS: readonly (readonly [name: string, start: () => Promise<KubeServer>])[] = [
  ["embedded", startEmbedded],
  ...("folder" in kubeAssets() ? [["real", startReal] as const] : []),
];

async function startEmbedded(): Promise<KubeServer> {
  const { certificate, key } = authority;
  const tokens = [TOKEN, KUBE_VIP_TOKEN];
  const server = await EmbeddedApiServer.start({ address: "127.0.0.1", port: 0, certificate, key, tokens });
  const files = filesFor(server.url);
  return {
    ...files,
    url: server.url,
    compact: async () => server.compact(),
    likeKubeVip: async () => {
      // It has no RBAC: what would be forbidden is made to fail.
      server.failNext({ count: 100, status: 403, method: "PATCH" });
      server.failNext({ count: 100, status: 403, method: "POST", path: "/events" });
      return connectKube({ kubeconfigPath: files.kubeconfigFor({ token: KUBE_VIP_TOKEN }), clock: systemClock });
    },
    stop: async () => {
      await server.stop();
      files.remove();
    },
  };
}

async function startReal(): Promise<KubeServer> {
  const { certificate, key } = authority;
  const server = await RealApiServer.start({
    address: "127.0.0.1",
    port: 0,
    certificate,
    key,
    clientAuthority: certificate,
    tokens: [
      { token: TOKEN, user: "admin", groups: ["system:masters"] },
      { token: KUBE_VIP_TOKEN, user: "kube-vip", groups: ["lab"] },
    ],
  });
  const files = filesFor(server.url);
  return {
    ...files,
    url: server.url,
    // Its watch cache remembers longer than etcd does, but not beyond a restart.
    compact: async () => {
      await server.compact();
      await server.killApiServer();
      await server.startApiServer();
    },
    likeKubeVip: async () => {
      const rbac = "/apis/rbac.authorization.k8s.io/v1";
      const name = "kube-vip";
      const verbs = ["list", "get", "watch", "update"];
      const rules = [{ apiGroups: [""], resources: ["services", "services/status"], verbs }];
      const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name };
      const subjects = [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "kube-vip" }];
      const create = (path: string, body: object) => files.admin.request({ method: "POST", path, body });
      await create(`${rbac}/clusterroles`, { metadata: { name }, rules });
      await create(`${rbac}/clusterrolebindings`, { metadata: { name }, roleRef, subjects });
      return connectKube({ kubeconfigPath: files.kubeconfigFor({ token: KUBE_VIP_TOKEN }), clock: systemClock });
    },
    stop: async () => {
      await server.stop();
      files.remove();
    },
  };
}

function filesFor(url: string) {
  const folder = mkdtempSync(join(tmpdir(), "vipcast-contract-"));
  let count = 0;
  const kubeconfigFor = (user: object): string => {
    const path = join(folder, `kubeconfig-${++count}`);
    const ca = Buffer.from(authority.certificate).toString("base64");
    const config = {
      apiVersion: "v1",
      kind: "Config",
      "current-context": "test",
      contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
      clusters: [{ name: "test", cluster: { server: url, "certificate-authority-data": ca } }],
      users: [{ name: "test", user }],
    };
    writeFileSync(path, JSON.stringify(config));
    return path;
  };
  const kubeconfig = kubeconfigFor({ token: TOKEN });
  return {
    kubeconfig,
    kubeconfigFor,
    admin: connectKube({ kubeconfigPath: kubeconfig, clock: systemClock }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
