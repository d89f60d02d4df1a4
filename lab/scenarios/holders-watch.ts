import type { Lab } from "../lab.ts";
import { machineMillis } from "../machine-time.ts";
import type { WireClaim } from "../rack/claims.ts";
import type { Sample, Sampler } from "../rack/sampler.ts";
import {
  changesOfHands,
  type Holding,
  type HoldingSample,
  holdingsOf,
  longestOverlapMillis,
  overlapMillis,
} from "../report/holdings.ts";
import { LAN_INTERFACE, NODE_NAMES } from "../topology.ts";
import { SAMPLE_SPACING_MILLIS } from "./settings.ts";

/** Plays a story while `addresses` are watched, and concludes also when it breaks off: two holders are the likeliest reason. */
export async function whileWatched(
  lab: Lab,
  addresses: readonly string[],
  story: (lab: Lab, watch: HoldersWatch) => Promise<void>,
  conclude: (watch: HoldersWatch) => void,
): Promise<void> {
  const watch = new HoldersWatch(lab, addresses);
  try {
    await story(lab, watch);
  } finally {
    conclude(watch);
  }
}

/**
 * Watches addresses on the LAN without asking anybody's opinion: the address tables of the nodes' kernels, sampled, and
 * every claim on the wire, captured where the client is.
 */
export class HoldersWatch {
  readonly #lab: Lab;
  readonly #samples: ReadonlyMap<string, HoldingSample[]>;
  readonly #claims: ReadonlyMap<string, { readonly at: number; readonly host: string }[]>;
  readonly #kernels: readonly Sampler[];

  constructor(lab: Lab, addresses: readonly string[]) {
    this.#lab = lab;
    this.#samples = new Map(addresses.map((address) => [address, []]));
    this.#claims = new Map(addresses.map((address) => [address, []]));
    this.#kernels = NODE_NAMES.map((host) => lab.rack.sampleKernel(host, (sample) => this.#take(sample)));
    lab.rack.captureClaims("client", (claim) => this.#hear(claim));
  }

  /** Nodes whose kernel has the address now, in order. */
  on(address: string): string {
    return NODE_NAMES.filter((host) => this.#holds(address, host)).join(" ");
  }

  /** Whether each address is on exactly one node, and none of them on any of `without`. */
  eachOnOne(without: readonly string[] = []): true | string {
    for (const address of this.#samples.keys()) {
      const nodes = this.on(address);
      if (nodes === "" || nodes.includes(" ")) return `${address} on ${nodes === "" ? "no node" : nodes}`;
      if (without.includes(nodes)) return `${address} is still on ${nodes}`;
    }
    return true;
  }

  /**
   * From the first sample that shows the address on `host` until the first claim of it that was captured after the last
   * sample without it; negative when the claim was first. Null when one of them was not seen since `since`.
   */
  announcementMillis(address: string, host: string, since: number): number | null {
    const taken = this.#samples.get(address)?.find((one) => one.host === host && one.holds && one.at >= since);
    if (taken === undefined) return null;
    const claim = this.#claims.get(address)?.find((one) => one.host === host && one.at >= taken.previousAt);
    return claim === undefined ? null : claim.at - taken.at;
  }

  /** No address was ever on two nodes, nor claimed by two in turn. */
  expectOneHolder(): void {
    for (const [address, holdings] of this.#holdings()) {
      this.#lab.expect(`${address} on two nodes at once`, overlapMillis(holdings), "ms", { equals: 0 });
      const takeovers = changesOfHands(holdings.map(({ host }) => host));
      const claimants = this.#claims.get(address)!.map(({ host }) => host);
      this.#lab.expect(`${address} changes hands on the wire`, changesOfHands(claimants), "times", {
        atMost: takeovers,
      });
      this.#lab.note(`${address}: ${takeovers} takeovers, ${claimants.length} claims captured`);
      this.#lab.expect(`${address}: takeovers and claims were seen`, Math.min(takeovers, claimants.length), "", {
        atLeast: 1,
      });
    }
    this.#expectSpacing();
  }

  /** No address was on two nodes for longer, nor claimed by the one for longer after the other's first claim. */
  expectOverlap(boundMillis: number): void {
    let longest = 0;
    for (const [address, holdings] of this.#holdings()) {
      const overlap = longestOverlapMillis(holdings);
      if (overlap > 0) this.#lab.note(`${address} was on two nodes for ${Math.round(overlap)} ms`);
      longest = Math.max(longest, overlap);
    }
    this.#lab.expect("longest time with one address on two nodes", longest, "ms", { atMost: boundMillis });
    this.#expectSpacing();
  }

  *#holdings(): Generator<[string, readonly Holding[]]> {
    if (this.#lab.signal.aborted) return;
    const endedAt = machineMillis();
    for (const [address, samples] of this.#samples) {
      const holdings = holdingsOf(samples, () => endedAt);
      for (const { host, from, to } of holdings)
        this.#lab.note(`${host} had ${address} for ${Math.round(to - from)} ms`, to);
      yield [address, holdings];
    }
  }

  /** What was seen proves something only if it was looked at often enough. */
  #expectSpacing(): void {
    if (this.#lab.signal.aborted) return;
    const sorted = this.#kernels.flatMap((one) => one.spacings).toSorted((a, b) => a - b);
    this.#lab.expect(
      "time between two samples of the kernels, 99th percentile",
      sorted[Math.floor(sorted.length * 0.99)] ?? null,
      "ms",
      { atMost: SAMPLE_SPACING_MILLIS },
    );
  }

  #take({ host, at, previousAt, addresses }: Sample): void {
    for (const [address, samples] of this.#samples) {
      const holds = addresses.includes(`${LAN_INTERFACE} ${address}`);
      if (holds === this.#holds(address, host)) continue;
      samples.push({ host, at, previousAt, holds });
      this.#lab.note(`${host} ${holds ? "has" : "has no longer"} ${address}`, at);
    }
  }

  #hear({ at, address, mac }: WireClaim): void {
    const host = this.#lab.rack.namespaces.owners.get(mac) ?? mac;
    const claims = this.#claims.get(address);
    if (claims && claims.at(-1)?.host !== host) this.#lab.note(`${address} is claimed by ${host} on the wire`, at);
    claims?.push({ at, host });
  }

  #holds(address: string, host: string): boolean {
    return this.#samples.get(address)?.findLast((one) => one.host === host)?.holds ?? false;
  }
}
