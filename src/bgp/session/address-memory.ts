import type { IpAddress } from "../../addr/ip.ts";
import { Instant } from "../../base/time.ts";

/** How long an answer about an address of this host is good for, and how many are kept: next hops are few. */
const MILLIS = 1000;
const COUNT_MAX = 1000;

/** Asks the host about an address once, and not for each of the routes that have it as their next hop. */
export class AddressMemory {
  readonly #ask: (address: IpAddress) => boolean;
  readonly #answers = new Map<IpAddress, boolean>();
  #until: Instant | null = null;

  constructor(ask: (address: IpAddress) => boolean) {
    this.#ask = ask;
  }

  /** To be called before a batch of questions. */
  refresh(now: Instant): void {
    if (this.#until !== null && now < this.#until && this.#answers.size < COUNT_MAX) return;
    this.#answers.clear();
    this.#until = Instant.add(now, MILLIS);
  }

  readonly is = (address: IpAddress): boolean => {
    const known = this.#answers.get(address);
    if (known !== undefined) return known;
    const answer = this.#ask(address);
    this.#answers.set(address, answer);
    return answer;
  };
}
