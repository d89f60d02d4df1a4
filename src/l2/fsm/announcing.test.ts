import { describe, expect, it } from "vitest";
import { macFromBytes } from "../../addr/mac.ts";
import { Instant } from "../../base/time.ts";
import {
  announceRateMillis,
  type Event,
  type Form,
  INITIAL,
  nextDeadline,
  type SegmentLink,
  type State,
  step,
} from "./announcing.ts";

const LINK: SegmentLink = { interfaceIndex: 2, mac: macFromBytes(Uint8Array.of(2, 0, 0, 0, 0, 1)), up: true };
const OTHER = macFromBytes(Uint8Array.of(2, 0, 0, 0, 0, 2));

/** Feeds the events at their times and `time-passed` at every deadline; gives what was announced when. */
function run(events: readonly (readonly [number, Event])[], until: number, rate = 3000): [number, Form][] {
  const told: [number, Form][] = [];
  let state: State = INITIAL;
  const pending = [...events];
  for (;;) {
    const deadline = nextDeadline(state) ?? Infinity;
    const next = pending[0];
    const at = Math.min(deadline, next?.[0] ?? Infinity);
    if (at > until) return told;
    const event: Event = next && next[0] <= deadline ? pending.shift()![1] : { type: "time-passed" };
    const result = step(state, event, Instant.of(at), rate);
    state = result.state;
    if (result.announce) told.push([at, result.announce]);
  }
}
const held = (link: Partial<SegmentLink> = {}): Event => ({ type: "held", link: { ...LINK, ...link } });
const times = (told: readonly [number, Form][]): number[] => told.map(([at]) => at);

describe("announcing one VIP", () => {
  // The RFCs ask for two requests 2 s apart, and for up to three advertisements 1 s apart: this is both.
  it("tells at once, after one and two seconds, and then at the rate (ARP-5227-1.1-01, ARP-P-02, ND-4861-7.2.6-01)", () => {
    expect(times(run([[100, held()]], 15_000))).toEqual([100, 1100, 2100, 5100, 8100, 11_100, 14_100]);
    expect(times(run([[0, held()]], 3500, 500))).toEqual([0, 500, 1000, 1500, 2000, 2500, 3000, 3500]);
  });

  it("alternates between request and reply (ARP-5227-2.3-02)", () => {
    const forms = run([[0, held()]], 9000).map(([, form]) => form);
    expect(forms).toEqual(["request", "reply", "request", "reply", "request"]);
  });

  it("goes on as before when it hears again what it knows", () => {
    expect(
      times(
        run(
          [
            [0, held()],
            [50, held()],
            [2500, held()],
          ],
          6000,
        ),
      ),
    ).toEqual([0, 1000, 2000, 5000]);
  });

  it("starts over when the Ethernet address or the interface changed", () => {
    expect(
      times(
        run(
          [
            [0, held()],
            [10_000, held({ mac: OTHER })],
          ],
          13_000,
        ),
      ),
    ).toEqual([0, 1000, 2000, 5000, 8000, 10_000, 11_000, 12_000]);
    expect(
      times(
        run(
          [
            [0, held()],
            [2500, held({ interfaceIndex: 3 })],
          ],
          4500,
        ),
      ),
    ).toEqual([0, 1000, 2000, 2500, 3500, 4500]);
  });

  it("is silent while the link is down and starts over when it is back", () => {
    expect(times(run([[0, held({ up: false })]], 60_000))).toEqual([]);
    expect(
      times(
        run(
          [
            [0, held()],
            [500, held({ up: false })],
            [7000, held()],
          ],
          10_000,
        ),
      ),
    ).toEqual([0, 7000, 8000, 9000]);
  });

  it("keeps the other form for the time after a flap", () => {
    const told = run(
      [
        [0, held()],
        [500, held({ up: false })],
        [7000, held()],
      ],
      7000,
    );
    expect(told).toEqual([
      [0, "request"],
      [7000, "reply"],
    ]);
  });

  it("does not gather lateness, and does not catch up after a long stop", () => {
    const first = step(INITIAL, held(), Instant.of(0), 3000);
    const late = step(first.state, { type: "time-passed" }, Instant.of(1200), 3000);
    expect(nextDeadline(late.state)).toBe(2000);
    const stopped = step(late.state, { type: "time-passed" }, Instant.of(60_000), 3000);
    expect(stopped.announce).toBe("request");
    expect(nextDeadline(stopped.state)).toBe(63_000);
  });

  it("does nothing when time passes before the deadline, or with nothing to tell", () => {
    expect(step(INITIAL, { type: "time-passed" }, Instant.of(0), 3000)).toEqual({ state: INITIAL, announce: null });
    const { state } = step(INITIAL, held(), Instant.of(0), 3000);
    expect(step(state, { type: "time-passed" }, Instant.of(999), 3000)).toEqual({ state, announce: null });
  });

  it("takes kube-vip's rule for the rate: below 500 ms it becomes 3 s", () => {
    expect([undefined, 0, 499, 500, 10_000].map(announceRateMillis)).toEqual([3000, 3000, 3000, 500, 10_000]);
  });
});
