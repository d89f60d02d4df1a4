import { spawn } from "node:child_process";

/** A program that ended other than it should. The message holds what it printed. */
export class CommandFailed extends Error {
  override readonly name = "CommandFailed";
}

/**
 * Runs a short program to its end and gives what it printed.
 *
 * It runs in a process group of its own: Ctrl-C in a terminal goes to the whole group of the lab, and must not stop the
 * program in the middle of a clean-up.
 *
 * @throws CommandFailed when it cannot be started, ends with another exit code, or takes longer than `timeoutMillis`.
 */
export function command(
  argv: readonly string[],
  { input = "", timeoutMillis = 15_000, env = process.env, cwd, exitCode = 0 }: CommandOptions = {},
): Promise<string> {
  const [program = "", ...rest] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, { stdio: "pipe", detached: true, env, ...(cwd === undefined ? {} : { cwd }) });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMillis);
    const fail = (why: string): void => {
      const said = Buffer.concat([...err, ...out])
        .toString()
        .trim();
      reject(new CommandFailed(`${argv.join(" ")}: ${why}${said === "" ? "" : `\n${said}`}`));
    };
    child.stdout.on("data", (bytes: Buffer) => out.push(bytes));
    child.stderr.on("data", (bytes: Buffer) => err.push(bytes));
    child.stdin.on("error", () => {}); // a program that does not read its input is no failure
    child.stdin.end(input);
    child.on("error", (error) => {
      clearTimeout(timer);
      fail(error.message);
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      if (code === exitCode) resolve(Buffer.concat(out).toString());
      else fail(signal === "SIGKILL" ? `ended by ${signal}, limit ${timeoutMillis} ms` : `exit ${code ?? signal}`);
    });
  });
}

export interface CommandOptions {
  readonly input?: string;
  readonly timeoutMillis?: number;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** What it has to end with; 0 when absent. */
  readonly exitCode?: number;
}
