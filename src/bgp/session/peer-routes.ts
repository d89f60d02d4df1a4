import type { Logger } from "pino";
import type { IpAddress } from "../../addr/ip.ts";
import type { Prefix } from "../../addr/prefix.ts";
import { Instant } from "../../base/time.ts";
import type { Clock } from "../../ports/clock.ts";
import type { ByteStream } from "../../ports/stream.ts";
import type { Negotiated } from "../fsm/negotiation.ts";
import type { SessionEnd } from "../fsm/state.ts";
import type { ReceivedRoute, RouteKey } from "../rib/adj-rib-in.ts";
import type { DesiredRoutes } from "../rib/desired-routes.ts";
import { type AddressFamily, familyFromCodes } from "../wire/families.ts";
import type { RouteRefresh } from "../wire/message.ts";
import type { AttributeFault, DecodedUpdate } from "../wire/update.ts";
import { IgnoredOnce } from "./ignored-once.ts";
import { MalformedUpdates } from "./malformed-updates.ts";
import type { PeerConfig, PeerStatus, PeerSummary } from "./peer-config.ts";
import type { LocalSpeaker } from "./peer-settings.ts";
import { RouteExchange } from "./route-exchange.ts";
import { RouteKeeping } from "./route-keeping.ts";

export interface PeerRoutesDeps {
  readonly clock: Clock;
  /** The other addresses of the interface that has this one. */
  readonly localAddresses: (of: IpAddress) => readonly IpAddress[];
  /**
   * Whether an address is in a subnet of this host's own links: a router on one of them must not send traffic to next
   * hops that are in none (RFC 4271 §6.3). Absent: next hops are not judged by that.
   */
  readonly isOnLink?: (address: IpAddress) => boolean;
  readonly log: Logger;
}

/** RFC 7313 §3. */
const REFRESH = { request: 0, begin: 1, end: 2 } as const;

/** The routes of one peer, both ways: what it is told while there is a session, and what it has told. */
export class PeerRoutes {
  readonly #local: LocalSpeaker;
  readonly #deps: PeerRoutesDeps;
  readonly #keeping: RouteKeeping;
  readonly #malformed: MalformedUpdates;
  #peer: PeerConfig;
  #exchange: RouteExchange | null = null;
  #ignored: IgnoredOnce;
  #desired: DesiredRoutes | null = null;
  #isDraining = false;
  /**
   * The peer has refused one of our UPDATEs. FRR does while it does not know its interfaces, for the link-local address
   * beside a global next hop that RFC 2545 §3 wants there; from then on that peer gets the global one alone.
   */
  #globalNextHopOnly = false;

  constructor(peer: PeerConfig, local: LocalSpeaker, deps: PeerRoutesDeps) {
    this.#peer = peer;
    this.#local = local;
    this.#deps = deps;
    const { localAddresses, isOnLink, log } = deps;
    const isOwnAddress = (address: IpAddress): boolean => {
      const session = this.stream?.local.address;
      return session !== undefined && (address === session || localAddresses(session).includes(address));
    };
    this.#keeping = new RouteKeeping(peer, {
      ...local,
      isOwnAddress,
      ...(isOnLink === undefined ? {} : { isOnLink }),
      log,
    });
    this.#malformed = new MalformedUpdates(log);
    this.#ignored = new IgnoredOnce(log);
  }

  /** Null without a session. */
  get session(): Negotiated | null {
    return this.#exchange?.session ?? null;
  }

  /** The session's; null without one. */
  get stream(): ByteStream | null {
    return this.#exchange?.stream ?? null;
  }

  get received(): ReadonlyMap<RouteKey, ReceivedRoute> {
    return this.#keeping.routes;
  }

  /** True while routes are kept that no session has confirmed. */
  get isKeeping(): boolean {
    return this.#keeping.isKeeping;
  }

  /** True when the peer, if there is a session, was told everything. */
  get isFlushed(): boolean {
    return this.#exchange?.isFlushed ?? true;
  }

  /** The prefix limit that was passed, if the session is to end for it. */
  get exceeded(): { readonly family: AddressFamily; readonly limit: number } | null {
    return this.#keeping.exceeded;
  }

  /** When `expire` or `next` has something to do by itself. */
  get deadline(): Instant | null {
    return Instant.earliest(this.#exchange?.deadline ?? null, this.#keeping.deadline);
  }

  /** A session has come up on `stream`. */
  begin(session: Negotiated, stream: ByteStream): void {
    const { localAsn } = this.#local;
    const globalNextHopOnly = this.#globalNextHopOnly;
    this.#ignored = new IgnoredOnce(this.#deps.log);
    const deps = { ...this.#deps, localAsn, session, stream, globalNextHopOnly };
    this.#exchange = new RouteExchange(this.#peer, this.#isDraining, deps);
    this.#keeping.established(session, stream.local.address, this.#now);
    if (this.#desired !== null) this.#exchange.setRoutes(this.#desired);
  }

  /** The session is over. */
  end(end: SessionEnd): void {
    if (this.#exchange === null) return;
    this.#keeping.sessionLost(this.#exchange.session, end, this.#now);
    this.#exchange = null;
  }

  /** The peer has answered one of our UPDATEs with a NOTIFICATION. */
  wereRefused(): void {
    this.#globalNextHopOnly = true;
  }

  /** @returns families that the peer should be asked to send again */
  setPeer(peer: PeerConfig): readonly AddressFamily[] {
    this.#peer = peer;
    this.#exchange?.setPeer(peer);
    const wanted = this.#keeping.setPeer(peer);
    return this.session?.routeRefresh === true ? wanted : [];
  }

  /** @returns true when what is not announced, or why, has changed */
  setDesired(routes: DesiredRoutes): boolean {
    this.#desired = routes;
    return this.#exchange?.setRoutes(routes) ?? false;
  }

  setDraining(isDraining: boolean): void {
    this.#isDraining = isDraining;
    this.#exchange?.setDraining(isDraining);
  }

  /** @returns true when a received route changed */
  deliver(decoded: DecodedUpdate): boolean {
    return this.#keeping.deliver(decoded, this.#ignored, this.#now);
  }

  noteMalformed(message: Uint8Array, faults: readonly AttributeFault[]): void {
    if (this.#exchange !== null) this.#malformed.note(message, faults, this.#now);
  }

  /** A family that is not exchanged is nothing to resend. @returns true when a received route changed */
  refresh({ afi, safi, subtype }: RouteRefresh): boolean {
    const { session } = this;
    const family = familyFromCodes(afi, safi);
    if (session === null) return false;
    if (family === null || !session.families.includes(family)) {
      this.#ignored.note(`route refresh for AFI ${afi} SAFI ${safi}, which is not exchanged`);
      return false;
    }
    // RFC 2918 §3: what stands there says nothing unless RFC 7313 was agreed.
    if (subtype === REFRESH.request || !session.enhancedRouteRefresh) this.#exchange?.resend(family);
    else if (subtype === REFRESH.begin) return this.#keeping.mark("begin", family, this.#now);
    else if (subtype === REFRESH.end) return this.#keeping.mark("end", family, this.#now);
    else this.#ignored.note(`route refresh of subtype ${subtype}`);
    return false;
  }

  /** The next message for the peer; null when it knows everything, or TCP still holds enough. */
  next(): Uint8Array | null {
    return this.#exchange?.next(this.#now) ?? null;
  }

  /** @returns true when a received route changed */
  expire(): boolean {
    return this.#keeping.expire(this.#now);
  }

  summary() {
    const exchange = this.#exchange;
    const { session } = this;
    return {
      families: session?.families ?? [],
      remote: session === null ? null : remoteOf(session),
      localAddress: exchange?.stream.local.address ?? null,
      notAnnounced: exchange?.notAnnounced() ?? [],
    } satisfies Partial<PeerSummary>;
  }

  /** Null without a session. */
  told(prefix: Prefix): ReturnType<RouteExchange["told"]> | null {
    return this.#exchange?.told(prefix) ?? null;
  }

  status() {
    const { session } = this;
    return {
      ...(this.#exchange?.counts() ?? NOTHING_SENT),
      ...this.#keeping.counts(),
      ...this.summary(),
      malformed: { ...this.#malformed.counts, last: this.#lastLost() },
      negotiated: session,
      holdTimeSeconds: session?.holdTimeSeconds ?? null,
    } satisfies Partial<PeerStatus>;
  }

  get #now(): Instant {
    return this.#deps.clock.now();
  }

  #lastLost(): PeerStatus["malformed"]["last"] {
    const lost = this.#keeping.lost;
    const last = lost.at(-1);
    if (last === undefined) return null;
    const alike = lost.filter(({ reason, at }) => reason === last.reason && at === last.at);
    const at = new Date(this.#deps.clock.wallTime().getTime() - (this.#now - last.at));
    return { at, prefixes: alike.slice(0, NAMED_COUNT_MAX).map(({ prefix }) => prefix), reason: last.reason };
  }
}

/** Prefixes that are named of those that are gone for one reason. */
const NAMED_COUNT_MAX = 5;

const NOTHING_SENT = { prefixesSent: 0, prefixesSentByFamily: { "ipv4-unicast": 0, "ipv6-unicast": 0 } } as const;

function remoteOf({ peerIdentifier, fourOctetAs, routeRefresh, gracefulRestart }: Negotiated) {
  // Without families a peer says only that it helps others (RFC 4724 §3).
  const isAsking = gracefulRestart !== null && gracefulRestart.families.length > 0;
  const gracefulRestartSeconds = isAsking ? gracefulRestart.restartTimeSeconds : null;
  return { identifier: peerIdentifier, fourOctetAs, routeRefresh, gracefulRestartSeconds };
}
