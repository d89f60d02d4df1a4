import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { readManifest } from "./check-manifest.ts";
import { checkPools, type PoolsVerdict } from "./check-pools.ts";
import { checkContainer, type ContainerVerdict, type SettingVerdict, type Verdict } from "./check-settings.ts";
import { CommandFailed } from "./load-settings.ts";
import { table, wrap } from "./table.ts";

export interface Check {
  readonly containers: readonly ContainerVerdict[];
  readonly pools: readonly PoolsVerdict[];
  /** Everything works with vipcast as it does with kube-vip, or is told under `differs`. */
  readonly ok: boolean;
}

/** Adds `vipcast check`: exit code 0 fine, 1 something would not work or the file cannot be read. */
export function registerCheck(program: Command): void {
  program
    .command("check")
    .description("say what of a kube-vip manifest vipcast takes as is, and what not")
    .argument("<manifest>", "YAML file with a Pod or DaemonSet, ConfigMaps of pools, or both; - is standard input")
    .option("--pools <file>", "one more file with a ConfigMap of pools")
    .option("-o, --output <format>", "text or json", "text")
    .addHelpText(
      "after",
      "\nNothing is changed and nobody is asked. Exit codes: 0 fine, 1 something would\nnot work or the file cannot be read, 2 wrong usage.\n\nExample:\n  vipcast check /etc/kubernetes/manifests/kube-vip.yaml",
    )
    .action((path: string, { output, pools }: { output: string; pools?: string }, command: Command) => {
      if (output !== "text" && output !== "json")
        command.error(`error: unknown format '${output}': use text or json`, { exitCode: 2 });
      const files = [path, ...(pools === undefined ? [] : [pools])].map((it) => ({ path: nameOf(it), text: read(it) }));
      const result = check(files);
      process.stdout.write(`${output === "json" ? JSON.stringify(result, null, 2) : renderCheck(result)}\n`);
      process.exitCode = result.ok ? 0 : 1;
    });
}

const nameOf = (path: string): string => (path === "-" ? "stdin" : path);

function read(path: string): string {
  try {
    return readFileSync(path === "-" ? 0 : path, "utf8");
  } catch (error) {
    throw new CommandFailed(`cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** @throws CommandFailed when a file is not YAML, or has nothing to check */
export function check(files: readonly { readonly path: string; readonly text: string }[]): Check {
  const manifests = files.map(({ path, text }) => readManifest(path, text));
  const containers = manifests.flatMap((it) => it.containers.map(checkContainer));
  const pools = manifests.flatMap((it) => it.configMaps.map(checkPools));
  if (containers.length + pools.length === 0) {
    const what = "no container of kube-vip or vipcast, and no ConfigMap of pools";
    throw new CommandFailed(`${files.map(({ path }) => path).join(", ")}: there is ${what}`);
  }
  const isFine = ({ verdict, name }: SettingVerdict): boolean =>
    verdict !== "wrong" && verdict !== "not supported" && !(verdict === "unknown" && name.startsWith("--"));
  const ok =
    containers.every(({ errors, settings }) => errors.length === 0 && settings.every(isFine)) &&
    pools.every(({ errors }) => errors.length === 0);
  return { containers, pools, ok };
}

/** The worst first. */
const ORDER: readonly Verdict[] = ["wrong", "not supported", "unknown", "not judged", "differs", "as is"];

export function renderCheck({ containers, pools, ok }: Check): string {
  return [
    ...containers.map(renderContainer),
    ...pools.map(renderPools),
    ok ? "vipcast would run with this." : "Something of this would not work.",
  ].join("\n\n");
}

function renderContainer({ title, settings, errors, notes }: ContainerVerdict): string {
  const lines = [title];
  for (const verdict of ORDER) {
    const found = settings.filter((it) => it.verdict === verdict);
    if (found.length === 0) continue;
    lines.push(`  ${verdict}:`);
    if (verdict === "as is") lines.push(...wrap(found.map(({ name }) => name).join(", "), 74).map((it) => `    ${it}`));
    else for (const { name, place, detail } of found) lines.push(...item(`${name} (${place}): ${detail}`));
  }
  return [...lines, ...section("errors", errors), ...section("to know", notes)].join("\n");
}

function renderPools({ title, pools, errors, notes }: PoolsVerdict): string {
  const rows = pools.map(({ pool, family, size }) => [pool, family, size]);
  const sizes = pools.length === 0 ? [] : table(["POOL", "FAMILY", "ADDRESSES"], rows).split("\n");
  return [
    `${title}: pools`,
    ...sizes.map((line) => `  ${line}`),
    ...section("errors", errors),
    ...section("to look at", notes),
  ].join("\n");
}

const section = (name: string, texts: readonly string[]): string[] =>
  texts.length === 0 ? [] : [`  ${name}:`, ...texts.flatMap(item)];

const item = (text: string): string[] =>
  wrap(text, 74).map((line, index) => `${index === 0 ? "    " : "      "}${line}`);
