import { describe, expect, it } from "vitest";
import { seeded } from "../../../test/support/virtual-time.ts";
import { Instant } from "../../base/time.ts";
import {
  type Action,
  type ElectionConfig,
  type Event,
  initial,
  mayAct,
  nextDeadline,
  type State,
  step,
} from "./fsm.ts";
import type { LeaseObject } from "./lease.ts";

const config: ElectionConfig = {
  identity: "me",
  leaseDurationMillis: 15_000,
  renewDeadlineMillis: 10_000,
  retryPeriodMillis: 2_000,
};

/** One candidate amid events in any order and at any time, with an account of its own of what it was told. */
class Candidate {
  state: State = initial(Instant.of(0));
  now = 0;
  revision = 10;
  /** Requests that were asked for and not answered yet. */
  pending: { readonly action: Extract<Action, { type: "read" | "write" }>; readonly sentAt: number }[] = [];
  /** When the last write was sent that was answered well while we stood. */
  provenAt = -Infinity;
  finished = 0;
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  take(event: Event): void {
    const moment = { now: Instant.of(this.now), fraction: this.#random() };
    const { state, actions } = step(this.state, event, moment, config);
    this.state = state;
    for (const action of actions) {
      if (action.type === "read" || action.type === "write") this.pending.push({ action, sentAt: this.now });
      // The owner has to be silent by now: nothing is given up while the state still says that it may act.
      if (action.type === "give-up") expect(mayAct(state, Instant.of(this.now))).toBe(false);
      if (action.type === "finish-stop") this.finished++;
    }
  }

  lease(holder: string, renewTime = `r${this.revision}`): LeaseObject {
    const record = { holder, durationSeconds: 15, acquireTime: "a", renewTime, transitions: 1 };
    return { record, resourceVersion: String(++this.revision), metadata: {}, spec: {} };
  }

  any(): LeaseObject | null {
    const draw = this.#random();
    return draw < 0.15 ? null : this.lease(draw < 0.4 ? "" : draw < 0.7 ? "me" : "other");
  }

  answer(): void {
    const { action, sentAt } = this.pending.pop()!;
    const draw = this.#random();
    if (draw < 0.15) return this.take({ type: "request-failed", retryAfterMillis: draw < 0.05 ? 3_000 : null });
    if (action.type === "read") return this.take({ type: "lease-read", lease: this.any() });
    if (draw < 0.35) return this.take({ type: "write-refused" });
    if (action.holder === "me") this.provenAt = sentAt;
    this.take({ type: "lease-written", lease: this.lease(action.holder) });
  }

  something(): void {
    const draw = this.#random();
    this.now += draw < 0.5 ? 0 : 4_000 * this.#random();
    if (this.pending.length > 0 && draw < 0.6) return this.answer();
    if (draw < 0.7) return this.take({ type: "time-passed" });
    if (draw < 0.85) {
      const lease = this.any();
      return this.take({ type: "lease-observed", lease, revision: lease?.resourceVersion ?? String(++this.revision) });
    }
    if (draw < 0.92) return this.take({ type: "candidacy-changed", stands: this.#random() < 0.7 });
    if (draw < 0.99) return this.take({ type: "watch-changed", watching: this.#random() < 0.5 });
    this.take({ type: "stop-requested" });
  }
}

describe("whatever happens, in whatever order", () => {
  for (const seed of Array.from({ length: 200 }, (_, i) => i + 1)) {
    it(`a candidate acts only in the time of a renewal that was answered, and asks one thing at a time (seed=${seed})`, () => {
      const entropy = seeded(seed);
      const one = new Candidate(() => entropy.fraction());
      one.take({ type: "candidacy-changed", stands: true });
      for (let i = 0; i < 300; i++) {
        const before = one.pending.length;
        one.something();
        const { state, now } = one;
        const acts = mayAct(state, Instant.of(now));
        if (acts) {
          expect(now).toBeLessThan(one.provenAt + config.renewDeadlineMillis);
          expect(state).toMatchObject({ stands: true, stopping: false, usurped: false });
          expect(state.observed?.lease?.record.holder).toBe("me");
        }
        // Also when no event comes any more.
        expect(mayAct(state, Instant.of(Math.max(now, one.provenAt + config.renewDeadlineMillis)))).toBe(false);
        // What replaces a request takes its place: the shell drops the answer to the earlier one.
        one.pending = state.name !== "stopped" && state.request !== null ? one.pending.slice(-1) : [];
        expect(one.pending.length === 1).toBe(state.name !== "stopped" && state.request !== null);
        expect(before).toBeLessThanOrEqual(1);
        // Never stuck: something is under way, or there is a time to come back, or the watch tells.
        const waits = nextDeadline(state) !== null || one.pending.length > 0;
        const idles = state.name === "following" && state.watching && !state.stands;
        expect(waits || idles || state.name === "stopped").toBe(true);
      }
      one.take({ type: "stop-requested" });
      for (let i = 0; i < 100 && one.state.name !== "stopped"; i++) {
        one.now = Math.max(one.now, nextDeadline(one.state) ?? one.now);
        if (one.pending.length > 0) {
          one.pending = [];
          one.take({ type: "request-failed", retryAfterMillis: null });
        } else one.take({ type: "time-passed" });
      }
      expect([one.state.name, one.finished]).toEqual(["stopped", 1]);
    });
  }
});
