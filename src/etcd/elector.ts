import type { Logger } from "pino";
import { Instant } from "../base/time.ts";
import { RunToCompletion } from "../base/run-to-completion.ts";
import { unreachable } from "../base/unreachable.ts";
import type { Alarm, Clock, Entropy } from "../ports/clock.ts";
import { emit } from "../telemetry/events.ts";
import {
  type EtcdElectionAction,
  type EtcdElectionConfig,
  type EtcdElectionEvent,
  type EtcdElectionState,
  etcdRequestTimeoutMillis,
  initialEtcdElection,
  mayActInEtcd,
  nextEtcdDeadline,
  stepEtcdElection,
} from "./election-fsm.ts";
import { type EtcdGateway, EtcdRefused, EtcdUnreachable } from "./gateway.ts";
import { electionPrefix, leaseIdOf, prefixEnd } from "./names.ts";

export interface EtcdElectorParts {
  readonly gateway: EtcdGateway;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Logger;
}

export interface EtcdElectorOptions {
  readonly lease: { readonly namespace: string; readonly name: string };
  /** Unique among the candidates; kube-vip's is the node's name. */
  readonly identity: string;
  readonly leaseDurationSeconds: number;
  readonly renewDeadlineSeconds: number;
  readonly retryPeriodSeconds: number;
  /** Called before the key is taken back, with `isHolder` already false. */
  readonly beforeRelease?: () => void;
}

export interface EtcdElectorView {
  readonly holder: string | null;
  /** True only while we may act. */
  readonly isHolder: boolean;
  /** Why the last request failed; null once one has succeeded. */
  readonly error: string | null;
  /** While we may act: until when etcd keeps our key, whatever becomes of us. */
  readonly heldUntil: Instant | null;
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const textOf = (encoded = ""): string => Buffer.from(encoded, "base64").toString();

/** etcd's words for a lease that is not there, and for one that is there already. */
const NOT_FOUND = /requested lease not found/;
const EXISTS = /lease already exists/;

/** One candidate for one election in etcd. All rules are in `stepEtcdElection`; here requests are made. */
export class EtcdElector {
  readonly #parts: EtcdElectorParts;
  readonly #options: EtcdElectorOptions;
  readonly #config: EtcdElectionConfig;
  readonly #leaseId: bigint;
  readonly #prefix: string;
  readonly #key: string;
  readonly #alarm: Alarm;
  readonly #listeners = new Set<() => void>();
  readonly #stopped = Promise.withResolvers<void>();
  #state: EtcdElectionState;
  readonly #turns = new RunToCompletion(
    () => this.#notify(),
    () => this.#alarm.set(nextEtcdDeadline(this.#state, this.#parts.clock.now(), this.#config)),
  );
  #error: string | null = null;
  #shown = "";

  constructor(parts: EtcdElectorParts, options: EtcdElectorOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#config = {
      leaseDurationMillis: options.leaseDurationSeconds * 1000,
      renewDeadlineMillis: options.renewDeadlineSeconds * 1000,
      retryPeriodMillis: options.retryPeriodSeconds * 1000,
    };
    this.#prefix = electionPrefix(options.lease);
    this.#leaseId = leaseIdOf(options.lease, options.identity);
    this.#key = `${this.#prefix}${this.#leaseId.toString(16)}`;
    this.#state = initialEtcdElection(parts.clock.now());
    this.#alarm = parts.clock.alarm(() => this.#dispatch({ type: "time-passed" }));
    this.#dispatch({ type: "time-passed" });
  }

  get view(): EtcdElectorView {
    const { leader, renewedAt } = this.#state;
    const isHolder = mayActInEtcd(this.#state, this.#parts.clock.now(), this.#config);
    return {
      holder: leader?.holder ?? null,
      isHolder,
      error: this.#error,
      heldUntil: isHolder && renewedAt !== null ? Instant.add(renewedAt, this.#config.leaseDurationMillis) : null,
    };
  }

  setCandidate(stands: boolean): void {
    if (stands !== this.#state.stands) this.#dispatch({ type: "candidacy-changed", stands });
  }

  /** Called after `view` has changed. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes our key back. Resolves after two requests' time at the latest, whatever etcd does. */
  stop(): Promise<void> {
    this.#dispatch({ type: "stop-requested" });
    return this.#stopped.promise;
  }

  #dispatch(event: EtcdElectionEvent): void {
    this.#turns.run(() => {
      const moment = { now: this.#parts.clock.now(), fraction: this.#parts.entropy.fraction() };
      const { state, actions } = stepEtcdElection(this.#state, event, moment, this.#config);
      this.#state = state;
      for (const action of actions) this.#perform(action);
    });
  }

  #perform(action: EtcdElectionAction): void {
    const id = this.#leaseId.toString();
    switch (action.type) {
      case "grant":
        return this.#ask("/v3/lease/grant", { ID: id, TTL: String(this.#options.leaseDurationSeconds) }, () => ({
          type: "granted",
        }));
      case "keep-alive":
        return this.#ask("/v3/lease/keepalive", { ID: id }, (answer) => {
          // The gateway of a stream: the first message of it. A lease that is gone has no time to live.
          const { result } = answer as { result?: { TTL?: string } };
          return { type: "kept-alive", isAlive: Number(result?.TTL ?? 0) > 0 };
        });
      case "enter":
        return this.#enter(id);
      case "find-leader":
        return this.#findLeader();
      case "revoke":
        return this.#ask("/v3/lease/revoke", { ID: id }, () => ({ type: "revoked" }));
      case "give-up":
        return this.#options.beforeRelease?.();
      case "finish-stop":
        this.#alarm.close();
        return this.#stopped.resolve();
      default:
        return unreachable(action);
    }
  }

  #enter(lease: string): void {
    const key = base64(this.#key);
    const body = {
      compare: [{ key, target: "CREATE", result: "EQUAL", create_revision: "0" }],
      success: [{ request_put: { key, value: base64(this.#options.identity), lease } }],
      failure: [],
    };
    this.#ask("/v3/kv/txn", body, (answer) => ({
      type: "entered",
      wasThere: (answer as { succeeded?: boolean }).succeeded !== true,
    }));
  }

  #findLeader(): void {
    const body = {
      key: base64(this.#prefix),
      range_end: base64(prefixEnd(this.#prefix)),
      sort_order: "ASCEND",
      sort_target: "CREATE",
      limit: "1",
    };
    this.#ask("/v3/kv/range", body, (answer) => {
      const [first] = (answer as { kvs?: readonly { key?: string; value?: string }[] }).kvs ?? [];
      if (!first) return { type: "leader-found", leader: null };
      const isOurs = textOf(first.key) === this.#key;
      return { type: "leader-found", leader: { holder: textOf(first.value), isOurs } };
    });
  }

  #ask(path: string, body: object, read: (answer: unknown) => EtcdElectionEvent): void {
    const { gateway } = this.#parts;
    const fail = (error: unknown): void => {
      if (error instanceof EtcdRefused && NOT_FOUND.test(error.message)) return this.#withoutLease(path);
      if (error instanceof EtcdRefused && EXISTS.test(error.message))
        return this.#answer(null, { type: "lease-exists" });
      if (!(error instanceof EtcdUnreachable || error instanceof EtcdRefused)) throw error;
      return this.#answer(error.message, { type: "request-failed" });
    };
    void gateway
      .call(path, body, etcdRequestTimeoutMillis(this.#config))
      .then((answer) => this.#answer(null, read(answer)), fail);
  }

  /** The lease ran out: nothing to revoke, nothing to renew, and no key can be put with it. */
  #withoutLease(path: string): void {
    this.#answer(null, path.endsWith("/revoke") ? { type: "revoked" } : { type: "kept-alive", isAlive: false });
  }

  #answer(error: string | null, event: EtcdElectionEvent): void {
    // Once per kind of failure: the retry period is short and an outage may be long.
    if (error !== null && error !== this.#error) {
      emit(
        this.#parts.log,
        "election.request-failed",
        { lease: this.#prefix, error },
        "request for the election failed",
      );
    }
    this.#error = error;
    this.#dispatch(event);
  }

  #notify(): void {
    const { holder, isHolder, error } = this.view;
    const shown = JSON.stringify([holder, isHolder, error]);
    if (shown === this.#shown) return;
    const [, wasHolder] = (this.#shown === "" ? [null, false] : JSON.parse(this.#shown)) as [string | null, boolean];
    this.#shown = shown;
    if (wasHolder !== isHolder) {
      const to = isHolder ? "leading" : "following";
      emit(this.#parts.log, "election.state", { lease: this.#prefix, to, holder: holder ?? "" }, "election");
    }
    for (const listener of this.#listeners) listener();
  }
}
