import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ip, type Ipv6 } from "../../addr/ip.ts";
import { macFromBytes } from "../../addr/mac.ts";
import { Instant } from "../../base/time.ts";
import { type Action, type Event, INITIAL, nextDeadline, type State, step } from "./router-discovery.ts";

const A = ip("fe80::a") as Ipv6;
const B = ip("fe80::b") as Ipv6;
const MAC_A = macFromBytes(Uint8Array.of(2, 0, 0, 0, 0, 0xa));
const MAC_B = macFromBytes(Uint8Array.of(2, 0, 0, 0, 0, 0xb));

/** A link from its first moment, in virtual time. */
class Link {
  state: State = INITIAL;
  now = 0;
  readonly said: { readonly at: number; readonly action: Action }[] = [];
  readonly #chance: () => number;
  constructor(chance: () => number = () => 0.5) {
    this.#chance = chance;
  }
  tell(event: Event): Action[] {
    const { state, actions } = step(this.state, event, Instant.of(this.now), this.#chance());
    this.state = state;
    for (const action of actions) this.said.push({ at: this.now, action });
    return [...actions];
  }
  hear(source: Ipv6, mac = source === A ? MAC_A : MAC_B, lifetimeSeconds = 0): Action[] {
    return this.tell({ type: "heard-advertisement", source, mac, lifetimeSeconds });
  }
  pass(millis: number): void {
    const end = this.now + millis;
    for (let at = nextDeadline(this.state); at !== null && at <= end; at = nextDeadline(this.state)) {
      this.now = Math.max(this.now, at);
      this.tell({ type: "time-passed" });
    }
    this.now = end;
  }
  times(type: Action["type"]): number[] {
    return this.said.filter(({ action }) => action.type === type).map(({ at }) => at);
  }
}

function up(chance?: () => number): Link {
  const link = new Link(chance);
  link.tell({ type: "link-up" });
  return link;
}

describe("router discovery", () => {
  it("solicits three times, four seconds apart, after a random delay of up to a second (UNN-04)", () => {
    for (const chance of [0, 0.25, 0.999]) {
      const link = up(() => chance);
      link.pass(60_000);
      expect(link.times("solicit")).toEqual([0, 4000, 8000].map((at) => at + chance * 1000));
    }
  });

  it("stops soliciting when an advertisement came (UNN-04)", () => {
    const link = up();
    link.pass(3000);
    link.hear(A);
    link.pass(60_000);
    expect(link.times("solicit")).toEqual([500]);
  });

  it("takes the first router that advertises itself (UNN-01)", () => {
    const link = up();
    expect(link.hear(A)).toEqual([{ type: "found", address: A, instead: null }]);
    expect(link.hear(A)).toEqual([]);
  });

  it("advertises at once, thrice within 16 s each, and then every 3.3 to 10 s (UNN-02, UNN-05)", () => {
    const link = up(() => 0.999);
    link.pass(100_000);
    const times = link.times("advertise");
    expect(times[0]).toBe(0);
    const gaps = times.slice(1).map((at, index) => at - times[index]!);
    expect(Math.max(...gaps.slice(0, 2))).toBeLessThanOrEqual(4000);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(10_000);
    expect(gaps.length).toBeGreaterThan(8);
  });

  it("answers a solicitation within half a second (UNN-02)", () => {
    const link = up(() => 0.9);
    link.pass(20_000);
    // Late enough after the last one that nothing holds the answer back.
    link.pass(link.times("advertise").at(-1)! + 3500 - link.now);
    const before = link.times("advertise").length;
    link.tell({ type: "heard-solicitation" });
    link.pass(500);
    expect(link.times("advertise").length).toBe(before + 1);
    expect(link.times("advertise").at(-1)).toBe(link.now - 50);
  });

  it("never advertises more than once in three seconds, whoever asks and however the link flaps (UNN-05)", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.nat(5000),
            fc.constantFrom<Event>({ type: "heard-solicitation" }, { type: "link-down" }, { type: "link-up" }),
          ),
          { maxLength: 60 },
        ),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (events, chance) => {
          const link = up(() => chance);
          for (const [wait, event] of events) {
            link.pass(wait);
            link.tell(event);
          }
          link.pass(20_000);
          const times = link.times("advertise");
          for (const [index, at] of times.entries())
            if (index > 0) expect(at - times[index - 1]!).toBeGreaterThan(2999.99);
        },
      ),
    );
  });

  it("ignores a second router while the first lives, and says so (UNN-07)", () => {
    const link = up();
    link.hear(A);
    link.pass(34_000);
    expect(link.hear(B)).toEqual([{ type: "ignored", address: B, current: A }]);
    link.hear(A);
    link.pass(34_000);
    expect(link.hear(B)).toEqual([{ type: "ignored", address: B, current: A }]);
  });

  it("takes another router once the first has been silent and has no session (UNN-07)", () => {
    const link = up();
    link.hear(A);
    link.tell({ type: "session", established: true });
    link.pass(3_600_000);
    expect(link.hear(B)).toEqual([{ type: "ignored", address: B, current: A }]);
    link.tell({ type: "session", established: false });
    expect(link.hear(B)).toEqual([{ type: "found", address: B, instead: A }]);
  });

  it("waits for the lifetime that a router gave itself, but not for half an hour (UNN-07)", () => {
    const link = up();
    link.hear(A, MAC_A, 1800);
    link.pass(60_000);
    expect(link.hear(B)[0]?.type).toBe("ignored");
    link.pass(10_000);
    expect(link.hear(B)[0]?.type).toBe("found");
  });

  it("moves to the new address of the same router when there is no session, but not with every packet (UNN-07)", () => {
    const link = up();
    link.hear(A, MAC_A);
    expect(link.hear(B, MAC_A)).toEqual([{ type: "ignored", address: B, current: A }]);
    link.pass(2000);
    expect(link.hear(B, MAC_A)).toEqual([{ type: "found", address: B, instead: A }]);
    link.tell({ type: "session", established: true });
    link.pass(10_000);
    // Nobody on the link can take a living session away by an advertisement.
    expect(link.hear(A, MAC_A)).toEqual([{ type: "ignored", address: A, current: B }]);
  });

  it("forgets the router when the link goes down, and begins again when it is back (UNN-10)", () => {
    const link = up();
    link.hear(A);
    expect(link.tell({ type: "link-down" })).toEqual([{ type: "lost", address: A }]);
    expect(nextDeadline(link.state)).toBeNull();
    expect(link.hear(A)).toEqual([]);
    link.pass(10_000);
    link.tell({ type: "link-up" });
    link.pass(1000);
    expect(link.times("solicit").at(-1)).toBe(10_500);
    expect(link.hear(B)).toEqual([{ type: "found", address: B, instead: null }]);
  });
});
