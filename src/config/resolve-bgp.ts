import { ip } from "../addr/ip.ts";
import { parseListen } from "./listen-address.ts";
import { byAnnotations } from "./node-annotations.ts";
import { fits } from "./node-selector.ts";
import { resolvePeer, resolvePeers, resolveRanges } from "./resolve-peers.ts";
import { selectorsOf } from "./resolve-policy.ts";
import type { Report } from "./resolve-session.ts";
import type { Config, Peer } from "./schema.ts";
import type { AnnotatedSettings, BgpSettings, OnNode } from "./settings.ts";
import { sessionsOf } from "./settings-sessions.ts";

type Bgp = Config["bgp"];

/** What of the settings differs with the AS. */
type OfAs = Pick<BgpSettings, "localAs" | "peers" | "dynamicNeighbours">;

/** For what is the same for all peers, whoever they are. */
const ANY_PEER: Peer = { address: ip("192.0.2.1"), as: "external", port: 179, multihop: false };
const ANY_SOURCE = ip("192.0.2.2");

/** @param single  the peer of `bgp_peeraddress`, which comes after those of the list */
export function resolveBgp(
  bgp: Bgp,
  single: Peer | null,
  report: Report,
  warn: (key: string, message: string) => void,
): BgpSettings {
  let problems = 0;
  const complain: Report = (path, what, hint) => {
    problems++;
    report(path, what, hint);
  };
  if (bgp.sourceAddress !== undefined && bgp.sourceInterface !== undefined)
    complain(["bgp", "sourceInterface"], "bgp_sourceip and bgp_sourceif cannot be together", "remove one of the two");
  const given = [...bgp.peers, ...(single === null ? [] : [single])];
  const { annotationPrefix: prefix } = bgp;
  if (prefix === undefined && given.length + bgp.dynamicNeighbours.length === 0)
    complain(["bgp", "peers"], "BGP has no peers", "set bgp_peers, for example 192.0.2.1:65001");
  if (prefix !== undefined && given.length > 0)
    warn("bgp.peers", "peers are taken from annotations of the Node (annotation) alone, and these are not used");
  const listed = prefix === undefined ? given : [];
  const ofAs = resolveOfAs(bgp, listed, complain, (message) => warn("bgp.peers", message));
  const policies = [bgp, ...bgp.peers, ...bgp.dynamicNeighbours].flatMap((it) =>
    typeof it === "string" || it.export === undefined ? [] : [it.export],
  );
  const settings: BgpSettings = {
    ...ofAs,
    routerId: bgp.routerId ?? null,
    routerInterface: bgp.routerInterface ?? null,
    annotated: prefix === undefined ? null : resolveAnnotated(bgp, prefix, complain),
    onNode: null,
    listen: bgp.listen === undefined ? null : parseListen(bgp.listen, ["bgp", "listen"], complain),
    routeSelectors: selectorsOf(policies),
    serviceAttributes: bgp.serviceAttributes,
    drainMillis: Math.round(bgp.drainSeconds * 1000),
    keepOnStop: bgp.gracefulRestart.keepOnStop,
  };
  if (settings.keepOnStop && !sessionsOf(settings).some((it) => it.gracefulRestart !== null))
    complain(
      ["bgp", "gracefulRestart", "keepOnStop"],
      "no router would keep the routes: graceful restart is off",
      "set bgp.gracefulRestart.enabled",
    );
  if (problems > 0) return settings;
  if (prefix !== undefined) return { ...settings, onNode: byAnnotations(bgp, prefix, settings) };
  const isOnAll = settings.peers.every(({ nodeSelector }) => nodeSelector === null);
  if (isOnAll && bgp.localAsOnNodes.length === 0) return settings;
  return { ...settings, onNode: byLabels(bgp, settings, otherAses(bgp, listed, complain)) };
}

function resolveOfAs(
  bgp: Bgp,
  given: readonly (string | Peer)[],
  complain: Report,
  warn: (message: string) => void,
): OfAs {
  return {
    localAs: bgp.localAs,
    peers: resolvePeers(given, bgp, complain, warn),
    dynamicNeighbours: resolveRanges(bgp, complain),
  };
}

/** Finds what is wrong with the values for all peers before there are any. */
function resolveAnnotated(bgp: Bgp, prefix: string, complain: Report): AnnotatedSettings | null {
  if (bgp.localAsOnNodes.length > 0)
    complain(
      ["bgp", "localAsOnNodes"],
      "the annotations of annotationPrefix (annotation) give the AS",
      "remove one of the two",
    );
  if (bgp.sourceInterface !== undefined)
    complain(
      ["bgp", "sourceInterface"],
      "the annotations of annotationPrefix (annotation) give the source address",
      "remove bgp_sourceif",
    );
  const like = { ...bgp, sourceAddress: ANY_SOURCE, sourceInterface: undefined };
  const session = resolvePeer(ANY_PEER, like, ["bgp"], complain, () => undefined);
  return session && { prefix, session };
}

/** What is right with one AS may be wrong with another: a peer of the same AS is an internal one. */
function otherAses(bgp: Bgp, given: readonly (string | Peer)[], complain: Report): readonly OfAs[] {
  const ases = new Set(bgp.localAsOnNodes.map(({ localAs }) => localAs));
  ases.delete(bgp.localAs);
  return [...ases].map((localAs) => {
    const withAs: Report = (path, what, hint) => complain(path, `${what} (on nodes with localAs ${localAs})`, hint);
    return resolveOfAs({ ...bgp, localAs }, given, withAs, () => undefined);
  });
}

/** Everything was resolved before; the labels only choose. */
function byLabels(bgp: Bgp, settings: BgpSettings, others: readonly OfAs[]): OnNode {
  const nothing = { undecided: new Set<string>(), troubles: [], kept: new Map<string, string>() };
  return (node) => {
    if (node !== null) {
      const found = bgp.localAsOnNodes.find(({ nodeSelector }) => fits(nodeSelector, node.labels));
      const ofAs = others.find(({ localAs }) => localAs === found?.localAs) ?? settings;
      const peers = ofAs.peers.filter(({ nodeSelector }) => fits(nodeSelector, node.labels));
      const { localAs, dynamicNeighbours } = ofAs;
      return { ...nothing, settings: { ...settings, localAs, dynamicNeighbours, peers } };
    }
    if (bgp.localAsOnNodes.length > 0) {
      const troubles = ["waits for the Node of this node: its AS depends on labels (localAsOnNodes)"];
      return { ...nothing, settings: null, troubles };
    }
    const undecided = settings.peers.filter(({ nodeSelector }) => nodeSelector !== null).map(({ name }) => name);
    return { ...nothing, settings, undecided: new Set(undecided) };
  };
}
