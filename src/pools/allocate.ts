import { type Family, familyOf, type IpAddress } from "../addr/ip.ts";
import { type Pool, poolFor, type Pools, settingFor } from "./config-map.ts";
import { addressAt, firstFree, numberOf, sizeOf } from "./ranges.ts";

/** A Service of type LoadBalancer that this daemon serves, as far as pools are concerned. */
export interface Claimant {
  /** "namespace/name". */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  /** What it has or asks for: by annotation, or else by `spec.loadBalancerIP`. */
  readonly addresses: readonly IpAddress[];
  /** Whether its annotation names them. */
  readonly annotated: boolean;
  /** Whether it carries the label of kube-vip's cloud provider. */
  readonly labelled: boolean;
  /** An annotation that names no address is somebody's wish all the same: names, DHCP. */
  readonly asksForMore: boolean;
  /** In the order of `spec.ipFamilies`. */
  readonly families: readonly Family[];
  readonly familyPolicy: "SingleStack" | "PreferDualStack" | "RequireDualStack";
  /** Port numbers; protocols are not compared, as in kube-vip. */
  readonly ports: readonly number[];
}

export interface Assignment {
  readonly namespace: string;
  readonly name: string;
  readonly key: string;
  /** To be written: annotation and `spec.loadBalancerIP`. Null: only the label is missing. */
  readonly addresses: readonly IpAddress[] | null;
  readonly interfaceName: string | null;
}

export interface Usage {
  /** Key of the ConfigMap. */
  readonly pool: string;
  readonly family: Family;
  readonly used: number;
  /** Of IPv6 far more than a number holds. */
  readonly size: bigint;
}

export interface Allocation {
  readonly assignments: readonly Assignment[];
  /** Why a Service gets no address, by key. */
  readonly failures: ReadonlyMap<string, string>;
  /** Addresses that several Services have who may not share them. */
  readonly conflicts: readonly { readonly address: IpAddress; readonly services: readonly string[] }[];
  readonly usage: readonly Usage[];
}

/**
 * Gives an address to every Service that has none. What a Service has it keeps, wherever it comes from; two runs over
 * the same Services give the same addresses, and no address is given twice.
 */
export function allocate(pools: Pools, services: Iterable<Claimant>): Allocation {
  const all = [...services].toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const book = new Book(pools, all);
  const assignments: Assignment[] = [];
  const failures = new Map<string, string>();
  for (const service of all) {
    const { key, namespace, name } = service;
    const base = { key, namespace, name, interfaceName: null };
    if (service.asksForMore) continue;
    if (service.addresses.length > 0) {
      if (!service.annotated) assignments.push({ ...base, addresses: service.addresses });
      else if (!service.labelled) assignments.push({ ...base, addresses: null });
      continue;
    }
    const given = book.give(service);
    if (typeof given === "string") failures.set(key, given);
    else
      assignments.push({ ...base, addresses: given, interfaceName: settingFor(pools.interfaces, namespace) ?? null });
  }
  return { assignments, failures, conflicts: book.conflicts(all), usage: book.usage() };
}

interface User {
  readonly key: string;
  readonly namespace: string;
  readonly ports: readonly number[];
}

/** Who has which address, while addresses are given. */
class Book {
  readonly #pools: Pools;
  readonly #users = new Map<IpAddress, User[]>();
  /** Addresses before this are known to be taken, by pool and range: giving thousands must not begin anew each time. */
  readonly #searched = new Map<string, bigint>();

  constructor(pools: Pools, services: readonly Claimant[]) {
    this.#pools = pools;
    for (const service of services) for (const address of service.addresses) this.#take(address, service);
  }

  /** @returns the reason when there is none */
  give(service: Claimant): readonly IpAddress[] | string {
    const { families, familyPolicy } = service;
    const wanted = familyPolicy === "SingleStack" ? families.slice(0, 1) : families;
    const given: IpAddress[] = [];
    const reasons: string[] = [];
    for (const family of wanted) {
      const one = this.#find(service, family);
      if (one.includes(" ")) reasons.push(one);
      else given.push(one as IpAddress);
    }
    const isEnough =
      familyPolicy === "RequireDualStack" ? reasons.length === 0 && given.length === 2 : given.length > 0;
    if (!isEnough) {
      const dual = familyPolicy === "RequireDualStack" && wanted.length < 2 ? ["spec.ipFamilies names one family"] : [];
      return [...reasons, ...dual].join("; ");
    }
    for (const address of given) this.#take(address, service);
    return given;
  }

  /** An address, or a sentence that says why there is none. */
  #find(service: Claimant, family: Family): string {
    const pool = poolFor(this.#pools, service.namespace, family);
    if (pool === null) return `no pool of namespace ${service.namespace} or global has IPv${family} addresses`;
    const shared = family === 4 ? this.#shared(service, pool) : null;
    if (shared !== null) return shared;
    const ranges = pool.ranges.filter((range) => range.family === family);
    const { descending } = this.#pools;
    for (const range of descending ? ranges.toReversed() : ranges) {
      const at = `${pool.key} ${range.first}`;
      const isFree = (number: bigint): boolean => !this.#users.has(addressAt(family, number));
      const found = firstFree(range, this.#searched.get(at) ?? null, isFree, descending);
      this.#searched.set(at, found ?? (descending ? range.first - 1n : range.last + 1n));
      if (found !== null) return addressAt(family, found);
    }
    const size = ranges.reduce((sum, range) => sum + sizeOf(range), 0n);
    return `pool ${pool.key} is exhausted: all ${size} IPv${family} addresses are taken`;
  }

  /** The first address of the pool whose Services all may share it and have none of these ports. */
  #shared(service: Claimant, pool: Pool): IpAddress | null {
    const { mayShare } = this.#pools;
    if (service.ports.length === 0 || settingFor(mayShare, service.namespace) !== true) return null;
    let best: IpAddress | null = null;
    for (const [address, users] of this.#users) {
      if (familyOf(address) !== 4 || !isIn(pool, address)) continue;
      const isOpen = users.every(
        (user) =>
          settingFor(mayShare, user.namespace) === true &&
          user.ports.length > 0 &&
          !user.ports.some((port) => service.ports.includes(port)),
      );
      if (isOpen && (best === null || numberOf(address) < numberOf(best) !== this.#pools.descending)) best = address;
    }
    return best;
  }

  #take(address: IpAddress, { key, namespace, ports }: Claimant): void {
    const users = this.#users.get(address);
    if (users) users.push({ key, namespace, ports });
    else this.#users.set(address, [{ key, namespace, ports }]);
  }

  conflicts(services: readonly Claimant[]): Allocation["conflicts"] {
    const known = new Set(services.flatMap(({ addresses }) => addresses));
    return [...known].flatMap((address) => {
      const users = this.#users.get(address) ?? [];
      const seen = new Set<number>();
      const clashes = users.some(({ ports }) => {
        const isClash = ports.length === 0 || ports.some((port) => seen.has(port));
        for (const port of ports) seen.add(port);
        return isClash;
      });
      return users.length > 1 && clashes ? [{ address, services: users.map(({ key }) => key) }] : [];
    });
  }

  usage(): readonly Usage[] {
    return [...this.#pools.pools.values()].flatMap((pool) =>
      ([4, 6] as const).flatMap((family): Usage[] => {
        const ranges = pool.ranges.filter((range) => range.family === family);
        if (ranges.length === 0) return [];
        let used = 0;
        for (const address of this.#users.keys()) if (familyOf(address) === family && isIn(pool, address)) used++;
        return [{ pool: pool.key, family, used, size: ranges.reduce((sum, range) => sum + sizeOf(range), 0n) }];
      }),
    );
  }
}

function isIn({ ranges }: Pool, address: IpAddress): boolean {
  const [family, number] = [familyOf(address), numberOf(address)];
  return ranges.some((range) => range.family === family && range.first <= number && number <= range.last);
}
