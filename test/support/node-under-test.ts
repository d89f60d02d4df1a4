import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createCertificate } from "../../lab/kube/certificate.ts";
import { Namespaces } from "./namespaces.ts";

const ROOT = resolve(import.meta.dirname, "../..");

/**
 * A node in a network namespace of its own: an embedded API server at 127.0.0.1:6443, and as many daemons as the test
 * starts, each run as its user runs it. Everything ends with `remove()`.
 */
export class NodeUnderTest {
  readonly folder = mkdtempSync(join(tmpdir(), "vipcast-node-"));
  readonly net: Namespaces;
  readonly #children: ChildProcess[] = [];

  constructor() {
    this.net = new Namespaces("n");
    this.net.ip("n", "link add e0 type bridge");
    this.net.ip("n", "addr add 10.0.0.1/8 dev e0");
    this.net.ip("n", "link set e0 up");
    const { certificate, key } = createCertificate({
      commonName: "api",
      names: ["127.0.0.1", "kubernetes.default.svc"],
    });
    writeFileSync(this.path("cert.pem"), certificate);
    writeFileSync(this.path("key.pem"), key);
    const cluster = { server: "https://127.0.0.1:6443", "certificate-authority": this.path("cert.pem") };
    writeFileSync(
      this.path("kubeconfig"),
      JSON.stringify({
        clusters: [{ name: "c", cluster }],
        users: [{ name: "u", user: { token: "t" } }],
        contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
        "current-context": "x",
      }),
    );
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  startApi(): ChildProcess {
    const tls = ["--tls-cert", this.path("cert.pem"), "--tls-key", this.path("key.pem")];
    return this.#spawn(
      ["lab/kube/embedded-main.ts", "--listen", "127.0.0.1:6443", ...tls, "--token", "t"],
      {},
      "api.log",
    );
  }

  /** Asks the API server, and waits until it listens. @throws when it refuses */
  ask(method: "POST" | "PATCH", path: string, body: object): void {
    const curl = ["curl", "-sk", "--fail", "--retry", "20", "--retry-connrefused", "--retry-delay", "1"];
    const type = `Content-Type: application/${method === "PATCH" ? "merge-patch+json" : "json"}`;
    const headers = ["-H", "Authorization: Bearer t", "-H", type];
    const request = ["-X", method, "-d", JSON.stringify(body), `https://127.0.0.1:6443${path}`];
    const command = ["netns", "exec", this.net.full("n"), ...curl, ...headers, ...request];
    execFileSync("ip", command, { timeout: 30_000, stdio: "ignore" });
  }

  /** `name` tells the daemons of one test apart: NAME.log, NAME.sock. */
  startDaemon(
    name: string,
    env: Readonly<Record<string, string>>,
    nodeOptions: readonly string[] = [],
    flags: readonly string[] = [],
  ): ChildProcess {
    return this.#spawn(
      [...nodeOptions, "src/cli/main.ts", "manager", ...flags],
      { ...this.environment(name), ...env },
      `${name}.log`,
    );
  }

  /** Runs a command of the CLI in the namespace. */
  cli(name: string, ...words: readonly string[]): { status: number | null; stdout: string; stderr: string } {
    const command = ["netns", "exec", this.net.full("n"), process.execPath, "src/cli/main.ts", ...words];
    return spawnSync("ip", command, {
      cwd: ROOT,
      encoding: "utf8",
      env: { ...process.env, ...this.environment(name) },
      timeout: 20_000,
    });
  }

  socket(name: string): string {
    return this.path(`${name}.sock`);
  }

  log(name: string): string {
    return readFileSync(this.path(`${name}.log`), "utf8");
  }

  /** Addresses of an interface, as `ip` prints them. */
  addresses(device: string): string[] {
    return [...this.net.ip("n", `addr show dev ${device}`).matchAll(/inet6? (\S+)/g)].map((match) => match[1]!);
  }

  /** Sends the signal and waits; the exit code, null after a signal that kills. */
  static async end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
    const ended = child.exitCode !== null || child.signalCode !== null;
    if (!ended) {
      const exit = new Promise((done) => child.once("exit", done));
      child.kill(signal);
      await exit;
    }
    return child.exitCode;
  }

  async remove(): Promise<void> {
    await Promise.all(this.#children.map((child) => NodeUnderTest.end(child, "SIGKILL")));
    this.net.remove();
    rmSync(this.folder, { recursive: true, force: true });
  }

  environment(name: string): Record<string, string> {
    return {
      vip_nodename: "n1",
      k8s_config_file: this.path("kubeconfig"),
      vipcast_status_socket: this.socket(name),
    };
  }

  #spawn(command: readonly string[], env: Readonly<Record<string, string>>, log: string): ChildProcess {
    const output = openSync(this.path(log), "a");
    const child = spawn("ip", ["netns", "exec", this.net.full("n"), process.execPath, ...command], {
      cwd: ROOT,
      env: { PATH: process.env["PATH"] ?? "", ...env },
      stdio: ["ignore", output, output],
    });
    closeSync(output);
    this.#children.push(child);
    return child;
  }
}
