import type { Logger } from "pino";
import type { IpAddress } from "../addr/ip.ts";
import { type InterfaceAddress, type KernelNetwork, NetlinkRefused } from "../ports/network.ts";
import { emit } from "../telemetry/events.ts";
import type { AddressPlan } from "../vip/plan.ts";
import type { KernelView } from "./kernel-view.ts";
import type { AddressLifetimes } from "./address-lifetimes.ts";

/**
 * Makes the VIPs on this machine's interfaces equal to the plan. It begins each time with what the kernel says, so it
 * also puts back what a link flap took, and removes what an earlier run left. Foreign addresses are never touched: a
 * VIP that somebody else put there is left as it is.
 */
export class AddressConverger {
  readonly #network: KernelNetwork;
  readonly #kernel: Pick<KernelView, "addresses" | "added" | "removed">;
  readonly #log: Logger;
  readonly #lifetimes: Pick<AddressLifetimes, "secondsFor">;
  /** Why an address could not be added or removed, by address; logged when it changes. */
  readonly #failures = new Map<IpAddress, string>();

  /** @param kernel  what to read the addresses from: as `network`, but never refusing */
  constructor(
    network: KernelNetwork,
    kernel: Pick<KernelView, "addresses" | "added" | "removed">,
    log: Logger,
    lifetimes: Pick<AddressLifetimes, "secondsFor"> = FOR_EVER,
  ) {
    this.#network = network;
    this.#kernel = kernel;
    this.#log = log;
    this.#lifetimes = lifetimes;
  }

  get failures(): ReadonlyMap<IpAddress, string> {
    return this.#failures;
  }

  /** Puts every wanted address where it belongs. */
  add(wanted: ReadonlyMap<IpAddress, AddressPlan>): void {
    const present = new Map(this.#kernel.addresses().map((it) => [placeOf(it), it]));
    for (const address of this.#failures.keys()) if (!wanted.has(address)) this.#failures.delete(address);
    for (const plan of wanted.values()) {
      const found = present.get(placeOf(plan));
      if (found && (!found.owned || found.prefixLength === plan.prefixLength)) {
        this.#failures.delete(plan.address);
        continue;
      }
      this.#attempt(plan.address, () => {
        if (found) this.#network.removeAddress(found);
        // Asked here and not in the plan: the process may have been stopped since that was made.
        const validSeconds = this.#lifetimes.secondsFor(plan);
        if (validSeconds === 0) return;
        this.#network.addAddress({ ...plan, validSeconds });
        this.#kernel.added(plan);
        emit(
          this.#log,
          "address.added",
          { address: plan.address, interfaceIndex: plan.interfaceIndex },
          "address added",
        );
      });
    }
  }

  /** Removes every address of ours that is not wanted, and those on another interface than wanted. */
  remove(wanted: ReadonlyMap<IpAddress, AddressPlan>): void {
    for (const it of this.#kernel.addresses()) {
      if (!it.owned || wanted.get(it.address)?.interfaceIndex === it.interfaceIndex) continue;
      this.#attempt(it.address, () => {
        this.#network.removeAddress(it);
        this.#kernel.removed(it);
        const { address, interfaceIndex } = it;
        emit(this.#log, "address.removed", { address, interfaceIndex }, "address removed");
      });
    }
  }

  /** Our addresses on interfaces, as the kernel has them now. */
  owned(): readonly InterfaceAddress[] {
    return this.#kernel.addresses().filter((it) => it.owned);
  }

  #attempt(address: IpAddress, change: () => void): void {
    try {
      change();
      this.#failures.delete(address);
    } catch (error) {
      if (!(error instanceof NetlinkRefused)) throw error;
      if (this.#failures.get(address) !== error.message) {
        emit(this.#log, "address.failed", { address, error: error.message }, "address could not be changed");
      }
      this.#failures.set(address, error.message);
    }
  }
}

const FOR_EVER = { secondsFor: () => null };

const placeOf = ({ address, interfaceIndex }: Pick<InterfaceAddress, "address" | "interfaceIndex">): string =>
  `${interfaceIndex} ${address}`;
