import { familyOf, type IpAddress, type Ipv4, type Ipv6, isIpv4, isLinkLocal } from "../addr/ip.ts";
import type { PeerConfig } from "../bgp/session/speaker.ts";
import { Asn } from "../bgp/wire/asn.ts";
import type { BgpSettings, PeerSettings } from "../config/settings.ts";
import type { InterfaceAddress, KernelNetwork } from "../ports/network.ts";

/** Which addresses of this machine BGP may name as its own: none of the VIPs, which come and go. */
const lasting = (network: KernelNetwork): readonly InterfaceAddress[] => network.addresses().filter((it) => !it.owned);

/**
 * The router id: configured, else the first IPv4 address of the named interface, else of the node.
 *
 * @throws Error that says what to set when there is none.
 */
export function routerIdOf(bgp: BgpSettings, network: KernelNetwork): Ipv4 {
  if (bgp.routerId !== null) return bgp.routerId;
  const links = network
    .links()
    .filter((link) => (bgp.routerInterface === null ? !link.loopback : link.name === bgp.routerInterface));
  for (const link of links) {
    for (const { interfaceIndex, address } of lasting(network)) {
      if (interfaceIndex === link.index && isIpv4(address) && !isLinkLocal(address) && !address.startsWith("127."))
        return address;
    }
  }
  const where = bgp.routerInterface === null ? "this node" : `interface ${bgp.routerInterface}`;
  throw new Error(`no BGP router id: ${where} has no IPv4 address; set bgp_routerid`);
}

/** The other addresses of the interface that holds `of`: where the next hop of the other family comes from. */
export function neighboursOf(network: KernelNetwork): (of: IpAddress) => readonly IpAddress[] {
  return (of) => {
    const all = lasting(network);
    const holder = all.find((it) => it.address === of);
    return all
      .filter((it) => it.interfaceIndex === holder?.interfaceIndex && it.address !== of)
      .map((it) => it.address);
  };
}

/** A peer as the speaker wants it. */
export function peerConfigOf(peer: PeerSettings, network: KernelNetwork): PeerConfig {
  const nextHop = nextHopOf(peer, network);
  return {
    name: peer.name,
    address: peer.address,
    port: peer.port,
    asn: Asn.of(peer.as),
    passive: false,
    ttl: peer.ttl,
    ...(peer.sourceAddress === null ? {} : { localAddress: peer.sourceAddress }),
    ...(peer.sourceInterface === null ? {} : { interfaceName: peer.sourceInterface }),
    ...(peer.password === null ? {} : { md5Password: peer.password }),
    holdTimeSeconds: peer.holdTimeSeconds,
    keepaliveSeconds: peer.keepaliveSeconds,
    connectRetrySeconds: peer.connectRetrySeconds,
    families: peer.families.map((family) => (family === 4 ? "ipv4-unicast" : "ipv6-unicast")),
    ...(nextHop === null ? {} : { nextHop }),
  };
}

function nextHopOf({ nextHop }: PeerSettings, network: KernelNetwork): { ipv4?: Ipv4; ipv6?: Ipv6 } | null {
  switch (nextHop.kind) {
    case "session":
      return null;
    case "fixed":
      return {
        ...(nextHop.ipv4 === null ? {} : { ipv4: nextHop.ipv4 }),
        ...(nextHop.ipv6 === null ? {} : { ipv6: nextHop.ipv6 }),
      };
    case "interface": {
      const link = network.links().find((it) => it.name === nextHop.interfaceName);
      const first = (family: 4 | 6): IpAddress | undefined =>
        lasting(network).find(
          (it) => it.interfaceIndex === link?.index && familyOf(it.address) === family && !isLinkLocal(it.address),
        )?.address;
      const [ipv4, ipv6] = [first(4) as Ipv4 | undefined, first(6) as Ipv6 | undefined];
      return { ...(ipv4 ? { ipv4 } : {}), ...(ipv6 ? { ipv6 } : {}) };
    }
  }
}
