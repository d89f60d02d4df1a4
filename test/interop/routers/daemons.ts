import { readFile } from "node:fs/promises";
import type { ManagedProcess, ProcessSpec } from "../../../lab/rack/processes.ts";
import { waitFor } from "../../../lab/wait.ts";
import type { Stage } from "../stage.ts";

/** The processes that make up one router. */
export class Daemons {
  readonly #stage: Stage;
  readonly #logs: string[] = [];
  #running: ManagedProcess[] = [];

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  start(name: string, argv: readonly string[], env: NonNullable<ProcessSpec["env"]> = {}): ManagedProcess {
    const daemon = this.#stage.processes.start({ name, host: "router", argv, env });
    this.#running.push(daemon);
    this.#logs.push(daemon.log);
    return daemon;
  }

  /** Waits for a TCP socket that listens in the router's namespace. */
  async listening(port = 179): Promise<void> {
    const hex = port.toString(16).toUpperCase().padStart(4, "0");
    const pattern = new RegExp(`:${hex} 0+:0000 0A`);
    await waitFor(`the router listens at ${port}`, 10_000, async () => {
      const dead = this.#running.find(({ running }) => !running);
      if (dead) throw new Error(`${dead.name} ended: ${await this.words()}`);
      return pattern.test(await this.#stage.run("router", ["cat", "/proc/net/tcp", "/proc/net/tcp6"]));
    });
  }

  async kill(): Promise<void> {
    for (const one of this.#running) signalGroup(one, "SIGKILL");
    await Promise.all(this.#running.map(({ ended }) => ended));
    this.#running = [];
  }

  freeze(): void {
    for (const one of this.#running) signalGroup(one, "SIGSTOP");
  }

  /** Everything that was logged, by those that have ended, too. */
  async words(): Promise<string> {
    return (await Promise.all(this.#logs.map((log) => readFile(log, "utf8")))).join("\n");
  }
}

/** Each was started in a group of its own; some routers are several processes. */
function signalGroup({ pid, running }: ManagedProcess, signal: NodeJS.Signals): void {
  if (running) process.kill(-pid, signal);
}
