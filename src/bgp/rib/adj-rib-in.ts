import type { IpAddress, Ipv6 } from "../../addr/ip.ts";
import type { Prefix } from "../../addr/prefix.ts";
import { Instant } from "../../base/time.ts";
import { mergeAs4Path } from "../wire/as-path.ts";
import { type AddressFamily, FAMILIES, familyOfPrefix } from "../wire/families.ts";
import { describeFault } from "../wire/faults.ts";
import { prefixProblem } from "../wire/nlri.ts";
import type { PathAttributes } from "../wire/path-attributes.ts";
import type { AttributeFault, DecodedUpdate, Update } from "../wire/update.ts";
import { COMMUNITY } from "./communities.ts";
import { ImportRules, type InContext, type InSettings, ingressOnlyToCustomer } from "./import-rules.ts";
import { LostRoutes } from "./lost-routes.ts";
import type { ImportPolicy, PrefixLimit } from "./policy.ts";
import { type ReceivedRoute, type RouteKey, routeKey } from "./received-route.ts";

export type { InContext } from "./import-rules.ts";
export type { ReceivedRoute, RouteKey } from "./received-route.ts";

/**
 * Routes kept per peer and family when nothing else is configured. A top-of-rack router may send a full table to every
 * node, which is of no use there: what is beyond is counted and not stored.
 */
export const RECEIVED_COUNT_MAX = 20_000;
/**
 * What their attributes may come to, in octets as `weightOf` counts them: the peer chooses how long each is. The greater
 * of the two, the second for each route that the limit allows.
 */
const WEIGHT_MAX = 64 * 1024 * 1024;
const WEIGHT_PER_ROUTE = 1024;
/** At this share of the limit an operator should hear of it. */
const NEAR_LIMIT_SHARE = 0.75;
/** A peer that began a refresh and does not end it: what it did not confirm goes all the same (RFC 7313 §4). */
const REFRESH_MILLIS_MAX = 360_000;

/** How much of its limit a family uses. */
export interface PrefixUse {
  readonly family: AddressFamily;
  readonly count: number;
  readonly limit: number;
  /** At three quarters of the limit. */
  readonly isNear: boolean;
  /** Announcements that were not stored because the limit was reached. */
  readonly refusedCount: number;
}

/** Prefixes with what each is a path to. */
type Reach = { readonly nextHop: IpAddress; readonly linkLocal?: Ipv6 };

/**
 * Adj-RIB-In of one peer: the latest of each route that it announced and did not withdraw.
 *
 * It may outlive the session: routes of a peer that restarts are marked stale and kept, until the next session
 * (`resume`) has confirmed or replaced them (RFC 4724 §4.2, RFC 9494 §4). Which of the routes are of use is judged by
 * the import policy, and judged again when that changes: nothing has to be received twice.
 */
export class AdjRibIn {
  #context: InContext;
  #settings: InSettings;
  #rules: ImportRules;
  #limit: PrefixLimit;
  readonly #routes = new Map<RouteKey, ReceivedRoute>();
  #weight = 0;
  readonly #counts: Record<AddressFamily, number> = { "ipv4-unicast": 0, "ipv6-unicast": 0 };
  readonly #refused: Record<AddressFamily, number> = { "ipv4-unicast": 0, "ipv6-unicast": 0 };
  #exceeded: { readonly family: AddressFamily; readonly limit: number } | null = null;
  /** Routes of a family that the peer has begun to send again, and not yet sent (RFC 7313). */
  readonly #unconfirmed = new Map<AddressFamily, { readonly keys: Set<RouteKey>; readonly deadline: Instant }>();
  /** Routes that were marked stale and may be so still. */
  readonly #stale: Record<AddressFamily, Set<RouteKey>> = { "ipv4-unicast": new Set(), "ipv6-unicast": new Set() };
  readonly #lost = new LostRoutes();

  constructor(context: InContext, settings: InSettings & { readonly maxPrefixes?: PrefixLimit } = {}) {
    this.#context = context;
    this.#settings = settings;
    this.#rules = new ImportRules(context, settings);
    this.#limit = settings.maxPrefixes ?? LIMIT_DEFAULT;
  }

  /** By prefix; on a session with path identifiers by prefix and identifier. */
  get routes(): ReadonlyMap<RouteKey, ReceivedRoute> {
    return this.#routes;
  }

  /** Announcements not stored because there were too many. */
  get refusedCount(): number {
    return FAMILIES.reduce((sum, family) => sum + this.#refused[family], 0);
  }

  /** Set once a limit that ends the session was passed: the peer is to be told 6/1 (RFC 4486 §4). */
  get exceeded(): { readonly family: AddressFamily; readonly limit: number } | null {
    return this.#exceeded;
  }

  /** Routes lost to malformed UPDATEs, and their number since ever (RFC 7606 §6). */
  get lost(): LostRoutes {
    return this.#lost;
  }

  /** When `expire` has something to do. */
  get deadline(): Instant | null {
    return Instant.earliest(...[...this.#unconfirmed.values()].map((one) => one.deadline));
  }

  use(): readonly PrefixUse[] {
    return this.#context.families.map((family) => ({
      family,
      count: this.#counts[family],
      limit: this.#limit.count,
      isNear: this.#counts[family] >= this.#limit.count * NEAR_LIMIT_SHARE,
      refusedCount: this.#refused[family],
    }));
  }

  /**
   * Applies one decoded UPDATE. Routes of one with a treat-as-withdraw among its `faults` are taken away (RFC 7606 §2).
   *
   * @returns true when any route changed
   */
  apply({ update, faults }: DecodedUpdate, now: Instant): boolean {
    const { attributes } = update;
    const { mpReach, mpUnreach } = attributes;
    const reach = mpReach !== undefined && "family" in mpReach ? mpReach : null;
    const unreach = mpUnreach !== undefined && "family" in mpUnreach ? mpUnreach : null;
    // Body routes of a peer with which IPv4 was not agreed are ignored (RFC 4760 §8).
    const inBody = this.#context.families.includes("ipv4-unicast");
    let changed = this.#withdraw(update.withdrawn, update.withdrawnPathIds);
    if (unreach !== null) changed = this.#withdraw(unreach.prefixes, unreach.pathIds) || changed;
    const asPath = mergeAs4Path(attributes.asPath ?? [], attributes.as4Path, attributes.aggregator?.asn);
    const reason = reasonToWithdraw(faults) ?? this.#badFirstAs(asPath);
    if (reason !== null) {
      if (inBody) changed = this.#lose(update.nlri, update.nlriPathIds, reason, now) || changed;
      return reach === null ? changed : this.#lose(reach.prefixes, reach.pathIds, reason, now) || changed;
    }
    if (inBody && update.nlri.length > 0) {
      const body: Reach = { nextHop: attributes.nextHop! };
      changed = this.#announce(update.nlri, update.nlriPathIds, body, asPath, update) || changed;
    }
    if (reach !== null) changed = this.#announce(reach.prefixes, reach.pathIds, reach, asPath, update) || changed;
    return changed;
  }

  /** @returns true when any route is judged otherwise */
  setImportPolicy(importPolicy: ImportPolicy | null): boolean {
    this.#settings = { ...this.#settings, importPolicy };
    return this.#judgeAll();
  }

  /**
   * Routes beyond a lower limit go, the latest first.
   *
   * @returns families of which routes were refused that there would now be room for: ask the peer to send them again
   */
  setMaxPrefixes(limit: PrefixLimit = LIMIT_DEFAULT): readonly AddressFamily[] {
    this.#limit = limit;
    this.#exceeded = null;
    for (const [key, { prefix }] of [...this.#routes].toReversed()) {
      const family = familyOfPrefix(prefix);
      if (this.#counts[family] <= limit.count) continue;
      this.#delete(key);
      this.#refuse(family);
    }
    const isRoomFor = (family: AddressFamily): boolean =>
      this.#refused[family] > 0 && this.#counts[family] < limit.count;
    const wanted = this.#context.families.filter(isRoomFor);
    for (const family of wanted) this.#refused[family] = 0;
    return wanted;
  }

  /**
   * A new session with the same peer. Routes of families that it does not have go; a refresh that was under way is over,
   * and what was refused in the session before does not count any more.
   */
  resume(context: InContext): boolean {
    this.#context = context;
    this.#unconfirmed.clear();
    this.#exceeded = null;
    let changed = false;
    for (const family of FAMILIES) this.#refused[family] = 0;
    for (const family of FAMILIES) if (!context.families.includes(family)) changed = this.drop(family) || changed;
    return this.#judgeAll() || changed;
  }

  /** The session is gone and the family's routes are kept; those already stale have had their time (RFC 4724 §4.2). */
  markStale(family: AddressFamily): boolean {
    this.#unconfirmed.delete(family);
    return this.#each(family, (route, key) => {
      if (route.stale !== undefined) return this.#delete(key);
      this.#put(key, { ...route, stale: "restart" });
      this.#stale[family].add(key);
      return true;
    });
  }

  /** The restart took too long: from now on the stale routes are the last resort (RFC 9494 §4.2). */
  beginLongLived(family: AddressFamily): boolean {
    return this.#each(family, (route, key) => {
      if (route.stale !== "restart") return false;
      if (route.communities.includes(COMMUNITY.noLlgr)) return this.#delete(key);
      const isMarked = route.communities.includes(COMMUNITY.llgrStale);
      const communities = isMarked ? route.communities : [...route.communities, COMMUNITY.llgrStale];
      this.#put(key, { ...route, communities, stale: "long-lived" });
      return true;
    });
  }

  /** Stale routes of the family go: at its End-of-RIB, or when there is no more waiting for it. */
  dropStale(family: AddressFamily): boolean {
    this.#stale[family].clear();
    return this.#each(family, (route, key) => route.stale !== undefined && this.#delete(key));
  }

  /** All routes of the family go. */
  drop(family: AddressFamily): boolean {
    this.#unconfirmed.delete(family);
    this.#stale[family].clear();
    return this.#each(family, (_route, key) => this.#delete(key));
  }

  /** BoRR: what the peer does not send until EoRR, it does not have any more (RFC 7313 §4). A second one starts anew. */
  beginRefresh(family: AddressFamily, now: Instant): void {
    const keys = new Set<RouteKey>();
    for (const [key, { prefix }] of this.#routes) if (familyOfPrefix(prefix) === family) keys.add(key);
    this.#unconfirmed.set(family, { keys, deadline: Instant.add(now, REFRESH_MILLIS_MAX) });
  }

  /** EoRR; without BoRR it says nothing. */
  endRefresh(family: AddressFamily): boolean {
    const keys = this.#unconfirmed.get(family)?.keys ?? NO_KEYS;
    this.#unconfirmed.delete(family);
    let changed = false;
    for (const key of keys) changed = this.#delete(key) || changed;
    return changed;
  }

  /** Ends refreshes that the peer did not end itself. */
  expire(now: Instant): boolean {
    let changed = false;
    for (const [family, { deadline }] of this.#unconfirmed) {
      if (Instant.isDue(deadline, now)) changed = this.endRefresh(family) || changed;
    }
    return changed;
  }

  #announce(
    prefixes: readonly Prefix[],
    pathIds: readonly number[] | undefined,
    { nextHop, linkLocal }: Reach,
    asPath: ReceivedRoute["asPath"],
    { attributes, opaque }: Update,
  ): boolean {
    if (prefixes.length === 0) return false;
    const path = { nextHop, ...(linkLocal === undefined ? {} : { linkLocal }), asPath, ...this.#carried(attributes) };
    const judged = this.#rules.judge(path);
    const common = { ...path, ...judged, ...(opaque.length === 0 ? {} : { opaque }) };
    const family = familyOfPrefix(prefixes[0]!);
    const weight = weightOf(common);
    const weightMax = Math.max(WEIGHT_MAX, this.#limit.count * WEIGHT_PER_ROUTE);
    const unconfirmed = this.#unconfirmed.get(family)?.keys;
    let changed = false;
    for (let at = 0; at < prefixes.length; at++) {
      const prefix = prefixes[at]!;
      // RFC 4271 §6.3: a prefix without sense is ignored by itself.
      if (prefixProblem(prefix) !== null) continue;
      const pathId = pathIds?.[at];
      const key = routeKey(prefix, pathId);
      this.#lost.forget(key);
      unconfirmed?.delete(key);
      const before = this.#routes.get(key);
      if (before === undefined && this.#counts[family] >= this.#limit.count && !this.#makeRoom(family)) {
        this.#refuse(family);
        continue;
      }
      if (this.#weight + weight - (before === undefined ? 0 : weightOf(before)) > weightMax) {
        changed = this.#delete(key) || changed;
        this.#refused[family]++;
        continue;
      }
      const unusable = judged.unusable ?? this.#rules.refusal(prefix, family);
      const route = { ...common, prefix, unusable };
      this.#put(key, pathId === undefined ? route : { ...route, pathId });
      changed = true;
    }
    return changed;
  }

  /** What all routes of an UPDATE have in common, beside path and next hop. */
  #carried(from: PathAttributes) {
    const { origin = 0, med, localPref, communities = [], largeCommunities, extendedCommunities } = from;
    const { originatorId, clusterList, onlyToCustomer = ingressOnlyToCustomer(this.#context) } = from;
    return {
      origin,
      ...(med === undefined ? {} : { med }),
      ...(localPref === undefined ? {} : { localPref }),
      communities,
      ...(largeCommunities === undefined ? {} : { largeCommunities }),
      ...(extendedCommunities === undefined ? {} : { extendedCommunities }),
      ...(originatorId === undefined ? {} : { originatorId }),
      ...(clusterList === undefined ? {} : { clusterList }),
      ...(onlyToCustomer === undefined ? {} : { onlyToCustomer }),
    };
  }

  /** A peer in another AS puts its own AS first; who does not is no router, or lies (RFC 4271 §6.3). */
  #badFirstAs(asPath: ReceivedRoute["asPath"]): string | null {
    const { external, peerAsn } = this.#context;
    if (this.#settings.enforceFirstAs !== true || !external || peerAsn === undefined || asPath[0] === peerAsn)
      return null;
    const beginning = asPath.length === 0 ? "is empty" : `begins with AS ${asPath[0]}`;
    return `the path ${beginning}, the peer is AS ${peerAsn}`;
  }

  /** A peer that is back may have moved all of its routes: what is only kept from before counts for less. */
  #makeRoom(family: AddressFamily): boolean {
    for (const key of this.#stale[family]) {
      this.#stale[family].delete(key);
      if (this.#routes.get(key)?.stale !== undefined) return this.#delete(key);
    }
    return false;
  }

  #refuse(family: AddressFamily): void {
    this.#refused[family]++;
    if (this.#limit.action === "cease") this.#exceeded ??= { family, limit: this.#limit.count };
  }

  #withdraw(prefixes: readonly Prefix[], pathIds: readonly number[] | undefined): boolean {
    let changed = false;
    for (const [at, prefix] of prefixes.entries()) {
      const key = routeKey(prefix, pathIds?.[at]);
      this.#lost.forget(key);
      changed = this.#delete(key) || changed;
    }
    return changed;
  }

  #lose(prefixes: readonly Prefix[], pathIds: readonly number[] | undefined, reason: string, at: Instant): boolean {
    let changed = false;
    for (const [index, prefix] of prefixes.entries()) {
      const key = routeKey(prefix, pathIds?.[index]);
      this.#lost.note(key, { prefix, reason, at });
      changed = this.#delete(key) || changed;
    }
    return changed;
  }

  #put(key: RouteKey, route: ReceivedRoute): void {
    const before = this.#routes.get(key);
    if (before === undefined) this.#counts[familyOfPrefix(route.prefix)]++;
    else this.#weight -= weightOf(before);
    this.#weight += weightOf(route);
    this.#routes.set(key, route);
  }

  #delete(key: RouteKey): boolean {
    const route = this.#routes.get(key);
    if (route === undefined) return false;
    this.#weight -= weightOf(route);
    this.#counts[familyOfPrefix(route.prefix)]--;
    return this.#routes.delete(key);
  }

  /** Runs `change` on each route of the family; true when any run was. */
  #each(family: AddressFamily, change: (route: ReceivedRoute, key: RouteKey) => boolean): boolean {
    let changed = false;
    for (const [key, route] of this.#routes) {
      if (familyOfPrefix(route.prefix) === family) changed = change(route, key) || changed;
    }
    return changed;
  }

  #judgeAll(): boolean {
    this.#rules = new ImportRules(this.#context, this.#settings);
    let changed = false;
    for (const [key, route] of this.#routes) {
      const { preference, unusable: problem } = this.#rules.judge(route);
      const unusable = problem ?? this.#rules.refusal(route.prefix, familyOfPrefix(route.prefix));
      if (unusable === route.unusable && preference === route.preference) continue;
      this.#put(key, { ...route, preference, unusable });
      changed = true;
    }
    return changed;
  }
}

const LIMIT_DEFAULT: PrefixLimit = { count: RECEIVED_COUNT_MAX, action: "drop" };
const NO_KEYS: ReadonlySet<RouteKey> = new Set();

/** About what the attributes of a route take in memory. Those that routes share count for each of them. */
function weightOf(route: Omit<ReceivedRoute, "prefix">): number {
  const { asPath, communities, largeCommunities, extendedCommunities, clusterList, opaque } = route;
  let weight = 8 * (asPath.length + communities.length);
  if (largeCommunities !== undefined) weight += 64 * largeCommunities.length;
  if (extendedCommunities !== undefined) weight += 32 * extendedCommunities.length;
  if (clusterList !== undefined) weight += 32 * clusterList.length;
  if (opaque !== undefined) for (const { value } of opaque) weight += 128 + value.length;
  return weight;
}

/** In words; null when the routes may stay. */
function reasonToWithdraw(faults: readonly AttributeFault[]): string | null {
  const severe = faults.find((one) => one.consequence === "treat-as-withdraw");
  return severe === undefined ? null : describeFault(severe.fault);
}
