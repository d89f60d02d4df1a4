import type { Logger } from "pino";
import type { IpAddress } from "../../addr/ip.ts";
import type { Prefix } from "../../addr/prefix.ts";
import { Instant } from "../../base/time.ts";
import type { ByteStream } from "../../ports/stream.ts";
import { emit } from "../../telemetry/events.ts";
import type { Negotiated } from "../fsm/negotiation.ts";
import { AdjRibIn, RECEIVED_COUNT_MAX, type ReceivedRoute } from "../rib/adj-rib-in.ts";
import { AdjRibOut } from "../rib/adj-rib-out.ts";
import type { DesiredRoutes } from "../rib/desired-routes.ts";
import type { Asn } from "../wire/asn.ts";
import { type AddressFamily, familyFromCodes } from "../wire/families.ts";
import { NOTIFICATION } from "../wire/faults.ts";
import type { RouteRefresh } from "../wire/message.ts";
import { type AttributeFault, type DecodedUpdate, wantsWithdrawal } from "../wire/update.ts";
import { chooseNextHop } from "./next-hops.ts";
import type { PeerConfig, PeerStatus } from "./peer-config.ts";

/** While TCP still holds this much, nothing is added: what a peer does not read waits as a prefix, not as octets. */
const QUEUED_BYTES_MAX = 65_536;
/** At most one full resend of a family in this time, however often the peer asks (RFC 2918). */
const REFRESH_MILLIS = 1000;
/** At most one log line about malformed UPDATEs in this time, and so many octets of the message in it. */
const MALFORMED_LOG_MILLIS = 10_000;
const MALFORMED_LOG_OCTETS = 512;

export interface ExchangeDeps {
  readonly peer: PeerConfig;
  readonly localAsn: Asn;
  readonly session: Negotiated;
  readonly stream: ByteStream;
  readonly localAddresses: (of: IpAddress) => readonly IpAddress[];
  /** No link-local address beside a global next hop. */
  readonly globalNextHopOnly: boolean;
  readonly log: Logger;
}

/** The routes of one established session, both ways. Lives as long as the session. */
export class RouteExchange {
  readonly #deps: ExchangeDeps;
  readonly #out: AdjRibOut;
  readonly #in: AdjRibIn;
  #notAnnounced: PeerStatus["notAnnounced"] = [];
  /** Families that the peer wants again, and when they may be sent. */
  readonly #wanted = new Set<AddressFamily>();
  #refreshAt: Instant | null = null;
  readonly #ignored = new Set<string>();
  #malformedAt: Instant | null = null;
  #malformedCount = 0;

  constructor(deps: ExchangeDeps) {
    this.#deps = deps;
    const { session, localAsn, stream } = deps;
    this.#out = new AdjRibOut({ ...session, localAsn });
    this.#in = new AdjRibIn({ ...session, localAsn, localAddress: stream.local.address });
  }

  get stream(): ByteStream {
    return this.#deps.stream;
  }

  get session(): Negotiated {
    return this.#deps.session;
  }

  get received(): ReadonlyMap<Prefix, ReceivedRoute> {
    return this.#in.routes;
  }

  /** True when the peer was told everything and TCP has taken it. */
  get isFlushed(): boolean {
    return this.#out.isDone && this.#deps.stream.queuedBytes === 0;
  }

  /**
   * Next hops are chosen anew each time: addresses of this host come and go.
   *
   * @returns true when what is not announced, or why, has changed
   */
  setRoutes(routes: DesiredRoutes): boolean {
    const { peer, session, stream, localAddresses, globalNextHopOnly: globalOnly, log } = this.#deps;
    const before = this.#notAnnounced.map(({ reason }) => reason);
    const missing: { family: AddressFamily; reason: string }[] = [];
    const sessionAddress = stream.local.address;
    const others = localAddresses(sessionAddress);
    const surroundings = { sessionAddress, others, announced: routes, globalOnly };
    for (const family of peer.families) {
      if (!session.families.includes(family)) {
        missing.push({ family, reason: "the peer does not offer it" });
        continue;
      }
      const chosen = chooseNextHop(peer, family, surroundings);
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

  /** When `pump` has something to do by itself. */
  get deadline(): Instant | null {
    return this.#wanted.size === 0 ? null : this.#refreshAt;
  }

  /**
   * Writes what the peer is to be told, as far as TCP takes it.
   *
   * @returns the number of messages written
   */
  pump(now: Instant): number {
    if (this.#wanted.size > 0 && (this.#refreshAt === null || now >= this.#refreshAt)) {
      for (const family of this.#wanted) this.#out.refresh(family);
      this.#wanted.clear();
      this.#refreshAt = Instant.add(now, REFRESH_MILLIS);
    }
    let count = 0;
    while (this.#deps.stream.queuedBytes < QUEUED_BYTES_MAX) {
      const message = this.#out.next();
      if (message === null) break;
      this.#deps.stream.write(message);
      count++;
    }
    return count;
  }

  /** A family that we do not exchange is nothing to resend. */
  resend({ afi, safi }: RouteRefresh): void {
    const family = familyFromCodes(afi, safi);
    if (family !== null && this.#deps.session.families.includes(family)) this.#wanted.add(family);
    else this.#ignoreOnce(`route refresh for AFI ${afi} SAFI ${safi}, which is not exchanged`);
  }

  /** @returns true when a received route changed */
  deliver(decoded: DecodedUpdate): boolean {
    const { mpReach, mpUnreach } = decoded.update.attributes;
    for (const one of [mpReach, mpUnreach]) {
      if (one !== undefined && !("family" in one)) {
        this.#ignoreOnce(`routes of AFI ${one.afi} SAFI ${one.safi}, which is not exchanged`);
      }
    }
    if (decoded.update.nlri.length > 0 && !this.#deps.session.families.includes("ipv4-unicast")) {
      this.#ignoreOnce("IPv4 routes, which are not exchanged");
    }
    const changed = this.#in.apply(decoded);
    if (this.#in.refusedCount > 0) this.#ignoreOnce(`routes beyond the ${RECEIVED_COUNT_MAX} that are kept`);
    return changed;
  }

  /** Says what was wrong with an UPDATE that did not end the session (RFC 7606 §6), bounded in rate and size. */
  noteMalformed(message: Uint8Array, faults: readonly AttributeFault[], now: Instant): void {
    this.#malformedCount++;
    if (this.#malformedAt !== null && now < Instant.add(this.#malformedAt, MALFORMED_LOG_MILLIS)) return;
    const withdrawn = wantsWithdrawal(faults);
    const fields = {
      attributes: [...new Set(faults.map((one) => one.code))],
      faults: [...new Set(faults.map((one) => one.fault.kind))],
      sections: [...new Set(faults.map((one) => NOTIFICATION[one.fault.kind].section))],
      withdrawn,
      suppressed: this.#malformedCount - 1,
      hex: hex(message.subarray(0, MALFORMED_LOG_OCTETS)),
    };
    const text = withdrawn ? "malformed UPDATE, its routes are withdrawn" : "malformed UPDATE, attribute discarded";
    emit(this.#deps.log, "bgp.update.malformed", fields, text);
    this.#malformedAt = now;
    this.#malformedCount = 0;
  }

  counts(): Pick<PeerStatus, "prefixesSent" | "prefixesSentByFamily" | "prefixesReceived" | "prefixesRefused"> {
    const byFamily = {
      "ipv4-unicast": this.#out.count("ipv4-unicast"),
      "ipv6-unicast": this.#out.count("ipv6-unicast"),
    };
    return {
      prefixesSent: byFamily["ipv4-unicast"] + byFamily["ipv6-unicast"],
      prefixesSentByFamily: byFamily,
      prefixesReceived: this.#in.routes.size,
      prefixesRefused: this.#in.refusedCount,
    };
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

  #ignoreOnce(what: string): void {
    if (this.#ignored.has(what) || this.#ignored.size >= IGNORED_COUNT_MAX) return;
    this.#ignored.add(what);
    emit(this.#deps.log, "bgp.update.ignored", { reason: what }, `the peer sends ${what}`);
  }
}

/** Kinds of things ignored that are logged, per session: the peer chooses what it sends. */
const IGNORED_COUNT_MAX = 16;

const hex = (bytes: Uint8Array): string => Array.from(bytes, (octet) => octet.toString(16).padStart(2, "0")).join("");
