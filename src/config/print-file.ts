import type { Loaded } from "./load.ts";
import { options } from "./options.ts";
import { REDACTED, redactUrl } from "./redact.ts";
import type { NextHopSettings, PeerSettings } from "./settings.ts";
import { setAt, valueAt } from "./tree.ts";

/**
 * The effective configuration as the tree of a file that gives the same settings: every key that has a value, each peer
 * with all of its own. Keys without a value are left to the machine, now as then. Redacted, it is for eyes only.
 */
export function printFile({ config, settings }: Loaded, secrets: "shown" | "redacted"): Record<string, unknown> {
  const tree: Record<string, unknown> = {};
  for (const { key, path } of options) {
    if (key === "bgp.peers") {
      if (settings.bgp !== null)
        setAt(
          tree,
          path,
          settings.bgp.peers.map((peer) => printPeer(peer, secrets)),
        );
      continue;
    }
    const value = valueAt(config, path);
    if (value !== undefined)
      setAt(tree, path, typeof value === "string" && secrets === "redacted" ? redactUrl(value) : value);
  }
  return tree;
}

function printPeer(peer: PeerSettings, secrets: "shown" | "redacted"): Record<string, unknown> {
  // A name made from the address is made again; a chosen one has no colon and no blank.
  const name = peer.name === peer.address || peer.name.includes(" ") ? null : peer.name;
  const password = peer.password !== null && secrets === "redacted" ? REDACTED : peer.password;
  return {
    ...(name === null ? {} : { name }),
    address: peer.address,
    as: peer.as,
    port: peer.port,
    ...(password === null ? {} : { password }),
    multihop: peer.multihop,
    ...(peer.sourceAddress === null ? {} : { sourceAddress: peer.sourceAddress }),
    ...(peer.sourceInterface === null ? {} : { sourceInterface: peer.sourceInterface }),
    holdTimeSeconds: peer.holdTimeSeconds,
    keepaliveSeconds: peer.keepaliveSeconds,
    connectRetrySeconds: peer.connectRetrySeconds,
    families: peer.families.map((family) => (family === 4 ? "ipv4" : "ipv6")),
    nextHop: printNextHop(peer.nextHop),
  };
}

function printNextHop(nextHop: NextHopSettings): Record<string, unknown> {
  if (nextHop.kind === "session") return {};
  if (nextHop.kind === "interface") return { interface: nextHop.interfaceName };
  return {
    ...(nextHop.ipv4 === null ? {} : { ipv4: nextHop.ipv4 }),
    ...(nextHop.ipv6 === null ? {} : { ipv6: nextHop.ipv6 }),
  };
}
