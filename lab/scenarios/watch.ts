import type { Lab } from "../lab.ts";
import { machineMillis } from "../machine-time.ts";
import type { LeaseSample, Sample, Sampler } from "../rack/sampler.ts";
import { type Holding, type HoldingSample, holdingsOf, overlapMillis } from "../report/holdings.ts";
import { type Address, NODE_NAMES } from "../topology.ts";
import { SAMPLE_SPACING_MILLIS } from "./settings.ts";

/**
 * Watches one elected VIP from all sides: the kernels of the nodes that may hold it, the kernel of the router that
 * sends traffic to it, the client's neighbour table, and the Lease. Everything that changes goes to the timeline.
 */
export class VipWatch {
  readonly #lab: Lab;
  /** The address of either family; a node holds them together, but each is judged by itself. */
  readonly #vips: readonly string[];
  /** On which interface the VIP counts as held: on `lo` every node of an ECMP set may have it. */
  readonly #interfaceName: string;
  /** Changes of who holds it, by address. */
  readonly #samples: ReadonlyMap<string, HoldingSample[]>;
  readonly #leases: LeaseSample[] = [];
  readonly #powerLostAt = new Map<string, number>();
  readonly #kernels: readonly Sampler[];
  readonly #leaseReader: Sampler;
  #nextHopsMost = 0;
  #neighbour = "";

  constructor(lab: Lab, { vip, lease, interfaceName }: { vip: Address; lease: string; interfaceName: string }) {
    this.#lab = lab;
    this.#vips = [vip.v4, vip.v6];
    this.#samples = new Map(this.#vips.map((address) => [address, []]));
    this.#interfaceName = interfaceName;
    this.#kernels = [...NODE_NAMES, "client"].map((host) =>
      lab.rack.sampleKernel(host, (sample) => this.#take(sample)),
    );
    this.#leaseReader = lab.rack.sampleLease(lease, (sample) => {
      this.#leases.push(sample);
      lab.note(`Lease ${lease}: ${sample.holder === "" ? "nobody's" : `held by ${sample.holder}`}`, sample.at);
    });
    lab.onRoute((changed, nodes) => {
      if (this.#vips.includes(changed))
        this.#nextHopsMost = Math.max(this.#nextHopsMost, nodes === "" ? 0 : nodes.split(" ").length);
    });
  }

  /** Holder by the Lease. */
  get holder(): string {
    return this.#leases.at(-1)?.holder ?? "";
  }

  /** Nodes that have the VIP now, of whichever family. */
  get addressOn(): string {
    return NODE_NAMES.filter((name) => !this.#powerLostAt.has(name))
      .filter((name) => this.#vips.some((address) => this.#holds(address, name)))
      .join(" ");
  }

  /** Node whose MAC the client's neighbour table has for the VIP. */
  get neighbour(): string {
    return this.#neighbour;
  }

  powerLost(host: string): void {
    this.#powerLostAt.set(host, machineMillis());
  }

  /** What a node held before does not count as held now: it boots without. */
  powerBack(host: string): void {
    const at = this.#powerLostAt.get(host) ?? machineMillis();
    for (const samples of this.#samples.values()) samples.push({ host, at, previousAt: at, holds: false });
    this.#powerLostAt.delete(host);
  }

  /** Waits until another node than `previous` has the Lease. */
  async newHolder(previous: string, boundMillis: number, since: number): Promise<string> {
    await this.#lab.within(
      "another node has the Lease",
      boundMillis,
      () => {
        return (
          (this.holder !== "" && this.holder !== previous) || `holder ${this.holder === "" ? "nobody" : this.holder}`
        );
      },
      since,
    );
    return this.holder;
  }

  /** Demands that nothing was ever held twice. */
  conclude(): void {
    if (this.#lab.signal.aborted) return;
    const endedAt = machineMillis();
    const lab = this.#lab;
    for (const [address, samples] of this.#samples) {
      const holdings = holdingsOf(samples, (host) => this.#powerLostAt.get(host) ?? endedAt);
      for (const { host, from, to } of holdings) {
        lab.note(`${host} had ${address} on ${this.#interfaceName} for ${Math.round(to - from)} ms`, to);
      }
      lab.expect(`${address} on two nodes at once`, overlapMillis(holdings), "ms", { equals: 0 });
      lab.expect(`${address} on a node while another had the Lease`, this.#besideLease(holdings), "times", {
        equals: 0,
      });
    }
    lab.expect("most next hops of the VIP in the router's kernel at once", this.#nextHopsMost, "", { atMost: 1 });
    for (const [what, spacings] of [
      ["the kernels", this.#kernels.flatMap((one) => one.spacings)],
      ["the Lease", this.#leaseReader.spacings],
    ] as const) {
      const sorted = spacings.toSorted((a, b) => a - b);
      const spacing = sorted[Math.floor(sorted.length * 0.99)] ?? null;
      lab.expect(`time between two samples of ${what}, 99th percentile`, spacing, "ms", {
        atMost: SAMPLE_SPACING_MILLIS,
      });
      lab.note(`${sorted.length} samples of ${what}, at most ${sorted.at(-1)} ms apart`);
    }
  }

  #besideLease(holdings: readonly Holding[]): number {
    return this.#leases
      .filter(({ holder }) => holder !== "")
      .filter(({ at, holder }) => holdings.some((one) => one.host !== holder && one.from <= at && one.to > at)).length;
  }

  #take({ host, at, previousAt, addresses, neighbours }: Sample): void {
    const { owners } = this.#lab.rack.namespaces;
    const named = (address: string): string => owners.get(address) ?? address;
    if (NODE_NAMES.some((name) => name === host)) {
      for (const [address, samples] of this.#samples) {
        const holds = addresses.includes(`${this.#interfaceName} ${address}`);
        if (holds === this.#holds(address, host)) continue;
        samples.push({ host, at, previousAt, holds });
        this.#lab.note(`${host} ${holds ? "has" : "has no longer"} ${address} on ${this.#interfaceName}`, at);
      }
    } else {
      const entry = neighbours.find((one) => this.#vips.some((address) => one.startsWith(`${address} `)));
      const [address, mac = ""] = entry?.split(" ") ?? [];
      if (mac === "" || named(mac) === this.#neighbour) return;
      this.#neighbour = named(mac);
      this.#lab.note(`client's neighbour entry: ${address} is at ${mac} (${this.#neighbour})`, at);
    }
  }

  #holds(address: string, host: string): boolean {
    return this.#samples.get(address)?.findLast((one) => one.host === host)?.holds ?? false;
  }
}
