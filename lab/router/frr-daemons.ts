import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { command } from "../rack/command.ts";
import type { ManagedProcess, Processes } from "../rack/processes.ts";
import { waitFor } from "../wait.ts";

const DAEMONS = "/usr/lib/frr";

/** Why FRR cannot be used here, or null. */
export function frrObstacle(inUserNamespace: boolean): string | null {
  if (!existsSync(`${DAEMONS}/bgpd`))
    return "FRR is not installed; on Debian: apt-get install --no-install-recommends frr";
  if (existsSync(`${DAEMONS}/mgmtd`))
    return "this FRR is of the 10 series, the lab starts FRR 8 and 9 only (Debian 12 has 8.4)";
  // A user namespace made without privilege has one user, and FRR insists on changing to its own.
  if (inUserNamespace) return "FRR changes to a user of its own, which needs real root; try --router bird or embedded";
  return null;
}

export interface FrrPlace {
  readonly processes: Processes;
  /** Name of the host that it runs on. */
  readonly host: string;
  /** Full name of the host's namespace, and FRR's own name for this instance. */
  readonly namespace: string;
  /** Where the configuration goes; FRR's user must be able to read it. */
  readonly config: string;
}

/** The daemons of the machine's FRR, in the namespace of one host. */
export class FrrDaemons {
  readonly #place: FrrPlace;
  readonly #running = new Map<string, ManagedProcess>();

  constructor(place: FrrPlace) {
    this.#place = place;
  }

  /** To be called before the first of the daemons is started. */
  async prepare(config: string): Promise<void> {
    await writeFile(this.#place.config, config, { mode: 0o644 });
    // Sockets that an earlier run left would look like daemons that answer.
    if (this.#running.size === 0) await rm(this.#stateFolder, { recursive: true, force: true });
    await mkdir(this.#stateFolder, { recursive: true });
    execFileSync("chown", ["frr:frr", this.#stateFolder]);
  }

  /** Resolves when it answers; nothing happens where it runs. */
  async start(daemon: string, socket = `${daemon}.vty`, options: readonly string[] = []): Promise<void> {
    if (this.#running.has(daemon)) return;
    const { processes, host, namespace, config } = this.#place;
    const argv = [`${DAEMONS}/${daemon}`, "-N", namespace, "-u", "frr", "-g", "frr", ...options];
    const started = processes.start({
      name: `${host}-${daemon}`,
      host,
      argv: [...argv, "-A", "127.0.0.1", "-P", "0", "-f", config, "--log", "stdout"],
    });
    this.#running.set(daemon, started);
    await waitFor(`${daemon} on ${host} answers`, 10_000, () => existsSync(`${this.#stateFolder}/${socket}`));
  }

  async stop(): Promise<void> {
    for (const one of [...this.#running.values()].toReversed()) {
      one.signal("SIGTERM");
      await one.ended;
    }
    this.#running.clear();
  }

  /** One of them dies without a word to anybody. */
  async crash(daemon: string): Promise<void> {
    this.#running.get(daemon)?.signal("SIGKILL");
    await this.#running.get(daemon)?.ended;
    this.#running.delete(daemon);
    await rm(`${this.#stateFolder}/${daemon}.vty`, { force: true });
  }

  vtysh(...lines: readonly string[]): Promise<string> {
    return command(["vtysh", "-N", this.#place.namespace, ...lines.flatMap((line) => ["-c", line])]);
  }

  get #stateFolder(): string {
    return `/var/run/frr/${this.#place.namespace}`;
  }
}
