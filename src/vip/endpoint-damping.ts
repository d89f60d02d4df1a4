import { Instant } from "../base/time.ts";
import type { EndpointsByService } from "./endpoints.ts";
import type { EndpointSliceFact, ServiceKey } from "./facts.ts";

export interface DampingPolicy {
  /** How long an endpoint must have been ready before its node announces a Service with policy Local. */
  readonly minimumReadyMillis: number;
  /** Of nodes whose endpoints flap: the longest that they are held down. 0: they are not. */
  readonly holdDownMaxMillis: number;
}

/** Why the endpoints of a node count for nothing yet, though they are ready. */
export interface Hold {
  /** How long they must stay ready. */
  readonly requiredMillis: number;
  /** How often they stopped being ready lately. */
  readonly lossesCount: number;
}

/** By the name of the node. */
export type Holds = ReadonlyMap<string, Hold>;

export interface Damping {
  readonly holds: ReadonlyMap<ServiceKey, Holds>;
  /** When a hold ends by itself. */
  readonly nextAt: Instant | null;
}

/** Losses are forgotten after so long. */
export const LOSSES_REMEMBERED_MILLIS = 300_000;
/** Pods are moved and scaled: the third loss within that time is the first that is taken for flapping. */
export const FLAPPING_COUNT = 3;
/** Each further loss doubles it. */
const HOLD_DOWN_FIRST_MILLIS = 5_000;
const LOSSES_KEPT_MAX = 16;
const NOTHING_HELD: Damping = { holds: new Map(), nextAt: null };

interface History {
  /** Null while none of the node's endpoints is ready. */
  readySince: Instant | null;
  losses: Instant[];
}

/**
 * Remembers on which nodes the endpoints of a Service come and go. Every node sees all endpoints, so all come to the same
 * result without asking each other. What is there at the start is taken for settled.
 */
export class EndpointDamping {
  readonly #policy: DampingPolicy;
  readonly #histories = new Map<ServiceKey, Map<string, History>>();
  #last: EndpointsByService | null = null;
  #damping = NOTHING_HELD;

  constructor(policy: DampingPolicy) {
    this.#policy = policy;
  }

  /** @param endpoints  lists that are the same objects have not changed */
  observe(endpoints: EndpointsByService, now: Instant): Damping {
    const before = this.#last;
    this.#last = endpoints;
    if (before !== null && before !== endpoints) this.#compare(before, endpoints, now);
    if (this.#histories.size === 0) return (this.#damping = NOTHING_HELD);
    return (this.#damping = this.#judge(now));
  }

  #compare(before: EndpointsByService, after: EndpointsByService, now: Instant): void {
    let keptCount = 0;
    for (const [service, slices] of after) {
      const old = before.get(service);
      if (old !== undefined) keptCount++;
      if (old !== slices) this.#changed(service, readyNodes(old ?? []), readyNodes(slices), now);
    }
    if (keptCount === before.size) return;
    for (const [service, old] of before) if (!after.has(service)) this.#changed(service, readyNodes(old), NONE, now);
  }

  #changed(service: ServiceKey, before: ReadonlySet<string>, after: ReadonlySet<string>, now: Instant): void {
    for (const node of before) {
      if (after.has(node)) continue;
      const history = this.#historyOf(service, node);
      history.readySince = null;
      history.losses = [...history.losses, now].slice(-LOSSES_KEPT_MAX);
    }
    for (const node of after) {
      if (before.has(node)) continue;
      const isKnown = this.#histories.get(service)?.has(node) === true;
      if (isKnown || this.#policy.minimumReadyMillis > 0) this.#historyOf(service, node).readySince = now;
    }
  }

  #historyOf(service: ServiceKey, node: string): History {
    let nodes = this.#histories.get(service);
    if (nodes === undefined) this.#histories.set(service, (nodes = new Map()));
    let history = nodes.get(node);
    if (history === undefined) nodes.set(node, (history = { readySince: null, losses: [] }));
    return history;
  }

  #judge(now: Instant): Damping {
    const holds = new Map<ServiceKey, Holds>();
    let nextAt: Instant | null = null;
    for (const [service, nodes] of this.#histories) {
      const held = new Map<string, Hold>();
      for (const [node, history] of nodes) {
        history.losses = history.losses.filter((at) => now - at < LOSSES_REMEMBERED_MILLIS);
        const requiredMillis = this.#required(history.losses.length);
        const { readySince } = history;
        const endsAt = readySince === null ? null : Instant.add(readySince, requiredMillis);
        if (endsAt !== null && now < endsAt) {
          held.set(node, { requiredMillis, lossesCount: history.losses.length });
          nextAt = Instant.earliest(nextAt, endsAt);
        } else if (history.losses.length === 0) nodes.delete(node);
      }
      if (nodes.size === 0) this.#histories.delete(service);
      if (held.size > 0) holds.set(service, this.#sameAs(this.#damping.holds.get(service), held));
    }
    return { holds, nextAt };
  }

  /** The object of before where it says the same: who compares by identity need not look. */
  #sameAs(before: Holds | undefined, held: Holds): Holds {
    const isSame =
      before?.size === held.size &&
      [...held].every(([node, hold]) => {
        const old = before.get(node);
        return old?.requiredMillis === hold.requiredMillis && old.lossesCount === hold.lossesCount;
      });
    return isSame ? before : held;
  }

  #required(lossesCount: number): number {
    const { minimumReadyMillis, holdDownMaxMillis } = this.#policy;
    if (lossesCount < FLAPPING_COUNT) return minimumReadyMillis;
    const grown = HOLD_DOWN_FIRST_MILLIS * 2 ** (lossesCount - FLAPPING_COUNT);
    return Math.max(minimumReadyMillis, Math.min(grown, holdDownMaxMillis));
  }
}

const NONE: ReadonlySet<string> = new Set();

function readyNodes(slices: readonly EndpointSliceFact[]): ReadonlySet<string> {
  const nodes = new Set<string>();
  for (const { endpoints } of slices)
    for (const { node, ready } of endpoints) if (ready && node !== null) nodes.add(node);
  return nodes;
}
