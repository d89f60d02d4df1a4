import { describe, expect, it } from "vitest";
import { Instant } from "../../base/time.ts";
import type { AuthKey } from "../wire/authentication.ts";
import { AUTH_TYPES, sealPacket } from "../wire/authentication.ts";
import { decodeControlPacket } from "../wire/control-packet.ts";
import { ALL_AUTH_TYPES, DIGESTS, key, packet, settings } from "./test-support.ts";
import { authenticate } from "./authenticity.ts";
import { createSession, type SessionState } from "./session-state.ts";
import { step } from "./step.ts";

const at = (millis: number): Instant => Instant.of(millis);
const withAuth = (auth: AuthKey | null): SessionState =>
  createSession(settings({ auth }), { discriminator: 2, sequence: 10 }, at(0));

/** What became of a packet that `by` has signed; the session has taken it when it is "genuine". */
function hear(
  session: SessionState,
  by: AuthKey | null,
  sequence: number,
  now = 0,
  state: "down" | "init" | "up" = "up",
): { readonly verdict: string; readonly session: SessionState } {
  const payload = sealPacket(packet({ state, yourDiscriminator: 2 }), by, sequence, DIGESTS);
  const decoded = decodeControlPacket(payload);
  if (decoded.kind === "discard") return { verdict: decoded.reason, session };
  const sealed = { payload, section: decoded.authSection, multiplier: decoded.packet.multiplier };
  const judged = authenticate(session, sealed, at(now), DIGESTS);
  if (judged.kind === "discard") return { verdict: judged.reason, session };
  const event = { type: "received", packet: decoded.packet, auth: judged.auth, receivedAt: at(now) } as const;
  return { verdict: "genuine", session: step(session, event, at(now), 0).session };
}

const up = (auth: AuthKey | null): SessionState =>
  hear(hear(withAuth(auth), auth, 100, 0, "down").session, auth, 101, 0, "up").session;

const signingOf = (
  session: SessionState,
  now: number,
): { session: SessionState; key: AuthKey | null; sequence: number }[] =>
  step(session, { type: "time-passed" }, at(now), 0).actions.flatMap((action) =>
    action.type === "send" ? [{ session, key: action.key, sequence: action.sequence }] : [],
  );

describe("the A bit", () => {
  it("must be there exactly when the session has a key (BFD-5880-6.8.6-09)", () => {
    expect(hear(withAuth(null), null, 0).verdict).toBe("genuine");
    expect(hear(withAuth(null), key("sha1"), 1).verdict).toBe("auth-unexpected");
    expect(hear(withAuth(key("sha1")), null, 0).verdict).toBe("auth-missing");
    for (const type of ALL_AUTH_TYPES) expect(hear(withAuth(key(type)), key(type), 1).verdict).toBe("genuine");
  });

  it("with the wrong type, key id or secret is of no use (BFD-5880-6.7.1-01)", () => {
    const session = withAuth(key("sha1"));
    expect(hear(session, key("md5"), 1).verdict).toBe("auth-type");
    expect(hear(session, key("sha1", 8), 1).verdict).toBe("auth-key");
    expect(hear(session, key("sha1", 7, "guess"), 1).verdict).toBe("auth-digest");
    expect(hear(session, key("sha1", 7, "guess"), 1).session).toBe(session);
  });
});

describe("sequence numbers", () => {
  for (const type of ["md5", "meticulous-md5", "sha1", "meticulous-sha1"] as const) {
    const first = AUTH_TYPES[type].meticulous ? 1 : 0;
    it(`of ${type} are taken from ${first} to 3 × Detect Mult after the last one (BFD-5880-6.7.3-02)`, () => {
      for (const last of [100, 0xffff_fffe]) {
        const { session } = hear(withAuth(key(type)), key(type), last);
        const verdict = (ahead: number): string => hear(session, key(type), (last + ahead) >>> 0).verdict;
        expect([-1, first - 1, first, 9, 10].map(verdict)).toEqual([
          "auth-sequence",
          "auth-sequence",
          "genuine",
          "genuine",
          "auth-sequence",
        ]);
      }
    });
  }

  it("of a forged packet do not move the window (BFD-5880-6.7.3-02)", () => {
    const { session } = hear(withAuth(key("sha1")), key("sha1"), 100);
    const forged = hear(session, key("sha1", 7, "guess"), 109);
    expect(forged.session.auth.accepted[0]!.sequence).toBe(100);
  });

  it("may be any after twice the Detection Time without a packet (BFD-5880-6.7.3-03)", () => {
    const { session } = hear(withAuth(key("sha1")), key("sha1"), 100, 0, "down");
    expect(hear(session, key("sha1"), 5_000, 1_799).verdict).toBe("auth-sequence");
    expect(hear(session, key("sha1"), 5_000, 1_800).verdict).toBe("genuine");
  });

  it("that we send grow with every packet, around the end of 32 bits (BFD-5880-6.7.3-04)", () => {
    let session = createSession(
      settings({ auth: key("meticulous-sha1") }),
      { discriminator: 2, sequence: 0xffff_fffe },
      at(0),
    );
    const sequences: number[] = [];
    for (let now = 0; now < 4_000; now += 1_000) {
      const result = step(session, { type: "time-passed" }, at(now), 0);
      session = result.session;
      for (const action of result.actions) if (action.type === "send") sequences.push(action.sequence);
    }
    expect(sequences).toEqual([0xffff_ffff, 0, 1, 2]);
  });
});

describe("another key for a session that is up", () => {
  const [old, next] = [key("sha1", 1, "old"), key("meticulous-sha1", 2, "new")];
  const changed = (session: SessionState, auth: AuthKey | null, now = 0): SessionState =>
    step(session, { type: "configured", settings: settings({ auth }) }, at(now), 0).session;

  it("is taken beside the old one, which signs until the peer uses the new (BFD-5880-6.7.1-01)", () => {
    const both = changed(up(old), next);
    expect(signingOf(both, 300)[0]!.key).toEqual(old);
    const still = hear(both, old, 102, 100);
    expect(still.verdict).toBe("genuine");
    expect(signingOf(still.session, 300)[0]!.key).toEqual(old);
    const moved = hear(still.session, next, 9_000, 200);
    expect(moved.verdict).toBe("genuine");
    expect(signingOf(moved.session, 300)[0]!.key).toEqual(next);
    expect(hear(moved.session, old, 103, 250).verdict).toBe("auth-type");
    expect(moved.session.state).toBe("up");
  });

  it("replaces the old one after a minute in any case (BFD-5880-6.7.1-01)", () => {
    let session = changed(up(old), next);
    for (let now = 100; now < 60_000; now += 100) {
      const heard = hear(session, old, 102 + now / 100, now);
      expect(heard.verdict).toBe("genuine");
      ({ session } = heard);
    }
    session = step(session, { type: "time-passed" }, at(60_000), 0).session;
    expect(session).toMatchObject({ state: "up", auth: { signing: next, changeBy: null } });
    expect(hear(session, old, 900, 60_000).verdict).toBe("auth-type");
  });

  it("may be the first one, or none (BFD-5880-6.7.1-01)", () => {
    const first = changed(up(null), next);
    expect(hear(first, null, 0, 10).verdict).toBe("genuine");
    expect(hear(first, next, 5, 10).verdict).toBe("genuine");
    const none = changed(up(old), null);
    expect(hear(none, old, 102, 10).verdict).toBe("genuine");
    expect(hear(none, null, 0, 10).session.auth).toMatchObject({ signing: null, changeBy: null });
  });

  it("can be taken back before anything has happened", () => {
    const back = changed(changed(up(old), next), old);
    expect(back.auth).toMatchObject({ signing: old, changeBy: null, accepted: [{ key: old, sequence: 101 }] });
  });

  it("of a session that is down counts at once", () => {
    expect(changed(withAuth(old), next).auth).toMatchObject({ signing: next, changeBy: null });
  });
});
