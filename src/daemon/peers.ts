import { familyOf, ip, type IpAddress, type Ipv4, type Ipv6, isIpv4, isLinkLocal } from "../addr/ip.ts";
import { prefixContains, prefixOf } from "../addr/prefix.ts";
import type { DynamicNeighbours, PeerConfig } from "../bgp/session/peer-config.ts";
import { Asn } from "../bgp/wire/asn.ts";
import type { BgpSettings, DynamicNeighbourSettings, PeerSettings, SessionSettings } from "../config/settings.ts";
import type { ExportSettings } from "../config/settings-policy.ts";
import type { InterfaceAddress, KernelNetwork } from "../ports/network.ts";
import type { Secret } from "./secrets.ts";

type Addresses = Pick<KernelNetwork, "links" | "addresses">;

/** Which addresses of this machine BGP may name as its own: none of the VIPs, which come and go. */
const lasting = (network: Addresses): readonly InterfaceAddress[] => network.addresses().filter((it) => !it.owned);

/**
 * The router id: configured, else the first IPv4 address of the named interface, else of the node.
 *
 * @throws Error that says what to set when there is none.
 */
export function routerIdOf(bgp: BgpSettings, network: Addresses): Ipv4 {
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
export function neighboursOf(network: Addresses): (of: IpAddress) => readonly IpAddress[] {
  return (of) => {
    const all = lasting(network);
    const holder = all.find((it) => it.address === of);
    return all
      .filter((it) => it.interfaceIndex === holder?.interfaceIndex && it.address !== of)
      .map((it) => it.address);
  };
}

/** Whether an address is in a subnet of one of this node's links. */
export const onLinkOf =
  (network: Addresses): ((address: IpAddress) => boolean) =>
  (address) =>
    lasting(network).some((own) => prefixContains(prefixOf(own.address, own.prefixLength), address));

/** What of a peer is known only while the daemon runs. */
export type PeerFacts = {
  /** The TCP-MD5 key, or why it cannot be had; null where none is asked for. */
  readonly password: Secret | null;
  /** Why it is not known whether this node has the peer; null when it has. */
  readonly undecided: string | null;
  /** Another speaker on this node has a session with it; null when none has. */
  readonly occupied: string | null;
} & (
  | { readonly address: IpAddress }
  /** An unnumbered peer whose router is not known, and why. */
  | { readonly address: null; readonly notFound: string }
);

/** Stands where an address has to stand; nothing is sent to it. */
const NO_ADDRESS = ip("::");

/** A peer as the speaker wants it. */
export function peerConfigOf(peer: PeerSettings, facts: PeerFacts, network: Addresses): PeerConfig {
  return {
    name: peer.name,
    address: facts.address ?? NO_ADDRESS,
    passive: peer.passive,
    ...(facts.undecided === null ? {} : { undecided: facts.undecided }),
    ...(facts.occupied === null ? {} : { occupied: facts.occupied }),
    ...(facts.address === null ? { notFound: facts.notFound } : {}),
    ...(peer.sourceAddress === null ? {} : { localAddress: peer.sourceAddress }),
    ...(peer.sourceInterface === null ? {} : { interfaceName: peer.sourceInterface }),
    ...sessionConfigOf(peer, peer.port, facts.password, network),
  };
}

/** A range of peers as the speaker wants it. */
export function dynamicNeighboursOf(
  range: DynamicNeighbourSettings,
  password: PeerFacts["password"],
  network: Addresses,
): DynamicNeighbours {
  return {
    name: range.name,
    prefix: range.prefix,
    countMax: range.countMax,
    template: sessionConfigOf(range, BGP_PORT, password, network),
  };
}

/** Of a peer that only connects; status shows it. */
const BGP_PORT = 179;

const FAMILY = { 4: "ipv4-unicast", 6: "ipv6-unicast" } as const;

function sessionConfigOf(
  session: SessionSettings,
  port: number,
  password: PeerFacts["password"],
  network: Addresses,
): DynamicNeighbours["template"] {
  const { as, role, gracefulRestart, maxPrefixes } = session;
  const nextHop = nextHopOf(session, network);
  return {
    port,
    asn: typeof as === "number" ? Asn.of(as) : as,
    ttl: session.ttl,
    holdTimeSeconds: session.holdTimeSeconds,
    keepaliveSeconds: session.keepaliveSeconds,
    connectRetrySeconds: session.connectRetrySeconds,
    delayOpenSeconds: session.delayOpenSeconds,
    families: session.families.map((family) => FAMILY[family]),
    requiredFamilies: session.requiredFamilies.map((family) => FAMILY[family]),
    extendedNextHop: session.extendedNextHop,
    addPathReceive: session.addPathReceive,
    strictRole: session.strictRole,
    enforceFirstAs: session.enforceFirstAs,
    bfdStrict: session.bfd?.strict ?? false,
    ...given({
      minTtl: session.minTtl,
      holdTimeSecondsMin: session.minHoldTimeSeconds,
      sendHoldTimeSeconds: session.sendHoldTimeSeconds,
      idleHoldSecondsMax: session.maxIdleSeconds,
      userTimeoutMillis: session.userTimeoutMillis,
      maxSegmentLength: session.maxSegmentLength,
      trafficClass: session.trafficClass,
      importPolicy: session.importPolicy,
      nextHop,
      role,
      exportPolicy: session.exportPolicy && exportPolicyOf(session.exportPolicy),
      md5Password: password && "value" in password ? password.value : null,
      md5Missing: password && "missing" in password ? password.missing : null,
      maxPrefixes: maxPrefixes && {
        count: maxPrefixes.count,
        action: maxPrefixes.action,
        ...given({ restartSeconds: maxPrefixes.restartSeconds }),
      },
      gracefulRestart: gracefulRestart && {
        restartTimeSeconds: gracefulRestart.restartTimeSeconds,
        helper: gracefulRestart.helper,
        longLivedSecondsMax: gracefulRestart.longLivedSeconds,
      },
    }),
  };
}

/** Without the members that are null. */
function given<T extends object>(members: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const found = Object.entries(members).filter(([, value]) => value !== null);
  return Object.fromEntries(found) as { [K in keyof T]?: NonNullable<T[K]> };
}

const exportPolicyOf = ({ rules, otherwise }: ExportSettings): NonNullable<PeerConfig["exportPolicy"]> => ({
  rules: rules.map((rule) => ({
    action: rule.action,
    ...given({ prefixes: rule.prefixes, tags: rule.tag === null ? null : [rule.tag] }),
    set: {
      communities: rule.communities,
      largeCommunities: rule.largeCommunities,
      extendedCommunities: rule.extendedCommunities,
      ...given({
        localPref: rule.localPref,
        med: rule.med,
        prependCount: rule.prependCount,
        nextHop: rule.nextHop,
      }),
    },
  })),
  otherwise,
});

function nextHopOf({ nextHop }: SessionSettings, network: Addresses): { ipv4?: Ipv4; ipv6?: Ipv6 } | null {
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
