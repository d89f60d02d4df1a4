/**
 * `npm test`: everything that this machine allows, in order, and one closing block that says what was run, what failed
 * and what could not be run, with the reason. With CI=true nothing may be left out: what could not be run has failed.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import type { Result } from "../lab/report/result.ts";
import { judge, rfcDocument } from "./rfc/document.ts";
import { RFC_DOCUMENT } from "./rfc/paths.ts";
import { labProofs, testProofs, type TestReport } from "./rfc/proofs.ts";
import { interopObstacles, type LabRun, labRuns, missing } from "./support/machine.ts";

const ROOT = resolve(import.meta.dirname, "..");
const CI = process.env["CI"] === "true";
const node = process.execPath;
const bin = (name: string): string => join(ROOT, "node_modules", name);

interface Outcome {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly seconds: number;
  /** What the closing block repeats: failed tests and expectations, and what passed at the second attempt only. */
  readonly details: readonly string[];
}

const outcomes: Outcome[] = [];
const scratch = mkdtempSync(join(tmpdir(), "vipcast-test-"));

function run(name: string, command: readonly string[]): boolean {
  console.log(`\n== ${name}`);
  const started = performance.now();
  const { status, signal } = spawnSync(command[0]!, command.slice(1), {
    cwd: ROOT,
    stdio: "inherit",
    env: { ...process.env, NO_COLOR: "1" },
  });
  const ok = status === 0;
  if (!ok) console.log(`${name}: ${signal ? `ended by ${signal}` : `exit code ${status}`}`);
  outcomes.push({
    name,
    passed: ok ? 1 : 0,
    failed: ok ? 0 : 1,
    skipped: 0,
    seconds: (performance.now() - started) / 1_000,
    details: [],
  });
  return ok;
}

const detail = (lines: readonly string[]): void => {
  const last = outcomes.at(-1)!;
  outcomes[outcomes.length - 1] = { ...last, details: [...last.details, ...lines] };
};

/**
 * One scenario. Its bounds are times on a machine that others may use as well, so one that does not hold is measured
 * once more; the closing block says which one that was, and a scenario that fails twice has failed.
 */
function runScenario({ scenario, router, kube }: LabRun): boolean {
  const name = `lab ${scenario}, router ${router}, kube ${kube}`;
  const results = join(scratch, "lab.json");
  const attempt = (): readonly string[] => {
    rmSync(results, { force: true });
    const options = ["--router", router, "--kube", kube, "--brief", "--json", results];
    if (run(name, [node, "lab/main.ts", scenario, ...options])) return [];
    if (!existsSync(results)) return ["it ended without a result"];
    const { expectations } = JSON.parse(readFileSync(results, "utf8")) as Result;
    return expectations
      .filter((it) => !it.ok)
      .map((it) => `${it.name}: ${it.measured ?? "never"} ${it.unit} (${it.bound})`);
  };
  const first = attempt();
  if (first.length === 0) return outcomes.at(-1)!.failed === 0;
  outcomes.pop();
  const second = attempt();
  detail(
    second.length === 0
      ? first.map((line) => `at the first attempt, not at the second: ${line}`)
      : [...first, ...second.map((line) => `again: ${line}`)],
  );
  return outcomes.at(-1)!.failed === 0;
}

/**
 * Every test file. Those with failures are run once more, alone: a test whose deadline passed because of what ran beside
 * it is named in the closing block, one that fails twice has failed.
 */
function runTests(): TestReport | null {
  const vitest = (file: string, only: readonly string[]): TestReport | null => {
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
    run("tests", [node, bin("vitest/vitest.mjs"), "run", "--config", "test/vitest.config.ts", ...reporters, ...only]);
    return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as TestReport) : null;
  };
  const first = vitest(join(scratch, "vitest.json"), []);
  const failed = first?.testResults.filter(({ status }) => status !== "passed") ?? [];
  if (first === null || failed.length === 0) {
    if (first !== null) countTests(first);
    return first;
  }
  const { seconds } = outcomes.pop()!;
  const second = vitest(join(scratch, "vitest-again.json"), [
    "--no-file-parallelism",
    ...failed.map(({ name }) => relative(ROOT, name)),
  ]);
  const again = new Map(second?.testResults.map((result) => [result.name, result]));
  const merged = { testResults: first.testResults.map((result) => again.get(result.name) ?? result) };
  countTests(merged, seconds);
  const twice = new Set(failedTests(merged));
  const once = failedTests(first).filter((line) => !twice.has(line));
  detail([...twice, ...once.map((line) => `at the first attempt, not at the second: ${line}`)]);
  return merged;
}

function failedTests({ testResults }: TestReport): readonly string[] {
  return testResults.flatMap(({ name, status, assertionResults }) => {
    const tests = assertionResults.filter((it) => it.status === "failed").map((it) => it.fullName);
    const lines = status !== "passed" && tests.length === 0 ? ["cannot be run"] : tests;
    return lines.map((line) => `${relative(ROOT, name)}: ${line}`);
  });
}

/** The rows of the checklist, judged by the tests and the scenarios that have just been run. */
function judgeRows(report: TestReport, scenarios: ReadonlyMap<string, boolean>): void {
  console.log("\n== docs/rfc.md");
  const proofs = [...testProofs(report), ...labProofs(scenarios)];
  const { open, unknown, contradicted, notProvedHere } = judge(proofs);
  const text = rfcDocument(proofs);
  const troubles = [
    ...open.map(({ id, level }) => `${id}: no passed test names this ${level === "M" ? "must" : "should"}`),
    ...unknown.map((id) => `${id}: a test names it, no row has this id`),
    ...contradicted.map((id) => `${id}: left out, and yet a test names it`),
  ];
  if (process.env["UPDATE"] === "1") writeFileSync(RFC_DOCUMENT, text);
  else if (!existsSync(RFC_DOCUMENT) || readFileSync(RFC_DOCUMENT, "utf8") !== text) {
    troubles.push("docs/rfc.md is not what these tests prove; UPDATE=1 writes it");
  }
  for (const trouble of troubles) console.log(trouble);
  if (notProvedHere.length > 0) console.log(`proved elsewhere: ${notProvedHere.map(({ id }) => id).join(", ")}`);
  outcomes.push({ name: "docs/rfc.md", passed: 1, failed: troubles.length, skipped: 0, seconds: 0, details: troubles });
}

/** Puts the numbers of the tests in the place of the last stage's one. */
function countTests(report: TestReport, secondsBefore = 0): void {
  const last = outcomes.at(-1)!;
  const states = report.testResults.flatMap(({ assertionResults }) => assertionResults.map(({ status }) => status));
  const count = (...wanted: readonly string[]): number => states.filter((state) => wanted.includes(state)).length;
  // A file that could not be loaded has no test that failed, and yet vitest's exit code says so.
  const failed = Math.max(count("failed"), last.failed);
  const passed = count("passed");
  const skipped = states.length - passed - count("failed");
  outcomes[outcomes.length - 1] = { ...last, passed, failed, skipped, seconds: last.seconds + secondsBefore };
}

const wanted = process.argv.slice(2);
const stage = (name: string): boolean => wanted.length === 0 || wanted.includes(name);

if (stage("check")) {
  run("node", [node, ".scripts/require-node.ts"]);
  run("types", [node, bin("typescript/bin/tsc")]);
  run("lint", [node, bin("oxlint/bin/oxlint"), "--type-aware", "--deny-warnings"]);
  run("format", [node, bin("oxfmt/bin/oxfmt"), "--check"]);
  run("dead code", [node, bin("knip/bin/knip.js")]);
}
let tested: TestReport | null = null;
if (stage("tests")) tested = runTests();
const notRun = missing();
const scenarios = new Map<string, boolean>();
if (stage("sim")) run("sim", [node, "test/sim/main.ts", "--seeds", "300"]);
if (stage("fuzz")) run("fuzz", [node, "test/fuzz/main.ts", "--count", "1000000"]);
// What keeps it from being run is among what is missing.
if (stage("interop") && interopObstacles().length === 0 && !run("interop", [node, "test/interop/main.ts"])) {
  outcomes.pop();
  if (run("interop", [node, "test/interop/main.ts"]))
    detail(["a feature failed at the first attempt, not at the second"]);
}
if (stage("lab")) {
  const built = run("build", [node, ".scripts/build.ts"]);
  for (const labRun of built ? labRuns() : []) {
    scenarios.set(labRun.scenario, runScenario(labRun) && scenarios.get(labRun.scenario) !== false);
  }
}
if (tested !== null) judgeRows(tested, scenarios);
rmSync(scratch, { recursive: true, force: true });

const sum = (pick: (outcome: Outcome) => number): number =>
  outcomes.reduce((total, outcome) => total + pick(outcome), 0);
const skipped = sum((it) => it.skipped);
console.log("\n== What was run");
for (const { name, passed, failed, skipped: left, seconds, details } of outcomes) {
  const counts = `${passed} passed${failed > 0 ? `, ${failed} FAILED` : ""}${left > 0 ? `, ${left} not run` : ""}`;
  console.log(`${failed > 0 ? "FAIL" : "ok  "}  ${name.padEnd(48)} ${counts} (${seconds.toFixed(0)} s)`);
  for (const line of details) console.log(`        ${line}`);
}
if (notRun.length > 0 || skipped > 0) {
  console.log("\n== What could not be run here");
  for (const { what, why } of notRun) console.log(`-     ${what}: ${why}`);
  if (skipped > 0) console.log(`-     ${skipped} tests that need one of these`);
}
const leftOut = CI ? notRun.length + skipped : 0;
if (leftOut > 0) console.log("\nwith CI=true nothing may be left out");
const failed = sum((it) => it.failed) + leftOut;
console.log(`\n${sum((it) => it.passed)} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 ? 1 : 0;
