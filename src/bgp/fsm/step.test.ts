import { describe, expect, it } from "vitest";
import type { Instant } from "../../base/time.ts";
import type { FsmPeer } from "./negotiation.ts";
import { type Event, nextDeadline, type State } from "./state.ts";
import { step } from "./step.ts";
import { actionText, agreed, contextOf, later, notification, NOW, OPEN, PEER, stateText } from "./test-support.ts";
import type { Context } from "./timers.ts";

const session = agreed(OPEN);
const EMPTY_UPDATE = { type: "update", withdrawn: [], attributes: {}, opaque: [], nlri: [] } as const;

/** All of RFC 4271 §8.1 that can happen by itself, and what later RFCs added; timers have a table of their own. */
const EVENTS = {
  start: { type: "start" },
  stop: { type: "stop", fault: { kind: "cease.administrative-shutdown", text: "bye" } },
  "silent stop": { type: "stop", fault: null },
  "automatic stop": { type: "automatic-stop", fault: { kind: "cease.other-configuration-change" } },
  "no deadline": { type: "time-passed" },
  "tcp connected": { type: "tcp-connected" },
  "tcp failed": { type: "tcp-failed" },
  open: { type: "received-open", open: OPEN },
  "open of another AS": { type: "received-open", open: { ...OPEN, twoOctetAs: 65_003, capabilities: [] } },
  "header fault": { type: "faulted", fault: { kind: "header.bad-type", type: 9 } },
  "open fault": { type: "faulted", fault: { kind: "open.unsupported-version", version: 3 } },
  "update fault": { type: "faulted", fault: { kind: "update.bad-network-field", detail: "" } },
  "route refresh fault": { type: "faulted", fault: { kind: "route-refresh.bad-length", message: Uint8Array.of(7) } },
  "collision lost": { type: "collision-lost" },
  replaced: { type: "replaced" },
  "notification 2/1": { type: "received-notification", notification: notification(2, 1) },
  "notification 6/7": { type: "received-notification", notification: notification(6, 7) },
  notification: { type: "received-notification", notification: notification(6, 4) },
  keepalive: { type: "received-keepalive" },
  update: { type: "received-update", decoded: { update: EMPTY_UPDATE, faults: [] } },
  "route refresh": {
    type: "received-route-refresh",
    request: { type: "route-refresh", afi: 1, subtype: 0, safi: 1 },
  },
  "sent update": { type: "sent-update" },
  drained: { type: "drained" },
  "bfd up": { type: "bfd-up" },
  "bfd down": { type: "bfd-down", controlPlaneIndependent: false },
} as const satisfies Record<string, Event>;
type EventName = keyof typeof EVENTS;

const counter = 2;
const [connectRetry, delayOpen, hold, keepalive, sendHold, bfdHold] = [1000, 2000, 3000, 1500, 400_000, 20_000].map(
  later,
) as [Instant, Instant, Instant, Instant, Instant, Instant];
const CONFIRMED = {
  name: "open-confirm",
  counter,
  hold,
  keepalive,
  session,
  bfdHold: null,
  isConfirmed: false,
} as const;
const STATES = {
  idle: { name: "idle", counter, idleHold: null },
  connect: { name: "connect", counter, connectRetry, delayOpen: null },
  "connect, OPEN delayed": { name: "connect", counter, connectRetry: null, delayOpen },
  active: { name: "active", counter, connectRetry, delayOpen: null },
  "active, OPEN delayed": { name: "active", counter, connectRetry: null, delayOpen },
  "open-sent": { name: "open-sent", counter, hold },
  "open-confirm": CONFIRMED,
  "open-confirm, BFD awaited": {
    ...CONFIRMED,
    session: { ...session, bfdStrict: true },
    hold: null,
    keepalive: null,
    bfdHold,
  },
  established: { name: "established", counter, hold, keepalive, sendHold, session, since: later(-1000) },
} as const satisfies Record<string, State>;
type StateName = keyof typeof STATES;
const COLUMNS = Object.keys(STATES) as readonly StateName[];

const run = (state: State, event: Event, peer: FsmPeer = PEER, context: Partial<Context> = {}): string => {
  const next = step(state, event, contextOf(peer, context));
  return [stateText(next.state), ...next.actions.map(actionText)].join(" | ");
};

/** The composite actions of the RFC's text. */
const STOP0 = "idle #0";
const DOWN = "idle #3, idleHold 4000";
const SAME = "same";
const OPENED = "open-sent #2, hold 240000 | send open";
const CONFIRM = "open-confirm #2, hold 9000, keepalive 3000";
/** The peer may have to wait for BFD as long as we might. */
const STRICT = "open-confirm #2, hold 30000, keepalive 3000";
const PARKED = "idle #2, idleHold 5000";
const AGAIN = "idle #2, idleHold 5000";
const DELAYED_OPEN = `${CONFIRM} | send open | send keepalive`;
const UP = "established #2, hold 9000, keepalive 1500, sendHold 480000";
const LIVES = "established #2, hold 9000, keepalive 1500, sendHold 400000";
const BYE = `${STOP0} | send 6/2 03627965 | drop fault`;
const unwanted = `${DOWN} | drop unwanted`;
const faulted = `${DOWN} | drop fault`;
const notified = `${DOWN} | drop notification`;
const sends = (what: string): string => `${DOWN} | send ${what} | drop fault`;

type Row = readonly [string, string, string, string, string, string, string, string, string];

/** One row for each event, one column for each state, as in RFC 4271 §8.2.2. */
// prettier-ignore
const CELLS: Record<EventName, Row> = {
  // idle, connect, connect with OPEN delayed, active, active with OPEN delayed, open-sent, open-confirm, the same with BFD awaited, established
  start: ["connect #0, connectRetry 5000 | dial", SAME, SAME, SAME, SAME, SAME, SAME, SAME, SAME],
  stop: [STOP0, `${STOP0} | drop unwanted`, `${STOP0} | drop unwanted`, `${STOP0} | drop unwanted`, `${STOP0} | drop unwanted`, BYE, BYE, BYE, `${BYE} hard`],
  "silent stop": [STOP0, `${STOP0} | drop unwanted`, `${STOP0} | drop unwanted`, `${STOP0} | drop unwanted`, `${STOP0} | drop unwanted`, `${STOP0} | drop unwanted`, `${STOP0} | drop unwanted`, `${STOP0} | drop unwanted`, `${STOP0} | drop unwanted hard`],
  "automatic stop": [SAME, unwanted, unwanted, unwanted, unwanted, sends("6/6"), sends("6/6"), sends("6/6"), `${sends("6/6")} hard`],
  "no deadline": [SAME, SAME, SAME, SAME, SAME, SAME, SAME, SAME, SAME],
  "tcp connected": [SAME, OPENED, OPENED, OPENED, OPENED, SAME, SAME, SAME, SAME],
  "tcp failed": [SAME, `${AGAIN} | drop transport`, "active #2, connectRetry 5000 | drop transport", "idle #3, idleHold 5000 | drop transport", "idle #3, idleHold 5000 | drop transport", "active #2, connectRetry 5000 | drop transport", `${DOWN} | drop transport`, `${DOWN} | drop transport`, `${DOWN} | drop transport hard`],
  open: [SAME, unwanted, DELAYED_OPEN, unwanted, DELAYED_OPEN, `${CONFIRM} | send keepalive`, sends("5/2 01"), sends("5/2 01"), `${sends("5/3 01")} hard`],
  "open of another AS": [SAME, unwanted, faulted, unwanted, faulted, sends("2/2"), sends("5/2 01"), sends("5/2 01"), `${sends("5/3 01")} hard`],
  "header fault": [SAME, faulted, faulted, faulted, faulted, sends("1/3 09"), sends("1/3 09"), sends("1/3 09"), `${sends("1/3 09")} hard`],
  "open fault": [SAME, faulted, faulted, faulted, faulted, sends("2/1 0004"), sends("2/1 0004"), sends("2/1 0004"), `${sends("5/3 01")} hard`],
  "update fault": [SAME, faulted, faulted, faulted, faulted, sends("5/1 02"), sends("5/2 02"), sends("5/2 02"), `${sends("3/10")} hard`],
  "route refresh fault": [SAME, faulted, faulted, faulted, faulted, sends("5/1 05"), sends("5/2 05"), sends("5/2 05"), `${sends("7/1 07")} hard`],
  "collision lost": [SAME, `${PARKED} | drop unwanted`, `${PARKED} | drop unwanted`, `${PARKED} | drop unwanted`, `${PARKED} | drop unwanted`, `${PARKED} | send 6/7 | drop fault`, `${PARKED} | send 6/7 | drop fault`, `${PARKED} | send 6/7 | drop fault`, SAME],
  replaced: [SAME, SAME, SAME, SAME, SAME, SAME, SAME, SAME, `${PARKED} | abort replaced hard`],
  "notification 2/1": [SAME, notified, `${AGAIN} | drop notification`, notified, `${AGAIN} | drop notification`, `${AGAIN} | drop notification`, `${AGAIN} | drop notification`, `${AGAIN} | drop notification`, `${notified} hard`],
  "notification 6/7": [SAME, notified, `${AGAIN} | drop notification`, notified, `${AGAIN} | drop notification`, `${AGAIN} | drop notification`, `${AGAIN} | drop notification`, `${AGAIN} | drop notification`, `${notified} hard`],
  notification: [SAME, notified, notified, notified, notified, notified, notified, notified, `${notified} hard`],
  keepalive: [SAME, unwanted, unwanted, unwanted, unwanted, sends("5/1 04"), UP, "open-confirm #2, bfdHold 20000, confirmed", LIVES],
  update: [SAME, unwanted, unwanted, unwanted, unwanted, sends("5/1 02"), sends("5/2 02"), sends("5/2 02"), `${LIVES} | deliver`],
  "route refresh": [SAME, unwanted, unwanted, unwanted, unwanted, sends("5/1 05"), sends("5/2 05"), sends("5/2 05"), `${LIVES} | refresh`],
  "sent update": [SAME, SAME, SAME, SAME, SAME, SAME, SAME, SAME, "established #2, hold 3000, keepalive 3000, sendHold 400000"],
  drained: [SAME, SAME, SAME, SAME, SAME, SAME, SAME, SAME, "established #2, hold 3000, keepalive 1500, sendHold 480000"],
  "bfd up": [SAME, SAME, SAME, SAME, SAME, SAME, SAME, `${STRICT} | send keepalive`, SAME],
  "bfd down": [SAME, SAME, SAME, SAME, SAME, SAME, SAME, SAME, `${sends("6/10")} hard`],
};

const NEVER = "does not run";
const EXPIRED = sends("4/0");
/** Events 9 to 13 and 29: what each timer does at its end. A timer that a state does not have cannot end there. */
// prettier-ignore
const TIMERS: Record<"connectRetry" | "hold" | "keepalive" | "delayOpen" | "idleHold" | "sendHold" | "bfdHold", Row> = {
  connectRetry: [NEVER, "connect #2, connectRetry 5000 | drop no-answer | dial", NEVER, "connect #2, connectRetry 5000 | dial", NEVER, NEVER, NEVER, NEVER, NEVER],
  hold: [NEVER, NEVER, NEVER, NEVER, NEVER, EXPIRED, EXPIRED, NEVER, `${EXPIRED} hard`],
  keepalive: [NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, "open-confirm #2, hold 3000, keepalive 3000 | send keepalive", NEVER, "established #2, hold 3000, keepalive 3000, sendHold 400000 | send keepalive"],
  delayOpen: [NEVER, NEVER, OPENED, NEVER, OPENED, NEVER, NEVER, NEVER, NEVER],
  idleHold: ["connect #2, connectRetry 5000 | dial", NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER],
  sendHold: [NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, `${DOWN} | abort fault hard`],
  bfdHold: [NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, sends("6/10"), NEVER],
};

describe("every event in every state", () => {
  for (const [name, event] of Object.entries(EVENTS)) {
    for (const [index, where] of COLUMNS.entries()) {
      const expected = CELLS[name as EventName][index]!;
      const state = STATES[where];
      it(`${name} in ${where}: ${expected} (BGP-4271-8-14)`, () => {
        expect(run(state, event)).toBe(expected === SAME ? stateText(state) : expected);
      });
    }
  }
});

describe("every timer in every state", () => {
  for (const [timer, row] of Object.entries(TIMERS)) {
    for (const [index, where] of COLUMNS.entries()) {
      const expected = row[index]!;
      const state = STATES[where];
      it(`${timer} in ${where}: ${expected} (BGP-4271-8-14)`, () => {
        const runs = (state as unknown as Record<string, unknown>)[timer] ?? null;
        if (expected === NEVER) expect(runs).toBeNull();
        else expect(run({ ...state, [timer]: NOW }, EVENTS["no deadline"])).toBe(expected);
      });
    }
  }
});

describe("the machine", () => {
  it("leaves Idle only by a start or by the IdleHoldTimer (BGP-4271-8-04)", () => {
    for (const [name, event] of Object.entries(EVENTS)) {
      if (name !== "start") expect(step(STATES.idle, event, contextOf()).state.name, name).toBe("idle");
    }
    expect(run({ ...STATES.idle, idleHold: later(1) }, EVENTS["no deadline"])).toBe("idle #2, idleHold 1");
  });

  it("sends an OPEN first, and answers the peer's with a KEEPALIVE (BGP-4271-4.2-02)", () => {
    expect(run(STATES.connect, EVENTS["tcp connected"])).toBe(OPENED);
    expect(run(STATES["open-sent"], EVENTS.open)).toBe(`${CONFIRM} | send keepalive`);
  });

  it("goes to Active when TCP is lost before the peer's OPEN, and dials again from there (BGP-4271-8-05)", () => {
    expect(run(STATES["open-sent"], EVENTS["tcp failed"])).toBe("active #2, connectRetry 5000 | drop transport");
  });

  it("holds 240 s for the peer's OPEN, and after it the negotiated time (BGP-4271-8-06, BGP-4271-10-03)", () => {
    expect(run(STATES.active, EVENTS["tcp connected"])).toMatch(/hold 240000/);
    expect(run(STATES["open-sent"], EVENTS.open)).toMatch(/hold 9000/);
  });

  it("takes KEEPALIVE, UPDATE and ROUTE-REFRESH for signs of life (BGP-4271-8-07)", () => {
    for (const name of ["keepalive", "update", "route refresh"] as const) {
      expect(run(STATES.established, EVENTS[name])).toMatch(/hold 9000, keepalive 1500/);
    }
  });

  it("counts UPDATEs that it sends as keepalives (BGP-4271-8-08)", () => {
    expect(run(STATES.established, EVENTS["sent update"])).toMatch(/hold 3000, keepalive 3000/);
    expect(run({ ...STATES.established, keepalive: NOW }, EVENTS["no deadline"])).toMatch(/keepalive 3000/);
  });

  it("enters Established by nothing but a KEEPALIVE in OpenConfirm (BGP-4271-8-10)", () => {
    for (const [name, event] of Object.entries(EVENTS)) {
      for (const where of COLUMNS.filter((one) => one !== "established")) {
        const isDoor = name === "keepalive" && where === "open-confirm";
        const next = step(STATES[where], event, contextOf()).state.name;
        expect(next === "established", `${name} in ${where}`).toBe(isDoor);
      }
    }
  });

  it("answers what comes out of turn with the state's own subcode and the message's type (BGP-6608-4-01, BGP-4271-9-01)", () => {
    expect(run(STATES["open-sent"], EVENTS.update)).toBe(sends("5/1 02"));
    expect(run(STATES["open-confirm"], EVENTS.update)).toBe(sends("5/2 02"));
    expect(run(STATES.established, EVENTS.open)).toBe(`${sends("5/3 01")} hard`);
  });

  it("reports a header that is wrong as such in every state with an OPEN out (BGP-4271-6.1-06)", () => {
    for (const where of ["open-sent", "open-confirm", "established"] as const) {
      expect(run(STATES[where], EVENTS["header fault"])).toMatch(/send 1\/3 09/);
    }
  });

  it("never answers a NOTIFICATION, though §8.2.2 says so of OpenSent (BGP-4271-6.4-01, BGP-4271-6.1-05)", () => {
    for (const state of Object.values(STATES)) {
      for (const received of [notification(6, 4), notification(2, 4), notification(77, 99)]) {
        expect(run(state, { type: "received-notification", notification: received })).not.toMatch(/send/);
      }
    }
  });

  it("counts every fall to Idle but those that were ordered, and begins at 0 again (BGP-4271-8-13)", () => {
    expect(run(STATES["open-confirm"], EVENTS["tcp failed"])).toMatch(/^idle #3/);
    expect(run(STATES["open-confirm"], EVENTS.stop)).toMatch(/^idle #0/);
    expect(run(STATES.idle, EVENTS.start)).toMatch(/^connect #0/);
    expect(run({ ...STATES.idle, idleHold: NOW }, EVENTS["no deadline"])).toMatch(/^connect #2/);
  });

  it("is called by a passive peer and never dials it (BGP-4271-8-02)", () => {
    const passive = { ...PEER, passive: true };
    expect(run(STATES.idle, EVENTS.start, passive)).toBe("active #0");
    expect(run({ ...STATES.idle, idleHold: NOW }, EVENTS["no deadline"], passive)).toBe("active #2");
    expect(run(STATES["open-sent"], EVENTS["tcp failed"], passive)).toBe("active #2 | drop transport");
  });

  it("is a pure function", () => {
    for (const state of Object.values(STATES)) {
      for (const event of Object.values(EVENTS)) {
        const before = JSON.stringify([state, event]);
        const context = contextOf(PEER, { draw: 0.3 });
        expect(step(state, event, context)).toEqual(step(state, event, context));
        expect(JSON.stringify([state, event])).toBe(before);
      }
    }
  });
});

describe("DelayOpen", () => {
  it("holds our OPEN back, and answers the peer's at once (BGP-4271-8-11)", () => {
    const delaying = { ...PEER, delayOpenSeconds: 7 };
    for (const name of ["connect", "active"] as const) {
      expect(run(STATES[name], EVENTS["tcp connected"], delaying)).toBe(`${name} #2, delayOpen 7000`);
      expect(run({ name, counter, connectRetry: null, delayOpen }, EVENTS.open, delaying)).toBe(DELAYED_OPEN);
      expect(run({ name, counter, connectRetry: null, delayOpen: NOW }, EVENTS["no deadline"], delaying)).toBe(OPENED);
    }
  });
});

describe("a timer", () => {
  it("is set anew to 75 to 100 % of its time, and the hold time to all of it (BGP-4271-10-07, BGP-4271-10-08, BGP-4271-10-01)", () => {
    const draw = 1 - Number.EPSILON;
    const rounded = (text: string): string => text.replace(/\d+\.\d+/g, (number) => Number(number).toFixed(0));
    expect(rounded(run(STATES.idle, EVENTS.start, PEER, { draw }))).toBe("connect #0, connectRetry 3750 | dial");
    expect(rounded(run(STATES["open-sent"], EVENTS.open, PEER, { draw }))).toBe(
      "open-confirm #2, hold 9000, keepalive 2250 | send keepalive",
    );
    expect(run(STATES.active, EVENTS["tcp connected"], PEER, { draw })).toBe(OPENED);
  });

  it("never lets two keepalives follow within a second (BGP-4271-10-04)", () => {
    const shortest = { ...STATES.established, session: { ...session, holdTimeSeconds: 3, keepaliveMillis: 1000 } };
    const at = run({ ...shortest, keepalive: NOW }, EVENTS["no deadline"], PEER, { draw: 0.99 });
    expect(at).toMatch(/keepalive 1000/);
  });

  it("is due at the earliest of those that the state has", () => {
    expect(Object.values(STATES).map((state) => nextDeadline(state))).toEqual(
      [null, 1000, 2000, 1000, 2000, 3000, 1500, 20_000, 1500].map((millis) => millis && later(millis)),
    );
    expect(nextDeadline({ ...STATES.idle, idleHold: later(5) })).toBe(later(5));
    expect(nextDeadline({ ...STATES.established, hold: null, keepalive: null })).toBe(sendHold);
  });

  it("of the peer's silence counts before all others that are due", () => {
    expect(run({ ...STATES.established, hold: NOW, keepalive: NOW, sendHold: NOW }, EVENTS["no deadline"])).toBe(
      `${EXPIRED} hard`,
    );
    expect(run({ ...STATES["open-confirm"], hold: NOW, keepalive: NOW }, EVENTS["no deadline"])).toBe(EXPIRED);
  });
});

describe("a hold time of 0", () => {
  it("arms nothing after the KEEPALIVE that answers the OPEN (BGP-4271-8-09)", () => {
    const peer = { ...PEER, holdTimeSeconds: 0 };
    const { state, actions } = step(STATES["open-sent"], EVENTS.open, contextOf(peer));
    expect(stateText(state)).toBe("open-confirm #2");
    expect(actions.map(actionText)).toEqual(["send keepalive"]);
    const up = step(state, EVENTS.keepalive, contextOf(peer)).state;
    expect(stateText(up)).toBe("established #2");
    for (const event of [EVENTS.update, EVENTS["sent update"], EVENTS.drained, EVENTS.keepalive]) {
      expect(stateText(step(up, event, contextOf(peer)).state)).toBe("established #2");
    }
  });
});

describe("the SendHoldTimer", () => {
  const armed = (holdTimeSeconds: number, sendHoldTimeSeconds: number | null): string => {
    const slow = { ...STATES.established, sendHold: null, session: { ...session, holdTimeSeconds } };
    return run(slow, EVENTS.drained, { ...PEER, sendHoldTimeSeconds }).replace(/.*1500(, )?/, "");
  };

  it("starts with the session and again whenever TCP has taken what we wrote (BGP-9687-3-01)", () => {
    expect(run(STATES["open-confirm"], EVENTS.keepalive)).toMatch(/sendHold 480000/);
    expect(run(STATES.established, EVENTS.drained)).toMatch(/sendHold 480000/);
    expect(run(STATES.established, EVENTS["sent update"])).toMatch(/sendHold 400000/);
    expect(armed(0, null)).toBe("");
  });

  it("takes 8 minutes or twice the hold time, or what is configured; 0 turns it off (BGP-9687-5-01)", () => {
    expect(armed(9, null)).toBe("sendHold 480000");
    expect(armed(600, null)).toBe("sendHold 1200000");
    expect(armed(9, 20)).toBe("sendHold 20000");
    expect(armed(9, 0)).toBe("");
  });

  it("ends the session without waiting for the peer to take a NOTIFICATION (BGP-9687-4-01)", () => {
    const due = { ...STATES.established, sendHold: NOW, keepalive: NOW };
    expect(run(due, EVENTS["no deadline"])).toBe(`${DOWN} | abort fault hard`);
  });
});

describe("the wait before the next attempt", () => {
  const fell = (state: Partial<State>, peer = PEER, draw = 0): string =>
    run({ ...STATES.established, ...state } as State, EVENTS["tcp failed"], peer, { draw }).replace(/ \|.*/, "");

  it("grows from 1 to 30 seconds, less up to a quarter, or to what is configured (BGP-4271-8-12)", () => {
    expect([0, 1, 2, 3, 4, 5, 50].map((counter) => fell({ counter }))).toEqual([
      "idle #1, idleHold 1000",
      "idle #2, idleHold 2000",
      "idle #3, idleHold 4000",
      "idle #4, idleHold 8000",
      "idle #5, idleHold 16000",
      "idle #6, idleHold 30000",
      "idle #51, idleHold 30000",
    ]);
    expect(fell({ counter: 1 }, PEER, 0.5)).toBe("idle #2, idleHold 1750");
    expect(fell({ counter: 20 }, { ...PEER, idleHoldSecondsMax: 300 })).toBe("idle #21, idleHold 300000");
  });

  it("is small again only after a session that lived as long as the longest wait (BGP-4271-8-12)", () => {
    expect(fell({ counter: 9, since: later(-29_999) })).toBe("idle #10, idleHold 30000");
    expect(fell({ counter: 9, since: later(-30_000) })).toBe("idle #1, idleHold 1000");
    const patient = { ...PEER, idleHoldSecondsMax: 300 };
    expect(fell({ counter: 9, since: later(-30_000) }, patient)).toBe("idle #10, idleHold 300000");
    expect(fell({ counter: 9, since: later(-300_000) }, patient)).toBe("idle #1, idleHold 1000");
  });

  it("does not grow for a peer that answers with another version, though Established counts it", () => {
    expect(run(STATES["open-sent"], EVENTS["notification 2/1"])).toBe(`${AGAIN} | drop notification`);
    expect(run(STATES.established, EVENTS["notification 2/1"])).toBe(`${notified} hard`);
  });

  it("comes before all capabilities are offered again to a peer that refused one (BGP-5492-3-03)", () => {
    const refused = { type: "received-notification", notification: notification(2, 4) } as const;
    expect(run(STATES["open-sent"], refused)).toBe(notified);
    expect(run(STATES.connect, EVENTS["tcp connected"])).toBe(OPENED);
  });
});

describe("BFD in strict mode", () => {
  const strict = { ...PEER, bfdStrict: true };
  const open = { ...OPEN, capabilities: [...OPEN.capabilities, { kind: "bfd-strict" } as const] };
  const hears = { type: "received-open", open } as const;
  const waiting = STATES["open-confirm, BFD awaited"];

  it("holds our KEEPALIVE back until BFD is up, when both sides ask for it (BFD-STRICT-01)", () => {
    expect(run(STATES["open-sent"], hears, strict)).toBe("open-confirm #2, bfdHold 30000");
    expect(run(STATES["open-sent"], hears, strict, { isBfdUp: true })).toBe(`${STRICT} | send keepalive`);
    expect(run(STATES["open-sent"], EVENTS.open, strict)).toBe(`${CONFIRM} | send keepalive`);
    expect(run(STATES["open-sent"], hears, PEER)).toBe(`${CONFIRM} | send keepalive`);
    expect(run(STATES["active, OPEN delayed"], hears, strict)).toBe("open-confirm #2, bfdHold 30000 | send open");
  });

  it("lets the session come up whichever is there first, BFD or the peer's KEEPALIVE (BFD-STRICT-01)", () => {
    expect(run(waiting, EVENTS["bfd up"], strict)).toBe(`${STRICT} | send keepalive`);
    const confirmed = step(waiting, EVENTS.keepalive, contextOf(strict)).state;
    expect(run(confirmed, EVENTS["bfd up"], strict)).toBe(
      "established #2, hold 9000, keepalive 3000, sendHold 480000 | send keepalive",
    );
  });

  it("gives up after 30 seconds, and when BFD goes down again before the session is up (BFD-STRICT-01)", () => {
    expect(run({ ...waiting, bfdHold: NOW }, EVENTS["no deadline"], strict)).toBe(sends("6/10"));
    expect(run(waiting, EVENTS["bfd down"], strict)).toBe("open-confirm #2, bfdHold 20000");
    expect(run({ ...CONFIRMED, session: waiting.session }, EVENTS["bfd down"], strict)).toBe(sends("6/10"));
  });
});
