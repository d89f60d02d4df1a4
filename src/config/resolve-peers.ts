import { type Family, familyOf, type IpAddress, isLinkLocal } from "../addr/ip.ts";
import { prefixFamily } from "../addr/prefix.ts";
import { bfdMillis, type BfdText, type MpBgpText, parsePeerText } from "./peer-text.ts";
import { mayOverlap } from "./node-selector.ts";
import { BFD_CAREFUL_MILLIS, type Report, resolveSession } from "./resolve-session.ts";
import { type Config, type DynamicNeighbour, Peer } from "./schema.ts";
import type { BgpSettings, DynamicNeighbourSettings, PeerSettings } from "./settings.ts";

type Bgp = Config["bgp"];

/** The longest interval that a file may give, too. */
const BFD_MILLIS_MAX = 60_000;
const BOTH_FAMILIES: readonly Family[] = [4, 6];

/** All of them, whichever node they are on; one with a problem is left out. */
export function resolvePeers(
  given: readonly (string | Peer)[],
  bgp: Bgp,
  complain: Report,
  warn: (message: string) => void,
): readonly PeerSettings[] {
  const peers: PeerSettings[] = [];
  given.forEach((it, index) => {
    const path = ["bgp", "peers", index];
    const peer = resolvePeer(it, bgp, path, complain, warn);
    if (peer === null) return;
    const beside = peers.filter((other) => mayOverlap(other.nodeSelector, peer.nodeSelector));
    const twin = beside.find((other) => placeOf(other) === placeOf(peer));
    if (twin !== undefined) complainOfTwin(peer, twin, path, complain);
    else if (beside.some((other) => other.name === peer.name)) peers.push(renamed(peer, beside, path, complain));
    else peers.push(peer);
  });
  return peers;
}

export function resolveRanges(bgp: Bgp, complain: Report): BgpSettings["dynamicNeighbours"] {
  const ranges = bgp.dynamicNeighbours
    .map((it, index) => resolveDynamic(it, bgp, ["bgp", "dynamicNeighbours", index], complain))
    .filter((it) => it !== null);
  ranges.forEach((it, index) => {
    if (ranges.findIndex((other) => other.name === it.name) !== index)
      complain(["bgp", "dynamicNeighbours", index, "name"], `the name ${it.name} is there twice`, "choose another");
  });
  return ranges;
}

function complainOfTwin(peer: PeerSettings, twin: PeerSettings, path: readonly PropertyKey[], complain: Report): void {
  if (peer.nodeSelector === null && twin.nodeSelector === null)
    return complain(path, `peer ${placeOf(peer)} is there twice`, "remove one of the two");
  complain(
    path,
    `peer ${placeOf(peer)} is there twice, and one node may be meant by both`,
    "give both a nodeSelector with the same label and different values, or remove one of the two",
  );
}

/** What two peers cannot share; in words. A link-local address is one only together with its interface. */
function placeOf({ address, sourceInterface, port }: PeerSettings): string {
  if (address === null) return `on ${sourceInterface}`;
  return `${address}${isLinkLocal(address) ? `%${sourceInterface}` : ""} port ${port}`;
}

/** Two ports of one address get the port into the name; a name that the user chose must be unique as it is. */
function renamed(
  peer: PeerSettings,
  others: readonly PeerSettings[],
  path: readonly PropertyKey[],
  complain: Report,
): PeerSettings {
  const name = `${peer.address} port ${peer.port}`;
  if (peer.name === peer.address && !others.some((other) => other.name === name)) return { ...peer, name };
  complain([...path, "name"], `the name ${peer.name} is there twice`, "give each peer a name of its own");
  return peer;
}

/** One peer with its own values and, where it has none, those for all. Null after something was reported. */
export function resolvePeer(
  given: string | Peer,
  bgp: Bgp,
  path: readonly PropertyKey[],
  report: Report,
  warn: (message: string) => void,
): PeerSettings | null {
  let problems = 0;
  const complain = (key: readonly PropertyKey[], what: string, hint?: string): void => {
    problems++;
    report([...path, ...key], what, hint);
  };
  const own = typeof given === "string" ? fromText(given, bgp, complain, warn) : { peer: given, mpbgp: null };
  if (own === null) return null;
  const { peer } = own;
  const address = peer.address ?? null;
  const source = address === null ? sourceOnLink(peer, complain) : sourceOf(peer, address, bgp, complain);
  const passive = peer.passive ?? bgp.passive ?? false;
  if (passive && bgp.listen === undefined)
    complain(["passive"], "nobody would begin: the daemon does not listen", "set bgp.listen (vipcast_bgp_listen)");
  const around = {
    families: address === null ? BOTH_FAMILIES : [familyOf(address)],
    ...source,
    unnumbered: address === null,
    mpbgp: own.mpbgp,
  };
  const session = resolveSession(peer, around, bgp, complain);
  if (problems > 0) return null;
  const name = peer.name ?? address ?? peer.interface!;
  return { name, address, port: peer.port, nodeSelector: peer.nodeSelector ?? null, passive, ...source, ...session };
}

/** A range of peers, each of which is as this says. Null after something was reported. */
function resolveDynamic(
  given: DynamicNeighbour,
  bgp: Bgp,
  path: readonly PropertyKey[],
  report: Report,
): DynamicNeighbourSettings | null {
  let problems = 0;
  const complain = (key: readonly PropertyKey[], what: string, hint?: string): void => {
    problems++;
    report([...path, ...key], what, hint);
  };
  if (bgp.listen === undefined)
    complain([], "nobody can connect: the daemon does not listen", "set bgp.listen (vipcast_bgp_listen)");
  if (given.passive === false) complain(["passive"], "a range is always passive", "remove it");
  const around = {
    families: [prefixFamily(given.prefix)],
    sourceAddress: null,
    sourceInterface: null,
    unnumbered: false,
    mpbgp: null,
  };
  const session = resolveSession(given, around, bgp, complain);
  if (problems > 0) return null;
  return { name: given.name, prefix: given.prefix, countMax: given.limit, ...session };
}

interface Source {
  readonly sourceAddress: IpAddress | null;
  readonly sourceInterface: string | null;
}

/** The source address for all peers serves those of its family; a peer's own interface comes before it. */
function sourceOf(peer: Peer, address: IpAddress, bgp: Bgp, complain: Report): Source {
  const forAll = peer.sourceInterface === undefined ? bgp.sourceAddress : undefined;
  const isOfFamily = forAll !== undefined && familyOf(forAll) === familyOf(address);
  const sourceAddress = peer.sourceAddress ?? (isOfFamily ? forAll : null);
  const sourceInterface =
    peer.sourceInterface ?? (peer.sourceAddress === undefined ? bgp.sourceInterface : undefined) ?? null;
  if (sourceAddress !== null && familyOf(sourceAddress) !== familyOf(address))
    complain(["sourceAddress"], "must be of the same family as the peer's address");
  if (isLinkLocal(address) && familyOf(address) === 6 && sourceInterface === null)
    complain(
      ["address"],
      `${address} is link-local and needs an interface`,
      "give sourceInterface, or [address%interface]",
    );
  if (peer.sourceAddress !== undefined && peer.sourceInterface !== undefined && !isLinkLocal(address))
    complain(["sourceInterface"], "cannot be together with sourceAddress", "remove one of the two");
  return { sourceAddress, sourceInterface };
}

/** An unnumbered session is between the link-local addresses of one link. */
function sourceOnLink(peer: Peer, complain: Report): Source {
  for (const key of ["sourceAddress", "sourceInterface"] as const)
    if (peer[key] !== undefined) complain([key], "cannot be together with interface", "remove one of the two");
  if (peer.multihop !== false)
    complain(["multihop"], "cannot be together with interface: the router is on the link", "remove one of the two");
  return { sourceAddress: null, sourceInterface: peer.interface! };
}

function fromText(
  text: string,
  bgp: Bgp,
  complain: Report,
  warn: (message: string) => void,
): { readonly peer: Peer; readonly mpbgp: MpBgpText | null } | null {
  const parsed = parsePeerText(text);
  if ("problem" in parsed) {
    complain([], parsed.problem);
    return null;
  }
  const { address, zone } = parsed;
  const checked = Peer.safeParse({
    ...(address === null ? { interface: zone } : { address, ...(zone === null ? {} : { sourceInterface: zone }) }),
    as: parsed.as,
    multihop: parsed.multihop,
    port: parsed.port,
    ...(parsed.password === null ? {} : { password: parsed.password }),
    ...(parsed.bfd === null ? {} : { bfd: bfdOf(parsed.bfd, address ?? zone!, bgp, warn) }),
  });
  if (checked.success) return { peer: checked.data, mpbgp: parsed.mpbgp };
  for (const issue of checked.error.issues) {
    const field = issue.path[0] === "sourceInterface" ? "interface" : issue.path.map(String).join(".");
    complain([], `${field} ${issue.message}`);
  }
  return null;
}

/** Timers in kube-vip's text, with a warning that tells how they were read. */
function bfdOf(
  { enabled, receive, transmit, multiplier }: BfdText,
  peer: string,
  bgp: Bgp,
  warn: (message: string) => void,
): Peer["bfd"] {
  if (!enabled) return { enabled };
  const leastMillis = bgp.bfd.fastTimers ? 10 : BFD_CAREFUL_MILLIS;
  const millis = (value: number): number => Math.min(Math.max(bfdMillis(value), leastMillis), BFD_MILLIS_MAX);
  const timers = {
    ...(receive === null ? {} : { receiveMillis: millis(receive) }),
    ...(transmit === null ? {} : { transmitMillis: millis(transmit) }),
  };
  const isChanged = (value: number | null): boolean => value !== null && millis(value) !== value;
  if (isChanged(receive) || isChanged(transmit))
    warn(
      `BFD for peer ${peer}: ${receive ?? "-"};${transmit ?? "-"} is taken as ` +
        `${timers.receiveMillis ?? "-"} ms to receive and ${timers.transmitMillis ?? "-"} ms to transmit ` +
        `(kube-vip reads 1000 and more as microseconds; the least here is ${leastMillis} ms)`,
    );
  return { enabled, ...timers, ...(multiplier === null ? {} : { multiplier }) };
}
