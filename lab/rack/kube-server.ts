import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { createCertificate } from "../kube/certificate.ts";
import { RealApiServer } from "../kube/real.ts";
import { API_ADDRESS, API_PORT, VIPS } from "../topology.ts";
import type { ApiAccess } from "./cluster.ts";
import type { ServiceAccount } from "./manifests.ts";
import { FIRST, inNamespace, type Processes } from "./processes.ts";

const EMBEDDED_API = new URL("../kube/embedded-main.ts", import.meta.url).pathname;
const API_FRONT = new URL("../api-front.ts", import.meta.url).pathname;

export const KUBE_KINDS = ["embedded", "real"] as const;
export type KubeKind = (typeof KUBE_KINDS)[number];

/** What one API server is started with: who it is, and whom it lets in. */
export interface ApiIdentity {
  readonly caPem: string;
  readonly certificatePem: string;
  readonly keyPem: string;
  /** Bearer token with all rights, for the lab. */
  readonly adminToken: string;
  /** Bearer token of the daemons' service account, which has what `manifest rbac` gives it. */
  readonly daemonToken: string;
}

/** Certificate authority, serving certificate for every address the API is reached at, and tokens. */
export function createIdentity(): ApiIdentity {
  const authority = createCertificate({ commonName: "lab-ca" });
  const vips = Object.values(VIPS).flatMap(({ v4, v6 }) => [v4, v6]);
  const server = createCertificate({
    commonName: "kube-apiserver",
    issuer: { commonName: "lab-ca", key: authority.key },
    names: [
      ...["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"],
      ...["127.0.0.1", "::1", API_ADDRESS.v4, API_ADDRESS.v6, ...vips],
    ],
  });
  return {
    caPem: authority.certificate,
    certificatePem: server.certificate,
    keyPem: server.key,
    adminToken: randomBytes(16).toString("hex"),
    daemonToken: randomBytes(16).toString("hex"),
  };
}

export interface KubeParts {
  readonly processes: Processes;
  /** Full name of the API server's namespace. */
  readonly namespace: string;
  /** Where its files go. */
  readonly folder: string;
  /** Whose token the daemons have. */
  readonly serviceAccount: ServiceAccount;
}

/** A kube-apiserver that can crash: its data is in etcd, which lives on. */
export type Restartable = Pick<RealApiServer, "killApiServer" | "startApiServer">;

export interface Kube {
  readonly access: ApiAccess;
  /** Null for the embedded one, which has its data in its memory. */
  readonly restartable: Restartable | null;
}

/** Starts the API server in its own namespace, and the way in for the lab. Does not wait until it is ready. */
export async function startKube(kind: KubeKind, identity: ApiIdentity, parts: KubeParts): Promise<Kube> {
  let restartable: Restartable | null = null;
  switch (kind) {
    case "embedded":
      await startEmbedded(identity, parts);
      break;
    case "real":
      restartable = await startReal(identity, parts);
      break;
  }
  const socketPath = `${parts.folder}/api.sock`;
  const front = parts.processes.start({
    name: "api-front",
    host: "api",
    argv: [process.execPath, API_FRONT, "api", socketPath, API_ADDRESS.v4, `${API_PORT}`],
    onLine: () => {},
  });
  await front.firstLine;
  await writeFile(`${parts.folder}/ca.crt`, identity.caPem);
  await writeFile(`${parts.folder}/token`, identity.adminToken, { mode: 0o600 });
  return { access: { socketPath, caPem: identity.caPem, token: identity.adminToken }, restartable };
}

async function startEmbedded(identity: ApiIdentity, { processes, folder }: KubeParts): Promise<void> {
  const [certificateFile, keyFile] = [`${folder}/api.crt`, `${folder}/api.key`];
  await writeFile(certificateFile, identity.certificatePem);
  await writeFile(keyFile, identity.keyPem, { mode: 0o600 });
  const server = processes.start({
    name: "kube-apiserver",
    host: "api",
    comesFirst: true,
    argv: [
      ...[process.execPath, EMBEDDED_API, "--listen", `${API_ADDRESS.v4}:${API_PORT}`],
      ...["--tls-cert", certificateFile, "--tls-key", keyFile],
      ...["--token", identity.adminToken, "--token", identity.daemonToken],
    ],
    onLine: () => {},
  });
  await server.firstLine;
}

async function startReal(
  identity: ApiIdentity,
  { namespace, folder, serviceAccount }: KubeParts,
): Promise<RealApiServer> {
  const before = process.env["TMPDIR"];
  // The server makes a temporary folder of its own: in ours, so that it goes with it whatever happens.
  process.env["TMPDIR"] = folder;
  try {
    return await RealApiServer.start({
      address: API_ADDRESS.v4,
      port: API_PORT,
      certificate: identity.certificatePem,
      key: identity.keyPem,
      tokens: [
        { token: identity.adminToken, user: "lab", groups: ["system:masters"] },
        { token: identity.daemonToken, user: userOf(serviceAccount), groups: groupsOf(serviceAccount) },
      ],
      prefix: ["setsid", ...inNamespace(namespace), ...FIRST],
    });
  } finally {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
  }
}

/** As the API server names a service account that comes with a token. */
const userOf = ({ namespace, name }: ServiceAccount): string => `system:serviceaccount:${namespace}:${name}`;
const groupsOf = ({ namespace }: ServiceAccount): string[] => [
  "system:serviceaccounts",
  `system:serviceaccounts:${namespace}`,
  "system:authenticated",
];

/** For the daemons: straight to the API server over the management network, whatever happens to the LAN. */
export function kubeconfig({ caPem, daemonToken }: ApiIdentity): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "lab",
    clusters: [
      {
        name: "lab",
        cluster: {
          server: `https://${API_ADDRESS.v4}:${API_PORT}`,
          "certificate-authority-data": Buffer.from(caPem).toString("base64"),
        },
      },
    ],
    users: [{ name: "lab", user: { token: daemonToken } }],
    contexts: [{ name: "lab", context: { cluster: "lab", user: "lab" } }],
  });
}
