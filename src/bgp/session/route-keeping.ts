import type { Logger } from "pino";
import type { IpAddress, Ipv4 } from "../../addr/ip.ts";
import { Instant } from "../../base/time.ts";
import { unreachable } from "../../base/unreachable.ts";
import { emit } from "../../telemetry/events.ts";
import {
  NOTHING_RETAINED,
  type RetentionAction,
  type RetentionEvent,
  retentionDeadline,
  stepRetention,
} from "../fsm/graceful-restart.ts";
import type { Negotiated } from "../fsm/negotiation.ts";
import type { SessionEnd } from "../fsm/state.ts";
import { AdjRibIn, type InContext, type ReceivedRoute, type RouteKey } from "../rib/adj-rib-in.ts";
import type { LostRoute } from "../rib/lost-routes.ts";
import type { Asn } from "../wire/asn.ts";
import type { AddressFamily } from "../wire/families.ts";
import type { DecodedUpdate } from "../wire/update.ts";
import { AddressMemory } from "./address-memory.ts";
import type { IgnoredOnce } from "./ignored-once.ts";
import type { PeerConfig, PeerStatus } from "./peer-config.ts";
import { isNeighbour } from "./peer-settings.ts";

const NO_ROUTES: ReadonlyMap<RouteKey, ReceivedRoute> = new Map();

/** What of us and of our host decides about a received route. */
export interface KeepingDeps {
  readonly localAsn: Asn;
  readonly routerId: Ipv4;
  readonly isOwnAddress: (address: IpAddress) => boolean;
  readonly isOnLink?: (address: IpAddress) => boolean;
  readonly log: Logger;
}

/**
 * The routes of one peer. They outlive a session that ended gracefully: then they are stale, and go when the peer does
 * not come back in time, or does not confirm them when it does (RFC 4724 §4.2, RFC 9494 §4).
 */
export class RouteKeeping {
  readonly #deps: KeepingDeps;
  #peer: PeerConfig;
  #rib: AdjRibIn | null = null;
  #retention = NOTHING_RETAINED;
  readonly #own: AddressMemory;
  readonly #onLink: AddressMemory | null;
  readonly #near = new Set<AddressFamily>();
  /** Counted when it is asked for, and forgotten whenever a route may have changed. */
  #summary: ReturnType<typeof summaryOf> | null = null;

  constructor(peer: PeerConfig, deps: KeepingDeps) {
    this.#peer = peer;
    this.#deps = deps;
    this.#own = new AddressMemory(deps.isOwnAddress);
    this.#onLink = deps.isOnLink === undefined ? null : new AddressMemory(deps.isOnLink);
  }

  get routes(): ReadonlyMap<RouteKey, ReceivedRoute> {
    return this.#rib?.routes ?? NO_ROUTES;
  }

  /** True while routes are kept for a peer that is away, or until one that is back has confirmed them. */
  get isKeeping(): boolean {
    return this.#retention.length > 0;
  }

  /** Routes that the peer announced in a way that they had to be taken for withdrawn, the latest last (RFC 7606 §2). */
  get lost(): readonly LostRoute[] {
    return this.#rib?.lost.list() ?? [];
  }

  /** When `expire` has something to do. */
  get deadline(): Instant | null {
    return Instant.earliest(retentionDeadline(this.#retention), this.#rib?.deadline ?? null);
  }

  /** The prefix limit that was passed, if the session is to end for it. */
  get exceeded(): { readonly family: AddressFamily; readonly limit: number } | null {
    return this.#rib?.exceeded ?? null;
  }

  /**
   * New settings.
   *
   * @returns families that the peer should be asked to send again: there is room now for what was refused
   */
  setPeer(peer: PeerConfig): readonly AddressFamily[] {
    this.#summary = null;
    this.#peer = peer;
    this.#near.clear();
    this.#rib?.setImportPolicy(peer.importPolicy ?? null);
    return this.#rib?.setMaxPrefixes(peer.maxPrefixes) ?? [];
  }

  /** A session has begun. */
  established(session: Negotiated, localAddress: IpAddress, now: Instant): void {
    this.#summary = null;
    const { localAsn, routerId } = this.#deps;
    const { address: peerAddress } = this.#peer;
    this.#refresh(now);
    const context: InContext = {
      ...session,
      ...{ localAsn, localAddress, routerId, peerAddress },
      isOwnAddress: this.#own.is,
      ...(this.#onLink !== null && isNeighbour(this.#peer) ? { isOnLink: this.#onLink.is } : {}),
    };
    this.#near.clear();
    if (this.#rib === null) this.#rib = new AdjRibIn(context, settingsOf(this.#peer));
    else this.#rib.resume(context);
    this.#step({ type: "established", session }, now);
  }

  /** The session is over. */
  sessionLost(session: Negotiated, end: SessionEnd, now: Instant): void {
    this.#summary = null;
    this.#step({ type: "lost", session, end }, now);
    const [first] = this.#retention;
    if (first === undefined || this.routes.size === 0) return;
    const seconds = Math.round((first.until - now) / 1000);
    const families = this.#retention.map(({ family }) => family);
    const fields = { families, count: this.routes.size, seconds };
    const until = first.phase === "long-lived" ? "as a last resort" : "while the peer restarts";
    emit(this.#deps.log, "bgp.routes.stale", fields, `its ${this.routes.size} routes are kept ${until}`);
  }

  /** @returns true when a received route changed */
  deliver(decoded: DecodedUpdate, ignored: IgnoredOnce, now: Instant): boolean {
    this.#summary = null;
    const { nlri, attributes } = decoded.update;
    const { mpReach, mpUnreach } = attributes;
    for (const one of [mpReach, mpUnreach]) {
      if (one !== undefined && !("family" in one)) {
        ignored.note(`routes of AFI ${one.afi} SAFI ${one.safi}, which is not exchanged`);
      }
    }
    const rib = this.#rib;
    if (rib === null) return false;
    if (nlri.length > 0 && !rib.use().some(({ family }) => family === "ipv4-unicast")) {
      ignored.note("IPv4 routes, which are not exchanged");
    }
    this.#refresh(now);
    const changed = rib.apply(decoded, now);
    for (const { family, count, limit, isNear, refusedCount } of rib.use()) {
      if (refusedCount > 0) {
        ignored.note(count < limit ? "more attributes than are kept" : `routes beyond the ${limit} that are kept`);
      }
      if (isNear && !this.#near.has(family)) {
        this.#near.add(family);
        const text = `${count} of at most ${limit} prefixes of ${family}`;
        emit(this.#deps.log, "bgp.prefixes.near-limit", { family, count, limit }, text);
      }
    }
    const ended = endOfRib(decoded);
    return (ended !== null && this.#step({ type: "end-of-rib", family: ended }, now)) || changed;
  }

  /** BoRR and EoRR: what stands between is all that the peer has (RFC 7313 §4). @returns true when a route changed */
  mark(which: "begin" | "end", family: AddressFamily, now: Instant): boolean {
    this.#summary = null;
    if (which === "end") return this.#rib?.endRefresh(family) ?? false;
    this.#rib?.beginRefresh(family, now);
    return false;
  }

  /** @returns true when a route changed */
  expire(now: Instant): boolean {
    this.#summary = null;
    const changed = this.#rib?.expire(now) ?? false;
    if (!Instant.isDue(retentionDeadline(this.#retention), now)) return changed;
    return this.#step({ type: "time-passed" }, now) || changed;
  }

  counts(): Pick<PeerStatus, "prefixesReceived" | "prefixesRefused" | "prefixesStale" | "prefixesUnusable"> {
    this.#summary ??= summaryOf(this.routes);
    const { stale, unusable, reason } = this.#summary;
    return {
      prefixesReceived: this.routes.size,
      prefixesRefused: this.#rib?.refusedCount ?? 0,
      prefixesStale: stale,
      prefixesUnusable: { count: unusable, reason },
    };
  }

  #refresh(now: Instant): void {
    this.#own.refresh(now);
    this.#onLink?.refresh(now);
  }

  #step(event: RetentionEvent, now: Instant): boolean {
    const { retention, actions } = stepRetention(this.#retention, event, now);
    this.#retention = retention;
    let changed = false;
    for (const action of actions) changed = this.#perform(action) || changed;
    return changed;
  }

  #perform({ type, family }: RetentionAction): boolean {
    const rib = this.#rib;
    if (rib === null) return false;
    switch (type) {
      case "mark-stale":
        return rib.markStale(family);
      case "delete-stale":
        return rib.dropStale(family);
      case "delete-all":
        return rib.drop(family);
      case "begin-long-lived":
        return rib.beginLongLived(family);
      default:
        return unreachable(type);
    }
  }
}

function summaryOf(routes: ReadonlyMap<RouteKey, ReceivedRoute>) {
  let [stale, unusable] = [0, 0];
  let reason: string | null = null;
  for (const route of routes.values()) {
    if (route.stale !== undefined) stale++;
    if (route.unusable === null) continue;
    unusable++;
    reason ??= route.unusable;
  }
  return { stale, unusable, reason };
}

const settingsOf = (peer: PeerConfig) => ({
  importPolicy: peer.importPolicy ?? null,
  enforceFirstAs: peer.enforceFirstAs ?? true,
  ...(peer.maxPrefixes === undefined ? {} : { maxPrefixes: peer.maxPrefixes }),
});

/** RFC 4724 §2: an UPDATE that says nothing, or only that nothing of one family is withdrawn. */
function endOfRib({ update, faults }: DecodedUpdate): AddressFamily | null {
  const { withdrawn, nlri, attributes, opaque } = update;
  if (withdrawn.length + nlri.length + opaque.length + faults.length > 0) return null;
  const present = Object.keys(attributes);
  if (present.length === 0) return "ipv4-unicast";
  const { mpUnreach } = attributes;
  if (present.length > 1 || mpUnreach === undefined || !("family" in mpUnreach)) return null;
  return mpUnreach.prefixes.length === 0 ? mpUnreach.family : null;
}
