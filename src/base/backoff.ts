/** How long to wait between attempts at something that fails. */
export interface BackoffPolicy {
  readonly firstMillis: number;
  readonly maxMillis: number;
  readonly factor: number;
  /** Share of each delay that is drawn at random: 0.25 gives 75 % to 100 % of it. */
  readonly jitter: number;
}

/**
 * Delay in milliseconds before attempt number `attempt` (0 is the first retry).
 *
 * @param fraction  uniform in [0, 1), from the caller's `Entropy`
 */
export function backoffMillis(policy: BackoffPolicy, attempt: number, fraction: number): number {
  const full = Math.min(policy.maxMillis, policy.firstMillis * policy.factor ** Math.min(attempt, 64));
  return full * (1 - policy.jitter * fraction);
}
