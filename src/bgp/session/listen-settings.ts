import { isIpv6, isLinkLocal } from "../../addr/ip.ts";
import type { ListenOptions, Md5Key } from "../../ports/stream.ts";
import type { DynamicNeighbours, PeerConfig } from "./peer-config.ts";

/**
 * What a listening socket has to know of the peers before one of them connects: all keys, and a least TTL as far as
 * they agree (RFC 5082 §3). What only some of them want is set on their connections.
 */
export function listenSettings(
  peers: readonly PeerConfig[],
  dynamic: readonly DynamicNeighbours[],
): Required<Pick<ListenOptions, "md5Keys" | "minTtl">> & Pick<ListenOptions, "ttl" | "maxSegmentLength"> {
  const all: readonly Pick<PeerConfig, "minTtl" | "maxSegmentLength">[] = [
    ...peers,
    ...dynamic.map(({ template }) => template),
  ];
  const least = all.flatMap(({ minTtl }) => (minTtl === undefined ? [] : [minTtl]));
  const lengths = all.flatMap(({ maxSegmentLength }) => maxSegmentLength ?? []);
  return {
    md5Keys: [...peers.flatMap(keyOf), ...dynamic.flatMap(rangeKeyOf)],
    minTtl: least.length < all.length || all.length === 0 ? 0 : Math.min(...least),
    // Whoever wants 255 wants it from the first answer on; nobody is harmed by it.
    ...(least.length === 0 ? {} : { ttl: 255 }),
    // The handshake fixes it, and shorter segments harm nobody.
    ...(lengths.length === 0 ? {} : { maxSegmentLength: Math.min(...lengths) }),
  };
}

const keyOf = ({ address, interfaceName, md5Password: password, undecided, notFound }: PeerConfig): Md5Key[] => {
  if (password === undefined || (undecided ?? notFound) !== undefined) return [];
  const scope = interfaceName !== undefined && isIpv6(address) && isLinkLocal(address) ? { interfaceName } : {};
  return [{ remote: address, ...scope, password }];
};

const rangeKeyOf = ({ prefix, template }: DynamicNeighbours): Md5Key[] =>
  template.md5Password === undefined ? [] : [{ remote: prefix, password: template.md5Password }];
