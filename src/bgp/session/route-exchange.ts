import type { Logger } from "pino";
import type { IpAddress } from "../../addr/ip.ts";
import { Instant } from "../../base/time.ts";
import type { ByteStream } from "../../ports/stream.ts";
import { emit } from "../../telemetry/events.ts";
import type { Negotiated } from "../fsm/negotiation.ts";
import type { Prefix } from "../../addr/prefix.ts";
import { AdjRibOut } from "../rib/adj-rib-out.ts";
import type { DesiredRoutes } from "../rib/desired-routes.ts";
import type { Asn } from "../wire/asn.ts";
import { type AddressFamily, FAMILIES, familyOfPrefix } from "../wire/families.ts";
import { chooseNextHop } from "./next-hops.ts";
import type { PeerConfig, PeerStatus } from "./peer-config.ts";

/** While TCP still holds this much, nothing is added: what a peer does not read waits as a prefix, not as octets. */
const QUEUED_BYTES_MAX = 65_536;
/** At most one full resend of a family in this time, however often the peer asks (RFC 2918). */
const REFRESH_MILLIS = 1000;

export interface ExchangeDeps {
  readonly localAsn: Asn;
  readonly session: Negotiated;
  readonly stream: ByteStream;
  readonly localAddresses: (of: IpAddress) => readonly IpAddress[];
  /** No link-local address beside a global next hop. */
  readonly globalNextHopOnly: boolean;
  readonly log: Logger;
}

/** What the peer of one established session is told. Lives as long as the session. */
export class RouteExchange {
  readonly #deps: ExchangeDeps;
  readonly #out: AdjRibOut;
  #peer: PeerConfig;
  #routes: DesiredRoutes | null = null;
  #notAnnounced: PeerStatus["notAnnounced"] = [];
  /** Families that the peer wants again, and when they may be sent. */
  readonly #wanted = new Set<AddressFamily>();
  #refreshAt: Instant | null = null;

  constructor(peer: PeerConfig, isDraining: boolean, deps: ExchangeDeps) {
    this.#peer = peer;
    this.#deps = deps;
    const { session, localAsn } = deps;
    this.#out = new AdjRibOut({ ...session, localAsn, peerAddress: peer.address }, peer.exportPolicy ?? null);
    this.#out.setDraining(isDraining);
  }

  get stream(): ByteStream {
    return this.#deps.stream;
  }

  get session(): Negotiated {
    return this.#deps.session;
  }

  /** True when the peer was told everything and TCP has taken it. */
  get isFlushed(): boolean {
    return this.#out.isDone && this.#deps.stream.queuedBytes === 0;
  }

  /** @returns true when what is not announced, or why, has changed */
  setPeer(peer: PeerConfig): boolean {
    this.#peer = peer;
    this.#out.setExportPolicy(peer.exportPolicy ?? null);
    return this.#routes === null ? false : this.setRoutes(this.#routes);
  }

  setDraining(isDraining: boolean): void {
    this.#out.setDraining(isDraining);
  }

  /**
   * Next hops are chosen anew each time: addresses of this host come and go.
   *
   * @returns true when what is not announced, or why, has changed
   */
  setRoutes(routes: DesiredRoutes): boolean {
    this.#routes = routes;
    const { session, stream, localAddresses, globalNextHopOnly: globalOnly, log } = this.#deps;
    const before = this.#notAnnounced.map(({ reason }) => reason);
    const missing: { family: AddressFamily; reason: string }[] = [];
    const sessionAddress = stream.local.address;
    const { extendedNextHop } = session;
    const others = localAddresses(sessionAddress);
    const surroundings = { sessionAddress, others, announced: routes, globalOnly, extendedNextHop };
    for (const family of this.#peer.families) {
      if (!session.families.includes(family)) {
        missing.push({ family, reason: "the peer does not offer it" });
        continue;
      }
      const chosen = chooseNextHop(this.#peer, family, surroundings);
      if ("reason" in chosen) missing.push({ family, reason: chosen.reason });
      this.#out.setNextHop(family, "reason" in chosen ? null : chosen);
    }
    this.#out.setDesired(routes);
    this.#notAnnounced = missing;
    for (const { family, reason } of missing) {
      if (!before.includes(reason))
        emit(log, "bgp.family.not-announced", { family, reason }, `no ${family}: ${reason}`);
    }
    return before.join() !== missing.map(({ reason }) => reason).join();
  }

  /** When `next` has something to say by itself. */
  get deadline(): Instant | null {
    return this.#wanted.size === 0 ? null : this.#refreshAt;
  }

  /** The peer asks for all of a negotiated family. */
  resend(family: AddressFamily): void {
    this.#wanted.add(family);
  }

  /** The next message to write; null when the peer knows everything, or TCP still holds enough. */
  next(now: Instant): Uint8Array | null {
    if (this.#wanted.size > 0 && (this.#refreshAt === null || now >= this.#refreshAt)) {
      for (const family of this.#wanted) this.#out.refresh(family);
      this.#wanted.clear();
      this.#refreshAt = Instant.add(now, REFRESH_MILLIS);
    }
    return this.#deps.stream.queuedBytes < QUEUED_BYTES_MAX ? this.#out.next() : null;
  }

  counts(): Pick<PeerStatus, "prefixesSent" | "prefixesSentByFamily"> {
    const [ipv4, ipv6] = FAMILIES.map((family) => this.#out.count(family)) as [number, number];
    return { prefixesSent: ipv4 + ipv6, prefixesSentByFamily: { "ipv4-unicast": ipv4, "ipv6-unicast": ipv6 } };
  }

  told(prefix: Prefix): ReturnType<AdjRibOut["told"]> {
    const seen = this.#out.told(prefix);
    const missing = this.#notAnnounced.find(({ family }) => family === familyOfPrefix(prefix));
    return seen.told || missing === undefined ? seen : { told: false, reason: missing.reason };
  }

  notAnnounced(): PeerStatus["notAnnounced"] {
    const withheld = this.#out.withheld();
    return [
      ...this.#notAnnounced,
      ...withheld.map(({ family, reason, count, prefixes }) => ({
        family,
        reason: `${count} of its prefixes are withheld (${prefixes.join(", ")}): ${reason}`,
      })),
    ];
  }
}
