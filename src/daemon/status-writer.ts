import type { Logger } from "pino";
import { type BackoffPolicy, backoffMillis } from "../base/backoff.ts";
import { Instant } from "../base/time.ts";
import { KubeUnreachable } from "../kube/client.ts";
import { KubeRefused, type KubeWrites } from "../kube/writes.ts";
import type { Alarm, Clock, Entropy } from "../ports/clock.ts";
import { emit } from "../telemetry/events.ts";
import type { IngressFact, ServiceFact, ServiceKey } from "../vip/facts.ts";
import { ingressOf, sameIngress } from "../vip/ingress.ts";
import type { StatusPlan } from "../vip/plan.ts";

/** After a write that was not taken. */
const RETRY: BackoffPolicy = { firstMillis: 500, maxMillis: 30_000, factor: 2, jitter: 0.5 };
/** After a write that was taken, but is not what the watch then says. */
const REPEAT: BackoffPolicy = { firstMillis: 5_000, maxMillis: 300_000, factor: 2, jitter: 0.5 };
/** A status that was right for so long is nobody's bone of contention. */
const AT_PEACE_MILLIS = 60_000;
/** Where every node would write the same: each waits so long for those that come before it. */
const TURN_MILLIS = 1_000;
const TURNS_MAX = 5;
/** The API server has more to do than it can: no other Service is better off. */
const OVERLOADED: readonly number[] = [429, 503];

/** What has to be written to the API server; rejects when it did not take it. */
export interface StatusApi {
  writeIngress(namespace: string, name: string, ingress: readonly IngressFact[]): Promise<void>;
  writeVipHost(namespace: string, name: string, node: string): Promise<void>;
}

export const statusApi = (writes: KubeWrites): StatusApi => ({
  writeIngress: (namespace, name, ingress) =>
    writes.writeIngress(
      namespace,
      name,
      ingress.map(({ address, ports }) => ({ ip: address, ports })),
    ),
  writeVipHost: (namespace, name, node) => writes.writeVipHost(namespace, name, node),
});

/** What became of the last write for a Service. */
interface Attempt {
  /** What the watch had said when it was written; null once it says what was written. */
  service: ServiceFact | null;
  readonly wanted: string;
  /** Failures in a row, or writes in a row that did not last. */
  readonly count: number;
  readonly notBefore: Instant;
  /** Null when the API server took it. */
  readonly error: string | null;
  /** Since when the watch says what was written. */
  rightSince: Instant | null;
}

/**
 * Writes Service status and annotations, one Service at a time, only where they differ from what the watch last said.
 *
 * What was written is not written again while the watch lags behind, and ever more rarely where somebody else writes
 * something different or the API server keeps another spelling. A refused write is tried again later and costs the
 * others nothing; while the API server is away one Service is tried for all.
 */
export class StatusWriter {
  readonly #api: StatusApi;
  readonly #clock: Clock;
  readonly #entropy: Entropy;
  readonly #log: Logger;
  readonly #alarm: Alarm;
  /** What is not written. */
  #wanted = new Map<ServiceKey, StatusPlan>();
  readonly #attempts = new Map<ServiceKey, Attempt>();
  /** Since when something is wanted that was not tried yet. */
  #since = new Map<ServiceKey, { readonly wish: string; readonly at: Instant }>();
  readonly #rankOf: (service: ServiceKey) => number;
  /** Tried, and not seen to be right since. */
  readonly #awaited = new Set<ServiceKey>();
  /** Services that differ, each to be looked at once more before it is written. */
  #queue = new Set<ServiceKey>();
  #outage: { readonly count: number; readonly until: Instant } | null = null;
  #running = false;
  #closed = false;

  /** @param deps.rankOf  how many nodes come before this one to write the status of a Service that all announce */
  constructor(deps: {
    readonly api: StatusApi;
    readonly clock: Clock;
    readonly entropy: Entropy;
    readonly log: Logger;
    readonly rankOf: (service: ServiceKey) => number;
  }) {
    this.#api = deps.api;
    this.#rankOf = deps.rankOf;
    this.#clock = deps.clock;
    this.#entropy = deps.entropy;
    this.#log = deps.log;
    this.#alarm = deps.clock.alarm(() => this.#look());
  }

  want(statuses: readonly StatusPlan[]): void {
    // Of thousands nearly all are written, and have been for long.
    const [before, now] = [this.#since, this.#clock.now()];
    [this.#wanted, this.#since] = [new Map(), new Map()];
    for (const status of statuses) {
      const { key } = status.service;
      if (!status.isWritten) {
        const [wish, known] = [wishOf(status), before.get(key)];
        this.#wanted.set(key, status);
        this.#since.set(key, known?.wish === wish ? known : { wish, at: now });
      } else if (this.#awaited.size > 0) this.#isRight(status.service.key, now);
    }
    if (this.#attempts.size > statuses.length) this.#forget(new Set(statuses.map(({ service }) => service.key)));
    this.#look();
  }

  close(): void {
    this.#closed = true;
    this.#alarm.close();
  }

  /** Finds what has to be written now, and when to look again. */
  #look(): void {
    if (this.#closed) return;
    const now = this.#clock.now();
    let again: Instant | null = null;
    this.#queue = new Set();
    for (const [key, status] of this.#wanted) {
      const attempt = this.#attempts.get(key);
      if (attempt?.rightSince && now - attempt.rightSince >= AT_PEACE_MILLIS) this.#attempts.delete(key);
      else if (attempt) {
        attempt.rightSince = null;
        this.#awaited.add(key);
      }
      const dueAt = this.#dueAt(status);
      if (dueAt === null || dueAt <= now) this.#queue.add(key);
      // The API server took it and has not been heard of since: that is no reason to ask it again.
      else if (attempt === undefined || attempt.error !== null || attempt.service !== status.service)
        again = Instant.earliest(again, dueAt);
    }
    if (!this.#running) void this.#drain();
    // While it runs no alarm is needed: it looks once more at its end.
    const until = this.#queue.size > 0 ? (this.#outage?.until ?? null) : null;
    this.#alarm.set(this.#running ? null : Instant.earliest(again, until));
  }

  async #drain(): Promise<void> {
    for (let status = this.#next(); status !== null; status = this.#next()) {
      this.#running = true;
      await this.#write(status);
    }
    if (!this.#running) return;
    this.#running = false;
    this.#look();
  }

  /** The next Service that still differs and is due; null also while the API server is away. */
  #next(): StatusPlan | null {
    const now = this.#clock.now();
    for (const key of this.#queue) {
      if (this.#closed || (this.#outage && now < this.#outage.until)) return null;
      this.#queue.delete(key);
      const status = this.#wanted.get(key);
      if (!status) continue;
      const dueAt = this.#dueAt(status);
      if (dueAt === null || dueAt <= now) return status;
    }
    return null;
  }

  /** Null for what is to be tried at once: another wish than the last is a new one. */
  #dueAt(status: StatusPlan): Instant | null {
    const { key } = status.service;
    const attempt = this.#attempts.get(key);
    const { wish, at } = this.#since.get(key)!;
    if (attempt !== undefined && attempt.wanted === wish) return attempt.notBefore;
    // Where one node alone announces nobody else writes.
    const rank = status.vipHost === null ? Math.min(this.#rankOf(key), TURNS_MAX) : 0;
    return rank === 0 ? null : Instant.add(at, rank * TURN_MILLIS);
  }

  async #write(status: StatusPlan): Promise<void> {
    const { service, addresses, ports, vipHost } = status;
    try {
      if (!hasIngress(status)) {
        await this.#api.writeIngress(service.namespace, service.name, ingressOf(addresses, ports));
      }
      if (vipHost !== null && service.vipHost !== vipHost) {
        await this.#api.writeVipHost(service.namespace, service.name, vipHost);
      }
      this.#outage = null;
      this.#remember(status, null);
    } catch (error) {
      this.#failed(status, error);
    }
  }

  #failed(status: StatusPlan, error: unknown): void {
    const key = status.service.key;
    const reason = error instanceof Error ? error.message : String(error);
    const concernsAll =
      error instanceof KubeUnreachable || (error instanceof KubeRefused && OVERLOADED.includes(error.status));
    const isNews = concernsAll ? this.#outage === null : this.#attempts.get(key)?.error !== reason;
    if (isNews)
      emit(this.#log, "status.write-failed", { service: key, error: reason }, "status not written, will retry");
    this.#remember(status, reason);
    if (!concernsAll) return void (this.#outage = null);
    const count = (this.#outage?.count ?? 0) + 1;
    const delay = backoffMillis(RETRY, count - 1, this.#entropy.fraction());
    this.#outage = { count, until: Instant.add(this.#clock.now(), delay) };
  }

  #remember(status: StatusPlan, error: string | null): void {
    const { service } = status;
    const wanted = wishOf(status);
    const before = this.#attempts.get(service.key);
    const isSame = before?.wanted === wanted && (before.error === null) === (error === null);
    const count = isSame ? before.count + 1 : 1;
    const delay = backoffMillis(error === null ? REPEAT : RETRY, count - 1, this.#entropy.fraction());
    const notBefore = Instant.add(this.#clock.now(), delay);
    this.#attempts.set(service.key, { service, wanted, count, notBefore, error, rightSince: null });
    this.#awaited.add(service.key);
  }

  #isRight(key: ServiceKey, now: Instant): void {
    if (!this.#awaited.delete(key)) return;
    const attempt = this.#attempts.get(key);
    if (!attempt) return;
    attempt.rightSince = now;
    attempt.service = null;
  }

  /** Attempts for Services that are there no more. */
  #forget(present: ReadonlySet<ServiceKey>): void {
    for (const key of this.#attempts.keys()) {
      if (present.has(key)) continue;
      this.#attempts.delete(key);
      this.#awaited.delete(key);
    }
  }
}

const hasIngress = ({ service, addresses, ports }: StatusPlan): boolean =>
  sameIngress(service, ingressOf(addresses, ports));

/** Another Service of the same name is another wish. */
const wishOf = ({ service, addresses, ports, vipHost }: StatusPlan): string =>
  JSON.stringify([service.uid, addresses, ports, vipHost]);
