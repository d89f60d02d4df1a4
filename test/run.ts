/**
 * `npm test`: everything that this machine allows, in order, and one closing block that says what was run, what failed
 * and what could not be run, with the reason. With CI=true nothing may be left out: what could not be run has failed.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { judge, rfcDocument } from "./rfc/document.ts";
import { RFC_DOCUMENT } from "./rfc/paths.ts";
import { labProofs, testProofs, type TestReport } from "./rfc/proofs.ts";
import { interopObstacles, labRuns, missing } from "./support/machine.ts";

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
  });
  return ok;
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
  outcomes.push({ name: "docs/rfc.md", passed: 1, failed: troubles.length, skipped: 0, seconds: 0 });
}

/** Replaces the one of the last stage by the numbers of the tests in it. */
function countTests(file: string): void {
  const last = outcomes.at(-1)!;
  if (!existsSync(file)) return;
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(
    readFileSync(file, "utf8"),
  ) as Record<string, number>;
  const failed = Math.max(numFailedTests ?? 0, last.failed);
  outcomes[outcomes.length - 1] = {
    ...last,
    passed: numPassedTests ?? 0,
    failed,
    skipped: (numPendingTests ?? 0) + (numTodoTests ?? 0),
  };
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
if (stage("tests")) {
  const results = join(scratch, "vitest.json");
  run("tests", [
    node,
    bin("vitest/vitest.mjs"),
    "run",
    "--config",
    "test/vitest.config.ts",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${results}`,
  ]);
  countTests(results);
  if (existsSync(results)) tested = JSON.parse(readFileSync(results, "utf8")) as TestReport;
}
const notRun = missing();
const scenarios = new Map<string, boolean>();
if (stage("fuzz")) run("fuzz", [node, "test/fuzz/main.ts", "--count", "1000000"]);
// What keeps it from being run is among what is missing.
if (stage("interop") && interopObstacles().length === 0) run("interop", [node, "test/interop/main.ts"]);
if (stage("lab")) {
  const built = run("build", [node, ".scripts/build.ts"]);
  for (const { scenario, router, kube } of built ? labRuns() : []) {
    const ok = run(`lab ${scenario}, router ${router}, kube ${kube}`, [
      node,
      "lab/main.ts",
      scenario,
      "--router",
      router,
      "--kube",
      kube,
    ]);
    scenarios.set(scenario, ok && scenarios.get(scenario) !== false);
  }
}
if (tested !== null) judgeRows(tested, scenarios);
rmSync(scratch, { recursive: true, force: true });

const sum = (pick: (outcome: Outcome) => number): number =>
  outcomes.reduce((total, outcome) => total + pick(outcome), 0);
const skipped = sum((it) => it.skipped);
console.log("\n== What was run");
for (const { name, passed, failed, skipped: left, seconds } of outcomes) {
  const counts = `${passed} passed${failed > 0 ? `, ${failed} FAILED` : ""}${left > 0 ? `, ${left} not run` : ""}`;
  console.log(`${failed > 0 ? "FAIL" : "ok  "}  ${name.padEnd(48)} ${counts} (${seconds.toFixed(0)} s)`);
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
