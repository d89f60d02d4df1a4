import type { ChildProcess } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fetchStatus } from "../../src/status/client.ts";
import { NodeUnderTest } from "../support/node-under-test.ts";
import { needsRoot } from "../support/privileges.ts";
import { until } from "../support/until.ts";
import { type MessageName, mutate, message, random, TYPE, wellFormed } from "./bgp-bytes.ts";
import { Routers, type Verdict } from "./routers.ts";

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
  const routers = new Routers();
  const chance = random(SEED);
  let node: NodeUnderTest;
  let daemon: ChildProcess;

  beforeAll(async () => {
    node = new NodeUnderTest();
    node.net.ip("n", "route add local 10.1.0.0/16 dev lo");
    node.startApi();
    node.net.in("n", () => routers.listen(PORT));
    daemon = node.startDaemon(
      "hostile",
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
        MEMORY_REPORT: node.path("memory.json"),
      },
      ["--expose-gc", "--import", "./test/hostile/report-memory.ts"],
    );
    await until("all sessions are established", () => routers.established === PEERS, 60_000).catch((error: unknown) => {
      const said = node.log("hostile").slice(0, 2_000);
      throw new Error(`${String(error)}; ${routers.established} of ${PEERS}; the daemon says ${said}`);
    });
  }, 90_000);

  afterAll(async () => {
    routers.close();
    await node?.remove();
  });

  /** What the daemon still holds after a garbage collection, in MiB. */
  async function retained(): Promise<number> {
    const file = node.path("memory.json");
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
        `${what}: ${String(notification)}`,
      ).toBe(true);
    else if (notification !== null)
      expect(LEGAL[notification[0]]?.includes(notification[1]), `${what}: ${String(notification)}`).toBe(true);
    else expect(closed, `${what}: closed without a NOTIFICATION`).toBe(false);
  }

  it("answers a thousand of each type as the RFCs say, keeps its sessions, and does not grow", async () => {
    // The first round warms up: code gets compiled, buffers get their size.
    await round("update");
    const before = await retained();
    for (const type of ["update", "routeRefresh", "keepalive", "open", "notification"] as const) await round(type);
    expect(daemon.exitCode).toBeNull();
    expect((await retained()) - before).toBeLessThan(0.1 * before);
    const report = await fetchStatus(node.socket("hostile"), 20_000);
    expect(report.peers.filter((peer) => peer.state === "established")).toHaveLength(PEERS);
    expect(node.log("hostile")).not.toContain('"level":"error"');
  }, 240_000);

  it("still stops in order, with a Cease to every peer", async () => {
    const sessions = addresses.map((address) => routers.session(address)!);
    const exit = new Promise<number | null>((done) => daemon.once("exit", done));
    daemon.kill("SIGTERM");
    expect(await exit).toBe(0);
    for (const session of sessions) expect(session.verdict.notification).toEqual([6, 2]);
  }, 30_000);
});
