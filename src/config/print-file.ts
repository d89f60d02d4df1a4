import type { Loaded } from "./load.ts";
import { options } from "./options.ts";
import { REDACTED, redactUrl } from "./redact.ts";
import type { Peer } from "./schema.ts";
import type { NextHopSettings, PeerSettings } from "./settings.ts";
import { setAt, valueAt } from "./tree.ts";

/**
 * The effective configuration as the tree of a file that gives the same settings: every key that has a value, each peer
 * with all of its own. Keys without a value are left to the machine, now as then. Redacted, it is for eyes only.
 */
export function printFile(loaded: Loaded, secrets: "shown" | "redacted"): Record<string, unknown> {
  const { config } = loaded;
  const tree: Record<string, unknown> = {};
  for (const { key, path } of options) {
    const value = key === "bgp.peers" ? printPeers(loaded) : valueAt(config, path);
    if (value !== undefined) setAt(tree, path, secrets === "redacted" ? withoutSecrets(value, path.at(-1)!) : value);
  }
  return tree;
}

/** Keys whose text is a secret, wherever they stand. `key` is a Secret's, too, but then stands beside `name`. */
const SECRET_KEYS = new Set(["password", "key"]);

function withoutSecrets(value: unknown, key: string, parent: object = {}): unknown {
  if (typeof value === "string")
    return SECRET_KEYS.has(key) && !("name" in parent && key === "key") ? REDACTED : redactUrl(value);
  if (Array.isArray(value)) return value.map((it) => withoutSecrets(it, key));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([inner, it]) => [inner, withoutSecrets(it, inner, value)]));
}

/** Undefined without BGP. */
function printPeers({ config, settings, singlePeer }: Loaded): Record<string, unknown>[] | undefined {
  const given = [...config.bgp.peers, ...(singlePeer === null ? [] : [singlePeer])];
  return settings.bgp?.peers.map((peer, index) => printPeer(peer, given[index]!));
}

function printPeer(peer: PeerSettings, given: string | Peer): Record<string, unknown> {
  // A name made from the address is made again; a chosen one has no colon and no blank.
  const isMade = peer.name === (peer.address ?? peer.sourceInterface) || peer.name.includes(" ");
  return {
    ...(typeof given === "string" ? fromText(peer) : given),
    ...(isMade ? {} : { name: peer.name }),
    ...(peer.address === null ? { interface: peer.sourceInterface } : { address: peer.address }),
    as: peer.as,
    port: peer.port,
    multihop: peer.multihop,
    ...(peer.sourceAddress === null ? {} : { sourceAddress: peer.sourceAddress }),
    ...(peer.sourceInterface === null || peer.address === null ? {} : { sourceInterface: peer.sourceInterface }),
    holdTimeSeconds: peer.holdTimeSeconds,
    keepaliveSeconds: peer.keepaliveSeconds,
    connectRetrySeconds: peer.connectRetrySeconds,
    families: peer.families.map((family) => (family === 4 ? "ipv4" : "ipv6")),
    nextHop: printNextHop(peer.nextHop),
  };
}

/** What kube-vip's text can say beside the keys that every peer is printed with. */
const fromText = ({ password, bfd }: PeerSettings): Record<string, unknown> => ({
  ...(password?.kind === "value" ? { password: password.value } : {}),
  bfd:
    bfd === null
      ? { enabled: false }
      : {
          enabled: true,
          transmitMillis: bfd.transmitMillis,
          receiveMillis: bfd.receiveMillis,
          multiplier: bfd.multiplier,
        },
});

function printNextHop(nextHop: NextHopSettings): Record<string, unknown> {
  if (nextHop.kind === "session") return {};
  if (nextHop.kind === "interface") return { interface: nextHop.interfaceName };
  return {
    ...(nextHop.ipv4 === null ? {} : { ipv4: nextHop.ipv4 }),
    ...(nextHop.ipv6 === null ? {} : { ipv6: nextHop.ipv6 }),
  };
}
