import type { Prefix } from "../../addr/prefix.ts";
import { Instant } from "../../base/time.ts";
import type { ByteStream, Endpoint, Listener, Listening, StreamHandler } from "../../ports/stream.ts";
import { emit } from "../../telemetry/events.ts";
import type { ReceivedRoute, RouteKey } from "../rib/adj-rib-in.ts";
import type { RouteAttributes } from "../rib/adj-rib-out.ts";
import { DesiredRoutes } from "../rib/desired-routes.ts";
import type { BgpFault } from "../wire/faults.ts";
import { dynamicPeerFor } from "./dynamic-peers.ts";
import { listenSettings } from "./listen-settings.ts";
import type { BfdState, DynamicNeighbours, PeerConfig, PeerStatus, PeerSummary } from "./peer-config.ts";
import { PeerSession, type SessionDeps } from "./peer-session.ts";
import { changeOf, isFrom, type LocalSpeaker, withheldBecause } from "./peer-settings.ts";
import { type Recorder, type RecorderLimits, sharedLimits } from "./recorder.ts";

export type { ReceivedRoute, RouteKey } from "../rib/adj-rib-in.ts";
export type { RouteAttributes } from "../rib/adj-rib-out.ts";

export type { LocalSpeaker } from "./peer-settings.ts";
export type { DynamicNeighbours, GracefulRestartConfig, PeerConfig, PeerStatus, PeerSummary } from "./peer-config.ts";

/** Ports, and the log of the process; each peer gets a child of it. */
export type SpeakerDeps = SessionDeps;

/** Withdrawals get this long to leave, then the Cease follows whatever is still queued. */
const WITHDRAW_MILLIS = 700;
/** A closing stream takes a second at most; this is for one that does not keep to it. */
const CLOSE_MILLIS = 1200;

/** Whether a peer has been told of a prefix, and why not. */
export interface ToldPeer {
  readonly peer: string;
  readonly told: boolean;
  readonly reason: string | null;
}

/**
 * The BGP speaker: the same routes to all of its peers, as each one's policy has it, and what each of them announces.
 *
 * Parts: a PeerSession for each peer runs the state machine (src/bgp/fsm) over TCP; its PeerRoutes hold the RIBs
 * (src/bgp/rib); all octets are made and read in src/bgp/wire. Peers share nothing but the desired routes, so that
 * trouble with one does not touch another. There is no Loc-RIB and no decision process: what is announced is what the
 * caller asks for, and what is received is handed to the caller as it came.
 *
 * RFC 2385, 2545, 2918, 4271, 4486, 4724, 4760, 5082, 5492, 5882, 6286, 6608, 6793, 7313, 7606, 7607, 7911 (receiving),
 * 8212, 8326, 8538, 8654, 8950, 9003, 9072, 9234, 9384, 9494 (helper), 9687.
 */
export class Speaker {
  readonly #deps: SpeakerDeps;
  #local: LocalSpeaker;
  readonly #sessions = new Map<string, PeerSession>();
  /** The sessions that exist only while somebody of a range is there: its name by theirs. */
  readonly #rangeOf = new Map<string, string>();
  /** Stopped because their peer left the configuration; their last words are still on the way. */
  readonly #leaving = new Set<PeerSession>();
  /** What BFD said last of the path to each peer: a session that is begun anew has to know. */
  readonly #bfd = new Map<string, { readonly state: BfdState; readonly controlPlaneIndependent: boolean }>();
  /** Peers that had a session which new settings began anew: what they keep of us meanwhile is still good. */
  readonly #forwarding = new Set<string>();
  readonly #listenings = new Set<Listening>();
  readonly #listeners: (() => void)[] = [];
  readonly #waiting = new Set<() => void>();
  #peers: readonly PeerConfig[] = [];
  #dynamic: readonly DynamicNeighbours[] = [];
  #routes: DesiredRoutes | null = null;
  #isDraining = false;
  #isStopping = false;
  readonly #startedAt: Instant;
  /** Peers with which an earlier process may have had a session, and this one has not tried for one yet. */
  #restarted: Set<string> | null = null;

  constructor(deps: SpeakerDeps, local: LocalSpeaker) {
    this.#deps = deps;
    this.#local = local;
    this.#startedAt = deps.clock.now();
  }

  /**
   * Makes the sessions those of `peers`, by name, and lets those of `dynamic` come and go. A session is not touched by a
   * change of other peers, nor by one of its own that it can take over as it is; any other begins it anew.
   *
   * @param local  another AS or router id than before begins every session anew
   */
  setPeers(
    peers: readonly PeerConfig[],
    dynamic: readonly DynamicNeighbours[] = [],
    local: LocalSpeaker = this.#local,
  ): void {
    if (this.#isStopping) return;
    const isSomebodyElse = local.localAsn !== this.#local.localAsn || local.routerId !== this.#local.routerId;
    this.#peers = peers;
    this.#dynamic = dynamic;
    this.#local = local;
    // Nobody keeps routes for a speaker that it does not know.
    if (isSomebodyElse) this.#forwarding.clear();
    this.#restarted ??= new Set(peers.map(({ name }) => name));
    this.#keyListenings();
    for (const name of this.#forwarding) if (!this.#sessions.has(name)) this.#forwarding.delete(name);
    const wanted = new Map(peers.map((peer) => [peer.name, peer]));
    for (const [name, session] of this.#sessions) {
      const next = this.#rangeOf.has(name) ? this.#dynamicNext(session) : (wanted.get(name) ?? null);
      if (next === null) this.#leave(name, session, { kind: "cease.peer-deconfigured" });
      else if (isSomebodyElse) this.#leave(name, session, { kind: "cease.other-configuration-change" });
      else this.#change(name, session, next);
    }
    for (const peer of peers) {
      if (!this.#sessions.has(peer.name)) {
        const forwarding = this.#forwarding.has(peer.name);
        this.#begin(peer).start({ restarted: this.#isRestartFor(peer), forwarding });
      }
    }
    this.#onStep(true);
  }

  /**
   * What every peer should have: each is told the difference to what it has. Until the first call nothing is said, not
   * even the End-of-RIB that would make a router forget what it still knows of us.
   *
   * @param options.complete  false when more routes may be to come: they are announced, and the End-of-RIB waits
   */
  setRoutes(
    routes: ReadonlyMap<Prefix, RouteAttributes>,
    { complete = true }: { readonly complete?: boolean } = {},
  ): void {
    if (this.#isStopping) return;
    this.#routes = new DesiredRoutes(routes, this.#routes, complete);
    for (const session of this.#sessions.values()) session.setRoutes(this.#routes);
  }

  /** Which peers have been told of a prefix, and why others have not; a reason is null where none is known. */
  toldOf(prefix: Prefix): readonly ToldPeer[] {
    return this.peers().map(({ name, state, diagnosis }) => {
      const seen = this.#sessions.get(name)?.told(prefix) ?? null;
      if (seen !== null) return { peer: name, ...seen };
      return {
        peer: name,
        told: false,
        reason: `no session (${state}): ${diagnosis?.problem ?? "it is being tried for"}`,
      };
    });
  }

  /**
   * Asks all peers to prefer any other way to our routes, which stay announced (RFC 8326): traffic moves before `stop`
   * takes them away.
   */
  drain(): void {
    this.#isDraining = true;
    for (const session of this.#sessions.values()) session.setDraining(true);
  }

  /**
   * What BFD says of the path to a peer (RFC 5882). Going down ends the session; nothing else does.
   *
   * @param options.controlPlaneIndependent  the peer's C bit: its BFD goes on when its BGP does not
   */
  setBfdState(
    peerName: string,
    state: BfdState,
    { controlPlaneIndependent = false }: { readonly controlPlaneIndependent?: boolean } = {},
  ): void {
    if (state === "unknown") this.#bfd.delete(peerName);
    else this.#bfd.set(peerName, { state, controlPlaneIndependent });
    this.#sessions.get(peerName)?.setBfdState(state, controlPlaneIndependent);
  }

  /**
   * Listens on `local` until `stop`. The keys and the TTL of its socket follow those of the peers.
   *
   * @throws Error when the address cannot be had, or the kernel refuses an option
   */
  async listen(listener: Listener, local: Endpoint): Promise<void> {
    const { interfaceName } = local;
    const settings = listenSettings(this.#peers, this.#dynamic);
    const options = { local, ...settings, ...(interfaceName === undefined ? {} : { interfaceName }) };
    const listening = await listener.listen(options, (stream) => this.accept(stream));
    if (this.#isStopping) return listening.close();
    this.#listenings.add(listening);
    this.#keyListenings();
  }

  /** For a listener of the caller's own: the handler of a connection from a peer, null for any other. */
  accept(stream: ByteStream): StreamHandler | null {
    const { address } = stream.remote;
    const configured = [...this.#sessions.values()].filter(({ config }) => isFrom(config, stream.remote));
    for (const session of configured) {
      const handler = session.accept(stream);
      if (handler !== null) return handler;
    }
    const handler = configured.length === 0 ? this.#acceptDynamic(stream) : null;
    if (handler === null) {
      emit(this.#deps.log, "bgp.connection.refused", { remote: address }, `connection from ${address} not taken`);
    }
    return handler;
  }

  summaries(): readonly PeerSummary[] {
    return [...this.#sessions.values()].map((session) => session.summary());
  }

  /** In full, diagnosis included: for somebody who asks. */
  peers(): readonly PeerStatus[] {
    return [...this.#sessions.values()].map((session) => session.status());
  }

  /** Routes of each peer by its name: of an established session, and those kept for a peer that restarts. */
  received(): ReadonlyMap<string, ReadonlyMap<RouteKey, ReceivedRoute>> {
    return new Map([...this.#sessions].map(([name, session]) => [name, session.received()]));
  }

  /** What happened to a peer lately; null when there is none of that name. */
  recorder(peerName: string): Recorder | null {
    return this.#sessions.get(peerName)?.recorder ?? null;
  }

  /** `listener` is called after any peer's status or received routes changed. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Withdraws everything, closes each session with Cease "Administrative Shutdown" and `reason` (RFC 9003), and lets
   * go. Resolves when TCP is done with all of it, after two seconds at the latest.
   *
   * @param options.keepRoutes  nothing is withdrawn, and peers that agreed to graceful restart are not told that we go:
   *   they keep our routes until we are back, or their restart time is over (RFC 4724 §4.2)
   */
  async stop(reason: string, { keepRoutes = false }: { readonly keepRoutes?: boolean } = {}): Promise<void> {
    if (!keepRoutes) this.setRoutes(new Map());
    this.#isStopping = true;
    for (const listening of this.#listenings) listening.close();
    this.#listenings.clear();
    const sessions = [...this.#sessions.values()];
    await this.#until(() => sessions.every((session) => session.isFlushed), WITHDRAW_MILLIS);
    for (const session of sessions) {
      const isKept = keepRoutes && session.isHelped;
      session.stop(isKept ? null : { kind: "cease.administrative-shutdown", text: reason });
    }
    const all = [...sessions, ...this.#leaving];
    await this.#until(() => all.every((session) => session.isQuiet), CLOSE_MILLIS);
    for (const session of all) session.destroy();
    this.#sessions.clear();
    this.#leaving.clear();
  }

  #begin(peer: PeerConfig, isDynamic = false): PeerSession {
    const log = this.#deps.log.child({ component: "bgp", peer: peer.name });
    const changed = (isVisible: boolean): void => this.#onStep(isVisible, session);
    const recorderLimits = (): RecorderLimits => sharedLimits(this.#sessions.size);
    const session: PeerSession = new PeerSession(
      peer,
      this.#local,
      { ...this.#deps, log, recorderLimits },
      changed,
      isDynamic,
    );
    this.#sessions.set(peer.name, session);
    if (this.#routes !== null) session.setRoutes(this.#routes);
    if (this.#isDraining) session.setDraining(true);
    const bfd = this.#bfd.get(peer.name);
    if (bfd !== undefined) session.setBfdState(bfd.state, bfd.controlPlaneIndependent);
    return session;
  }

  /** A peer that could not be tried for at first, its router unknown or its key missing, is none that came later. */
  #isRestartFor(peer: PeerConfig): boolean {
    const isFirst = this.#restarted?.has(peer.name) === true;
    if (withheldBecause(peer) === null) this.#restarted?.delete(peer.name);
    return isFirst && this.#isAwaited(peer);
  }

  /** True while the peer may still keep the routes of the process before this one. */
  #isAwaited({ gracefulRestart }: PeerConfig): boolean {
    if (this.#local.restarted !== true || gracefulRestart === undefined) return false;
    return this.#deps.clock.now() < Instant.add(this.#startedAt, gracefulRestart.restartTimeSeconds * 1000);
  }

  #change(name: string, session: PeerSession, next: PeerConfig): void {
    switch (changeOf(session.config, next)) {
      case "none":
        break;
      case "live":
        session.setConfig(next);
        break;
      case "restart":
        if (session.isForwarding) this.#forwarding.add(name);
        this.#leave(name, session, { kind: "cease.other-configuration-change" });
        break;
    }
  }

  #leave(name: string, session: PeerSession, fault: BgpFault): void {
    this.#sessions.delete(name);
    this.#rangeOf.delete(name);
    this.#leaving.add(session);
    session.stop(fault);
  }

  /** What a dynamic session should be now; null when it should not be. */
  #dynamicNext({ config }: PeerSession): PeerConfig | null {
    const isConfigured = this.#peers.some((peer) => isFrom(peer, config));
    return isConfigured ? null : (dynamicPeerFor(config, this.#dynamic)?.peer ?? null);
  }

  #acceptDynamic(stream: ByteStream): StreamHandler | null {
    const found = this.#isStopping ? null : dynamicPeerFor(stream.remote, this.#dynamic);
    if (found === null || withheldBecause(found.peer) !== null || this.#sessions.has(found.peer.name)) return null;
    if (!this.#hasRoom(found.range)) return null;
    const session = this.#begin(found.peer, true);
    session.start({ restarted: this.#isAwaited(found.peer), forwarding: this.#forwarding.has(found.peer.name) });
    const handler = session.accept(stream);
    // Only now: a session without a connection is one that has gone.
    this.#rangeOf.set(found.peer.name, found.range.name);
    this.#onStep(true, session);
    return handler;
  }

  /** Who has gone and is only remembered takes nobody's place. */
  #hasRoom({ name: range, countMax }: DynamicNeighbours): boolean {
    const names = [...this.#rangeOf.keys()].filter((name) => this.#rangeOf.get(name) === range);
    if (names.length < countMax) return true;
    const vacant = names.find((name) => this.#sessions.get(name)?.isVacant === true);
    if (vacant !== undefined) this.#forget(vacant);
    return vacant !== undefined;
  }

  #forget(name: string): void {
    this.#sessions.get(name)?.destroy();
    this.#sessions.delete(name);
    this.#rangeOf.delete(name);
  }

  /** A key that the kernel refuses must not cost the others theirs; its peer is one that does not answer. */
  #keyListenings(): void {
    const { md5Keys, ...options } = listenSettings(this.#peers, this.#dynamic);
    for (const listening of this.#listenings) {
      try {
        listening.setOptions(options);
        listening.setMd5Keys(md5Keys);
      } catch (error) {
        emit(this.#deps.log, "bgp.listener.failed", { error }, `the listening socket: ${(error as Error).message}`);
      }
    }
  }

  /** @param of  whose step it was: that of one does not look at a thousand others */
  #onStep(isVisible: boolean, of: PeerSession | null = null): void {
    for (const session of this.#leaving) {
      if (!session.isQuiet) continue;
      this.#leaving.delete(session);
      session.destroy();
    }
    const name = of?.config.name ?? "";
    if (this.#rangeOf.has(name) && this.#sessions.get(name) === of && of?.isForgettable) this.#forget(name);
    for (const check of this.#waiting) check();
    if (isVisible) for (const listener of this.#listeners) listener();
  }

  /** Resolves when `condition` holds, or the time is up. */
  #until(condition: () => boolean, millis: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(check);
        alarm.close();
        resolve();
      };
      const check = (): void => {
        if (condition()) done();
      };
      const alarm = this.#deps.clock.alarm(done);
      alarm.set(Instant.add(this.#deps.clock.now(), millis));
      this.#waiting.add(check);
      check();
    });
  }
}
