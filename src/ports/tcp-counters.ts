/**
 * What the kernel has dropped of TCP since it started, over all connections of the network namespace. A segment that is
 * dropped so reaches no socket: only these numbers tell a wrong key or a wrong TTL from silence.
 */
export interface TcpCounters {
  /** Unsigned, where a TCP-MD5 key is set for the sender (RFC 2385). */
  readonly md5NotFound: number;
  /** Signed, where no key is set for the sender. */
  readonly md5Unexpected: number;
  /** Signed with another key. */
  readonly md5Failure: number;
  /** TTL or hop limit below the least that is taken (RFC 5082). */
  readonly minTtlDrop: number;
}

/** Null where the kernel does not tell. */
export type ReadTcpCounters = () => TcpCounters | null;
