import type { IpAddress, Ipv6 } from "../../addr/ip.ts";
import type { Prefix } from "../../addr/prefix.ts";
import { mergeAs4Path } from "../wire/as-path.ts";
import type { Asn } from "../wire/asn.ts";
import { prefixProblem } from "../wire/nlri.ts";
import type { PathAttributes, UpdateContext } from "../wire/path-attributes.ts";
import { type DecodedUpdate, wantsWithdrawal } from "../wire/update.ts";

/** A route as one peer announced it. */
export interface ReceivedRoute {
  readonly prefix: Prefix;
  readonly nextHop: IpAddress;
  /** Beside a global IPv6 next hop, or instead of it where that is "::". */
  readonly linkLocal?: Ipv6;
  /** Leftmost first; empty for a route that the peer originates inside our own AS. */
  readonly asPath: readonly Asn[];
  /** 0 IGP, 1 EGP, 2 INCOMPLETE. */
  readonly origin: number;
  readonly med?: number;
  readonly localPref?: number;
  readonly communities: readonly number[];
  /** Why no traffic may follow the route; null when it may. */
  readonly unusable: string | null;
}

export interface InContext extends UpdateContext {
  readonly localAsn: Asn;
  /** Our end of the session: a route back to ourselves is of no use. */
  readonly localAddress: IpAddress;
}

/**
 * Routes kept per peer. A top-of-rack router may send a full table to every node, which is of no use there: what is
 * beyond is counted and not stored.
 */
export const RECEIVED_COUNT_MAX = 20_000;

/** Adj-RIB-In of one session: the latest of each prefix that the peer announced and did not withdraw. */
export class AdjRibIn {
  readonly #context: InContext;
  readonly #routes = new Map<Prefix, ReceivedRoute>();
  #refusedCount = 0;

  constructor(context: InContext) {
    this.#context = context;
  }

  get routes(): ReadonlyMap<Prefix, ReceivedRoute> {
    return this.#routes;
  }

  /** Announcements not stored because there were too many. */
  get refusedCount(): number {
    return this.#refusedCount;
  }

  /**
   * Applies one decoded UPDATE. Routes of one with a treat-as-withdraw among its `faults` are taken away (RFC 7606 §2).
   *
   * @returns true when any route changed
   */
  apply({ update, faults }: DecodedUpdate): boolean {
    const { attributes } = update;
    const gone: Prefix[] = [...update.withdrawn];
    const { mpReach, mpUnreach } = attributes;
    if (mpUnreach !== undefined && "family" in mpUnreach) gone.push(...mpUnreach.prefixes);
    const reach = mpReach !== undefined && "family" in mpReach ? mpReach : null;
    // Body routes of a peer with which IPv4 was not agreed are ignored (RFC 4760 §8).
    const body = this.#context.families.includes("ipv4-unicast") ? update.nlri : [];
    let changed = false;
    for (const prefix of gone) changed = this.#routes.delete(prefix) || changed;
    if (wantsWithdrawal(faults)) {
      for (const prefix of [...body, ...(reach?.prefixes ?? [])]) changed = this.#routes.delete(prefix) || changed;
      return changed;
    }
    if (body.length > 0) {
      changed = this.#announce(body, { nextHop: attributes.nextHop! }, attributes) || changed;
    }
    if (reach !== null && reach.prefixes.length > 0) {
      changed = this.#announce(reach.prefixes, reach, attributes) || changed;
    }
    return changed;
  }

  #announce(
    prefixes: readonly Prefix[],
    next: { readonly nextHop: IpAddress; readonly linkLocal?: Ipv6 },
    attributes: PathAttributes,
  ): boolean {
    const { origin = 0, med, localPref, communities = [] } = attributes;
    const asPath = mergeAs4Path(attributes.asPath ?? [], attributes.as4Path, attributes.aggregator?.asn);
    const unusable = this.#problem(next.nextHop, asPath);
    let changed = false;
    for (const prefix of prefixes) {
      // RFC 4271 §6.3: a prefix without sense is ignored by itself.
      if (prefixProblem(prefix) !== null) continue;
      if (!this.#routes.has(prefix) && this.#routes.size >= RECEIVED_COUNT_MAX) {
        this.#refusedCount++;
        continue;
      }
      this.#routes.set(prefix, {
        prefix,
        nextHop: next.nextHop,
        ...(next.linkLocal === undefined ? {} : { linkLocal: next.linkLocal }),
        asPath,
        origin,
        ...(med === undefined ? {} : { med }),
        ...(localPref === undefined ? {} : { localPref }),
        communities,
        unusable,
      });
      changed = true;
    }
    return changed;
  }

  #problem(nextHop: IpAddress, asPath: readonly Asn[]): string | null {
    const { localAsn, localAddress } = this.#context;
    if (asPath.includes(localAsn)) return `own AS ${localAsn} in the path`; // RFC 4271 §9.1.2
    return nextHop === localAddress ? "next hop is this host" : null; // §6.3
  }
}
