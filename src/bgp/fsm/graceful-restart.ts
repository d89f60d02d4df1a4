import { Instant } from "../../base/time.ts";
import { unreachable } from "../../base/unreachable.ts";
import type { AddressFamily } from "../wire/families.ts";
import type { Negotiated } from "./negotiation.ts";
import type { SessionEnd } from "./state.ts";

/**
 * What a helper does with the routes of a peer that went away (RFC 4724 §4.2, RFC 9494 §4): per family the deadline
 * until which stale ones are kept. A family that is not listed has no stale routes. Pure; the routes are elsewhere.
 *
 *     lost ─▶ restarting ─▶ long-lived ─▶ deleted         each arrow: its time ran out
 *                 └──────────────┴──▶ resyncing ─▶ deleted    by the new session's End-of-RIB, or its time
 */
export type Retention = readonly RetainedFamily[];

export interface RetainedFamily {
  readonly family: AddressFamily;
  /** `restarting`, `long-lived`: there is no session. `resyncing`: there is one, and it replaces what is stale. */
  readonly phase: "restarting" | "long-lived" | "resyncing";
  readonly until: Instant;
  /** How long the long-lived phase may last; 0 when there is none. */
  readonly longLivedSeconds: number;
}

export const NOTHING_RETAINED: Retention = [];

export type RetentionEvent =
  /** The established session ended. */
  | { readonly type: "lost"; readonly session: Negotiated; readonly end: SessionEnd }
  | { readonly type: "established"; readonly session: Negotiated }
  | { readonly type: "end-of-rib"; readonly family: AddressFamily }
  | { readonly type: "time-passed" };

/** To be performed in this order. */
export type RetentionAction =
  /** All routes of the family that are there now: they stay in use until replaced or deleted. */
  | { readonly type: "mark-stale"; readonly family: AddressFamily }
  | { readonly type: "delete-stale"; readonly family: AddressFamily }
  | { readonly type: "delete-all"; readonly family: AddressFamily }
  /** Stale routes become the last choice; those with NO_LLGR go (RFC 9494 §4.2). */
  | { readonly type: "begin-long-lived"; readonly family: AddressFamily };

/** A peer that never sends End-of-RIB does not keep stale routes alive. */
const RESYNC_MILLIS_MAX = 360_000;

interface Step {
  readonly retention: Retention;
  readonly actions: readonly RetentionAction[];
}

export function stepRetention(retention: Retention, event: RetentionEvent, now: Instant): Step {
  switch (event.type) {
    case "lost":
      return lost(retention, event.session, event.end, now);
    case "established":
      return established(retention, event.session, now);
    case "end-of-rib":
      return endOfRib(retention, event.family);
    case "time-passed":
      return timePassed(retention, now);
    default:
      return unreachable(event);
  }
}

export const retentionDeadline = (retention: Retention): Instant | null =>
  Instant.earliest(...retention.map(({ until }) => until));

function lost(before: Retention, session: Negotiated, end: SessionEnd, now: Instant): Step {
  const { gracefulRestart, longLived } = session;
  const retained: RetainedFamily[] = [];
  const actions: RetentionAction[] = [];
  for (const family of session.families) {
    const isKept = end === "graceful" && gracefulRestart?.families.some((one) => one.family === family) === true;
    if (!isKept) {
      actions.push({ type: "delete-all", family });
      continue;
    }
    // What was stale before this session and was not announced again in it has had its time.
    if (before.some((one) => one.family === family)) actions.push({ type: "delete-stale", family });
    actions.push({ type: "mark-stale", family });
    const longLivedSeconds = longLived?.families.find((one) => one.family === family)?.staleSeconds ?? 0;
    const until = Instant.add(now, gracefulRestart.restartTimeSeconds * 1000);
    retained.push({ family, phase: "restarting", until, longLivedSeconds });
  }
  // A restart time of 0 is over at once.
  const due = timePassed(retained, now);
  return { retention: due.retention, actions: [...actions, ...due.actions] };
}

/** The new session decides which stale routes are still worth something (RFC 4724 §4.2, RFC 9494 §4.2). */
function established(before: Retention, session: Negotiated, now: Instant): Step {
  const retention: RetainedFamily[] = [];
  const actions: RetentionAction[] = [];
  for (const one of before) {
    if (!isForwardingKept(one, session)) {
      actions.push({ type: "delete-stale", family: one.family });
      continue;
    }
    const bound = Instant.add(now, RESYNC_MILLIS_MAX);
    // The long-lived time runs on until End-of-RIB.
    const until = one.phase === "long-lived" && one.until < bound ? one.until : bound;
    retention.push({ ...one, phase: "resyncing", until });
  }
  return { retention, actions };
}

/** The session has the family, and the peer says by F that it went on forwarding. */
function isForwardingKept({ family, phase }: RetainedFamily, session: Negotiated): boolean {
  const listed = phase === "long-lived" ? session.longLived?.families : session.gracefulRestart?.families;
  return session.families.includes(family) && listed?.some((one) => one.family === family && one.forwarding) === true;
}

/** More than one, one for a family without routes, or one before any route: all fine (RFC 4724 §2). */
function endOfRib(before: Retention, family: AddressFamily): Step {
  const ends = (one: RetainedFamily): boolean => one.family === family && one.phase === "resyncing";
  if (!before.some(ends)) return { retention: before, actions: [] };
  return { retention: before.filter((one) => !ends(one)), actions: [{ type: "delete-stale", family }] };
}

function timePassed(before: Retention, now: Instant): Step {
  const retention: RetainedFamily[] = [];
  const actions: RetentionAction[] = [];
  for (const one of before) {
    if (one.until > now) retention.push(one);
    else if (one.phase === "restarting" && one.longLivedSeconds > 0) {
      actions.push({ type: "begin-long-lived", family: one.family });
      retention.push({ ...one, phase: "long-lived", until: Instant.add(now, one.longLivedSeconds * 1000) });
    } else actions.push({ type: "delete-stale", family: one.family });
  }
  return { retention, actions };
}
