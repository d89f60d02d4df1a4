import type { Prefix } from "../../addr/prefix.ts";
import { type AddressFamily, FAMILIES, familyCodes, familyOfPrefix } from "../wire/families.ts";
import { MESSAGE_LENGTH_MAX } from "../wire/framing.ts";
import { encodeMessage } from "../wire/message.ts";
import {
  packAnnouncement,
  packEndOfRib,
  packWithdrawal,
  withdrawalRoom,
  type WithdrawalPlace,
} from "../wire/update-encoding.ts";
import type { DesiredRoute, DesiredRoutes } from "./desired-routes.ts";
import { OutGroups, type OutGroup } from "./out-groups.ts";
import type { OutContext } from "./outgoing-attributes.ts";
import type { ExportPolicy } from "./policy.ts";
import type { OwnNextHop } from "./route-attributes.ts";

export type { OutContext } from "./outgoing-attributes.ts";
export type { LargeCommunity, OwnNextHop, RouteAttributes } from "./route-attributes.ts";

/** What the peer should have of one prefix, and what it was sent. */
interface Slot {
  route: DesiredRoute;
  /** Null: nothing. */
  wanted: OutGroup<Slot> | null;
  sent: OutGroup<Slot> | null;
  /** Belongs to the initial routes, or to a resend that the peer asked for: sent even if the peer has it. */
  isDue: boolean;
}

/** Where a family stands between what closes its initial routes and what opens and closes a resend. */
interface Progress {
  phase: "initial" | "steady" | "resending";
  /** Slots whose announcement or withdrawal the end of the phase waits for. */
  dueCount: number;
  /** The peer asked, and the answer has not begun. */
  isAsked: boolean;
  /** Slots of which the peer has something. */
  sentCount: number;
}

/** Routes of one family that are not announced, and why. */
export interface Withheld {
  readonly family: AddressFamily;
  readonly reason: string;
  readonly count: number;
  /** The first few of them. */
  readonly prefixes: readonly Prefix[];
}

/**
 * Adj-RIB-Out of one session: what the peer should have, what it was sent, and the UPDATEs that make these equal.
 *
 * Messages are pulled: `next` gives the next one to write, and null when the peer is right. Between two calls anything
 * may change; a prefix counts with its latest state only, so that a peer that does not read costs memory by the number
 * of prefixes and never by the number of changes. Withdrawals come first: a peer near its prefix limit must lose routes
 * before it gains any. Prefixes with equal attributes share a message, one family to a message (RFC 7606 §5.1). Each
 * family's initial routes are followed by its End-of-RIB (RFC 4724 §2), each resend stands between its two marks if the
 * peer knows them (RFC 7313 §4).
 */
export class AdjRibOut {
  readonly #context: OutContext;
  readonly #maxLength: number;
  readonly #groups: OutGroups<Slot>;
  /** What the peer should have; null until it is known, since an End-of-RIB before that would be a lie. */
  #desired: DesiredRoutes | null = null;
  readonly #slots = new Map<Prefix, Slot>();
  /** By where each of them was announced, and is withdrawn. */
  readonly #withdrawals: Record<WithdrawalPlace, Set<Slot>> = {
    body: new Set(),
    "ipv4-unicast": new Set(),
    "ipv6-unicast": new Set(),
  };
  readonly #progress: ReadonlyMap<AddressFamily, Progress>;
  readonly #withheld = new Map<Prefix, { readonly family: AddressFamily; readonly reason: string }>();

  constructor(context: OutContext, exportPolicy: ExportPolicy | null = null) {
    this.#context = context;
    this.#maxLength = context.maxLength ?? MESSAGE_LENGTH_MAX;
    this.#groups = new OutGroups(context, this.#maxLength, exportPolicy);
    const progress = (): Progress => ({ phase: "initial", dueCount: 0, isAsked: false, sentCount: 0 });
    this.#progress = new Map(context.families.map((family) => [family, progress()]));
  }

  /** Prefixes that the peer was told of and not told off again. */
  count(family: AddressFamily): number {
    return this.#progress.get(family)?.sentCount ?? 0;
  }

  /** Desired routes that neither a policy refuses nor the session excludes, and that cannot be announced all the same. */
  withheld(): readonly Withheld[] {
    const found = new Map<string, { family: AddressFamily; reason: string; count: number; prefixes: Prefix[] }>();
    for (const [prefix, { family, reason }] of this.#withheld) {
      const key = `${family} ${reason}`;
      const one = found.get(key) ?? { family, reason, count: 0, prefixes: [] };
      found.set(key, one);
      one.count++;
      if (one.prefixes.length < NAMED_COUNT_MAX) one.prefixes.push(prefix);
    }
    return [...found.values()];
  }

  /** Whether the peer has been told of a prefix, and if not, why; null where nothing is known to stand in the way. */
  told(prefix: Prefix): { readonly told: boolean; readonly reason: string | null } {
    if ((this.#slots.get(prefix)?.sent ?? null) !== null) return { told: true, reason: null };
    const not = (reason: string | null) => ({ told: false, reason });
    const withheld = this.#withheld.get(prefix);
    if (withheld !== undefined) return not(withheld.reason);
    const family = familyOfPrefix(prefix);
    if (!this.#progress.has(family)) return not(`the session does not carry ${family}`);
    if (this.#desired?.has(prefix) !== true) return not("this node has no route to announce");
    return not(
      this.#slots.get(prefix)?.wanted ? "it is about to be told" : "the export policy does not let it through",
    );
  }

  /** True when the peer was told everything; what TCP still holds is another matter. */
  get isDone(): boolean {
    if (this.#groups.first() !== null || this.#placeWithWithdrawals() !== undefined) return false;
    for (const { phase, isAsked } of this.#progress.values()) if (phase !== "steady" || isAsked) return false;
    return true;
  }

  setDesired(routes: DesiredRoutes): void {
    const before = this.#desired;
    this.#desired = routes;
    if (routes !== before && !routes.follows(before)) return this.#reconcile();
    if (routes === before) return;
    for (const route of routes.changed) this.#want(route);
    for (const route of routes.removed) this.#forget(route.prefix);
  }

  /** Null when there is no address for the family: its routes are then withdrawn. */
  setNextHop(family: AddressFamily, nextHop: OwnNextHop | null): void {
    if (this.#groups.setNextHop(family, nextHop)) this.#reconcile();
  }

  /** Null: everything that is desired is announced. The peer is sent the difference. */
  setExportPolicy(policy: ExportPolicy | null): void {
    this.#groups.setPolicy(policy);
    this.#reconcile();
  }

  /** Asks the peer to prefer any other way to our routes (RFC 8326): before a withdrawal, so that none is missed. */
  setDraining(draining: boolean): void {
    if (this.#groups.setDraining(draining)) this.#reconcile();
  }

  /**
   * Everything of the family is sent again, changed or not (RFC 2918 §4). A request during an answer, or before the
   * End-of-RIB, is answered after it.
   */
  refresh(family: AddressFamily): void {
    const progress = this.#progress.get(family);
    if (progress !== undefined) progress.isAsked = true;
  }

  /** The next message to write, complete and not aliased; null when nothing is left to say. */
  next(): Uint8Array | null {
    if (this.#desired === null) return null;
    return this.#nextWithdrawal() ?? this.#nextMark() ?? this.#nextAnnouncement();
  }

  /** Looks at every route. */
  #reconcile(): void {
    const desired = this.#desired;
    if (desired === null) return;
    for (const prefix of this.#slots.keys()) if (!desired.has(prefix)) this.#forget(prefix);
    for (const prefix of this.#withheld.keys()) if (!desired.has(prefix)) this.#withheld.delete(prefix);
    for (const route of desired.values()) this.#want(route);
  }

  #want(route: DesiredRoute): void {
    const progress = this.#progress.get(route.family);
    if (progress === undefined) return;
    const found = this.#groups.of(route);
    if (typeof found === "string") this.#withheld.set(route.prefix, { family: route.family, reason: found });
    else if (this.#withheld.size > 0) this.#withheld.delete(route.prefix);
    const wanted = typeof found === "string" ? null : found;
    let slot = this.#slots.get(route.prefix);
    if (slot === undefined) {
      if (wanted === null) return;
      slot = { route, wanted: null, sent: null, isDue: progress.phase === "initial" };
      if (slot.isDue) progress.dueCount++;
      this.#slots.set(route.prefix, slot);
    }
    slot.route = route;
    this.#turn(slot, wanted);
  }

  #forget(prefix: Prefix): void {
    this.#withheld.delete(prefix);
    const slot = this.#slots.get(prefix);
    if (slot !== undefined) this.#turn(slot, null);
  }

  /** Puts the slot where its next message will be made of it. */
  #turn(slot: Slot, wanted: OutGroup<Slot> | null): void {
    const { prefix } = slot.route;
    const before = slot.wanted;
    if (before !== wanted) {
      slot.wanted = wanted;
      if (wanted !== null) this.#groups.retain(wanted);
      if (before !== null) {
        this.#groups.unqueue(before, slot);
        this.#groups.release(before);
      }
    }
    if (wanted !== null) {
      if (slot.sent !== null) this.#withdrawals[placeOf(slot.sent)].delete(slot);
      if (slot.sent !== wanted || slot.isDue) this.#groups.queue(wanted, slot);
      else this.#groups.unqueue(wanted, slot);
    } else if (slot.sent !== null) this.#withdrawals[placeOf(slot.sent)].add(slot);
    else this.#drop(slot, prefix);
  }

  #drop(slot: Slot, prefix: Prefix): void {
    this.#settle(slot);
    this.#slots.delete(prefix);
  }

  /** What was due of the slot has been said, or needs not be said any more. */
  #settle(slot: Slot): void {
    if (!slot.isDue) return;
    slot.isDue = false;
    this.#progress.get(slot.route.family)!.dueCount--;
  }

  #nextWithdrawal(): Uint8Array | null {
    const place = this.#placeWithWithdrawals();
    if (place === undefined) return null;
    const { slots, octets } = takeFitting(this.#withdrawals[place], withdrawalRoom(place, this.#maxLength));
    for (const slot of slots) {
      this.#withdrawals[place].delete(slot);
      this.#setSent(slot, null);
      this.#drop(slot, slot.route.prefix);
    }
    return packWithdrawal(place, octets);
  }

  #placeWithWithdrawals(): WithdrawalPlace | undefined {
    return PLACES.find((one) => this.#withdrawals[one].size > 0);
  }

  /** End-of-RIB of each family once all initial routes are out, and the marks around a resend. */
  #nextMark(): Uint8Array | null {
    let dueCount = 0;
    for (const progress of this.#progress.values()) if (progress.phase === "initial") dueCount += progress.dueCount;
    for (const [family, progress] of this.#progress) {
      if (progress.phase === "initial" && dueCount === 0 && this.#desired?.isComplete) {
        progress.phase = "steady";
        return packEndOfRib(family);
      }
      if (progress.phase === "resending" && progress.dueCount === 0) {
        progress.phase = "steady";
        if (this.#context.enhancedRouteRefresh) return this.#refreshMark(family, END_OF_REFRESH);
      }
      if (progress.phase === "steady" && progress.isAsked) {
        progress.isAsked = false;
        progress.phase = "resending";
        for (const slot of this.#slots.values()) if (slot.route.family === family) this.#askAgain(slot, progress);
        if (this.#context.enhancedRouteRefresh) return this.#refreshMark(family, BEGIN_OF_REFRESH);
        if (progress.dueCount === 0) progress.phase = "steady";
      }
    }
    return null;
  }

  #askAgain(slot: Slot, progress: Progress): void {
    if (slot.wanted === null || slot.isDue) return;
    slot.isDue = true;
    progress.dueCount++;
    this.#groups.queue(slot.wanted, slot);
  }

  #refreshMark(family: AddressFamily, subtype: number): Uint8Array {
    return encodeMessage({ type: "route-refresh", ...familyCodes(family), subtype }, this.#context);
  }

  #nextAnnouncement(): Uint8Array | null {
    const group = this.#groups.first();
    if (group === null) return null;
    const { slots, octets } = takeFitting(group.queued, group.room);
    for (const slot of slots) {
      this.#groups.unqueue(group, slot);
      this.#setSent(slot, group);
      this.#settle(slot);
    }
    return packAnnouncement(group.packed, octets);
  }

  #setSent(slot: Slot, group: OutGroup<Slot> | null): void {
    const before = slot.sent;
    if (before === group) return;
    slot.sent = group;
    if (group !== null) this.#groups.retain(group);
    if (before !== null) this.#groups.release(before);
    const progress = this.#progress.get(slot.route.family)!;
    if (before === null) progress.sentCount++;
    if (group === null) progress.sentCount--;
  }
}

/** RFC 7313 §3.2. */
const BEGIN_OF_REFRESH = 1;
const END_OF_REFRESH = 2;
const NAMED_COUNT_MAX = 5;

const PLACES = ["body", ...FAMILIES] as const satisfies readonly WithdrawalPlace[];

/**
 * What came in MP_REACH_NLRI goes in MP_UNREACH_NLRI, IPv4 too. RFC 8950 does not say so, but FRR and BIRD do it, and it
 * is what a peer has to understand that keeps what came in each of the two apart.
 */
const placeOf = ({ packed }: OutGroup<Slot>): WithdrawalPlace => packed.mp?.family ?? "body";

function takeFitting(queued: Iterable<Slot>, room: number): { readonly slots: Slot[]; readonly octets: Uint8Array[] } {
  const slots: Slot[] = [];
  const octets: Uint8Array[] = [];
  let left = room;
  for (const slot of queued) {
    const prefix = slot.route.octets;
    left -= prefix.length;
    if (left < 0) break;
    slots.push(slot);
    octets.push(prefix);
  }
  return { slots, octets };
}
