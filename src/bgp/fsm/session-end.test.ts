import { describe, expect, it } from "vitest";
import type { BgpFault } from "../wire/faults.ts";
import type { Negotiated, NegotiatedRestart } from "./negotiation.ts";
import { endOfSession, reportedFault } from "./session-end.ts";
import type { Established, Event } from "./state.ts";
import { step } from "./step.ts";
import { actionText, agreed, contextOf, later, notification, OPEN, PEER } from "./test-support.ts";

const restart: NegotiatedRestart = {
  agreed: true,
  notification: true,
  restarting: false,
  restartTimeSeconds: 120,
  families: [{ family: "ipv4-unicast", forwarding: true }],
};
const plain: Negotiated = { ...agreed(OPEN), gracefulRestart: null };
/** RFC 4724 alone, and with RFC 8538. */
const kept: Negotiated = { ...plain, gracefulRestart: { ...restart, notification: false } };
const both: Negotiated = { ...plain, gracefulRestart: restart };
const notHelped: Negotiated = { ...plain, gracefulRestart: { ...restart, agreed: false } };

const HARD: readonly BgpFault[] = [
  { kind: "header.not-synchronized" },
  { kind: "update.malformed-as-path", detail: "" },
  { kind: "fsm.unexpected-in-established", messageType: 1 },
  { kind: "route-refresh.bad-length", message: new Uint8Array(0) },
  { kind: "cease.max-prefixes", afi: 1, safi: 1, limit: 5 },
  { kind: "cease.administrative-shutdown", text: "" },
  { kind: "cease.peer-deconfigured" },
  { kind: "cease.administrative-reset", text: "" },
];
const GRACEFUL: readonly BgpFault[] = [
  { kind: "hold-timer.expired" },
  { kind: "send-hold-timer.expired" },
  { kind: "cease.connection-rejected" },
  { kind: "cease.other-configuration-change" },
  { kind: "cease.connection-collision" },
  { kind: "cease.out-of-resources" },
  { kind: "cease.bfd-down" },
];

const ending = (session: Negotiated, event: Event): string => {
  const state: Established = {
    name: "established",
    counter: 0,
    hold: later(3000),
    keepalive: null,
    sendHold: null,
    session,
    since: later(-1000),
  };
  return step(state, event, contextOf(PEER)).actions.map(actionText).join(" | ");
};
const received = (code: number, subcode: number): Event => ({
  type: "received-notification",
  notification: notification(code, subcode),
});

describe("the end of a session", () => {
  it("by TCP is graceful if the peer asked for it and is helped (BGP-4724-4.2-01)", () => {
    expect(ending(kept, { type: "tcp-failed" })).toBe("drop transport graceful");
    expect(ending(plain, { type: "tcp-failed" })).toBe("drop transport hard");
    expect(ending(notHelped, { type: "tcp-failed" })).toBe("drop transport hard");
  });

  it("by a NOTIFICATION is hard without the N bit on both sides (BGP-4724-4.2-05)", () => {
    expect(ending(kept, received(6, 6))).toBe("drop notification hard");
    for (const fault of [...HARD, ...GRACEFUL]) {
      expect(endOfSession({ kind: "fault", fault }, { ...kept })).toBe("hard");
      expect(reportedFault(fault, kept)).toBe(fault);
      expect(reportedFault(fault, plain)).toBe(fault);
    }
  });

  it("by any NOTIFICATION but a hard reset, or by silence, is graceful with it (BGP-8538-3-01)", () => {
    for (const [code, subcode] of [
      [6, 2],
      [3, 1],
      [4, 0],
      [99, 99],
    ] as const) {
      expect(ending(both, received(code, subcode))).toBe("drop notification graceful");
    }
    const silent = { ...both, holdTimeSeconds: 9 };
    expect(endOfSession({ kind: "fault", fault: { kind: "hold-timer.expired" } }, silent)).toBe("graceful");
    expect(endOfSession({ kind: "fault", fault: { kind: "hold-timer.expired" } }, notHelped)).toBe("hard");
  });

  it("by a hard reset is hard, whatever the reset holds (BGP-8538-3-02)", () => {
    expect(ending(both, received(6, 9))).toBe("drop notification hard");
  });

  it("by a fault of the peer or by the operator is reported as a hard reset, the others are graceful (BGP-8538-3-03)", () => {
    for (const fault of HARD) {
      expect(reportedFault(fault, both), fault.kind).toEqual({ kind: "cease.hard-reset", inner: fault });
      expect(endOfSession({ kind: "fault", fault }, both), fault.kind).toBe("hard");
    }
    for (const fault of GRACEFUL) {
      expect(reportedFault(fault, both), fault.kind).toBe(fault);
      expect(endOfSession({ kind: "fault", fault }, both), fault.kind).toBe("graceful");
    }
    expect(ending(both, { type: "stop", fault: { kind: "cease.peer-deconfigured" } })).toBe(
      "send 6/9 0603 | drop fault hard",
    );
    expect(ending(both, { type: "received-open", open: OPEN })).toBe("send 6/9 050301 | drop fault hard");
  });

  it("by an operator who drains is hard with graceful restart, by one who upgrades silent (BGP-4724-P-01)", () => {
    const drained = { type: "stop", fault: { kind: "cease.administrative-shutdown", text: "" } } as const;
    expect(ending(both, drained)).toMatch(/^send 6\/9 0602/);
    expect(ending(both, { type: "stop", fault: null })).toBe("drop unwanted hard");
  });

  it("by BFD is told the peer at once, and graceful unless its BFD survives its BGP (BGP-9384-3-01, BFD-5882-4.2-01, BFD-5882-4.3-01)", () => {
    const down = (controlPlaneIndependent: boolean): Event => ({ type: "bfd-down", controlPlaneIndependent });
    expect(ending(plain, down(false))).toBe("send 6/10 | drop fault hard");
    expect(ending(both, down(false))).toBe("send 6/10 | drop fault graceful");
    expect(ending(kept, down(false))).toBe("send 6/10 | drop fault graceful");
    expect(ending(both, down(true))).toBe("send 6/9 060a | drop fault hard");
    expect(ending(kept, down(true))).toBe("send 6/10 | drop fault hard");
  });

  it("in OpenConfirm ends nothing, and tells a peer that may keep earlier routes all the same (BGP-8538-3-03)", () => {
    const confirm = {
      name: "open-confirm",
      counter: 0,
      hold: null,
      keepalive: null,
      bfdHold: null,
      isConfirmed: false,
    } as const;
    const stop: Event = { type: "stop", fault: { kind: "cease.peer-deconfigured" } };
    const done = step({ ...confirm, session: both }, stop, contextOf(PEER)).actions.map(actionText);
    expect(done).toEqual(["send 6/9 0603", "drop fault"]);
  });
});

describe("a NOTIFICATION", () => {
  it("is cut to what the peer takes (BGP-8654-5-02)", () => {
    const message = new Uint8Array(5000);
    const send = (session: Negotiated): number => {
      const state = {
        name: "established",
        counter: 0,
        hold: null,
        keepalive: null,
        sendHold: null,
        session,
        since: later(0),
      } as const;
      const event: Event = { type: "faulted", fault: { kind: "route-refresh.bad-length", message } };
      const [action] = step(state, event, contextOf(PEER)).actions;
      return action?.type === "send" && action.message.type === "notification" ? action.message.data.length : -1;
    };
    expect(send(plain)).toBe(4096 - 21);
    expect(send({ ...plain, maxLength: 65_535 })).toBe(5000);
  });
});
