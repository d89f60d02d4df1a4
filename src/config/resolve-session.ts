import type { Family, IpAddress, Ipv4, Ipv6 } from "../addr/ip.ts";
import type { MpBgpText } from "./peer-text.ts";
import { resolveExport, resolveImport } from "./resolve-policy.ts";
import { type Config, type DynamicNeighbour, Peer } from "./schema.ts";
import type { BfdSettings, NextHopSettings, SessionSettings } from "./settings.ts";
import type { GracefulRestartSettings, SecretSource } from "./settings-policy.ts";

/** Says what is wrong at a key of the configuration. */
export type Report = (path: readonly PropertyKey[], what: string, hint?: string) => void;

type Bgp = Config["bgp"];
/** The keys that a peer and a range of peers have in common. */
type SessionKeys = Omit<DynamicNeighbour, "name" | "prefix" | "limit"> & Pick<Peer, "connectRetrySeconds">;

/** What of a session depends on where the peer is. */
export interface Surroundings {
  /** Offered where nothing else is said. */
  readonly families: readonly Family[];
  readonly sourceAddress: IpAddress | null;
  readonly sourceInterface: string | null;
  /** The peer is unnumbered, and so on the link. */
  readonly unnumbered: boolean;
  /** MP-BGP options of kube-vip's text. */
  readonly mpbgp: MpBgpText | null;
}

/** Without BFD the hold time is what finds a dead router: kube-vip's 30 s are long for that. */
const HOLD_TIME_SECONDS = 9;
/** kube-vip's TTL with multihop. */
const MULTIHOP_TTL = 50;
/** The kernel's default: an internal peer may be several hops away. */
const INTERNAL_TTL = 64;
const RESTART_TIME_SECONDS = 120;
const BFD_MILLIS = 300;
const BFD_MULTIPLIER = 3;
/** Below this a pause of the process looks like a dead router. */
export const BFD_CAREFUL_MILLIS = 50;

/** The session's own values and, where it has none, those for all. */
export function resolveSession(own: SessionKeys, around: Surroundings, bgp: Bgp, complain: Report): SessionSettings {
  const internal = own.as === "internal" || own.as === bgp.localAs;
  const ttlSecurity = own.ttlSecurity ?? (own.multihop === false ? bgp.ttlSecurity : undefined);
  if (own.ttlSecurity !== undefined && own.multihop !== false)
    complain(["ttlSecurity"], "cannot be together with multihop", "ttlSecurity says the number of hops itself");
  const role = own.role ?? (internal ? undefined : bgp.role);
  if (role !== undefined && internal) complain(["role"], "is for external peers only (RFC 9234)", "remove it");
  const strictRole = own.strictRole ?? (role === undefined ? undefined : bgp.strictRole) ?? false;
  if (strictRole && role === undefined) complain(["strictRole"], "needs role", "set role");
  const mpbgp = effectiveMpBgp(own, around.mpbgp, bgp);
  const families = resolveFamilies(own, mpbgp, around);
  const requiredFamilies = familiesOf(own.requiredFamilies ?? bgp.requiredFamilies ?? []);
  const missing = requiredFamilies.find((it) => !families.includes(it));
  if (missing !== undefined)
    complain(["requiredFamilies"], `ipv${missing} is not offered`, "add it to families, or remove it here");
  const importPolicy = own.import ?? bgp.import;
  const exportPolicy = own.export ?? bgp.export;
  const maxPrefixes = own.maxPrefixes ?? bgp.maxPrefixes;
  return {
    as: own.as,
    password: resolvePassword(own, bgp, complain),
    multihop: own.multihop,
    ttl: ttlSecurity === undefined ? ttlOf(own.multihop, internal && !around.unnumbered) : 255,
    minTtl: ttlSecurity === undefined ? null : 256 - ttlSecurity,
    ...resolveTimers(own, bgp, complain),
    minHoldTimeSeconds: own.minHoldTimeSeconds ?? bgp.minHoldTimeSeconds ?? null,
    connectRetrySeconds: own.connectRetrySeconds ?? bgp.connectRetrySeconds,
    delayOpenSeconds: own.delayOpenSeconds ?? bgp.delayOpenSeconds ?? 0,
    sendHoldTimeSeconds: own.sendHoldTimeSeconds ?? bgp.sendHoldTimeSeconds ?? null,
    maxIdleSeconds: own.maxIdleSeconds ?? bgp.maxIdleSeconds ?? null,
    userTimeoutMillis: own.userTimeoutMillis ?? bgp.userTimeoutMillis ?? null,
    maxSegmentLength: own.maxSegmentLength ?? bgp.maxSegmentLength ?? null,
    trafficClass: own.trafficClass ?? bgp.trafficClass ?? null,
    families,
    requiredFamilies,
    extendedNextHop: own.extendedNextHop ?? bgp.extendedNextHop ?? around.unnumbered,
    addPathReceive: own.addPathReceive ?? bgp.addPathReceive ?? false,
    role: role ?? null,
    strictRole,
    enforceFirstAs: own.enforceFirstAs ?? bgp.enforceFirstAs ?? true,
    nextHop: resolveNextHop(own, mpbgp, around, complain),
    importPolicy: importPolicy === undefined ? null : resolveImport(importPolicy),
    exportPolicy: exportPolicy === undefined ? null : resolveExport(exportPolicy),
    maxPrefixes:
      maxPrefixes === undefined ? null : { ...maxPrefixes, restartSeconds: maxPrefixes.restartSeconds ?? null },
    gracefulRestart: resolveGracefulRestart(own, bgp, complain),
    bfd: resolveBfd(own, bgp, ttlSecurity ?? null, complain),
  };
}

function ttlOf(multihop: boolean | number, internal: boolean): number {
  if (typeof multihop === "number") return multihop;
  return internal ? INTERNAL_TTL : multihop ? MULTIHOP_TTL : 1;
}

const PASSWORD_KEYS = ["password", "passwordFile", "passwordEnvironment", "passwordSecret"] as const;

/** The peer's own source of the key comes before that for all, whichever kind each of them is. */
function resolvePassword(own: SessionKeys, bgp: Bgp, complain: Report): SecretSource | null {
  const given = PASSWORD_KEYS.filter((key) => own[key] !== undefined);
  const from = given.length > 0 ? own : bgp;
  const named = PASSWORD_KEYS.filter((key) => from[key] !== undefined);
  if (named.length > 1) complain([named[1]!], `cannot be together with ${named[0]}`, "keep one of them");
  if (from.password !== undefined) return { kind: "value", value: from.password };
  if (from.passwordFile !== undefined) return { kind: "file", path: from.passwordFile };
  if (from.passwordEnvironment !== undefined) return { kind: "environment", name: from.passwordEnvironment };
  if (from.passwordSecret === undefined) return null;
  const { namespace, name, key } = from.passwordSecret;
  return { kind: "secret", namespace: namespace ?? null, name, key };
}

interface Timers {
  readonly holdTimeSeconds: number;
  readonly keepaliveSeconds: number;
}

function resolveTimers(own: SessionKeys, bgp: Bgp, complain: Report): Timers {
  const keepalive = own.keepaliveSeconds ?? (own.holdTimeSeconds === undefined ? bgp.keepaliveSeconds : undefined);
  const hold = own.holdTimeSeconds ?? (own.keepaliveSeconds === undefined ? bgp.holdTimeSeconds : undefined);
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

function resolveGracefulRestart(own: SessionKeys, bgp: Bgp, complain: Report): GracefulRestartSettings | null {
  const { gracefulRestart: mine = {} } = own;
  const { gracefulRestart: all } = bgp;
  if (!(mine.enabled ?? all.enabled ?? false)) {
    if (mine.enabled === undefined && Object.values(mine).some((value) => value !== undefined))
      complain(["gracefulRestart"], "has no effect: graceful restart is off", "set gracefulRestart.enabled");
    return null;
  }
  return {
    restartTimeSeconds: mine.restartTimeSeconds ?? all.restartTimeSeconds ?? RESTART_TIME_SECONDS,
    helper: mine.helper ?? all.helper ?? true,
    longLivedSeconds: mine.longLivedSeconds ?? all.longLivedSeconds ?? 0,
  };
}

function resolveBfd(own: SessionKeys, bgp: Bgp, ttlSecurity: number | null, complain: Report): BfdSettings | null {
  const { bfd: mine = {} } = own;
  const { bfd: all } = bgp;
  if (!(mine.enabled ?? all.enabled ?? false)) {
    if (mine.enabled === undefined && Object.values(mine).some((value) => value !== undefined))
      complain(["bfd"], "has no effect: BFD is off", "set bfd.enabled");
    return null;
  }
  const fastTimers = mine.fastTimers ?? all.fastTimers ?? false;
  const interval = (key: "transmitMillis" | "receiveMillis"): number => {
    const value = mine[key] ?? all[key] ?? BFD_MILLIS;
    if (value < BFD_CAREFUL_MILLIS && !fastTimers)
      complain(["bfd", key], `${value} ms needs fastTimers`, `set bfd.fastTimers, or ${BFD_CAREFUL_MILLIS} and more`);
    return value;
  };
  const hops = own.multihop === false ? (ttlSecurity ?? 1) : own.multihop === true ? MULTIHOP_TTL : own.multihop;
  return {
    transmitMillis: interval("transmitMillis"),
    receiveMillis: interval("receiveMillis"),
    multiplier: mine.multiplier ?? all.multiplier ?? BFD_MULTIPLIER,
    passive: mine.passive ?? all.passive ?? false,
    minimumTtl: mine.minTtl ?? all.minTtl ?? (hops > 1 ? 256 - hops : null),
    auth: mine.auth ?? all.auth ?? null,
    strict: mine.strict ?? all.strict ?? false,
    fastTimers,
  };
}

/** MP-BGP as kube-vip has it: the peer's own options, else those for all. Null when neither has a next-hop mode. */
function effectiveMpBgp(own: SessionKeys, text: MpBgpText | null, bgp: Bgp): MpBgpText | null {
  if (own.nextHop !== undefined) return null;
  const nextHop = text?.nextHop ?? bgp.mpbgp.nextHop ?? null;
  if (nextHop === null) return null;
  return { nextHop, ipv4: text?.ipv4 ?? bgp.mpbgp.ipv4 ?? null, ipv6: text?.ipv6 ?? bgp.mpbgp.ipv6 ?? null };
}

function resolveFamilies(own: SessionKeys, mpbgp: MpBgpText | null, around: Surroundings): readonly Family[] {
  if (own.families !== undefined) return familiesOf(own.families);
  return mpbgp === null ? around.families : [4, 6];
}

const familiesOf = (names: readonly ("ipv4" | "ipv6")[]): readonly Family[] =>
  [...new Set(names.map((it): Family => (it === "ipv4" ? 4 : 6)))].toSorted((a, b) => a - b);

function resolveNextHop(
  own: SessionKeys,
  mpbgp: MpBgpText | null,
  source: Surroundings,
  complain: Report,
): NextHopSettings {
  if (own.nextHop !== undefined) {
    const { interface: interfaceName, ipv4, ipv6 } = own.nextHop;
    if (interfaceName !== undefined) return { kind: "interface", interfaceName };
    return fixed(ipv4 ?? null, ipv6 ?? null) ?? { kind: "session" };
  }
  switch (mpbgp?.nextHop ?? null) {
    case null:
      return { kind: "session" };
    case "fixed":
      return fixedNextHop(mpbgp!, complain);
    case "auto_sourceip":
      if (source.sourceAddress === null)
        complain([], "mpbgp_nexthop=auto_sourceip needs bgp_sourceip of the peer's family", "set bgp_sourceip");
      return { kind: "session" };
    case "auto_sourceif":
      if (source.sourceInterface === null)
        complain([], "mpbgp_nexthop=auto_sourceif needs bgp_sourceif", "set bgp_sourceif");
      return { kind: "interface", interfaceName: source.sourceInterface ?? "" };
    default:
      complain([], `mpbgp_nexthop must be fixed, auto_sourceip or auto_sourceif, not "${mpbgp!.nextHop}"`);
      return { kind: "session" };
  }
}

const fixed = (ipv4: Ipv4 | null, ipv6: Ipv6 | null): NextHopSettings | null =>
  ipv4 === null && ipv6 === null ? null : { kind: "fixed", ipv4, ipv6 };

function fixedNextHop(mpbgp: MpBgpText, complain: Report): NextHopSettings {
  const parsed = Peer.shape.nextHop.safeParse({
    ...(mpbgp.ipv4 === null ? {} : { ipv4: mpbgp.ipv4 }),
    ...(mpbgp.ipv6 === null ? {} : { ipv6: mpbgp.ipv6 }),
  });
  if (!parsed.success) {
    for (const issue of parsed.error.issues) complain([], `mpbgp_${String(issue.path[0])} ${issue.message}`);
    return { kind: "session" };
  }
  const found = fixed(parsed.data?.ipv4 ?? null, parsed.data?.ipv6 ?? null);
  if (found === null) complain([], "mpbgp_nexthop=fixed needs mpbgp_ipv4 or mpbgp_ipv6");
  return found ?? { kind: "session" };
}
