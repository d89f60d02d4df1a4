import { type BackoffPolicy, backoffMillis } from "../../base/backoff.ts";
import { Instant } from "../../base/time.ts";
import type { Alarm, Clock, Entropy } from "../../ports/clock.ts";
import type { KubeClient, WatchEvent } from "../client.ts";
import { type LeaseObject, parseLease } from "./lease.ts";

export interface LeaseWatchHandler {
  /** `lease` is null when it was deleted; `revision` is the resourceVersion of the change. */
  onLease(lease: LeaseObject | null, revision: string): void;
  /** True from the opening of a watch to its end. */
  onWatching(watching: boolean): void;
}

const RECONNECT: BackoffPolicy = { firstMillis: 500, maxMillis: 30_000, factor: 2, jitter: 0.5 };

/**
 * Watches one Lease, for ever. It begins with the present state (no resourceVersion), so nothing has to be listed
 * and nothing can be too old. What it misses while it is down costs time, not safety: the election reads before it
 * believes that a Lease is free, or is refused by the resourceVersion that it writes.
 */
export class LeaseWatch {
  readonly #client: KubeClient;
  readonly #path: string;
  readonly #name: string;
  readonly #clock: Clock;
  readonly #entropy: Entropy;
  readonly #handler: LeaseWatchHandler;
  readonly #alarm: Alarm;
  #open: { close(): void } | null = null;
  #isWatching = false;
  #attempts = 0;

  /** @param path  the collection of Leases in their namespace */
  constructor(
    parts: { readonly client: KubeClient; readonly clock: Clock; readonly entropy: Entropy },
    path: string,
    name: string,
    handler: LeaseWatchHandler,
  ) {
    this.#client = parts.client;
    this.#clock = parts.clock;
    this.#entropy = parts.entropy;
    this.#path = path;
    this.#name = name;
    this.#handler = handler;
    this.#alarm = parts.clock.alarm(() => this.#start());
    this.#start();
  }

  close(): void {
    this.#alarm.close();
    this.#open?.close();
  }

  #start(): void {
    const query = {
      fieldSelector: `metadata.name=${this.#name}`,
      allowWatchBookmarks: "true",
      timeoutSeconds: String(Math.round(300 + 300 * this.#entropy.fraction())),
    };
    this.#open = this.#client.watch(this.#path, query, {
      open: () => {
        this.#isWatching = true;
        this.#handler.onWatching(true);
      },
      event: (event) => this.#take(event),
      end: () => this.#ended(),
    });
  }

  #take(event: WatchEvent): void {
    const lease = parseLease(event.object);
    if (event.type === "ERROR" || !lease) {
      this.#open?.close();
      return this.#ended();
    }
    this.#attempts = 0;
    if (event.type === "BOOKMARK") return;
    this.#handler.onLease(event.type === "DELETED" ? null : lease, lease.resourceVersion);
  }

  #ended(): void {
    if (this.#isWatching) this.#handler.onWatching(false);
    this.#isWatching = false;
    const delay = backoffMillis(RECONNECT, this.#attempts++, this.#entropy.fraction());
    this.#alarm.set(Instant.add(this.#clock.now(), delay));
  }
}
