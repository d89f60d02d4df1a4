import type { IpAddress, Ipv4, Ipv6 } from "../../addr/ip.ts";
import type { Prefix } from "../../addr/prefix.ts";
import type { Instant } from "../../base/time.ts";
import type { Asn } from "../wire/asn.ts";
import type { ExportPolicy, ImportPolicy } from "../rib/policy.ts";
import type { Negotiated } from "../fsm/negotiation.ts";
import type { Role } from "../wire/capabilities.ts";
import type { AddressFamily } from "../wire/families.ts";
import type { Diagnosis } from "./diagnosis.ts";
import type { Direction } from "./message-ledger.ts";

/** One configured peer. Values were checked where the configuration was read. */
export interface PeerConfig {
  /** Unique among the peers. */
  readonly name: string;
  readonly address: IpAddress;
  readonly port: number;
  /** `external`: any AS but ours; `internal`: ours. */
  readonly asn: Asn | "external" | "internal";
  /** Never dials, only takes the peer's connection. */
  readonly passive: boolean;
  /** TTL or hop limit of what we send. 1 says that the peer is on our own link. */
  readonly ttl: number;
  /** RFC 5082: what arrives with less is dropped by the kernel; `ttl` is 255 then. */
  readonly minTtl?: number;
  /** Source address of the connections that we dial; the kernel's choice when absent. */
  readonly localAddress?: IpAddress;
  readonly interfaceName?: string;
  readonly md5Password?: string;
  /** Why there is no key although one is configured: the session is then not started, and its status says so. */
  readonly md5Missing?: string;
  /** Why it is not known yet whether this is a peer: the session is not started, and its status says so. */
  readonly undecided?: string;
  /** Another speaker that the peer cannot tell from us has a session with it: none is started, and status says so. */
  readonly occupied?: string;
  /** Why `address` is not known yet, and means nothing: a peer on an interface waits for its router to be found. */
  readonly notFound?: string;
  /** Offered: 0 turns keepalives off, 1 and 2 are not legal (RFC 4271 §4.2). */
  readonly holdTimeSeconds: number;
  /** Least hold time that the peer may offer, other than 0; 3 when absent. */
  readonly holdTimeSecondsMin?: number;
  /** Upper bound of the keepalive interval; a third of the negotiated hold time when absent. */
  readonly keepaliveSeconds?: number;
  readonly connectRetrySeconds: number;
  /** 0 and absent: no DelayOpen (RFC 4271 §8.1.1); at most 240. */
  readonly delayOpenSeconds?: number;
  /** RFC 9687; absent: the greater of 8 minutes and twice the negotiated hold time. 0 turns it off. */
  readonly sendHoldTimeSeconds?: number;
  /** Longest wait in Idle after repeated failures; 30 when absent. */
  readonly idleHoldSecondsMax?: number;
  /** TCP_USER_TIMEOUT: octets unacknowledged for so long end the connection. */
  readonly userTimeoutMillis?: number;
  /** TCP_MAXSEG, in octets: for paths that lose large packets without a word. */
  readonly maxSegmentLength?: number;
  /** Traffic class of the session's packets; CS6 (0xc0) when absent. */
  readonly trafficClass?: number;
  readonly families: readonly AddressFamily[];
  /** Families that the peer must offer, too; else 2/7 (RFC 5492 §3). */
  readonly requiredFamilies?: readonly AddressFamily[];
  /** Offer to send and take IPv4 routes with an IPv6 next hop (RFC 8950). */
  readonly extendedNextHop?: boolean;
  /** Offer to take several paths of a prefix (RFC 7911). */
  readonly addPathReceive?: boolean;
  /** Our role towards the peer (RFC 9234); external sessions only. */
  readonly role?: Role;
  /** The peer must state its role, too. */
  readonly strictRole?: boolean;
  /** Leftmost AS of a received path must be the peer's (RFC 4271 §6.3); true when absent. */
  readonly enforceFirstAs?: boolean;
  /** Where traffic is to be sent; by default to our end of the session. */
  readonly nextHop?: { readonly ipv4?: Ipv4; readonly ipv6?: Ipv6 };
  /** Absent: everything that the caller announces goes out as it is (RFC 8212: the caller's choice is the policy). */
  readonly exportPolicy?: ExportPolicy;
  /** Absent: nothing is accepted (RFC 8212). */
  readonly importPolicy?: ImportPolicy;
  /** Absent: received routes beyond the default limit are dropped and counted, the session stays. */
  readonly maxPrefixes?: MaxPrefixes;
  /** Absent: only the helper's side with no time of our own is spoken (End-of-RIB, and others' restarts are heard). */
  readonly gracefulRestart?: GracefulRestartConfig;
  /** The session waits for BFD when both sides ask for it (draft BFD strict mode, capability 74). */
  readonly bfdStrict?: boolean;
}

/** What is done about more received prefixes of one family than `count`. */
export interface MaxPrefixes {
  readonly count: number;
  /** `drop`: those beyond are not stored. `cease`: 6/1, and no session until `restartSeconds` have passed, or ever. */
  readonly action: "drop" | "cease";
  readonly restartSeconds?: number;
}

/** RFC 4724, 8538, 9494. */
export interface GracefulRestartConfig {
  /** Offered as restarting speaker, at most 4095: routers keep our routes that long while the daemon is away. */
  readonly restartTimeSeconds: number;
  /** Keep the routes of a peer that restarts. */
  readonly helper: boolean;
  /** RFC 9494, helper's side: cap on the time for which stale routes of the peer are kept; 0 turns it off. */
  readonly longLivedSecondsMax: number;
}

/** A range of addresses with peers that are not configured one by one. Each gets a session of its own, always passive. */
export interface DynamicNeighbours {
  /** Names are `<name>-<address>`. */
  readonly name: string;
  readonly prefix: Prefix;
  /** Sessions at one time; further connections are refused. */
  readonly countMax: number;
  readonly template: Omit<PeerConfig, "name" | "address" | "passive">;
}

/** Why there is no session, or was none. */
export interface PeerError {
  /** In words, for an operator. */
  readonly message: string;
  readonly at: Date;
  /** A NOTIFICATION that we sent or received, or TCP's own trouble. */
  readonly direction: "sent" | "received" | "transport";
}

/** The last NOTIFICATION of one direction. */
export interface SeenNotification {
  readonly code: number;
  readonly subcode: number;
  /** With its text, if it had one (RFC 9003). */
  readonly message: string;
  readonly at: Date;
  /** How many there were since the peer was configured. */
  readonly count: number;
}

/** UPDATEs with faults that kept the session (RFC 7606), since the peer was configured. */
export interface MalformedCounts {
  readonly updates: number;
  /** Of these: those whose routes were taken for withdrawn. */
  readonly withdrawn: number;
  /** Faults by attribute type; "list" is the attribute list itself. */
  readonly byAttribute: Readonly<Record<string, number>>;
  /** The latest routes that are gone because of it, a few of them, until the peer announces them well. */
  readonly last: { readonly at: Date; readonly prefixes: readonly Prefix[]; readonly reason: string } | null;
}

/** One peer as an operator sees it. Nothing in it is secret. */
export interface PeerStatus {
  readonly name: string;
  readonly address: IpAddress;
  readonly port: number;
  /** The session's; without a session what is configured. */
  readonly asn: Asn | "external" | "internal";
  /** Not configured itself, but one of a range (DynamicNeighbours). */
  readonly dynamic: boolean;
  readonly state: "idle" | "connect" | "active" | "open-sent" | "open-confirm" | "established";
  /** When `state` last changed. */
  readonly since: Instant;
  /** Null: nothing is accepted, or everything is announced (RFC 8212). */
  readonly importPolicy: ImportPolicy | null;
  readonly exportPolicy: ExportPolicy | null;
  /** Why no session is tried for, though one is configured; null otherwise. */
  readonly withheld: string | null;
  readonly establishedCount: number;
  readonly prefixesSent: number;
  readonly prefixesSentByFamily: Readonly<Record<AddressFamily, number>>;
  readonly prefixesReceived: number;
  /** Routes that the peer announced beyond what is kept; they are not stored. */
  readonly prefixesRefused: number;
  /** Of the received: kept for a peer that is away, or not yet told again by one that is back. */
  readonly prefixesStale: number;
  /** Of the received: those that no traffic may follow, and why the first of them is one. */
  readonly prefixesUnusable: { readonly count: number; readonly reason: string | null };
  readonly malformed: MalformedCounts;
  /** Negotiated; null without a session. */
  readonly holdTimeSeconds: number | null;
  /** Negotiated; empty without a session. */
  readonly families: readonly AddressFamily[];
  /** All that both OPENs together mean; null without a session. */
  readonly negotiated: Negotiated | null;
  /** What the peer said of itself in its OPEN; null without a session. */
  readonly remote: {
    readonly identifier: Ipv4;
    readonly fourOctetAs: boolean;
    readonly routeRefresh: boolean;
    /** How long the peer asks others to wait for it after a restart (RFC 4724); null when it does not ask. */
    readonly gracefulRestartSeconds: number | null;
  } | null;
  /** Our end of the session. */
  readonly localAddress: IpAddress | null;
  /** Configured families of which nothing is announced on the session, and why. */
  readonly notAnnounced: readonly { readonly family: AddressFamily; readonly reason: string }[];
  readonly lastError: PeerError | null;
  readonly notifications: { readonly sent: SeenNotification | null; readonly received: SeenNotification | null };
  /** Messages by type, and the last OPEN and NOTIFICATION of each direction as they were. */
  readonly messages: { readonly received: Direction; readonly sent: Direction };
  readonly messagesReceived: number;
  readonly messagesSent: number;
  /** Null when there is no BFD session. */
  readonly bfd: BfdState | null;
  /** What is wrong, and what would end it; null when nothing is known to be. */
  readonly diagnosis: Diagnosis | null;
}

/** What of a peer's status costs next to nothing to tell, for those who look at all peers after every change. */
export type PeerSummary = Pick<
  PeerStatus,
  "name" | "address" | "state" | "since" | "families" | "remote" | "localAddress" | "notAnnounced"
>;

/** RFC 5880 §4.1; `unknown`: there is no BFD session. */
export type BfdState = "up" | "down" | "admin-down" | "unknown";
