import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { containerlabFile } from "./containerlab.ts";
import { play } from "./play.ts";
import { CannotRun, checkParts, ensureIproute, gainRights } from "./prepare.ts";
import { KUBE_KINDS, type KubeKind } from "./rack/kube-server.ts";
import type { Rack } from "./rack/rack.ts";
import { abandonedPrefixes, rememberNamespaceFolder, removeTraces } from "./rack/traces.ts";
import type { Result } from "./report/result.ts";
import { ROUTER_KINDS, type RouterKind } from "./router/driver.ts";
import { routersOf } from "./scenario.ts";
import { SCENARIOS } from "./scenarios/all.ts";
import { rackTopology } from "./topology.ts";

const ROOT = new URL("..", import.meta.url).pathname.replace(/\/$/, "");

const USAGE = `usage: npm run -s lab -- [list | containerlab | SCENARIO…] [options]

Builds a rack of network namespaces, runs the built vipcast in it and plays
scenarios; without a name the tour. Results: lab/results/SCENARIO.{json,svg}.

  list             what can be played
  containerlab     print the rack as a containerlab file
  --router R       ${ROUTER_KINDS.join(", ")} (default: embedded)
  --kube K         ${KUBE_KINDS.join(", ")} (default: embedded)
  --brief          the shorter form that \`npm test\` plays, of scenarios that
                   have one
  --json FILE      the results, in one file (a list when there are several)

Exit: 0 every expectation holds, 1 one does not, 2 wrong usage,
3 the lab cannot run here.`;

interface Arguments {
  readonly names: readonly string[];
  readonly router: RouterKind;
  readonly kube: KubeKind;
  readonly brief: boolean;
  readonly json: string | null;
}

class WrongUsage extends Error {
  override readonly name = "WrongUsage";
}

/** Ctrl-C, SIGTERM or SIGHUP came. */
class Interrupted extends Error {
  override readonly name = "Interrupted";
  readonly exitCode: number;
  constructor(signal: string, exitCode: number) {
    super(`interrupted by ${signal}`);
    this.exitCode = exitCode;
  }
}

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const interruption = new AbortController();
let currentRack: Rack | null = null;

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof WrongUsage) {
    process.stderr.write(`${error.message}\n\n${USAGE}\n`);
    process.exitCode = 2;
  } else if (error instanceof CannotRun) {
    process.stderr.write(`vipcast lab: ${error.message}\n`);
    process.exitCode = 3;
  } else if (error instanceof Interrupted) {
    process.stderr.write(`vipcast lab: ${error.message}; everything is cleaned up\n`);
    process.exitCode = error.exitCode;
  } else {
    process.stderr.write(`vipcast lab: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = 1;
  }
}
// Listeners for signals would keep nothing alive, but a pipe to a reader that has gone could.
process.exit();

async function main(): Promise<number> {
  const args = readArguments(process.argv.slice(2));
  if (args === null) return 0;
  const code = await gainRights((kill) => {
    for (const signal of Object.keys(SIGNALS)) process.on(signal, () => kill(signal as NodeJS.Signals));
  });
  if (code !== null) return code;
  watchForEnd();
  await ensureIproute(print);
  const tidy = rememberNamespaceFolder();
  try {
    return await playAll(args);
  } finally {
    await tidy();
  }
}

async function playAll(args: Arguments): Promise<number> {
  checkParts(args.router, args.kube);
  for (const scenario of SCENARIOS.filter(({ name }) => args.names.includes(name))) {
    const routers = routersOf(scenario);
    if (routers.includes(args.router)) continue;
    throw new CannotRun(
      `${scenario.name} cannot be played with router ${args.router}, which lacks what it is about: try --router ${routers.join(" or --router ")}`,
    );
  }
  for (const prefix of abandonedPrefixes(isAlive)) {
    print(`removing what a lab that was killed has left: ${prefix}*`);
    // Another user's are not ours to remove.
    await removeTraces(prefix).catch((error: unknown) =>
      print(`  ${error instanceof Error ? error.message : String(error)}`),
    );
  }
  const results: Result[] = [];
  for (const name of args.names) {
    const scenario = SCENARIOS.find((one) => one.name === name)!;
    print(`\nscenario ${name}, router ${args.router}, Kubernetes ${args.kube}: ${scenario.summary}\n`);
    const result = await play(scenario, {
      router: args.router,
      kube: args.kube,
      brief: args.brief,
      signal: interruption.signal,
      print,
      resultsFolder: `${ROOT}/lab/results`,
      onRack: (rack) => (currentRack = rack),
    });
    currentRack = null;
    results.push(result);
    summarize(result);
  }
  if (args.json !== null) {
    await writeFile(args.json, `${JSON.stringify(results.length === 1 ? results[0] : results, null, 2)}\n`);
  }
  return results.every(({ ok }) => ok) ? 0 : 1;
}

/** Null when there is nothing to play: help and lists are printed at once. */
function readArguments(argv: readonly string[]): Arguments | null {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        router: { type: "string", default: "embedded" },
        kube: { type: "string", default: "embedded" },
        brief: { type: "boolean", default: false },
        json: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new WrongUsage(error instanceof Error ? error.message : String(error));
  }
  const { values, positionals } = parsed;
  if (values.help === true) {
    print(USAGE);
    return null;
  }
  if (positionals[0] === "list") {
    for (const { name, summary, routers } of SCENARIOS) {
      print(`${name.padEnd(18)} ${summary}${routers === undefined ? "" : ` (${routers.join(", ")})`}`);
    }
    return null;
  }
  if (positionals[0] === "containerlab") {
    process.stdout.write(containerlabFile(rackTopology({ clientOnLan: false })));
    return null;
  }
  const router = ROUTER_KINDS.find((kind) => kind === values.router);
  const kube = KUBE_KINDS.find((kind) => kind === values.kube);
  if (!router) throw new WrongUsage(`no router "${values.router}": ${ROUTER_KINDS.join(", ")}`);
  if (!kube) throw new WrongUsage(`no Kubernetes "${values.kube}": ${KUBE_KINDS.join(", ")}`);
  const names = positionals.length === 0 ? ["tour"] : positionals;
  for (const name of names) {
    if (!SCENARIOS.some((one) => one.name === name)) {
      throw new WrongUsage(`no scenario "${name}": ${SCENARIOS.map((one) => one.name).join(", ")}`);
    }
  }
  return { names, router, kube, brief: values.brief, json: values.json ?? null };
}

function watchForEnd(): void {
  for (const [signal, exitCode] of Object.entries(SIGNALS)) {
    process.on(signal, () => {
      // A second Ctrl-C must not leave half a rack behind: taking it down takes a second or two.
      if (interruption.signal.aborted) process.stderr.write("still cleaning up, a moment\n");
      else process.stderr.write(`\n${signal}: cleaning up\n`);
      interruption.abort(new Interrupted(signal, exitCode));
    });
  }
  // What nobody caught is a bug of the lab; it is reported, but not before the rack is gone.
  process.on("uncaughtException", (error) => interruption.abort(error));
  process.on("unhandledRejection", (reason) => interruption.abort(reason));
  // The reader of a pipe has gone: nobody sees the rest.
  process.stdout.on("error", () => interruption.abort(new Interrupted("SIGPIPE", 141)));
  process.stderr.on("error", () => {});
  process.on("exit", () => currentRack?.abandon());
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function summarize({ scenario, ok, expectations, timeline }: Result): void {
  print("\ntimeline");
  for (const { atMillis, event } of timeline) print(`${(atMillis / 1000).toFixed(2).padStart(8)} s  ${event}`);
  const failed = expectations.filter((one) => !one.ok);
  print(
    `\n${scenario}: ${ok ? `all ${expectations.length} expectations hold` : `${failed.length} of ${expectations.length} expectations do not hold`}`,
  );
  for (const one of failed) print(`  ${one.name}: ${one.measured ?? "never"} ${one.unit} (${one.bound})`);
  print(`written: lab/results/${scenario}.json, lab/results/${scenario}.svg`);
}
