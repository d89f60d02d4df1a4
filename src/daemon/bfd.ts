import type { Logger } from "pino";
import type { IpAddress } from "../addr/ip.ts";
import type { Instant } from "../base/time.ts";
import { afterLoss, type Damping, UNDAMPED } from "../bfd/session/damping.ts";
import type { BfdSessionConfig } from "../bfd/session/session-config.ts";
import type { PeerSummary } from "../bgp/session/speaker.ts";
import type { BfdSettings, BgpSettings } from "../config/settings.ts";
import type { Alarm, Clock } from "../ports/clock.ts";
import { emit } from "../telemetry/events.ts";
import type { BfdSessions, PathChange, PathState } from "./bfd-sessions.ts";

/** What BFD needs of the speaker. */
export interface BgpClient {
  summaries(): readonly Pick<PeerSummary, "name" | "address" | "state" | "localAddress" | "remote">[];
  setBfdState(peer: string, state: PathState, options: { readonly controlPlaneIndependent: boolean }): void;
}

export interface PeerBfdDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly bgp: BgpClient;
  readonly sessions: Pick<BfdSessions, "prepare" | "setSessions" | "onChange" | "stateOf">;
}

/** As far as BFD is concerned. */
interface WatchedPeer {
  readonly bfd: BfdSettings;
  readonly sourceAddress: IpAddress | null;
  readonly sourceInterface: string | null;
  readonly gracefulRestart: boolean;
}

interface Watch {
  readonly config: BfdSessionConfig;
  damping: Damping;
  /** Rings when good news that was kept back may be told. */
  readonly held: Alarm;
}

/**
 * BFD on behalf of BGP (RFC 5882): asks for a session when a peer's BGP session is established, or from the start where
 * BGP is to wait for it, and tells the speaker what becomes of the path. From then on the session stays until the
 * configuration no longer has it: a BGP session that BFD has ended still wants to know when the path is back.
 */
export class PeerBfd {
  readonly #deps: PeerBfdDeps;
  readonly #watches = new Map<string, Watch>();
  readonly #warned = new Set<string>();
  #isUsed = false;
  /** What is configured, by name. */
  #peers: ReadonlyMap<string, BgpSettings["peers"][number]> = new Map();
  #ranges: ReadonlyMap<string, BgpSettings["dynamicNeighbours"][number]> = new Map();

  constructor(deps: PeerBfdDeps) {
    this.#deps = deps;
    deps.sessions.onChange((change) => this.#onChange(change));
  }

  setPeers(settings: Pick<BgpSettings, "peers" | "dynamicNeighbours">): void {
    this.#peers = new Map(settings.peers.map((peer) => [peer.name, peer]));
    this.#ranges = new Map(settings.dynamicNeighbours.map((range) => [range.name, range]));
    this.#isUsed = [...settings.peers, ...settings.dynamicNeighbours].some(({ bfd }) => bfd !== null);
    if (this.#isUsed) this.#deps.sessions.prepare();
    this.refresh();
  }

  /** To be called after anything about a peer's BGP session changed. */
  refresh(): void {
    if (!this.#isUsed && this.#watches.size === 0) return;
    const { bgp, clock, sessions } = this.#deps;
    const peers = new Map(bgp.summaries().map((peer) => [peer.name, peer]));
    for (const [name, watch] of this.#watches) {
      if (this.#watchedPeer(name, peers.get(name)?.address) !== null) continue;
      watch.held.close();
      this.#watches.delete(name);
    }
    for (const [name, status] of peers) {
      const peer = this.#watchedPeer(name, status.address);
      if (peer === null) continue;
      const before = this.#watches.get(name);
      const isEstablished = status.state === "established";
      if (before === undefined && !isEstablished && !peer.bfd.strict) continue;
      const config = sessionConfigOf(status, peer, before?.config ?? null);
      this.#watches.set(name, {
        config,
        damping: before?.damping ?? UNDAMPED,
        held: before?.held ?? clock.alarm(() => this.#tellHeld(name)),
      });
      // BGP waits for this one: until it is up, that it is not is what matters.
      if (before === undefined && peer.bfd.strict && !isEstablished)
        bgp.setBfdState(name, "down", { controlPlaneIndependent: false });
    }
    sessions.setSessions([...this.#watches.values()].map(({ config }) => config));
  }

  #onChange({ name, state, controlPlaneIndependent }: PathChange): void {
    const watch = this.#watches.get(name);
    const { clock, bgp } = this.#deps;
    if (watch === undefined) {
      bgp.setBfdState(name, state, { controlPlaneIndependent });
      return;
    }
    const isStrict = this.#isStrict(name);
    watch.held.set(null);
    if (state === "down") watch.damping = afterLoss(watch.damping, clock.now());
    if (state === "up") this.#warnOfGracefulRestart(name, controlPlaneIndependent);
    const { heldUntil } = watch.damping;
    // Only where BGP waits for BFD does keeping the news back keep routes from flapping.
    if (state === "up" && isStrict && isLater(heldUntil, clock.now())) {
      watch.held.set(heldUntil);
      return;
    }
    // Nothing known of a path that BGP waits for is as good as down; a session that is there does not end for it.
    const isWaiting = isStrict && bgp.summaries().find((peer) => peer.name === name)?.state !== "established";
    const told = state === "unknown" && isWaiting ? "down" : state;
    bgp.setBfdState(name, told, { controlPlaneIndependent });
  }

  #tellHeld(name: string): void {
    const { bgp, sessions } = this.#deps;
    if (sessions.stateOf(name) === "up") bgp.setBfdState(name, "up", { controlPlaneIndependent: false });
  }

  #isStrict(name: string): boolean {
    const address = this.#watches.get(name)?.config.remote;
    return this.#watchedPeer(name, address)?.bfd.strict === true;
  }

  /** Null: not configured, or without BFD. Peers of a range are called by its name and their address. */
  #watchedPeer(name: string, address: IpAddress | undefined): WatchedPeer | null {
    const own = this.#peers.get(name);
    if (own?.bfd) return { ...own, bfd: own.bfd, gracefulRestart: own.gracefulRestart !== null };
    const suffix = `-${address ?? ""}`;
    const range = own || !name.endsWith(suffix) ? undefined : this.#ranges.get(name.slice(0, -suffix.length));
    if (!range?.bfd) return null;
    const { bfd, gracefulRestart } = range;
    return { bfd, gracefulRestart: gracefulRestart !== null, sourceAddress: null, sourceInterface: null };
  }

  /** RFC 5882 §4.3: without the C bit a restart of the peer's BGP may take its BFD along. */
  #warnOfGracefulRestart(name: string, controlPlaneIndependent: boolean): void {
    const { bgp, log } = this.#deps;
    const status = bgp.summaries().find((peer) => peer.name === name);
    const isUsed =
      (status?.remote?.gracefulRestartSeconds ?? null) !== null ||
      this.#watchedPeer(name, status?.address)?.gracefulRestart === true;
    if (controlPlaneIndependent || !isUsed || this.#warned.has(name)) return;
    this.#warned.add(name);
    const text =
      "graceful restart and BFD together, and the router's BFD does not outlive its BGP (no C bit): " +
      "when it restarts, BFD goes down as if the path were lost";
    emit(log.child({ component: "bfd", peer: name }), "bfd.graceful-restart", {}, text);
  }
}

const isLater = (at: Instant | null, now: Instant): boolean => at !== null && at > now;

/** Our end is the BGP session's own; once BGP waits for BFD there is no such session, and the end stays what it was. */
function sessionConfigOf(
  status: Pick<PeerSummary, "name" | "address" | "state" | "localAddress">,
  { bfd, sourceAddress, sourceInterface }: WatchedPeer,
  before: BfdSessionConfig | null,
): BfdSessionConfig {
  const { name, address: remote, state, localAddress } = status;
  const known = state === "established" && !bfd.strict ? localAddress : null;
  return {
    name,
    remote,
    local: known ?? (before?.remote === remote ? before.local : sourceAddress),
    interfaceName: sourceInterface,
    minimumTtl: bfd.minimumTtl,
    transmitMillis: bfd.transmitMillis,
    receiveMillis: bfd.receiveMillis,
    multiplier: bfd.multiplier,
    passive: bfd.passive,
    auth: bfd.auth,
    fastTimers: bfd.fastTimers,
  };
}
