import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import { type BackoffPolicy, backoffMillis } from "../base/backoff.ts";
import { Instant } from "../base/time.ts";
import type { Alarm, Clock, Entropy } from "../ports/clock.ts";
import { emit } from "../telemetry/events.ts";
import { type KubeClient, KubeUnreachable, type WatchEnd, type WatchEvent } from "./client.ts";
import { messageOf } from "./status-message.ts";

export interface ListWatchParts {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Logger;
}

export interface ListWatchOptions<F> {
  /** The collection, for example /api/v1/services. */
  readonly path: string;
  /** Selectors. */
  readonly query?: Readonly<Record<string, string>>;
  /** After so long without an event the watch is opened anew; for what changes all the time. */
  readonly stallMillis?: number;
  /**
   * What is kept of an object; null keeps nothing. Called once per arrival, with what the API server sent: dates are
   * strings, and items of a list have no kind. One that throws costs that object only. (A method, so that a function of
   * a V1Service may stand here: what arrives is what the API server says it is.)
   */
  reduce(object: unknown): F | null;
}

const PAGE_SIZE = 500;
const LIST_TIMEOUT_MILLIS = 30_000;
/**
 * Bookmarks come about once a minute while anything changes in the cluster. After so long without one the watch is
 * opened anew: either nobody is at the other end, or it is a quiet cluster and costs one request.
 */
const STALL_MILLIS = 150_000;
/** A watch that lived for this long was a good one, and its end no reason to wait. */
const HEALTHY_MILLIS = 5_000;
/** After so many failures to resume, the resourceVersion itself is in doubt (a restored etcd counts from lower). */
const RESUMES_MAX = 3;
const RETRY: BackoffPolicy = { firstMillis: 250, maxMillis: 30_000, factor: 2, jitter: 0.5 };

/**
 * Keeps a small fact about each object of one kind, by list and watch.
 *
 * The list gives the state at one resourceVersion, the watch all changes since. As long as watches resume from the
 * last resourceVersion seen, nothing can be missed; where that is refused (410) everything is listed again and what is
 * no longer in the list is dropped, so no deletion is missed either. While the API is away the last facts stay.
 */
export class ListWatch<F> {
  readonly #parts: ListWatchParts;
  readonly #options: ListWatchOptions<F>;
  readonly #listeners = new Set<(keys: ReadonlySet<string>) => void>();
  readonly #retry: Alarm;
  readonly #stall: Alarm;
  readonly #rejected = new Map<string, string>();
  #facts = new Map<string, F>();
  #version = 0;
  #changed = new Set<string>();
  #isTelling = false;
  #watch: { close(): void } | null = null;
  #watchSince: Instant;
  /** Where the next watch begins; null: list first. */
  #revision: string | null = null;
  #failures = 0;
  #synced = false;
  #error: string | null = null;
  #stopped = false;

  /** Begins at once. */
  constructor(parts: ListWatchParts, options: ListWatchOptions<F>) {
    this.#parts = parts;
    this.#options = options;
    this.#watchSince = parts.clock.now();
    this.#retry = parts.clock.alarm(() => this.#go());
    this.#stall = parts.clock.alarm(() => {
      this.#watch?.close();
      this.#go();
    });
    this.#go();
  }

  /** By "namespace/name", or by name for kinds without namespaces. */
  get facts(): ReadonlyMap<string, F> {
    return this.#facts;
  }

  /** How often the facts have changed. */
  get version(): number {
    return this.#version;
  }

  /** The facts have been complete once; they may be out of date while `lastError` is set. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Why the facts are not followed at the moment; null while they are. */
  get lastError(): string | null {
    return this.#error;
  }

  /** Objects that `reduce` could not take, with its message. */
  get rejected(): ReadonlyMap<string, string> {
    return this.#rejected;
  }

  /**
   * Called with the keys whose facts appeared, changed or went, once for everything that arrived together; after the
   * first complete list also when that was empty.
   */
  onChange(listener: (keys: ReadonlySet<string>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  stop(): void {
    this.#stopped = true;
    this.#retry.close();
    this.#stall.close();
    this.#watch?.close();
  }

  #go(): void {
    if (this.#stopped) return;
    if (this.#revision === null) void this.#list();
    else this.#follow(this.#revision);
  }

  async #list(): Promise<void> {
    const facts = new Map<string, F>();
    const rejected = new Map<string, string>();
    const query = { ...this.#options.query, limit: String(PAGE_SIZE) };
    for (let next = ""; ;) {
      const page = await this.#page(next === "" ? query : { ...query, continue: next });
      if (this.#stopped) return;
      if (page === null) return;
      for (const item of page.items) this.#reduce(item, facts, rejected);
      if (page.next === "") {
        this.#replace(facts, rejected);
        this.#revision = page.revision;
        return this.#follow(page.revision);
      }
      next = page.next;
    }
  }

  /** Null when there is no page; the retry is then arranged. */
  async #page(query: Readonly<Record<string, string>>): Promise<Page | null> {
    const { path } = this.#options;
    let response;
    try {
      response = await this.#parts.client.request({ method: "GET", path, query, timeoutMillis: LIST_TIMEOUT_MILLIS });
    } catch (error) {
      if (!(error instanceof KubeUnreachable)) throw error;
      this.#retryLater(error.message, null);
      return null;
    }
    const page = response.status === 200 ? pageFrom(response.body) : null;
    // Also 410 for a continue token that has expired: the list begins anew.
    if (!page) this.#retryLater(messageOf(response), response.retryAfterMillis);
    return page;
  }

  #follow(revision: string): void {
    const query = {
      ...this.#options.query,
      resourceVersion: revision,
      allowWatchBookmarks: "true",
      timeoutSeconds: String(Math.round(300 + 300 * this.#parts.entropy.fraction())),
    };
    this.#watchSince = this.#parts.clock.now();
    this.#rearmStall();
    this.#watch = this.#parts.client.watch(this.#options.path, query, {
      open: () => (this.#error = null),
      event: (event) => this.#take(event),
      end: (end) => this.#ended(end),
    });
  }

  #take(event: WatchEvent): void {
    if (event.type === "ERROR") {
      this.#watch?.close();
      const response = { status: codeOf(event.object), body: event.object, retryAfterMillis: null };
      // Whatever it was, this watch cannot be relied on to resume where it stopped.
      this.#revision = null;
      return this.#ended({ kind: "refused", response });
    }
    const found = identify(event.object);
    if (!found) {
      this.#watch?.close();
      return this.#ended({ kind: "undecodable", message: "an event without metadata" });
    }
    this.#rearmStall();
    this.#revision = found.revision;
    if (event.type === "BOOKMARK") return;
    const { key } = found;
    const before = this.#facts.get(key);
    if (event.type === "DELETED") {
      this.#facts.delete(key);
      this.#rejected.delete(key);
    } else this.#reduce(event.object, this.#facts, this.#rejected);
    if (!isDeepStrictEqual(before, this.#facts.get(key))) this.#announce(key);
  }

  #ended(end: WatchEnd): void {
    this.#watch = null;
    this.#stall.set(null);
    const lived = this.#parts.clock.now() - this.#watchSince;
    switch (end.kind) {
      case "closed-by-server": // its time was over
        if (lived < HEALTHY_MILLIS) return this.#retryLater("the watch was closed at once", null);
        this.#failures = 0;
        return this.#go();
      case "refused":
        if (end.response.status === 410) this.#revision = null;
        return this.#retryLater(messageOf(end.response), end.response.retryAfterMillis);
      case "undecodable": // the same would come again
        this.#revision = null;
        return this.#retryLater(end.message, null);
      case "failed":
        if (lived >= HEALTHY_MILLIS) this.#failures = 0;
        return this.#retryLater(end.message, null);
    }
  }

  #retryLater(error: string, retryAfterMillis: number | null): void {
    if (this.#stopped) return;
    if (this.#error === null) {
      emit(this.#parts.log, "kube.watch.interrupted", { path: this.#options.path, error }, "watch interrupted");
    }
    this.#error = error;
    const delay = backoffMillis(RETRY, this.#failures++, this.#parts.entropy.fraction());
    if (this.#failures > RESUMES_MAX) this.#revision = null;
    this.#retry.set(Instant.add(this.#parts.clock.now(), Math.max(delay, retryAfterMillis ?? 0)));
  }

  #reduce(object: unknown, facts: Map<string, F>, rejected: Map<string, string>): void {
    const found = identify(object);
    if (!found) return;
    const { key } = found;
    let fact: F | null = null;
    try {
      fact = this.#options.reduce(object);
      rejected.delete(key);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      rejected.set(key, message);
      const fields = { path: this.#options.path, key, error: message };
      emit(this.#parts.log, "kube.object.refused", fields, "object left out");
    }
    if (fact === null) facts.delete(key);
    else facts.set(key, fact);
  }

  /** Takes over a complete list: what is not in it is gone. */
  #replace(facts: Map<string, F>, rejected: ReadonlyMap<string, string>): void {
    const before = this.#facts;
    this.#facts = facts;
    this.#rejected.clear();
    for (const [key, message] of rejected) this.#rejected.set(key, message);
    for (const key of new Set([...before.keys(), ...facts.keys()])) {
      if (!isDeepStrictEqual(before.get(key), facts.get(key))) this.#announce(key);
    }
    if (!this.#synced) {
      this.#synced = true;
      this.#tellSoon();
    }
  }

  /** Gathers what arrives in one piece of the stream into one call of the listeners. */
  #announce(key: string): void {
    this.#version++;
    this.#changed.add(key);
    this.#tellSoon();
  }

  #tellSoon(): void {
    if (!this.#isTelling) queueMicrotask(() => this.#tell());
    this.#isTelling = true;
  }

  #tell(): void {
    this.#isTelling = false;
    const keys = this.#changed;
    this.#changed = new Set();
    if (this.#stopped) return;
    for (const listener of this.#listeners) listener(keys);
  }

  #rearmStall(): void {
    this.#stall.set(Instant.add(this.#parts.clock.now(), this.#options.stallMillis ?? STALL_MILLIS));
  }
}

interface Page {
  readonly items: readonly unknown[];
  readonly revision: string;
  readonly next: string;
}

function pageFrom(body: unknown): Page | null {
  if (!isRecord(body) || !isRecord(body["metadata"])) return null;
  const { resourceVersion, continue: next } = body["metadata"];
  // Go writes an empty list as null.
  const items: unknown = body["items"] ?? [];
  if (typeof resourceVersion !== "string" || !Array.isArray(items)) return null;
  return { items, revision: resourceVersion, next: typeof next === "string" ? next : "" };
}

function identify(object: unknown): { readonly key: string; readonly revision: string } | null {
  if (!isRecord(object) || !isRecord(object["metadata"])) return null;
  const { namespace, name, resourceVersion } = object["metadata"];
  if (typeof resourceVersion !== "string") return null;
  const key = typeof name === "string" ? name : "";
  return {
    key: typeof namespace === "string" && namespace !== "" ? `${namespace}/${key}` : key,
    revision: resourceVersion,
  };
}

function codeOf(status: unknown): number {
  return isRecord(status) && typeof status["code"] === "number" ? status["code"] : 500;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
