import { LEFT_OUT } from "./left-out.ts";
import { SCENARIO_AREAS, SCENARIO_IDS } from "./rows.ts";
import type { Shown } from "./shown.ts";

/** Tests that a row names; some behaviours have many. */
const NAMED = 4;

export interface ScenarioVerdict {
  /** Neither shown nor left out with a reason. */
  readonly open: readonly string[];
  /** Named by a test or a reason, and not in the list. */
  readonly unknown: readonly string[];
  /** Left out, and yet shown by a test. */
  readonly contradicted: readonly string[];
}

export function judgeScenarios(
  shown: readonly Shown[],
  leftOut: Readonly<Record<string, string>> = LEFT_OUT,
): ScenarioVerdict {
  const ids = new Set(shown.map(({ id }) => id));
  const named = new Set([...ids, ...Object.keys(leftOut)]);
  return {
    open: SCENARIO_IDS.filter((id) => !named.has(id)),
    unknown: [...named].filter((id) => !SCENARIO_IDS.includes(id)).toSorted(),
    contradicted: Object.keys(leftOut).filter((id) => ids.has(id)),
  };
}

/** The text of docs/scenarios.md. */
export function scenarioDocument(
  shown: readonly Shown[],
  leftOut: Readonly<Record<string, string>> = LEFT_OUT,
): string {
  const lines = [
    "# Behaviours, and the tests that show them",
    "",
    "Generated (`UPDATE=1 npx vitest run --config test/vitest.config.ts test/scenarios` writes it). A behaviour is shown by the",
    "tests whose titles begin with its short name, by the scenarios of the lab that list it (`lab NAME`: `npm run lab -- run NAME`),",
    "and by those that `test/scenarios/shown-by.ts` names. What nothing shows says why.",
  ];
  for (const { title, letter, rows } of SCENARIO_AREAS) {
    lines.push("", `## ${letter}. ${title}`, "", "| | behaviour | shown by |", "|---|---|---|");
    for (const { id, what } of rows) {
      const tests = shown.filter((it) => it.id === id);
      const reason = Object.hasOwn(leftOut, id) ? `left out: ${leftOut[id]}` : "nothing yet";
      lines.push(`| ${id} | ${escape(what)} | ${tests.length > 0 ? cell(tests) : escape(reason)} |`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function cell(tests: readonly Shown[]): string {
  const named = tests.slice(0, NAMED).map(({ title, where }) => `${escape(title)} (\`${where}\`)`);
  return [...named, ...(tests.length > NAMED ? [`and ${tests.length - NAMED} more`] : [])].join("<br>");
}

const escape = (text: string): string => text.replaceAll("|", "\\|").replaceAll("<", "&lt;").replaceAll("\n", " ");
