import type { Logger } from "pino";
import { type InterfaceAddress, type KernelNetwork, type Link, NetlinkRefused } from "../ports/network.ts";
import { emit } from "../telemetry/events.ts";

/**
 * The kernel's links and addresses, and what was last known of them while it refuses to say (it is out of buffers,
 * say). A plan from facts of a moment ago is worth more than none: routes must go when a Lease is lost.
 */
export class KernelView {
  readonly #network: Pick<KernelNetwork, "links" | "addresses">;
  readonly #log: Logger;
  #links: readonly Link[] = [];
  #addresses: readonly InterfaceAddress[] = [];
  #error: string | null = null;

  constructor(network: Pick<KernelNetwork, "links" | "addresses">, log: Logger) {
    this.#network = network;
    this.#log = log;
  }

  /** Why the last reading was refused; null when it was not. */
  get error(): string | null {
    return this.#error;
  }

  links(): readonly Link[] {
    return this.#read(() => (this.#links = this.#network.links()), this.#links);
  }

  addresses(): readonly InterfaceAddress[] {
    return this.#read(() => (this.#addresses = this.#network.addresses()), this.#addresses);
  }

  #read<T>(read: () => T, known: T): T {
    try {
      const value = read();
      this.#error = null;
      return value;
    } catch (error) {
      if (!(error instanceof NetlinkRefused)) throw error;
      if (error.message !== this.#error)
        emit(this.#log, "kernel.unreadable", { error: error.message }, "last facts kept");
      this.#error = error.message;
      return known;
    }
  }
}
