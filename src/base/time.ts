import type { Branded } from "./brand.ts";

/** A point on the monotonic clock, in milliseconds from an arbitrary origin; only differences mean anything. */
export type Instant = Branded<number, "Instant">;
export const Instant = {
  of: (millis: number): Instant => millis as Instant,
  add: (at: Instant, millis: number): Instant => (at + millis) as Instant,
  /** The earliest of the given instants; null when none is set. */
  earliest(...candidates: readonly (Instant | null)[]): Instant | null {
    let first: Instant | null = null;
    for (const at of candidates) if (at !== null && (first === null || at < first)) first = at;
    return first;
  },
  /** True once `deadline` has been reached; an unset deadline is never due. */
  isDue: (deadline: Instant | null, now: Instant): boolean => deadline !== null && now >= deadline,
} as const;
