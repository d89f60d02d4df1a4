import type { ManagedProcess, Processes } from "../rack/processes.ts";
import { API_ADDRESS } from "../topology.ts";
import { waitFor } from "../wait.ts";

/** Where the second router is: on `mgmt`, which has nothing to do with the way of the client's traffic. */
export const SECOND_ROUTER = { address: API_ADDRESS.v4, asn: 65_010 } as const;

export interface SecondSettings {
  readonly password?: string;
  /** Every connection is reset so long after it was accepted; null: none is. */
  readonly resetAfterMillis: number | null;
  /** Those that are there are reset at once. */
  readonly resetNow?: boolean;
}

/** What it has seen since it began, all of it machine time. */
export interface SecondView {
  readonly connections: readonly { readonly node: string; readonly at: number }[];
  /** Nodes with a session now. */
  readonly established: readonly string[];
  /** Sessions that ended, other than by our own resets. */
  readonly lost: number;
}

/** A second router, which takes sessions and forwards nothing: one that can be bad without the client noticing. */
export class SecondRouter {
  readonly #process: ManagedProcess;
  #view: SecondView = { connections: [], established: [], lost: 0 };

  private constructor(processes: Processes, settings: SecondSettings) {
    this.#process = processes.start({
      name: "second-router",
      host: "api",
      argv: [process.execPath, new URL("second-main.ts", import.meta.url).pathname, JSON.stringify(settings)],
      onLine: (line) => (this.#view = JSON.parse(line) as SecondView),
    });
  }

  /** Resolves once it accepts connections. */
  static async start(processes: Processes, settings: SecondSettings): Promise<SecondRouter> {
    const router = new SecondRouter(processes, settings);
    await router.#process.firstLine;
    return router;
  }

  get view(): SecondView {
    return this.#view;
  }

  change(settings: SecondSettings): void {
    this.#process.write(JSON.stringify(settings));
  }

  /** Waits until exactly these nodes have a session. */
  async has(nodes: string, limitMillis: number, signal: AbortSignal): Promise<void> {
    await waitFor(
      `the second router has sessions with ${nodes}`,
      limitMillis,
      () => {
        const now = this.#view.established.join(" ");
        return now === nodes || `sessions with ${now === "" ? "nobody" : now}`;
      },
      { signal },
    );
  }
}
