import type { Processes } from "./processes.ts";

const KERNEL_SCRIPT = new URL("sampler-main.ts", import.meta.url).pathname;
const LEASE_SCRIPT = new URL("lease-sampler-main.ts", import.meta.url).pathname;

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

/** Who holds the Lease from this moment on; empty when nobody does. */
export interface LeaseSample {
  readonly at: number;
  readonly holder: string;
}

/** What a sampler process sends: a state that has changed, or how far apart its samples were, in milliseconds. */
export type SamplerLine =
  | { readonly sample: Omit<Sample, "host"> }
  | { readonly lease: LeaseSample }
  | { readonly spacings: readonly number[] };

/** A process that takes samples in a namespace, and the times between them. */
export class Sampler {
  readonly #spacings: number[] = [];

  private constructor(
    processes: Processes,
    host: string,
    argv: readonly string[],
    onLine: (line: SamplerLine) => void,
  ) {
    processes.start({
      name: `${host}-sampler`,
      host,
      outlivesHost: true,
      comesFirst: true,
      argv: [process.execPath, ...argv],
      onLine: (text) => {
        const line = JSON.parse(text) as SamplerLine;
        if ("spacings" in line) this.#spacings.push(...line.spacings);
        else onLine(line);
      },
    });
  }

  /** @param routeProtocol  number that the router's routes carry in the kernel */
  static ofKernel(
    processes: Processes,
    host: string,
    routeProtocol: number,
    onSample: (sample: Sample) => void,
  ): Sampler {
    return new Sampler(processes, host, [KERNEL_SCRIPT, `${routeProtocol}`], (line) => {
      if ("sample" in line) onSample({ host, ...line.sample });
    });
  }

  /** @param access  files with the CA and the token */
  static ofLease(
    processes: Processes,
    access: readonly string[],
    lease: string,
    onSample: (sample: LeaseSample) => void,
  ): Sampler {
    return new Sampler(processes, "api", [LEASE_SCRIPT, ...access, lease], (line) => {
      if ("lease" in line) onSample(line.lease);
    });
  }

  get spacings(): readonly number[] {
    return this.#spacings;
  }
}
