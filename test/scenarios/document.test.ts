import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../rfc/paths.ts";
import { judgeScenarios, scenarioDocument } from "./document.ts";
import { SCENARIO_IDS } from "./rows.ts";
import { shownBefore, shownByLab, shownByTitles, titled } from "./shown.ts";

const DOCUMENT = join(ROOT, "docs/scenarios.md");
const FIRST = "A1";

describe("docs/scenarios.md", () => {
  const before = shownBefore();
  const shown = [...shownByTitles(), ...shownByLab(), ...before];

  it("names no test that is not there", () => {
    expect(before.filter(({ found }) => !found)).toEqual([]);
  });

  it("has a test or a reason for every behaviour, no reason for what a test shows, and no behaviour of no list", () => {
    expect(judgeScenarios(shown)).toEqual({ open: [], unknown: [], contradicted: [] });
  });

  it("is what the tests say (UPDATE=1 writes it)", () => {
    if (process.env["UPDATE"] === "1") writeFileSync(DOCUMENT, scenarioDocument(shown));
    expect(readFileSync(DOCUMENT, "utf8")).toBe(scenarioDocument(shown));
  });
});

describe("the list of behaviours", () => {
  it("is read from the beginnings of titles", () => {
    const text = `it("${FIRST}, B2: comes up", () => {}); it("says A3: nothing", ...); it(\`B1: is \${much}\`)`;
    expect(titled(text, "a.test.ts").map(({ id, title }) => `${id} ${title}`)).toEqual([
      `${FIRST} comes up`,
      "B2 comes up",
      "B1 is ${much}",
    ]);
  });

  it("judges what is open, unknown, and both shown and left out", () => {
    const one = { id: FIRST, title: "comes up", where: "a.test.ts" };
    expect(judgeScenarios([], {}).open).toEqual(SCENARIO_IDS);
    expect(judgeScenarios([one], {}).open).not.toContain(FIRST);
    expect(judgeScenarios([], { [FIRST]: "not wanted" }).open).not.toContain(FIRST);
    expect(judgeScenarios([{ ...one, id: "A99" }], {}).unknown).toEqual(["A99"]);
    expect(judgeScenarios([one], { [FIRST]: "not wanted" }).contradicted).toEqual([FIRST]);
  });
});
