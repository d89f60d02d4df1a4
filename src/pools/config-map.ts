import type { Family } from "../addr/ip.ts";
import { type AddressRange, rangeOfBounds, rangeOfCidr, rangesOverlap } from "./ranges.ts";

/**
 * kube-vip's address pools: the data of the ConfigMap `kubevip`, whose keys end in a namespace or in `global`. A key or
 * a word that cannot be used costs itself alone; what is wrong with it is among the problems.
 */
export interface Pools {
  /** By key of the ConfigMap, such as `cidr-default`. */
  readonly pools: ReadonlyMap<string, Pool>;
  /** By namespace or "global": whether Services may share an IPv4 address. */
  readonly mayShare: ReadonlyMap<string, boolean>;
  /** By namespace or "global": the value of `kube-vip.io/serviceInterface`. */
  readonly interfaces: ReadonlyMap<string, string>;
  /** Addresses are given from the top. */
  readonly descending: boolean;
  readonly problems: readonly string[];
  /** Those of the problems that are about two pools, and harmless. */
  readonly overlaps: readonly string[];
}

export interface Pool {
  readonly key: string;
  /** In ascending order, without overlaps among each other. */
  readonly ranges: readonly AddressRange[];
}

const GLOBAL = "global";
const KEY = /^(cidr|range|allow-share|interface)-([a-z0-9]([-a-z0-9]*[a-z0-9])?)$/;
const DHCP = ["0.0.0.0/32", "0.0.0.0", "::/128", "::"];
const INTERFACE = /^(?!\.{1,2}$)[^\s/:]{1,15}$/;
/** A ConfigMap holds a megabyte; nobody has so many ranges, and each costs a comparison with each. */
const WORDS_MAX = 256;

export function parsePools(data: Readonly<Record<string, string>>): Pools {
  const problems: string[] = [];
  const pools = new Map<string, Pool>();
  const mayShare = new Map<string, boolean>();
  const interfaces = new Map<string, string>();
  const skipsEnds = readBool(data, "skip-end-ips-in-cidr", problems);
  const order = data["search-order"]?.trim();
  if (order !== undefined && !["", "asc", "desc"].includes(order))
    problems.push(`search-order: "${shown(order)}" is neither asc nor desc`);
  for (const [key, value] of Object.entries(data)) {
    if (key === "skip-end-ips-in-cidr" || key === "search-order") continue;
    const [, kind, place] = KEY.exec(key) ?? [];
    if (kind === undefined || place === undefined) {
      problems.push(
        `${shown(key)}: not a key of pools (cidr-, range-, allow-share- or interface- and a namespace or global)`,
      );
    } else if (kind === "allow-share") {
      mayShare.set(place, readBool(data, key, problems));
    } else if (kind === "interface") {
      if (INTERFACE.test(value.trim())) interfaces.set(place, value.trim());
      else problems.push(`${key}: "${shown(value)}" is not the name of an interface`);
    } else {
      pools.set(
        key,
        readPool(
          key,
          value,
          (word) => (kind === "cidr" ? rangeOfCidr(word, skipsEnds) : rangeOfBounds(word)),
          problems,
        ),
      );
    }
  }
  const crossing = overlaps([...pools.values()]);
  problems.push(...crossing);
  return { pools, mayShare, interfaces, descending: order === "desc", problems, overlaps: crossing };
}

function readPool(key: string, value: string, read: (word: string) => AddressRange | null, problems: string[]): Pool {
  const words = value
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
  if (words.length > WORDS_MAX)
    problems.push(`${key}: ${words.length} ranges, of which the first ${WORDS_MAX} are used`);
  const ranges: AddressRange[] = [];
  for (const word of words.slice(0, WORDS_MAX)) {
    if (DHCP.includes(word)) {
      problems.push(`${key}: ${word} asks for addresses by DHCP, which is not supported`);
      continue;
    }
    const range = read(word);
    if (range === null)
      problems.push(`${key}: "${shown(word)}" is not a ${key.startsWith("cidr") ? "CIDR" : "range FIRST-LAST"}`);
    else if (ranges.some((other) => rangesOverlap(other, range)))
      problems.push(`${key}: ${word} overlaps another range of it`);
    else ranges.push(range);
  }
  if (ranges.length === 0 && words.length === 0) problems.push(`${key}: names no address`);
  return { key, ranges: ranges.toSorted((a, b) => (a.first < b.first ? -1 : 1)) };
}

/** Harmless, since one allocator knows all: but a namespace may then run out because of another. */
function overlaps(pools: readonly Pool[]): string[] {
  return pools.flatMap((pool, at) =>
    pools
      .slice(at + 1)
      .filter((other) => pool.ranges.some((range) => other.ranges.some((it) => rangesOverlap(range, it))))
      .map((other) => `${pool.key} and ${other.key} overlap`),
  );
}

function readBool(data: Readonly<Record<string, string>>, key: string, problems: string[]): boolean {
  const value = data[key]?.trim().toLowerCase() ?? "";
  if (!["", "true", "false"].includes(value)) problems.push(`${key}: "${shown(value)}" is neither true nor false`);
  return value === "true";
}

const shown = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text);

/**
 * The pool of a namespace for a family, by kube-vip's order, in which a global CIDR comes before the namespace's own
 * range: the first key that is there and has addresses of the family.
 */
export function poolFor({ pools }: Pools, namespace: string, family: Family): Pool | null {
  for (const key of [`cidr-${namespace}`, `cidr-${GLOBAL}`, `range-${namespace}`, `range-${GLOBAL}`]) {
    const pool = pools.get(key);
    if (pool?.ranges.some((range) => range.family === family)) return pool;
  }
  return null;
}

export const settingFor = <T>(settings: ReadonlyMap<string, T>, namespace: string): T | undefined =>
  settings.get(namespace) ?? settings.get(GLOBAL);
