/** Which received packets are the peer's own (RFC 5880 §6.7), and how keys change without the session noticing. */
import { Instant } from "../../base/time.ts";
import { AUTH_TYPES, type AuthKey, type Digests, openPacket } from "../wire/authentication.ts";
import type { DiscardReason } from "../wire/discards.ts";
import type { AcceptedKey, AuthState, SessionState } from "./session-state.ts";
import { detectionMillis } from "./timing.ts";

/**
 * How long a key that is replaced on a live session is still taken and used. Whoever changes both ends has so much time
 * between the first and the second.
 */
const KEY_CHANGE_MILLIS = 60_000;

/** A received packet as far as its keeper is concerned. */
export interface Sealed {
  readonly payload: Uint8Array;
  /** Null without the A bit. */
  readonly section: Uint8Array | null;
  /** Detect Mult of the packet. */
  readonly multiplier: number;
}

export type Authenticity =
  /** `auth` knows the sequence number of this packet. */
  { readonly kind: "genuine"; readonly auth: AuthState } | { readonly kind: "discard"; readonly reason: DiscardReason };

/** Judges a packet by the keys of its session. Nothing is changed by one that is discarded. */
export function authenticate(session: SessionState, sealed: Sealed, now: Instant, digests: Digests): Authenticity {
  const { auth } = session;
  // §6.8.1: after twice the Detection Time without a packet any sequence number will do.
  const isStale = session.heardAt !== null && now >= Instant.add(session.heardAt, 2 * detectionMillis(session));
  let reason: DiscardReason | null = null;
  for (const [index, candidate] of auth.accepted.entries()) {
    const known = isStale ? { ...candidate, sequence: null } : candidate;
    const judged = judge(known, sealed, digests);
    if (judged.kind === "discard") {
      reason ??= judged.reason;
      continue;
    }
    const accepted = auth.accepted.map((it, at) => (at === index ? judged.accepted : it));
    // The first is the wanted one. A peer that uses it has it: the old one is over.
    if (index > 0 || auth.changeBy === null) return { kind: "genuine", auth: { ...auth, accepted } };
    return { kind: "genuine", auth: settled({ ...auth, accepted }) };
  }
  return { kind: "discard", reason: reason! };
}

type Judged =
  | { readonly kind: "accepted"; readonly accepted: AcceptedKey }
  | { readonly kind: "discard"; readonly reason: DiscardReason };

function judge(
  { key, sequence: last }: AcceptedKey,
  { payload, section, multiplier }: Sealed,
  digests: Digests,
): Judged {
  if (key === null)
    return section === null
      ? { kind: "accepted", accepted: { key, sequence: null } }
      : { kind: "discard", reason: "auth-unexpected" };
  if (section === null) return { kind: "discard", reason: "auth-missing" };
  const opened = openPacket(payload, section, key, digests);
  if (opened.kind === "forged") return { kind: "discard", reason: opened.reason };
  const { sequence } = opened;
  if (last !== null && sequence !== null && !isInWindow(sequence, last, multiplier, AUTH_TYPES[key.type].meticulous))
    return { kind: "discard", reason: "auth-sequence" };
  return { kind: "accepted", accepted: { key, sequence } };
}

/** §6.7.3: from the last number, or from the one after it when meticulous, to 3 × Detect Mult ahead; circular. */
function isInWindow(sequence: number, last: number, multiplier: number, meticulous: boolean): boolean {
  const ahead = (sequence - last) >>> 0;
  return ahead >= (meticulous ? 1 : 0) && ahead <= 3 * multiplier;
}

/**
 * Gives a session another key, or the first, or none. On a session that is up the old one is used until the peer uses
 * the new one, and both are taken meanwhile: so either end may be changed first as long as the other follows in time
 * (§6.7.1 asks for such a way).
 */
export function withKey(auth: AuthState, wanted: AuthKey | null, isUp: boolean, now: Instant): AuthState {
  if (isSameKey(auth.accepted[0]!.key, wanted)) return auth;
  const old = auth.accepted.find(({ key }) => isSameKey(key, auth.signing))!;
  // Back to the key that is still in use.
  const next = isSameKey(old.key, wanted) ? old : { key: wanted, sequence: null };
  if (!isUp || next === old) return settled({ ...auth, accepted: [next] });
  return { ...auth, accepted: [next, old], changeBy: Instant.add(now, KEY_CHANGE_MILLIS) };
}

/** The wanted key, alone. */
export const settled = (auth: AuthState): AuthState => ({
  ...auth,
  accepted: auth.accepted.slice(0, 1),
  signing: auth.accepted[0]!.key,
  changeBy: null,
});

function isSameKey(a: AuthKey | null, b: AuthKey | null): boolean {
  if (a === null || b === null) return a === b;
  return (
    a.type === b.type &&
    a.keyId === b.keyId &&
    a.secret.length === b.secret.length &&
    a.secret.every((octet, index) => octet === b.secret[index])
  );
}
