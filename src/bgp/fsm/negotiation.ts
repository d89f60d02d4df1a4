import type { Ipv4 } from "../../addr/ip.ts";
import { Asn } from "../wire/asn.ts";
import type { Capability, GracefulRestart } from "../wire/capabilities.ts";
import { type AddressFamily, familyCodes, familyFromCodes } from "../wire/families.ts";
import type { BgpFault } from "../wire/faults.ts";
import { asnOfOpen, type Open } from "../wire/open.ts";
import type { UpdateContext } from "../wire/path-attributes.ts";

/** What the state machine needs to know of us and of one configured peer. */
export interface FsmPeer {
  readonly localAsn: Asn;
  readonly peerAsn: Asn;
  /** Our BGP identifier, the same towards every peer. */
  readonly identifier: Ipv4;
  /** Offered: 0 turns keepalives off, 1 and 2 are not legal (RFC 4271 §4.2). */
  readonly holdTimeSeconds: number;
  /** Upper bound of the keepalive interval; null leaves a third of the negotiated hold time. */
  readonly keepaliveSeconds: number | null;
  readonly connectRetrySeconds: number;
  /** 0 turns DelayOpen off (RFC 4271 §8.1.1). */
  readonly delayOpenSeconds: number;
  /** Never dials, only listens. */
  readonly passive: boolean;
  readonly families: readonly AddressFamily[];
}

/** What both OPENs together mean for the session. */
export interface Negotiated extends UpdateContext {
  readonly peerIdentifier: Ipv4;
  /** 0 when the session lives without hold timer. */
  readonly holdTimeSeconds: number;
  /** Before jitter; null when no keepalives are sent. */
  readonly keepaliveMillis: number | null;
  readonly routeRefresh: boolean;
  readonly gracefulRestart: GracefulRestart | null;
}

/** The OPEN that we send. */
export function openFor(peer: FsmPeer): Open {
  const capabilities: Capability[] = peer.families.map((family) => ({
    kind: "multiprotocol",
    ...familyCodes(family),
  }));
  capabilities.push({ kind: "route-refresh" }, { kind: "four-octet-as", asn: peer.localAsn });
  return {
    type: "open",
    twoOctetAs: Asn.toTwoOctet(peer.localAsn),
    holdTimeSeconds: peer.holdTimeSeconds,
    identifier: peer.identifier,
    capabilities,
  };
}

/** Judges an OPEN that decoded by what is configured (RFC 4271 §6.2, RFC 6286 §2.2). */
export function judgeOpen(open: Open, peer: FsmPeer): Negotiated | { readonly fault: BgpFault } {
  const external = peer.peerAsn !== peer.localAsn;
  if (!external && open.identifier === peer.identifier) {
    return { fault: { kind: "open.bad-identifier", identifier: open.identifier } };
  }
  const received = asnOfOpen(open);
  if (received !== peer.peerAsn) return { fault: { kind: "open.bad-peer-as", expected: peer.peerAsn, received } };

  const holdTimeSeconds = Math.min(open.holdTimeSeconds, peer.holdTimeSeconds);
  const offered = open.capabilities.filter((one) => one.kind === "multiprotocol");
  // A peer without any multiprotocol capability speaks IPv4 unicast (RFC 4760 §8).
  const theirs = offered.length === 0 ? ["ipv4-unicast"] : offered.map((one) => familyFromCodes(one.afi, one.safi));
  return {
    peerIdentifier: open.identifier,
    external,
    holdTimeSeconds,
    keepaliveMillis: holdTimeSeconds === 0 ? null : keepaliveMillis(holdTimeSeconds, peer.keepaliveSeconds),
    fourOctetAs: open.capabilities.some((one) => one.kind === "four-octet-as"),
    families: peer.families.filter((family) => theirs.includes(family)),
    routeRefresh: open.capabilities.some((one) => one.kind === "route-refresh"),
    gracefulRestart: open.capabilities.find((one) => one.kind === "graceful-restart") ?? null,
  };
}

/** A third of the hold time, or what is configured if that is less; never more often than each second (§4.4, §10). */
const keepaliveMillis = (holdTimeSeconds: number, configuredSeconds: number | null): number =>
  Math.max(1000, Math.min(holdTimeSeconds / 3, configuredSeconds ?? Infinity) * 1000);
