import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { createInterface } from "node:readline";

export interface ProcessSpec {
  /** For people, and the name of its log. */
  readonly name: string;
  /** In whose namespace it runs, and on whose power. */
  readonly host: string;
  /** It watches the host from outside, and goes on when the host loses power. */
  readonly outlivesHost?: boolean;
  readonly argv: readonly string[];
  /** It measures, or others measure through it: it must not wait for a processor behind what is measured. */
  readonly comesFirst?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with each line of standard output; without it the output goes to the log. */
  readonly onLine?: (line: string) => void;
}

export interface ManagedProcess {
  readonly name: string;
  readonly host: string;
  readonly pid: number;
  readonly running: boolean;
  /** Path of what it wrote to standard error (and standard output, unless `onLine` takes that). */
  readonly log: string;
  /** Resolves when it has ended, with what ended it. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Resolves with the first line it prints; rejects when it ends before. Only with `onLine`. */
  readonly firstLine: Promise<string>;
  signal(signal: NodeJS.Signals): void;
  write(line: string): void;
}

/** The processes of one rack: all are started here, so all can be ended here. */
export class Processes {
  readonly #folder: string;
  readonly #prefix: string;
  readonly #all: (ManagedProcess & { readonly child: ChildProcess; readonly outlivesHost: boolean })[] = [];
  #count = 0;
  #closed = false;

  /** @param folder  where the logs go; @param prefix  of the namespaces. */
  constructor(folder: string, prefix: string) {
    this.#folder = folder;
    this.#prefix = prefix;
  }

  get all(): readonly ManagedProcess[] {
    return this.#all;
  }

  /**
   * Starts a process in the namespace of its host. It has no terminal and a process group of its own (Ctrl-C is the
   * lab's to act on), and the kernel ends it should the lab itself be killed.
   *
   * @throws when the program cannot be started.
   */
  start({ name, host, argv, env = {}, onLine, outlivesHost = false, comesFirst = false }: ProcessSpec): ManagedProcess {
    if (this.#closed) throw new Error(`${name} is not started any more: the rack is being taken down`);
    const log = `${this.#folder}/${name}.${this.#count++}.log`;
    const logFd = openSync(log, "a");
    // Each of these replaces itself with the next, so that the process id is the program's own.
    const within = [...inNamespace(`${this.#prefix}${host}`), ...(comesFirst ? FIRST : [])];
    const child = spawn(within[0]!, [...within.slice(1), ...argv], {
      stdio: ["pipe", onLine ? "pipe" : logFd, logFd],
      detached: true,
      // What one of them puts into the folder for temporary files goes with the rack, also when it is killed.
      env: { PATH: process.env["PATH"], TMPDIR: this.#folder, ...env },
    });
    closeSync(logFd);
    if (child.pid === undefined) throw new Error(`${argv[0]} could not be started`);
    child.stdin?.on("error", () => {}); // it may end while we write; `ended` tells
    const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
      child.on("exit", (code, signal) => resolve({ code, signal }));
      child.on("error", () => resolve({ code: null, signal: null }));
    });
    const firstLine = new Promise<string>((resolve, reject) => {
      if (child.stdout && onLine) {
        createInterface({ input: child.stdout }).on("line", (line) => {
          resolve(line);
          onLine(line);
        });
      }
      void ended.then(({ code, signal }) =>
        reject(new Error(`${name} on ${host} ended (${code ?? signal}), see ${log}`)),
      );
    });
    firstLine.catch(() => {}); // only some callers wait for it
    const managed = {
      name,
      host,
      outlivesHost,
      pid: child.pid,
      get running() {
        return child.exitCode === null && child.signalCode === null;
      },
      log,
      ended,
      firstLine,
      child,
      signal: (signal: NodeJS.Signals): void => void child.kill(signal),
      write: (line: string): void => void child.stdin?.write(`${line}\n`),
    };
    this.#all.push(managed);
    return managed;
  }

  /** SIGKILL to all processes of a host at once, as when its power goes. */
  async killHost(host: string): Promise<void> {
    await killAll(this.#all.filter((one) => one.host === host && !one.outlivesHost));
  }

  /** Nothing can be started afterwards. */
  async killEverything(): Promise<void> {
    this.#closed = true;
    await killAll(this.#all);
  }

  /** For the last moment of the process, when nothing can be waited for. */
  killEverythingNow(): void {
    for (const { child } of this.#all) child.kill("SIGKILL");
  }
}

/** Put before a program: runs it in a namespace, and ends it should the lab itself be killed. */
export const inNamespace = (namespace: string): readonly string[] => [
  ...["ip", "netns", "exec", namespace],
  ...["setpriv", "--pdeathsig", "KILL", "--"],
];

/**
 * Puts a program before the others: where the kernel schedules by session (autogroup) the session's own niceness
 * counts. Without real root both are refused, and the program runs all the same.
 */
export const FIRST: readonly string[] = [
  ...["sh", "-c", 'echo -15 2>/dev/null >/proc/self/autogroup; exec nice -n -15 "$@"', "sh"],
];

async function killAll(processes: readonly ManagedProcess[]): Promise<void> {
  for (const one of processes) if (one.running) one.signal("SIGKILL");
  await Promise.all(processes.map(({ ended }) => ended));
}
