import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { command } from "../rack/command.ts";
import type { ManagedProcess, Processes } from "../rack/processes.ts";
import { waitFor } from "../wait.ts";

const BIRD = "/usr/sbin/bird";
const BIRDC = "/usr/sbin/birdc";

export function birdObstacle(): string | null {
  return existsSync(BIRD) ? null : "BIRD is not installed; on Debian: apt-get install --no-install-recommends bird2";
}

/** The machine's BIRD 2, in the namespace of one host. */
export class BirdDaemon {
  readonly #processes: Processes;
  readonly #host: string;
  readonly #config: string;
  readonly #socket: string;
  #running: ManagedProcess | null = null;

  /** @param folder  for the configuration and the control socket */
  constructor(processes: Processes, host: string, folder: string) {
    this.#processes = processes;
    this.#host = host;
    this.#config = `${folder}/bird.conf`;
    this.#socket = `${folder}/bird.ctl`;
  }

  /** Resolves when it answers. */
  async start(config: string): Promise<void> {
    await writeFile(this.#config, config);
    // One that was killed has left it, and nobody would answer there.
    await rm(this.#socket, { force: true });
    this.#running = this.#processes.start({
      name: `${this.#host}-bird`,
      host: this.#host,
      argv: [BIRD, "-f", "-c", this.#config, "-s", this.#socket],
    });
    await waitFor(`BIRD on ${this.#host} answers`, 10_000, async () => {
      if (!existsSync(this.#socket)) return false;
      return (await this.birdc("show", "status")).includes("Daemon is up");
    });
  }

  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    this.#running?.signal(signal);
    await this.#running?.ended;
    this.#running = null;
  }

  async configure(config: string): Promise<void> {
    await writeFile(this.#config, config);
    await this.birdc("configure");
  }

  birdc(...words: readonly string[]): Promise<string> {
    return command([BIRDC, "-s", this.#socket, ...words]);
  }
}
