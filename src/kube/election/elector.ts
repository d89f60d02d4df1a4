import type { Logger } from "pino";
import { RunToCompletion } from "../../base/run-to-completion.ts";
import { Instant } from "../../base/time.ts";
import { unreachable } from "../../base/unreachable.ts";
import type { Alarm, Clock, Entropy } from "../../ports/clock.ts";
import { emit } from "../../telemetry/events.ts";
import { type KubeClient, type KubeResponse, KubeUnreachable } from "../client.ts";
import { messageOf } from "../status-message.ts";
import {
  type Action,
  type ElectionConfig,
  type Event,
  type State,
  initial,
  mayAct,
  nextDeadline,
  requestTimeoutMillis,
  step,
} from "./fsm.ts";
import { LeaseWatch } from "./lease-watch.ts";
import { microTime, parseLease, renderLease } from "./lease.ts";

export interface ElectorParts {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Logger;
}

export interface ElectorOptions {
  readonly lease: { readonly namespace: string; readonly name: string };
  /** Unique among the candidates; kube-vip's is the node's name. */
  readonly identity: string;
  /** Whole seconds. The renew deadline is shorter, the retry period shorter still. */
  readonly leaseDurationSeconds: number;
  readonly renewDeadlineSeconds: number;
  readonly retryPeriodSeconds: number;
  /** Written to the Lease beside those that are there. */
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * "watch" (default) keeps one connection open and hears of changes at once; "poll" reads in every retry period, for
   * so many Leases that a connection each would be too many.
   */
  readonly observe?: "watch" | "poll";
  /**
   * Called before the Lease is given back, with `view.isHolder` already false: whoever acts for the holder must have
   * stopped when this returns. Not called when the Lease is lost, for then there is nothing to wait for.
   */
  readonly beforeRelease?: () => void;
  /** Called after each renewal that succeeded, the first included: when it was sent, and what became of it. */
  readonly onRenewed?: (resourceVersion: string, sentAt: Instant) => void;
}

export interface ElectorView {
  /** Who the Lease names; null when nobody, or when it was not seen yet. */
  readonly holder: string | null;
  /** True only while we may act. */
  readonly isHolder: boolean;
  /** Since when we hold it. */
  readonly since: Instant | null;
  /** When the last renewal that succeeded was sent. */
  readonly renewedAt: Instant | null;
  /** Why the last request failed; null once one has succeeded. */
  readonly error: string | null;
  /** Another daemon renews the Lease under our identity; we do not act until it no longer does. */
  readonly isUsurped: boolean;
}

/**
 * One candidate for one Lease. Begins to look at the Lease at once and stands for it after `setCandidate(true)`.
 * All rules are in `step`; here requests are made, answers become events, and one alarm is kept.
 */
export class Elector {
  readonly #parts: ElectorParts;
  readonly #options: ElectorOptions;
  readonly #config: ElectionConfig;
  readonly #path: string;
  readonly #alarm: Alarm;
  readonly #watch: LeaseWatch | null;
  readonly #listeners = new Set<() => void>();
  readonly #stopped = Promise.withResolvers<void>();
  #state: State;
  readonly #turns = new RunToCompletion(
    // Who listens is told within the turn, before who counts renewals.
    () => {},
    () => this.#alarm.set(nextDeadline(this.#state)),
  );
  #requests = 0;
  #error: string | null = null;
  #shown = "";

  /** @throws RangeError when the three times are not in order: duration > deadline > 1.2 × retry period. */
  constructor(parts: ElectorParts, options: ElectorOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#config = configFrom(options);
    this.#path = `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(options.lease.namespace)}/leases`;
    this.#state = initial(parts.clock.now());
    this.#alarm = parts.clock.alarm(() => this.#dispatch({ type: "time-passed" }));
    this.#watch =
      options.observe === "poll"
        ? null
        : new LeaseWatch(parts, this.#path, options.lease.name, {
            onLease: (lease, revision) => this.#dispatch({ type: "lease-observed", lease, revision }),
            onWatching: (watching) => this.#dispatch({ type: "watch-changed", watching }),
          });
    this.#dispatch({ type: "time-passed" });
  }

  get view(): ElectorView {
    const state = this.#state;
    const isHolder = mayAct(state, this.#parts.clock.now());
    return {
      holder: state.observed?.lease?.record.holder || null,
      isHolder,
      since: isHolder && state.name === "leading" ? state.since : null,
      renewedAt: state.name === "leading" ? state.renewedAt : null,
      error: this.#error,
      isUsurped: state.name !== "stopped" && state.usurped,
    };
  }

  /** Whether this node wants to lead. A holder that no longer wants to gives up and releases the Lease. */
  setCandidate(stands: boolean): void {
    if (stands !== this.#state.stands) this.#dispatch({ type: "candidacy-changed", stands });
  }

  /** Called after `view` has changed in holder, isHolder or error. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Releases the Lease if it is ours. Resolves after half the renew deadline at the latest, whatever the API does. */
  stop(): Promise<void> {
    this.#dispatch({ type: "stop-requested" });
    return this.#stopped.promise;
  }

  #dispatch(event: Event): void {
    this.#turns.run(() => {
      const before = this.#state;
      const moment = { now: this.#parts.clock.now(), fraction: this.#parts.entropy.fraction() };
      const { state, actions } = step(before, event, moment, this.#config);
      this.#state = state;
      this.#report(before, state, event);
      for (const action of actions) this.#perform(action);
      this.#notify();
      const written = event.type === "lease-written" ? state.observed?.lease : null;
      if (written && state.name === "leading") this.#options.onRenewed?.(written.resourceVersion, state.renewedAt);
    });
  }

  #perform(action: Action): void {
    switch (action.type) {
      case "read":
        return this.#ask("GET", `${this.#path}/${this.#options.lease.name}`, undefined, ({ status, body }) => {
          if (status === 404) return { type: "lease-read", lease: null };
          const lease = status === 200 ? parseLease(body) : null;
          return lease && { type: "lease-read", lease };
        });
      case "write":
        return this.#write(action);
      case "give-up":
        return this.#options.beforeRelease?.();
      case "finish-stop":
        this.#watch?.close();
        return this.#stopped.resolve();
      default:
        return unreachable(action);
    }
  }

  #write(action: Extract<Action, { type: "write" }>): void {
    const { base } = action;
    const now = microTime(this.#parts.clock.wallTime());
    const record = {
      holder: action.holder,
      durationSeconds: action.durationSeconds,
      acquireTime: action.acquireTime ?? now,
      renewTime: now,
      transitions: action.transitions,
    };
    const { lease, annotations = {}, labels = {} } = this.#options;
    const body = renderLease(lease, record, base, annotations, labels);
    const path = base ? `${this.#path}/${lease.name}` : this.#path;
    this.#ask(base ? "PUT" : "POST", path, body, ({ status, body }) => {
      // A POST answered with 404 means that the namespace is missing: nobody was faster, and the operator must know.
      if (status === 409 || (status === 404 && base)) return { type: "write-refused" };
      const lease = status === 200 || status === 201 ? parseLease(body) : null;
      return lease && { type: "lease-written", lease };
    });
  }

  /** Sends a request; its answer becomes an event unless a later request has taken its place. */
  #ask(
    method: "GET" | "PUT" | "POST",
    path: string,
    body: object | undefined,
    read: (r: KubeResponse) => Event | null,
  ): void {
    const number = ++this.#requests;
    const timeoutMillis = requestTimeoutMillis(this.#config);
    const answer = (error: string | null, event: Event): void => {
      if (number !== this.#requests) return;
      // Once per kind of failure: the retry period is short and an outage may be long.
      if (error !== null && error !== this.#error) {
        emit(this.#parts.log, "election.request-failed", { lease: this.#name, error }, "request for the Lease failed");
      }
      this.#error = error;
      this.#dispatch(event);
    };
    const request = { method, path, timeoutMillis, ...(body ? { body } : {}) };
    const take = (response: KubeResponse): void => {
      const event = read(response);
      if (event) answer(null, event);
      else answer(messageOf(response), { type: "request-failed", retryAfterMillis: response.retryAfterMillis });
    };
    const fail = (error: unknown): void => {
      if (!(error instanceof KubeUnreachable)) throw error;
      answer(error.message, { type: "request-failed", retryAfterMillis: null });
    };
    void this.#parts.client.request(request).then(take, fail);
  }

  get #name(): string {
    return `${this.#options.lease.namespace}/${this.#options.lease.name}`;
  }

  #report(before: State, after: State, event: Event): void {
    const changed = before.name !== after.name;
    if (after.usurped && !before.usurped) {
      const { identity } = this.#options;
      emit(this.#parts.log, "election.same-identity", { lease: this.#name, identity }, "two daemons under one name");
    }
    const again = before.name === "leading" && after.name === "leading" && before.since !== after.since;
    if (!changed && !again) return;
    const fields = { lease: this.#name, from: before.name, to: after.name, cause: event.type };
    const holder = after.observed?.lease?.record.holder ?? "";
    emit(this.#parts.log, "election.state", { ...fields, holder }, "election");
  }

  #notify(): void {
    const { holder, isHolder, since, error, isUsurped } = this.view;
    const shown = JSON.stringify([holder, isHolder, since, error, isUsurped]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    for (const listener of this.#listeners) listener();
  }
}

function configFrom(options: ElectorOptions): ElectionConfig {
  const { leaseDurationSeconds, renewDeadlineSeconds, retryPeriodSeconds, identity } = options;
  if (!Number.isInteger(leaseDurationSeconds) || !(leaseDurationSeconds > renewDeadlineSeconds)) {
    throw new RangeError(`lease duration of ${leaseDurationSeconds} s: whole seconds, more than the renew deadline`);
  }
  if (!(retryPeriodSeconds > 0) || !(renewDeadlineSeconds > 1.2 * retryPeriodSeconds)) {
    throw new RangeError(`renew deadline of ${renewDeadlineSeconds} s: more than 1.2 × the retry period`);
  }
  return {
    identity,
    leaseDurationMillis: leaseDurationSeconds * 1000,
    renewDeadlineMillis: renewDeadlineSeconds * 1000,
    retryPeriodMillis: retryPeriodSeconds * 1000,
  };
}
