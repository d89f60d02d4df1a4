import type { Command } from "commander";
import { Document, isCollection, isMap, isPair, isScalar } from "yaml";
import { type Loaded, loadSettings } from "../config/load.ts";
import { options } from "../config/options.ts";
import { printFile } from "../config/print-file.ts";
import { type Origin, originText } from "../config/problem.ts";
import { valueAt } from "../config/tree.ts";
import { type FlagValues, flagsHelp } from "./flags.ts";
import { accepted, sources, warn, warningText } from "./load-settings.ts";

/** Adds `vipcast config`: what the daemon would run with under the same flags, environment and file. */
export function registerConfig(program: Command, flags: FlagValues): void {
  program
    .command("config")
    .description("print the effective settings and where each came from")
    .option("-o, --output <format>", "yaml (in the form of the file) or json", "yaml")
    .addHelpText("after", "\nPasswords are not shown.")
    .addHelpText("after", flagsHelp())
    .addHelpText("after", "\nExample:\n  bgp_enable=true vipcast config --config vipcast.yaml")
    .action(({ output }: { output: string }, command: Command) => {
      if (output !== "yaml" && output !== "json")
        command.error(`error: unknown format '${output}': use yaml or json`, { exitCode: 2 });
      const result = loadSettings(sources(flags.values, program.opts<{ config?: string }>().config));
      if (output === "yaml" || "errors" in result) warn(result.warnings);
      const loaded = accepted(result);
      process.stdout.write(output === "json" ? configJson(loaded) : configYaml(loaded));
    });
}

/** Every key with its value and its origin. */
function configJson(loaded: Loaded): string {
  const tree = printFile(loaded, "redacted");
  const settings = options
    .filter(({ path }) => valueAt(tree, path) !== undefined)
    .map(({ key, path }) => ({ key, value: valueAt(tree, path), ...originOf(loaded, key) }));
  return `${JSON.stringify({ settings, warnings: loaded.warnings.map(warningText) }, null, 2)}\n`;
}

function originOf(loaded: Loaded, key: string): { source: Origin["source"]; name?: string } {
  const origin = loaded.origins.get(key)!;
  return origin.source === "default" ? { source: "default" } : { source: origin.source, name: origin.name };
}

/** A file that says the same, with the origin of each value that is not the default as a comment. */
function configYaml(loaded: Loaded): string {
  const document = new Document(printFile(loaded, "redacted"));
  for (const { key, path } of options) {
    const origin = loaded.origins.get(key)!;
    if (origin.source === "default") continue;
    const comment = ` ${originText(origin)}`;
    const parent = document.getIn(path.slice(0, -1));
    const section = path.length === 1 ? document.contents : parent;
    const pair = isMap(section)
      ? section.items.find((it) => isPair(it) && isScalar(it.key) && it.key.value === path.at(-1))
      : undefined;
    if (pair === undefined) continue;
    if (isCollection(pair.value) && isScalar(pair.key)) pair.key.commentBefore = comment;
    else if (isScalar(pair.value)) pair.value.comment = comment;
  }
  return document.toString({ lineWidth: 0 });
}
