import { type Family, familyOf, type IpAddress, ipToBytes } from "../../addr/ip.ts";
import { type Prefix, prefixAddress, prefixLength } from "../../addr/prefix.ts";
import type { FilteredPort, FilterRules, PacketFilter } from "../../ports/packet-filter.ts";
import { IP_HEADER } from "../wire/ip-header.ts";
import { type NftChange, type NftElement, type NftField, type NftSet, ruleOf } from "../wire/nftables.ts";
import {
  compare,
  CONNECTION_STATE,
  goTo,
  hasAnyBit,
  loadConnection,
  loadMeta,
  loadPayload,
  lookUp,
  verdict,
} from "../wire/nftables-expressions.ts";
import { OwnTable } from "./own-table.ts";

const TABLE = "vipcast-firewall";
/** After conntrack, before the address translation of kube-proxy: here packets still name the VIP. */
const PRIORITY = -150;
const PROTOCOLS: Readonly<Record<string, number>> = { TCP: 6, UDP: 17, SCTP: 132 };
const DHCP_CLIENT = Uint8Array.of(0, 68);

/** Protocol number of ICMP. */
const ICMP = { 4: 1, 6: 58 } as const;

/**
 * One table of nftables with sets instead of a rule for each VIP, so that a packet costs the same few lookups however
 * many there are. A change replaces the table in one batch: no packet meets half of it.
 *
 * Let through in any case: what the node sends to itself, connections that are established, and ICMP, without which
 * path MTU discovery and neighbour discovery fail.
 */
export class NftPacketFilter implements PacketFilter {
  readonly #table = new OwnTable(TABLE, "firewall rules");

  replace(rules: FilterRules): void {
    this.#table.replace([
      ...([4, 6] as const).flatMap((family) => setsOf(family, rules)),
      { do: "add-chain", table: TABLE, chain: "guard4" },
      { do: "add-chain", table: TABLE, chain: "guard6" },
      {
        do: "add-chain",
        table: TABLE,
        chain: "vips",
        hook: { type: "filter", hook: "prerouting", priority: PRIORITY },
      },
      ...baseRules(),
      ...([4, 6] as const).flatMap(familyRules),
    ]);
  }

  remove(): void {
    this.#table.remove();
  }

  isGone(): boolean {
    return this.#table.isGone();
  }

  close(): void {
    this.#table.close();
  }
}

interface Sets {
  readonly guarded: NftSet;
  readonly open: NftSet;
  readonly restricted: NftSet;
  readonly sources: NftSet;
}

function setsFor(family: Family): Sets {
  const { field } = IP_HEADER[family];
  const port: readonly NftField[] = [field, "inet_proto", "inet_service"];
  return {
    guarded: { name: `guarded${family}`, key: [field], interval: false },
    open: { name: `open${family}`, key: port, interval: false },
    restricted: { name: `restricted${family}`, key: port, interval: false },
    sources: { name: `sources${family}`, key: [...port, field], interval: true },
  };
}

function setsOf(family: Family, rules: FilterRules): readonly NftChange[] {
  const sets = setsFor(family);
  const isOurs = (address: IpAddress): boolean => familyOf(address) === family;
  const restricted = rules.restricted.filter(({ address }) => isOurs(address));
  const filled: readonly (readonly [NftSet, readonly NftElement[]])[] = [
    [sets.guarded, rules.guarded.filter(isOurs).map((address) => ({ from: [ipToBytes(address)] }))],
    [sets.open, portElements(rules.open.filter(({ address }) => isOurs(address)))],
    [sets.restricted, portElements(restricted)],
    [sets.sources, sourceElements(restricted)],
  ];
  return filled.flatMap(([set, elements]): NftChange[] => [
    { do: "add-set", table: TABLE, set },
    ...(elements.length > 0 ? [{ do: "add-elements", table: TABLE, set, elements } as const] : []),
  ]);
}

/** Null for a protocol that has no number here: no packet is of it. */
function portKey({ address, protocol, port }: FilteredPort): readonly Uint8Array[] | null {
  const number = PROTOCOLS[protocol];
  if (number === undefined) return null;
  return [ipToBytes(address), Uint8Array.of(number), Uint8Array.of(port >> 8, port & 0xff)];
}

function portElements(ports: readonly FilteredPort[]): readonly NftElement[] {
  const unique = new Map(ports.map((port) => [`${port.address} ${port.protocol} ${port.port}`, port]));
  return [...unique.values()].flatMap((port) => {
    const from = portKey(port);
    return from === null ? [] : [{ from }];
  });
}

/** Ranges of one port must not overlap: what another contains is left out. */
function sourceElements(restricted: FilterRules["restricted"]): readonly NftElement[] {
  return restricted.flatMap((port) => {
    const key = portKey(port);
    return key === null
      ? []
      : withoutContained(port.sources).map(({ first, last }) => ({ from: [...key, first], to: [...key, last] }));
  });
}

interface Range {
  readonly first: Uint8Array;
  readonly last: Uint8Array;
}

function withoutContained(prefixes: readonly Prefix[]): readonly Range[] {
  const ranges = prefixes
    .toSorted((a, b) => prefixLength(a) - prefixLength(b))
    .map((prefix): Range => {
      const first = ipToBytes(prefixAddress(prefix));
      const length = prefixLength(prefix);
      return { first, last: first.map((octet, at) => octet | (0xff >> Math.min(8, Math.max(0, length - at * 8)))) };
    });
  const contains = (outer: Range, inner: Range): boolean =>
    Buffer.compare(outer.first, inner.first) <= 0 && Buffer.compare(outer.last, inner.last) >= 0;
  const kept: Range[] = [];
  for (const range of ranges) if (!kept.some((outer) => contains(outer, range))) kept.push(range);
  return kept;
}

const rule = (chain: string, ...expressions: readonly Uint8Array[]): NftChange => ruleOf(TABLE, chain, expressions);

function baseRules(): readonly NftChange[] {
  const loopback = new Uint8Array(16);
  loopback.set(new TextEncoder().encode("lo"));
  const { established, related } = CONNECTION_STATE;
  return [
    rule("vips", loadMeta("iifname", 0), compare(0, loopback), verdict("accept")),
    rule("vips", loadConnection("state", 0), ...hasAnyBit(0, established | related), verdict("accept")),
  ];
}

function familyRules(family: Family): readonly NftChange[] {
  const { nfproto, source, destination, length, registers } = IP_HEADER[family];
  const { guarded, open, restricted, sources } = setsFor(family);
  const isFamily = [loadMeta("nfproto", 0), compare(0, Uint8Array.of(nfproto))];
  const loadAddress = loadPayload("network", destination, length, 0);
  const loadPort = [loadAddress, loadMeta("l4proto", registers), loadPayload("transport", 2, 2, registers + 1)];
  const guard = `guard${family}`;
  return [
    rule(
      "vips",
      ...isFamily,
      ...loadPort,
      lookUp(restricted.name, 0),
      loadPayload("network", source, length, registers + 2),
      lookUp(sources.name, 0, true),
      verdict("drop"),
    ),
    rule("vips", ...isFamily, loadAddress, lookUp(guarded.name, 0), goTo(guard)),
    rule(guard, loadMeta("l4proto", 0), compare(0, Uint8Array.of(ICMP[family])), verdict("accept")),
    rule(guard, ...loadPort, lookUp(open.name, 0), verdict("accept")),
    rule(
      guard,
      loadMeta("l4proto", 0),
      compare(0, Uint8Array.of(PROTOCOLS["UDP"]!)),
      loadPayload("transport", 2, 2, 0),
      compare(0, DHCP_CLIENT),
      verdict("accept"),
    ),
    rule(guard, verdict("drop")),
  ];
}
