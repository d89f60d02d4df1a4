import { afterEach, describe, expect, it } from "vitest";
import type { BfdSessionConfig } from "../../src/bfd/session/session-config.ts";
import { Namespaces } from "../support/namespaces.ts";
import { needsRoot } from "../support/privileges.ts";
import { until } from "../support/until.ts";
import { holdWith } from "./hold.ts";
import { type Bfd, sessionTo, startBfd } from "./main-thread.ts";
import { BIRD_MISSING, type BfdRouter, FRR_MISSING, type RouterSession, startBird, startFrr } from "./routers.ts";

const TIMERS = { intervalMillis: 50, multiplier: 3 };
const V4 = { local: "10.0.0.2", remote: "10.0.0.1", device: "e0" };
const V6 = { local: "fd00::2", remote: "fd00::1", device: "e0" };
const UP_MILLIS = 10_000;

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

interface Rack {
  readonly router: BfdRouter;
  readonly bfd: Bfd;
  readonly net: Namespaces;
}

/** A node and a router on one link, with these sessions at both ends. */
async function rack(
  kind: "frr" | "bird",
  theirs: readonly RouterSession[],
  ours: readonly BfdSessionConfig[],
): Promise<Rack> {
  const net = new Namespaces("n", "r");
  cleanups.push(() => net.remove());
  net.connect("n", "r", "e0");
  for (const [name, host] of [
    ["n", 1],
    ["r", 2],
  ] as const) {
    net.ip(name, `addr add 10.0.0.${host}/24 dev e0`);
    net.ip(name, `addr add fd00::${host}/64 dev e0 nodad`);
  }
  const router = kind === "frr" ? startFrr(net, "r", theirs, TIMERS) : await startBird(net, "r", theirs, TIMERS);
  cleanups.push(() => router.stop());
  const bfd = startBfd(net, "n", ours);
  cleanups.push(() => bfd.sessions.close());
  await until(
    "up at both ends",
    () => ours.every(({ name }) => bfd.sessions.stateOf(name) === "up") && router.up().length === theirs.length,
    UP_MILLIS,
  );
  return { router, bfd, net };
}

for (const [kind, missing] of [
  ["frr", FRR_MISSING],
  ["bird", BIRD_MISSING],
] as const) {
  describe.runIf(!needsRoot && missing === null)(`with ${kind}`, () => {
    it("sessions over IPv4 and IPv6 come up, and are lost soon after the router is killed (BFD-5880-6.2-01, BFD-5880-6.2-02, BFD-5882-4.2-01)", async () => {
      const { router, bfd } = await rack(
        kind,
        [V4, V6],
        [sessionTo("10.0.0.2", "10.0.0.1"), sessionTo("fd00::2", "fd00::1")],
      );
      await until("in a hurry", () => bfd.sessions.status().every((it) => it.detectionMillis === 150));
      const killedAt = performance.now();
      router.kill();
      await until("both lost", () => ["10.0.0.2", "fd00::2"].every((name) => bfd.sessions.stateOf(name) === "down"));
      // The Detection Time, and room for a machine that has more to do than this.
      for (const { at } of bfd.changes.slice(-2)) expect(at - killedAt).toBeLessThan(150 + 500);
    });

    it("a session that we turn off is told to the router at once (BFD-5880-6.8.16-01)", async () => {
      const { router, bfd } = await rack(
        kind,
        [V4, V6],
        [sessionTo("10.0.0.2", "10.0.0.1"), sessionTo("fd00::2", "fd00::1")],
      );
      await until("in a hurry", () => bfd.sessions.status().every((it) => it.detectionMillis === 150));
      bfd.sessions.setSessions([sessionTo("fd00::2", "fd00::1")]);
      await until("told", () => router.down().get("10.0.0.1") === "neighbor signaled session down");
      expect(router.up()).toEqual(["fd00::1"]);
    });

    it("a multihop session comes up (BFD-5883-5-01)", async () => {
      const theirs = { local: "10.0.0.2", remote: "10.0.0.1", multihop: true };
      // RFC 5883 leaves the TTL open: FRR sends 255, BIRD the system's 64.
      const minimumTtl = kind === "frr" ? 254 : 64;
      await rack(kind, [theirs], [sessionTo("10.0.0.2", "10.0.0.1", { minimumTtl })]);
    });

    it("3 × 50 ms hold while the main thread is blocked half of the time (BFD-P-02)", async () => {
      const held = await holdWith(kind, 4);
      expect(held).toMatchObject({ held: 2, losses: 0 });
    });
  });
}

describe.runIf(!needsRoot && FRR_MISSING === null)("a session that FRR turns off", () => {
  it("is no failure, and comes back (BFD-5882-3.2-02, BFD-5880-6.8.16-01)", async () => {
    const { router, bfd } = await rack("frr", [V4], [sessionTo("10.0.0.2", "10.0.0.1")]);
    router.setEnabled("10.0.0.1", false);
    await until("off", () => bfd.sessions.stateOf("10.0.0.2") === "admin-down");
    router.setEnabled("10.0.0.1", true);
    await until("on again", () => bfd.sessions.stateOf("10.0.0.2") === "up", UP_MILLIS);
    expect(bfd.changes.map(({ state }) => state)).toEqual(["up", "admin-down", "up"]);
  });
});

describe.runIf(!needsRoot && BIRD_MISSING === null)("a session that BIRD no longer has", () => {
  // BIRD 2.0 falls silent without AdminDown when a session leaves its configuration: nobody can tell that from a failure.
  it("is lost after the Detection Time, and comes back", async () => {
    const { router, bfd } = await rack("bird", [V4], [sessionTo("10.0.0.2", "10.0.0.1")]);
    router.setEnabled("10.0.0.1", false);
    await until("lost", () => bfd.sessions.stateOf("10.0.0.2") === "down");
    router.setEnabled("10.0.0.1", true);
    await until("on again", () => bfd.sessions.stateOf("10.0.0.2") === "up", UP_MILLIS);
  });
});

describe.runIf(!needsRoot && BIRD_MISSING === null)("authentication with BIRD", () => {
  for (const [type, words] of [
    ["simple", "simple"],
    ["md5", "keyed md5"],
    ["meticulous-md5", "meticulous keyed md5"],
    ["sha1", "keyed sha1"],
    ["meticulous-sha1", "meticulous keyed sha1"],
  ] as const) {
    it(`by ${type} brings the session up and keeps it (BFD-5880-4.2-01, BFD-5880-6.7.3-01, BFD-5880-6.7.3-04)`, async () => {
      const theirs = { ...V4, auth: { words, keyId: 9, key: "not a secret" } };
      const auth = { type, keyId: 9, key: "not a secret" };
      const { bfd } = await rack("bird", [theirs], [sessionTo("10.0.0.2", "10.0.0.1", { auth })]);
      const received = (): number => bfd.sessions.status()[0]?.packetsReceived ?? 0;
      await until("more packets than a window has room for", () => received() > 30);
      expect(bfd.sessions.status()).toMatchObject([{ state: "up", lossCount: 0 }]);
    });
  }
});
