import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Instant } from "../../base/time.ts";
import { Asn } from "../wire/asn.ts";
import type { Capability } from "../wire/capabilities.ts";
import type { Open } from "../wire/open.ts";
import type { Slot } from "./collision.ts";
import type { FsmPeer } from "./negotiation.ts";
import {
  NEW_PEERING,
  type Peering,
  type PeeringAction,
  peeringDeadline,
  type PeeringEvent,
  stepPeering,
} from "./peering.ts";
import type { Action, Event } from "./state.ts";
import { identifier, notification, NOW, OPEN, PEER } from "./test-support.ts";

const STATE_NAMES = ["idle", "connect", "active", "open-sent", "open-confirm", "established"];
const SLOTS = ["outgoing", "incoming"] as const;

const RESTART: Capability = {
  kind: "graceful-restart",
  restarting: false,
  notification: true,
  restartTimeSeconds: 60,
  families: [{ afi: 1, safi: 1, forwarding: true }],
};

const peers: fc.Arbitrary<FsmPeer> = fc.record({
  localAsn: fc.constantFrom(Asn.of(65_001), Asn.of(65_002)),
  peerAsn: fc.constantFrom(Asn.of(65_002), "external" as const, "internal" as const),
  identifier: fc.constantFrom(identifier("10.0.0.1"), identifier("10.0.0.3")),
  holdTimeSeconds: fc.constantFrom(0, 3, 9, 90),
  holdTimeSecondsMin: fc.constantFrom(3, 20),
  keepaliveSeconds: fc.constantFrom(null, 1),
  connectRetrySeconds: fc.constantFrom(1, 5, 120),
  delayOpenSeconds: fc.constantFrom(0, 0, 2),
  sendHoldTimeSeconds: fc.constantFrom(null, 0, 100),
  idleHoldSecondsMax: fc.constantFrom(1, 30, 300),
  passive: fc.boolean(),
  families: fc.constant(PEER.families),
  requiredFamilies: fc.constantFrom([], ["ipv6-unicast"] as const),
  extendedNextHop: fc.boolean(),
  addPathReceive: fc.boolean(),
  role: fc.constantFrom(null, null, "customer" as const),
  strictRole: fc.boolean(),
  gracefulRestart: fc.constantFrom(null, { restartTimeSeconds: 60, helper: true, longLivedSecondsMax: 5 }),
  bfdStrict: fc.boolean(),
});

const opens = fc
  .record({
    holdTimeSeconds: fc.constantFrom(0, 3, 9, 90),
    identifier: fc.constantFrom(identifier("10.0.0.1"), identifier("10.0.0.2"), identifier("10.0.0.4")),
    twoOctetAs: fc.constantFrom(65_001, 65_002, 65_002, 65_002),
    capabilities: fc.subarray<Capability>([
      { kind: "multiprotocol", afi: 1, safi: 1 },
      { kind: "multiprotocol", afi: 2, safi: 1 },
      { kind: "role", role: "provider" },
      { kind: "bfd-strict" },
      RESTART,
    ]),
  })
  .map((fields) => ({ ...OPEN, ...fields }));

const EMPTY_UPDATE = { type: "update", withdrawn: [], attributes: {}, opaque: [], nlri: [] } as const;
/** A peering is started and stopped as a whole. */
const connectionEvents: fc.Arbitrary<Event> = fc.oneof(
  { weight: 6, arbitrary: opens.map((open): Event => ({ type: "received-open", open })) },
  { weight: 4, arbitrary: fc.constant<Event>({ type: "received-keepalive" }) },
  { weight: 4, arbitrary: fc.constant<Event>({ type: "tcp-connected" }) },
  {
    weight: 8,
    arbitrary: fc.constantFrom<Event>(
      { type: "automatic-stop", fault: { kind: "cease.out-of-resources" } },
      { type: "time-passed" },
      { type: "tcp-failed" },
      { type: "faulted", fault: { kind: "header.not-synchronized" } },
      { type: "faulted", fault: { kind: "open.unsupported-version", version: 3 } },
      { type: "faulted", fault: { kind: "update.malformed-as-path", detail: "" } },
      { type: "faulted", fault: { kind: "route-refresh.bad-length", message: new Uint8Array(0) } },
      { type: "collision-lost" },
      { type: "replaced" },
      { type: "received-notification", notification: notification(2, 1) },
      { type: "received-notification", notification: notification(6, 7) },
      { type: "received-notification", notification: notification(6, 9) },
      { type: "received-update", decoded: { update: EMPTY_UPDATE, faults: [] } },
      { type: "received-route-refresh", request: { type: "route-refresh", afi: 1, subtype: 0, safi: 1 } },
      { type: "sent-update" },
      { type: "drained" },
      { type: "bfd-up" },
      { type: "bfd-down", controlPlaneIndependent: true },
    ),
  },
);

const events: fc.Arbitrary<PeeringEvent> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc
      .tuple(fc.constantFrom(...SLOTS), connectionEvents)
      .map(([slot, event]): PeeringEvent => ({ type: "connection", slot, event })),
  },
  { weight: 3, arbitrary: fc.constant<PeeringEvent>({ type: "accepted" }) },
  { weight: 2, arbitrary: fc.constantFrom<PeeringEvent>({ type: "start" }, { type: "start", restarted: true }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<PeeringEvent>(
      { type: "stop", fault: null },
      { type: "stop", fault: { kind: "cease.peer-deconfigured" } },
      { type: "suspend", fault: { kind: "cease.max-prefixes", afi: 1, safi: 1, limit: 9 }, restartSeconds: null },
      { type: "suspend", fault: { kind: "cease.max-prefixes", afi: 1, safi: 1, limit: 9 }, restartSeconds: 7 },
      { type: "bfd-up" },
      { type: "bfd-down", controlPlaneIndependent: false },
      { type: "bfd-gone" },
    ),
  },
);

const WITH_TCP: ReadonlySet<string> = new Set(["open-sent", "open-confirm", "established"]);

const nameOf = (action: Action): string =>
  action.type === "drop" ? `drop ${action.cause.kind} ${action.end}` : action.type;
/** The corners, which a run of this test meets dozens of times each. */
const CORNERS = ["deliver", "drop fault hard", "drop replaced graceful", "shift"];

/** Which slots have a TCP connection or an attempt at one: what the shell has to hold, by the actions alone. */
class Links {
  readonly open = { outgoing: false, incoming: false };

  perform(action: PeeringAction): void {
    switch (action.type) {
      case "shift":
        expect(this.open).toEqual({ outgoing: false, incoming: true });
        this.open.outgoing = true;
        this.open.incoming = false;
        break;
      case "admit":
        expect(this.open.incoming).toBe(false);
        this.open.incoming = true;
        break;
      case "perform":
        if (action.action.type === "dial") {
          expect(action.slot).toBe("outgoing");
          expect(this.open.outgoing).toBe(false);
          this.open.outgoing = true;
        } else if (action.action.type === "drop") this.open[action.slot] = false;
        else expect(this.open[action.slot], action.action.type).toBe(true);
    }
  }
}

const check = (peering: Peering, now: Instant): void => {
  for (const slot of SLOTS) expect(STATE_NAMES).toContain(peering[slot].name);
  expect(SLOTS.filter((slot) => peering[slot].name === "established").length).toBeLessThanOrEqual(1);
  const deadline = peeringDeadline(peering);
  expect(deadline === null || deadline > now, `deadline ${deadline}, now ${now}`).toBe(true);
};

/** Lets time pass as an alarm does: all that is due is handled before anything else. */
function settle(peering: Peering, now: Instant, peer: FsmPeer, links: Links): Peering {
  for (let rounds = 0; ; rounds++) {
    const deadline = peeringDeadline(peering);
    if (deadline === null || deadline > now) return peering;
    expect(rounds).toBeLessThan(5);
    const next = stepPeering(peering, { type: "time-passed" }, now, peer, 0.5);
    for (const action of next.actions) links.perform(action);
    peering = next.peering;
  }
}

/** What a well-behaved peer would do next on a connection; without it no sequence would get far. */
function progress(peering: Peering, slot: Slot, peer: FsmPeer): PeeringEvent {
  const at = (event: Event): PeeringEvent => ({ type: "connection", slot, event });
  const state = peering[slot];
  switch (state.name) {
    case "idle":
      return slot === "incoming" ? { type: "accepted" } : { type: "start" };
    case "connect":
    case "active":
      return state.delayOpen === null
        ? at({ type: "tcp-connected" })
        : at({ type: "received-open", open: goodOpen(peer) });
    case "open-sent":
      return at({ type: "received-open", open: goodOpen(peer) });
    case "open-confirm":
      return state.bfdHold === null ? at({ type: "received-keepalive" }) : { type: "bfd-up" };
    case "established":
      return at({ type: "received-update", decoded: { update: EMPTY_UPDATE, faults: [] } });
  }
}

const goodOpen = (peer: FsmPeer): Open => ({
  ...OPEN,
  identifier: identifier("10.0.0.2"),
  twoOctetAs: peer.peerAsn === "internal" ? peer.localAsn : peer.peerAsn === "external" ? 64_999 : peer.peerAsn,
  capabilities: [
    { kind: "multiprotocol", afi: 1, safi: 1 },
    { kind: "multiprotocol", afi: 2, safi: 1 },
    { kind: "role", role: "provider" },
    { kind: "bfd-strict" },
    RESTART,
  ],
});

describe("a peering to which anything happens, in any order,", () => {
  it("has known states, one established connection at most, and no deadline in the past (BGP-4271-8-14)", () => {
    const moves = fc.oneof(
      { weight: 2, arbitrary: fc.constantFrom(...SLOTS).map((slot) => ({ progress: slot })) },
      { weight: 1, arbitrary: events },
    );
    const sequences = fc.array(fc.tuple(moves, fc.constantFrom(0, 0, 0, 0, 1, 1000, 6000, 10_000, 300_000)), {
      minLength: 20,
      maxLength: 80,
    });
    const seen = new Set<string>();
    fc.assert(
      fc.property(peers, sequences, (peer, sequence) => {
        let peering = stepPeering(NEW_PEERING, { type: "start" }, NOW, peer, 0.25).peering;
        let now = NOW;
        const links = new Links();
        links.open.outgoing = !peer.passive;
        for (const [move, millis] of sequence) {
          const event = "progress" in move ? progress(peering, move.progress, peer) : move;
          // What does not exist has no events, and TCP connects once.
          if (event.type === "connection" && !links.open[event.slot]) continue;
          const isUp = event.type === "connection" && WITH_TCP.has(peering[event.slot].name);
          if (event.type === "connection" && event.event.type === "tcp-connected" && isUp) continue;
          const next = stepPeering(peering, event, now, peer, 0.25);
          for (const action of next.actions) {
            links.perform(action);
            seen.add(action.type === "perform" ? nameOf(action.action) : action.type);
          }
          peering = next.peering;
          check(settle(peering, now, peer, links), now);
          now = Instant.add(now, millis);
          peering = settle(peering, now, peer, links);
          check(peering, now);
        }
      }),
      { numRuns: 600 },
    );
    // That the sequences go everywhere is part of the proof.
    expect([...seen]).toEqual(expect.arrayContaining(CORNERS));
  });

  it("is idle and asks for nothing after a stop", () => {
    fc.assert(
      fc.property(peers, fc.array(events, { maxLength: 40 }), (peer, sequence) => {
        let peering = NEW_PEERING;
        for (const event of sequence) peering = stepPeering(peering, event, NOW, peer, 0).peering;
        peering = stepPeering(peering, { type: "stop", fault: null }, NOW, peer, 0).peering;
        expect([peering.outgoing.name, peering.incoming.name]).toEqual(["idle", "idle"]);
        expect(peeringDeadline(peering)).toBeNull();
        expect(stepPeering(peering, { type: "accepted" }, NOW, peer, 0).actions).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it("begins again by itself, or listens, when it is started and has nothing left", () => {
    fc.assert(
      fc.property(peers, fc.array(events, { maxLength: 40 }), (peer, sequence) => {
        let peering = NEW_PEERING;
        for (const event of sequence) peering = stepPeering(peering, event, NOW, peer, 0).peering;
        if (!peering.started) return;
        const { outgoing, incoming } = peering;
        const waits = outgoing.name === "idle" && incoming.name === "idle";
        if (waits) expect(outgoing.idleHold).not.toBeNull();
      }),
      { numRuns: 500 },
    );
  });
});
