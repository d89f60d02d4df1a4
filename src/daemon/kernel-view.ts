import type { Logger } from "pino";
import {
  type AddressToAdd,
  type InterfaceAddress,
  type KernelNetwork,
  type Link,
  NetlinkRefused,
} from "../ports/network.ts";
import { emit } from "../telemetry/events.ts";

/**
 * The kernel's links and addresses, and what was last known of them while it refuses to say (it is out of buffers,
 * say). A plan from facts of a moment ago is worth more than none: routes must go when a Lease is lost.
 */
export class KernelView {
  readonly #network: Pick<KernelNetwork, "links" | "addresses">;
  readonly #log: Logger;
  #links: readonly Link[] | null = null;
  #addresses: readonly InterfaceAddress[] | null = null;
  #error: string | null = null;

  constructor(network: Pick<KernelNetwork, "links" | "addresses">, log: Logger) {
    this.#network = network;
    this.#log = log;
  }

  /** Why the last reading was refused; null when it was not. */
  get error(): string | null {
    return this.#error;
  }

  /** Whether what it gives was ever true. */
  get isKnown(): boolean {
    return this.#links !== null && this.#addresses !== null;
  }

  links(): readonly Link[] {
    return this.#read(() => (this.#links = this.#network.links()), this.#links ?? []);
  }

  addresses(): readonly InterfaceAddress[] {
    return this.#read(() => (this.#addresses = this.#network.addresses()), this.#addresses ?? []);
  }

  /** Ours, since the last reading: it has to be taken away also when there is no other. */
  added({ interfaceIndex, address, prefixLength }: AddressToAdd): void {
    const held: InterfaceAddress = { interfaceIndex, address, prefixLength, owned: true, tentative: false };
    this.#addresses = [...(this.#addresses ?? []).filter((it) => !isSamePlace(it, held)), held];
  }

  removed(gone: Pick<InterfaceAddress, "interfaceIndex" | "address">): void {
    this.#addresses = (this.#addresses ?? []).filter((it) => !isSamePlace(it, gone));
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

type Place = Pick<InterfaceAddress, "interfaceIndex" | "address">;
const isSamePlace = (one: Place, other: Place): boolean =>
  one.interfaceIndex === other.interfaceIndex && one.address === other.address;
