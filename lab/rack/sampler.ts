import type { Processes } from "./processes.ts";

const SCRIPT = new URL("sampler-main.ts", import.meta.url).pathname;

/** The state of one host's kernel at one moment; only sent when it differs from the one before. */
export interface Sample {
  readonly host: string;
  /** Machine time. */
  readonly at: number;
  /** When the state before was seen for the last time. */
  readonly previousAt: number;
  /** "lo 10.40.0.1", the host's own addresses included. */
  readonly addresses: readonly string[];
  /** Routes of the router's protocol, with their next hops: "10.40.0.1/32 10.10.0.11 10.10.0.12". */
  readonly routes: readonly string[];
  /** IPv4 neighbours: "10.10.0.100 02:…". */
  readonly neighbours: readonly string[];
}

/** What a sampler process sends: a state that has changed, or how far apart its samples were. */
export type SamplerLine =
  | { readonly sample: Omit<Sample, "host"> }
  | { readonly spacingMillis: number; readonly samples: number };

/** Watches the kernels of several hosts, each through a process in its namespace. */
export class Sampler {
  #spacingMillis = 0;
  #samples = 0;

  /** @param routeProtocol  number that the router's routes carry in the kernel */
  constructor(processes: Processes, hosts: readonly string[], routeProtocol: number, onSample: (sample: Sample) => void) {
    for (const host of hosts) {
      processes.start({
        name: `${host}-sampler`,
        host,
        outlivesHost: true,
        argv: [process.execPath, SCRIPT, `${routeProtocol}`],
        onLine: (line) => {
          const read = JSON.parse(line) as SamplerLine;
          if ("sample" in read) {
            onSample({ host, ...read.sample });
          } else {
            this.#spacingMillis = Math.max(this.#spacingMillis, read.spacingMillis);
            this.#samples += read.samples;
          }
        },
      });
    }
  }

  /** The longest time between two samples of one host so far. */
  get spacingMillis(): number {
    return this.#spacingMillis;
  }

  get samples(): number {
    return this.#samples;
  }
}
