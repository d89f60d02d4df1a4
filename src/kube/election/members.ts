import { Instant } from "../../base/time.ts";
import { type LeaseRecord, parseLease, sameRecord } from "./lease.ts";

/**
 * The members that Services are spread over, as one node sees them: each renews a Lease of its own, and all of these are
 * followed by one watch. Pure: told what was seen and when, asked at a moment.
 *
 * Whether others are alive is judged as an election does it, by how long ago a record was first seen on our own clock.
 * That alone would go wrong where our watch hangs while our renewals succeed: all others would seem dead, and this node
 * would take everything. Therefore our own renewals must come back to us by that watch. A renewal that has been seen
 * proves that everything before it has been seen, too, and for how long that counts is the renew deadline, as with the
 * Lease itself.
 */
export interface MemberLease {
  readonly node: string;
  readonly weight: number;
  readonly revision: number;
  readonly record: LeaseRecord;
}

/** What marks the Leases of members. */
export const MEMBER_LABELS = { "vipcast.io/member": "true" } as const;
export const MEMBER_SELECTOR = "vipcast.io/member=true";
const NAME_PREFIX = "vipcast-member-";
const WEIGHT_ANNOTATION = "vipcast.io/weight";
const WEIGHT_MAX = 1000;
/** Renewals whose way back is waited for; more than ever are on the way within a renew deadline. */
const PENDING_MAX = 64;

export const memberAnnotations = (weight: number): Readonly<Record<string, string>> => ({
  [WEIGHT_ANNOTATION]: String(weight),
});

/** Null for what is not the Lease of a member: its name must be that of its node. */
export function memberLeaseOf(body: unknown): MemberLease | null {
  const lease = parseLease(body);
  const name = lease?.metadata["name"];
  if (!lease || typeof name !== "string" || !name.startsWith(NAME_PREFIX)) return null;
  const annotations = lease.metadata["annotations"] as Readonly<Record<string, unknown>> | undefined;
  const weight = Number(annotations?.[WEIGHT_ANNOTATION] ?? 1);
  return {
    node: name.slice(NAME_PREFIX.length),
    weight: Number.isFinite(weight) ? Math.min(Math.max(weight, 0), WEIGHT_MAX) : 1,
    revision: Number(lease.resourceVersion),
    record: lease.record,
  };
}

interface Times {
  readonly leaseDurationMillis: number;
  readonly renewDeadlineMillis: number;
  readonly retryPeriodMillis: number;
}

/** This node's own member Lease. */
interface Own {
  readonly isHolder: boolean;
  readonly since: Instant | null;
}

interface Doubt {
  readonly fact: string;
  readonly hint: string;
}

export class MemberBook {
  readonly #node: string;
  readonly #times: Times;
  readonly #seen = new Map<string, { readonly lease: MemberLease; readonly at: Instant }>();
  #pending: { readonly revision: number; readonly sentAt: Instant }[] = [];
  /** When the last of our renewals was sent that has come back. */
  #provenAt: Instant | null = null;

  constructor(node: string, times: Times) {
    this.#node = node;
    this.#times = times;
  }

  /** All member Leases as the watch has them now. */
  observe(leases: Iterable<MemberLease>, now: Instant): void {
    const present = new Set<string>();
    for (const lease of leases) {
      present.add(lease.node);
      const before = this.#seen.get(lease.node);
      const at = before && sameRecord(before.lease.record, lease.record) ? before.at : now;
      this.#seen.set(lease.node, { lease, at });
    }
    for (const node of this.#seen.keys()) if (!present.has(node)) this.#seen.delete(node);
    this.#settle();
  }

  /** A renewal of our own was answered: sent when, and as which resourceVersion it was kept. */
  renewed(revision: number, sentAt: Instant): void {
    this.#pending = [...this.#pending, { revision, sentAt }].slice(-PENDING_MAX);
    this.#settle();
  }

  live(now: Instant): readonly { readonly node: string; readonly weight: number }[] {
    return [...this.#seen.values()]
      .filter(({ lease, at }) => lease.record.holder === lease.node && now < this.#expiry(lease, at))
      .map(({ lease: { node, weight } }) => ({ node, weight }))
      .toSorted((a, b) => (a.node < b.node ? -1 : 1));
  }

  /** Why this node must not act on what it sees; null when it may. */
  doubt(own: Own | null, now: Instant): Doubt | null {
    if (!own?.isHolder || own.since === null) {
      return { fact: "this node is no member: it has not renewed its member Lease", hint: "wait for the API server" };
    }
    if (now < this.#joinedAt(own.since)) {
      return { fact: "this node has joined just now, and the others are still to see it", hint: "wait" };
    }
    if (this.#provenAt === null || now >= this.#provenUntil(this.#provenAt)) {
      return { fact: "the watch of the member Leases lags behind", hint: "see Kubernetes in `vipcast status`" };
    }
    return null;
  }

  /** When the answers may differ although nothing has been seen. */
  nextChange(own: Own | null, now: Instant): Instant | null {
    const times = [...this.#seen.values()].map(({ lease, at }) => this.#expiry(lease, at));
    const since = own?.since ?? null;
    if (since !== null) times.push(this.#joinedAt(since));
    if (this.#provenAt !== null) times.push(this.#provenUntil(this.#provenAt));
    return Instant.earliest(...times.filter((at) => at > now));
  }

  /** A retry period is what the others need to be told, even those that have missed one event. */
  #joinedAt(since: Instant): Instant {
    return Instant.add(since, this.#times.retryPeriodMillis);
  }

  #provenUntil(provenAt: Instant): Instant {
    return Instant.add(provenAt, this.#times.renewDeadlineMillis);
  }

  #expiry({ record }: MemberLease, at: Instant): Instant {
    return Instant.add(
      at,
      record.durationSeconds > 0 ? record.durationSeconds * 1000 : this.#times.leaseDurationMillis,
    );
  }

  #settle(): void {
    const revision = this.#seen.get(this.#node)?.lease.revision ?? -1;
    for (const { sentAt } of this.#pending.filter((it) => it.revision <= revision)) {
      if (this.#provenAt === null || sentAt > this.#provenAt) this.#provenAt = sentAt;
    }
    this.#pending = this.#pending.filter((it) => it.revision > revision);
  }
}
