import type { Share, View } from "./announce.ts";
import type { ServiceKey } from "./facts.ts";
import type { Gate } from "./gates.ts";
import type { Decider } from "./service-election.ts";
import type { ServiceCase } from "./service-plan.ts";
import type { Policy } from "./snapshot.ts";

/**
 * The shares of the plan before. Of ten thousand Services one changes at a time: the others' shares are used again, the
 * very same objects, so that a plan costs the time and the memory of what is new in it. What comes out is the same with
 * and without.
 */
export class PlanMemory {
  #policy: Policy | null = null;
  #view = "";
  #shares = new Map<ServiceKey, Remembered>();
  #next = new Map<ServiceKey, Remembered>();

  /** Begins a plan: under another view nothing that is remembered holds. */
  begin(view: View): void {
    const { policy, tableFailures, ...rest } = view;
    const { ends } = rest.sessions;
    const text = JSON.stringify({ ...rest, ends: ends === undefined ? null : [...ends], routes: [...tableFailures] });
    if (policy !== this.#policy || text !== this.#view) this.#shares.clear();
    this.#policy = policy;
    this.#view = text;
  }

  share(one: ServiceCase, make: () => Share): Share {
    const { key } = one.service;
    const before = this.#shares.get(key);
    const remembered = before !== undefined && isSameCase(before.of, one) ? before : { of: one, share: make() };
    this.#next.set(key, remembered);
    return remembered.share;
  }

  /** What was not asked for in this plan is forgotten. */
  end(): void {
    this.#shares = this.#next;
    this.#next = new Map();
  }
}

interface Remembered {
  readonly of: ServiceCase;
  readonly share: Share;
}

const isSameCase = (a: ServiceCase, b: ServiceCase): boolean =>
  a.service === b.service &&
  a.slices === b.slices &&
  a.poolFailure === b.poolFailure &&
  isSameGate(a.decision, b.decision) &&
  isSameDecider(a.decider, b.decider);

const isSameGate = (a: Gate | null, b: Gate | null): boolean =>
  a === b || (a !== null && b !== null && a.open === b.open && a.fact === b.fact && a.hint === b.hint);

/** As far as a share shows it. */
function isSameDecider(a: Decider, b: Decider): boolean {
  if (a === b) return true;
  if (a.kind === "lease" && b.kind === "lease")
    return a.lease.name === b.lease.name && a.lease.namespace === b.lease.namespace;
  if (a.kind === "spread" && b.kind === "spread") return a.chosen.node === b.chosen.node;
  return a.kind === b.kind;
}
