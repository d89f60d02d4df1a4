import type { IpAddress, Ipv4, Ipv6 } from "../../addr/ip.ts";
import type { Instant } from "../../base/time.ts";
import type { Asn } from "../wire/asn.ts";
import type { AddressFamily } from "../wire/families.ts";

/** One configured peer. Values were checked where the configuration was read. */
export interface PeerConfig {
  /** Unique among the peers. */
  readonly name: string;
  readonly address: IpAddress;
  readonly port: number;
  readonly asn: Asn;
  /** Never dials, only takes the peer's connection. */
  readonly passive: boolean;
  /** TTL or hop limit of what we send. 1 says that the peer is on our own link. */
  readonly ttl: number;
  /** Source address of the connections that we dial; the kernel's choice when absent. */
  readonly localAddress?: IpAddress;
  readonly interfaceName?: string;
  readonly md5Password?: string;
  /** Offered: 0 turns keepalives off, 1 and 2 are not legal (RFC 4271 §4.2). */
  readonly holdTimeSeconds: number;
  /** Upper bound of the keepalive interval; a third of the negotiated hold time when absent. */
  readonly keepaliveSeconds?: number;
  readonly connectRetrySeconds: number;
  readonly families: readonly AddressFamily[];
  /** Where traffic is to be sent; by default to our end of the session. */
  readonly nextHop?: { readonly ipv4?: Ipv4; readonly ipv6?: Ipv6 };
}

/** Why there is no session, or was none. */
export interface PeerError {
  /** In words, for an operator. */
  readonly message: string;
  readonly at: Date;
  /** A NOTIFICATION that we sent or received, or TCP's own trouble. */
  readonly direction: "sent" | "received" | "transport";
}

/** One peer as an operator sees it. */
export interface PeerStatus {
  readonly name: string;
  readonly address: IpAddress;
  readonly port: number;
  readonly asn: Asn;
  readonly state: "idle" | "connect" | "active" | "open-sent" | "open-confirm" | "established";
  /** When `state` last changed. */
  readonly since: Instant;
  readonly establishedCount: number;
  readonly prefixesSent: number;
  readonly prefixesSentByFamily: Readonly<Record<AddressFamily, number>>;
  readonly prefixesReceived: number;
  /** Routes that the peer announced beyond what is kept; they are not stored. */
  readonly prefixesRefused: number;
  /** Negotiated; null without a session. */
  readonly holdTimeSeconds: number | null;
  /** Negotiated; empty without a session. */
  readonly families: readonly AddressFamily[];
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
  readonly messagesReceived: number;
  readonly messagesSent: number;
}
