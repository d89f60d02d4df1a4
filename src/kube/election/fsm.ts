import { Instant } from "../../base/time.ts";
import { unreachable } from "../../base/unreachable.ts";
import { type LeaseObject, sameRecord } from "./lease.ts";

/**
 * Leader election by Lease, as client-go's leaderelection package does it, as a pure machine.
 *
 * Four rules carry the safety. (1) Nobody's clock is compared with another's: a Lease counts as taken until our own
 * monotonic clock has seen it unchanged for the duration that its holder wrote into it. (2) Every write names the
 * resourceVersion it was derived from, so of several candidates the server lets one through. (3) The holder counts its
 * renew deadline from the moment before it *sent* the last renewal that succeeded, and others count the longer lease
 * duration from when they saw it, which is later: the holder has stopped before anyone may begin. (4) An answer that
 * comes late makes nobody leader: what counts is when its request was sent.
 *
 * Two daemons under one identity (a copied configuration, or kube-vip and vipcast on one node) would each take the
 * other's renewals for its own. So a record that names us and that we did not write is another's: whoever sees one stops
 * acting, and respects it as a stranger's until nobody renews it any more. What an earlier run has left is adopted at
 * once all the same, because it is there when the Lease is first seen, and does not change.
 *
 * Where this departs from client-go: a watch may report changes, so that a candidate need not poll and learns of a
 * release at once; a holder that sees its Lease deleted or taken stops at once instead of at its next renewal; and a
 * candidate can stand down, which releases the Lease.
 */
export interface ElectionConfig {
  readonly identity: string;
  /** What we promise others; more than `renewDeadlineMillis`. */
  readonly leaseDurationMillis: number;
  readonly renewDeadlineMillis: number;
  readonly retryPeriodMillis: number;
}

interface Observed {
  /** null: there is no such Lease. */
  readonly lease: LeaseObject | null;
  /** When this record was first seen, on our own clock. */
  readonly at: Instant;
}

/** The one request that is under way. */
type Request =
  | { readonly kind: "read" }
  | { readonly kind: "write"; readonly purpose: Purpose; readonly sentAt: Instant };

type Purpose = "take" | "renew" | "release";

interface Shared {
  /** The owner wants to lead if it can. */
  readonly stands: boolean;
  readonly stopping: boolean;
  /** A watch reports changes of the Lease; without one we read it in every retry period. */
  readonly watching: boolean;
  /** null until the Lease, or its absence, was first seen. */
  readonly observed: Observed | null;
  readonly request: Request | null;
  /** Writes refused in a row; from the second on we wait before trying again. */
  readonly refusals: number;
  /** A write of ours got no answer: a record that names us may be what became of it. */
  readonly unanswered: boolean;
  /** Another daemon renews the Lease under our identity. */
  readonly usurped: boolean;
}

export interface Following extends Shared {
  readonly name: "following";
  readonly nextAt: Instant | null;
}

export interface Leading extends Shared {
  readonly name: "leading";
  readonly since: Instant;
  /** When the last renewal that succeeded was sent. */
  readonly renewedAt: Instant;
  /** From here on we hold nothing. */
  readonly renewBy: Instant;
  readonly nextAt: Instant;
}

export interface Releasing extends Shared {
  readonly name: "releasing";
  readonly nextAt: Instant | null;
  /** When we leave the Lease to expire by itself. */
  readonly giveUpAt: Instant;
}

export interface Stopped extends Shared {
  readonly name: "stopped";
}

export type State = Following | Leading | Releasing | Stopped;

export type Event =
  | { readonly type: "time-passed" }
  | { readonly type: "candidacy-changed"; readonly stands: boolean }
  | { readonly type: "stop-requested" }
  | { readonly type: "watch-changed"; readonly watching: boolean }
  /** Seen by the watch; null when it was deleted. `revision` is the resourceVersion of that change. */
  | { readonly type: "lease-observed"; readonly lease: LeaseObject | null; readonly revision: string }
  /** Answers to the request that is under way. */
  | { readonly type: "lease-read"; readonly lease: LeaseObject | null }
  | { readonly type: "lease-written"; readonly lease: LeaseObject }
  /** Someone else was faster: the resourceVersion is old, or the Lease is there already or no longer. */
  | { readonly type: "write-refused" }
  /** No answer, or one that says nothing about the Lease. The write may have been carried out. */
  | { readonly type: "request-failed"; readonly retryAfterMillis: number | null };

export type Action =
  | { readonly type: "read" }
  | {
      readonly type: "write";
      readonly purpose: Purpose;
      /** null creates the Lease. */
      readonly base: LeaseObject | null;
      readonly holder: string;
      readonly durationSeconds: number;
      readonly transitions: number;
      /** null: now. */
      readonly acquireTime: string | null;
    }
  /** The owner must have stopped acting when this returns; the release is sent afterwards. */
  | { readonly type: "give-up" }
  | { readonly type: "finish-stop" };

export interface Step {
  readonly state: State;
  readonly actions: readonly Action[];
}

/** When the step happens, and a number from [0, 1) for its jitter. */
export interface Moment {
  readonly now: Instant;
  readonly fraction: number;
}

/** client-go's JitterFactor: a candidate waits between one and 2.2 retry periods. */
const JITTER = 1.2;
/** client-go's release: the empty Lease expires at once for those that look at durations only. */
const RELEASED_DURATION_SECONDS = 1;

export function initial(now: Instant): State {
  return {
    name: "following",
    stands: false,
    stopping: false,
    watching: false,
    observed: null,
    request: null,
    refusals: 0,
    unanswered: false,
    usurped: false,
    nextAt: now,
  };
}

/** True while the owner may act. Asks the clock, not only the state: an alarm may ring late. */
export const mayAct = (state: State, now: Instant): boolean => state.name === "leading" && now < state.renewBy;

/** When to come back with "time-passed". */
export function nextDeadline(state: State): Instant | null {
  switch (state.name) {
    case "following":
      return state.request ? null : state.nextAt;
    case "leading":
      return state.request ? state.renewBy : Instant.earliest(state.renewBy, state.nextAt);
    case "releasing":
      return state.request ? state.giveUpAt : Instant.earliest(state.giveUpAt, state.nextAt);
    case "stopped":
      return null;
    default:
      return unreachable(state);
  }
}

/** Pure: equal arguments give an equal Step; nothing is performed. */
export function step(state: State, event: Event, moment: Moment, config: ElectionConfig): Step {
  switch (state.name) {
    case "following":
      return following(state, event, moment, config);
    case "leading":
      return leading(state, event, moment, config);
    case "releasing":
      return releasing(state, event, moment, config);
    case "stopped":
      return stay(state);
    default:
      return unreachable(state);
  }
}

function following(state: Following, event: Event, moment: Moment, config: ElectionConfig): Step {
  const { now } = moment;
  switch (event.type) {
    case "time-passed":
      if (state.request || !Instant.isDue(state.nextAt, now)) return stay(state);
      return state.watching && state.observed ? pursue(state, moment, config) : read(state);
    case "candidacy-changed": {
      const changed = { ...state, stands: event.stands };
      return state.request ? stay(changed) : state.observed ? pursue(changed, moment, config) : read(changed);
    }
    case "stop-requested": {
      const changed = { ...state, stopping: true, stands: false };
      // A take that is under way may succeed; its answer decides whether there is something to release.
      if (state.request?.kind === "write") return enterReleasing(changed, moment, config);
      return pursue({ ...changed, request: null }, moment, config);
    }
    case "watch-changed": {
      const changed = { ...state, watching: event.watching };
      return state.request || !state.observed ? stay(changed) : pursue(changed, moment, config);
    }
    case "lease-observed": {
      if (isOld(event.revision, state.observed)) return stay(state);
      const changed = attribute(state, event.lease, now, config);
      return state.request ? stay(changed) : pursue(changed, moment, config);
    }
    case "lease-read":
      return pursue(attribute({ ...state, request: null }, event.lease, now, config), moment, config);
    case "lease-written":
      return written(state, event.lease, moment, config);
    case "write-refused":
      return read({ ...state, refusals: state.refusals + 1 });
    case "request-failed":
      return stay({ ...failed(state), nextAt: retryAt(event.retryAfterMillis, moment, config) });
    default:
      return unreachable(event);
  }
}

/** Our take succeeded. The Lease names us; whether we may act depends on when we asked. */
function written(state: Following, lease: LeaseObject, moment: Moment, config: ElectionConfig): Step {
  const observed = observe(state.observed, lease, moment.now);
  const settled = { ...state, observed, request: null, refusals: 0, unanswered: false, usurped: false };
  if (state.request?.kind !== "write" || !state.stands) return pursue(settled, moment, config);
  const { sentAt } = state.request;
  const renewBy = Instant.add(sentAt, config.renewDeadlineMillis);
  // The answer took longer than we may act on it: write once more.
  if (renewBy <= moment.now) return pursue(settled, moment, config);
  return stay({
    ...settled,
    name: "leading",
    since: moment.now,
    renewedAt: sentAt,
    renewBy,
    nextAt: Instant.add(sentAt, config.retryPeriodMillis),
  });
}

/** What to do next, knowing the Lease, with no request under way. */
function pursue(state: Following, moment: Moment, config: ElectionConfig): Step {
  const { now } = moment;
  const { observed } = state;
  const record = observed?.lease?.record ?? null;
  const isOurs = record?.holder === config.identity && !state.usurped;
  // A Lease that names us while we do not want it (an earlier run left it, or a take was answered late) only keeps
  // others waiting.
  if (isOurs && !state.stands) return enterReleasing(state, moment, config);
  if (state.stopping) return { state: { ...state, name: "stopped" }, actions: [{ type: "finish-stop" }] };
  if (!observed) return read(state);
  if (!state.stands) {
    const nextAt = state.watching ? null : Instant.add(now, config.leaseDurationMillis * (1 + moment.fraction));
    return stay({ ...state, refusals: 0, nextAt });
  }
  const isFree = isOurs || record === null || record.holder === "";
  const freeAt = isFree ? now : Instant.add(observed.at, durationMillis(record.durationSeconds, config));
  if (freeAt > now) {
    const nextAt = state.watching ? freeAt : Instant.earliest(freeAt, retryAt(null, moment, config));
    return stay({ ...state, refusals: 0, nextAt });
  }
  if (state.refusals >= 2) return stay({ ...state, refusals: 0, nextAt: retryAt(null, moment, config) });
  return write(state, "take", moment, config);
}

function leading(state: Leading, event: Event, moment: Moment, config: ElectionConfig): Step {
  const { now } = moment;
  // Whatever the event is, it comes too late once the deadline has passed.
  if (now >= state.renewBy) return following(lost(state, now), event, moment, config);
  switch (event.type) {
    case "time-passed":
      return state.request || now < state.nextAt ? stay(state) : write(state, "renew", moment, config);
    case "candidacy-changed":
      return event.stands ? stay(state) : enterReleasing({ ...state, stands: false }, moment, config);
    case "stop-requested":
      return enterReleasing({ ...state, stands: false, stopping: true }, moment, config);
    case "watch-changed":
      return stay({ ...state, watching: event.watching });
    case "lease-observed":
      if (isOld(event.revision, state.observed)) return stay(state);
      if (event.lease?.record.holder !== config.identity) {
        return following(lost(state, now), event, moment, config);
      }
      return keep(state, event.lease, moment, config) ?? following(lost(state, now), event, moment, config);
    case "lease-read": {
      if (event.lease?.record.holder !== config.identity) {
        return following(lost(state, now), event, moment, config);
      }
      const kept = attribute({ ...state, request: null }, event.lease, now, config);
      return kept.usurped ? following(lost(state, now), event, moment, config) : retryRenewal(kept, moment, config);
    }
    case "lease-written": {
      const sentAt = state.request?.kind === "write" ? state.request.sentAt : state.renewedAt;
      return stay({
        ...state,
        request: null,
        refusals: 0,
        unanswered: false,
        observed: observe(state.observed, event.lease, now),
        renewedAt: sentAt,
        renewBy: Instant.add(sentAt, config.renewDeadlineMillis),
        nextAt: Instant.add(sentAt, config.retryPeriodMillis),
      });
    }
    case "write-refused":
      return read({ ...state, refusals: state.refusals + 1 });
    case "request-failed": {
      const sentAt = state.request?.kind === "write" ? state.request.sentAt : now;
      const nextAt = Instant.add(event.retryAfterMillis === null ? sentAt : now, config.retryPeriodMillis);
      const asked = Instant.add(now, event.retryAfterMillis ?? 0);
      return stay({ ...failed(state), nextAt: nextAt > asked ? nextAt : asked });
    }
    default:
      return unreachable(event);
  }
}

/** What a watch says of our own Lease; null when another daemon has written it in our name. */
function keep(state: Leading, lease: LeaseObject, { now }: Moment, config: ElectionConfig): Step | null {
  // Perhaps the write under way, which its answer tells better.
  if (state.request?.kind === "write") return stay(state);
  const kept = attribute(state, lease, now, config);
  return kept.usurped ? null : stay(kept);
}

/** The Lease is still ours but changed under us: renew on its new resourceVersion, though not in a tight loop. */
function retryRenewal(state: Leading, moment: Moment, config: ElectionConfig): Step {
  if (state.refusals < 2) return write(state, "renew", moment, config);
  return stay({ ...state, refusals: 0, nextAt: Instant.add(moment.now, config.retryPeriodMillis) });
}

function lost(
  { since: _since, renewedAt: _renewedAt, renewBy: _renewBy, ...shared }: Leading,
  now: Instant,
): Following {
  return { ...shared, name: "following", nextAt: now };
}

function releasing(state: Releasing, event: Event, moment: Moment, config: ElectionConfig): Step {
  const { now } = moment;
  switch (event.type) {
    case "time-passed":
      if (now >= state.giveUpAt) return endRelease(failed(state), false, moment, config);
      return state.request || !Instant.isDue(state.nextAt, now) ? stay(state) : release(state, moment, config);
    case "candidacy-changed":
      return stay({ ...state, stands: event.stands && !state.stopping });
    case "stop-requested": {
      const soon = Instant.add(now, requestTimeoutMillis(config));
      const giveUpAt = soon < state.giveUpAt ? soon : state.giveUpAt;
      return stay({ ...state, stopping: true, stands: false, giveUpAt });
    }
    case "watch-changed":
      return stay({ ...state, watching: event.watching });
    case "lease-observed":
      if (isOld(event.revision, state.observed) || state.request?.kind === "write") return stay(state);
      return stay(attribute(state, event.lease, now, config));
    case "lease-read":
      return release(attribute({ ...state, request: null }, event.lease, now, config), moment, config);
    case "lease-written": {
      const observed = observe(state.observed, event.lease, now);
      const wasRelease = state.request?.kind === "write" && state.request.purpose === "release";
      const settled = { ...state, request: null, observed, unanswered: false };
      return wasRelease ? endRelease(settled, true, moment, config) : release(settled, moment, config);
    }
    case "write-refused":
      return read(state);
    case "request-failed":
      return stay({ ...failed(state), nextAt: Instant.add(now, config.retryPeriodMillis) });
    default:
      return unreachable(event);
  }
}

function enterReleasing(state: Following | Leading, moment: Moment, config: ElectionConfig): Step {
  const patience = state.stopping ? requestTimeoutMillis(config) : config.renewDeadlineMillis;
  const entered: Releasing = {
    name: "releasing",
    stands: state.stands,
    stopping: state.stopping,
    watching: state.watching,
    observed: state.observed,
    request: state.request,
    refusals: 0,
    unanswered: state.unanswered,
    usurped: state.usurped,
    nextAt: null,
    giveUpAt: Instant.add(moment.now, patience),
  };
  // A renewal under way is waited for: its answer brings the resourceVersion that the release needs.
  const { state: next, actions } = state.request ? stay(entered) : release(entered, moment, config);
  return { state: next, actions: [{ type: "give-up" }, ...actions] };
}

function release(state: Releasing, moment: Moment, config: ElectionConfig): Step {
  const isOurs = state.observed?.lease?.record.holder === config.identity && !state.usurped;
  return isOurs ? write(state, "release", moment, config) : endRelease(state, true, moment, config);
}

/** @param known  whether the Lease is known to name us no longer; otherwise it is looked at again after a while */
function endRelease(state: Releasing, known: boolean, moment: Moment, config: ElectionConfig): Step {
  const { giveUpAt: _, ...shared } = state;
  if (state.stopping) return { state: { ...shared, name: "stopped" }, actions: [{ type: "finish-stop" }] };
  const next: Following = { ...shared, name: "following", nextAt: null };
  if (known) return pursue(next, moment, config);
  return stay({ ...next, observed: null, nextAt: Instant.add(moment.now, config.retryPeriodMillis) });
}

/** A request that takes longer is given up: the renew deadline must leave room for a second one. */
export const requestTimeoutMillis = (config: ElectionConfig): number => config.renewDeadlineMillis / 2;

function read(state: Exclude<State, Stopped>): Step {
  return { state: { ...state, request: { kind: "read" } }, actions: [{ type: "read" }] };
}

function write(state: Exclude<State, Stopped>, purpose: Purpose, { now }: Moment, config: ElectionConfig): Step {
  const base = state.observed?.lease ?? null;
  const wasOurs = base?.record.holder === config.identity && !state.usurped;
  const isRelease = purpose === "release";
  const transitions = base?.record.transitions ?? 0;
  const action: Action = {
    type: "write",
    purpose,
    base,
    holder: isRelease ? "" : config.identity,
    durationSeconds: isRelease ? RELEASED_DURATION_SECONDS : config.leaseDurationMillis / 1000,
    // Counts changes of hands: not creation, not renewal, not release.
    transitions: base && !wasOurs ? transitions + 1 : transitions,
    acquireTime: wasOurs && !isRelease ? base.record.acquireTime : null,
  };
  return { state: { ...state, request: { kind: "write", purpose, sentAt: now } }, actions: [action] };
}

const stay = (state: State): Step => ({ state, actions: [] });

/** The time of a record is when it was first seen; the same record under a new resourceVersion keeps it. */
function observe(before: Observed | null, lease: LeaseObject | null, now: Instant): Observed {
  const same =
    before !== null &&
    (lease === null ? before.lease === null : before.lease !== null && sameRecord(before.lease.record, lease.record));
  return { lease, at: same ? before.at : now };
}

/**
 * Takes over what was seen, and says whose it is. A record in our name that differs from the one before is ours only
 * if a write of ours is without an answer; one such write can have been carried out, and no second.
 */
function attribute<S extends Exclude<State, Stopped>>(
  state: S,
  lease: LeaseObject | null,
  now: Instant,
  config: ElectionConfig,
): S {
  const { observed: before, request } = state;
  const observed = observe(before, lease, now);
  if (lease?.record.holder !== config.identity) return { ...state, observed, usurped: false };
  // First sight: an earlier run's. Unchanged: whoever's it was before. A write under way: perhaps that.
  const isNew = before !== null && !(before.lease && sameRecord(before.lease.record, lease.record));
  if (!isNew || request?.kind === "write") return { ...state, observed };
  return state.unanswered ? { ...state, observed, unanswered: false } : { ...state, observed, usurped: true };
}

/** The request under way got no answer. */
const failed = <S extends Exclude<State, Stopped>>(state: S): S => ({
  ...state,
  request: null,
  unanswered: state.unanswered || state.request?.kind === "write",
});

/** A watch may lag behind an answer that we already have. resourceVersions of one kind compare as numbers. */
const isOld = (revision: string, observed: Observed | null): boolean =>
  Number(revision) <= Number(observed?.lease?.resourceVersion ?? Number.NaN);

const durationMillis = (seconds: number, config: ElectionConfig): number =>
  seconds > 0 ? seconds * 1000 : config.leaseDurationMillis;

function retryAt(retryAfterMillis: number | null, { now, fraction }: Moment, config: ElectionConfig): Instant {
  const period = config.retryPeriodMillis * (1 + JITTER * fraction);
  return Instant.add(now, Math.max(period, retryAfterMillis ?? 0));
}
