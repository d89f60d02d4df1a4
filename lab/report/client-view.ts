/** Pure: what a client saw, computed from its attempts. Times are machine milliseconds. */

/** One attempt of the client to reach one target. */
export interface Attempt {
  readonly target: string;
  readonly startedAt: number;
  readonly tookMillis: number;
  /** Null when it failed. */
  readonly node: string | null;
  readonly error: string | null;
  /** It was reset while it was open, and tried a second time. */
  readonly wasReset: boolean;
}

export interface Window {
  readonly from: number;
  readonly to: number;
}

export interface ClientFigures {
  readonly attempts: number;
  readonly failed: number;
  /** Why attempts failed, each reason with its count. */
  readonly errors: Readonly<Record<string, number>>;
  /** Attempts that were reset while they were open and then went well. */
  readonly resets: number;
  /** Longest time in which no attempt was begun that went well. */
  readonly gapMillis: number;
  /** From the first failure to the last one; 0 without failures. Other attempts may well have succeeded in it. */
  readonly impairedMillis: number;
  /** Successful attempts by answering node. */
  readonly answeredBy: Readonly<Record<string, number>>;
}

/** Figures of the attempts at one target that were begun in the window. */
export function figuresOf(all: readonly Attempt[], target: string, { from, to }: Window): ClientFigures {
  const attempts = all
    .filter((one) => one.target === target && one.startedAt >= from && one.startedAt < to)
    .toSorted((a, b) => a.startedAt - b.startedAt);
  const failures = attempts.filter(({ node }) => node === null);
  const answeredBy: Record<string, number> = {};
  const errors: Record<string, number> = {};
  for (const { error } of failures) errors[error ?? "unknown"] = (errors[error ?? "unknown"] ?? 0) + 1;
  let gapMillis = 0;
  let lastSuccess = from;
  for (const { node, startedAt } of attempts) {
    if (node === null) continue;
    answeredBy[node] = (answeredBy[node] ?? 0) + 1;
    gapMillis = Math.max(gapMillis, startedAt - lastSuccess);
    lastSuccess = startedAt;
  }
  return {
    attempts: attempts.length,
    failed: failures.length,
    errors,
    resets: attempts.filter(({ node, wasReset }) => node !== null && wasReset).length,
    gapMillis: Math.max(gapMillis, to - lastSuccess),
    impairedMillis: failures.length === 0 ? 0 : failures.at(-1)!.startedAt - failures[0]!.startedAt,
    answeredBy,
  };
}

/** A stretch of time in which one node answered, or in which attempts failed (`node` null). */
export interface Stretch extends Window {
  readonly node: string | null;
}

/**
 * Folds attempts into stretches per answering node, for drawing: attempts of one node that follow each other within
 * `joinMillis` make one stretch. Stretches of different nodes overlap where several of them answered in turn.
 */
export function stretchesOf(all: readonly Attempt[], target: string, joinMillis: number): readonly Stretch[] {
  const open = new Map<string | null, { from: number; to: number }>();
  const stretches: Stretch[] = [];
  const attempts = all.filter((one) => one.target === target).toSorted((a, b) => a.startedAt - b.startedAt);
  for (const { node, startedAt } of attempts) {
    const current = open.get(node);
    if (current && startedAt - current.to <= joinMillis) {
      current.to = startedAt;
      continue;
    }
    if (current) stretches.push({ node, ...current });
    open.set(node, { from: startedAt, to: startedAt });
  }
  for (const [node, stretch] of open) stretches.push({ node, ...stretch });
  return stretches.toSorted((a, b) => a.from - b.from);
}
