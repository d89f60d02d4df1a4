import type { Prefix } from "../../addr/prefix.ts";
import { type AddressFamily, familyOfPrefix } from "../wire/families.ts";
import { prefixOctets } from "../wire/update-encoding.ts";
import { attributesKey, isSameAttributes, type RouteAttributes } from "./route-attributes.ts";

/** A route to announce as all peers share it: what can be made ready once is made once, not for each message. */
export interface DesiredRoute {
  readonly prefix: Prefix;
  readonly family: AddressFamily;
  /** A /32 or /128. */
  readonly isHost: boolean;
  /** The prefix as an UPDATE carries it. */
  readonly octets: Uint8Array;
  /** The same object for all routes with equal attributes. */
  readonly attributes: RouteAttributes;
}

/**
 * All routes that are to be announced, and what set them apart from the table before: a peer that knows that one looks
 * at the difference only.
 */
export class DesiredRoutes {
  readonly #routes = new Map<Prefix, DesiredRoute>();
  readonly #identity: object = {};
  /** Stands for the table before, without keeping it alive. */
  readonly #basis: object | null;
  /** Sets of attributes by their key, handed on from table to table. */
  readonly #interned: Map<string, RouteAttributes>;
  /** False while more may be to come, and no End-of-RIB is due: what a router has kept of us must not go yet. */
  readonly isComplete: boolean;
  readonly changed: readonly DesiredRoute[];
  readonly removed: readonly DesiredRoute[];

  /** @param before  the table that this one follows: what is in both is not made again */
  constructor(wanted: ReadonlyMap<Prefix, RouteAttributes>, before: DesiredRoutes | null = null, isComplete = true) {
    this.isComplete = isComplete;
    this.#basis = before === null ? null : before.#identity;
    // What is no longer in use is dropped with the table that finds too much of it.
    const isFull = before === null || before.#interned.size > 2 * before.#routes.size + INTERNED_COUNT_MIN;
    this.#interned = isFull ? new Map() : before.#interned;
    const changed: DesiredRoute[] = [];
    let keptCount = 0;
    // Many routes come with the very same object.
    const known = new Map<RouteAttributes, RouteAttributes>();
    for (const [prefix, attributes] of wanted) {
      const old = before === null ? undefined : before.#routes.get(prefix);
      if (old !== undefined) keptCount++;
      if (old !== undefined && isSameAttributes(old.attributes, attributes)) {
        this.#routes.set(prefix, old);
        continue;
      }
      let shared = known.get(attributes);
      if (shared === undefined) known.set(attributes, (shared = this.#intern(attributes)));
      const route = old === undefined ? routeOf(prefix, shared) : { ...old, attributes: shared };
      this.#routes.set(prefix, route);
      changed.push(route);
    }
    const removed: DesiredRoute[] = [];
    if (before !== null && before.#routes.size > keptCount) {
      for (const [prefix, old] of before.#routes) if (!wanted.has(prefix)) removed.push(old);
    }
    this.changed = changed;
    this.removed = removed;
  }

  get size(): number {
    return this.#routes.size;
  }

  has(prefix: Prefix): boolean {
    return this.#routes.has(prefix);
  }

  values(): Iterable<DesiredRoute> {
    return this.#routes.values();
  }

  /** True when `changed` and `removed` are the whole difference to `before`. */
  follows(before: DesiredRoutes | null): boolean {
    return before !== null && before.#identity === this.#basis;
  }

  #intern(attributes: RouteAttributes): RouteAttributes {
    const key = attributesKey(attributes);
    const known = this.#interned.get(key);
    if (known === undefined) this.#interned.set(key, attributes);
    return known ?? attributes;
  }
}

const INTERNED_COUNT_MIN = 64;

function routeOf(prefix: Prefix, attributes: RouteAttributes): DesiredRoute {
  const octets = prefixOctets(prefix);
  const family = familyOfPrefix(prefix);
  return { prefix, family, isHost: octets[0] === (family === "ipv4-unicast" ? 32 : 128), octets, attributes };
}
