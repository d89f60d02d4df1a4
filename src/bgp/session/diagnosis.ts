import type { IpAddress, Ipv4 } from "../../addr/ip.ts";
import type { StreamEnd } from "../../ports/stream.ts";
import type { TcpCounters } from "../../ports/tcp-counters.ts";
import type { Asn } from "../wire/asn.ts";
import type { AddressFamily } from "../wire/families.ts";
import type { BgpFault } from "../wire/faults.ts";
import type { Notification } from "../wire/notification.ts";
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
    "address" | "port" | "asn" | "passive" | "ttl" | "minTtl" | "families" | "md5Missing"
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
