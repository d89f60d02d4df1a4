import type { IpAddress } from "../../addr/ip.ts";
import type { AuthType } from "../wire/authentication.ts";
import type { BfdState } from "../wire/control-packet.ts";
import type { DiscardReason } from "../wire/discards.ts";

/** What one client wants: plain data, so that it can cross to another thread. */
export interface BfdSessionConfig {
  /** Of the client, unique. Clients of the same path share one session (RFC 5881 §3), with the settings of the first. */
  readonly name: string;
  readonly remote: IpAddress;
  /** The address that the client itself uses; null: whatever the kernel chooses. */
  readonly local: IpAddress | null;
  /** Single hop: the session lives on this interface alone. Must be set for a link-local `remote`. */
  readonly interfaceName: string | null;
  /** Null: single hop. Else multihop (RFC 5883), and packets must arrive with at least this TTL. */
  readonly minimumTtl: number | null;
  readonly transmitMillis: number;
  readonly receiveMillis: number;
  /** 1..255. */
  readonly multiplier: number;
  readonly passive: boolean;
  /** The key is text: its UTF-8 octets are used. */
  readonly auth: { readonly type: AuthType; readonly keyId: number; readonly key: string } | null;
  /** Without it intervals under 50 ms are refused. */
  readonly fastTimers: boolean;
}

/** One session as an operator sees it: plain data. */
export interface BfdSessionStatus {
  /** Its clients. */
  readonly names: readonly string[];
  readonly remote: IpAddress;
  readonly local: IpAddress | null;
  readonly interfaceName: string | null;
  readonly multihop: boolean;
  readonly state: BfdState;
  /** Why the session is as it is, in words. */
  readonly diagnostic: string;
  readonly remoteState: BfdState;
  readonly remoteDiagnostic: string;
  /** The peer's C bit: its BFD survives a restart of its control plane. */
  readonly remoteControlPlaneIndependent: boolean;
  /** Interval at which we send, before jitter; null while nothing is sent periodically. */
  readonly transmitMillis: number | null;
  /** How long the peer may be silent; 0 before it was heard. */
  readonly detectionMillis: number;
  readonly localDiscriminator: number;
  readonly remoteDiscriminator: number;
  /** UDP, 49152..65535. */
  readonly sourcePort: number | null;
  readonly packetsSent: number;
  readonly packetsReceived: number;
  /** Times that the session was Up and went away. */
  readonly lossCount: number;
  /** Why the session cannot do its work, in words; null when it can. */
  readonly trouble: string | null;
}

/** Numbers over all sessions since the start. */
export interface BfdCounters {
  readonly sent: number;
  readonly sendFailed: number;
  readonly received: number;
  readonly discarded: Readonly<Partial<Record<DiscardReason, number>>>;
  /** Not handed over by the kernel: wrong TTL, or more than anybody could read. */
  readonly dropped: number;
}

/**
 * Something happened to a session, told to each client by name. Of a session that changes with every packet some changes
 * are left out; `from` is what was told before.
 */
export type BfdNotice =
  | {
      readonly type: "state-changed";
      readonly names: readonly string[];
      readonly from: BfdState;
      readonly to: BfdState;
      readonly diagnostic: number;
      readonly remoteState: BfdState;
      readonly remoteControlPlaneIndependent: boolean;
    }
  | { readonly type: "stalled"; readonly names: readonly string[]; readonly lateMillis: number }
  /** `trouble` null: it is over. */
  | { readonly type: "trouble"; readonly names: readonly string[]; readonly trouble: string | null };

/** §7 of RFC 5880 asks for restraint; under this a timer of software flaps for reasons of its own. */
export const INTERVAL_MILLIS_MIN = 50;
