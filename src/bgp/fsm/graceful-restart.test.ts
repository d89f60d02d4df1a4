import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Instant } from "../../base/time.ts";
import type { AddressFamily } from "../wire/families.ts";
import {
  NOTHING_RETAINED,
  type Retention,
  retentionDeadline,
  type RetentionEvent,
  stepRetention,
} from "./graceful-restart.ts";
import type { Negotiated } from "./negotiation.ts";
import { agreed, NOW, OPEN } from "./test-support.ts";

interface Asked {
  readonly seconds?: number;
  readonly forwarding?: readonly AddressFamily[];
  readonly notForwarding?: readonly AddressFamily[];
  readonly long?: readonly { family: AddressFamily; forwarding: boolean; staleSeconds: number }[];
  readonly families?: readonly AddressFamily[];
}
const V4 = "ipv4-unicast";
const V6 = "ipv6-unicast";

/** A session whose peer asks for this. */
function sessionWith(asked: Asked): Negotiated {
  const { seconds = 120, forwarding = [], notForwarding = [], long, families = [V4, V6] } = asked;
  return {
    ...agreed(OPEN),
    families,
    gracefulRestart: {
      agreed: true,
      notification: false,
      restarting: false,
      restartTimeSeconds: seconds,
      families: [
        ...forwarding.map((family) => ({ family, forwarding: true })),
        ...notForwarding.map((family) => ({ family, forwarding: false })),
      ],
    },
    longLived: long === undefined ? null : { families: long },
  };
}
const V4_KEPT = sessionWith({ forwarding: [V4] });
const ALL_KEPT = sessionWith({ forwarding: [V4, V6] });

class Timeline {
  retention: Retention = NOTHING_RETAINED;
  now = NOW;

  do(event: RetentionEvent): string {
    const { retention, actions } = stepRetention(this.retention, event, this.now);
    this.retention = retention;
    return actions.map(({ type, family }) => `${type} ${family.slice(0, 4)}`).join(", ");
  }
  lost(session: Negotiated, end: "graceful" | "hard" = "graceful"): string {
    return this.do({ type: "lost", session, end });
  }
  up(session: Negotiated): string {
    return this.do({ type: "established", session });
  }
  endOfRib(family: AddressFamily): string {
    return this.do({ type: "end-of-rib", family });
  }
  pass(seconds: number): string {
    this.now = Instant.add(this.now, seconds * 1000);
    return this.do({ type: "time-passed" });
  }
  get phases(): string {
    return this.retention
      .map(({ family, phase, until }) => `${family.slice(0, 4)} ${phase} ${(until - this.now) / 1000}`)
      .join(", ");
  }
}

describe("routes of a peer that goes away", () => {
  it("are kept as stale in the families that it listed, for its restart time (BGP-4724-4.2-01)", () => {
    const line = new Timeline();
    expect(line.lost(V4_KEPT)).toBe("mark-stale ipv4, delete-all ipv6");
    expect(line.phases).toBe("ipv4 restarting 120");
    expect(retentionDeadline(line.retention)).toBe(Instant.add(NOW, 120_000));
    expect(line.pass(119)).toBe("");
  });

  it("are deleted when it does not come back in time (BGP-4724-4.2-02)", () => {
    const line = new Timeline();
    line.lost(ALL_KEPT);
    expect(line.pass(120)).toBe("delete-stale ipv4, delete-stale ipv6");
    expect(line.retention).toEqual([]);
    expect(retentionDeadline(line.retention)).toBeNull();
  });

  it("are deleted at once where its new OPEN does not say that it went on forwarding (BGP-4724-4.2-02)", () => {
    const back = (session: Negotiated): string => {
      const line = new Timeline();
      line.lost(ALL_KEPT);
      return line.up(session);
    };
    expect(back(ALL_KEPT)).toBe("");
    expect(back(sessionWith({ forwarding: [V4], notForwarding: [V6] }))).toBe("delete-stale ipv6");
    expect(back(V4_KEPT)).toBe("delete-stale ipv6");
    expect(back(sessionWith({ forwarding: [V4, V6], families: [V6] }))).toBe("delete-stale ipv4");
    expect(back({ ...ALL_KEPT, gracefulRestart: null })).toBe("delete-stale ipv4, delete-stale ipv6");
  });

  it("are replaced until End-of-RIB, or for six minutes, and what is stale then is deleted (BGP-4724-4.2-03)", () => {
    const line = new Timeline();
    line.lost(ALL_KEPT);
    line.pass(50);
    line.up(ALL_KEPT);
    expect(line.phases).toBe("ipv4 resyncing 360, ipv6 resyncing 360");
    expect(line.endOfRib(V4)).toBe("delete-stale ipv4");
    expect(line.pass(359)).toBe("");
    expect(line.pass(1)).toBe("delete-stale ipv6");
  });

  it("that were stale before are deleted when it is lost again, and the others are stale then (BGP-4724-4.2-04)", () => {
    const line = new Timeline();
    line.lost(ALL_KEPT);
    line.up(ALL_KEPT);
    line.endOfRib(V6);
    expect(line.lost(ALL_KEPT)).toBe("delete-stale ipv4, mark-stale ipv4, mark-stale ipv6");
    expect(line.phases).toBe("ipv4 restarting 120, ipv6 restarting 120");
  });

  it("are all deleted when the end was hard, earlier stale ones too", () => {
    const line = new Timeline();
    line.lost(ALL_KEPT);
    line.up(ALL_KEPT);
    expect(line.lost(ALL_KEPT, "hard")).toBe("delete-all ipv4, delete-all ipv6");
    expect(line.retention).toEqual([]);
  });

  it("are deleted at once when its restart time is 0", () => {
    const line = new Timeline();
    expect(line.lost(sessionWith({ seconds: 0, forwarding: [V4] }))).toBe(
      "mark-stale ipv4, delete-all ipv6, delete-stale ipv4",
    );
  });
});

describe("End-of-RIB", () => {
  it("may come for a family without stale routes, twice, and before the peer is lost (BGP-4724-2-02)", () => {
    const line = new Timeline();
    expect(line.endOfRib(V4)).toBe("");
    line.lost(ALL_KEPT);
    expect(line.endOfRib(V4)).toBe("");
    line.up(ALL_KEPT);
    expect(line.endOfRib(V4)).toBe("delete-stale ipv4");
    expect(line.endOfRib(V4)).toBe("");
  });
});

describe("routes that are kept for long", () => {
  const long = [{ family: V4, forwarding: true, staleSeconds: 600 }] as const;
  const LONG = sessionWith({ forwarding: [V4, V6], long });

  it("are so when the restart time is over, for the time that was agreed (BGP-9494-4.2-01, BGP-9494-4.2-02)", () => {
    const line = new Timeline();
    line.lost(LONG);
    expect(line.pass(120)).toBe("begin-long-lived ipv4, delete-stale ipv6");
    expect(line.phases).toBe("ipv4 long-lived 600");
    expect(line.pass(600)).toBe("delete-stale ipv4");
  });

  it("are so at once when the restart time is 0 (BGP-9494-4.2-01)", () => {
    const line = new Timeline();
    expect(line.lost(sessionWith({ seconds: 0, forwarding: [V4], long }))).toBe(
      "mark-stale ipv4, delete-all ipv6, begin-long-lived ipv4",
    );
    expect(line.phases).toBe("ipv4 long-lived 600");
  });

  it("are deleted by a new session that does not list them with F, by End-of-RIB, and by their time (BGP-9494-4.2-03)", () => {
    const away = (): Timeline => {
      const line = new Timeline();
      line.lost(LONG);
      line.pass(120);
      return line;
    };
    expect(away().up(ALL_KEPT)).toBe("delete-stale ipv4");
    const withoutF = [{ family: V4, forwarding: false, staleSeconds: 600 }] as const;
    expect(away().up(sessionWith({ forwarding: [V4], long: withoutF }))).toBe("delete-stale ipv4");
    const back = away();
    back.pass(500);
    expect(back.up(LONG)).toBe("");
    expect(back.phases).toBe("ipv4 resyncing 100");
    expect(back.endOfRib(V4)).toBe("delete-stale ipv4");
    const slow = away();
    slow.pass(500);
    slow.up(LONG);
    expect(slow.pass(100)).toBe("delete-stale ipv4");
  });
});

describe("the timeline", () => {
  it("never keeps a deadline that is over, nor a family twice, whatever happens", () => {
    const families = fc.subarray<AddressFamily>([V4, V6]);
    const session = fc
      .record({ seconds: fc.constantFrom(0, 1, 100), forwarding: families, staleSeconds: fc.constantFrom(0, 5) })
      .map(({ seconds, forwarding, staleSeconds }) =>
        sessionWith({
          seconds,
          forwarding,
          long: staleSeconds === 0 ? [] : [{ family: V4, forwarding: true, staleSeconds }],
        }),
      );
    const events = fc.oneof(
      session.chain((one) =>
        fc.constantFrom<RetentionEvent>(
          { type: "lost", session: one, end: "graceful" },
          { type: "lost", session: one, end: "hard" },
          { type: "established", session: one },
        ),
      ),
      fc.constantFrom<RetentionEvent>({ type: "end-of-rib", family: V4 }, { type: "end-of-rib", family: V6 }),
      fc.constant<RetentionEvent>({ type: "time-passed" }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(events, fc.nat(200)), { maxLength: 30 }), (list) => {
        const line = new Timeline();
        for (const [event, seconds] of list) {
          line.do(event);
          line.pass(seconds);
          const deadline = retentionDeadline(line.retention);
          expect(deadline === null || deadline > line.now).toBe(true);
          expect(new Set(line.retention.map((one) => one.family)).size).toBe(line.retention.length);
        }
        line.pass(1000);
        line.pass(1000);
        expect(line.retention).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});
