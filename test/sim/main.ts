/**
 * `npm run sim`: many seeds, each a cluster of its own with its own faults in virtual time. Prints the first seed that
 * fails, with the end of its trace and the command that plays it again.
 */
import { parseArgs } from "node:util";
import { type Bug, BUGS } from "./bugs.ts";
import { type Mode, MODES } from "./modes.ts";
import { type Outcome, simulate } from "./simulation.ts";

const USAGE = `usage: npm run -s sim -- [options]

Runs real daemons (election, planner, node loop, caches, BGP) against a
simulated API server, kernels, a segment and routers, with faults, in
virtual time. docs/simulation.md says what must hold.

  --seeds N      how many seeds (default 300)
  --seed S       the first one (default: one, or drawn with --any)
  --any          begin anywhere
  --mode M       ${MODES.map(({ name }) => name).join(", ")}
  --trace        print all that happened, of one seed
  --bug NAME     put a known bug into every daemon, and look for it:
${BUGS.map(({ name, what }) => `                   ${name}\n                     ${what}`).join("\n")}
  --all-bugs     each of them in turn; one that is not found is a failure

Exit: 0 nothing was found (with a bug: it was), 1 otherwise, 2 wrong usage.`;

class WrongUsage extends Error {
  override readonly name = "WrongUsage";
}

interface Arguments {
  readonly seeds: number;
  readonly first: number;
  readonly mode: Mode | null;
  readonly trace: boolean;
  readonly bugs: readonly (Bug | null)[];
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof WrongUsage)) throw error;
  process.stderr.write(`${error.message}\n\n${USAGE}\n`);
  process.exitCode = 2;
}

async function main(): Promise<number> {
  const args = readArguments();
  if (args === null) return 0;
  let failures = 0;
  for (const bug of args.bugs) {
    const found = await search(args, bug);
    const isGood = (found === null) === (bug === null);
    if (!isGood) failures++;
    if (bug !== null) print(`${isGood ? "ok  " : "FAIL"}  ${bug.name}: ${found === null ? "not found" : said(found)}`);
    else if (found !== null) report(found);
  }
  return failures === 0 ? 0 : 1;
}

/** The first seed in which something happened that must not, or null. */
async function search({ seeds, first, mode, trace }: Arguments, bug: Bug | null): Promise<Outcome | null> {
  const began = performance.now();
  let seconds = 0;
  for (let count = 0; count < seeds; count++) {
    const outcome = await simulate({ seed: first + count, bug, keepsTrace: trace, ...(mode ? { mode } : {}) });
    seconds += outcome.virtualSeconds;
    if (trace) for (const line of outcome.trace) print(line);
    if (outcome.violation !== null) return outcome;
    if (bug === null && (count + 1) % 100 === 0 && count + 1 < seeds) print(`${count + 1} of ${seeds} seeds`);
  }
  if (bug === null) {
    const took = ((performance.now() - began) / 1000).toFixed(0);
    print(`${seeds} seeds from ${first}: no violation in ${(seconds / 3600).toFixed(1)} virtual hours, ${took} s`);
  }
  return null;
}

function said({ seed, mode, violation }: Outcome): string {
  return `seed ${seed} (${mode}): ${violation}`;
}

function report(outcome: Outcome): void {
  for (const line of outcome.trace) print(line);
  print(`\n${said(outcome)}`);
  print(`again: npm run -s sim -- --seed ${outcome.seed} --seeds 1 --trace`);
}

function readArguments(): Arguments | null {
  const { values } = parse();
  if (values.help === true) {
    print(USAGE);
    return null;
  }
  const number = (name: "seeds" | "seed", least: number): number => {
    const value = Number(values[name]);
    if (!Number.isSafeInteger(value) || value < least)
      throw new WrongUsage(`--${name} must be a whole number from ${least}`);
    return value;
  };
  const mode = MODES.find(({ name }) => name === values.mode) ?? null;
  if (values.mode !== undefined && mode === null) throw new WrongUsage(`no mode "${values.mode}"`);
  const bug = BUGS.find(({ name }) => name === values.bug) ?? null;
  if (values.bug !== undefined && bug === null) throw new WrongUsage(`no bug "${values.bug}"`);
  return {
    seeds: number("seeds", 1),
    first: values.any === true ? Math.floor(Math.random() * 1e9) : number("seed", 0),
    ...{ mode, trace: values.trace === true },
    bugs: values["all-bugs"] === true ? BUGS : [bug],
  };
}

function parse() {
  try {
    return parseArgs({
      options: {
        seeds: { type: "string", default: "300" },
        seed: { type: "string", default: "1" },
        any: { type: "boolean" },
        mode: { type: "string" },
        trace: { type: "boolean" },
        bug: { type: "string" },
        "all-bugs": { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new WrongUsage(error instanceof Error ? error.message : String(error));
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
