import type { Lab } from "../lab.ts";
import { machineMillis } from "../machine-time.ts";
import type { LeaseSample, Sample, Sampler } from "../rack/sampler.ts";
import { type Holding, type HoldingSample, holdingsOf, overlapMillis } from "../report/holdings.ts";
import { NODE_NAMES } from "../topology.ts";
import { SAMPLE_SPACING_MILLIS } from "./settings.ts";

/**
 * Watches one elected VIP from all sides: the kernels of the nodes that may hold it, the kernel of the router that
 * sends traffic to it, the client's neighbour table, and the Lease. Everything that changes goes to the timeline.
 */
export class VipWatch {
  readonly #lab: Lab;
  readonly #vip: string;
  /** On which interface the VIP counts as held: on `lo` every node of an ECMP set may have it. */
  readonly #interfaceName: string;
  readonly #samples: HoldingSample[] = [];
  readonly #leases: LeaseSample[] = [];
  readonly #powerLostAt = new Map<string, number>();
  readonly #kernels: readonly Sampler[];
  readonly #leaseReader: Sampler;
  #nextHopsMost = 0;
  #neighbour = "";

  constructor(lab: Lab, { vip, lease, interfaceName }: { vip: string; lease: string; interfaceName: string }) {
    this.#lab = lab;
    this.#vip = vip;
    this.#interfaceName = interfaceName;
    this.#kernels = [...NODE_NAMES, "client"].map((host) =>
      lab.rack.sampleKernel(host, (sample) => this.#take(sample)),
    );
    this.#leaseReader = lab.rack.sampleLease(lease, (sample) => {
      this.#leases.push(sample);
      lab.note(`Lease ${lease}: ${sample.holder === "" ? "nobody's" : `held by ${sample.holder}`}`, sample.at);
    });
    lab.onRoute((changed, nodes) => {
      if (changed === vip)
        this.#nextHopsMost = Math.max(this.#nextHopsMost, nodes === "" ? 0 : nodes.split(" ").length);
    });
  }

  /** Holder by the Lease. */
  get holder(): string {
    return this.#leases.at(-1)?.holder ?? "";
  }

  /** Nodes that have the address now. */
  get addressOn(): string {
    return NODE_NAMES.filter((name) => this.#samples.findLast(({ host }) => host === name)?.holds === true)
      .filter((name) => !this.#powerLostAt.has(name))
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
    this.#samples.push({ host, at, previousAt: at, holds: false });
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
    const endedAt = machineMillis();
    const holdings = holdingsOf(this.#samples, (host) => this.#powerLostAt.get(host) ?? endedAt);
    const lab = this.#lab;
    for (const { host, from, to } of holdings) {
      lab.note(`${host} had ${this.#vip} on ${this.#interfaceName} for ${Math.round(to - from)} ms`, to);
    }
    lab.expect(`${this.#vip} on two nodes at once`, overlapMillis(holdings), "ms", { equals: 0 });
    lab.expect(`${this.#vip} on a node while another had the Lease`, this.#besideLease(holdings), "times", {
      equals: 0,
    });
    lab.expect(`most next hops of ${this.#vip} in the router's kernel at once`, this.#nextHopsMost, "", { atMost: 1 });
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
      const holds = addresses.includes(`${this.#interfaceName} ${this.#vip}`);
      const before = this.#samples.findLast((one) => one.host === host)?.holds ?? false;
      if (holds === before) return;
      this.#samples.push({ host, at, previousAt, holds });
      this.#lab.note(`${host} ${holds ? "has" : "has no longer"} ${this.#vip} on ${this.#interfaceName}`, at);
    } else {
      const mac = neighbours.find((one) => one.startsWith(`${this.#vip} `))?.split(" ")[1] ?? "";
      if (mac === "" || named(mac) === this.#neighbour) return;
      this.#neighbour = named(mac);
      this.#lab.note(`client's neighbour entry: ${this.#vip} is at ${mac} (${this.#neighbour})`, at);
    }
  }
}
