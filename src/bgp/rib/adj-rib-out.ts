import { type IpAddress, type Ipv6, isIpv4 } from "../../addr/ip.ts";
import type { Prefix } from "../../addr/prefix.ts";
import { needsAs4Path } from "../wire/as-path.ts";
import type { Asn } from "../wire/asn.ts";
import { type AddressFamily, FAMILIES, familyOfPrefix } from "../wire/families.ts";
import { HEADER_LENGTH, MESSAGE_LENGTH_MAX } from "../wire/framing.ts";
import { encodeMessage } from "../wire/message.ts";
import { prefixSize } from "../wire/nlri.ts";
import type { PathAttributes, UpdateContext } from "../wire/path-attributes.ts";
import type { Update } from "../wire/update.ts";

/** What goes with a route that we announce. */
export interface RouteAttributes {
  /** 32-bit values, AS number in the upper half (RFC 1997). */
  readonly communities?: readonly number[];
  /** Three 32-bit numbers each (RFC 8092). */
  readonly largeCommunities?: readonly LargeCommunity[];
  /** Eight octets each (RFC 4360). */
  readonly extendedCommunities?: readonly bigint[];
  /** How often our AS number is put in front once more, 0 to 64. */
  readonly prependCount?: number;
  /** Words of the caller that an export policy can match; never sent. */
  readonly tags?: readonly string[];
  readonly med?: number;
  /** Sent inside our own AS only, where 100 is the default (RFC 4271 §5.1.5). */
  readonly localPref?: number;
}

export type LargeCommunity = readonly [global: number, local1: number, local2: number];

/** Next hop of our routes of one family; IPv6 may have its link-local address beside it (RFC 2545 §3). */
export interface OwnNextHop {
  readonly address: IpAddress;
  readonly linkLocal?: Ipv6;
}

export interface OutContext extends UpdateContext {
  readonly localAsn: Asn;
}

interface Group {
  readonly family: AddressFamily;
  readonly attributes: RouteAttributes;
  readonly nextHop: OwnNextHop;
  /** Octets for prefixes in one message. */
  readonly room: number;
  readonly prefixes: Set<Prefix>;
}

/**
 * Adj-RIB-Out of one session: what the peer should have, what it was sent, and the UPDATEs that make these equal.
 *
 * Messages are pulled: `next` gives the next one to write, and null when the peer is right. Between two calls anything
 * may change; a prefix counts with its latest state only, so that a peer that does not read costs memory by the number
 * of prefixes and never by the number of changes. Withdrawals come first: a peer near its prefix limit must lose routes
 * before it gains any. Prefixes with equal attributes share a message, one family to a message (RFC 7606 §5.1). Each
 * family's initial routes are followed by its End-of-RIB (RFC 4724 §2).
 */
export class AdjRibOut {
  readonly #context: OutContext;
  readonly #nextHops = new Map<AddressFamily, OwnNextHop>();
  /** What the peer should have; null until it is known, since an End-of-RIB before that would be a lie. */
  #desired: ReadonlyMap<Prefix, RouteAttributes> | null = null;
  /** What the peer has: the key of the group in which it was last sent, or RESEND. */
  readonly #sent = new Map<Prefix, string>();
  readonly #withdrawals: Record<AddressFamily, Set<Prefix>> = { "ipv4-unicast": new Set(), "ipv6-unicast": new Set() };
  /** Announcements to be made; a key stands for one family and one set of attributes. */
  readonly #groups = new Map<string, Group>();
  readonly #endOfRib: Set<AddressFamily>;
  readonly #oversized = new Map<AddressFamily, number>();

  constructor(context: OutContext) {
    this.#context = context;
    this.#endOfRib = new Set(context.families);
  }

  /** Prefixes that the peer was told of and not told off again. */
  count(family: AddressFamily): number {
    let count = 0;
    for (const prefix of this.#sent.keys()) if (familyOfPrefix(prefix) === family) count++;
    return count;
  }

  /** Prefixes that are not announced because one of them with its attributes exceeds a message. */
  oversized(): { readonly family: AddressFamily; readonly count: number }[] {
    return [...this.#oversized].map(([family, count]) => ({ family, count }));
  }

  /** True when the peer was told everything; what TCP still holds is another matter. */
  get isDone(): boolean {
    return FAMILIES.every((one) => this.#withdrawals[one].size === 0) && this.#groups.size + this.#endOfRib.size === 0;
  }

  setDesired(routes: ReadonlyMap<Prefix, RouteAttributes>): void {
    this.#desired = routes;
    this.#reconcile();
  }

  /** Null when there is no address for the family: its routes are then withdrawn. */
  setNextHop(family: AddressFamily, nextHop: OwnNextHop | null): void {
    const before = this.#nextHops.get(family);
    if (before?.address === nextHop?.address && before?.linkLocal === nextHop?.linkLocal) return;
    if (nextHop === null) this.#nextHops.delete(family);
    else this.#nextHops.set(family, nextHop);
    this.refresh(family);
  }

  /** Everything of the family is sent again, changed or not (RFC 2918 §4). */
  refresh(family: AddressFamily): void {
    for (const prefix of this.#sent.keys()) if (familyOfPrefix(prefix) === family) this.#sent.set(prefix, RESEND);
    this.#reconcile();
  }

  /** The next message to write, complete and not aliased; null when nothing is left to say. */
  next(): Uint8Array | null {
    if (this.#desired === null) return null;
    const update = this.#nextWithdrawal() ?? this.#nextAnnouncement() ?? this.#nextEndOfRib();
    return update === null ? null : encodeMessage(update, this.#context);
  }

  #reconcile(): void {
    for (const family of FAMILIES) this.#withdrawals[family].clear();
    this.#groups.clear();
    this.#oversized.clear();
    const desired = this.#desired ?? NOTHING;
    const rooms = new Map<string, number>();
    const refused = new Set<Prefix>();
    for (const [prefix, attributes] of desired) {
      const family = familyOfPrefix(prefix);
      const nextHop = this.#announceableBy(family);
      if (nextHop === null) continue;
      const key = keyOf(family, attributes);
      let room = rooms.get(key);
      if (room === undefined) rooms.set(key, (room = this.#roomFor(family, attributes, nextHop)));
      if (room < PREFIX_SIZE_MAX && prefixSize(prefix) > room) {
        refused.add(prefix);
        this.#oversized.set(family, (this.#oversized.get(family) ?? 0) + 1);
        continue;
      }
      if (this.#sent.get(prefix) === key) continue;
      let group = this.#groups.get(key);
      if (group === undefined) {
        group = { family, attributes, nextHop, room, prefixes: new Set() };
        this.#groups.set(key, group);
      }
      group.prefixes.add(prefix);
    }
    for (const prefix of this.#sent.keys()) {
      const family = familyOfPrefix(prefix);
      const isKept = desired.has(prefix) && !refused.has(prefix) && this.#announceableBy(family) !== null;
      if (!isKept) this.#withdrawals[family].add(prefix);
    }
  }

  /** The next hop of a family of which anything can be announced, else null. */
  #announceableBy(family: AddressFamily): OwnNextHop | null {
    return this.#context.families.includes(family) ? (this.#nextHops.get(family) ?? null) : null;
  }

  #nextWithdrawal(): Update | null {
    const family = FAMILIES.find((one) => this.#withdrawals[one].size > 0);
    if (family === undefined) return null;
    const room = MESSAGE_LENGTH_MAX - UPDATE_OVERHEAD - (family === "ipv4-unicast" ? 0 : MP_UNREACH_OVERHEAD);
    const prefixes = takeFitting(this.#withdrawals[family], room);
    for (const prefix of prefixes) {
      this.#withdrawals[family].delete(prefix);
      this.#sent.delete(prefix);
    }
    if (family === "ipv4-unicast") return { ...EMPTY_UPDATE, withdrawn: prefixes };
    return { ...EMPTY_UPDATE, attributes: { mpUnreach: { family, prefixes } } };
  }

  #nextAnnouncement(): Update | null {
    const [entry] = this.#groups;
    if (entry === undefined) return null;
    const [key, group] = entry;
    const prefixes = takeFitting(group.prefixes, group.room);
    for (const prefix of prefixes) {
      group.prefixes.delete(prefix);
      this.#sent.set(prefix, key);
    }
    if (group.prefixes.size === 0) this.#groups.delete(key);
    return this.#announcement(group.family, group.attributes, group.nextHop, prefixes);
  }

  #nextEndOfRib(): Update | null {
    const [family] = this.#endOfRib;
    if (family === undefined) return null;
    this.#endOfRib.delete(family);
    if (family === "ipv4-unicast") return EMPTY_UPDATE;
    return { ...EMPTY_UPDATE, attributes: { mpUnreach: { family, prefixes: [] } } };
  }

  #announcement(
    family: AddressFamily,
    { communities = [], med, localPref = LOCAL_PREF_DEFAULT }: RouteAttributes,
    { address, linkLocal }: OwnNextHop,
    prefixes: readonly Prefix[],
  ): Update {
    const { external, fourOctetAs, localAsn } = this.#context;
    const asPath = external ? [localAsn] : [];
    const attributes: PathAttributes = {
      origin: 0,
      asPath,
      ...(med === undefined ? {} : { med }),
      ...(external ? {} : { localPref }),
      ...(communities.length === 0 ? {} : { communities: sortedSet(communities) }),
      ...(!fourOctetAs && needsAs4Path(asPath) ? { as4Path: asPath } : {}),
    };
    // IPv4 routes go in the body, with the NEXT_HOP that belongs there.
    if (family === "ipv4-unicast" && isIpv4(address)) {
      return { ...EMPTY_UPDATE, attributes: { ...attributes, nextHop: address }, nlri: prefixes };
    }
    const reach = { family, nextHop: address, ...(linkLocal === undefined ? {} : { linkLocal }), prefixes };
    return { ...EMPTY_UPDATE, attributes: { ...attributes, mpReach: reach } };
  }

  /** Octets that prefixes with these attributes may take in one message. */
  #roomFor(family: AddressFamily, attributes: RouteAttributes, nextHop: OwnNextHop): number {
    const empty = encodeMessage(this.#announcement(family, attributes, nextHop, []), this.#context);
    // An MP_REACH of more than 255 octets has one more for its length.
    return MESSAGE_LENGTH_MAX - empty.length - (family === "ipv4-unicast" ? 0 : 1);
  }
}

/** In place of a group's key: the peer has the prefix, and is to be told again. */
const RESEND = "";
const NOTHING: ReadonlyMap<Prefix, RouteAttributes> = new Map();
const LOCAL_PREF_DEFAULT = 100;
/** Header, and the two length fields of an UPDATE. */
const UPDATE_OVERHEAD = HEADER_LENGTH + 4;
/** Flags, type, two octets of length, AFI, SAFI. */
const MP_UNREACH_OVERHEAD = 7;
/** Octets of a /128. */
const PREFIX_SIZE_MAX = 17;
const EMPTY_UPDATE: Update = { type: "update", withdrawn: [], attributes: {}, opaque: [], nlri: [] };

/** COMMUNITIES is a set: equal sets are equal octets (RFC 1997). */
const sortedSet = (communities: readonly number[]): number[] => [...new Set(communities)].toSorted((a, b) => a - b);

function keyOf(family: AddressFamily, { communities, med, localPref }: RouteAttributes): string {
  // Most routes have none, and there may be many of them.
  if (communities === undefined && med === undefined && localPref === undefined) return family;
  const preference = localPref === LOCAL_PREF_DEFAULT ? "" : (localPref ?? "");
  const text = `${med ?? ""} ${preference} ${sortedSet(communities ?? []).join(",")}`;
  return text === "  " ? family : `${family} ${text}`;
}

function takeFitting(prefixes: Iterable<Prefix>, room: number): Prefix[] {
  const taken: Prefix[] = [];
  let left = room;
  for (const prefix of prefixes) {
    left -= prefixSize(prefix);
    if (left < 0) break;
    taken.push(prefix);
  }
  return taken;
}
