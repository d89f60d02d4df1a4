import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SCENARIOS } from "../../lab/scenarios/all.ts";
import { ROOT } from "../rfc/paths.ts";
import { SHOWN_BY } from "./shown-by.ts";

/** A test, or a scenario of the lab, that shows a behaviour. */
export interface Shown {
  readonly id: string;
  readonly title: string;
  /** Relative to the repository, or `lab NAME`. */
  readonly where: string;
}

/** A title that begins with the behaviours it shows: "B1: ..." or "B1, B2: ...". */
const TITLED = /["`]([A-M]\d{1,2}(?:, ?[A-M]\d{1,2})*): ((?:[^"`\\\n]|\\.)+)["`]/g;

/** What the titles in a text of tests say that they show. */
export const titled = (text: string, where: string): readonly Shown[] =>
  [...text.matchAll(TITLED)].flatMap(([, ids = "", title = ""]) =>
    ids.split(/, ?/).map((id): Shown => ({ id, title, where })),
  );

/** From the text of all tests: it does not matter which of them were run. */
export function shownByTitles(): readonly Shown[] {
  return ["src", "test", "lab"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".test.ts") && !file.startsWith("scenarios/"))
      .map((file) => join(folder, file))
      .toSorted()
      .flatMap((where) => titled(readFileSync(join(ROOT, where), "utf8"), where)),
  );
}

export const shownByLab = (): readonly Shown[] =>
  SCENARIOS.flatMap(({ name, summary, scenarios = [] }) =>
    scenarios.map((id): Shown => ({ id, title: summary, where: `lab ${name}` })),
  );

/** Tests that were there before the list was, by file and title. A title that is not in its file is null. */
export const shownBefore = (): readonly (Shown & { readonly found: boolean })[] =>
  Object.entries(SHOWN_BY).flatMap(([id, tests]) =>
    tests.map(([where, title]) => ({
      ...{ id, title, where },
      found: readFileSync(join(ROOT, where), "utf8").includes(title),
    })),
  );
