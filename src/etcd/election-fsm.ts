import { Instant } from "../base/time.ts";
import { unreachable } from "../base/unreachable.ts";

/**
 * One candidate of an election in etcd, by the rules of etcd's own `concurrency.Election`, which kube-vip uses: every
 * candidate keeps a lease alive and puts one key with it under a common prefix, and the key that was created first
 * leads. When its lease runs out or is revoked, etcd removes the key and the next one leads.
 *
 * The holder's safety does not depend on hearing of that: it acts only until the renew deadline after the last renewal
 * that succeeded was *sent*, and etcd keeps a lease for at least its whole duration after it *received* the renewal.
 */
export interface EtcdElectionConfig {
  /** Time to live of the lease. */
  readonly leaseDurationMillis: number;
  /** A holder that has not renewed for this long stops acting; shorter than the lease's duration. */
  readonly renewDeadlineMillis: number;
  readonly retryPeriodMillis: number;
}

interface Leader {
  /** What it put there: kube-vip's is the node's name. */
  readonly holder: string;
  readonly isOurs: boolean;
}

type RequestKind = "grant" | "keep-alive" | "enter" | "find-leader" | "revoke";

export interface EtcdElectionState {
  readonly stands: boolean;
  readonly stopping: boolean;
  /** When the last renewal that succeeded was sent; null without a lease. */
  readonly renewedAt: Instant | null;
  /** The lease may be alive at the server although no answer said so: it has to be revoked before the end. */
  readonly mayHaveLease: boolean;
  /** Whether our key is there; `adopted` when it was there before this process. */
  readonly key: "none" | "put" | "adopted";
  readonly leader: Leader | null;
  /** From when on we may act; null while somebody else leads. */
  readonly actsFrom: Instant | null;
  readonly request: { readonly kind: RequestKind; readonly sentAt: Instant } | null;
  /** When the next round of requests begins. */
  readonly roundAt: Instant;
  readonly revokedAtStop: boolean;
  readonly finished: boolean;
}

export type EtcdElectionEvent =
  | { readonly type: "time-passed" }
  | { readonly type: "candidacy-changed"; readonly stands: boolean }
  | { readonly type: "stop-requested" }
  | { readonly type: "granted" }
  /** A lease with our number is there already: of the process before, or the answer to our request was lost. */
  | { readonly type: "lease-exists" }
  | { readonly type: "kept-alive"; readonly isAlive: boolean }
  | { readonly type: "entered"; readonly wasThere: boolean }
  | { readonly type: "leader-found"; readonly leader: Leader | null }
  | { readonly type: "revoked" }
  | { readonly type: "request-failed" };

export type EtcdElectionAction =
  | { readonly type: RequestKind }
  /** Whoever acts for the holder must have stopped when this returns. */
  | { readonly type: "give-up" }
  | { readonly type: "finish-stop" };

interface Moment {
  readonly now: Instant;
  /** Uniform in [0, 1). */
  readonly fraction: number;
}

interface Step {
  readonly state: EtcdElectionState;
  readonly actions: readonly EtcdElectionAction[];
}

export const initialEtcdElection = (now: Instant): EtcdElectionState => ({
  stands: false,
  stopping: false,
  renewedAt: null,
  mayHaveLease: false,
  key: "none",
  leader: null,
  actsFrom: null,
  request: null,
  roundAt: now,
  revokedAtStop: false,
  finished: false,
});

/** True only while this candidate leads, and certainly nobody else does. */
export function mayActInEtcd(state: EtcdElectionState, now: Instant, config: EtcdElectionConfig): boolean {
  const { actsFrom, renewedAt, stands, stopping } = state;
  if (!stands || stopping || actsFrom === null || renewedAt === null) return false;
  return now >= actsFrom && now < Instant.add(renewedAt, config.renewDeadlineMillis);
}

/** When time alone changes something. */
export function nextEtcdDeadline(state: EtcdElectionState, now: Instant, config: EtcdElectionConfig): Instant | null {
  if (state.finished) return null;
  const { actsFrom, renewedAt, request, roundAt } = state;
  const isComing = (at: Instant | null): Instant | null => (at !== null && at > now ? at : null);
  const deadline = actsFrom === null || renewedAt === null ? null : Instant.add(renewedAt, config.renewDeadlineMillis);
  return Instant.earliest(request === null ? roundAt : null, isComing(actsFrom), isComing(deadline));
}

/** Half of what is between two attempts and the deadline: one request that hangs must leave time for another. */
export const etcdRequestTimeoutMillis = (config: EtcdElectionConfig): number =>
  Math.max(250, (config.renewDeadlineMillis - config.retryPeriodMillis) / 2);

export function stepEtcdElection(
  before: EtcdElectionState,
  event: EtcdElectionEvent,
  moment: Moment,
  config: EtcdElectionConfig,
): Step {
  if (before.finished) return { state: before, actions: [] };
  const wasActing = mayActInEtcd(before, moment.now, config);
  const { state, next } = take(before, event, moment, config);
  const giveUp: readonly EtcdElectionAction[] =
    wasActing && (state.stopping || !state.stands) ? [{ type: "give-up" }] : [];
  const advanced = advance(state, next, moment);
  return { state: advanced.state, actions: [...giveUp, ...advanced.actions] };
}

/** What the event says, and the request that has to follow at once. */
function take(
  before: EtcdElectionState,
  event: EtcdElectionEvent,
  moment: Moment,
  config: EtcdElectionConfig,
): { readonly state: EtcdElectionState; readonly next: RequestKind | null } {
  const { now } = moment;
  const sentAt = before.request?.sentAt ?? now;
  const answered: EtcdElectionState = { ...before, request: null };
  switch (event.type) {
    case "time-passed":
      return { state: before, next: null };
    case "candidacy-changed":
      return { state: { ...before, stands: event.stands, roundAt: now }, next: null };
    case "stop-requested":
      return { state: { ...before, stopping: true, roundAt: now }, next: null };
    case "granted":
      return { state: { ...answered, renewedAt: sentAt, mayHaveLease: true, key: "none" }, next: "enter" };
    case "lease-exists":
      return { state: { ...answered, mayHaveLease: true }, next: "keep-alive" };
    case "kept-alive":
      return event.isAlive
        ? {
            state: { ...answered, renewedAt: sentAt },
            next: before.key === "none" ? "enter" : "find-leader",
          }
        : { state: { ...withoutLease(answered), mayHaveLease: false }, next: "grant" };
    case "entered":
      return { state: { ...answered, key: event.wasThere ? "adopted" : "put" }, next: "find-leader" };
    case "leader-found":
      return { state: rest(withLeader(answered, event.leader, now, config), moment, config), next: null };
    case "revoked":
      return { state: rest({ ...withoutLease(answered), mayHaveLease: false }, moment, config), next: null };
    case "request-failed":
      return { state: rest(answered, moment, config), next: null };
    default:
      return unreachable(event);
  }
}

const withoutLease = (state: EtcdElectionState): EtcdElectionState => ({
  ...state,
  renewedAt: null,
  key: "none",
  leader: state.leader?.isOurs === true ? null : state.leader,
  actsFrom: null,
});

/**
 * A new leader waits one retry period before it acts: a kube-vip that has lost etcd notices that only when its own count
 * of the lease has run out, which is a little later than etcd's. One's own key of an earlier process needs no waiting.
 */
function withLeader(
  state: EtcdElectionState,
  leader: Leader | null,
  now: Instant,
  config: EtcdElectionConfig,
): EtcdElectionState {
  if (leader === null || !leader.isOurs) return { ...state, leader, actsFrom: null };
  const waitMillis = state.key === "adopted" ? 0 : config.retryPeriodMillis;
  return { ...state, leader, actsFrom: state.actsFrom ?? Instant.add(now, waitMillis) };
}

/** Up to a fifth later than the period says, so that candidates do not ask in step. */
const rest = (state: EtcdElectionState, { now, fraction }: Moment, config: EtcdElectionConfig): EtcdElectionState => ({
  ...state,
  roundAt: Instant.add(now, config.retryPeriodMillis * (1 + fraction / 5)),
});

/** Sends what follows, or begins a round when it is time for one. One request is under way at a time. */
function advance(state: EtcdElectionState, next: RequestKind | null, { now }: Moment): Step {
  const send = (kind: RequestKind): Step => ({
    state: {
      ...state,
      request: { kind, sentAt: now },
      mayHaveLease: state.mayHaveLease || kind === "grant",
      revokedAtStop: state.stopping && kind === "revoke",
    },
    actions: [{ type: kind }],
  });
  if (state.request !== null) return { state, actions: [] };
  if (state.stopping) {
    // Tried once: what could not be revoked runs out by itself.
    if (state.mayHaveLease && !state.revokedAtStop) return send("revoke");
    return { state: { ...withoutLease(state), finished: true }, actions: [{ type: "finish-stop" }] };
  }
  const isDue = now >= state.roundAt;
  if (!state.stands) {
    if (state.mayHaveLease && (isDue || next !== null)) return send("revoke");
    return isDue ? send("find-leader") : { state, actions: [] };
  }
  if (next !== null) return send(next);
  if (!isDue) return { state, actions: [] };
  return send(state.renewedAt === null ? "grant" : "keep-alive");
}
