import type { Instant } from "../base/time.ts";
import type { LeaseFact } from "../vip/snapshot.ts";
import type { LeasePlan } from "../vip/plan.ts";

/** One running election, as far as the daemon needs to know it. */
export interface Election {
  readonly fact: LeaseFact;
  /** Until when nobody else may take it, null when it is not held; left out where that is not known. */
  readonly heldUntil?: Instant | null;
  setCandidate(stands: boolean): void;
  /** Gives up what is held and ends; resolves once the Lease is released or the API server did not answer in time. */
  stop(): Promise<void>;
}

/** Keeps one election running for each Lease of the plan. */
export class Elections {
  readonly #start: (plan: LeasePlan) => Election;
  readonly #running = new Map<string, Election>();
  /** Ended, but still giving its Lease up. */
  readonly #stopping = new Map<string, Promise<void>>();
  #wanted: ReadonlyMap<string, LeasePlan> = new Map();
  #stopped = false;

  constructor(start: (plan: LeasePlan) => Election) {
    this.#start = start;
  }

  /** Facts of all running elections by "namespace/name". */
  facts(): ReadonlyMap<string, LeaseFact> {
    return new Map([...this.#running].map(([key, election]) => [key, election.fact]));
  }

  /** Until when nobody else may take it: null when it is not held, undefined where that is not known. */
  heldUntil(lease: string): Instant | null | undefined {
    const election = this.#running.get(lease);
    return election?.fact.isHolder ? election.heldUntil : null;
  }

  converge(leases: ReadonlyMap<string, LeasePlan>): void {
    // The end of an election changes a fact, and so leads to a plan, which must not start it anew.
    if (this.#stopped) return;
    this.#wanted = leases;
    for (const [key, election] of this.#running) {
      if (leases.has(key)) continue;
      this.#running.delete(key);
      const stopped = election.stop().finally(() => {
        this.#stopping.delete(key);
        this.converge(this.#wanted);
      });
      this.#stopping.set(key, stopped);
    }
    for (const [key, plan] of leases) {
      // Both would act under one identity: the release by the earlier could take the Lease from the later.
      if (this.#stopping.has(key)) continue;
      let election = this.#running.get(key);
      if (!election) {
        election = this.#start(plan);
        this.#running.set(key, election);
      }
      election.setCandidate(plan.stands);
    }
  }

  /** Ends all elections for good. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const all = [...this.#running.values()];
    this.#running.clear();
    await Promise.all([...this.#stopping.values(), ...all.map((election) => election.stop())]);
  }
}
