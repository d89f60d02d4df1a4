import type { ClientCommand, ClientReport, Target } from "../client.ts";
import { machineMillis } from "../machine-time.ts";
import type { Attempt } from "../report/client-view.ts";
import type { Processes } from "./processes.ts";

/** After this long every attempt that was begun has been reported: the client's own limit, and some for the way. */
const SETTLE_MILLIS = 600;

/** The running client, and everything that it has seen. */
export class ClientStream {
  readonly #attempts: Attempt[] = [];
  readonly #send: (command: ClientCommand) => void;
  #targets: readonly Target[] = [];
  readonly #everTargets = new Set<string>();
  #latenessMillis = 0;

  constructor(processes: Processes, script: string, host = "client") {
    const client = processes.start({
      name: "client",
      host,
      comesFirst: true,
      argv: [process.execPath, script],
      onLine: (line) => this.#take(JSON.parse(line) as ClientReport),
    });
    this.#send = (command) => client.write(JSON.stringify(command));
  }

  get attempts(): readonly Attempt[] {
    return this.#attempts;
  }

  get targets(): readonly Target[] {
    return this.#targets;
  }

  /** Names of all targets that it ever had, in the order in which it got them. */
  get everTargets(): readonly string[] {
    return [...this.#everTargets];
  }

  /** The latest that the client itself began an attempt after its time: what its figures cannot be finer than. */
  get latenessMillis(): number {
    return this.#latenessMillis;
  }

  /** Opens connections to these from now on, and to nothing else. */
  aim(targets: readonly Target[], intervalMillis: number): void {
    this.#targets = targets;
    for (const { name } of targets) this.#everTargets.add(name);
    this.#send({ targets, intervalMillis });
  }

  /** Whether the target has answered in an attempt that was begun at `since` or later; by whom is in `nodes`. */
  answersSince(target: string, since: number): { readonly nodes: readonly string[]; readonly failed: number } {
    const nodes = new Set<string>();
    let failed = 0;
    for (let i = this.#attempts.length - 1; i >= 0; i--) {
      const attempt = this.#attempts[i]!;
      // Reports come in order of completion, at most the client's time limit after the beginning.
      if (attempt.startedAt < since - SETTLE_MILLIS) break;
      if (attempt.target !== target || attempt.startedAt < since) continue;
      if (attempt.node === null) failed++;
      else nodes.add(attempt.node);
    }
    return { nodes: [...nodes].toSorted(), failed };
  }

  /** Waits until what was begun before now has been reported, and gives the time of the call. */
  async settled(): Promise<number> {
    const now = machineMillis();
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MILLIS));
    return now;
  }

  #take({ attempts, latenessMillis }: ClientReport): void {
    this.#latenessMillis = Math.max(this.#latenessMillis, latenessMillis);
    for (const [target, startedAt, tookMillis, node, error, wasReset] of attempts) {
      this.#attempts.push({ target, startedAt, tookMillis, node, error, wasReset });
    }
  }
}
