import { Instant } from "../base/time.ts";
import { MemberBook, type MemberLease } from "../kube/election/members.ts";
import type { Alarm, Clock } from "../ports/clock.ts";
import type { MembersFact } from "../vip/snapshot.ts";

export interface MembershipParts {
  readonly node: string;
  readonly clock: Clock;
  readonly leaseDurationMillis: number;
  readonly renewDeadlineMillis: number;
  readonly retryPeriodMillis: number;
  /** Of all member Leases. */
  readonly watch: {
    readonly facts: ReadonlyMap<string, MemberLease>;
    readonly synced: boolean;
    onChange(listener: () => void): void;
  };
  /** The fact differs: who is live, or whether this node may act on it. Renewals alone are not told. */
  readonly onChange: () => void;
}

type OwnLease = () => { readonly isHolder: boolean; readonly since: Instant | null };

/** Keeps the fact about the members that Services are spread over. */
export class Membership {
  readonly #parts: MembershipParts;
  readonly #book: MemberBook;
  readonly #alarm: Alarm;
  #own: OwnLease | null = null;
  #told = "";

  constructor(parts: MembershipParts) {
    this.#parts = parts;
    this.#book = new MemberBook(parts.node, parts);
    this.#alarm = parts.clock.alarm(() => this.#look());
    parts.watch.onChange(() => {
      this.#book.observe(parts.watch.facts.values(), parts.clock.now());
      this.#look();
    });
  }

  /** Asks the clock each time: an alarm may ring late. */
  get fact(): MembersFact | null {
    if (!this.#parts.watch.synced) return null;
    const now = this.#parts.clock.now();
    return { live: this.#book.live(now), doubt: this.#book.doubt(this.#own?.() ?? null, now) };
  }

  /** @param own  this node's member Lease, whose election has begun */
  follow(own: OwnLease): void {
    this.#own = own;
  }

  renewed(resourceVersion: string, sentAt: Instant): void {
    this.#book.renewed(Number(resourceVersion), sentAt);
    this.#look();
  }

  close(): void {
    this.#alarm.close();
  }

  #look(): void {
    const now = this.#parts.clock.now();
    this.#alarm.set(this.#book.nextChange(this.#own?.() ?? null, now));
    const { live, doubt } = this.fact ?? { live: [], doubt: null };
    const shown = JSON.stringify([this.#parts.watch.synced, live, doubt]);
    if (shown === this.#told) return;
    this.#told = shown;
    this.#parts.onChange();
  }
}
