import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** An etcd of its own on loopback, with its data in a temporary folder. */
export class EtcdServer {
  readonly url: string;
  readonly #folder: string;
  readonly #child: ChildProcess;

  private constructor(url: string, folder: string, child: ChildProcess) {
    this.url = url;
    this.#folder = folder;
    this.#child = child;
  }

  /** Does not wait until it answers. @param binaries  the folder with `etcd` @param tls  PEM; clients need a certificate */
  static async start(binaries: string, tls?: { ca: string; certificate: string; key: string }): Promise<EtcdServer> {
    const folder = mkdtempSync(join(tmpdir(), "vipcast-etcd-"));
    const scheme = tls ? "https" : "http";
    const file = (name: string, pem: string): string => {
      writeFileSync(join(folder, name), pem, { mode: 0o600 });
      return join(folder, name);
    };
    const secured = tls
      ? [
          `--cert-file=${file("tls.crt", tls.certificate)}`,
          `--key-file=${file("tls.key", tls.key)}`,
          `--trusted-ca-file=${file("ca.crt", tls.ca)}`,
          "--client-cert-auth",
        ]
      : [];
    const [clientPort, peerPort] = [await freePort(), await freePort()];
    const [url, peerUrl] = [`${scheme}://127.0.0.1:${clientPort}`, `http://127.0.0.1:${peerPort}`];
    const args = [
      `--data-dir=${join(folder, "data")}`,
      ...secured,
      ...[`--listen-client-urls=${url}`, `--advertise-client-urls=${url}`],
      ...[`--listen-peer-urls=${peerUrl}`, `--initial-advertise-peer-urls=${peerUrl}`],
      ...[`--initial-cluster=default=${peerUrl}`, "--unsafe-no-fsync", "--log-level=error"],
    ];
    return new EtcdServer(url, folder, spawn(join(binaries, "etcd"), args, { stdio: "ignore" }));
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    if (this.#child.exitCode === null && this.#child.kill("SIGKILL")) await ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Free at the moment of asking. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address ? address.port : 0;
}
