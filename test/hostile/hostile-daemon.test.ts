import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createCertificate } from "../../lab/kube/certificate.ts";
import { fetchStatus } from "../../src/status/client.ts";
import { Namespaces } from "../support/namespaces.ts";
import { needsRoot } from "../support/privileges.ts";
import { until } from "../support/until.ts";
import { type MessageName, mutate, message, random, TYPE, wellFormed } from "./bgp-bytes.ts";
import { Routers, type Verdict } from "./routers.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const SEED = 7_606;
const PEERS = 1_000;
const PORT = 1_790;
/** Peers of the daemon: one for each message of a round, so that the back-off after a reset does not slow the test. */
const addresses = Array.from({ length: PEERS }, (_, index) => `10.1.${index >> 8}.${index & 0xff}`);
/** What may be answered in Established at all (RFC 4271 §6, RFC 6608, RFC 7313). */
const LEGAL: Readonly<Record<number, readonly number[]>> = { 1: [1, 2, 3], 3: [1, 4, 5, 9, 10], 5: [3], 7: [1] };

/**
 * The daemon as its user runs it, in a namespace of its own, with a thousand peers that send it damaged messages of
 * every type. It must answer each as the RFCs say, stay up, keep its other sessions, and not grow.
 */
describe.runIf(needsRoot === null)(`a live daemon under damaged messages (seed=${SEED})`, () => {
  const folder = mkdtempSync(join(tmpdir(), "vipcast-hostile-"));
  const socket = join(folder, "s.sock");
  const log = join(folder, "log");
  const routers = new Routers();
  const chance = random(SEED);
  let net: Namespaces;
  let daemon: ChildProcess;
  let api: ChildProcess;

  const enter = (command: readonly string[], env: Record<string, string>, output: "ignore" | number): ChildProcess =>
    spawn("ip", ["netns", "exec", net.full("n"), process.execPath, ...command], {
      cwd: ROOT,
      env: { PATH: process.env["PATH"] ?? "", ...env },
      stdio: ["ignore", output, output],
    });

  beforeAll(async () => {
    net = new Namespaces("n");
    net.ip("n", "link add e0 type bridge");
    net.ip("n", "addr add 10.0.0.1/8 dev e0");
    net.ip("n", "link set e0 up");
    net.ip("n", "route add local 10.1.0.0/16 dev lo");
    const { certificate, key } = createCertificate({ commonName: "api", names: ["127.0.0.1"] });
    writeFileSync(join(folder, "cert.pem"), certificate);
    writeFileSync(join(folder, "key.pem"), key);
    writeFileSync(
      join(folder, "kubeconfig"),
      JSON.stringify({
        clusters: [
          {
            name: "c",
            cluster: { server: "https://127.0.0.1:6443", "certificate-authority": join(folder, "cert.pem") },
          },
        ],
        users: [{ name: "u", user: { token: "t" } }],
        contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
        "current-context": "x",
      }),
    );
    const tls = ["--tls-cert", join(folder, "cert.pem"), "--tls-key", join(folder, "key.pem")];
    api = enter(["lab/kube/embedded-main.ts", "--listen", "127.0.0.1:6443", ...tls, "--token", "t"], {}, "ignore");
    net.in("n", () => routers.listen(PORT));
    writeFileSync(log, "");
    daemon = enter(
      ["--expose-gc", "--import", "./test/hostile/report-memory.ts", "src/cli/main.ts", "manager"],
      {
        bgp_enable: "true",
        bgp_as: "65001",
        bgp_routerid: "10.0.0.1",
        bgp_sourceip: "10.0.0.1",
        bgp_peers: addresses.map((address) => `${address}:65000::false:${PORT}`).join(","),
        bgp_hold_time: "90",
        cp_enable: "true",
        address: "10.9.9.9",
        vipcast_control_plane_health_check: "false",
        svc_enable: "true",
        vip_nodename: "n1",
        k8s_config_file: join(folder, "kubeconfig"),
        prometheus_server: "127.0.0.1:2112",
        vipcast_status_socket: socket,
        MEMORY_REPORT: join(folder, "memory.json"),
      },
      openSync(log, "a"),
    );
    await until("all sessions are established", () => routers.established === PEERS, 60_000).catch((error: unknown) => {
      throw new Error(
        `${String(error)}; ${routers.established} of ${PEERS}; the daemon says ${readFileSync(log, "utf8").slice(0, 2_000)}`,
      );
    });
  }, 90_000);

  afterAll(async () => {
    const exited = [daemon, api].map(
      (child) => child && new Promise((done) => (child.exitCode !== null ? done(0) : child.once("exit", done))),
    );
    daemon?.kill("SIGKILL");
    api?.kill("SIGKILL");
    await Promise.all(exited);
    routers.close();
    net?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  /** What the daemon still holds after a garbage collection, in MiB. */
  async function retained(): Promise<number> {
    const file = join(folder, "memory.json");
    rmSync(file, { force: true });
    daemon.kill("SIGUSR2");
    await until("the daemon has reported its memory", () => existsSync(file) && readFileSync(file).length > 0, 20_000);
    const { retainedBytes } = JSON.parse(readFileSync(file, "utf8")) as { retainedBytes: number };
    return retainedBytes / 2 ** 20;
  }

  /** Each peer sends one damaged message, followed by KEEPALIVEs that must not be mistaken for its rest. */
  async function round(type: MessageName): Promise<void> {
    const sent = addresses.map((address, index) => {
      const session = routers.session(address)!;
      const mutation = mutate(wellFormed[type](index), type, chance);
      session.send(mutation.bytes);
      return { session, mutation, address };
    });
    // A refresh is answered behind everything that came before it: an answer proves that the session lives on.
    const answered = ({ session }: (typeof sent)[number], before: number): boolean =>
      session.verdict.closed || session.updates > before;
    const before = sent.map(({ session }) => session.updates);
    for (const { session } of sent) session.send(message(TYPE.routeRefresh, [0, 1, 0, 1]));
    const open = (): string[] =>
      sent.filter((it, index) => !answered(it, before[index]!)).map((it) => `${it.address} ${it.mutation.name}`);
    await until("every session has answered or ended", () => open().length === 0, 30_000).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${open().slice(0, 5).join("; ")}`);
    });
    for (const { session, mutation } of sent)
      judge(type, mutation.name, Buffer.from(mutation.bytes).toString("hex"), mutation.expected, session.verdict);
    await until(`all sessions are back after ${type}`, () => routers.established === PEERS, 60_000);
  }

  function judge(
    type: MessageName,
    name: string,
    hex: string,
    expected: readonly [number, number] | null,
    { notification, closed }: Verdict,
  ): void {
    const what = `${type}, ${name}: ${hex}`;
    if (expected !== null) {
      expect(notification, what).toEqual(expected);
      return;
    }
    // Never answered with another NOTIFICATION (RFC 4271 §6.4), but for one too short to be one.
    if (type === "notification") expect(notification === null || String(notification) === "1,2", what).toBe(true);
    else if (type === "open")
      expect(
        [
          [5, 3],
          [1, 2],
          [2, 0],
        ].some((it) => String(it) === String(notification)),
        `${what}: ${notification}`,
      ).toBe(true);
    else if (notification !== null)
      expect(LEGAL[notification[0]]?.includes(notification[1]), `${what}: ${notification}`).toBe(true);
    else expect(closed, `${what}: closed without a NOTIFICATION`).toBe(false);
  }

  it("answers a thousand of each type as the RFCs say, keeps its sessions, and does not grow", async () => {
    // The first round warms up: code gets compiled, buffers get their size.
    await round("update");
    const before = await retained();
    for (const type of ["update", "routeRefresh", "keepalive", "open", "notification"] as const) await round(type);
    expect(daemon.exitCode).toBeNull();
    expect((await retained()) - before).toBeLessThan(0.1 * before);
    const report = await fetchStatus(socket, 20_000);
    expect(report.peers.filter((peer) => peer.state === "established")).toHaveLength(PEERS);
    expect(readFileSync(log, "utf8")).not.toContain('"level":"error"');
  }, 240_000);

  it("still stops in order, with a Cease to every peer", async () => {
    const sessions = addresses.map((address) => routers.session(address)!);
    const exit = new Promise<number | null>((done) => daemon.once("exit", done));
    daemon.kill("SIGTERM");
    expect(await exit).toBe(0);
    for (const session of sessions) expect(session.verdict.notification).toEqual([6, 2]);
  }, 30_000);
});
