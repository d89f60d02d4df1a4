import type { Logger } from "pino";
import { Instant } from "../base/time.ts";
import { KubeUnreachable } from "../kube/client.ts";
import { KubeRefused } from "../kube/writes.ts";
import type { Alarm, Clock } from "../ports/clock.ts";
import { emit } from "../telemetry/events.ts";
import type { ServiceNotice } from "../vip/service-notices.ts";

/** An Event as the API server has it: one object for a notice that comes again and again. */
export interface EventRecord {
  readonly namespace: string;
  readonly name: string;
  readonly service: ServiceNotice["service"];
  readonly reason: ServiceNotice["reason"];
  readonly type: "Normal" | "Warning";
  readonly message: string;
  readonly first: Date;
  readonly last: Date;
  readonly count: number;
}

/** Creates the Event, or replaces what the one of this name says. Rejects with KubeRefused or KubeUnreachable. */
export interface EventApi {
  write(event: EventRecord): Promise<void>;
}

interface Parts {
  readonly api: EventApi;
  readonly clock: Clock;
  readonly log: Logger;
}

/** One Event object of a Service and a reason, with what is not written yet. */
interface Entry {
  readonly name: string;
  readonly first: Date;
  record: EventRecord;
  isWritten: boolean;
  /** Not written again before. */
  restUntil: Instant;
}

/** Writes at once, and from then on one in so much time: whatever happens to Services, the API server has other work. */
const BURST = 20;
const REFILL_MILLIS = 1_000;
/** Between two writes of one Event, however often its notice comes. */
const REST_MILLIS = 60_000;
/** Notices of more Services than this are forgotten, the oldest first. */
const ENTRIES_MAX = 2_000;

/**
 * Writes notices as Events. A notice is written when it is new or says something else than before; what comes and goes
 * many times within a minute is one Event with a count. Events are told, never asked for: one that is lost is no harm.
 */
export class EventWriter {
  readonly #parts: Parts;
  readonly #alarm: Alarm;
  readonly #entries = new Map<string, Entry>();
  #current = new Map<string, string>();
  #tokens = BURST;
  #refilledAt: Instant;
  #running = false;
  #closed = false;
  #error: string | null = null;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#refilledAt = parts.clock.now();
    this.#alarm = parts.clock.alarm(() => void this.#drain());
  }

  /** All that is to be said at the moment. */
  tell(notices: readonly ServiceNotice[]): void {
    const before = this.#current;
    this.#current = new Map(notices.map((notice) => [keyOf(notice), notice.message]));
    for (const notice of notices) if (before.get(keyOf(notice)) !== notice.message) this.#note(notice);
    void this.#drain();
  }

  close(): void {
    this.#closed = true;
    this.#alarm.close();
  }

  #note(notice: ServiceNotice): void {
    const { clock } = this.#parts;
    const key = keyOf(notice);
    const now = clock.wallTime();
    const entry = this.#entries.get(key);
    const name = entry?.name ?? `${notice.service.name.slice(0, 200)}.${now.getTime().toString(16)}${suffix(key)}`;
    const first = entry?.first ?? now;
    const record: EventRecord = {
      ...{ namespace: notice.service.namespace, name, service: notice.service, reason: notice.reason },
      type: notice.reason === "Announced" ? "Normal" : "Warning",
      message: notice.message.slice(0, MESSAGE_MAX),
      ...{ first, last: now, count: (entry?.record.count ?? 0) + 1 },
    };
    // Written anew, it is the youngest again.
    this.#entries.delete(key);
    this.#entries.set(key, { name, first, record, isWritten: false, restUntil: entry?.restUntil ?? clock.now() });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= ENTRIES_MAX) break;
      this.#entries.delete(oldest);
    }
  }

  async #drain(): Promise<void> {
    if (this.#running || this.#closed) return;
    this.#running = true;
    let next: Instant | null = null;
    for (const entry of this.#entries.values()) {
      if (entry.isWritten) continue;
      const now = this.#parts.clock.now();
      if (entry.restUntil > now) next = Instant.earliest(next, entry.restUntil);
      else if (!this.#take(now)) {
        next = Instant.earliest(next, Instant.add(now, REFILL_MILLIS));
        break;
      } else await this.#write(entry);
      if (this.#closed) return;
    }
    this.#running = false;
    this.#alarm.set(next);
  }

  async #write(entry: Entry): Promise<void> {
    const { api, clock, log } = this.#parts;
    const { record } = entry;
    entry.isWritten = true;
    entry.restUntil = Instant.add(clock.now(), REST_MILLIS);
    try {
      await api.write(record);
      this.#error = null;
    } catch (error) {
      if (!(error instanceof KubeRefused || error instanceof KubeUnreachable)) throw error;
      if (this.#error !== error.message)
        emit(log, "events.write-failed", { error: error.message }, "Event not written");
      this.#error = error.message;
    }
  }

  #take(now: Instant): boolean {
    const gained = Math.floor((now - this.#refilledAt) / REFILL_MILLIS);
    if (gained > 0) {
      this.#tokens = Math.min(BURST, this.#tokens + gained);
      this.#refilledAt = Instant.add(this.#refilledAt, gained * REFILL_MILLIS);
    }
    if (this.#tokens === 0) return false;
    this.#tokens--;
    return true;
  }
}

/** The fields of an Event of the core API, which is the form that `kubectl describe` has always shown. */
export function eventBody(event: EventRecord, node: string): object {
  const { namespace, service, reason, type, message, first, last, count } = event;
  const wholeSeconds = (time: Date): string => `${time.toISOString().slice(0, 19)}Z`;
  return {
    involvedObject: { apiVersion: "v1", kind: "Service", namespace, name: service.name, uid: service.uid },
    ...{ reason, type, message, count, firstTimestamp: wholeSeconds(first), lastTimestamp: wholeSeconds(last) },
    source: { component: "vipcast", host: node },
    ...{ reportingComponent: "vipcast", reportingInstance: node },
  };
}

/** What `kubectl` shows on a line or two; the API server takes 1,024. */
const MESSAGE_MAX = 1_000;

const keyOf = ({ service, reason }: ServiceNotice): string => `${service.key} ${service.uid} ${reason}`;

/** Tells Events of one millisecond apart. */
function suffix(key: string): string {
  let hash = 0;
  for (const char of key) hash = (Math.imul(hash, 31) + char.charCodeAt(0)) >>> 0;
  return hash.toString(16).padStart(8, "0");
}
