import { readFileSync } from "node:fs";
import type { ConfigFile } from "../config/read-file.ts";
import type { Refused, Sources } from "../config/load.ts";
import { type ConfigProblem, type ConfigWarning, problemText } from "../config/problem.ts";

/** The command cannot go on; `message` is for the user, and may have several lines. */
export class CommandFailed extends Error {
  override readonly name = "CommandFailed";
}

export const warningText = ({ name, message }: ConfigWarning): string => `${name} ${message}`;

/**
 * Flags, the environment and the file of `--config`, if there is one.
 *
 * @throws CommandFailed when the file cannot be read
 */
export function sources(flags: Readonly<Record<string, string>>, file: string | undefined): Sources {
  return { flags, env: process.env, file: file === undefined ? null : readConfigFile(file) };
}

function readConfigFile(path: string): ConfigFile {
  try {
    return { path, text: readFileSync(path, "utf8") };
  } catch (error) {
    throw new CommandFailed(`--config: cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** @throws CommandFailed with every problem, one per line */
export function accepted<L extends object>(loaded: L | Refused): Exclude<L, Refused> {
  if (!("errors" in loaded)) return loaded as Exclude<L, Refused>;
  throw new CommandFailed(problemLines(loaded.errors));
}

function problemLines(problems: readonly ConfigProblem[]): string {
  const lines = problems.map((problem) => `  ${problemText(problem)}`);
  return `the configuration is not accepted:\n${lines.join("\n")}`;
}

/** Warnings beside output that goes elsewhere. */
export function warn(warnings: readonly ConfigWarning[]): void {
  for (const warning of warnings) process.stderr.write(`vipcast: warning: ${warningText(warning)}\n`);
}
