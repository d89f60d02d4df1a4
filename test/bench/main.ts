/**
 * `npm run -s bench -- [--json FILE] [--check] [name…]`: measures, prints each figure with its bound, and with --check
 * ends with exit code 1 when a bound was missed. docs/benchmarks.md says what the figures mean.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { bfd } from "./bfd.ts";
import { decode } from "./decode.ts";
import { type Bench, holds, line, type Outcome } from "./measure.ts";
import { memory } from "./memory.ts";
import { pack } from "./pack.ts";
import { sessions } from "./sessions.ts";

const BENCHES: readonly Bench[] = [decode, pack, memory, sessions, bfd];

const USAGE = `usage: npm run -s bench -- [--json FILE] [--check] [name…]

${BENCHES.map(({ name, about }) => `  ${name.padEnd(10)} ${about}`).join("\n")}

  --json FILE   write the figures there, too
  --check       exit code 1 when a bound is missed, or a bench could not be run
  --help        this text

Without names all of them are run. Exit code 2: wrong usage.`;

function wrongUsage(message: string): never {
  console.error(`${message}\n\n${USAGE}`);
  process.exit(2);
}

function read() {
  try {
    const options = { json: { type: "string" }, check: { type: "boolean" }, help: { type: "boolean" } } as const;
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    return wrongUsage((error as Error).message);
  }
}

const { values, positionals } = read();
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
for (const name of positionals) {
  if (!BENCHES.some((bench) => bench.name === name)) wrongUsage(`no bench is called ${name}`);
}

const outcomes: Record<string, Outcome> = {};
let troubleCount = 0;
for (const bench of BENCHES) {
  if (positionals.length > 0 && !positionals.includes(bench.name)) continue;
  console.log(`\n${bench.name}: ${bench.about}`);
  const outcome = await bench.run((text) => console.error(`  … ${text}`));
  outcomes[bench.name] = outcome;
  if (outcome.kind === "not run") {
    console.log(`  not run: ${outcome.why}`);
    troubleCount++;
    continue;
  }
  for (const measure of outcome.measures) {
    console.log(line(measure));
    if (holds(measure) === false) troubleCount++;
  }
}
if (values.json !== undefined) {
  const told = Object.entries(outcomes).map(([name, outcome]) =>
    outcome.kind === "not run"
      ? { name, ...outcome }
      : { name, kind: outcome.kind, measures: outcome.measures.map((one) => ({ ...one, held: holds(one) })) },
  );
  writeFileSync(values.json, `${JSON.stringify({ node: process.version, benches: told }, null, 2)}\n`);
}
console.log(troubleCount === 0 ? "\nall bounds held" : `\n${troubleCount} bounds missed, or not measured`);
process.exit(values.check && troubleCount > 0 ? 1 : 0);
