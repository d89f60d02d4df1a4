import type { IpAddress } from "../../addr/ip.ts";
import { prefixContains, prefixLength } from "../../addr/prefix.ts";
import type { DynamicNeighbours, PeerConfig } from "./peer-config.ts";

/** The range that an address is in, the narrowest of several, and the peer that it makes of it; null without one. */
export function dynamicPeerFor(
  { address, interfaceName }: { readonly address: IpAddress; readonly interfaceName?: string },
  ranges: readonly DynamicNeighbours[],
): { readonly range: DynamicNeighbours; readonly peer: PeerConfig } | null {
  const [range] = ranges
    .filter(({ prefix }) => prefixContains(prefix, address))
    .toSorted((a, b) => prefixLength(b.prefix) - prefixLength(a.prefix));
  if (range === undefined) return null;
  const scope = interfaceName === undefined ? "" : `%${interfaceName}`;
  const { template } = range;
  const peer: PeerConfig = {
    ...template,
    ...(interfaceName === undefined ? {} : { interfaceName }),
    name: `${range.name}-${address}${scope}`,
    address,
    passive: true,
  };
  return { range, peer };
}
