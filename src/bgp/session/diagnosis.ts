import type { IpAddress, Ipv4 } from "../../addr/ip.ts";
import { unreachable } from "../../base/unreachable.ts";
import type { StreamEnd } from "../../ports/stream.ts";
import type { TcpCounters } from "../../ports/tcp-counters.ts";
import type { Asn } from "../wire/asn.ts";
import type { AddressFamily } from "../wire/families.ts";
import type { BgpFault } from "../wire/faults.ts";
import type { Notification } from "../wire/notification.ts";
import { received, sent } from "./diagnosis-notification.ts";
import type { PeerConfig, PeerStatus } from "./peer-config.ts";
import type { Stage } from "./transport-words.ts";

/** How a connection with the peer, or an attempt at one, came to its end. */
export type ConnectionEnd =
  /** We sent a NOTIFICATION. */
  | { readonly kind: "sent"; readonly fault: BgpFault }
  | { readonly kind: "received"; readonly notification: Notification }
  | { readonly kind: "transport"; readonly end: StreamEnd; readonly stage: Stage }
  /** The ConnectRetryTimer ended an attempt to which nothing was answered. */
  | { readonly kind: "no-answer" };

/** All that is known of a peer that has no session, or one that lacks something. Nothing in it is secret. */
export interface DiagnosisFacts {
  readonly peer: Pick<
    PeerConfig,
    | "address"
    | "port"
    | "asn"
    | "passive"
    | "ttl"
    | "minTtl"
    | "families"
    | "md5Missing"
    | "notFound"
    | "undecided"
    | "occupied"
  >;
  readonly hasMd5Key: boolean;
  readonly localAsn: Asn;
  readonly routerId: Ipv4;
  readonly state: PeerStatus["state"];
  readonly establishedCount: number;
  /** Negotiated; empty without a session. */
  readonly families: readonly AddressFamily[];
  readonly localAddress: IpAddress | null;
  /** The last end that was not a collision's; null before the first, and since the session came up. */
  readonly lastEnd: ConnectionEnd | null;
  /** Connections that ended as the loser of a collision (RFC 4271 §6.8) since a session was last up. */
  readonly collisions: number;
  readonly bfd: "up" | "down" | "admin-down" | "unknown" | null;
  /** The prefix limit has ended the session, and keeps it down. */
  readonly heldByPrefixLimit: boolean;
  /** What the kernel counted since the attempt began that ended last; null where it does not tell. */
  readonly counted: TcpCounters | null;
}

/** What is wrong; names are API, as those of events are. */
export type Cause =
  | "undecided"
  | "md5-missing"
  | "another-speaker"
  | "router-not-found"
  | "md5-mismatch"
  | "md5-suspected"
  | "ttl"
  | "filtered"
  | "refused"
  | "no-route"
  | "not-a-neighbour"
  | "connection-lost"
  | "waiting"
  | "wrong-as"
  | "router-id"
  | "hold-time"
  | "capability"
  | "role"
  | "authentication"
  | "version"
  | "family"
  | "bfd"
  | "prefix-limit"
  | "collision"
  | "hold-timer"
  | "shut-down"
  | "rejected"
  | "router-resources"
  | "malformed";

export interface Diagnosis {
  readonly cause: Cause;
  /** One sentence without its full stop. */
  readonly problem: string;
  /** What would end it, as an order. */
  readonly fix: string;
}

/** A collision that repeats so often resolves nothing. */
const COLLISION_LOOP = 4;

/**
 * Why a peer has no session, or not all of one, and what to do about it; null when nothing is known to be wrong. Pure.
 */
export function diagnose(facts: DiagnosisFacts): Diagnosis | null {
  const { peer, state, lastEnd } = facts;
  if (peer.undecided !== undefined) {
    return {
      cause: "undecided",
      problem: peer.undecided,
      fix: "let the daemon reach the Kubernetes API; the session starts by itself",
    };
  }
  if (peer.notFound !== undefined) {
    return {
      cause: "router-not-found",
      problem: peer.notFound,
      fix: "have the router send router advertisements on that link (FRR: no ipv6 nd suppress-ra)",
    };
  }
  if (peer.md5Missing !== undefined) {
    return {
      cause: "md5-missing",
      problem: `no TCP-MD5 password: ${peer.md5Missing}`,
      fix: "provide the password where the configuration says it is; the session starts by itself",
    };
  }
  if (peer.occupied !== undefined) {
    return {
      cause: "another-speaker",
      problem: peer.occupied,
      fix: "stop that speaker, or give one of the two another source address; the session starts by itself",
    };
  }
  if (state === "established") return withSession(facts);
  if (facts.heldByPrefixLimit) {
    return {
      cause: "prefix-limit",
      problem: `${peer.address} announced more prefixes than are allowed, and is kept away for it`,
      fix: "have the router announce fewer, or raise maxPrefixes of this peer",
    };
  }
  if (facts.bfd === "down" && state !== "idle" && lastEnd === null) return bfdDown(facts);
  if (facts.collisions >= COLLISION_LOOP) return collisionLoop(facts);
  if (lastEnd === null) return notYet(facts);
  switch (lastEnd.kind) {
    case "sent":
      return (isSilence(lastEnd.fault) ? droppedByKernel(facts) : null) ?? sent(lastEnd.fault, facts);
    case "received":
      return received(lastEnd.notification, facts);
    case "no-answer":
      return silence(facts);
    case "transport":
      return ended(lastEnd.end, lastEnd.stage, facts);
    default:
      return unreachable(lastEnd);
  }
}

const isSilence = ({ kind }: BgpFault): boolean => kind === "hold-timer.expired";

function withSession({ peer, families }: DiagnosisFacts): Diagnosis | null {
  const missing = peer.families.filter((family) => !families.includes(family));
  if (missing.length === 0) return null;
  const problem =
    families.length === 0
      ? `no address family in common: the router does not offer ${missing.join(" or ")}`
      : `the router does not offer ${missing.join(" or ")}`;
  return { cause: "family", problem, fix: `activate ${missing.join(" and ")} for this neighbour on the router` };
}

function bfdDown({ peer }: DiagnosisFacts): Diagnosis {
  return {
    cause: "bfd",
    problem: `BFD with ${peer.address} is down, and the session waits for it`,
    fix: "enable BFD for this neighbour on the router, or look for what drops UDP port 3784 (4784 for multihop)",
  };
}

const collisionLoop = ({ peer, routerId, collisions }: DiagnosisFacts): Diagnosis => ({
  cause: "collision",
  problem: `${collisions} connections were given up for another one of the same peer, and none became a session`,
  fix: `check that the router's own id is not ${routerId}, that it has one neighbour with our address, or make one side passive (peer ${peer.address})`,
});

function notYet(facts: DiagnosisFacts): Diagnosis | null {
  const { peer, state, localAddress } = facts;
  // TCP is up, or it is the peer's to begin: nothing of ours will end and tell. A first attempt to dial will, soon.
  const dropped = peer.passive || state.startsWith("open-") ? droppedByKernel(facts) : null;
  if (dropped !== null) return dropped;
  if (!peer.passive || state.startsWith("open-")) return null;
  return {
    cause: "waiting",
    problem: `${peer.address} has not called, and this peer is passive`,
    fix: `have the router connect to ${localAddress ?? "this node"}, or set passive to false here`,
  };
}

function ended(end: StreamEnd, stage: Stage, facts: DiagnosisFacts): Diagnosis {
  const who = whoIs(facts);
  switch (end.kind) {
    case "refused":
      return {
        cause: "refused",
        problem: `${who} refuses the connection`,
        fix: `check that BGP runs on the router and listens on this address, with ${us(facts)} as its neighbour`,
      };
    case "unreachable":
      return {
        cause: "no-route",
        problem: `there is no route to ${facts.peer.address}`,
        fix: "check the interface, its address, and the peer's address here",
      };
    case "timed-out":
      return stage === "connecting" ? silence(facts) : lost(`${who} stopped answering`);
    case "reset":
    case "closed-by-peer": {
      if (stage === "connecting") return silence(facts);
      if (facts.establishedCount > 0) {
        return lost(`${who} ${end.kind === "reset" ? "reset" : "closed"} the connection without a NOTIFICATION`);
      }
      return {
        cause: "not-a-neighbour",
        problem: `${who} ends every connection without a word, as routers do to whom they have not configured`,
        fix: `configure ${us(facts)} as a neighbour on the router`,
      };
    }
    case "closed-by-us":
    case "failed":
      return lost(
        end.kind === "failed"
          ? `the connection to ${who} failed: ${end.message}`
          : `the connection to ${who} was closed`,
      );
    default:
      return unreachable(end);
  }
}

const lost = (problem: string): Diagnosis => ({
  cause: "connection-lost",
  problem,
  fix: "it is tried again by itself; if this goes on, look at the router's log and at the link",
});

/** What the kernel dropped of the peer's, as far as this peer can have sent it. */
function droppedByKernel(facts: DiagnosisFacts): Diagnosis | null {
  const { peer, hasMd5Key, counted } = facts;
  const who = whoIs(facts);
  if (hasMd5Key && (counted?.md5Failure ?? 0) > 0) {
    return {
      cause: "md5-mismatch",
      problem: `${who} signs with another TCP-MD5 password than ours`,
      fix: "set the same password on the router and here",
    };
  }
  if (hasMd5Key && (counted?.md5NotFound ?? 0) > 0) {
    return {
      cause: "md5-mismatch",
      problem: `${who} does not sign with the TCP-MD5 password that is configured here`,
      fix: "set the password for this neighbour on the router, too, or remove it here",
    };
  }
  if (!hasMd5Key && (counted?.md5Unexpected ?? 0) > 0) {
    return {
      cause: "md5-mismatch",
      problem: `${who} signs with TCP-MD5, and no password is configured here`,
      fix: "set the router's password for this peer here, or remove it on the router",
    };
  }
  if (peer.minTtl !== undefined && (counted?.minTtlDrop ?? 0) > 0) {
    return {
      cause: "ttl",
      problem: `packets arrive with a TTL below the ${peer.minTtl} that TTL security demands`,
      fix: "enable TTL security (GTSM) for this neighbour on the router, or raise ttlSecurity of this peer",
    };
  }
  return null;
}

/** Nothing came back. The kernel's counters tell a wrong key and a wrong TTL from a filter. */
function silence(facts: DiagnosisFacts): Diagnosis {
  const dropped = droppedByKernel(facts);
  if (dropped !== null) return dropped;
  const { peer, hasMd5Key } = facts;
  const who = whoIs(facts);
  if (hasMd5Key) {
    return {
      cause: "md5-suspected",
      problem: `no answer from ${who}; a TCP-MD5 password is configured, and a wrong one looks like this`,
      fix: `compare the password with the router's; if it is the same, look for a filter of TCP port ${peer.port}`,
    };
  }
  const hint =
    peer.minTtl !== undefined
      ? ", or for TTL security that only one side has"
      : peer.ttl === 1
        ? "; a router that is not on this link needs multihop"
        : "";
  return {
    cause: "filtered",
    problem: `no answer from ${who}`,
    fix: `check the address, and look for a filter of TCP port ${peer.port} on the way${hint}`,
  };
}

const whoIs = ({ peer }: DiagnosisFacts): string => `${peer.address} port ${peer.port}`;

/** This node as the router has to know it. */
const us = ({ localAddress, localAsn }: DiagnosisFacts): string => `${localAddress ?? "this node"} (AS ${localAsn})`;
