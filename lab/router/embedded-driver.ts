import type { ManagedProcess, Processes } from "../rack/processes.ts";
import type { NextHops, PeeringSettings, RouterDriver } from "./driver.ts";

/** What the embedded router prints: once when it listens, and then its whole table after every change. */
export interface EmbeddedTable {
  readonly table: Readonly<Record<string, readonly string[]>>;
}

/** Protocol number of the embedded router's routes; nobody else's (see /etc/iproute2/rt_protos). */
export const EMBEDDED_PROTOCOL = 77;

/** The router made from vipcast's own BGP and netlink. */
export class EmbeddedRouter implements RouterDriver {
  readonly cli = "embedded router";
  readonly kernelProtocol = EMBEDDED_PROTOCOL;
  readonly #processes: Processes;
  readonly #script: string;
  #settings: PeeringSettings;
  #running: ManagedProcess | null = null;
  #table: NextHops = new Map();

  constructor(processes: Processes, script: string, settings: PeeringSettings) {
    this.#processes = processes;
    this.#settings = settings;
    this.#script = script;
  }

  async start(): Promise<void> {
    this.#running = this.#processes.start({
      name: "embedded-router",
      host: "router",
      argv: [process.execPath, this.#script, JSON.stringify(this.#settings)],
      onLine: (line) => {
        this.#table = new Map(Object.entries((JSON.parse(line) as EmbeddedTable).table));
      },
    });
    await this.#running.firstLine;
  }

  stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  crash(): Promise<void> {
    return this.#end("SIGKILL");
  }

  async changePassword(password: string): Promise<void> {
    this.#settings = { ...this.#settings, password };
    this.#running?.write(JSON.stringify(this.#settings));
  }

  async bfdSessionsUp(): Promise<number> {
    return 0;
  }

  async table(): Promise<NextHops> {
    return this.#table;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    this.#running?.signal(signal);
    await this.#running?.ended;
    this.#running = null;
    this.#table = new Map();
  }
}
