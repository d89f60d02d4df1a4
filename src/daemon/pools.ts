import type { Logger } from "pino";
import { type BackoffPolicy, backoffMillis } from "../base/backoff.ts";
import { Instant } from "../base/time.ts";
import { KubeUnreachable } from "../kube/client.ts";
import { KubeRefused } from "../kube/writes.ts";
import { allocate, type Allocation, type Assignment, type Claimant } from "../pools/allocate.ts";
import { claimantOf } from "../pools/claim.ts";
import { parsePools, type Pools } from "../pools/config-map.ts";
import type { Alarm, Clock, Entropy } from "../ports/clock.ts";
import { emit } from "../telemetry/events.ts";
import type { ServiceFact, ServiceKey } from "../vip/facts.ts";
import type { ServicePolicy } from "../vip/snapshot.ts";
import type { Cache } from "./node-parts.ts";

/** After a write that was not taken. */
const RETRY: BackoffPolicy = { firstMillis: 500, maxMillis: 30_000, factor: 2, jitter: 0.5 };
/** A write that was taken is in the watch within milliseconds; after so long it was undone by somebody. */
const SEEN_WITHIN_MILLIS = 10_000;
/** Between a change and the look at everything that it causes. */
const FOLD_MILLIS = 20;

/** Rejects with KubeRefused or KubeUnreachable. */
export interface PoolApi {
  assign(assignment: Assignment): Promise<void>;
}

interface Parts {
  readonly policy: ServicePolicy;
  readonly services: Cache<ServiceFact>;
  /** The data of the ConfigMap, under its one key. */
  readonly configMap: Cache<Readonly<Record<string, string>>>;
  readonly isHolder: () => boolean;
  readonly api: PoolApi;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Logger;
  /** What is said of a Service has changed. */
  readonly onChange: () => void;
}

/** What the pools say of themselves; null where this node does not look after them. */
export interface PoolsStatus {
  readonly usage: Allocation["usage"];
  readonly failures: Allocation["failures"];
  /** In words: mistakes in the ConfigMap, addresses that clash. */
  readonly troubles: readonly string[];
}

/**
 * Gives addresses to Services while this node holds the pools' Lease: one write at a time, each from a fresh look at
 * everything. An address that was written and that the watch does not show yet counts as taken.
 */
export class PoolController {
  readonly #parts: Parts;
  readonly #retry: Alarm;
  readonly #soon: Alarm;
  /** Assignments of the last look that are to be written, the next one last. */
  #queue: Assignment[] = [];
  readonly #pending = new Map<ServiceKey, { readonly assignment: Assignment; readonly until: Instant }>();
  #text = "";
  #pools: Pools = parsePools({});
  #allocation: Allocation | null = null;
  #said = "";
  #writing = false;
  #failures = 0;
  #blockedUntil: Instant | null = null;
  #error: string | null = null;
  #closed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#retry = parts.clock.alarm(() => this.update());
    this.#soon = parts.clock.alarm(() => this.update());
  }

  get status(): PoolsStatus | null {
    if (this.#allocation === null) return null;
    const { usage, failures, conflicts } = this.#allocation;
    return {
      usage,
      failures,
      troubles: [
        ...this.#pools.problems,
        ...conflicts.map(
          ({ address, services }) => `${address} is asked for by ${services.join(", ")}: give each its own`,
        ),
        ...[...failures].map(([key, reason]) => `${key} has no address: ${reason}`),
        ...(this.#error === null ? [] : [this.#error]),
      ].map((line) => `pools: ${line}`),
    };
  }

  /** Looks at everything anew: to be called when a Service, the ConfigMap or the Lease has changed. */
  update(): void {
    const { services, configMap, isHolder, clock } = this.#parts;
    if (this.#closed) return;
    if (!isHolder() || !services.synced || !configMap.synced) {
      this.#queue = [];
      if (this.#allocation !== null) {
        this.#allocation = null;
        this.#parts.onChange();
      }
      return;
    }
    this.#readConfigMap();
    const before = this.#allocation;
    this.#allocation = allocate(this.#pools, this.#claimants());
    this.#say(before);
    this.#queue = [...this.#allocation.assignments].toReversed();
    this.#writeNext();
    this.#retry.set(this.#nextLook(clock.now()));
  }

  /** Folds a burst of changes into one look. */
  updateSoon(): void {
    this.#soon.set(Instant.add(this.#parts.clock.now(), FOLD_MILLIS));
  }

  #writeNext(): void {
    const isBlocked = this.#blockedUntil !== null && this.#parts.clock.now() < this.#blockedUntil;
    if (this.#writing || isBlocked || this.#closed || !this.#parts.isHolder()) return;
    const next = this.#queue.pop();
    if (next !== undefined) void this.#write(next);
  }

  close(): void {
    this.#closed = true;
    this.#retry.close();
    this.#soon.close();
  }

  #readConfigMap(): void {
    const [data = {}] = this.#parts.configMap.facts.values();
    const text = JSON.stringify(data);
    if (text === this.#text) return;
    this.#text = text;
    this.#pools = parsePools(data);
  }

  /** As the API server has them, and as it will have them when what was written has come back. */
  #claimants(): readonly Claimant[] {
    const { services, policy, clock } = this.#parts;
    const now = clock.now();
    const claimants: Claimant[] = [];
    for (const fact of services.facts.values()) {
      const claimant = claimantOf(fact, policy);
      const written = this.#pending.get(fact.key);
      if (claimant === null) continue;
      const isSeen = claimant.labelled && claimant.annotated;
      if (written === undefined || isSeen || now >= written.until) {
        if (written) this.#pending.delete(fact.key);
        claimants.push(claimant);
      } else {
        const addresses = written.assignment.addresses ?? claimant.addresses;
        claimants.push({ ...claimant, addresses, annotated: true, labelled: true });
      }
    }
    for (const key of this.#pending.keys()) if (!services.facts.has(key)) this.#pending.delete(key);
    return claimants;
  }

  #nextLook(now: Instant): Instant | null {
    const isComing = (at: Instant | null): Instant | null => (at !== null && at > now ? at : null);
    return Instant.earliest(
      isComing(this.#blockedUntil),
      ...[...this.#pending.values()].map(({ until }) => isComing(until)),
    );
  }

  async #write(assignment: Assignment): Promise<void> {
    const { api, clock, entropy, log } = this.#parts;
    this.#writing = true;
    try {
      await api.assign(assignment);
      const until = Instant.add(clock.now(), SEEN_WITHIN_MILLIS);
      this.#pending.set(assignment.key as ServiceKey, { assignment, until });
      this.#failures = 0;
      this.#blockedUntil = null;
      this.#error = null;
      if (assignment.addresses !== null) {
        const { key: service, addresses } = assignment;
        emit(log, "pools.assigned", { service, addresses }, "address assigned");
      }
    } catch (error) {
      if (!(error instanceof KubeRefused || error instanceof KubeUnreachable)) throw error;
      this.#blockedUntil = Instant.add(clock.now(), backoffMillis(RETRY, this.#failures++, entropy.fraction()));
      const text = `${assignment.key}: the API server did not take its address: ${error.message}`;
      if (text !== this.#error)
        emit(log, "pools.write-failed", { service: assignment.key, error: error.message }, text);
      this.#error = text;
    } finally {
      this.#writing = false;
    }
    if (this.#blockedUntil !== null) this.#retry.set(this.#nextLook(clock.now()));
    this.#writeNext();
  }

  #say(before: Allocation | null): void {
    const { failures, conflicts } = this.#allocation!;
    const said = JSON.stringify([[...failures], conflicts, this.#pools.problems, this.#error]);
    if (said !== this.#said) {
      for (const [service, reason] of failures) {
        if (before?.failures.get(service) !== reason)
          emit(this.#parts.log, "pools.no-address", { service, reason }, "no address for a Service");
      }
    }
    if (said !== this.#said || before === null) this.#parts.onChange();
    this.#said = said;
  }
}
