import { describe, expect, it } from "vitest";
import { Instant } from "../../base/time.ts";
import type { BfdState, ControlPacket } from "../wire/control-packet.ts";
import { packet, settings } from "./test-support.ts";
import { createSession, type SessionSettings, type SessionState } from "./session-state.ts";
import { type SessionAction, type SessionEvent, step } from "./step.ts";
import { detectionMillis, jitteredMillis, nextDeadline, transmitIntervalMicros } from "./timing.ts";

const LOCAL = 0xabcd;
/** No jitter: the whole interval. */
const CHANCE = 0;

/** One session whose time the test moves. */
class Driven {
  session: SessionState;
  now = 1_000;
  actions: readonly SessionAction[] = [];
  /** Everything sent, with the moment. */
  readonly log: (ControlPacket & { readonly at: number })[] = [];

  constructor(wanted: Partial<SessionSettings> = {}) {
    this.session = createSession(settings(wanted), { discriminator: LOCAL, sequence: 77 }, Instant.of(this.now));
  }

  do(event: SessionEvent, chance = CHANCE): readonly SessionAction[] {
    const { session, actions } = step(this.session, event, Instant.of(this.now), chance);
    this.session = session;
    this.actions = actions;
    for (const action of actions) if (action.type === "send") this.log.push({ ...action.packet, at: this.now });
    return actions;
  }

  hear(state: BfdState, more: Partial<ControlPacket> = {}): readonly SessionAction[] {
    return this.do({
      type: "received",
      packet: packet({ state, yourDiscriminator: LOCAL, ...more }),
      auth: this.session.auth,
      receivedAt: Instant.of(this.now),
    });
  }

  /** Lets so much time pass, waking the session at each of its deadlines. */
  wait(millis: number): void {
    const end = this.now + millis;
    for (let due = nextDeadline(this.session); due !== null && due <= end; due = nextDeadline(this.session)) {
      this.now = Math.max(this.now, due);
      this.do({ type: "time-passed" });
    }
    this.now = end;
  }

  up(more: Partial<ControlPacket> = {}): this {
    this.hear("down", more);
    this.hear("up", more);
    expect(this.session.state).toBe("up");
    // The answer to the poll with which the session began to hurry.
    this.hear("up", { final: true, ...more });
    return this;
  }

  get sent(): readonly ControlPacket[] {
    return this.actions.flatMap((action) => (action.type === "send" ? [action.packet] : []));
  }
}

describe("a new session", () => {
  it("has the variables of §6.8.1, and advertises a second at least (BFD-5880-6.8.1-01)", () => {
    const { session } = new Driven({ desiredMinTxMicros: 50_000, requiredMinRxMicros: 50_000 });
    expect(session).toMatchObject({
      state: "down",
      localDiscriminator: LOCAL,
      diagnostic: 0,
      advertised: { desiredMinTxMicros: 1_000_000, requiredMinRxMicros: 50_000 },
      remote: { discriminator: 0, state: "down", demand: false, requiredMinRxMicros: 1 },
      auth: { accepted: [{ key: null, sequence: null }], sentSequence: 77 },
    });
  });

  it("speaks first when active, with no Your Discriminator (BFD-5880-6.1-01)", () => {
    const it = new Driven();
    it.wait(0);
    expect(it.log).toMatchObject([{ state: "down", myDiscriminator: LOCAL, yourDiscriminator: 0, multiplier: 3 }]);
  });

  it("waits to be spoken to when passive (BFD-5880-6.1-01, BFD-5880-6.8.7-03)", () => {
    const it = new Driven({ passive: true });
    it.wait(60_000);
    expect(it.log).toEqual([]);
    it.hear("down");
    expect(it.sent).toMatchObject([{ state: "init", yourDiscriminator: 1 }]);
  });

  it("advertises no echo and never sends any (BFD-5881-4-03, BFD-5880-6.8.6-21)", () => {
    const it = new Driven().up({ requiredMinEchoRxMicros: 10 });
    it.hear("up", { requiredMinEchoRxMicros: 0 });
    it.wait(500);
    expect(it.log.every((sent) => sent.requiredMinEchoRxMicros === 0)).toBe(true);
  });
});

describe("the state machine of §6.2", () => {
  const begin: Record<"admin-down" | "down" | "init" | "up", (it: Driven) => void> = {
    "admin-down": (it) => void it.do({ type: "disabled" }),
    down: () => undefined,
    init: (it) => void it.hear("down"),
    up: (it) => void it.up(),
  };
  const EXPECTED: Record<BfdState, Record<BfdState, BfdState>> = {
    "admin-down": { "admin-down": "admin-down", down: "admin-down", init: "admin-down", up: "admin-down" },
    down: { "admin-down": "down", down: "init", init: "up", up: "down" },
    init: { "admin-down": "down", down: "init", init: "up", up: "up" },
    up: { "admin-down": "down", down: "down", init: "up", up: "up" },
  };
  for (const [local, row] of Object.entries(EXPECTED) as [BfdState, Record<BfdState, BfdState>][]) {
    for (const [received, to] of Object.entries(row) as [BfdState, BfdState][]) {
      it(`goes from ${local} to ${to} on ${received} (BFD-5880-6.2-01)`, () => {
        const it = new Driven();
        begin[local](it);
        const before = it.session;
        it.hear(received);
        expect(it.session.state).toBe(to);
        const changed = it.actions.filter((action) => action.type === "state-changed");
        expect(changed.length).toBe(local === to ? 0 : 1);
        if (to === "down" && local !== "down") expect(it.session.diagnostic).toBe(3);
        if (local === "admin-down") expect(it.actions).toEqual([]);
        else expect(it.session.heardAt).toBe(it.now);
        expect(it.session.localDiscriminator).toBe(before.localDiscriminator);
      });
    }
  }

  for (const local of ["init", "up"] as const) {
    it(`goes from ${local} to down when the Detection Time has passed (BFD-5880-6.2-02, BFD-5880-6.8.1-02)`, () => {
      const it = new Driven();
      begin[local](it);
      it.wait(899);
      expect(it.session.state).toBe(local);
      it.wait(1);
      expect(it.session).toMatchObject({ state: "down", diagnostic: 1, remote: { discriminator: 0 } });
      expect(it.log.at(-1)).toMatchObject({ state: "down", diagnostic: 1, yourDiscriminator: 0 });
    });
  }

  it("forgets a silent peer in Down, too, and what it had asked for (BFD-5880-6.8.1-02)", () => {
    const it = new Driven();
    it.hear("admin-down", { requiredMinRxMicros: 0 });
    expect(it.session.remote.discriminator).toBe(1);
    expect(it.session.transmitAt).toBeNull();
    it.wait(900);
    expect(it.session).toMatchObject({ state: "down", diagnostic: 0, remote: { discriminator: 0 } });
    expect(it.session.transmitAt).not.toBeNull();
  });

  it("takes a peer that begins anew for one that is down, in the same session (BFD-5880-P-01)", () => {
    const it = new Driven().up();
    it.hear("down", { myDiscriminator: 99, yourDiscriminator: 0 });
    expect(it.session).toMatchObject({ state: "down", diagnostic: 3, remote: { discriminator: 99 } });
    it.hear("down", { myDiscriminator: 99, yourDiscriminator: 0 });
    it.hear("init", { myDiscriminator: 99 });
    expect(it.session.state).toBe("up");
  });

  it("says why it went down until it is up again, then nothing (BFD-5880-4.1-01)", () => {
    const it = new Driven().up();
    it.wait(900);
    it.hear("down");
    expect(it.sent[0]).toMatchObject({ state: "init", diagnostic: 1 });
    it.hear("init");
    expect(it.sent[0]).toMatchObject({ state: "up", diagnostic: 0 });
  });
});

describe("what a packet leaves behind", () => {
  it("is the peer's state, discriminator, timers and demand bit (BFD-5880-6.8.6-20)", () => {
    const it = new Driven();
    it.hear("down", {
      myDiscriminator: 5,
      requiredMinRxMicros: 7_000_000,
      desiredMinTxMicros: 6_000_000,
      multiplier: 9,
      demand: true,
      diagnostic: 4,
      controlPlaneIndependent: true,
    });
    expect(it.session.remote).toEqual({
      discriminator: 5,
      state: "down",
      requiredMinRxMicros: 7_000_000,
      desiredMinTxMicros: 6_000_000,
      multiplier: 9,
      demand: true,
      diagnostic: 4,
      controlPlaneIndependent: true,
    });
  });

  it("is an answer to a poll at once, with F and without P (BFD-5880-6.8.6-24, BFD-5880-6.5-01)", () => {
    const it = new Driven().up();
    const { transmitAt } = it.session;
    it.now += 10;
    it.hear("up", { poll: true });
    expect(it.sent).toMatchObject([{ final: true, poll: false, state: "up" }]);
    expect(it.session.transmitAt).toBe(transmitAt);
  });

  it("is another interval and Detection Time at once (BFD-5880-6.8.6-23)", () => {
    const it = new Driven().up({ requiredMinRxMicros: 1_000_000 });
    expect(it.session.transmitAt).toBe(it.now + 1_000);
    it.hear("up", { requiredMinRxMicros: 50_000, desiredMinTxMicros: 600_000 });
    expect(it.session.transmitAt).toBe(it.now + 300);
    expect(detectionMillis(it.session)).toBe(1_800);
  });

  it("puts detection off from when it arrived, not from when it was read (BFD-5880-6.8.6-25, BFD-P-01)", () => {
    const it = new Driven().up();
    const arrived = it.now + 100;
    it.now += 400;
    it.do({
      type: "received",
      packet: packet({ yourDiscriminator: LOCAL }),
      auth: it.session.auth,
      receivedAt: Instant.of(arrived),
    });
    expect(it.session.detectFrom).toBe(arrived);
    // One that was overtaken does not take back what a later one has given.
    it.do({
      type: "received",
      packet: packet({ yourDiscriminator: LOCAL }),
      auth: it.session.auth,
      receivedAt: Instant.of(arrived - 50),
    });
    expect(it.session.detectFrom).toBe(arrived);
  });
});

describe("timers", () => {
  it("detection goes by the peer's multiplier and the slower of both wishes (BFD-5880-6.8.4-01)", () => {
    const it = new Driven({ multiplier: 5 }).up({ multiplier: 4, desiredMinTxMicros: 100_000 });
    expect(detectionMillis(it.session)).toBe(4 * 300);
    it.hear("up", { multiplier: 4, desiredMinTxMicros: 500_000 });
    expect(detectionMillis(it.session)).toBe(4 * 500);
  });

  it("a late packet within the Detection Time changes nothing, our multiplier is sent (BFD-5880-6.8.4-02)", () => {
    const it = new Driven({ multiplier: 7 }).up();
    it.wait(899);
    it.hear("up");
    expect(it.session.state).toBe("up");
    expect(it.log.every((sent) => sent.multiplier === 7)).toBe(true);
  });

  it("the interval is the slower of both wishes, less a quarter at most (BFD-5880-6.8.7-01)", () => {
    const it = new Driven().up({ requiredMinRxMicros: 200_000 });
    expect(transmitIntervalMicros(it.session)).toBe(300_000);
    it.hear("up", { requiredMinRxMicros: 400_000 });
    expect(transmitIntervalMicros(it.session)).toBe(400_000);
    expect(jitteredMillis(400_000, 3, 0)).toBe(400);
    expect(jitteredMillis(400_000, 3, 1)).toBe(300);
  });

  it("with a multiplier of 1 each packet is 10 to 25 % early (BFD-5880-6.8.7-02)", () => {
    expect(jitteredMillis(100_000, 1, 0)).toBeCloseTo(90);
    expect(jitteredMillis(100_000, 1, 1)).toBeCloseTo(75);
  });

  it("nothing periodic is sent to a peer that wants nothing (BFD-5880-6.8.7-03)", () => {
    const it = new Driven().up();
    it.hear("up", { requiredMinRxMicros: 0 });
    expect(it.session.transmitAt).toBeNull();
    it.hear("up", { requiredMinRxMicros: 0, poll: true });
    expect(it.sent).toMatchObject([{ final: true }]);
    it.hear("up");
    expect(it.session.transmitAt).not.toBeNull();
  });

  it("a peer in demand mode hears nothing while both are up, except a poll (BFD-5880-6.8.7-03)", () => {
    const it = new Driven().up();
    it.hear("up", { demand: true });
    expect(it.session.transmitAt).toBeNull();
    it.do({ type: "configured", settings: settings({ desiredMinTxMicros: 200_000 }) });
    expect(it.sent).toMatchObject([{ poll: true, demand: false }]);
    expect(it.session.transmitAt).not.toBeNull();
    it.hear("up", { demand: true, final: true });
    expect(it.session.transmitAt).toBeNull();
    it.hear("down", { demand: true });
    expect(it.session.transmitAt).not.toBeNull();
  });

  it("going up hurries by a poll, at once and with a new rhythm (BFD-5880-6.8.3-01, BFD-5880-6.8.7-04)", () => {
    const it = new Driven({ desiredMinTxMicros: 50_000, requiredMinRxMicros: 50_000 });
    it.wait(0);
    it.now += 400;
    it.hear("down", { requiredMinRxMicros: 50_000 });
    it.hear("up", { requiredMinRxMicros: 50_000 });
    expect(it.sent).toMatchObject([{ state: "up", poll: true, final: false, desiredMinTxMicros: 50_000 }]);
    expect(it.session.transmitAt).toBe(it.now + 50);
  });

  it("going down slows down at once (BFD-5880-6.8.3-01)", () => {
    const it = new Driven({ desiredMinTxMicros: 50_000 }).up({ requiredMinRxMicros: 50_000 });
    it.hear("down", { requiredMinRxMicros: 50_000 });
    expect(it.sent[0]).toMatchObject({ state: "down", desiredMinTxMicros: 1_000_000, poll: false });
    expect(it.session.transmitAt).toBe(it.now + 1_000);
  });

  it("P is in every packet until F comes back (BFD-5880-6.8.6-22, BFD-5880-6.5-01)", () => {
    const it = new Driven({ desiredMinTxMicros: 50_000 });
    it.hear("down");
    it.hear("up");
    it.wait(900 - 1);
    expect(it.log.filter((sent) => sent.state === "up").length).toBeGreaterThan(2);
    expect(it.log.filter((sent) => sent.state === "up").every((sent) => sent.poll)).toBe(true);
    it.hear("up", { final: true });
    it.wait(300);
    expect(it.log.at(-1)).toMatchObject({ poll: false });
    expect(it.session.polling).toBe(false);
  });

  it("both may poll: the answer and the question are two packets (BFD-5880-6.5-01)", () => {
    const it = new Driven();
    it.hear("down");
    it.hear("up", { poll: true });
    expect(it.sent.map(({ poll, final }) => ({ poll, final }))).toEqual([
      { poll: false, final: true },
      { poll: true, final: false },
    ]);
  });

  const change = (from: Partial<SessionSettings>, to: Partial<SessionSettings>): Driven => {
    const it = new Driven(from).up({ requiredMinRxMicros: 1, desiredMinTxMicros: 1 });
    it.do({ type: "configured", settings: settings(to) });
    expect(it.sent).toMatchObject([{ poll: true, desiredMinTxMicros: it.session.settings.desiredMinTxMicros }]);
    return it;
  };
  const answer = (it: Driven): void =>
    void it.hear("up", { requiredMinRxMicros: 1, desiredMinTxMicros: 1, final: true });

  it("a slower rate begins when the peer has agreed, a faster one at once (BFD-5880-6.8.3-02)", () => {
    const slower = change({ desiredMinTxMicros: 100_000 }, { desiredMinTxMicros: 500_000 });
    expect(transmitIntervalMicros(slower.session)).toBe(100_000);
    answer(slower);
    expect(transmitIntervalMicros(slower.session)).toBe(500_000);
    const faster = change({ desiredMinTxMicros: 500_000 }, { desiredMinTxMicros: 100_000 });
    expect(transmitIntervalMicros(faster.session)).toBe(100_000);
  });

  it("a shorter Detection Time begins when the peer has agreed, a longer one at once (BFD-5880-6.8.3-02)", () => {
    const shorter = change({ requiredMinRxMicros: 500_000 }, { requiredMinRxMicros: 100_000 });
    expect(detectionMillis(shorter.session)).toBe(1_500);
    answer(shorter);
    expect(detectionMillis(shorter.session)).toBe(300);
    const longer = change({ requiredMinRxMicros: 100_000 }, { requiredMinRxMicros: 500_000 });
    expect(detectionMillis(longer.session)).toBe(1_500);
  });

  it("a change during a poll waits for its end, and begins another (BFD-5880-6.5-01)", () => {
    const it = change({ desiredMinTxMicros: 100_000 }, { desiredMinTxMicros: 500_000 });
    it.do({ type: "configured", settings: settings({ desiredMinTxMicros: 700_000 }) });
    expect(it.session.advertised.desiredMinTxMicros).toBe(500_000);
    answer(it);
    expect(it.sent).toMatchObject([{ poll: true, desiredMinTxMicros: 700_000 }]);
    expect(transmitIntervalMicros(it.session)).toBe(500_000);
    answer(it);
    expect(transmitIntervalMicros(it.session)).toBe(700_000);
    expect(it.session.polling).toBe(false);
  });

  it("a new multiplier is told between two packets (BFD-5880-6.8.7-04)", () => {
    const it = new Driven().up();
    it.now += 10;
    it.do({ type: "configured", settings: settings({ multiplier: 9 }) });
    expect(it.sent).toMatchObject([{ multiplier: 9, poll: false }]);
    it.do({ type: "configured", settings: settings({ multiplier: 9 }) });
    expect(it.sent).toEqual([]);
  });
});

describe("a session that is turned off", () => {
  it("says AdminDown for a Detection Time, at the pace of before, then ends (BFD-5880-6.8.16-01)", () => {
    const it = new Driven({ desiredMinTxMicros: 50_000, requiredMinRxMicros: 50_000 }).up({
      requiredMinRxMicros: 50_000,
      desiredMinTxMicros: 50_000,
    });
    it.do({ type: "disabled" });
    expect(it.sent).toMatchObject([{ state: "admin-down", diagnostic: 7, desiredMinTxMicros: 1_000_000 }]);
    const from = it.log.length;
    it.wait(149);
    expect(it.log.slice(from).length).toBe(2);
    expect(it.log.slice(from).every((sent) => sent.state === "admin-down" && sent.diagnostic === 7)).toBe(true);
    it.hear("up");
    it.hear("down", { poll: true });
    expect(it.session.state).toBe("admin-down");
    it.wait(1);
    expect(it.actions).toContainEqual({ type: "ended" });
    it.wait(60_000);
    expect(it.log.length).toBe(from + 2);
  });

  it("has nobody to tell when nobody was heard (BFD-5880-6.8.16-01)", () => {
    const it = new Driven();
    it.do({ type: "disabled" });
    it.wait(0);
    expect(it.actions).toEqual([{ type: "ended" }]);
  });

  it("is Down when it is turned on again (BFD-5880-6.8.16-01)", () => {
    const it = new Driven().up();
    it.do({ type: "disabled" });
    it.do({ type: "enabled" });
    expect(it.sent).toMatchObject([{ state: "down", diagnostic: 0 }]);
    it.hear("down");
    it.hear("up");
    expect(it.session.state).toBe("up");
    it.do({ type: "enabled" });
    expect(it.actions).toEqual([]);
  });
});

describe("our own lateness", () => {
  it("is no fault of the peer: it is polled and gets another Detection Time (BFD-P-04)", () => {
    const it = new Driven({ desiredMinTxMicros: 50_000, requiredMinRxMicros: 50_000 }).up({
      requiredMinRxMicros: 50_000,
      desiredMinTxMicros: 50_000,
    });
    it.now += 400;
    it.do({ type: "time-passed" });
    expect(it.actions[0]).toEqual({ type: "stalled", lateMillis: 350 });
    expect(it.sent).toMatchObject([{ state: "up", poll: true }]);
    expect(it.session.state).toBe("up");
    it.wait(100);
    it.hear("up", { final: true, requiredMinRxMicros: 50_000, desiredMinTxMicros: 50_000 });
    expect(it.session).toMatchObject({ state: "up", polling: false, forgiven: false });
  });

  it("is forgiven once: a peer that is really gone is found one Detection Time later (BFD-P-04)", () => {
    const it = new Driven().up();
    it.now += 2_000;
    it.do({ type: "time-passed" });
    expect(it.session.state).toBe("up");
    it.now += 2_000;
    it.do({ type: "time-passed" });
    expect(it.session).toMatchObject({ state: "down", diagnostic: 1 });
  });

  it("of less than an interval forgives nothing", () => {
    const it = new Driven().up();
    it.wait(899);
    it.now += 200;
    it.do({ type: "time-passed" });
    expect(it.session.state).toBe("down");
  });
});
