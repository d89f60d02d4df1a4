import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { prefixOf, removeTraces, tracesOf } from "../../lab/rack/traces.ts";
import { needsRoot } from "../support/privileges.ts";
import { FEATURES } from "./features/all.ts";
import { type Cell, playAll } from "./matrix.ts";
import { interopPage } from "./report.ts";
import { ROUTER_NAMES } from "./router.ts";
import { ROUTERS } from "./routers/all.ts";

const PAGE = new URL("../../docs/interop.md", import.meta.url).pathname;

const USAGE = `usage: npm run -s interop -- [FEATURE…] [options]

Plays features of vipcast's BGP with other routers, in network namespaces.
A run of everything is compared with docs/interop.md; UPDATE=1 writes it.

  --router R    ${ROUTER_NAMES.join(", ")}; may be repeated
  --json FILE   what came out, cell by cell
  --list        the features

Exit: 0 all is well, 1 a feature fails or the page is not what was seen,
2 wrong usage, 3 it cannot run here.`;

const INTERRUPTED = 130;
const CLEANING_ATTEMPTS = 10;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

class WrongUsage extends Error {
  override readonly name = "WrongUsage";
}

const interruption = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    interruption.abort();
    // The cells that are being played are not waited for: they fail for want of their processes.
    void leaveNothing().finally(() => process.exit(INTERRUPTED));
  });
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (interruption.signal.aborted) process.exitCode = INTERRUPTED;
  else if (error instanceof WrongUsage) {
    process.stderr.write(`${error.message}\n\n${USAGE}\n`);
    process.exitCode = 2;
  } else throw error;
} finally {
  await leaveNothing();
}

/** Tries again while cells that are about to fail still make something. */
async function leaveNothing(): Promise<void> {
  const prefix = prefixOf(process.pid);
  for (let attempt = 0; attempt < CLEANING_ATTEMPTS; attempt++) {
    await removeTraces(prefix).catch(() => {});
    const { namespaces, folders, pids } = tracesOf(prefix);
    if (namespaces.length + folders.length + pids.length === 0) return;
  }
}

async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(argv);
  if (values.help === true) {
    print(USAGE);
    return 0;
  }
  if (values.list === true) {
    for (const { name, title } of FEATURES) print(`${name.padEnd(22)} ${title}`);
    return 0;
  }
  const features = choose("feature", FEATURES, positionals);
  const routers = choose("router", ROUTERS, values.router ?? []);
  if (needsRoot !== null) return cannotRun(needsRoot);
  const obstacles = routers.flatMap((router) => router.obstacle() ?? []);
  if (obstacles.length > 0) return cannotRun(obstacles.join("; "));

  const cells = await playAll(routers, features, (cell) => print(lineOf(cell)), interruption.signal);
  if (interruption.signal.aborted) return INTERRUPTED;
  const count = (outcome: Cell["outcome"]): number => cells.filter((cell) => cell.outcome === outcome).length;
  print(`\n${count("pass")} pass, ${count("fail")} fail, ${count("not there")} not there`);
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(cells, null, 2)}\n`);
  const isWhole = features.length === FEATURES.length && routers.length === ROUTERS.length;
  const isPageRight = !isWhole || (await settlePage(cells));
  return count("fail") === 0 && isPageRight ? 0 : 1;
}

function readArguments(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        router: { type: "string", multiple: true },
        json: { type: "string" },
        list: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new WrongUsage(error instanceof Error ? error.message : String(error));
  }
}

/** Those that are named, in their own order; all of them when none is. */
function choose<T extends { readonly name: string }>(
  kind: string,
  all: readonly T[],
  names: readonly string[],
): readonly T[] {
  const unknown = names.find((name) => !all.some((one) => one.name === name));
  if (unknown !== undefined) throw new WrongUsage(`no ${kind} "${unknown}": ${all.map(({ name }) => name).join(", ")}`);
  return names.length === 0 ? all : all.filter(({ name }) => names.includes(name));
}

function cannotRun(why: string): number {
  process.stderr.write(`vipcast interop: ${why}\n`);
  return 3;
}

/** Writes the page, or demands that it says what was seen. */
async function settlePage(cells: readonly Cell[]): Promise<boolean> {
  const columns = await Promise.all(ROUTERS.map(async (kind) => ({ kind, version: await kind.version() })));
  const page = interopPage(columns, FEATURES, cells);
  if (process.env["UPDATE"] === "1") {
    await writeFile(PAGE, page);
    print("written: docs/interop.md");
    return true;
  }
  if ((await readFile(PAGE, "utf8").catch(() => "")) === page) return true;
  print("docs/interop.md does not say what was seen here; UPDATE=1 npm run -s interop writes it");
  return false;
}

function lineOf({ router, feature, transport, outcome, reason, millis }: Cell): string {
  const mark = { pass: "ok  ", fail: "FAIL", "not there": "-   " }[outcome];
  const time = outcome === "not there" ? "" : ` (${(millis / 1000).toFixed(1)} s)`;
  return `${mark}  ${router.padEnd(9)} ${transport} ${feature.padEnd(22)}${time}${reason === "" ? "" : `  ${reason}`}`;
}
