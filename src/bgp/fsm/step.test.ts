import { describe, expect, it } from "vitest";
import type { Instant } from "../../base/time.ts";
import type { Notification } from "../wire/notification.ts";
import { judgeOpen, type Negotiated } from "./negotiation.ts";
import { type Event, nextDeadline, type State } from "./state.ts";
import { step } from "./step.ts";
import { actionText, later, NOW, OPEN, PEER, stateText } from "./test-support.ts";

const judged = judgeOpen(OPEN, PEER);
if ("fault" in judged) throw new Error("the peer's OPEN is good");
const session: Negotiated = judged;

const notification = (code: number, subcode: number): Notification => ({
  type: "notification",
  code,
  subcode,
  data: new Uint8Array(0),
});
const EMPTY_UPDATE = { type: "update", withdrawn: [], attributes: {}, opaque: [], nlri: [] } as const;

/** All of RFC 4271 §8.1 that can happen by itself; deadlines have tests of their own. */
const EVENTS = {
  start: { type: "start" },
  stop: { type: "stop", fault: { kind: "cease.administrative-shutdown", text: "bye" } },
  "automatic stop": { type: "automatic-stop", fault: { kind: "cease.other-configuration-change" } },
  "no deadline": { type: "time-passed" },
  "tcp connected": { type: "tcp-connected" },
  "tcp failed": { type: "tcp-failed" },
  open: { type: "received-open", open: OPEN },
  "open of another AS": { type: "received-open", open: { ...OPEN, twoOctetAs: 65_003, capabilities: [] } },
  "header fault": { type: "faulted", fault: { kind: "header.bad-type", type: 9 } },
  "open fault": { type: "faulted", fault: { kind: "open.unsupported-version", version: 3 } },
  "update fault": { type: "faulted", fault: { kind: "update.bad-network-field", detail: "" } },
  "collision lost": { type: "collision-lost" },
  "notification 2/1": { type: "received-notification", notification: notification(2, 1) },
  notification: { type: "received-notification", notification: notification(6, 4) },
  keepalive: { type: "received-keepalive" },
  update: { type: "received-update", decoded: { update: EMPTY_UPDATE, faults: [] } },
  "route refresh": {
    type: "received-route-refresh",
    request: { type: "route-refresh", afi: 1, subtype: 0, safi: 1 },
  },
  "sent update": { type: "sent-update" },
  drained: { type: "drained" },
} as const satisfies Record<string, Event>;
type EventName = keyof typeof EVENTS;

const counter = 2;
const [connectRetry, delayOpen, hold, keepalive, sendHold] = [1000, 2000, 3000, 1500, 400_000].map(later) as [
  Instant,
  Instant,
  Instant,
  Instant,
  Instant,
];
const STATES = {
  idle: { name: "idle", counter, idleHold: null },
  connect: { name: "connect", counter, connectRetry, delayOpen: null },
  "connect, OPEN delayed": { name: "connect", counter, connectRetry: null, delayOpen },
  active: { name: "active", counter, connectRetry, delayOpen: null },
  "active, OPEN delayed": { name: "active", counter, connectRetry: null, delayOpen },
  "open-sent": { name: "open-sent", counter, hold },
  "open-confirm": { name: "open-confirm", counter, hold, keepalive, session, bfdHold: null, isConfirmed: false },
  established: { name: "established", counter, hold, keepalive, sendHold, session, since: later(-1000) },
} as const satisfies Record<string, State>;

const run = (state: State, event: Event, peer = PEER, draw = 0): string => {
  const next = step(state, event, NOW, peer, draw);
  return [stateText(next.state), ...next.actions.map(actionText)].join(" | ");
};

/** The composite actions of the RFC's text. */
const STOP0 = "idle #0";
const DOWN = "idle #3, idleHold 4000";
const SAME = "same";
const OPENED = "open-sent #2, hold 240000 | send open";
const CONFIRM = "open-confirm #2, hold 9000, keepalive 3000";
const PARKED = "idle #2";
const AGAIN = "idle #2, idleHold 5000";
const DELAYED_OPEN = `${CONFIRM} | send open | send keepalive`;

/** One row for each event, one column for each state, as in RFC 4271 §8.2.2. */
const CELLS: Record<EventName, Record<keyof typeof STATES, string>> = {
  start: {
    idle: "connect #0, connectRetry 5000 | dial",
    connect: SAME,
    "connect, OPEN delayed": SAME,
    active: SAME,
    "active, OPEN delayed": SAME,
    "open-sent": SAME,
    "open-confirm": SAME,
    established: SAME,
  },
  stop: {
    idle: STOP0,
    connect: `${STOP0} | drop unwanted`,
    "connect, OPEN delayed": `${STOP0} | drop unwanted`,
    active: `${STOP0} | drop unwanted`,
    "active, OPEN delayed": `${STOP0} | drop unwanted`,
    "open-sent": `${STOP0} | send 6/2 03627965 | drop fault`,
    "open-confirm": `${STOP0} | send 6/2 03627965 | drop fault`,
    established: `${STOP0} | send 6/2 03627965 | drop fault`,
  },
  "automatic stop": {
    idle: SAME,
    connect: `${DOWN} | drop unwanted`,
    "connect, OPEN delayed": `${DOWN} | drop unwanted`,
    active: `${DOWN} | drop unwanted`,
    "active, OPEN delayed": `${DOWN} | drop unwanted`,
    "open-sent": `${DOWN} | send 6/6 | drop fault`,
    "open-confirm": `${DOWN} | send 6/6 | drop fault`,
    established: `${DOWN} | send 6/6 | drop fault`,
  },
  "no deadline": {
    idle: SAME,
    connect: SAME,
    "connect, OPEN delayed": SAME,
    active: SAME,
    "active, OPEN delayed": SAME,
    "open-sent": SAME,
    "open-confirm": SAME,
    established: SAME,
  },
  "tcp connected": {
    idle: SAME,
    connect: OPENED,
    "connect, OPEN delayed": OPENED,
    active: OPENED,
    "active, OPEN delayed": OPENED,
    "open-sent": SAME,
    "open-confirm": SAME,
    established: SAME,
  },
  "tcp failed": {
    idle: SAME,
    connect: `${AGAIN} | drop transport`,
    "connect, OPEN delayed": "active #2, connectRetry 5000 | drop transport",
    active: "idle #3, idleHold 5000 | drop transport",
    "active, OPEN delayed": "idle #3, idleHold 5000 | drop transport",
    "open-sent": "active #2, connectRetry 5000 | drop transport",
    "open-confirm": `${DOWN} | drop transport`,
    established: `${DOWN} | drop transport`,
  },
  open: {
    idle: SAME,
    connect: `${DOWN} | drop unwanted`,
    "connect, OPEN delayed": DELAYED_OPEN,
    active: `${DOWN} | drop unwanted`,
    "active, OPEN delayed": DELAYED_OPEN,
    "open-sent": `${CONFIRM} | send keepalive`,
    "open-confirm": `${DOWN} | send 5/2 01 | drop fault`,
    established: `${DOWN} | send 5/3 01 | drop fault`,
  },
  "open of another AS": {
    idle: SAME,
    connect: `${DOWN} | drop unwanted`,
    "connect, OPEN delayed": `${DOWN} | drop fault`,
    active: `${DOWN} | drop unwanted`,
    "active, OPEN delayed": `${DOWN} | drop fault`,
    "open-sent": `${DOWN} | send 2/2 | drop fault`,
    "open-confirm": `${DOWN} | send 5/2 01 | drop fault`,
    established: `${DOWN} | send 5/3 01 | drop fault`,
  },
  "header fault": {
    idle: SAME,
    connect: `${DOWN} | drop fault`,
    "connect, OPEN delayed": `${DOWN} | drop fault`,
    active: `${DOWN} | drop fault`,
    "active, OPEN delayed": `${DOWN} | drop fault`,
    "open-sent": `${DOWN} | send 1/3 09 | drop fault`,
    "open-confirm": `${DOWN} | send 1/3 09 | drop fault`,
    established: `${DOWN} | send 1/3 09 | drop fault`,
  },
  "open fault": {
    idle: SAME,
    connect: `${DOWN} | drop fault`,
    "connect, OPEN delayed": `${DOWN} | drop fault`,
    active: `${DOWN} | drop fault`,
    "active, OPEN delayed": `${DOWN} | drop fault`,
    "open-sent": `${DOWN} | send 2/1 0004 | drop fault`,
    "open-confirm": `${DOWN} | send 2/1 0004 | drop fault`,
    established: `${DOWN} | send 5/3 01 | drop fault`,
  },
  "update fault": {
    idle: SAME,
    connect: `${DOWN} | drop fault`,
    "connect, OPEN delayed": `${DOWN} | drop fault`,
    active: `${DOWN} | drop fault`,
    "active, OPEN delayed": `${DOWN} | drop fault`,
    "open-sent": `${DOWN} | send 5/1 02 | drop fault`,
    "open-confirm": `${DOWN} | send 5/2 02 | drop fault`,
    established: `${DOWN} | send 3/10 | drop fault`,
  },
  "collision lost": {
    idle: SAME,
    connect: `${PARKED} | drop unwanted`,
    "connect, OPEN delayed": `${PARKED} | drop unwanted`,
    active: `${PARKED} | drop unwanted`,
    "active, OPEN delayed": `${PARKED} | drop unwanted`,
    "open-sent": `${PARKED} | send 6/7 | drop fault`,
    "open-confirm": `${PARKED} | send 6/7 | drop fault`,
    established: SAME,
  },
  "notification 2/1": {
    idle: SAME,
    connect: `${DOWN} | drop notification`,
    "connect, OPEN delayed": `${AGAIN} | drop notification`,
    active: `${DOWN} | drop notification`,
    "active, OPEN delayed": `${AGAIN} | drop notification`,
    "open-sent": `${AGAIN} | drop notification`,
    "open-confirm": `${AGAIN} | drop notification`,
    established: `${DOWN} | drop notification`,
  },
  notification: {
    idle: SAME,
    connect: `${DOWN} | drop notification`,
    "connect, OPEN delayed": `${DOWN} | drop notification`,
    active: `${DOWN} | drop notification`,
    "active, OPEN delayed": `${DOWN} | drop notification`,
    "open-sent": `${DOWN} | drop notification`,
    "open-confirm": `${DOWN} | drop notification`,
    established: `${DOWN} | drop notification`,
  },
  keepalive: {
    idle: SAME,
    connect: `${DOWN} | drop unwanted`,
    "connect, OPEN delayed": `${DOWN} | drop unwanted`,
    active: `${DOWN} | drop unwanted`,
    "active, OPEN delayed": `${DOWN} | drop unwanted`,
    "open-sent": `${DOWN} | send 5/1 04 | drop fault`,
    "open-confirm": "established #2, hold 9000, keepalive 1500, sendHold 480000",
    established: "established #2, hold 9000, keepalive 1500, sendHold 400000",
  },
  update: {
    idle: SAME,
    connect: `${DOWN} | drop unwanted`,
    "connect, OPEN delayed": `${DOWN} | drop unwanted`,
    active: `${DOWN} | drop unwanted`,
    "active, OPEN delayed": `${DOWN} | drop unwanted`,
    "open-sent": `${DOWN} | send 5/1 02 | drop fault`,
    "open-confirm": `${DOWN} | send 5/2 02 | drop fault`,
    established: "established #2, hold 9000, keepalive 1500, sendHold 400000 | deliver",
  },
  "route refresh": {
    idle: SAME,
    connect: `${DOWN} | drop unwanted`,
    "connect, OPEN delayed": `${DOWN} | drop unwanted`,
    active: `${DOWN} | drop unwanted`,
    "active, OPEN delayed": `${DOWN} | drop unwanted`,
    "open-sent": `${DOWN} | send 5/1 05 | drop fault`,
    "open-confirm": `${DOWN} | send 5/2 05 | drop fault`,
    established: "established #2, hold 9000, keepalive 1500, sendHold 400000 | refresh",
  },
  "sent update": {
    idle: SAME,
    connect: SAME,
    "connect, OPEN delayed": SAME,
    active: SAME,
    "active, OPEN delayed": SAME,
    "open-sent": SAME,
    "open-confirm": SAME,
    established: "established #2, hold 3000, keepalive 3000, sendHold 400000",
  },
  drained: {
    idle: SAME,
    connect: SAME,
    "connect, OPEN delayed": SAME,
    active: SAME,
    "active, OPEN delayed": SAME,
    "open-sent": SAME,
    "open-confirm": SAME,
    established: "established #2, hold 3000, keepalive 1500, sendHold 480000",
  },
};

describe("every event in every state", () => {
  for (const [name, event] of Object.entries(EVENTS)) {
    for (const [where, expected] of Object.entries(CELLS[name as EventName])) {
      const state = STATES[where as keyof typeof STATES];
      it(`${name} in ${where}: ${expected}`, () => {
        expect(run(state, event)).toBe(expected === SAME ? stateText(state) : expected);
      });
    }
  }
});

describe("a deadline", () => {
  const due = { type: "time-passed" } as const;

  it("of Idle begins to connect, or to listen for a passive peer", () => {
    const waiting: State = { name: "idle", counter, idleHold: NOW };
    expect(run(waiting, due)).toBe("connect #2, connectRetry 5000 | dial");
    expect(run(waiting, due, { ...PEER, passive: true })).toBe("active #2");
    expect(run({ ...waiting, idleHold: later(1) }, due)).toBe("idle #2, idleHold 1");
    expect(run(waiting, EVENTS.start, { ...PEER, passive: true })).toBe("active #0");
  });

  it("of the ConnectRetryTimer dials again", () => {
    expect(run({ ...STATES.connect, connectRetry: NOW }, due)).toBe(
      "connect #2, connectRetry 5000 | drop no-answer | dial",
    );
    expect(run({ ...STATES.active, connectRetry: NOW }, due)).toBe("connect #2, connectRetry 5000 | dial");
  });

  it("of the DelayOpenTimer sends the OPEN", () => {
    for (const name of ["connect", "active"] as const) {
      expect(run({ name, counter, connectRetry: null, delayOpen: NOW }, due)).toBe(OPENED);
      const delaying = { ...PEER, delayOpenSeconds: 7 };
      expect(run(STATES[name], EVENTS["tcp connected"], delaying)).toBe(`${name} #2, delayOpen 7000`);
    }
  });

  it("of the HoldTimer ends the session", () => {
    const expired = `${DOWN} | send 4/0 | drop fault`;
    expect(run({ ...STATES["open-sent"], hold: NOW }, due)).toBe(expired);
    expect(run({ ...STATES["open-confirm"], hold: NOW, keepalive: NOW }, due)).toBe(expired);
    expect(run({ ...STATES.established, hold: NOW, keepalive: NOW, sendHold: NOW }, due)).toBe(expired);
  });

  it("of the KeepaliveTimer sends a KEEPALIVE", () => {
    expect(run({ ...STATES["open-confirm"], keepalive: NOW }, due)).toBe(
      "open-confirm #2, hold 3000, keepalive 3000 | send keepalive",
    );
    expect(run({ ...STATES.established, keepalive: NOW }, due)).toBe(
      "established #2, hold 3000, keepalive 3000, sendHold 400000 | send keepalive",
    );
  });

  it("of the SendHoldTimer ends the session without waiting for the peer (RFC 9687)", () => {
    expect(run({ ...STATES.established, sendHold: NOW, keepalive: NOW }, due)).toBe(`${DOWN} | abort fault`);
    const slow = { ...session, holdTimeSeconds: 600 };
    expect(run({ ...STATES.established, session: slow }, EVENTS.drained)).toMatch(/sendHold 1200000$/);
  });

  it("is the earliest of those that the state has", () => {
    expect(Object.values(STATES).map((state) => nextDeadline(state))).toEqual(
      [null, 1000, 2000, 1000, 2000, 3000, 1500, 1500].map((millis) => millis && later(millis)),
    );
    expect(nextDeadline({ ...STATES.idle, idleHold: later(5) })).toBe(later(5));
    expect(nextDeadline({ ...STATES.established, hold: null, keepalive: null })).toBe(sendHold);
  });
});

describe("a hold time of 0", () => {
  it("arms nothing", () => {
    const peer = { ...PEER, holdTimeSeconds: 0 };
    const confirmed = step(STATES["open-sent"], EVENTS.open, NOW, peer, 0).state;
    expect(stateText(confirmed)).toBe("open-confirm #2");
    const up = step(confirmed, EVENTS.keepalive, NOW, peer, 0).state;
    expect(stateText(up)).toBe("established #2");
    for (const event of [EVENTS.update, EVENTS["sent update"], EVENTS.drained, EVENTS.keepalive]) {
      expect(stateText(step(up, event, NOW, peer, 0).state)).toBe("established #2");
    }
  });
});

describe("the wait before the next attempt", () => {
  const fell = (counter: number, draw = 0): string =>
    run({ ...STATES.established, counter }, EVENTS["tcp failed"], PEER, draw);

  it("grows from 1 to 30 seconds, less up to a quarter", () => {
    expect([0, 1, 2, 3, 4, 5, 50].map((counter) => fell(counter).replace(/ \|.*/, ""))).toEqual([
      "idle #1, idleHold 1000",
      "idle #2, idleHold 2000",
      "idle #3, idleHold 4000",
      "idle #4, idleHold 8000",
      "idle #5, idleHold 16000",
      "idle #6, idleHold 30000",
      "idle #51, idleHold 30000",
    ]);
    expect(fell(0, 0.5)).toMatch(/^idle #1, idleHold 875 /);
  });

  it("begins anew after a session that was stable, however it ends", () => {
    const stable = { ...STATES.established, since: later(-30_000) };
    const ends: EventName[] = ["tcp failed", "notification", "header fault", "open", "automatic stop"];
    for (const name of ends) expect(run(stable, EVENTS[name]), name).toMatch(/^idle #1, idleHold 1000 /);
    const expired = { ...stable, hold: NOW };
    expect(run(expired, { type: "time-passed" })).toMatch(/^idle #1, /);
    expect(run({ ...stable, sendHold: NOW }, { type: "time-passed" })).toMatch(/^idle #1, /);
    expect(run({ ...stable, since: later(-29_999) }, EVENTS["tcp failed"])).toMatch(/^idle #3, /);
  });

  it("is jittered for every timer that RFC 4271 §10 names, and for the HoldTimer not", () => {
    expect(run(STATES.idle, EVENTS.start, PEER, 0.8)).toBe("connect #0, connectRetry 4000 | dial");
    expect(run(STATES["open-sent"], EVENTS.open, PEER, 0.4)).toBe(
      "open-confirm #2, hold 9000, keepalive 2700 | send keepalive",
    );
  });
});

describe("step", () => {
  it("gives equal steps for equal arguments and changes none of them", () => {
    for (const state of Object.values(STATES)) {
      for (const event of Object.values(EVENTS)) {
        const before = JSON.stringify([state, event]);
        expect(step(state, event, NOW, PEER, 0.3)).toEqual(step(state, event, NOW, PEER, 0.3));
        expect(JSON.stringify([state, event])).toBe(before);
      }
    }
  });

  it("leaves Idle only by a start or by its own deadline", () => {
    for (const [name, event] of Object.entries(EVENTS)) {
      if (name !== "start") expect(step(STATES.idle, event, NOW, PEER, 0).state.name, name).toBe("idle");
    }
  });
});
