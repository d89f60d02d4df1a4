/** One figure of a run. */
export interface Measure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Speed as a part of that of copying the same octets, in the same run. */
  readonly ratio?: number;
  readonly bound?: Bound;
}

/** What the figure must not exceed, or not fall short of. */
export interface Bound {
  readonly kind: "at least" | "at most";
  readonly value: number;
}

export type Outcome =
  | { readonly kind: "measured"; readonly measures: readonly Measure[] }
  | { readonly kind: "not run"; readonly why: string };

export interface Bench {
  readonly name: string;
  /** One line for --help. */
  readonly about: string;
  /** @param say  progress, one line at a time */
  run(say: (line: string) => void): Promise<Outcome> | Outcome;
}

/** Null without a bound. */
export function holds({ value, bound }: Measure): boolean | null {
  if (bound === undefined) return null;
  return bound.kind === "at least" ? value >= bound.value : value <= bound.value;
}

/** Three digits that count, thousands apart. */
function figure(value: number): string {
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** One line for a terminal. */
export function line(measure: Measure): string {
  const { name, value, unit, ratio, bound } = measure;
  const parts = [`  ${name.padEnd(NAME_WIDTH)} ${`${figure(value)} ${unit}`.padStart(FIGURE_WIDTH)}`];
  if (ratio !== undefined) parts.push(`${figure(ratio)} of a plain copy`);
  if (bound !== undefined) parts.push(`${bound.kind} ${figure(bound.value)}: ${holds(measure) ? "held" : "MISSED"}`);
  return parts.join("   ");
}
const NAME_WIDTH = 62;
const FIGURE_WIDTH = 24;

/** Rounds of one measurement; what else runs on the machine disturbs some of them and never helps one. */
const ROUND_COUNT = 9;
const ROUND_SECONDS = 0.15;
const WARM_UP_SECONDS = 0.8;
const PREPARED_COUNT = 60;

/** Processor time of all threads of this process so far, garbage collection and compilation included. */
function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/**
 * Processor seconds that `work` takes at best: it is run over and over in several rounds, and the round that was
 * disturbed least counts.
 */
export function bestSeconds(work: () => void): number {
  const round = (seconds: number): number => {
    const from = processorSeconds();
    let count = 0;
    let spent = 0;
    do {
      work();
      count++;
      spent = processorSeconds() - from;
    } while (spent < seconds);
    return spent / count;
  };
  round(WARM_UP_SECONDS);
  let best = Infinity;
  for (let i = 0; i < ROUND_COUNT; i++) best = Math.min(best, round(ROUND_SECONDS));
  return best;
}

/** As `bestSeconds`, of one call at a time, with what `prepare` makes for it left out. */
export function bestSecondsOf<T>(prepare: () => T, work: (made: T) => void): number {
  let best = Infinity;
  for (let i = 0; i < PREPARED_COUNT; i++) {
    const made = prepare();
    const from = processorSeconds();
    work(made);
    best = Math.min(best, processorSeconds() - from);
  }
  return best;
}
