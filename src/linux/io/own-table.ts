import { constants } from "node:os";
import { NetlinkRefused } from "../../ports/network.ts";
import type { NftChange } from "../wire/nftables.ts";
import { SystemError } from "./ffi.ts";
import { Nftables } from "./nftables.ts";

/** One table of family inet that is ours alone. It is changed by replacing it, in one batch. */
export class OwnTable {
  readonly #name: string;
  readonly #what: string;
  #nftables: Nftables | null = null;
  #generation: number | null = null;

  /** @param what  for messages */
  constructor(name: string, what: string) {
    this.#name = name;
    this.#what = what;
  }

  /** @param content  chains, sets and rules of the table @throws NetlinkRefused, and then nothing has changed */
  replace(content: readonly NftChange[]): void {
    const nftables = this.#open();
    nftables.apply(this.#what, "inet", [
      // Deleting what is not there is an error, adding what is there is not.
      { do: "add-table", table: this.#name },
      { do: "delete-table", table: this.#name },
      { do: "add-table", table: this.#name },
      ...content,
    ]);
    this.#generation = nftables.generation();
  }

  /** No error when it is not there. @throws NetlinkRefused */
  remove(): void {
    let nftables: Nftables;
    try {
      nftables = this.#open();
    } catch (error) {
      // Without the right to look nothing can have been put there either.
      if (error instanceof NetlinkRefused && error.errno === constants.errno.EPERM) return;
      throw error;
    }
    this.#generation = null;
    if (!nftables.hasTable("inet", this.#name)) return;
    nftables.apply(this.#what, "inet", [{ do: "delete-table", table: this.#name }]);
  }

  /** Whether somebody else has taken away what `replace` made. */
  isGone(): boolean {
    if (this.#generation === null || this.#nftables === null) return false;
    const now = this.#nftables.generation();
    if (now === this.#generation) return false;
    if (!this.#nftables.hasTable("inet", this.#name)) return true;
    // Somebody changed other rules.
    this.#generation = now;
    return false;
  }

  close(): void {
    this.#nftables?.close();
    this.#nftables = null;
  }

  #open(): Nftables {
    try {
      this.#nftables ??= new Nftables();
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      throw new NetlinkRefused(this.#what, constants.errno.EPERM, `${error.message}: it takes NET_ADMIN`);
    }
    return this.#nftables;
  }
}
