import type { Lab } from "../lab.ts";
import { machineMillis } from "../machine-time.ts";
import type { Sample, Sampler } from "../rack/sampler.ts";
import { type Holding, type HoldingSample, holdingsOf, overlapMillis } from "../report/holdings.ts";
import { NODE_NAMES } from "../topology.ts";
import { SAMPLE_SPACING_MILLIS } from "./settings.ts";

interface LeaseSample {
  readonly at: number;
  /** Empty when it was released or has not been made. */
  readonly holder: string;
}

/** Time between two readings of the Lease. */
const LEASE_INTERVAL_MILLIS = 20;

/**
 * Watches one elected VIP from all sides: the kernels of the nodes that may hold it, the kernel of the router that
 * sends traffic to it, the client's neighbour table, and the Lease. Everything that changes goes to the timeline.
 */
export class VipWatch {
  readonly #lab: Lab;
  readonly #vip: string;
  readonly #lease: string;
  /** On which interface the VIP counts as held: on `lo` every node of an ECMP set may have it. */
  readonly #interfaceName: string;
  readonly #samples: HoldingSample[] = [];
  readonly #leases: LeaseSample[] = [];
  readonly #powerLostAt = new Map<string, number>();
  readonly #sampler: Sampler;
  #leaseSpacingMillis = 0;
  #nextHops = "";
  #nextHopsMost = 0;
  #neighbour = "";
  #watching = true;
  #leaseReader: Promise<void>;

  constructor(lab: Lab, { vip, lease, interfaceName }: { vip: string; lease: string; interfaceName: string }) {
    this.#lab = lab;
    this.#vip = vip;
    this.#lease = lease;
    this.#interfaceName = interfaceName;
    this.#sampler = lab.rack.sample([...NODE_NAMES, "router", "client"], (sample) => this.#take(sample));
    this.#leaseReader = this.#readLeases();
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
    await this.#lab.within("another node has the Lease", boundMillis, () => {
      return (this.holder !== "" && this.holder !== previous) || `holder ${this.holder === "" ? "nobody" : this.holder}`;
    }, since);
    return this.holder;
  }

  /** Ends the watch and demands that nothing was ever held twice. */
  async conclude(): Promise<void> {
    const endedAt = machineMillis();
    this.#watching = false;
    await this.#leaseReader;
    const holdings = holdingsOf(this.#samples, (host) => this.#powerLostAt.get(host) ?? endedAt);
    const lab = this.#lab;
    for (const { host, from, to } of holdings) {
      lab.note(`${host} had ${this.#vip} on ${this.#interfaceName} for ${Math.round(to - from)} ms`, from);
    }
    lab.expect(`${this.#vip} on two nodes at once`, overlapMillis(holdings), "ms", { equals: 0 });
    lab.expect(`${this.#vip} on a node while another had the Lease`, this.#besideLease(holdings), "samples", { equals: 0 });
    lab.expect(`most next hops of ${this.#vip} in the router's kernel at once`, this.#nextHopsMost, "", { atMost: 1 });
    lab.expect("longest time between two samples of a kernel", this.#sampler.spacingMillis, "ms", {
      atMost: SAMPLE_SPACING_MILLIS,
    });
    lab.expect("longest time between two samples of the Lease", this.#leaseSpacingMillis, "ms", {
      atMost: SAMPLE_SPACING_MILLIS,
    });
    lab.note(`${this.#sampler.samples} samples of kernels, ${this.#leases.length} changes of the Lease`);
  }

  #besideLease(holdings: readonly Holding[]): number {
    return this.#leases
      .filter(({ holder }) => holder !== "")
      .filter(({ at, holder }) => holdings.some((one) => one.host !== holder && one.from <= at && one.to > at)).length;
  }

  #take({ host, at, previousAt, addresses, routes, neighbours }: Sample): void {
    const { owners } = this.#lab.rack.namespaces;
    const named = (address: string): string => owners.get(address) ?? address;
    if (NODE_NAMES.some((name) => name === host)) {
      const holds = addresses.includes(`${this.#interfaceName} ${this.#vip}`);
      const before = this.#samples.findLast((one) => one.host === host)?.holds ?? false;
      if (holds === before) return;
      this.#samples.push({ host, at, previousAt, holds });
      this.#lab.note(`${host} ${holds ? "has" : "has no longer"} ${this.#vip} on ${this.#interfaceName}`, at);
    } else if (host === "router") {
      const [, ...hops] = (routes.find((route) => route.startsWith(`${this.#vip}/`)) ?? "").split(" ");
      this.#nextHopsMost = Math.max(this.#nextHopsMost, hops.length);
      const text = hops.map(named).join(" ");
      if (text === this.#nextHops) return;
      this.#nextHops = text;
      this.#lab.note(`router's kernel: ${this.#vip} ${text === "" ? "has no next hop" : `goes to ${text}`}`, at);
    } else {
      const mac = neighbours.find((one) => one.startsWith(`${this.#vip} `))?.split(" ")[1] ?? "";
      if (mac === "" || named(mac) === this.#neighbour) return;
      this.#neighbour = named(mac);
      this.#lab.note(`client's neighbour entry: ${this.#vip} is at ${mac} (${this.#neighbour})`, at);
    }
  }

  async #readLeases(): Promise<void> {
    let lastAt = machineMillis();
    while (this.#watching && !this.#lab.signal.aborted) {
      const lease = await this.#lab.rack.cluster.lease(this.#lease).catch(() => undefined);
      const at = machineMillis();
      if (lease !== undefined) {
        this.#leaseSpacingMillis = Math.max(this.#leaseSpacingMillis, at - lastAt);
        lastAt = at;
        const holder = lease?.holder ?? "";
        if (holder !== this.holder) {
          this.#leases.push({ at, holder });
          this.#lab.note(`Lease ${this.#lease}: ${holder === "" ? "released" : `held by ${holder}`}`, at);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, LEASE_INTERVAL_MILLIS));
    }
  }
}
