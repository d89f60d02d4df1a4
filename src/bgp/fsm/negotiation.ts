import type { Ipv4 } from "../../addr/ip.ts";
import { AS_TRANS, Asn } from "../wire/asn.ts";
import type { Capability, Role } from "../wire/capabilities.ts";
import { type AddressFamily, familyCodes, familyFromCodes } from "../wire/families.ts";
import type { BgpFault } from "../wire/faults.ts";
import { EXTENDED_LENGTH_MAX, MESSAGE_LENGTH_MAX } from "../wire/framing.ts";
import { asnOfOpen, type Open } from "../wire/open.ts";
import type { UpdateContext } from "../wire/path-attributes.ts";

/** What the state machine needs to know of us and of one configured peer. Values were checked by the configuration. */
export interface FsmPeer {
  readonly localAsn: Asn;
  /** `external`: any AS but ours; `internal`: ours. */
  readonly peerAsn: Asn | "external" | "internal";
  /** Our BGP identifier, the same towards every peer. */
  readonly identifier: Ipv4;
  /** Offered: 0 turns keepalives off, 1 and 2 are not legal (RFC 4271 §4.2). */
  readonly holdTimeSeconds: number;
  /** Least hold time that the peer may offer, other than 0. */
  readonly holdTimeSecondsMin: number;
  /** Upper bound of the keepalive interval; null leaves a third of the negotiated hold time. */
  readonly keepaliveSeconds: number | null;
  readonly connectRetrySeconds: number;
  /** 0 turns DelayOpen off (RFC 4271 §8.1.1). */
  readonly delayOpenSeconds: number;
  /** RFC 9687; null for the RFC's default, 0 turns it off. Otherwise more than the hold time. */
  readonly sendHoldTimeSeconds: number | null;
  /** Longest wait in Idle after repeated failures. */
  readonly idleHoldSecondsMax: number;
  /** Never dials, only listens. */
  readonly passive: boolean;
  readonly families: readonly AddressFamily[];
  /** Families that the peer must offer, too. */
  readonly requiredFamilies: readonly AddressFamily[];
  /** IPv4 routes may have an IPv6 next hop (RFC 8950). */
  readonly extendedNextHop: boolean;
  /** The peer may send several paths of a prefix (RFC 7911). */
  readonly addPathReceive: boolean;
  /** Our role towards the peer (RFC 9234); has no effect within an AS. */
  readonly role: Role | null;
  /** The peer must state its role, too. */
  readonly strictRole: boolean;
  /** Null: End-of-RIB and other speakers' restarts are understood, and none of our own is asked for. */
  readonly gracefulRestart: {
    /** At most 4095: so long may the peer keep our routes while we are away. */
    readonly restartTimeSeconds: number;
    /** Keep the routes of a peer that restarts. */
    readonly helper: boolean;
    /** Upper bound of the time for which long-lived stale routes of the peer are kept (RFC 9494); 0 turns it off. */
    readonly longLivedSecondsMax: number;
  } | null;
  /** The session waits for BFD when the peer asks for it, too. */
  readonly bfdStrict: boolean;
}

/** What both OPENs together mean for the session. */
export interface Negotiated extends UpdateContext {
  readonly peerIdentifier: Ipv4;
  /** As the peer's OPEN told it. */
  readonly peerAsn: Asn;
  /** 0 when the session lives without hold timer. */
  readonly holdTimeSeconds: number;
  /** Before jitter; null when no keepalives are sent. */
  readonly keepaliveMillis: number | null;
  readonly routeRefresh: boolean;
  /** Both sides mark where a refresh begins and ends (RFC 7313). */
  readonly enhancedRouteRefresh: boolean;
  /** The peer takes messages of more than 4096 octets (RFC 8654 §3): what we may send, whatever the peer sends. */
  readonly extendedMessage: boolean;
  /** Octets of the longest message that we may send. */
  readonly maxLength: number;
  /** Octets of the longest message that the peer may send. */
  readonly receiveMaxLength: number;
  /** Families whose routes from the peer carry path identifiers (RFC 7911 §4). */
  readonly addPathReceive: readonly AddressFamily[];
  /** IPv4 routes may have an IPv6 next hop, in both directions (RFC 8950 §4). */
  readonly extendedNextHop: boolean;
  /** Our role, once the peer's fits; null where the rules of RFC 9234 §5 do not apply. */
  readonly role: Role | null;
  /** Null when the peer does not speak of graceful restart. */
  readonly gracefulRestart: NegotiatedRestart | null;
  /** Null when the peer does not speak of long-lived graceful restart (RFC 9494), or does without the plain one. */
  readonly longLived: { readonly families: readonly LongLivedFamily[] } | null;
  /** The session waits for BFD. */
  readonly bfdStrict: boolean;
}

/** What the peer asks of us for its restart (RFC 4724), as far as it concerns the session's families. */
export interface NegotiatedRestart {
  /** If the peer goes away gracefully, its routes are kept. */
  readonly agreed: boolean;
  /** NOTIFICATIONs, too, are graceful, since both sides say so (RFC 8538). */
  readonly notification: boolean;
  /** R: the peer has just restarted. */
  readonly restarting: boolean;
  readonly restartTimeSeconds: number;
  /** `forwarding` is F: what the peer forwards by was kept. */
  readonly families: readonly { readonly family: AddressFamily; readonly forwarding: boolean }[];
}

/** RFC 9494 §3: the peer wants its routes of this family kept beyond the restart time. */
export interface LongLivedFamily {
  readonly family: AddressFamily;
  readonly forwarding: boolean;
  /** The peer's time or our own bound, whichever is less; never 0. */
  readonly staleSeconds: number;
}

/** What our OPEN tells of our own restart. */
export interface RestartFlags {
  /** R: we have just restarted, and nobody should wait for us before announcing (RFC 4724 §3). */
  readonly restarting: boolean;
  /** F: what we forward by has been there since the last session. */
  readonly forwarding: boolean;
}
export const NO_RESTART: RestartFlags = { restarting: false, forwarding: false };

/** The OPEN that we send. */
export function openFor(peer: FsmPeer, flags: RestartFlags = NO_RESTART): Open {
  return {
    type: "open",
    twoOctetAs: Asn.toTwoOctet(peer.localAsn),
    holdTimeSeconds: peer.holdTimeSeconds,
    identifier: peer.identifier,
    capabilities: offeredTo(peer, flags),
  };
}

function offeredTo(peer: FsmPeer, flags: RestartFlags): Capability[] {
  const families = peer.families.map(familyCodes);
  const offered: Capability[] = [
    ...families.map((family) => ({ kind: "multiprotocol", ...family }) as const),
    { kind: "route-refresh" },
    { kind: "extended-message" },
  ];
  if (peer.extendedNextHop && peer.families.includes("ipv4-unicast")) {
    offered.push({ kind: "extended-next-hop", entries: [IPV4_OVER_IPV6] });
  }
  if (peer.role !== null && isExternal(peer)) offered.push({ kind: "role", role: peer.role });
  const restart = peer.gracefulRestart;
  offered.push(
    restart === null
      ? { kind: "graceful-restart", ...HELPER_ONLY }
      : {
          kind: "graceful-restart",
          restarting: flags.restarting,
          notification: true,
          restartTimeSeconds: restart.restartTimeSeconds,
          families: families.map((family) => ({ ...family, forwarding: flags.forwarding })),
        },
    { kind: "four-octet-as", asn: peer.localAsn },
  );
  if (peer.addPathReceive) {
    offered.push({ kind: "add-path", families: families.map((family) => ({ ...family, mode: "receive" })) });
  }
  offered.push({ kind: "enhanced-route-refresh" });
  // Without families: others' routes are kept for long, and nobody is asked to keep ours (RFC 9494 §3).
  if (restart !== null && restart.longLivedSecondsMax > 0) {
    offered.push({ kind: "long-lived-graceful-restart", families: [] });
  }
  if (peer.bfdStrict) offered.push({ kind: "bfd-strict" });
  return offered;
}

const IPV4_OVER_IPV6 = { afi: 1, safi: 1, nextHopAfi: 2 } as const;
const HELPER_ONLY = { restarting: false, notification: false, restartTimeSeconds: 0, families: [] } as const;

/** Judges an OPEN that decoded by what is configured; of several faults the first in the order of the fields counts. */
export function judgeOpen(open: Open, peer: FsmPeer): Negotiated | { readonly fault: BgpFault } {
  const fault = unacceptable(open, peer);
  return fault === null ? agreement(open, peer) : { fault };
}

function unacceptable(open: Open, peer: FsmPeer): BgpFault | null {
  const { holdTimeSeconds: seconds, identifier } = open;
  if (seconds !== 0 && seconds < peer.holdTimeSecondsMin) return { kind: "open.unacceptable-hold-time", seconds };
  // RFC 6286 §2.2: within an AS nobody else may have our identifier.
  if (!isExternal(peer) && identifier === peer.identifier) return { kind: "open.bad-identifier", identifier };
  const received = asnOfOpen(open);
  if (!isExpectedAs(received, peer)) {
    const expected = typeof peer.peerAsn === "number" ? peer.peerAsn : null;
    return { kind: "open.bad-peer-as", expected, received };
  }
  const theirs = familiesOf(open);
  const missing = peer.requiredFamilies.filter((family) => !theirs.has(family));
  if (missing.length > 0) {
    const capabilities = missing.map((family) => ({ kind: "multiprotocol", ...familyCodes(family) }) as const);
    return { kind: "open.unsupported-capability", missing: capabilities };
  }
  return roleFault(open, peer);
}

const isExternal = (peer: FsmPeer): boolean =>
  typeof peer.peerAsn === "number" ? peer.peerAsn !== peer.localAsn : peer.peerAsn === "external";

function isExpectedAs(received: Asn, peer: FsmPeer): boolean {
  switch (peer.peerAsn) {
    case "internal":
      return received === peer.localAsn;
    case "external": // AS_TRANS here is a peer that cannot say its number, and 0 is nobody's (RFC 7607)
      return received !== peer.localAsn && received !== AS_TRANS && received !== 0;
    default:
      return received === peer.peerAsn;
  }
}

/** Of the families that we speak, those that the peer lists. One that lists none at all speaks IPv4 (RFC 4760 §8). */
function familiesOf(open: Open): ReadonlySet<AddressFamily | null> {
  const offered = open.capabilities.filter((one) => one.kind === "multiprotocol");
  if (offered.length === 0) return new Set(["ipv4-unicast"]);
  return new Set(offered.map(({ afi, safi }) => familyFromCodes(afi, safi)));
}

/** RFC 9234 §4.1: who may stand opposite to whom. */
const OPPOSITE: Readonly<Record<Role, Role>> = {
  provider: "customer",
  customer: "provider",
  "route-server": "route-server-client",
  "route-server-client": "route-server",
  peer: "peer",
};

/** RFC 9234 §4.2. */
function roleFault(open: Open, peer: FsmPeer): BgpFault | null {
  if (peer.role === null || !isExternal(peer)) return null;
  const expected = OPPOSITE[peer.role];
  const theirs = open.capabilities.filter((one) => one.kind === "role").map((one) => one.role);
  if (theirs.length === 0)
    return peer.strictRole ? { kind: "open.role-mismatch", local: peer.role, remote: null } : null;
  // Several with one value count as one; a peer that says two things has no role.
  const wrong = theirs.find((role) => role !== expected);
  return wrong === undefined ? null : { kind: "open.role-mismatch", local: peer.role, remote: wrong };
}

function agreement(open: Open, peer: FsmPeer): Negotiated {
  const has = (kind: Capability["kind"]): boolean => open.capabilities.some((one) => one.kind === kind);
  const theirs = familiesOf(open);
  const families = peer.families.filter((family) => theirs.has(family));
  const holdTimeSeconds = Math.min(open.holdTimeSeconds, peer.holdTimeSeconds);
  const extendedMessage = has("extended-message");
  const gracefulRestart = restartOf(open, peer, families);
  return {
    peerIdentifier: open.identifier,
    peerAsn: asnOfOpen(open),
    external: isExternal(peer),
    holdTimeSeconds,
    keepaliveMillis: holdTimeSeconds === 0 ? null : keepaliveMillis(holdTimeSeconds, peer.keepaliveSeconds),
    fourOctetAs: has("four-octet-as"),
    families,
    routeRefresh: has("route-refresh"),
    enhancedRouteRefresh: has("enhanced-route-refresh"),
    extendedMessage,
    maxLength: extendedMessage ? EXTENDED_LENGTH_MAX : MESSAGE_LENGTH_MAX,
    // Since our own OPEN always offers it, the peer may send them, whether it takes any or not (RFC 8654 §3).
    receiveMaxLength: EXTENDED_LENGTH_MAX,
    addPathReceive: peer.addPathReceive ? families.filter((family) => sendsPaths(open, family)) : [],
    extendedNextHop: peer.extendedNextHop && families.includes("ipv4-unicast") && takesIpv6NextHops(open),
    role: isExternal(peer) ? peer.role : null,
    gracefulRestart,
    longLived: gracefulRestart === null ? null : longLivedOf(open, peer, gracefulRestart),
    bfdStrict: peer.bfdStrict && has("bfd-strict"),
  };
}

/** RFC 7911 §4. */
function sendsPaths(open: Open, family: AddressFamily): boolean {
  const entries = open.capabilities.flatMap((one) => (one.kind === "add-path" ? one.families : []));
  const mode = entries.findLast(({ afi, safi }) => familyFromCodes(afi, safi) === family)?.mode;
  return mode === "send" || mode === "both";
}

/** RFC 8950 §4. */
const takesIpv6NextHops = (open: Open): boolean =>
  open.capabilities.some(
    (one) =>
      one.kind === "extended-next-hop" &&
      one.entries.some(({ afi, safi, nextHopAfi }) => afi === 1 && safi === 1 && nextHopAfi === 2),
  );

/** Of several such capabilities the last counts (RFC 4724 §3). */
function restartOf(open: Open, peer: FsmPeer, active: readonly AddressFamily[]): NegotiatedRestart | null {
  const theirs = open.capabilities.findLast((one) => one.kind === "graceful-restart");
  if (theirs === undefined) return null;
  const families = active.flatMap((family) => {
    const listed = theirs.families.find(({ afi, safi }) => familyFromCodes(afi, safi) === family);
    return listed === undefined ? [] : [{ family, forwarding: listed.forwarding }];
  });
  return {
    agreed: (peer.gracefulRestart?.helper ?? true) && families.length > 0,
    notification: peer.gracefulRestart !== null && theirs.notification,
    restarting: theirs.restarting,
    restartTimeSeconds: theirs.restartTimeSeconds,
    families,
  };
}

function longLivedOf(open: Open, peer: FsmPeer, restart: NegotiatedRestart): Negotiated["longLived"] {
  const theirs = open.capabilities.findLast((one) => one.kind === "long-lived-graceful-restart");
  if (theirs === undefined) return null;
  const secondsMax = restart.agreed ? (peer.gracefulRestart?.longLivedSecondsMax ?? 0) : 0;
  const families = restart.families.flatMap(({ family }) => {
    const listed = theirs.families.find(({ afi, safi }) => familyFromCodes(afi, safi) === family);
    const staleSeconds = Math.min(listed?.staleSeconds ?? 0, secondsMax);
    return staleSeconds === 0 ? [] : [{ family, forwarding: listed?.forwarding === true, staleSeconds }];
  });
  return { families };
}

/** A third of the hold time, or what is configured if that is less; never more often than each second (§4.4, §10). */
const keepaliveMillis = (holdTimeSeconds: number, configuredSeconds: number | null): number =>
  Math.max(1000, Math.min(holdTimeSeconds / 3, configuredSeconds ?? Infinity) * 1000);
