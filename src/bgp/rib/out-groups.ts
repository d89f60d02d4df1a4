import type { AddressFamily } from "../wire/families.ts";
import { nextHopOctets } from "../wire/mp-routes.ts";
import type { PathAttributes } from "../wire/path-attributes.ts";
import { announcementRoom, attributeOctets, type PackedRoutes } from "../wire/update-encoding.ts";
import { COMMUNITY } from "./communities.ts";
import type { DesiredRoute } from "./desired-routes.ts";
import { ExportRules } from "./export-rules.ts";
import { type OutContext, outgoing } from "./outgoing-attributes.ts";
import type { ExportPolicy, ExportRule } from "./policy.ts";
import type { OwnNextHop, RouteAttributes } from "./route-attributes.ts";

/** Routes of one family that one peer is told with the same attributes. */
export interface OutGroup<Member> {
  readonly family: AddressFamily;
  readonly packed: PackedRoutes;
  /** Octets that prefixes may take in one message. */
  readonly room: number;
  /** RFC 7999 §3.3: a blackhole is for single addresses. */
  readonly isHostOnly: boolean;
  /** Members that are to be announced. */
  readonly queued: Set<Member>;
  /** Equal for equal octets. */
  readonly key: string;
  /** Members that want it, and members that the peer has by it. */
  useCount: number;
}

/** The group of a route; a reason why the route has to be withheld; null when the peer is not to have it. */
type Found<Member> = OutGroup<Member> | string | null;
/** By the attributes of the route, then by the rule that lets it pass. */
type Known<Member> = Record<AddressFamily, WeakMap<RouteAttributes, Map<ExportRule | null, Found<Member>>>>;

/**
 * The groups of one session. A route's group depends on its attributes and on the rule of the export policy that lets
 * it pass: each combination is worked out once, and the octets of its attributes with it. Combinations that come to the
 * same octets are the same group, so that a change that makes no difference to the peer is not sent.
 */
export class OutGroups<Member> {
  readonly #context: OutContext;
  readonly #maxLength: number;
  readonly #nextHops = new Map<AddressFamily, OwnNextHop>();
  #rules: ExportRules;
  #isDraining = false;
  /** What was worked out, until something else changes that it depends on. */
  #known: Known<Member> = { "ipv4-unicast": new WeakMap(), "ipv6-unicast": new WeakMap() };
  /** Groups in use. */
  readonly #byKey = new Map<string, OutGroup<Member>>();
  /** Those with members that are to be announced, in the order in which they got their first. */
  readonly #queued = new Set<OutGroup<Member>>();

  constructor(context: OutContext, maxLength: number, policy: ExportPolicy | null) {
    this.#context = context;
    this.#maxLength = maxLength;
    this.#rules = new ExportRules(policy);
    this.#forget();
  }

  /** @returns true when it is another than before */
  setNextHop(family: AddressFamily, nextHop: OwnNextHop | null): boolean {
    const before = this.#nextHops.get(family);
    if (before?.address === nextHop?.address && before?.linkLocal === nextHop?.linkLocal) return false;
    if (nextHop === null) this.#nextHops.delete(family);
    else this.#nextHops.set(family, nextHop);
    this.#forget();
    return true;
  }

  setPolicy(policy: ExportPolicy | null): void {
    this.#rules = new ExportRules(policy);
    this.#forget();
  }

  /** @returns true when it is another than before */
  setDraining(isDraining: boolean): boolean {
    if (this.#isDraining === isDraining) return false;
    this.#isDraining = isDraining;
    this.#forget();
    return true;
  }

  of(route: DesiredRoute): Found<Member> {
    const rule = this.#rules.verdict(route);
    if (rule === "refuse") return null;
    const found = this.#knownOf(route, rule);
    if (found === null || typeof found === "string") return found;
    if (found.isHostOnly && !route.isHost) return "a blackhole must be a single address (RFC 7999)";
    if (route.octets.length > found.room) return `its attributes exceed a message of ${this.#maxLength} octets`;
    return found.useCount > 0 ? found : (this.#byKey.get(found.key) ?? found);
  }

  retain(group: OutGroup<Member>): void {
    if (group.useCount++ === 0) this.#byKey.set(group.key, group);
  }

  release(group: OutGroup<Member>): void {
    if (--group.useCount === 0) this.#byKey.delete(group.key);
  }

  queue(group: OutGroup<Member>, member: Member): void {
    if (group.queued.size === 0) this.#queued.add(group);
    group.queued.add(member);
  }

  unqueue(group: OutGroup<Member>, member: Member): void {
    if (group.queued.delete(member) && group.queued.size === 0) this.#queued.delete(group);
  }

  /** The group of which something is to be announced next. */
  first(): OutGroup<Member> | null {
    for (const group of this.#queued) return group;
    return null;
  }

  #knownOf(route: DesiredRoute, rule: ExportRule | null): Found<Member> {
    const byAttributes = this.#known[route.family];
    let byRule = byAttributes.get(route.attributes);
    if (byRule === undefined) byAttributes.set(route.attributes, (byRule = new Map()));
    let found = byRule.get(rule);
    if (found === undefined) byRule.set(rule, (found = this.#workOut(route, rule)));
    return found;
  }

  #workOut({ family, attributes: own }: DesiredRoute, rule: ExportRule | null): Found<Member> {
    const nextHop = this.#nextHops.get(family) ?? null;
    const made = outgoing(own, rule, family, nextHop, this.#isDraining, this.#context);
    if ("reason" in made) return made.reason;
    const packed = packedOf(made.attributes, this.#context);
    const key = keyOf(family, packed);
    const isHostOnly = made.attributes.communities?.includes(COMMUNITY.blackhole) ?? false;
    const room = announcementRoom(packed, this.#maxLength);
    return this.#byKey.get(key) ?? { family, packed, room, isHostOnly, queued: new Set(), key, useCount: 0 };
  }

  #forget(): void {
    this.#known = { "ipv4-unicast": new WeakMap(), "ipv6-unicast": new WeakMap() };
  }
}

function packedOf({ mpReach, ...attributes }: PathAttributes, context: OutContext): PackedRoutes {
  const octets = attributeOctets(attributes, context);
  if (mpReach === undefined || !("family" in mpReach)) return { attributes: octets, mp: null };
  return {
    attributes: octets,
    mp: { family: mpReach.family, nextHop: nextHopOctets(mpReach.nextHop, mpReach.linkLocal) },
  };
}

/** A character for each octet. */
function keyOf(family: AddressFamily, { attributes, mp }: PackedRoutes): string {
  let key = mp === null ? family : `${family} `;
  for (const octet of mp?.nextHop ?? []) key += String.fromCharCode(octet);
  for (const octet of attributes) key += String.fromCharCode(octet);
  return key;
}
