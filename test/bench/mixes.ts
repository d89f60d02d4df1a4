import { ip, type Ipv4, type Ipv6 } from "../../src/addr/ip.ts";
import { hostPrefix, type Prefix, prefixOf } from "../../src/addr/prefix.ts";
import { Asn } from "../../src/bgp/wire/asn.ts";
import type { AddressFamily } from "../../src/bgp/wire/families.ts";
import { encodeMessage } from "../../src/bgp/wire/message.ts";
import type { PathAttributes, UpdateContext } from "../../src/bgp/wire/path-attributes.ts";

export const SESSION: UpdateContext = {
  fourOctetAs: true,
  external: true,
  families: ["ipv4-unicast", "ipv6-unicast"],
};

/** Messages one after the other, as TCP delivers them. */
export interface Mix {
  readonly name: string;
  readonly stream: Uint8Array;
  readonly messageCount: number;
  readonly prefixCount: number;
  /** Of few prefixes each. */
  readonly isSmall: boolean;
}

/** The same numbers in each run: figures of two runs are of the same octets. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 0x1_0000_0000) * below);
  };
}

/** Four to eight attributes: three that are always there, and of five others at least one. */
function attributes(pick: (below: number) => number): PathAttributes {
  const asPath = Array.from({ length: 1 + pick(5) }, () => Asn.of(64_512 + pick(1000)));
  const communities = Array.from({ length: 1 + pick(6) }, () => 0xfde8_0000 + pick(0x1_0000));
  return {
    origin: pick(3),
    asPath,
    communities,
    ...(pick(2) === 0 ? {} : { med: pick(1000) }),
    ...(pick(3) > 0 ? {} : { largeCommunities: [[4_200_000_000, pick(100), pick(100)]] as const }),
    ...(pick(4) > 0 ? {} : { extendedCommunities: [0x0002_fde8_0000_0000n + BigInt(pick(1000))] }),
    ...(pick(6) > 0 ? {} : { aggregator: { asn: asPath[0]!, address: ip("10.0.0.9") as Ipv4 } }),
  };
}

function prefix(family: AddressFamily, pick: (below: number) => number): Prefix {
  if (family === "ipv4-unicast") {
    const address = ip(`${11 + pick(100)}.${pick(256)}.${pick(256)}.${pick(256)}`);
    return pick(2) === 0 ? hostPrefix(address) : prefixOf(address, 16 + pick(9));
  }
  const group = (): string => pick(0x1_0000).toString(16);
  const address = ip(`2001:db8:${group()}:${group()}::${group()}`);
  return pick(2) === 0 ? hostPrefix(address) : prefixOf(address, 32 + pick(33));
}

function update(family: AddressFamily, prefixes: readonly Prefix[], pick: (below: number) => number): Uint8Array {
  const common = attributes(pick);
  const body = { type: "update", withdrawn: [], opaque: [], nlri: [] } as const;
  if (family === "ipv4-unicast") {
    const nextHop = ip("10.0.0.2") as Ipv4;
    return encodeMessage({ ...body, attributes: { ...common, nextHop }, nlri: prefixes }, SESSION);
  }
  const mpReach = { family, nextHop: ip("2001:db8::2"), linkLocal: ip("fe80::2") as Ipv6, prefixes };
  return encodeMessage({ ...body, attributes: { ...common, mpReach } }, SESSION);
}

function mix(
  name: string,
  isSmall: boolean,
  count: number,
  make: (at: number) => readonly [octets: Uint8Array, prefixCount: number],
): Mix {
  const made = Array.from({ length: count }, (_, at) => make(at));
  return {
    name,
    stream: Buffer.concat(made.map(([octets]) => octets)),
    messageCount: count,
    isSmall,
    prefixCount: made.reduce((sum, [, prefixCount]) => sum + prefixCount, 0),
  };
}

function small(name: string, families: readonly AddressFamily[]): Mix {
  const pick = numbers(7);
  return mix(name, true, 4000, (at) => {
    const family = families[at % families.length]!;
    const prefixes = Array.from({ length: 1 + pick(8) }, () => prefix(family, pick));
    return [update(family, prefixes, pick), prefixes.length];
  });
}

/** As many host routes as 4096 octets hold. */
function full(name: string, family: AddressFamily): Mix {
  const pick = numbers(11);
  const count = family === "ipv4-unicast" ? 770 : 225;
  return mix(name, false, 40, (at) => {
    const host = (i: number): string =>
      family === "ipv4-unicast" ? `10.${at}.${i >> 8}.${i & 255}` : `2001:db8:${at + 1}::${(i + 1).toString(16)}`;
    const prefixes = Array.from({ length: count }, (_, i) => hostPrefix(ip(host(i))));
    return [update(family, prefixes, pick), count];
  });
}

/** Lazily: each costs a moment to make. */
export const MIXES: readonly (() => Mix)[] = [
  () => small("small UPDATEs, IPv4", ["ipv4-unicast"]),
  () => small("small UPDATEs, IPv6", ["ipv6-unicast"]),
  () => small("small UPDATEs, IPv4 and IPv6", ["ipv4-unicast", "ipv6-unicast"]),
  () => full("full UPDATEs, IPv4 host routes", "ipv4-unicast"),
  () => full("full UPDATEs, IPv6 host routes", "ipv6-unicast"),
];
