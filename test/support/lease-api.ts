import { Instant } from "../../src/base/time.ts";
import {
  type KubeClient,
  type KubeRequest,
  type KubeResponse,
  KubeUnreachable,
  type WatchHandler,
} from "../../src/kube/client.ts";
import type { Alarm, Clock, Entropy } from "../../src/ports/clock.ts";

/**
 * Virtual time for code that awaits: between two alarms all promises settle. Every node can have a clock of its own,
 * with another origin, and a wall clock that is wrong and steps.
 */
export class NetworkTime {
  #now = 0;
  readonly #alarms = new Set<{ at: number | null; ring: () => void }>();

  get now(): number {
    return this.#now;
  }

  /** @param wall  the wall clock's error in milliseconds, which may change over time */
  clock(origin = 0, wall: () => number = () => 0): Clock {
    return {
      now: () => Instant.of(this.#now + origin),
      wallTime: () => new Date(Date.UTC(2030, 0, 1) + this.#now + wall()),
      alarm: (ring) => this.#alarm(ring, origin),
    };
  }

  after(millis: number, task: () => void): void {
    const alarm = this.#alarm(() => {
      alarm.close();
      task();
    }, 0);
    alarm.set(Instant.of(this.#now + millis));
  }

  /** Lets so much time pass; `each` is called after everything that happened at one moment. */
  async run(millis: number, each: () => void = () => {}): Promise<void> {
    const end = this.#now + millis;
    for (;;) {
      await settled();
      each();
      const [due] = [...this.#alarms].filter((a) => a.at !== null && a.at <= end).toSorted((a, b) => a.at! - b.at!);
      if (!due) break;
      this.#now = Math.max(this.#now, due.at!);
      due.at = null;
      due.ring();
    }
    this.#now = end;
  }

  #alarm(ring: () => void, origin: number): Alarm {
    const alarm: { at: number | null; ring: () => void } = { at: null, ring };
    this.#alarms.add(alarm);
    return {
      set: (at) => void (alarm.at = at === null ? null : at - origin),
      close: () => void this.#alarms.delete(alarm),
    };
  }
}

/** Long enough for every chain of promises in the code under test. */
async function settled(): Promise<void> {
  for (let i = 0; i < 12; i++) await Promise.resolve();
}

export interface Network {
  /** Milliseconds for one way; null loses the message. */
  delay(): number | null;
}

/** One Lease as an API server keeps it: resourceVersion, conflicts, watches. */
export class LeaseApi {
  readonly #time: NetworkTime;
  readonly #watchers = new Set<{ readonly on: WatchHandler; readonly network: Network }>();
  #lease: { metadata: { resourceVersion: string }; spec: { holderIdentity?: string } } | null = null;
  #revision = 100;
  /** Every state that the Lease had, for a failing test's message. */
  readonly history: string[] = [];
  requestCount = 0;
  /** Answers as a server whose namespace is missing. */
  refuseCreation = false;

  constructor(time: NetworkTime) {
    this.#time = time;
  }

  get lease(): { readonly metadata: object; readonly spec: object } | null {
    return this.#lease;
  }

  get holder(): string | null {
    return this.#lease?.spec.holderIdentity || null;
  }

  get watchCount(): number {
    return this.#watchers.size;
  }

  delete(): void {
    const metadata = { resourceVersion: String(++this.#revision) };
    this.#lease = null;
    this.#publish("DELETED", { metadata, spec: {} });
  }

  /** Someone else writes the Lease, unguarded. */
  overwrite(spec: object): void {
    this.#store(spec);
  }

  dropWatches(): void {
    for (const { on } of this.#watchers) on.end({ kind: "failed", message: "dropped" });
    this.#watchers.clear();
  }

  /** A client behind `network`, whose request gives up by the clock of its node. */
  client(network: Network, clock: Clock): KubeClient {
    return {
      server: "https://lease.test",
      request: (request) =>
        new Promise((resolve, reject) => {
          const deadline = clock.alarm(() => reject(new KubeUnreachable("no answer")));
          deadline.set(Instant.add(clock.now(), request.timeoutMillis ?? 10_000));
          const there = network.delay();
          if (there === null) return;
          this.#time.after(there, () => {
            const answer = this.#serve(request);
            const back = network.delay();
            if (back !== null) this.#time.after(back, () => (deadline.close(), resolve(answer)));
          });
        }),
      watch: (_path, _query, on) => {
        const watcher = { on, network };
        const there = network.delay();
        if (there === null) this.#time.after(10_000, () => on.end({ kind: "failed", message: "no answer" }));
        else {
          this.#time.after(there, () => {
            this.#watchers.add(watcher);
            on.open?.();
            if (this.#lease) on.event({ type: "ADDED", object: this.#lease });
          });
        }
        return { close: () => void this.#watchers.delete(watcher) };
      },
    };
  }

  #serve(request: KubeRequest): KubeResponse {
    this.requestCount++;
    const answer = (status: number, body: unknown = {}): KubeResponse => ({ status, body, retryAfterMillis: null });
    if (request.method === "GET") return this.#lease ? answer(200, this.#lease) : answer(404);
    const wished = request.body as { metadata: { resourceVersion?: string }; spec: object };
    if (request.method === "POST") {
      if (this.refuseCreation) return answer(404, { message: 'namespaces "kube-system" not found' });
      if (this.#lease) return answer(409);
    } else if (!this.#lease) return answer(404);
    else if (this.#lease?.metadata.resourceVersion !== wished.metadata.resourceVersion) return answer(409);
    return answer(200, this.#store(wished.spec, wished.metadata));
  }

  #store(spec: object, metadata: object = {}): object {
    const type = this.#lease ? "MODIFIED" : "ADDED";
    this.#lease = { metadata: { ...metadata, resourceVersion: String(++this.#revision) }, spec };
    this.history.push(`${Math.round(this.#time.now)}: ${this.holder ?? "nobody"}`);
    this.#publish(type, this.#lease);
    return this.#lease;
  }

  /** Watches run over TCP: nothing is lost or reordered, but a message may take long. */
  #publish(type: "ADDED" | "MODIFIED" | "DELETED", object: object): void {
    for (const watcher of this.#watchers) {
      this.#time.after(watcher.network.delay() ?? 3_000, () => {
        if (this.#watchers.has(watcher)) watcher.on.event({ type, object });
      });
    }
  }
}

/** Delays between 1 ms and 300 ms, now and then seconds or a loss. */
export function badNetwork(entropy: Entropy): Network {
  return {
    delay() {
      const draw = entropy.fraction();
      if (draw < 0.05) return null;
      if (draw < 0.15) return 1_000 + 6_000 * entropy.fraction();
      return 1 + 300 * entropy.fraction();
    },
  };
}
