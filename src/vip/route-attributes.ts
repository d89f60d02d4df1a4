import {
  type LargeCommunityNumbers,
  parseCommunity,
  parseExtendedCommunity,
  parseLargeCommunity,
} from "../base/communities.ts";
import type { Prefix } from "../addr/prefix.ts";
import type { ServiceFact } from "./facts.ts";
import { type Gate, open } from "./gates.ts";
import type { RouteSelection, RoutingPolicy } from "./snapshot.ts";

/** What a route carries beside its prefix. Members that say nothing are left out, so that equal routes look equal. */
export interface PlannedAttributes {
  readonly communities?: readonly number[];
  readonly largeCommunities?: readonly LargeCommunityNumbers[];
  readonly extendedCommunities?: readonly bigint[];
  readonly localPref?: number;
  readonly med?: number;
  readonly prependCount?: number;
  /** Of the selectors that the route's owner fits. */
  readonly tags?: readonly string[];
}

export interface ServiceAttributes {
  readonly attributes: PlannedAttributes;
  /** What became of the annotations; always open, since a bad attribute costs itself alone. Null without any. */
  readonly gate: Gate | null;
}

/** RFC 8326 §3: a route that is about to go, to be used where there is no other. */
const GRACEFUL_SHUTDOWN = 0xffff_0000;
/** Nothing but the prefix. */
const PLAIN: PlannedAttributes = {};
/** One object for most of thousands of routes. */
const PLAIN_LEAVING: PlannedAttributes = { communities: [GRACEFUL_SHUTDOWN], localPref: 0 };
const ALL_PLAIN: ServiceAttributes = { attributes: PLAIN, gate: null };
/** An annotation longer than this is a mistake; no message has room for so many communities. */
const COMMUNITIES_MAX = 64;
const REFUSALS_TOLD = 8;
const NUMBER_MAX = 4_294_967_295;

/** Of the VIPs of the control plane, which has no annotations: the same object for the same policy. */
export function controlPlaneAttributes(policy: RoutingPolicy): PlannedAttributes {
  let attributes = ofControlPlane.get(policy);
  if (attributes === undefined) {
    const tags = policy.selections.filter(isOfControlPlane).map(({ tag }) => tag);
    ofControlPlane.set(policy, (attributes = tags.length === 0 ? PLAIN : { tags }));
  }
  return attributes;
}

const ofControlPlane = new WeakMap<RoutingPolicy, PlannedAttributes>();

/** What a Service asks for by its annotations, as far as that is allowed, and which selectors it fits. */
export function serviceAttributes(service: ServiceFact, policy: RoutingPolicy): ServiceAttributes {
  if (service.bgp === null && policy.selections.length === 0) return ALL_PLAIN;
  const known = found.get(service);
  if (known?.policy === policy) return known.result;
  const result = read(service, policy);
  found.set(service, { policy, result });
  return result;
}

/** Facts do not change: what was read in one stays true while it is planned with again and again. */
const found = new WeakMap<ServiceFact, { readonly policy: RoutingPolicy; readonly result: ServiceAttributes }>();

function read(service: ServiceFact, policy: RoutingPolicy): ServiceAttributes {
  const { allowed } = policy;
  const { bgp } = service;
  const tags = policy.selections.filter((it) => fits(service, it)).map(({ tag }) => tag);
  if (bgp === null) return { attributes: tags.length === 0 ? PLAIN : { tags }, gate: null };
  const refusals: string[] = [];
  const refuse = (name: string, why: string): void => void refusals.push(`vipcast.io/bgp-${name} ${why}`);
  /** An annotation may have 256 KiB, and what is said of it goes through logs and every status. */
  const told = (): string =>
    refusals.length <= REFUSALS_TOLD
      ? refusals.join("; ")
      : `${refusals.slice(0, REFUSALS_TOLD).join("; ")}; and ${refusals.length - REFUSALS_TOLD} more`;
  const list = <T extends Community>(
    name: string,
    text: string | null,
    patterns: readonly string[],
    parse: (word: string) => T | null,
  ): T[] => {
    const all = text === null ? [] : words(text).flatMap((word) => readWord(name, word, patterns, parse, refuse));
    if (all.length > COMMUNITIES_MAX)
      refuse(name, `has ${all.length} values: those after the first ${COMMUNITIES_MAX} are left out`);
    return all.slice(0, COMMUNITIES_MAX);
  };
  const communities = list("communities", bgp.communities, allowed.communities, parseCommunity);
  const largeCommunities = list(
    "large-communities",
    bgp.largeCommunities,
    allowed.largeCommunities,
    parseLargeCommunity,
  );
  const extendedCommunities = list(
    "extended-communities",
    bgp.extendedCommunities,
    allowed.extendedCommunities,
    parseExtendedCommunity,
  );
  const localPref = readNumber(
    "local-preference",
    bgp.localPreference,
    allowed.localPreference ? NUMBER_MAX : -1,
    refuse,
  );
  const med = readNumber("med", bgp.med, allowed.med ? NUMBER_MAX : -1, refuse);
  const prependCount = readNumber("prepend", bgp.prepend, allowed.maxPrepend === 0 ? -1 : allowed.maxPrepend, refuse);
  return {
    attributes: {
      ...(communities.length === 0 ? {} : { communities }),
      ...(largeCommunities.length === 0 ? {} : { largeCommunities }),
      ...(extendedCommunities.length === 0 ? {} : { extendedCommunities }),
      ...(localPref === null ? {} : { localPref }),
      ...(med === null ? {} : { med }),
      ...(prependCount === null ? {} : { prependCount }),
      ...(tags.length === 0 ? {} : { tags }),
    },
    gate:
      refusals.length === 0
        ? open("attributes", "the annotations vipcast.io/bgp-… are allowed")
        : {
            ...open("attributes", `left out: ${told()}`),
            hint: "correct it, or allow it in bgp.serviceAttributes",
          },
  };
}

const words = (text: string): string[] =>
  text
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");

function readWord<T extends Community>(
  name: string,
  word: string,
  patterns: readonly string[],
  parse: (word: string) => T | null,
  refuse: (name: string, why: string) => void,
): T[] {
  const value = parse(word);
  if (value === null) refuse(name, `has "${word.slice(0, 40)}", which is none`);
  else if (!patterns.some((pattern) => matches(pattern, word, parse))) refuse(name, `${word}: not allowed`);
  else return [value];
  return [];
}

type Community = number | bigint | LargeCommunityNumbers;

/** Part by part, `*` for any; or, since one value has several spellings, by what both mean. */
function matches(pattern: string, word: string, parse: (word: string) => Community | null): boolean {
  const meant = parse(pattern);
  if (meant !== null) return String(parse(word)) === String(meant);
  const [wanted, given] = [pattern.split(":"), word.toLowerCase().split(":")];
  return wanted.length === given.length && wanted.every((part, at) => part === "*" || part === given[at]);
}

/** @param max  -1: not allowed at all */
function readNumber(
  name: string,
  text: string | null,
  max: number,
  refuse: (name: string, why: string) => void,
): number | null {
  if (text === null) return null;
  const value = /^\d{1,10}$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (max < 0) refuse(name, "is not allowed");
  else if (!(value <= max)) refuse(name, `must be a number from 0 to ${max}, not "${text.slice(0, 40)}"`);
  else return value;
  return null;
}

const isOfControlPlane = ({ kind, namespaces, services, labels }: RouteSelection): boolean =>
  kind !== "services" && namespaces === null && services === null && Object.keys(labels).length === 0;

const fits = (service: ServiceFact, { kind, namespaces, services, labels }: RouteSelection): boolean =>
  kind !== "control-plane" &&
  (namespaces === null || namespaces.includes(service.namespace)) &&
  (services === null || services.includes(service.key)) &&
  Object.entries(labels).every(([key, value]) => service.labels[key] === value);

/** The same route on its way out. */
export const leaving = (attributes: PlannedAttributes): PlannedAttributes =>
  attributes === PLAIN
    ? PLAIN_LEAVING
    : { ...attributes, communities: [...(attributes.communities ?? []), GRACEFUL_SHUTDOWN], localPref: 0 };

/** What one owner wants of a route. */
export interface OwnedRoute {
  readonly prefix: Prefix;
  readonly owner: string;
  readonly attributes: PlannedAttributes;
}

/** What the owners of each prefix want its route to carry, plan after plan. */
export class RouteBook {
  #all: OwnedRoute[] = [];
  #before: readonly OwnedRoute[] = [];
  #routes: ReadonlyMap<Prefix, PlannedAttributes> = new Map();

  add(route: OwnedRoute): void {
    this.#all.push(route);
  }

  /**
   * The routes of what was added since the last call; the very same map where that was the same. Owners in the order of
   * their names, as the order in which Services arrive must not change a route.
   */
  merged(): ReadonlyMap<Prefix, PlannedAttributes> {
    const [all, before] = [this.#all, this.#before];
    this.#before = all;
    this.#all = [];
    return isSameList(all, before) ? this.#routes : (this.#routes = mergedRoutes(all));
  }
}

function isSameList(all: readonly OwnedRoute[], before: readonly OwnedRoute[]): boolean {
  if (all.length !== before.length) return false;
  for (let at = 0; at < all.length; at++) if (!isSameRoute(all[at]!, before[at]!)) return false;
  return true;
}

const isSameRoute = (a: OwnedRoute, b: OwnedRoute): boolean =>
  a === b || (a.prefix === b.prefix && a.owner === b.owner && a.attributes === b.attributes);

function mergedRoutes(all: readonly OwnedRoute[]): ReadonlyMap<Prefix, PlannedAttributes> {
  const routes = new Map<Prefix, PlannedAttributes>();
  for (const { prefix, attributes } of all) routes.set(prefix, attributes);
  // Nearly every prefix has one owner.
  if (routes.size === all.length) return routes;
  for (const [prefix, owners] of Map.groupBy(all, (route) => route.prefix)) {
    if (owners.length === 1) continue;
    const ordered = owners.toSorted((a, b) => (a.owner < b.owner ? -1 : 1));
    routes.set(prefix, mergeAttributes(ordered.map(({ attributes }) => attributes)));
  }
  return routes;
}

/** Of several owners of one address, in their order: communities and tags of all, numbers of the first that has one. */
function mergeAttributes(all: readonly PlannedAttributes[]): PlannedAttributes {
  if (all.length === 1) return all[0]!;
  const union = <T>(of: (one: PlannedAttributes) => readonly T[] | undefined): T[] => [
    ...new Map(all.flatMap((one) => of(one) ?? []).map((value) => [String(value), value])).values(),
  ];
  // Bounded as for one: many owners must not make a route that no message has room for.
  const some = <T>(of: (one: PlannedAttributes) => readonly T[] | undefined): T[] =>
    union(of).slice(0, COMMUNITIES_MAX);
  const first = (of: (one: PlannedAttributes) => number | undefined): number | undefined =>
    all.map(of).find((value) => value !== undefined);
  const [localPref, med, prependCount] = [
    first((one) => one.localPref),
    first((one) => one.med),
    first((one) => one.prependCount),
  ];
  const [communities, large, extended, tags] = [
    some((one) => one.communities),
    some((one) => one.largeCommunities),
    some((one) => one.extendedCommunities),
    union((one) => one.tags),
  ];
  return {
    ...(communities.length === 0 ? {} : { communities }),
    ...(large.length === 0 ? {} : { largeCommunities: large }),
    ...(extended.length === 0 ? {} : { extendedCommunities: extended }),
    ...(localPref === undefined ? {} : { localPref }),
    ...(med === undefined ? {} : { med }),
    ...(prependCount === undefined ? {} : { prependCount }),
    ...(tags.length === 0 ? {} : { tags }),
  };
}
