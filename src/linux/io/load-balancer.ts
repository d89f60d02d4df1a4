import { type Family, familyOf, ipToBytes } from "../../addr/ip.ts";
import type { BalancedService, LoadBalancer } from "../../ports/load-balancer.ts";
import { IP_HEADER } from "../wire/ip-header.ts";
import { type NftChange, ruleOf } from "../wire/nftables.ts";
import {
  compare,
  DESTINATION_TRANSLATED,
  goTo,
  hasAnyBit,
  isForOthers,
  loadConnection,
  loadHash,
  loadMeta,
  loadNumber,
  loadOriginal,
  loadPayload,
  lookUpPlace,
  masquerade,
  translateDestination,
} from "../wire/nftables-expressions.ts";
import { OwnTable } from "./own-table.ts";

const TABLE = "vipcast-balancer";
/** kube-proxy translates at -100 and 100: a connection that is ours must be so before. */
const DESTINATION_PRIORITY = -105;
const SOURCE_PRIORITY = 95;
const TCP = Uint8Array.of(6);

const ORIGINAL_DESTINATION = { 4: "ipv4Destination", 6: "ipv6Destination" } as const;

/**
 * One table of nftables. A new connection to a service is sent to one of its backends by a number from the kernel and a
 * map; all its later packets are translated by connection tracking alone and never meet these rules.
 *
 * Sources are translated as well, unless the backend is this machine: a backend that answered the client directly, or by
 * another way, would be taken for a stranger.
 */
export class NftLoadBalancer implements LoadBalancer {
  readonly #table = new OwnTable(TABLE, "load balancer");

  replace(services: readonly BalancedService[]): void {
    this.#table.replace([
      ...base("pre", "prerouting", DESTINATION_PRIORITY),
      ...base("out", "output", DESTINATION_PRIORITY),
      ...base("post", "postrouting", SOURCE_PRIORITY),
      ...services.flatMap(serviceRules),
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

const base = (chain: string, hook: "prerouting" | "output" | "postrouting", priority: number): readonly NftChange[] => [
  { do: "add-chain", table: TABLE, chain, hook: { type: "nat", hook, priority } },
];

const rule = (chain: string, ...expressions: readonly Uint8Array[]): NftChange => ruleOf(TABLE, chain, expressions);

const portBytes = (port: number): Uint8Array => Uint8Array.of(port >> 8, port & 0xff);

function serviceRules(service: BalancedService, at: number): readonly NftChange[] {
  const family = familyOf(service.address);
  const { field, nfproto, destination, length, registers } = IP_HEADER[family];
  const chain = `service${at}`;
  const mapId = at + 2;
  const [address, port] = [ipToBytes(service.address), portBytes(service.port)];
  const isFamily = [loadMeta("nfproto", 0), compare(0, Uint8Array.of(nfproto))];
  const isOurs = [
    ...isFamily,
    loadPayload("network", destination, length, 0),
    compare(0, address),
    loadMeta("l4proto", 0),
    compare(0, TCP),
    loadPayload("transport", 2, 2, 0),
    compare(0, port),
    goTo(chain),
  ];
  const places = service.backends.map((backend) => [ipToBytes(backend.address), portBytes(backend.port)] as const);
  return [
    { do: "add-chain", table: TABLE, chain },
    { do: "add-place-map", table: TABLE, map: { id: mapId, address: field, places } },
    rule(
      chain,
      // nft wants to see that it is TCP in the rule that names a port.
      loadMeta("l4proto", 0),
      compare(0, TCP),
      ...choice(service, family),
      lookUpPlace(mapId, 0, 0),
      translateDestination(nfproto, 0, registers),
    ),
    rule("pre", ...isOurs),
    rule("out", ...isOurs),
    rule(
      "post",
      ...isFamily,
      loadMeta("l4proto", 0),
      compare(0, TCP),
      loadConnection("status", 0),
      ...hasAnyBit(0, DESTINATION_TRANSLATED),
      loadOriginal(ORIGINAL_DESTINATION[family], 0),
      compare(0, address),
      loadOriginal("destinationPort", 0),
      compare(0, port),
      ...isForOthers(0),
      masquerade(),
    ),
  ];
}

/** The number of a backend, in register 0. */
function choice({ algorithm, backends }: BalancedService, family: Family): readonly Uint8Array[] {
  const { source, length } = IP_HEADER[family];
  switch (algorithm) {
    case "round-robin":
      return [loadNumber("incremental", backends.length, 0)];
    case "random":
      return [loadNumber("random", backends.length, 0)];
    case "source-hash":
      return [loadPayload("network", source, length, 4), loadHash(4, length, backends.length, 0)];
  }
}
