import type { Ipv4 } from "../../addr/ip.ts";
import type { Prefix } from "../../addr/prefix.ts";
import { Instant } from "../../base/time.ts";
import type { ByteStream, StreamHandler } from "../../ports/stream.ts";
import { emit } from "../../telemetry/events.ts";
import type { ReceivedRoute } from "../rib/adj-rib-in.ts";
import type { RouteAttributes } from "../rib/adj-rib-out.ts";
import { DesiredRoutes } from "../rib/desired-routes.ts";
import type { Asn } from "../wire/asn.ts";
import type { PeerConfig, PeerStatus } from "./peer-config.ts";
import { PeerSession, type SessionDeps } from "./peer-session.ts";

export type { ReceivedRoute } from "../rib/adj-rib-in.ts";
export type { RouteAttributes } from "../rib/adj-rib-out.ts";

export type { PeerConfig, PeerStatus } from "./peer-config.ts";

/** Ports, and the log of the process; each peer gets a child of it. */
export type SpeakerDeps = SessionDeps;

/** Withdrawals get this long to leave, then the Cease follows whatever is still queued. */
const WITHDRAW_MILLIS = 700;
/** A closing stream takes a second at most; this is for one that does not keep to it. */
const CLOSE_MILLIS = 1200;

/**
 * The BGP speaker: the same routes to all of its peers, and what each of them announces.
 *
 * Parts: a PeerSession for each peer runs the state machine (src/bgp/fsm) over TCP; a RouteExchange within it holds the
 * RIBs of the session (src/bgp/rib); all octets are made and read in src/bgp/wire. Peers share nothing but the desired
 * routes, so that trouble with one does not touch another. There is no Loc-RIB and no decision process: what is
 * announced is what the caller asks for, and what is received is handed to the caller as it came.
 *
 * RFC 4271, 4486, 4724 (End-of-RIB), 4760, 2545, 2918, 5492, 6286, 6608, 6793, 7606, 7607, 9003, 9072, 9687.
 */
export class Speaker {
  readonly #deps: SpeakerDeps;
  readonly #local: { readonly localAsn: Asn; readonly routerId: Ipv4 };
  readonly #sessions = new Map<string, PeerSession>();
  /** Stopped because their peer left the configuration; their last words are still on the way. */
  readonly #leaving = new Set<PeerSession>();
  readonly #listeners: (() => void)[] = [];
  readonly #waiting = new Set<() => void>();
  #routes: DesiredRoutes | null = null;
  #isStopping = false;

  constructor(deps: SpeakerDeps, local: { readonly localAsn: Asn; readonly routerId: Ipv4 }) {
    this.#deps = deps;
    this.#local = local;
  }

  /** Makes the sessions those of `peers`, by name. A peer whose settings are the same is not touched. */
  setPeers(peers: readonly PeerConfig[]): void {
    const wanted = new Map(peers.map((peer) => [peer.name, peer]));
    for (const [name, session] of this.#sessions) {
      const next = wanted.get(name);
      if (next !== undefined && isSame(next, session.config)) continue;
      this.#sessions.delete(name);
      this.#leaving.add(session);
      session.stop({ kind: next === undefined ? "cease.peer-deconfigured" : "cease.other-configuration-change" });
    }
    for (const peer of peers) if (!this.#sessions.has(peer.name)) this.#begin(peer);
    this.#onStep(true);
  }

  /**
   * What every peer should have: each is told the difference to what it has. Until the first call nothing is said, not
   * even the End-of-RIB that would make a router forget what it still knows of us.
   */
  setRoutes(routes: ReadonlyMap<Prefix, RouteAttributes>): void {
    if (this.#isStopping) return;
    this.#routes = new DesiredRoutes(routes, this.#routes);
    for (const session of this.#sessions.values()) session.setRoutes(this.#routes);
  }

  /** For a listener: the handler of a connection from a configured peer, null for any other. */
  accept(stream: ByteStream): StreamHandler | null {
    const { address } = stream.remote;
    for (const session of this.#sessions.values()) {
      if (session.config.address !== address) continue;
      const handler = session.accept(stream);
      if (handler !== null) return handler;
    }
    emit(this.#deps.log, "bgp.connection.refused", { remote: address }, `connection from ${address} not taken`);
    return null;
  }

  peers(): readonly PeerStatus[] {
    return [...this.#sessions.values()].map((session) => session.status());
  }

  /** Routes of each established peer, by its name. */
  received(): ReadonlyMap<string, ReadonlyMap<Prefix, ReceivedRoute>> {
    return new Map([...this.#sessions].map(([name, session]) => [name, session.received()]));
  }

  /** `listener` is called after any peer's status or received routes changed. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Withdraws everything, closes each session with Cease "Administrative Shutdown" and `reason` (RFC 9003), and lets
   * go. Resolves when TCP is done with all of it, after two seconds at the latest.
   */
  async stop(reason: string): Promise<void> {
    this.setRoutes(new Map());
    this.#isStopping = true;
    const sessions = [...this.#sessions.values()];
    await this.#until(() => sessions.every((session) => session.isFlushed), WITHDRAW_MILLIS);
    for (const session of sessions) session.stop({ kind: "cease.administrative-shutdown", text: reason });
    const all = [...sessions, ...this.#leaving];
    await this.#until(() => all.every((session) => session.isQuiet), CLOSE_MILLIS);
    for (const session of all) session.destroy();
    this.#sessions.clear();
    this.#leaving.clear();
  }

  #begin(peer: PeerConfig): void {
    const log = this.#deps.log.child({ component: "bgp", peer: peer.name });
    const session = new PeerSession(peer, this.#local, { ...this.#deps, log }, (isVisible) => this.#onStep(isVisible));
    this.#sessions.set(peer.name, session);
    if (this.#routes !== null) session.setRoutes(this.#routes);
    session.start();
  }

  #onStep(isVisible: boolean): void {
    for (const session of this.#leaving) {
      if (!session.isQuiet) continue;
      this.#leaving.delete(session);
      session.destroy();
    }
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

/** Settings are plain data, written in the same order each time. */
const isSame = (a: PeerConfig, b: PeerConfig): boolean => canonical(a) === canonical(b);

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
