import { describe, expect, it } from "vitest";
import { Instant } from "../../base/time.ts";
import type { Slot } from "./collision.ts";
import type { FsmPeer } from "./negotiation.ts";
import { leadingSlot, NEW_PEERING, type Peering, peeringDeadline, type PeeringEvent, stepPeering } from "./peering.ts";
import type { Capability } from "../wire/capabilities.ts";
import type { Event, State } from "./state.ts";
import { actionText, agreed, identifier, later, notification, NOW, OPEN, PEER, stateText } from "./test-support.ts";

/** Identifier of the peer; ours is 10.0.0.1. */
const LOWER = { ...OPEN, identifier: identifier("9.0.0.1") };
/** Same identifier as ours, in a higher AS. */
const EQUAL = { ...OPEN, identifier: PEER.identifier };
const HIGHER = { ...OPEN, identifier: identifier("11.0.0.1") };

const COLLISION: Event = { type: "received-notification", notification: notification(6, 7) };

/** Feeds events to a peering and writes down what it does: "out" is the connection that we dial. */
class Play {
  peering: Peering = NEW_PEERING;
  now = NOW;
  readonly #peer: FsmPeer;
  constructor(peer: FsmPeer = PEER) {
    this.#peer = peer;
  }

  do(event: PeeringEvent): string {
    const { peering, actions } = stepPeering(this.peering, event, this.now, this.#peer, 0);
    this.peering = peering;
    const short = (slot: Slot): string => (slot === "outgoing" ? "out" : "in");
    return actions
      .map((one) => (one.type !== "perform" ? one.type : `${short(one.slot)} ${actionText(one.action)}`))
      .join(", ");
  }

  on(slot: Slot, event: Event): string {
    return this.do({ type: "connection", slot, event });
  }

  open(slot: Slot, open = HIGHER): string {
    return this.on(slot, { type: "received-open", open });
  }

  pass(millis: number): string {
    this.now = Instant.add(this.now, millis);
    return this.do({ type: "time-passed" });
  }

  get states(): string {
    const { outgoing, incoming } = this.peering;
    return `${stateText(outgoing, this.now)}; ${stateText(incoming, this.now)}`;
  }

  get names(): string {
    return `${this.peering.outgoing.name} ${this.peering.incoming.name}`;
  }

  start(): this {
    this.do({ type: "start" });
    return this;
  }

  /** Both connections have TCP, and our OPEN is out on each. */
  both(): this {
    this.start();
    this.on("outgoing", { type: "tcp-connected" });
    this.do({ type: "accepted" });
    return this;
  }

  /** The peer's connection is established. */
  incomingUp(): this {
    this.start();
    this.do({ type: "accepted" });
    this.open("incoming");
    this.on("incoming", { type: "received-keepalive" });
    return this;
  }
}

describe("a collision", () => {
  it.each([
    ["we are lower, theirs is heard first", HIGHER, "incoming", "out send 6/7, out drop fault, in send keepalive"],
    ["we are lower, ours is heard first", HIGHER, "outgoing", "out send 6/7, out drop fault"],
    ["we are higher, theirs is heard first", LOWER, "incoming", "in send 6/7, in drop fault"],
    ["we are higher, ours is heard first", LOWER, "outgoing", "in send 6/7, in drop fault, out send keepalive"],
    [
      "we are lower by AS alone, theirs is heard first",
      EQUAL,
      "incoming",
      "out send 6/7, out drop fault, in send keepalive",
    ],
    ["we are lower by AS alone, ours is heard first", EQUAL, "outgoing", "out send 6/7, out drop fault"],
  ] as const)(
    "leaves the higher side's connection: %s (BGP-4271-6.8-01, BGP-4271-6.8-02, BGP-4271-6.8-04, BGP-4271-6.8-06, BGP-6286-2.3-02)",
    (_name, open, first, done) => {
      const play = new Play().both();
      expect(play.open(first, open)).toBe(done);
      const kept: Slot = open === LOWER ? "outgoing" : "incoming";
      if (first !== kept) play.open(kept, open);
      expect(play.peering[kept].name).toBe("open-confirm");
      expect(play.on(kept, { type: "received-keepalive" })).toBe("");
      expect(play.names).toBe(kept === "incoming" ? "idle established" : "established idle");
      expect(peeringDeadline(play.peering)).not.toBeNull();
    },
  );

  it("is decided against a connection that is confirmed already", () => {
    const play = new Play().start();
    play.do({ type: "accepted" });
    play.on("outgoing", { type: "tcp-connected" });
    expect(play.names).toBe("open-sent open-sent");
    play.peering = {
      ...play.peering,
      outgoing: { name: "connect", counter: 0, connectRetry: null, delayOpen: later(9) },
    };
    expect(play.open("incoming", LOWER)).toBe("in send keepalive, out drop unwanted");
  });

  it("is not won by a connection on which the peer has been silent for long: it has forgotten it", () => {
    const play = new Play().both();
    play.now = later(9999);
    expect(play.open("incoming", LOWER)).toBe("in send 6/7, in drop fault");
    play.now = later(10_000);
    expect(play.do({ type: "accepted" })).toBe("admit, in send open");
    expect(play.open("incoming", LOWER)).toBe("in send keepalive");
    expect(play.on("incoming", { type: "received-keepalive" })).toBe("out send 6/7, out drop fault");
  });

  it("is no matter of a connection whose OPEN is bad", () => {
    const play = new Play().both();
    expect(play.open("incoming", { ...HIGHER, twoOctetAs: 1, capabilities: [] })).toBe("in send 2/2, in drop fault");
    expect(play.names).toBe("open-sent idle");
  });

  it("that the peer decides first leaves nothing to dial and counts for nothing (BGP-4271-6.8-07)", () => {
    const play = new Play().both();
    expect(play.on("outgoing", COLLISION)).toBe("out drop notification");
    expect(play.states).toBe("idle #0, idleHold 5000; open-sent #0, hold 240000");
    play.open("incoming");
    play.on("incoming", { type: "received-keepalive" });
    expect(play.names).toBe("idle established");
    expect(play.pass(2000)).toBe("");
  });

  it("is tried again when the connection that won it stays silent", () => {
    const play = new Play().both();
    expect(play.open("incoming", LOWER)).toBe("in send 6/7, in drop fault");
    const other = new Play().both();
    expect(other.open("outgoing", HIGHER)).toBe("out send 6/7, out drop fault");
    expect(other.states).toBe("idle #0, idleHold 5000; open-sent #0, hold 240000");
    expect(other.pass(5000)).toBe("out dial");
  });

  it("with an established session ends the newcomer (BGP-4271-6.8-03)", () => {
    const play = new Play().both();
    play.open("outgoing", LOWER);
    play.on("outgoing", { type: "received-keepalive" });
    expect(play.names).toBe("established idle");
    expect(play.do({ type: "accepted" })).toBe("");
    const late = new Play().both();
    const { outgoing } = play.peering;
    late.peering = { ...late.peering, outgoing };
    expect(late.open("incoming", HIGHER)).toBe("in send 6/7, in drop fault");
    expect(late.names).toBe("established idle");
  });

  it("with a session that becomes established ends a connection that was silent so far", () => {
    const play = new Play().start();
    play.do({ type: "accepted" });
    play.open("incoming");
    play.peering = { ...play.peering, outgoing: { name: "open-sent", counter: 0, hold: later(9000) } };
    expect(play.on("incoming", { type: "received-keepalive" })).toBe("out send 6/7, out drop fault");
  });
});

describe("an attempt to connect", () => {
  it("is given up when the peer's connection is confirmed (BGP-4271-6.8-05)", () => {
    const play = new Play().start();
    expect(play.do({ type: "accepted" })).toBe("admit, in send open");
    expect(play.open("incoming")).toBe("in send keepalive, out drop unwanted");
    expect(play.states).toBe("idle #0; open-confirm #0, hold 9000, keepalive 3000");
    expect(play.pass(1000)).toBe("");
  });

  it("begins again when the peer's connection is lost, after the same wait", () => {
    const play = new Play().incomingUp();
    expect(play.on("incoming", { type: "tcp-failed" })).toBe("in drop transport hard");
    expect(play.states).toBe("idle #1, idleHold 1000; idle #0");
    expect(play.pass(1000)).toBe("out dial");
  });

  it("goes on when the peer's connection never got to an OPEN", () => {
    const play = new Play().start();
    play.do({ type: "accepted" });
    expect(play.on("incoming", { type: "tcp-failed" })).toBe("in drop transport");
    expect(play.states).toBe("connect #0, connectRetry 5000; idle #0");
  });

  it("begins again soon when both connections ended over their collision", () => {
    const play = new Play().both();
    play.open("incoming", HIGHER);
    expect(play.names).toBe("idle open-confirm");
    play.on("incoming", COLLISION);
    expect(play.states).toBe("idle #0, idleHold 5000; idle #0");
    const alone = new Play().start();
    alone.peering = { ...alone.peering, outgoing: { name: "open-sent", counter: 0, hold: later(9000) } };
    expect(alone.on("outgoing", { type: "collision-lost" })).toBe("out send 6/7, out drop fault");
    expect(alone.states).toBe("idle #0, idleHold 5000; idle #0");
  });
});

describe("a connection of the peer", () => {
  it("has a machine and timers of its own beside the one that we dial (BGP-4271-8-01)", () => {
    const play = new Play().both();
    play.on("outgoing", { type: "faulted", fault: { kind: "header.not-synchronized" } });
    expect(play.states).toBe("idle #1, idleHold 1000; open-sent #0, hold 240000");
  });

  it("is refused while the peering is stopped or suspended (BGP-4271-8-03, BGP-4271-8-04)", () => {
    expect(new Play().do({ type: "accepted" })).toBe("");
  });

  it("takes the place of one that it opened before and lost", () => {
    const play = new Play().start();
    play.do({ type: "accepted" });
    expect(play.do({ type: "accepted" })).toBe("in send 6/7, in drop fault, admit, in send open");
    expect(play.names).toBe("connect open-sent");
  });

  it("is refused while there is a session", () => {
    expect(new Play().incomingUp().do({ type: "accepted" })).toBe("");
  });

  it("that fails once may come again at once, and after that has to wait as we do", () => {
    const play = new Play({ ...PEER, passive: true }).start();
    const fail = (): string => {
      expect(play.do({ type: "accepted" })).toBe("admit, in send open");
      return play.on("incoming", { type: "faulted", fault: { kind: "header.not-synchronized" } });
    };
    expect(fail()).toBe("in send 1/1, in drop fault");
    expect(play.states).toBe("active #1; idle #0");
    fail();
    expect(play.states).toBe("active #2; idle #0, idleHold 2000");
    expect(play.do({ type: "accepted" })).toBe("");
    play.pass(1);
    play.now = NOW;
    expect(play.states).toBe("active #2; idle #0, idleHold 2000");
    expect(play.do({ type: "accepted" })).toBe("");
    play.pass(2000);
    fail();
    expect(play.states).toBe("active #3; idle #0, idleHold 4000");
  });

  it("is no storm, however often the peer calls and fails (BGP-4271-8-12)", () => {
    const play = new Play({ ...PEER, passive: true }).start();
    let admitted = 0;
    for (let calls = 0; calls < 6000; calls++) {
      play.pass(100);
      if (!play.do({ type: "accepted" }).includes("admit")) continue;
      admitted++;
      play.on("incoming", { type: "faulted", fault: { kind: "header.not-synchronized" } });
    }
    // Ten minutes of which all but the first are waits of 30 s.
    expect(admitted).toBeLessThan(30);
    expect(admitted).toBeGreaterThan(15);
  });

  it("that loses a collision has not failed, and may come again whatever failed before (BGP-4271-6.8-07)", () => {
    const play = new Play().start();
    play.peering = { ...play.peering, outgoing: { name: "open-sent", counter: 5, hold: later(240_000) } };
    play.do({ type: "accepted" });
    expect(play.open("incoming", LOWER)).toBe("in send 6/7, in drop fault");
    expect(play.states).toBe("open-sent #5, hold 240000; idle #0");
    expect(play.do({ type: "accepted" })).toBe("admit, in send open");
  });

  it("that fails does not shorten the wait before we dial", () => {
    const play = new Play().start();
    play.on("outgoing", { type: "tcp-failed" });
    play.do({ type: "accepted" });
    play.on("incoming", { type: "faulted", fault: { kind: "header.not-synchronized" } });
    expect(play.states).toBe("idle #1, idleHold 5000; idle #0");
  });

  it("counts as the peer's failure for the connection that we dial", () => {
    const play = new Play().start();
    for (const counter of [1, 2]) {
      play.do({ type: "accepted" });
      play.on("incoming", { type: "faulted", fault: { kind: "header.not-synchronized" } });
      expect(play.peering.outgoing.counter).toBe(counter);
    }
  });

  it("that was stable clears what was counted", () => {
    const play = new Play().start();
    play.peering = {
      ...play.peering,
      outgoing: { name: "connect", counter: 5, connectRetry: later(5000), delayOpen: null },
    };
    play.do({ type: "accepted" });
    play.open("incoming");
    play.on("incoming", { type: "received-keepalive" });
    play.now = later(30_000);
    play.on("incoming", { type: "tcp-failed" });
    expect(play.states).toBe("idle #1, idleHold 1000; idle #0");
  });

  it("has timers of its own", () => {
    const play = new Play().incomingUp();
    expect(peeringDeadline(play.peering)).toBe(later(3000));
    expect(play.pass(3000)).toBe("in send keepalive");
    expect(play.pass(6000)).toBe("in send 4/0, in drop fault hard");
  });
});

describe("a passive peering", () => {
  it("never dials (BGP-4271-8-02)", () => {
    const play = new Play({ ...PEER, passive: true });
    expect(play.do({ type: "start" })).toBe("");
    expect(peeringDeadline(play.peering)).toBeNull();
    expect(play.do({ type: "accepted" })).toBe("admit, in send open");
    play.open("incoming");
    play.on("incoming", { type: "received-keepalive" });
    play.on("incoming", { type: "tcp-failed" });
    expect(play.pass(1000)).toBe("");
    expect(play.names).toBe("active idle");
  });
});

describe("a stop", () => {
  it("ends both connections, and nothing begins again", () => {
    const play = new Play().both();
    const stop: PeeringEvent = { type: "stop", fault: { kind: "cease.peer-deconfigured" } };
    expect(play.do(stop)).toBe("in send 6/3, in drop fault, out send 6/3, out drop fault");
    expect(play.states).toBe("idle #0; idle #0");
    expect(peeringDeadline(play.peering)).toBeNull();
    expect(play.pass(100_000)).toBe("");
    expect(play.do({ type: "accepted" })).toBe("");
  });
});

describe("the state that an operator sees", () => {
  it("is that of the connection that got further", () => {
    const play = new Play();
    expect(leadingSlot(play.peering)).toBe("outgoing");
    play.start();
    expect(leadingSlot(play.peering)).toBe("outgoing");
    play.do({ type: "accepted" });
    expect(leadingSlot(play.peering)).toBe("incoming");
    play.on("outgoing", { type: "tcp-connected" });
    expect(leadingSlot(play.peering)).toBe("outgoing");
  });
});

describe("a peer that begins anew beside a session that looks alive", () => {
  const families = [{ afi: 1, safi: 1, forwarding: true }];
  const restart = { kind: "graceful-restart", restarting: false, notification: false, restartTimeSeconds: 9, families };
  const open = { ...HIGHER, capabilities: [...OPEN.capabilities, restart as Capability] };
  const established = (slot: Slot): Play => {
    const play = new Play().start();
    if (slot === "incoming") play.do({ type: "accepted" });
    else play.on("outgoing", { type: "tcp-connected" });
    play.open(slot, open);
    play.on(slot, { type: "received-keepalive" });
    expect(play.peering[slot].name).toBe("established");
    play.now = later(5000);
    return play;
  };

  it("replaces the session that we dialled, once its OPEN is there (BGP-4724-5-01)", () => {
    const play = established("outgoing");
    expect(play.do({ type: "accepted" })).toBe("admit, in send open");
    expect(play.names).toBe("established open-sent");
    expect(play.open("incoming", open)).toBe("out abort replaced graceful, in send keepalive");
    expect(play.names).toBe("idle open-confirm");
    play.on("incoming", { type: "received-keepalive" });
    expect(play.states).toMatch(/^idle #0; established #0/);
    expect(play.pass(2000)).toBe("");
  });

  it("replaces the session that it dialled itself (BGP-4724-5-01)", () => {
    const play = established("incoming");
    expect(play.do({ type: "accepted" })).toBe("shift, admit, in send open");
    expect(play.names).toBe("established open-sent");
    expect(play.open("incoming", open)).toBe("out abort replaced graceful, in send keepalive");
    expect(play.names).toBe("idle open-confirm");
  });

  it("has to say so in an OPEN that is good: till then, and without it, the session goes on", () => {
    const play = established("incoming");
    play.do({ type: "accepted" });
    expect(play.open("incoming", { ...open, twoOctetAs: 9, capabilities: [] })).toBe("in send 2/2, in drop fault");
    expect(play.on("outgoing", { type: "received-keepalive" })).toBe("");
    expect(play.names).toBe("established idle");
    play.do({ type: "accepted" });
    expect(play.do({ type: "accepted" })).toMatch(/^in send 6\/7, in drop fault, admit, in send open/);
    expect(play.on("incoming", { type: "tcp-failed" })).toBe("in drop transport");
    expect(play.on("outgoing", { type: "tcp-failed" })).toBe("out drop transport graceful");
    expect(play.pass(2000)).toBe("out dial");
  });

  it("may hold its OPEN back, and so may we", () => {
    const delaying = { ...PEER, delayOpenSeconds: 3 };
    const play = new Play(delaying).start();
    play.on("outgoing", { type: "tcp-connected" });
    play.pass(3000);
    play.open("outgoing", open);
    play.on("outgoing", { type: "received-keepalive" });
    play.now = later(8000);
    expect(play.do({ type: "accepted" })).toBe("admit");
    expect(play.names).toBe("established active");
    expect(play.open("incoming", open)).toBe("out abort replaced graceful, in send open, in send keepalive");
  });

  it("is refused where it never spoke of graceful restart, and beside a session that has just begun (BGP-4271-6.8-03)", () => {
    const silent = new Play().incomingUp();
    silent.now = later(5000);
    expect(silent.do({ type: "accepted" })).toBe("");
    const young = established("outgoing");
    young.now = later(4999);
    expect(young.do({ type: "accepted" })).toBe("");
  });

  it("does not disturb the session by a connection on which nothing is said (ROB-06)", () => {
    const play = established("outgoing");
    const quiet = agreed(open, { ...PEER, holdTimeSeconds: 0 });
    play.peering = { ...play.peering, outgoing: { ...play.peering.outgoing, session: quiet, hold: null } as State };
    play.do({ type: "accepted" });
    expect(play.pass(240_000)).toMatch(/^in send 4\/0, in drop fault/);
    expect(play.peering.outgoing.name).toBe("established");
  });
});

describe("a limit of prefixes that is exceeded", () => {
  const fault = { kind: "cease.max-prefixes", afi: 1, safi: 1, limit: 5 } as const;
  const suspend = (restartSeconds: number | null): PeeringEvent => ({ type: "suspend", fault, restartSeconds });

  it("ends the session until it is started again (BGP-4486-4-03, BGP-4486-4-01, BGP-4271-6.7-01)", () => {
    const play = new Play().incomingUp();
    expect(play.do(suspend(null))).toBe("in send 6/1 00010100000005, in drop fault hard");
    expect(peeringDeadline(play.peering)).toBeNull();
    expect(play.pass(1_000_000)).toBe("");
    expect(play.do({ type: "accepted" })).toBe("");
    expect(play.do({ type: "start" })).toBe("out dial");
  });

  it("ends it for the time that is configured (BGP-4486-4-03)", () => {
    const play = new Play().incomingUp();
    play.do(suspend(60));
    expect(peeringDeadline(play.peering)).toBe(later(60_000));
    expect(play.pass(59_999)).toBe("");
    expect(play.do({ type: "accepted" })).toBe("");
    expect(play.pass(1)).toBe("out dial");
    expect(play.do({ type: "accepted" })).toBe("admit, in send open");
  });

  it("has no say once the peering was stopped", () => {
    const play = new Play().incomingUp();
    play.do(suspend(60));
    play.do({ type: "stop", fault: null });
    expect(play.pass(60_000)).toBe("");
    expect(play.do(suspend(1))).toBe("");
    expect(play.pass(60_000)).toBe("");
  });
});

describe("what our OPENs say of our own restart", () => {
  const peer: FsmPeer = { ...PEER, gracefulRestart: { restartTimeSeconds: 120, helper: true, longLivedSecondsMax: 0 } };
  /** R and F of the OPEN on a connection that we have just dialled. */
  const said = (play: Play): string => {
    const { actions } = stepPeering(
      play.peering,
      { type: "connection", slot: "outgoing", event: { type: "tcp-connected" } },
      play.now,
      peer,
      0,
    );
    for (const one of actions) {
      if (one.type !== "perform" || one.action.type !== "send" || one.action.message.type !== "open") continue;
      const flags = one.action.message.capabilities.find((capability) => capability.kind === "graceful-restart");
      return `R ${flags?.restarting}, F ${flags?.families.every((family) => family.forwarding)}`;
    }
    return "no OPEN";
  };
  const sessionAndBack = (play: Play): void => {
    play.on("outgoing", { type: "tcp-connected" });
    play.open("outgoing");
    play.on("outgoing", { type: "received-keepalive" });
    play.on("outgoing", { type: "tcp-failed" });
    play.pass(1000);
  };

  it("is R and F until the first session or the end of the restart time (BGP-4724-4.1-01)", () => {
    const play = new Play(peer);
    play.do({ type: "start", restarted: true });
    expect(said(play)).toBe("R true, F true");
    sessionAndBack(play);
    expect(said(play)).toBe("R false, F true");
    const late = new Play(peer);
    late.do({ type: "start", restarted: true });
    late.now = later(120_000);
    expect(said(late)).toBe("R false, F true");
  });

  it("is neither when nothing was there before, and F once there was a session (BGP-4724-4.1-01)", () => {
    const play = new Play(peer).start();
    expect(said(play)).toBe("R false, F false");
    sessionAndBack(play);
    expect(said(play)).toBe("R false, F true");
  });
});

describe("BFD", () => {
  const down: PeeringEvent = { type: "bfd-down", controlPlaneIndependent: false };

  it("that was up and goes down ends the session at once, and TCP is tried again (BFD-5882-4.2-01, BGP-9384-3-01, BFD-5882-3.2-03)", () => {
    const play = new Play().incomingUp();
    expect(play.do({ type: "bfd-up" })).toBe("");
    expect(play.do(down)).toBe("in send 6/10, in drop fault hard");
    expect(play.pass(1000)).toBe("out dial");
  });

  it("that flaps makes us call ever less often (BFD-5882-3.2-03)", () => {
    const play = new Play();
    play.start();
    const waits: number[] = [];
    for (let i = 0; i < 5; i++) {
      play.on("outgoing", { type: "tcp-connected" });
      play.open("outgoing");
      play.on("outgoing", { type: "received-keepalive" });
      play.do({ type: "bfd-up" });
      play.do(down);
      const wait = (peeringDeadline(play.peering) ?? play.now) - play.now;
      waits.push(wait);
      play.pass(wait);
    }
    expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000]);
  });

  it("that never was up keeps no session from coming up, and ends none (BFD-5882-3.2-01)", () => {
    const play = new Play().incomingUp();
    expect(play.do(down)).toBe("");
    expect(play.names).toBe("idle established");
  });

  it("that is taken down by hand or removed is no failure (BFD-5882-3.2-02)", () => {
    const play = new Play().incomingUp();
    play.do({ type: "bfd-up" });
    expect(play.do({ type: "bfd-gone" })).toBe("");
    expect(play.do(down)).toBe("");
    expect(play.names).toBe("idle established");
  });

  it("in strict mode is waited for in OpenConfirm, for 30 seconds (BFD-STRICT-01)", () => {
    const strict = { ...PEER, bfdStrict: true };
    const open = { ...HIGHER, capabilities: [...OPEN.capabilities, { kind: "bfd-strict" } as const] };
    const play = new Play(strict).start();
    play.do({ type: "accepted" });
    expect(play.open("incoming", open)).toBe("out drop unwanted");
    expect(play.do({ type: "bfd-up" })).toBe("in send keepalive");
    play.on("incoming", { type: "received-keepalive" });
    expect(play.names).toBe("idle established");
    const late = new Play(strict).start();
    late.do({ type: "accepted" });
    late.open("incoming", open);
    expect(late.pass(30_000)).toBe("in send 6/10, in drop fault");
    const known = new Play(strict).start();
    known.do({ type: "bfd-up" });
    known.do({ type: "accepted" });
    expect(known.open("incoming", open)).toBe("in send keepalive, out drop unwanted");
  });
});

describe("a start", () => {
  it("of what is started already changes no session", () => {
    const play = new Play().incomingUp();
    expect(play.do({ type: "start" })).toBe("");
    expect(play.names).toBe("idle established");
  });

  it("ends a wait", () => {
    const play = new Play().start();
    play.on("outgoing", { type: "tcp-failed" });
    expect(play.peering.outgoing.name).toBe("idle");
    expect(play.do({ type: "start" })).toBe("out dial");
  });
});

describe("a peer that calls again in the middle of its handshake, and is lost", () => {
  it("is dialled, although we had stood back for its first call", () => {
    const play = new Play().start();
    play.do({ type: "accepted" });
    play.open("incoming", HIGHER);
    play.do({ type: "accepted" });
    play.on("incoming", { type: "tcp-failed" });
    expect(play.names).toBe("idle idle");
    expect(peeringDeadline(play.peering)).not.toBeNull();
    expect(play.pass(PEER.connectRetrySeconds * 1000)).toBe("out dial");
  });
});
