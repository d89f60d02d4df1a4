import { isDeepStrictEqual } from "node:util";
import { Instant } from "../../src/base/time.ts";
import { authenticate } from "../../src/bfd/fsm/authenticity.ts";
import { createSession, type SessionState } from "../../src/bfd/fsm/session-state.ts";
import { step } from "../../src/bfd/fsm/step.ts";
import { detectionMillis, nextDeadline } from "../../src/bfd/fsm/timing.ts";
import { ALL_AUTH_TYPES, DIGESTS, key, packet, settings } from "../../src/bfd/fsm/test-support.ts";
import { openPacket, sealPacket } from "../../src/bfd/wire/authentication.ts";
import { decodeControlPacket, encodeControlPacket, HEADER_LENGTH } from "../../src/bfd/wire/control-packet.ts";
import { DISCARDS } from "../../src/bfd/wire/discards.ts";
import type { FuzzTarget, Outline } from "./target.ts";

const KEYS = [null, ...ALL_AUTH_TYPES.map((type) => key(type))];

/** Every state, with and without each kind of authentication. */
const SEEDS = KEYS.flatMap((one) =>
  (["admin-down", "down", "init", "up"] as const).map((state) =>
    sealPacket(packet({ state, poll: state === "up", yourDiscriminator: state === "down" ? 0 : 2 }), one, 5, DIGESTS),
  ),
);

const outlineOf = (seed: Uint8Array): Outline => {
  const own = { at: 3, width: 1 } as const;
  if (seed.length === HEADER_LENGTH) return { lengths: [own], flags: [0, 1], elements: [] };
  const section = { at: HEADER_LENGTH + 1, width: 1 } as const;
  return {
    lengths: [own, section],
    flags: [0, 1],
    elements: [{ from: HEADER_LENGTH, to: seed.length, own: section, valueFrom: HEADER_LENGTH + 2, enclosing: [own] }],
  };
};

/** What stands before all else: the version, and a Length that fits. */
function repair(input: Uint8Array): void {
  if (input.length < HEADER_LENGTH) return;
  input[0] = 0x20 | (input[0]! & 0x1f);
  input[3] = Math.min(255, input.length);
}

/** A packet that is written again is the same packet, and every key judges every section. */
function judge(input: Uint8Array): void {
  const decoded = decodeControlPacket(input);
  if (decoded.kind === "discard") {
    if (!(decoded.reason in DISCARDS)) throw new Error(`no reason: ${decoded.reason}`);
    return;
  }
  const again = decodeControlPacket(encodeControlPacket(decoded.packet, 0));
  if (again.kind === "discard" || !isDeepStrictEqual(again.packet, decoded.packet))
    throw new Error(`written and read again: ${JSON.stringify(again)}`);
  if (decoded.authSection === null) return;
  for (const one of KEYS) if (one) openPacket(input, decoded.authSection, one, DIGESTS);
}

/** Sessions in every state and with every key, to which the input happens. */
const SESSIONS: readonly SessionState[] = KEYS.flatMap((auth) => {
  const at = Instant.of(1_000);
  const down = createSession(settings({ auth }), { discriminator: 2, sequence: 1 }, at);
  const hear = (session: SessionState, state: "down" | "up"): SessionState =>
    step(session, { type: "received", packet: packet({ state }), auth: session.auth, receivedAt: at }, at, 0).session;
  const init = hear(down, "down");
  return [down, init, hear(init, "up"), step(init, { type: "disabled" }, at, 0).session];
});

/** Whatever a peer says, the session keeps what §6.8.1 promises, answers with little, and knows when to wake. */
function happen(input: Uint8Array): void {
  const decoded = decodeControlPacket(input);
  if (decoded.kind === "discard") return;
  const now = Instant.of(1_100);
  for (const session of SESSIONS) {
    const sealed = { payload: input, section: decoded.authSection, multiplier: decoded.packet.multiplier };
    const judged = authenticate(session, sealed, now, DIGESTS);
    if (judged.kind === "discard") continue;
    const event = { type: "received", packet: decoded.packet, auth: judged.auth, receivedAt: now } as const;
    const { session: next, actions } = step(session, event, now, 0.5);
    const sent = actions.filter((action) => action.type === "send");
    if (sent.length > 2) throw new Error(`${sent.length} packets for one`);
    if (sent.some((action) => action.packet.poll && action.packet.final)) throw new Error("P and F in one packet");
    if (next.localDiscriminator !== session.localDiscriminator) throw new Error("another discriminator");
    if (!Number.isFinite(detectionMillis(next))) throw new Error("no Detection Time");
    const deadline = nextDeadline(next);
    if (deadline !== null && !(deadline >= now - 1_000)) throw new Error(`deadline ${deadline}`);
    if (session.state === "admin-down" && sent.length > 0) throw new Error("an answer in AdminDown");
    step(next, { type: "time-passed" }, Instant.of(1e9), 0.5);
  }
}

export const BFD_TARGETS: readonly FuzzTarget[] = [
  { name: "bfd-packet", seeds: SEEDS, outline: outlineOf, repair, decode: judge },
  { name: "bfd-session", seeds: SEEDS, outline: outlineOf, repair, decode: happen },
];
