import { type Family, familyOf, type IpAddress, isLinkLocal } from "../addr/ip.ts";
import { type MpBgpText, parsePeerText } from "./peer-text.ts";
import { Peer, type Config } from "./schema.ts";
import type { NextHopSettings, PeerSettings } from "./settings.ts";

/** Says what is wrong at a key of the configuration. */
export type Report = (path: readonly PropertyKey[], what: string, hint?: string) => void;

type Bgp = Config["bgp"];

/** Without BFD the hold time is what finds a dead router: kube-vip's 30 s are long for that. */
const HOLD_TIME_SECONDS = 9;

/** kube-vip's TTL with multihop. */
const MULTIHOP_TTL = 50;
/** The kernel's default: an internal peer may be several hops away. */
const INTERNAL_TTL = 64;

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
  const own = typeof given === "string" ? fromText(given, complain, warn) : { peer: given, mpbgp: null };
  if (own === null) return null;
  const { peer } = own;

  const timers = resolveTimers(peer, bgp, complain);
  const sourceInterface = peer.sourceInterface ?? (peer.sourceAddress === undefined ? bgp.sourceInterface : undefined);
  const sourceAddress = peer.sourceAddress ?? sourceFor(peer.address, peer.sourceInterface, bgp);
  if (sourceAddress !== undefined && familyOf(sourceAddress) !== familyOf(peer.address))
    complain(["sourceAddress"], "must be of the same family as the peer's address");
  if (isLinkLocal(peer.address) && familyOf(peer.address) === 6 && sourceInterface === undefined)
    complain(
      ["address"],
      `${peer.address} is link-local and needs an interface`,
      "give sourceInterface, or [address%interface]",
    );
  if (peer.sourceAddress !== undefined && peer.sourceInterface !== undefined && !isLinkLocal(peer.address))
    complain(["sourceInterface"], "cannot be together with sourceAddress", "remove one of the two");

  const mpbgp = effectiveMpBgp(peer, own.mpbgp, bgp);
  const nextHop = resolveNextHop(peer, mpbgp, { sourceAddress, sourceInterface }, complain);
  const families = resolveFamilies(peer, mpbgp);
  if (problems > 0) return null;
  return {
    name: peer.name ?? peer.address,
    address: peer.address,
    port: peer.port,
    as: peer.as,
    password: peer.password ?? null,
    multihop: peer.multihop,
    ttl: peer.as === bgp.localAs ? INTERNAL_TTL : peer.multihop ? MULTIHOP_TTL : 1,
    sourceAddress: sourceAddress ?? null,
    sourceInterface: sourceInterface ?? null,
    ...timers,
    connectRetrySeconds: peer.connectRetrySeconds ?? bgp.connectRetrySeconds,
    families,
    nextHop,
    bfd: null,
  };
}

/** The source address for all peers serves those of its family; a peer's own interface comes before it. */
function sourceFor(peer: IpAddress, ownInterface: string | undefined, bgp: Bgp): IpAddress | undefined {
  if (ownInterface !== undefined || bgp.sourceAddress === undefined) return undefined;
  return familyOf(bgp.sourceAddress) === familyOf(peer) ? bgp.sourceAddress : undefined;
}

function fromText(
  text: string,
  complain: Report,
  warn: (message: string) => void,
): { readonly peer: Peer; readonly mpbgp: MpBgpText | null } | null {
  const parsed = parsePeerText(text);
  if ("problem" in parsed) {
    complain([], parsed.problem);
    return null;
  }
  if (parsed.bfd !== null)
    warn(`BFD for peer ${parsed.address} is not yet in vipcast: a dead router is found by the hold time`);
  const checked = Peer.safeParse({
    address: parsed.address,
    as: parsed.as,
    multihop: parsed.multihop,
    port: parsed.port,
    ...(parsed.password === null ? {} : { password: parsed.password }),
    ...(parsed.zone === null ? {} : { sourceInterface: parsed.zone }),
  });
  if (checked.success) return { peer: checked.data, mpbgp: parsed.mpbgp };
  for (const issue of checked.error.issues) {
    const field = issue.path[0] === "sourceInterface" ? "interface" : String(issue.path[0]);
    complain([], `${field} ${issue.message}`);
  }
  return null;
}

interface Timers {
  readonly holdTimeSeconds: number;
  readonly keepaliveSeconds: number;
}

function resolveTimers(peer: Peer, bgp: Bgp, complain: Report): Timers {
  const keepalive = peer.keepaliveSeconds ?? (peer.holdTimeSeconds === undefined ? bgp.keepaliveSeconds : undefined);
  const hold = peer.holdTimeSeconds ?? (peer.keepaliveSeconds === undefined ? bgp.holdTimeSeconds : undefined);
  const holdTimeSeconds = hold ?? Math.max(HOLD_TIME_SECONDS, (keepalive ?? 0) * 3);
  if (holdTimeSeconds === 0) return { holdTimeSeconds: 0, keepaliveSeconds: 0 };
  const third = Math.floor(holdTimeSeconds / 3);
  if (keepalive === 0)
    complain(
      ["keepaliveSeconds"],
      `0 turns keepalives off, but the hold time is ${holdTimeSeconds} s`,
      "set the hold time to 0, too",
    );
  else if (keepalive !== undefined && keepalive > third)
    complain(["keepaliveSeconds"], `must be at most a third of the hold time: ${third} s for ${holdTimeSeconds} s`);
  return { holdTimeSeconds, keepaliveSeconds: keepalive ?? third };
}

/** MP-BGP as kube-vip has it: the peer's own options, else those for all. Null when neither has a next-hop mode. */
function effectiveMpBgp(peer: Peer, own: MpBgpText | null, bgp: Bgp): MpBgpText | null {
  if (peer.nextHop !== undefined) return null;
  const nextHop = own?.nextHop ?? bgp.mpbgp.nextHop ?? null;
  if (nextHop === null) return null;
  return { nextHop, ipv4: own?.ipv4 ?? bgp.mpbgp.ipv4 ?? null, ipv6: own?.ipv6 ?? bgp.mpbgp.ipv6 ?? null };
}

function resolveFamilies(peer: Peer, mpbgp: MpBgpText | null): readonly Family[] {
  const named = peer.families?.map((it): Family => (it === "ipv4" ? 4 : 6));
  const families = named ?? (mpbgp === null ? [familyOf(peer.address)] : ([4, 6] as const));
  return [...new Set(families)].toSorted((a, b) => a - b);
}

function resolveNextHop(
  peer: Peer,
  mpbgp: MpBgpText | null,
  source: { readonly sourceAddress: IpAddress | undefined; readonly sourceInterface: string | undefined },
  complain: Report,
): NextHopSettings {
  if (peer.nextHop !== undefined) {
    const { interface: interfaceName, ipv4, ipv6 } = peer.nextHop;
    if (interfaceName !== undefined) return { kind: "interface", interfaceName };
    return ipv4 === undefined && ipv6 === undefined
      ? { kind: "session" }
      : { kind: "fixed", ipv4: ipv4 ?? null, ipv6: ipv6 ?? null };
  }
  switch (mpbgp?.nextHop ?? null) {
    case null:
      return { kind: "session" };
    case "fixed":
      return fixedNextHop(mpbgp!, complain);
    case "auto_sourceip":
      if (source.sourceAddress === undefined)
        complain([], "mpbgp_nexthop=auto_sourceip needs bgp_sourceip of the peer's family", "set bgp_sourceip");
      return { kind: "session" };
    case "auto_sourceif":
      if (source.sourceInterface === undefined)
        complain([], "mpbgp_nexthop=auto_sourceif needs bgp_sourceif", "set bgp_sourceif");
      return { kind: "interface", interfaceName: source.sourceInterface ?? "" };
    default:
      complain([], `mpbgp_nexthop must be fixed, auto_sourceip or auto_sourceif, not "${mpbgp!.nextHop}"`);
      return { kind: "session" };
  }
}

function fixedNextHop(mpbgp: MpBgpText, complain: Report): NextHopSettings {
  const parsed = Peer.shape.nextHop.safeParse({
    ...(mpbgp.ipv4 === null ? {} : { ipv4: mpbgp.ipv4 }),
    ...(mpbgp.ipv6 === null ? {} : { ipv6: mpbgp.ipv6 }),
  });
  if (!parsed.success) {
    for (const issue of parsed.error.issues) complain([], `mpbgp_${String(issue.path[0])} ${issue.message}`);
    return { kind: "session" };
  }
  const { ipv4 = null, ipv6 = null } = parsed.data ?? {};
  if (ipv4 === null && ipv6 === null) complain([], "mpbgp_nexthop=fixed needs mpbgp_ipv4 or mpbgp_ipv6");
  return { kind: "fixed", ipv4, ipv6 };
}
