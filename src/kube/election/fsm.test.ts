import { describe, expect, it } from "vitest";
import { Instant } from "../../base/time.ts";
import {
  type ElectionConfig,
  type Event,
  type Following,
  type Leading,
  type Releasing,
  type State,
  type Step,
  initial,
  mayAct,
  nextDeadline,
  requestTimeoutMillis,
  step,
} from "./fsm.ts";
import type { LeaseObject } from "./lease.ts";

const config: ElectionConfig = {
  identity: "me",
  leaseDurationMillis: 15_000,
  renewDeadlineMillis: 10_000,
  retryPeriodMillis: 2_000,
};

const at = Instant.of;

function lease(holder: string, revision = 10, record: Partial<LeaseObject["record"]> = {}): LeaseObject {
  return {
    record: { holder, durationSeconds: 15, acquireTime: "a", renewTime: `r${revision}`, transitions: 3, ...record },
    resourceVersion: String(revision),
    metadata: {},
    spec: {},
  };
}

const shared = {
  ...{ stands: true, stopping: false, watching: false, observed: null, request: null, refusals: 0 },
  ...{ unanswered: false, usurped: false },
};
const seen = (object: LeaseObject | null, when = 0) => ({ lease: object, at: at(when) });

const follower = (changes: Partial<Following> = {}): Following => ({
  ...shared,
  name: "following",
  nextAt: at(0),
  ...changes,
});
const leader = (changes: Partial<Leading> = {}): Leading => ({
  ...shared,
  name: "leading",
  observed: seen(lease("me")),
  since: at(0),
  renewedAt: at(0),
  renewBy: at(10_000),
  nextAt: at(2_000),
  ...changes,
});
const releaser = (changes: Partial<Releasing> = {}): Releasing => ({
  ...shared,
  stands: false,
  name: "releasing",
  observed: seen(lease("me")),
  request: { kind: "write", purpose: "release", sentAt: at(0) },
  nextAt: null,
  giveUpAt: at(10_000),
  ...changes,
});

const run = (state: State, event: Event, now: number, fraction = 0): Step =>
  step(state, event, { now: at(now), fraction }, config);

/** "state: action, action", with the purpose of a write. */
const summary = ({ state, actions }: Step): string =>
  [state.name, ...actions.map((a) => (a.type === "write" ? a.purpose : a.type))].join(" ");

const EVENTS: Readonly<Record<Event["type"], Event>> = {
  "time-passed": { type: "time-passed" },
  "candidacy-changed": { type: "candidacy-changed", stands: false },
  "stop-requested": { type: "stop-requested" },
  "watch-changed": { type: "watch-changed", watching: true },
  "lease-observed": { type: "lease-observed", lease: lease("other", 20), revision: "20" },
  "lease-read": { type: "lease-read", lease: lease("other", 20) },
  "lease-written": { type: "lease-written", lease: lease("me", 20) },
  "write-refused": { type: "write-refused" },
  "request-failed": { type: "request-failed", retryAfterMillis: null },
};

const writing = (purpose: "take" | "renew" | "release", sentAt = 0) => ({
  kind: "write" as const,
  purpose,
  sentAt: at(sentAt),
});

/** Every state × event; the event comes at 3 s. */
const CELLS: readonly (readonly [State, Event["type"], string, Event?])[] = [
  [follower(), "time-passed", "following read"],
  [follower({ observed: seen(lease("other")) }), "candidacy-changed", "following"],
  [follower(), "stop-requested", "stopped finish-stop"],
  [follower({ observed: seen(lease("other")) }), "watch-changed", "following"],
  [follower(), "lease-observed", "following"],
  [follower({ request: { kind: "read" } }), "lease-read", "following"],
  [follower({ request: writing("take") }), "lease-written", "leading"],
  [follower({ request: writing("take") }), "write-refused", "following read"],
  [follower({ request: writing("take") }), "request-failed", "following"],
  [leader(), "time-passed", "leading renew"],
  [leader(), "candidacy-changed", "releasing give-up release"],
  [leader(), "stop-requested", "releasing give-up release"],
  [leader(), "watch-changed", "leading"],
  [leader(), "lease-observed", "following"],
  [leader({ request: { kind: "read" } }), "lease-read", "following"],
  [leader({ request: writing("renew", 2_000) }), "lease-written", "leading"],
  [leader({ request: writing("renew") }), "write-refused", "leading read"],
  [leader({ request: writing("renew") }), "request-failed", "leading"],
  [releaser(), "time-passed", "releasing"],
  [releaser(), "candidacy-changed", "releasing"],
  [releaser(), "stop-requested", "releasing"],
  [releaser(), "watch-changed", "releasing"],
  [releaser(), "lease-observed", "releasing"],
  [releaser({ request: { kind: "read" } }), "lease-read", "following"],
  [releaser(), "lease-written", "following", { type: "lease-written", lease: lease("", 20) }],
  [releaser(), "write-refused", "releasing read"],
  [releaser(), "request-failed", "releasing"],
  ...Object.values(EVENTS).map(({ type }) => [{ ...shared, name: "stopped" }, type, "stopped"] as const),
];

describe("every state and event", () => {
  it("has its cell in the table", () => {
    const cells = new Set(CELLS.map(([state, event]) => `${state.name} ${event}`));
    expect(cells.size).toBe(4 * Object.keys(EVENTS).length);
  });

  for (const [state, type, expected, event = EVENTS[type]] of CELLS) {
    it(`${state.name} + ${type} gives ${expected}`, () => {
      expect(summary(run(state, event, 3_000))).toBe(expected);
    });
  }
});

describe("a candidate", () => {
  it("reads the Lease at once and takes one that does not exist, as transition 0", () => {
    const first = run(initial(at(0)), { type: "candidacy-changed", stands: true }, 0);
    expect(summary(first)).toBe("following read");
    const second = run(first.state, { type: "lease-read", lease: null }, 5);
    expect(second.actions).toEqual([
      {
        type: "write",
        purpose: "take",
        base: null,
        holder: "me",
        durationSeconds: 15,
        transitions: 0,
        acquireTime: null,
      },
    ]);
  });

  it("takes a released Lease at once, one transition further", () => {
    const result = run(follower({ request: { kind: "read" } }), { type: "lease-read", lease: lease("") }, 5);
    expect(result.actions).toMatchObject([{ purpose: "take", holder: "me", transitions: 4, acquireTime: null }]);
  });

  it("waits for the duration that the holder wrote, from when it first saw that record, whatever the times in it say", () => {
    const old = lease("other", 10, { renewTime: "2001-01-01T00:00:00.000000Z", durationSeconds: 30 });
    const first = run(follower({ request: { kind: "read" } }), { type: "lease-read", lease: old }, 1_000);
    expect(first.actions).toEqual([]);
    const early = run({ ...first.state, request: { kind: "read" } }, { type: "lease-read", lease: old }, 30_999);
    expect(summary(early)).toBe("following");
    const late = run({ ...first.state, request: { kind: "read" } }, { type: "lease-read", lease: old }, 31_000);
    expect(summary(late)).toBe("following take");
  });

  it("begins to wait anew with every renewal it sees", () => {
    const before = follower({ observed: seen(lease("other", 10)), request: { kind: "read" } });
    const renewed = run(before, { type: "lease-read", lease: lease("other", 11) }, 14_999);
    expect(summary(renewed)).toBe("following");
    const later = run(
      { ...renewed.state, request: { kind: "read" } },
      { type: "lease-read", lease: lease("other", 11) },
      29_998,
    );
    expect(summary(later)).toBe("following");
  });

  it("does not take a new resourceVersion for a renewal", () => {
    const before = follower({ observed: seen(lease("other", 10, { renewTime: "r" })), request: { kind: "read" } });
    const annotated = lease("other", 11, { renewTime: "r" });
    expect(summary(run(before, { type: "lease-read", lease: annotated }, 15_000))).toBe("following take");
  });

  it("polls between one and 2.2 retry periods without a watch, and not at all with one", () => {
    const held: Event = { type: "lease-read", lease: lease("other") };
    const next = (state: Following, fraction: number) => nextDeadline(run(state, held, 1_000, fraction).state);
    const polling = follower({ request: { kind: "read" } });
    expect(next(polling, 0)).toBe(3_000);
    expect(next(polling, 0.999)).toBeCloseTo(1_000 + 2_000 * 2.1988, 0);
    expect(next(follower({ request: { kind: "read" }, watching: true }), 0)).toBe(16_000);
  });

  it("takes a Lease that the watch saw released without asking first", () => {
    const before = follower({ watching: true, observed: seen(lease("other")), nextAt: at(15_000) });
    const result = run(before, { type: "lease-observed", lease: lease("", 11), revision: "11" }, 3_000);
    expect(result.actions).toMatchObject([{ purpose: "take", base: { resourceVersion: "11" } }]);
  });

  it("creates a Lease that the watch saw deleted", () => {
    const before = follower({ watching: true, observed: seen(lease("other")), nextAt: at(15_000) });
    const result = run(before, { type: "lease-observed", lease: null, revision: "11" }, 3_000);
    expect(result.actions).toMatchObject([{ purpose: "take", base: null }]);
  });

  it("ignores what the watch tells later than an answer did", () => {
    const before = follower({ watching: true, observed: seen(lease("other", 10)) });
    for (const old of [lease("", 9), null]) {
      expect(run(before, { type: "lease-observed", lease: old, revision: "9" }, 3_000).state).toBe(before);
    }
  });

  it("adopts a Lease that an earlier run of its own left, without a transition and with its acquire time", () => {
    const result = run(follower({ request: { kind: "read" } }), { type: "lease-read", lease: lease("me") }, 5);
    expect(result.actions).toMatchObject([{ purpose: "take", holder: "me", transitions: 3, acquireTime: "a" }]);
    expect(mayAct(result.state, at(5))).toBe(false);
  });

  it("leads from an answer in time, and counts from the moment the request was sent", () => {
    const { state } = run(follower({ request: writing("take", 1_000) }), EVENTS["lease-written"], 4_000);
    expect(state).toMatchObject({ name: "leading", since: 4_000, renewedAt: 1_000, renewBy: 11_000, nextAt: 3_000 });
  });

  it("does not lead from an answer that came after its deadline, but writes again", () => {
    const result = run(follower({ request: writing("take", 1_000) }), EVENTS["lease-written"], 11_000);
    expect(summary(result)).toBe("following take");
    expect(mayAct(result.state, at(11_000))).toBe(false);
  });

  it("does not lead from an answer that came after it stopped standing, but releases", () => {
    const before = follower({ request: writing("take"), stands: false });
    expect(summary(run(before, EVENTS["lease-written"], 1_000))).toBe("releasing give-up release");
  });

  it("pauses after the second refusal in a row", () => {
    const refused = run(follower({ request: writing("take"), refusals: 1 }), { type: "write-refused" }, 0);
    const read = run(refused.state, { type: "lease-read", lease: lease("") }, 1);
    expect(summary(read)).toBe("following");
    expect(nextDeadline(read.state)).toBe(2_001);
  });

  it("waits as long as the server asks", () => {
    const failed = run(follower({ request: { kind: "read" } }), { type: "request-failed", retryAfterMillis: 7_000 }, 0);
    expect(nextDeadline(failed.state)).toBe(7_000);
  });

  it("that does not stand only looks, and releases a Lease that names it", () => {
    const looking = follower({ stands: false, request: { kind: "read" } });
    expect(summary(run(looking, { type: "lease-read", lease: lease("") }, 0))).toBe("following");
    expect(summary(run(looking, { type: "lease-read", lease: lease("other") }, 0))).toBe("following");
    expect(summary(run(looking, { type: "lease-read", lease: lease("me") }, 0))).toBe("releasing give-up release");
  });
});

describe("the holder", () => {
  it("may act until the deadline to the millisecond, even when no alarm rings", () => {
    expect(mayAct(leader(), at(9_999))).toBe(true);
    expect(mayAct(leader(), at(10_000))).toBe(false);
  });

  it("stops at the deadline while a request hangs", () => {
    const hanging = leader({ request: writing("renew", 2_000) });
    expect(nextDeadline(hanging)).toBe(10_000);
    expect(run(hanging, { type: "time-passed" }, 10_000).state.name).toBe("following");
  });

  it("stops before anyone else may begin, for every time at which its renewal was sent", () => {
    for (const sentAt of [0, 1, 500, 1_999]) {
      const { state } = run(leader({ request: writing("renew", sentAt) }), EVENTS["lease-written"], 1_999);
      const others = sentAt + config.leaseDurationMillis;
      expect(mayAct(state, at(others - 1))).toBe(false);
      expect(mayAct(state, at(sentAt + config.renewDeadlineMillis - 1))).toBe(true);
    }
  });

  it("does not take an event that comes after the deadline for a renewal", () => {
    const hanging = leader({ request: writing("renew", 100) });
    const late = run(hanging, EVENTS["lease-written"], 10_100);
    expect(late.state.name).toBe("following");
  });

  it("renews every retry period, counted from sending, keeping acquire time and transitions", () => {
    const { state, actions } = run(leader(), { type: "time-passed" }, 2_000);
    expect(actions).toMatchObject([{ purpose: "renew", holder: "me", transitions: 3, acquireTime: "a" }]);
    const renewed = run(state, EVENTS["lease-written"], 2_300).state;
    expect(renewed).toMatchObject({ renewedAt: 2_000, renewBy: 12_000, nextAt: 4_000, since: 0 });
  });

  it("keeps its deadline when a renewal fails, and tries again a retry period after it was sent", () => {
    const { state } = run(leader({ request: writing("renew", 2_000) }), EVENTS["request-failed"], 2_500);
    expect(state).toMatchObject({ renewBy: 10_000, nextAt: 4_000 });
  });

  it("tries again at once when a renewal took longer than a retry period to fail", () => {
    const { state } = run(leader({ request: writing("renew", 2_000) }), EVENTS["request-failed"], 7_000);
    expect(nextDeadline(state)).toBe(7_000);
  });

  it("has time for a second request within the deadline", () => {
    expect(requestTimeoutMillis(config) * 2).toBeLessThanOrEqual(config.renewDeadlineMillis);
  });

  it("renews on the new resourceVersion when someone else touched its Lease", () => {
    const refused = run(leader({ request: writing("renew") }), { type: "write-refused" }, 1);
    const again = run(refused.state, { type: "lease-read", lease: lease("me", 12, { renewTime: "r10" }) }, 2);
    expect(again.actions).toMatchObject([{ purpose: "renew", base: { resourceVersion: "12" } }]);
  });

  it("does not hammer a server that refuses every renewal", () => {
    const refused = run(leader({ request: writing("renew"), refusals: 1 }), { type: "write-refused" }, 1);
    const again = run(refused.state, { type: "lease-read", lease: lease("me", 12, { renewTime: "r10" }) }, 2);
    expect(again).toMatchObject({ state: { name: "leading", nextAt: 2_002 }, actions: [] });
  });

  it("stops at once when its Lease names another, or was deleted, by read or by watch", () => {
    for (const found of [lease("other", 11), lease("", 11), null]) {
      const byRead = run(leader({ request: { kind: "read" } }), { type: "lease-read", lease: found }, 1);
      const byWatch = run(leader(), { type: "lease-observed", lease: found, revision: "11" }, 1);
      expect([mayAct(byRead.state, at(1)), mayAct(byWatch.state, at(1))]).toEqual([false, false]);
    }
  });

  it("is not alarmed by its own renewals on the watch, nor by old news", () => {
    const late = lease("me", 11, { renewTime: "r10" });
    const own = run(leader(), { type: "lease-observed", lease: late, revision: "11" }, 1);
    expect(own.state).toMatchObject({ name: "leading", observed: { lease: { resourceVersion: "11" } } });
    const old = run(leader(), { type: "lease-observed", lease: lease("other", 9), revision: "9" }, 1);
    expect(old.state.name).toBe("leading");
  });
});

describe("a release", () => {
  it("comes after the owner gave up, names nobody and lasts a second", () => {
    const { state, actions } = run(leader(), { type: "candidacy-changed", stands: false }, 1_000);
    expect(mayAct(state, at(1_000))).toBe(false);
    expect(actions).toMatchObject([
      { type: "give-up" },
      { type: "write", purpose: "release", holder: "", durationSeconds: 1, transitions: 3, acquireTime: null },
    ]);
  });

  it("waits for a renewal under way, and uses the resourceVersion that it brings", () => {
    const before = leader({ request: writing("renew") });
    const waiting = run(before, { type: "candidacy-changed", stands: false }, 1_000);
    expect(summary(waiting)).toBe("releasing give-up");
    const sent = run(waiting.state, EVENTS["lease-written"], 1_100);
    expect(sent.actions).toMatchObject([{ purpose: "release", base: { resourceVersion: "20" } }]);
  });

  it("is tried again after a failure, and looks first when it was refused", () => {
    const failed = run(releaser(), EVENTS["request-failed"], 100);
    expect(nextDeadline(failed.state)).toBe(2_100);
    expect(summary(run(failed.state, { type: "time-passed" }, 2_100))).toBe("releasing release");
    const refused = run(releaser({ unanswered: true }), { type: "write-refused" }, 100);
    expect(summary(run(refused.state, { type: "lease-read", lease: lease("me", 30) }, 200))).toBe("releasing release");
  });

  it("is left to expire when the API does not answer", () => {
    const given = run(releaser(), { type: "time-passed" }, 10_000);
    expect(given.state).toMatchObject({ name: "following", observed: null, nextAt: 12_000 });
    expect(nextDeadline(releaser())).toBe(10_000);
    const stopping = run(releaser({ stopping: true }), { type: "time-passed" }, 10_000);
    expect(summary(stopping)).toBe("stopped finish-stop");
  });

  it("ends within half the renew deadline when stopping", () => {
    expect(run(leader(), { type: "stop-requested" }, 0).state).toMatchObject({ giveUpAt: 5_000 });
    expect(run(releaser(), { type: "stop-requested" }, 1_000).state).toMatchObject({ giveUpAt: 6_000 });
    expect(run(releaser({ giveUpAt: at(2_000) }), { type: "stop-requested" }, 1_000).state).toMatchObject({
      giveUpAt: 2_000,
    });
  });

  it("lets the owner stand again afterwards", () => {
    const standing = run(releaser(), { type: "candidacy-changed", stands: true }, 10);
    expect(summary(run(standing.state, { type: "lease-written", lease: lease("", 20) }, 20))).toBe("following take");
  });

  it("is not forgotten when a take is under way at the stop", () => {
    const stopping = run(follower({ request: writing("take") }), { type: "stop-requested" }, 10);
    expect(summary(stopping)).toBe("releasing give-up");
    expect(summary(run(stopping.state, EVENTS["lease-written"], 20))).toBe("releasing release");
  });
});

describe("another daemon under the same identity", () => {
  const twin = (revision = 20) => lease("me", revision);
  const seenBy = (state: State, found: LeaseObject, now = 1_000) => [
    run({ ...state, request: { kind: "read" } }, { type: "lease-read", lease: found }, now).state,
    run(state, { type: "lease-observed", lease: found, revision: found.resourceVersion }, now).state,
  ];

  it("makes the holder stop acting as soon as it sees a renewal that it did not write", () => {
    for (const state of seenBy(leader(), twin())) {
      expect(state).toMatchObject({ name: "following", usurped: true });
      expect(mayAct(state, at(1_000))).toBe(false);
    }
  });

  it("is not suspected for what was a write of our own without an answer, but for the next one", () => {
    const unheard = run(leader({ request: writing("renew") }), EVENTS["request-failed"], 500).state;
    for (const state of seenBy(unheard, twin())) {
      expect(state).toMatchObject({ usurped: false, unanswered: false });
      expect(mayAct(state, at(1_000))).toBe(true);
    }
    const attributed = seenBy(unheard, twin())[1]!;
    expect(seenBy(attributed, twin(21))[1]).toMatchObject({ name: "following", usurped: true });
  });

  it("is not suspected while a write is under way, nor for what is no renewal, nor after a write that was answered", () => {
    const busy = leader({ request: writing("renew") });
    const observed: Event = { type: "lease-observed", lease: twin(), revision: "20" };
    expect(run(busy, observed, 500).state).toBe(busy);
    const annotated = lease("me", 20, { renewTime: "r10" });
    for (const state of seenBy(leader(), annotated)) expect(state.name).toBe("leading");
    const answered = run(leader({ unanswered: true, request: writing("renew") }), EVENTS["lease-written"], 500).state;
    expect(seenBy(answered, twin(30))[1]).toMatchObject({ usurped: true });
  });

  it("is respected for its duration, then its Lease is taken as a stranger's", () => {
    const yielded = run(leader({ watching: true }), { type: "lease-observed", lease: twin(), revision: "20" }, 1_000);
    expect(summary(yielded)).toBe("following");
    expect(nextDeadline(yielded.state)).toBe(16_000);
    const renewed = run(yielded.state, { type: "lease-observed", lease: twin(21), revision: "21" }, 9_000).state;
    expect(nextDeadline(renewed)).toBe(24_000);
    const taken = run(renewed, { type: "time-passed" }, 24_000);
    expect(taken.actions).toMatchObject([{ purpose: "take", transitions: 4, acquireTime: null }]);
    expect(run(taken.state, EVENTS["lease-written"], 24_010).state).toMatchObject({ name: "leading", usurped: false });
  });

  it("is forgotten when the Lease names nobody or another, or is deleted", () => {
    const yielded = follower({ observed: seen(twin()), usurped: true, watching: true });
    for (const found of [lease("", 30), lease("other", 30), null]) {
      const { state } = run(yielded, { type: "lease-observed", lease: found, revision: "30" }, 1_000);
      expect(state).toMatchObject({ usurped: false });
    }
  });

  it("keeps its Lease when we stand down, stop or are releasing", () => {
    const yielded = follower({ observed: seen(twin()), usurped: true });
    expect(summary(run(yielded, { type: "candidacy-changed", stands: false }, 1_000))).toBe("following");
    expect(summary(run(yielded, { type: "stop-requested" }, 1_000))).toBe("stopped finish-stop");
    const refused = run(releaser({ stopping: true }), { type: "write-refused" }, 100);
    expect(summary(run(refused.state, { type: "lease-read", lease: twin() }, 200))).toBe("stopped finish-stop");
  });

  it("is told from what an earlier run has left: that is there at first sight, and does not change", () => {
    const first = run(follower({ request: { kind: "read" } }), { type: "lease-read", lease: lease("me") }, 5);
    expect(summary(first)).toBe("following take");
    const idle = run(
      follower({ stands: false, watching: true, observed: seen(null) }),
      { type: "lease-observed", lease: twin(), revision: "20" },
      5,
    );
    expect(summary(idle)).toBe("following");
    expect(idle.state).toMatchObject({ usurped: true });
  });
});
