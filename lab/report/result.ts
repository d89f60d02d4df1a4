import type { RouterKind } from "../router/driver.ts";

export type Bound = { readonly atMost: number } | { readonly atLeast: number } | { readonly equals: string | number };

export interface Expectation {
  readonly name: string;
  readonly ok: boolean;
  /** Null when there was nothing to measure: what was waited for never came. */
  readonly measured: string | number | null;
  /** "ms", "connections", …; empty for texts. */
  readonly unit: string;
  /** "<= 4000", ">= 1", "= n1 n2". */
  readonly bound: string;
}

export interface TimelineEntry {
  /** Since the scenario began. */
  readonly atMillis: number;
  readonly event: string;
}

/** What `lab/results/<scenario>.json` holds. */
export interface Result {
  readonly scenario: string;
  readonly router: RouterKind;
  readonly kube: string;
  readonly ok: boolean;
  readonly expectations: readonly Expectation[];
  readonly timeline: readonly TimelineEntry[];
}

/** Judges a measured value. `null`, nothing measured, meets no bound. */
export function judge(name: string, measured: string | number | null, unit: string, bound: Bound): Expectation {
  const rounded = typeof measured === "number" ? Math.round(measured * 10) / 10 : measured;
  return { name, ok: meets(rounded, bound), measured: rounded, unit, bound: boundText(bound) };
}

function meets(measured: string | number | null, bound: Bound): boolean {
  if (measured === null) return false;
  if ("equals" in bound) return measured === bound.equals;
  if (typeof measured !== "number") return false;
  return "atMost" in bound ? measured <= bound.atMost : measured >= bound.atLeast;
}

function boundText(bound: Bound): string {
  if ("equals" in bound) return `= ${bound.equals === "" ? "nothing" : bound.equals}`;
  return "atMost" in bound ? `<= ${bound.atMost}` : `>= ${bound.atLeast}`;
}

/** One line of the closing table. */
export function expectationLine({ name, ok, measured, unit, bound }: Expectation): string {
  const value = measured === null ? "never" : measured === "" ? "nothing" : `${measured}`;
  return `  ${ok ? "ok  " : "FAIL"}  ${name}: ${value}${unit === "" ? "" : ` ${unit}`}${ok && bound === `= ${value}` ? "" : ` (${bound})`}`;
}
