import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { kubeAssets } from "./assets.ts";

/** A kube-apiserver with an etcd of its own, nothing else: no controllers, no scheduler. */
export interface RealOptions {
  /** Address that the API server listens on; its certificate must name it. */
  readonly address: string;
  /** 0 chooses one that is free on this host. */
  readonly port: number;
  /** PEM. */
  readonly certificate: string;
  readonly key: string;
  /** Who is let in and as whom; a group of system:masters may do everything. */
  readonly tokens: readonly { readonly token: string; readonly user: string; readonly groups: readonly string[] }[];
  /** PEM of the authority whose client certificates are believed. */
  readonly clientAuthority?: string;
  /** Put before every command, as ["ip", "netns", "exec", "node-1"]. */
  readonly prefix?: readonly string[];
}

const READY_WITHIN_MILLIS = 60_000;
/** From the documentation range: a loopback address is refused, and nothing here connects to it. */
const ADVERTISED = "192.0.2.1";

export class RealApiServer {
  readonly url: string;
  readonly #folder: string;
  readonly #prefix: readonly string[];
  readonly #etcdUrl: string;
  readonly #apiServerArguments: readonly string[];
  readonly #log: string[] = [];
  #etcd: ChildProcess | null = null;
  #apiServer: ChildProcess | null = null;

  /** @throws Error when the binaries are not there, or the server is not ready in time (its last lines are in the message). */
  static async start(options: RealOptions): Promise<RealApiServer> {
    const assets = kubeAssets();
    if ("why" in assets) throw new Error(assets.why);
    const [port = 0, etcdPort = 0, peerPort = 0] = await freePorts(3);
    const made = new RealApiServer(options, options.port || port, etcdPort);
    try {
      made.#etcd = made.#run(join(assets.folder, "etcd"), etcdArguments(made.#folder, made.#etcdUrl, peerPort));
      await made.startApiServer();
    } catch (error) {
      await made.stop();
      throw error;
    }
    return made;
  }

  private constructor(options: RealOptions, port: number, etcdPort: number) {
    this.#folder = mkdtempSync(join(tmpdir(), "vipcast-kube-"));
    this.#prefix = options.prefix ?? [];
    this.#etcdUrl = `http://127.0.0.1:${etcdPort}`;
    this.url = `https://${options.address.includes(":") ? `[${options.address}]` : options.address}:${port}`;
    this.#apiServerArguments = this.#configure(options, port);
  }

  get apiServerPid(): number | undefined {
    return this.#apiServer?.pid;
  }

  /** Starts kube-apiserver again after `killApiServer`, on the same data. */
  async startApiServer(): Promise<void> {
    const assets = kubeAssets();
    if ("why" in assets) throw new Error(assets.why);
    const child = this.#run(join(assets.folder, "kube-apiserver"), this.#apiServerArguments);
    this.#apiServer = child;
    const waiter = this.#spawn(process.execPath, [WAIT_READY, this.url, String(READY_WITHIN_MILLIS)]);
    const code = await Promise.race([ended(waiter), ended(child).then(() => 1)]);
    waiter.kill("SIGKILL");
    if (code !== 0) throw new Error(`kube-apiserver is not ready:\n${this.#log.slice(-20).join("\n")}`);
  }

  /** SIGKILL: a graceful stop waits ten seconds for open watches. */
  async killApiServer(): Promise<void> {
    await kill(this.#apiServer);
    this.#apiServer = null;
  }

  /** Compacts etcd up to its present revision: older resourceVersions that are in no cache answer 410. */
  async compact(): Promise<void> {
    const post = async (path: string, body: object): Promise<unknown> =>
      (await fetch(this.#etcdUrl + path, { method: "POST", body: JSON.stringify(body) })).json();
    const range = { key: Buffer.from("/registry").toString("base64"), count_only: true };
    const answer = await post("/v3/kv/range", range);
    const revision = /"revision":"(\d+)"/.exec(JSON.stringify(answer))?.[1];
    await post("/v3/kv/compaction", { revision, physical: true });
  }

  async stop(): Promise<void> {
    await Promise.all([kill(this.#apiServer), kill(this.#etcd)]);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #configure(options: RealOptions, port: number): string[] {
    const file = (name: string, content: string): string => {
      const path = join(this.#folder, name);
      writeFileSync(path, content, { mode: 0o600 });
      return path;
    };
    const serviceAccounts = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const privateKey = serviceAccounts.privateKey.export({ type: "sec1", format: "pem" }).toString();
    const publicKey = serviceAccounts.publicKey.export({ type: "spki", format: "pem" }).toString();
    const tokens = options.tokens.map((t, i) => `${t.token},${t.user},uid-${i},"${t.groups.join(",")}"\n`).join("");
    return [
      `--etcd-servers=${this.#etcdUrl}`,
      `--bind-address=${options.address}`,
      `--secure-port=${port}`,
      `--advertise-address=${ADVERTISED}`,
      "--endpoint-reconciler-type=none",
      `--tls-cert-file=${file("tls.crt", options.certificate)}`,
      `--tls-private-key-file=${file("tls.key", options.key)}`,
      `--token-auth-file=${file("tokens.csv", tokens)}`,
      ...(options.clientAuthority ? [`--client-ca-file=${file("client-ca.crt", options.clientAuthority)}`] : []),
      "--authorization-mode=Node,RBAC",
      "--service-account-issuer=https://kubernetes.default.svc",
      `--service-account-signing-key-file=${file("sa.key", privateKey)}`,
      `--service-account-key-file=${file("sa.pub", publicKey)}`,
      "--service-cluster-ip-range=10.96.0.0/12,fd00:10:96::/112",
      // Needs a controller that makes the default ServiceAccounts; without it no Pod could be created.
      "--disable-admission-plugins=ServiceAccount",
      "--profiling=false",
    ];
  }

  #run(command: string, args: readonly string[]): ChildProcess {
    const child = this.#spawn(command, args);
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#log.push(...text.trimEnd().split("\n"));
      this.#log.splice(0, this.#log.length - 200);
    });
    return child;
  }

  #spawn(command: string, args: readonly string[]): ChildProcess {
    const [first = command, ...rest] = [...this.#prefix, command, ...args];
    return spawn(first, rest, { stdio: ["ignore", "ignore", "pipe"] });
  }
}

const WAIT_READY = fileURLToPath(new URL("wait-ready-main.ts", import.meta.url));

function etcdArguments(folder: string, clientUrl: string, peerPort: number): string[] {
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  return [
    `--data-dir=${join(folder, "etcd")}`,
    `--listen-client-urls=${clientUrl}`,
    `--advertise-client-urls=${clientUrl}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=default=${peerUrl}`,
    "--unsafe-no-fsync",
    "--log-level=warn",
  ];
}

/** Free at the moment of asking. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === "object" && address ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

const ended = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.exitCode);
    child.once("exit", resolve);
    child.once("error", () => resolve(127));
  });

async function kill(child: ChildProcess | null): Promise<void> {
  if (!child) return;
  child.kill("SIGKILL");
  await ended(child);
}
