import { describe, expect, it } from "vitest";
import { Instant } from "../../base/time.ts";
import type { Slot } from "./collision.ts";
import type { FsmPeer } from "./negotiation.ts";
import { leadingSlot, NEW_PEERING, type Peering, peeringDeadline, type PeeringEvent, stepPeering } from "./peering.ts";
import type { Event } from "./state.ts";
import { actionText, identifier, later, NOW, OPEN, PEER, stateText } from "./test-support.ts";

/** Identifier of the peer; ours is 10.0.0.1. */
const LOWER = { ...OPEN, identifier: identifier("9.0.0.1") };
const HIGHER = { ...OPEN, identifier: identifier("11.0.0.1") };

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

describe("a peering that was not started", () => {
  it("refuses every connection", () => {
    expect(new Play().do({ type: "accepted" })).toBe("");
  });
});

describe("a collision", () => {
  it.each([
    ["we are lower, theirs is heard first", HIGHER, "incoming", "out send 6/7, out drop fault, in send keepalive"],
    ["we are lower, ours is heard first", HIGHER, "outgoing", "out send 6/7, out drop fault"],
    ["we are higher, theirs is heard first", LOWER, "incoming", "in send 6/7, in drop fault"],
    ["we are higher, ours is heard first", LOWER, "outgoing", "in send 6/7, in drop fault, out send keepalive"],
  ] as const)("leaves the higher side's connection: %s", (_name, open, first, done) => {
    const play = new Play().both();
    expect(play.open(first, open)).toBe(done);
    const kept: Slot = open === HIGHER ? "incoming" : "outgoing";
    if (first !== kept) play.open(kept, open);
    expect(play.peering[kept].name).toBe("open-confirm");
    expect(play.on(kept, { type: "received-keepalive" })).toBe("");
    expect(play.names).toBe(kept === "incoming" ? "idle established" : "established idle");
    expect(peeringDeadline(play.peering)).not.toBeNull();
  });

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

  it("is no matter of a connection whose OPEN is bad", () => {
    const play = new Play().both();
    expect(play.open("incoming", { ...HIGHER, twoOctetAs: 1, capabilities: [] })).toBe("in send 2/2, in drop fault");
    expect(play.names).toBe("open-sent idle");
  });

  it("that the peer decides first leaves nothing to dial", () => {
    const play = new Play().both();
    const notification = { type: "notification", code: 6, subcode: 7, data: new Uint8Array(0) } as const;
    expect(play.on("outgoing", { type: "received-notification", notification })).toBe("out drop notification");
    expect(play.states).toBe("idle #1, idleHold 1000; open-sent #0, hold 240000");
    play.open("incoming");
    play.on("incoming", { type: "received-keepalive" });
    expect(play.names).toBe("idle established");
    expect(play.pass(2000)).toBe("");
  });

  it("with an established session ends the newcomer", () => {
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
  it("is given up when the peer's connection is confirmed", () => {
    const play = new Play().start();
    expect(play.do({ type: "accepted" })).toBe("admit, in send open");
    expect(play.open("incoming")).toBe("in send keepalive, out drop unwanted");
    expect(play.states).toBe("idle #0; open-confirm #0, hold 9000, keepalive 3000");
    expect(play.pass(1000)).toBe("");
  });

  it("begins again when the peer's connection is lost, after the same wait", () => {
    const play = new Play().incomingUp();
    expect(play.on("incoming", { type: "tcp-failed" })).toBe("in drop transport");
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
    const notification = { type: "notification", code: 6, subcode: 7, data: new Uint8Array(0) } as const;
    play.on("incoming", { type: "received-notification", notification });
    expect(play.states).toBe("idle #1, idleHold 1000; idle #0");
    const alone = new Play().start();
    alone.peering = { ...alone.peering, outgoing: { name: "open-sent", counter: 0, hold: later(9000) } };
    expect(alone.on("outgoing", { type: "collision-lost" })).toBe("out send 6/7, out drop fault");
    expect(alone.states).toBe("idle #0, idleHold 1000; idle #0");
  });
});

describe("a connection of the peer", () => {
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
    expect(play.pass(6000)).toBe("in send 4/0, in drop fault");
  });
});

describe("a passive peering", () => {
  it("never dials", () => {
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
