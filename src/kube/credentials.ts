import { readFileSync, statSync } from "node:fs";
import { isIPv6 } from "node:net";
import { homedir } from "node:os";
import { dirname, isAbsolute, join, resolve } from "node:path";
import type { Cluster, User } from "@kubernetes/client-node";
import { newClusters, newContexts, newUsers } from "@kubernetes/client-node/dist/config_types.js";
import { ExecAuth } from "@kubernetes/client-node/dist/exec_auth.js";
import { FileAuth } from "@kubernetes/client-node/dist/file_auth.js";
import * as yaml from "yaml";
import { Instant } from "../base/time.ts";
import type { Clock } from "../ports/clock.ts";

/**
 * Where the API server is and how to prove who we are: client-node's kubeconfig reader and authenticators, without the
 * class that joins them, for that one brings its whole request path along (docs/adr/0001-kubernetes-client.md).
 *
 * Everything that lives in a file is read again once the file changes, because certificates and tokens are rotated
 * under a running daemon.
 */
export interface CredentialSource {
  /** Path of a kubeconfig file; wins over `inCluster`. */
  readonly kubeconfigPath?: string;
  /** Context of the kubeconfig; its current-context when absent. */
  readonly context?: string;
  /** The pod's service account and KUBERNETES_SERVICE_HOST and _PORT. */
  readonly inCluster?: boolean;
  /** Base URL that replaces the one of the source. */
  readonly server?: string;
  /** Name to expect in the server's certificate instead of the URL's host. */
  readonly tlsServerName?: string;
  /** Where the pod's service account is mounted. */
  readonly serviceAccountFolder?: string;
}

export interface TlsMaterial {
  readonly ca?: Buffer;
  readonly cert?: Buffer | string;
  readonly key?: Buffer | string;
  readonly rejectUnauthorized?: boolean;
  readonly servername?: string;
}

/** What one request needs. `tls` stays the same object for as long as its content does. */
export interface Access {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsMaterial;
}

/** The kubeconfig or service account cannot be used; the message says which file and what about it. */
export class KubeConfigInvalid extends Error {
  override readonly name = "KubeConfigInvalid";
}

const SERVICE_ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount";
/** How old what was read from files may be. Rotation leaves hours of overlap; a stat every ten seconds costs nothing. */
const FILES_FRESH_MILLIS = 10_000;

interface Loaded {
  readonly cluster: Cluster;
  readonly user: User;
  /** The kubeconfig and every file that it names, without the token's, which FileAuth watches. */
  readonly files: readonly string[];
}

export class Credentials {
  readonly server: string;
  readonly #source: CredentialSource;
  readonly #clock: Clock;
  #loaded: Loaded;
  #stamp: string;
  #checkAt: Instant;
  #exec = new ExecAuth();
  #file = new FileAuth();
  #tls: TlsMaterial;

  /** @throws KubeConfigInvalid when the source is missing, unreadable or of a kind that is not supported. */
  constructor(source: CredentialSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
    this.#loaded = load(source);
    this.#stamp = stampOf(this.#loaded.files);
    this.#tls = readTls(this.#loaded, source);
    this.#checkAt = Instant.add(clock.now(), FILES_FRESH_MILLIS);
    const server = source.server ?? this.#loaded.cluster.server;
    if (!URL.canParse(server)) throw new KubeConfigInvalid(`not a URL: server ${server}`);
    if (new URL(server).protocol !== "https:") throw new KubeConfigInvalid(`${server}: only https is spoken`);
    this.server = server.replace(/\/+$/, "");
  }

  /** @throws when a file cannot be read or an exec plugin fails; the next call tries again. */
  async access(): Promise<Access> {
    this.#reload();
    const { user } = this.#loaded;
    const options: { headers: Record<string, string>; cert?: string; key?: string } = { headers: {} };
    if (this.#exec.isAuthProvider(user)) await this.#exec.applyAuthentication(user, options);
    else if (this.#file.isAuthProvider(user)) await this.#file.applyAuthentication(user, options);
    else if (user.token) options.headers["Authorization"] = `Bearer ${user.token}`;
    else if (user.username) {
      const pair = Buffer.from(`${user.username}:${user.password ?? ""}`).toString("base64");
      options.headers["Authorization"] = `Basic ${pair}`;
    }
    // A token file may end in a newline, which no header may hold.
    for (const [name, value] of Object.entries(options.headers)) options.headers[name] = value.trim();
    if (user.impersonateUser) options.headers["Impersonate-User"] = user.impersonateUser;
    if (options.cert !== undefined && options.key !== undefined && options.cert !== this.#tls.cert) {
      this.#tls = { ...this.#tls, cert: options.cert, key: options.key };
    }
    return { headers: options.headers, tls: this.#tls };
  }

  /** The server refused what we showed (401): read and ask for everything anew at the next request. */
  forget(): void {
    this.#exec = new ExecAuth();
    this.#file = new FileAuth();
    this.#stamp = "";
    this.#checkAt = this.#clock.now();
  }

  #reload(): void {
    if (!Instant.isDue(this.#checkAt, this.#clock.now())) return;
    this.#checkAt = Instant.add(this.#clock.now(), FILES_FRESH_MILLIS);
    const stamp = stampOf(this.#loaded.files);
    if (stamp === this.#stamp) return;
    const loaded = load(this.#source);
    const tls = readTls(loaded, this.#source);
    if (!sameTls(tls, this.#tls)) this.#tls = tls;
    this.#loaded = loaded;
    this.#stamp = stamp;
  }
}

function load(source: CredentialSource): Loaded {
  if (source.kubeconfigPath !== undefined) return loadKubeconfig(source.kubeconfigPath, source.context);
  if (source.inCluster) return loadServiceAccount(source.serviceAccountFolder ?? SERVICE_ACCOUNT_FOLDER, source.server);
  throw new KubeConfigInvalid("neither a kubeconfig file nor the pod's service account was chosen");
}

function loadKubeconfig(path: string, contextName: string | undefined): Loaded {
  const file = path.startsWith("~/") ? join(homedir(), path.slice(2)) : path;
  const parsed = attempt(file, () => yaml.parse(readFileSync(file, "utf8")) as unknown);
  if (!isRecord(parsed)) throw new KubeConfigInvalid(`${file}: not a kubeconfig`);
  const wanted = contextName ?? parsed["current-context"];
  return attempt(file, () => {
    const context = newContexts(parsed["contexts"]).find((c) => c.name === wanted);
    if (!context) throw new Error(`no context ${JSON.stringify(wanted ?? null)}`);
    const cluster = newClusters(parsed["clusters"]).find((c) => c.name === context.cluster);
    if (!cluster) throw new Error(`context ${context.name} names the cluster ${context.cluster}, which is not there`);
    const entries: unknown[] = Array.isArray(parsed["users"]) ? parsed["users"] : [];
    const entry = entries.filter(isRecord).find((user) => user["name"] === context.user);
    if (!entry) throw new Error(`context ${context.name} names the user ${context.user}, which is not there`);
    const folder = dirname(resolve(file));
    const [read] = newUsers([entry]);
    const user = withAbsolutePaths(withTokenFile(read!, entry["user"]), folder);
    if (cluster.proxyUrl) throw new Error("proxy-url is not supported");
    refuseUnknownProvider(user);
    const absolute = cluster.caFile ? { ...cluster, caFile: absoluteFrom(folder, cluster.caFile) } : cluster;
    const named = [absolute.caFile, user.certFile, user.keyFile].filter((name) => name !== undefined && name !== null);
    return { cluster: absolute, user: withExecInfo(user), files: [file, ...named] };
  });
}

/** client-go's `tokenFile`, which client-node's reader does not know, as the provider that its FileAuth serves. */
function withTokenFile(user: User, raw: unknown): User {
  const tokenFile = isRecord(raw) ? raw["tokenFile"] : undefined;
  return typeof tokenFile === "string" ? { ...user, authProvider: { name: "tokenFile", config: { tokenFile } } } : user;
}

function withAbsolutePaths(user: User, folder: string): User {
  const tokenFile = providerSetting(user, "tokenFile");
  return {
    ...user,
    ...(user.certFile ? { certFile: absoluteFrom(folder, user.certFile) } : {}),
    ...(user.keyFile ? { keyFile: absoluteFrom(folder, user.keyFile) } : {}),
    ...(typeof tokenFile === "string"
      ? { authProvider: { name: "tokenFile", config: { tokenFile: absoluteFrom(folder, tokenFile) } } }
      : {}),
  };
}

/** Plugins read the API version that they must answer with from this variable (client-go sets it, client-node not). */
function withExecInfo(user: User): User {
  const exec: unknown = user.exec;
  if (!isRecord(exec)) return user;
  const info = { apiVersion: exec["apiVersion"], kind: "ExecCredential", spec: { interactive: false } };
  const given: unknown[] = Array.isArray(exec["env"]) ? exec["env"] : [];
  const env = [...given, { name: "KUBERNETES_EXEC_INFO", value: JSON.stringify(info) }];
  return { ...user, exec: { ...exec, env } };
}

function refuseUnknownProvider(user: User): void {
  const provider: unknown = user.authProvider;
  if (!isRecord(provider) || user.exec) return;
  if (providerSetting(user, "tokenFile") !== undefined || providerSetting(user, "exec") !== undefined) return;
  const name = JSON.stringify(provider["name"]);
  throw new Error(`user ${user.name}: auth-provider ${name} is not supported; use a token, a certificate or exec`);
}

function providerSetting(user: User, key: string): unknown {
  const provider: unknown = user.authProvider;
  return isRecord(provider) && isRecord(provider["config"]) ? provider["config"][key] : undefined;
}

/** As the kubelet tells every pod where the API server is; null elsewhere. */
export function inClusterServer(): string | null {
  const host = process.env["KUBERNETES_SERVICE_HOST"];
  const port = process.env["KUBERNETES_SERVICE_PORT"] ?? "443";
  return host ? `https://${isIPv6(host) ? `[${host}]` : host}:${port}` : null;
}

function loadServiceAccount(folder: string, server: string | undefined): Loaded {
  const url = server ?? inClusterServer();
  if (url === null) throw new KubeConfigInvalid("not in a pod: KUBERNETES_SERVICE_HOST is not set");
  const caFile = join(folder, "ca.crt");
  const tokenFile = join(folder, "token");
  for (const file of [caFile, tokenFile]) attempt(file, () => readFileSync(file));
  return {
    cluster: { name: "in-cluster", server: url, caFile, skipTLSVerify: false },
    user: { name: "in-cluster", authProvider: { name: "tokenFile", config: { tokenFile } } },
    files: [caFile],
  };
}

function readTls({ cluster, user }: Loaded, source: CredentialSource): TlsMaterial {
  const ca = fromFileOrBase64(cluster.caFile, cluster.caData);
  const cert = fromFileOrBase64(user.certFile, user.certData);
  const key = fromFileOrBase64(user.keyFile, user.keyData);
  const servername = source.tlsServerName ?? cluster.tlsServerName;
  return {
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
    ...(cluster.skipTLSVerify ? { rejectUnauthorized: false } : {}),
    ...(servername ? { servername } : {}),
  };
}

function fromFileOrBase64(file: string | undefined | null, data: string | undefined | null): Buffer | null {
  if (file) return attempt(file, () => readFileSync(file));
  return data ? Buffer.from(data, "base64") : null;
}

function sameTls(a: TlsMaterial, b: TlsMaterial): boolean {
  const text = (value: Buffer | string | undefined) => value?.toString() ?? "";
  return (
    text(a.ca) === text(b.ca) &&
    text(a.cert) === text(b.cert) &&
    text(a.key) === text(b.key) &&
    a.rejectUnauthorized === b.rejectUnauthorized &&
    a.servername === b.servername
  );
}

/** Changes when one of the files does. A file that is gone for a moment (a mount being swapped) counts as unchanged later. */
function stampOf(files: readonly string[]): string {
  return files
    .map((file) => {
      const stat = statSync(file, { throwIfNoEntry: false });
      return stat ? `${stat.ino}:${stat.mtimeMs}:${stat.size}` : "none";
    })
    .join(" ");
}

function attempt<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof KubeConfigInvalid) throw cause;
    throw new KubeConfigInvalid(`${file}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

const absoluteFrom = (folder: string, file: string): string => (isAbsolute(file) ? file : join(folder, file));
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
