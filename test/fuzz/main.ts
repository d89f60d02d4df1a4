/**
 * `npm run fuzz`: inputs for each decoder, some systematic and the rest by chance, the same ones for the same seed. A
 * finding ends its target; it is then kept in cases.ts under a name.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { Attack, type Finding } from "./attack.ts";
import { TARGETS } from "./targets.ts";
import type { WorkerAnswer, WorkerTask } from "./worker.ts";

const COUNT_DEFAULT = 10_000_000;
/** A worker that is at one input for so long will not come back from it. */
const HANG_MILLIS = 60_000;
const PROGRESS_MILLIS = 1_000;

const USAGE = `usage: npm run -s fuzz -- [--count N] [--seed S] [--from I] [target…]

Attacks decoders with damaged messages and chance octets. A finding is printed
with its seed, its number and its octets.

  --count N  inputs for each target; ${COUNT_DEFAULT} if left out
  --seed S   the same seed gives the same inputs; printed when left out
  --from I   number of the first input
  --list     the targets

Without targets all are attacked. Exit: 0 no finding, 1 a finding, 2 wrong usage.`;

function wrongUsage(message: string): never {
  console.error(`${message}\n\n${USAGE}`);
  process.exit(2);
}

function read() {
  try {
    return parseArgs({
      options: {
        count: { type: "string", default: `${COUNT_DEFAULT}` },
        seed: { type: "string", default: `${Date.now() % 0x7fff_ffff}` },
        from: { type: "string", default: "0" },
        list: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
      allowPositionals: true,
    });
  } catch (error) {
    return wrongUsage((error as Error).message);
  }
}

const { values, positionals } = read();
const number = (name: "count" | "seed" | "from"): number => {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < 0) wrongUsage(`--${name} ${values[name]} is no number`);
  return value;
};
const [count, seed, from] = [number("count"), number("seed"), number("from")];
const unknown = positionals.filter((name) => !TARGETS.some((target) => target.name === name));
const names = positionals.length > 0 ? positionals : TARGETS.map((target) => target.name);

const findings: Finding[] = [];
/** The number of the input that each target is at. */
const running = new Map<string, Int32Array>();
const started = performance.now();
let doneCount = 0;

async function attack(name: string): Promise<void> {
  const current = new SharedArrayBuffer(4);
  const task: WorkerTask = { target: name, seed, from, count, current };
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData: task });
  const at = new Int32Array(current);
  running.set(name, at);
  const answer = await new Promise<WorkerAnswer>((resolve, reject) => {
    let [seen, seenAt] = [-1, performance.now()];
    const watch = setInterval(() => {
      const now = Atomics.load(at, 0);
      if (now !== seen) [seen, seenAt] = [now, performance.now()];
      if (performance.now() - seenAt < HANG_MILLIS) return;
      const target = TARGETS.find((one) => one.name === name)!;
      const finding = new Attack(target, seed).finding(now, `takes more than ${HANG_MILLIS / 1_000} s`);
      resolve({ finding, seconds: 0 });
      void worker.terminate();
    }, PROGRESS_MILLIS);
    worker.once("message", (message: WorkerAnswer) => resolve(message));
    worker.once("error", reject);
    worker.once("exit", () => {
      clearInterval(watch);
      reject(new Error(`the worker of ${name} ended without an answer`));
    });
  });
  running.delete(name);
  doneCount++;
  const { finding, seconds } = answer;
  const rate = seconds > 0 ? `${(count / seconds / 1_000).toFixed(0)}k/s` : "";
  say(`${finding === null ? "ok  " : "FAIL"}  ${name.padEnd(40)} ${count} inputs, ${seconds.toFixed(1)} s ${rate}`);
  if (finding !== null) {
    findings.push(finding);
    say(`  ${finding.what}\n  --seed ${finding.seed} --from ${finding.index} --count 1 ${name}\n  hex ${finding.hex}`);
  }
}

const isTerminal = process.stdout.isTTY;
function say(line: string): void {
  if (isTerminal) process.stdout.write("\r\u001b[K");
  console.log(line);
}

/** One line, over and over, where there is somebody to look at it. */
const ticker = setInterval(() => {
  if (!isTerminal) return;
  const parts = [...running].map(
    ([name, at]) => `${name} ${(((Atomics.load(at, 0) - from) * 100) / count).toFixed(0)} %`,
  );
  process.stdout.write(`\r\u001b[K${doneCount}/${names.length}  ${parts.join("  ")}`);
}, PROGRESS_MILLIS);

async function main(): Promise<void> {
  if (values.help) {
    console.log(USAGE);
    return;
  }
  if (unknown.length > 0) wrongUsage(`no target ${unknown.join(", ")}; --list names them`);
  if (values.list) {
    for (const name of names) console.log(name);
    return;
  }
  console.log(`fuzz: ${count} inputs for each of ${names.length} decoders, seed ${seed}`);
  const waiting = [...names];
  const lane = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await attack(name);
  };
  await Promise.all(Array.from({ length: Math.max(1, availableParallelism()) }, lane));
  const seconds = ((performance.now() - started) / 1_000).toFixed(0);
  say(`${names.length - findings.length} passed, ${findings.length} failed, seed ${seed}, ${seconds} s`);
  if (findings.length > 0) process.exitCode = 1;
}

try {
  await main();
} finally {
  clearInterval(ticker);
}
