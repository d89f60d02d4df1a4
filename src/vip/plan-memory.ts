import type { Share, View } from "./announce.ts";
import type { Holds } from "./endpoint-damping.ts";
import { type EndpointsByService, slicesOf } from "./endpoints.ts";
import type { ServiceFact, ServiceKey } from "./facts.ts";
import type { Gate } from "./gates.ts";
import { RouteBook } from "./route-attributes.ts";
import type { Decider } from "./service-election.ts";
import type { ServiceCase } from "./service-plan.ts";
import type { Policy } from "./snapshot.ts";

/**
 * The shares of the plan before. Of ten thousand Services one changes at a time: the others' shares are used again, the
 * very same objects, so that a plan costs the time and the memory of what is new in it. What comes out is the same with
 * and without.
 */
export class PlanMemory {
  /** Taken anew for each plan: `merged` empties it. */
  readonly routes = new RouteBook();
  #policy: Policy | null = null;
  #view = "";
  #endpoints: EndpointsByService | null = null;
  #hasSameEndpoints = false;
  readonly #shares = new Map<ServiceKey, Remembered>();
  /** In the order of the plan before, which is nearly always the order of the next. */
  readonly #order: Remembered[] = [];
  #position = 0;
  #round = 0;

  /** Begins a plan: under another view nothing that is remembered holds. */
  begin(view: View, endpoints: EndpointsByService): void {
    const { policy, tableFailures, ...rest } = view;
    const { ends } = rest.sessions;
    const text = JSON.stringify({ ...rest, ends: ends === undefined ? null : [...ends], routes: [...tableFailures] });
    if (policy !== this.#policy || text !== this.#view) {
      this.#shares.clear();
      this.#order.length = 0;
    }
    this.#policy = policy;
    this.#view = text;
    this.#hasSameEndpoints = endpoints === this.#endpoints;
    this.#endpoints = endpoints;
    this.#round++;
    this.#position = 0;
  }

  /**
   * The share of the plan before, if all is as it was; null where it has to be made. In single values, as most calls end
   * here.
   */
  recall(
    service: ServiceFact,
    holds: Holds | null,
    decider: Decider,
    decision: Gate | null,
    poolFailure: string | undefined,
  ): Share | null {
    const next = this.#order[this.#position];
    const known = next?.of.service === service ? next : this.#shares.get(service.key);
    if (known === undefined || known.of.service !== service) return null;
    if (!this.#hasSameEndpoints && known.of.slices !== slicesOf(this.#endpoints!, service)) return null;
    if (known.of.poolFailure !== poolFailure || known.of.holds !== holds) return null;
    if (!isSameGate(known.of.decision, decision) || !isSameDecider(known.of.decider, decider)) return null;
    this.#use(known);
    return known.share;
  }

  remember(of: ServiceCase, share: Share): void {
    const made = { of, share, round: 0 };
    this.#shares.set(of.service.key, made);
    this.#use(made);
  }

  /** What was not asked for in this plan is forgotten. */
  end(): void {
    this.#order.length = this.#position;
    if (this.#shares.size === this.#position) return;
    for (const [key, { round }] of this.#shares) if (round !== this.#round) this.#shares.delete(key);
  }

  #use(remembered: Remembered): void {
    remembered.round = this.#round;
    this.#order[this.#position++] = remembered;
  }
}

interface Remembered {
  readonly of: ServiceCase;
  readonly share: Share;
  /** The last plan that it was used in. */
  round: number;
}

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
