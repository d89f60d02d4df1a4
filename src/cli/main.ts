#!/usr/bin/env node
import { CommanderError } from "commander";
import { normalizeArguments } from "./flags.ts";
import { CommandFailed } from "./load-settings.ts";
import { createProgram } from "./program.ts";

const FAILED = 1;
const WRONG_USAGE = 2;

// `vipcast … | head` has seen enough.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

try {
  await createProgram().parseAsync(normalizeArguments(process.argv.slice(2)), { from: "user" });
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = exitCodeOf(error);
  else if (error instanceof CommandFailed) {
    process.stderr.write(`vipcast: ${error.message}\n`);
    process.exitCode = FAILED;
  } else throw error;
}

/** Help that was asked for is no error; help instead of a missing command is, and commander says so. */
function exitCodeOf({ exitCode }: CommanderError): number {
  return exitCode === 0 ? 0 : WRONG_USAGE;
}
