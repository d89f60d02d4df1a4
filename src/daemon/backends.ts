import type { IpAddress } from "../addr/ip.ts";
import type { Clock } from "../ports/clock.ts";
import type { BackendFact } from "../vip/balancer.ts";
import type { NodeFact } from "../vip/facts.ts";
import { Probe } from "./probe.ts";

interface Parts {
  readonly clock: Clock;
  readonly port: number;
  readonly periodMillis: number;
  readonly failureThreshold: number;
  /** Asks the API server at this base URL; null when it is ready. */
  readonly askFor: (origin: string) => () => Promise<string | null>;
  readonly onChange: () => void;
}

/** Asks the API server of each control-plane node whether it is ready. */
export class Backends {
  readonly #parts: Parts;
  readonly #probes = new Map<IpAddress, { readonly node: string; readonly probe: Probe }>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** One probe for each address of the control-plane nodes among these. */
  follow(nodes: ReadonlyMap<string, NodeFact>): void {
    const wanted = new Map(
      [...nodes.values()]
        .filter(({ controlPlane }) => controlPlane)
        .flatMap(({ name, internalAddresses }) => internalAddresses.map((address) => [address, name] as const)),
    );
    for (const [address, { node, probe }] of this.#probes) {
      if (wanted.get(address) === node) continue;
      probe.close();
      this.#probes.delete(address);
    }
    for (const [address, node] of wanted) {
      if (this.#probes.has(address)) continue;
      const probe = this.#probe(address);
      this.#probes.set(address, { node, probe });
      probe.start();
    }
  }

  facts(): readonly BackendFact[] {
    return [...this.#probes].map(([address, { node, probe }]) => ({ node, address, probe: probe.fact }));
  }

  close(): void {
    for (const { probe } of this.#probes.values()) probe.close();
    this.#probes.clear();
  }

  #probe(address: IpAddress): Probe {
    const { clock, port, periodMillis, failureThreshold, askFor, onChange } = this.#parts;
    const origin = `https://${address.includes(":") ? `[${address}]` : address}:${port}`;
    const url = `${origin}/readyz`;
    return new Probe({ url, periodMillis, failureThreshold, ask: askFor(origin) }, clock, onChange);
  }
}
