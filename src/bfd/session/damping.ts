import { Instant } from "../../base/time.ts";

/**
 * How long the good news of a path that comes and goes is kept back (RFC 5882 §3.2 leaves it to the client). As data:
 * whoever keeps it asks with the time.
 */
export interface Damping {
  /** The latest losses of the path, oldest first. */
  readonly losses: readonly Instant[];
  /** Good news may be told from then on; null: at once. */
  readonly heldUntil: Instant | null;
  /** How often in a row it had to be held. */
  readonly rounds: number;
}

export const UNDAMPED: Damping = { losses: [], heldUntil: null, rounds: 0 };

/** A path that is lost so often within so long is flapping. */
const LOSSES_MAX = 3;
const WINDOW_MILLIS = 15_000;
const HOLD_MILLIS_FIRST = 5_000;
const HOLD_MILLIS_MAX = 60_000;

/** The path was lost at `now`. */
export function afterLoss(damping: Damping, now: Instant): Damping {
  const losses = [...damping.losses.filter((at) => now - at < WINDOW_MILLIS), now];
  // Quiet for as long as the longest hold: what was before is forgiven.
  const isFresh = damping.heldUntil !== null && now - damping.heldUntil < HOLD_MILLIS_MAX;
  const rounds = isFresh ? damping.rounds : 0;
  if (losses.length < LOSSES_MAX) return { losses, heldUntil: isFresh ? damping.heldUntil : null, rounds };
  const hold = Math.min(HOLD_MILLIS_MAX, HOLD_MILLIS_FIRST * 2 ** rounds);
  return { losses: [], heldUntil: Instant.add(now, hold), rounds: rounds + 1 };
}
