import { relative } from "node:path";
import { SCENARIOS } from "../../lab/scenarios/all.ts";
import { ROOT } from "./paths.ts";

/** Something that shows one row to hold: a test whose title names the row, or a lab scenario that lists it. */
export interface Proof {
  readonly id: string;
  /** What was shown, in the test's own words. */
  readonly title: string;
  /** Relative to the repository, or `lab NAME`. */
  readonly where: string;
  /** `not-run`: this machine lacks what the test needs. */
  readonly state: "passed" | "failed" | "not-run";
}

/** The part of vitest's JSON report that is read here. */
export interface TestReport {
  readonly testResults: readonly {
    readonly name: string;
    /** "failed" also when the file could not be loaded. */
    readonly status: string;
    readonly assertionResults: readonly {
      /** With the titles of the `describe`s around it: most tests are only half of a sentence. */
      readonly fullName: string;
      readonly status: string;
    }[];
  }[];
}

const ID = /\b(?:BGP|BFD|UNN|ARP|ND|ROB)(?:-[A-Za-z0-9.]+)*-\d{2}\b/g;

/** Row ids in a text, each once. */
export const idsIn = (text: string): readonly string[] => [...new Set(text.match(ID))];

/** What a title says, without the ids in parentheses at its end. */
export const withoutIds = (title: string): string =>
  title.replace(/\s*\(([^()]*)\)(\s*)$/, (whole, inside: string) => (idsIn(inside).length > 0 ? "" : whole)).trim();

/** Proofs by tests. A title of a `describe` counts for every test in it. */
export function testProofs(report: TestReport): readonly Proof[] {
  return report.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.flatMap(({ fullName, status }) =>
      idsIn(fullName).map((id): Proof => {
        const state = status === "passed" ? "passed" : status === "failed" ? "failed" : "not-run";
        return { id, title: withoutIds(fullName), where: relative(ROOT, name), state };
      }),
    ),
  );
}

/** Proofs by scenarios of the lab. @param outcomes  of those that were played, by name; false once any run failed */
export function labProofs(outcomes: ReadonlyMap<string, boolean>): readonly Proof[] {
  return SCENARIOS.flatMap(({ name, summary, proves = [] }) => {
    const passed = outcomes.get(name);
    const state = passed === undefined ? "not-run" : passed ? "passed" : "failed";
    return proves.map((id): Proof => ({ id, title: summary, where: `lab ${name}`, state }));
  });
}
