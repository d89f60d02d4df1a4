import { Instant } from "../../base/time.ts";
import { RunToCompletion } from "../../base/run-to-completion.ts";
import { unreachable } from "../../base/unreachable.ts";
import type { Alarm, Clock, Entropy } from "../../ports/clock.ts";
import type { ByteStream, Dialer, StreamEnd, StreamHandler } from "../../ports/stream.ts";
import type { ReadTcpCounters } from "../../ports/tcp-counters.ts";
import type { Slot } from "../fsm/collision.ts";
import { peeringDeadline, type PeeringAction, type PeeringEvent } from "../fsm/peering.ts";
import type { Action } from "../fsm/state.ts";
import type { ReceivedRoute, RouteKey } from "../rib/adj-rib-in.ts";
import type { DesiredRoutes } from "../rib/desired-routes.ts";
import type { Prefix } from "../../addr/prefix.ts";
import { type AddressFamily, familyCodes } from "../wire/families.ts";
import { type BgpFault, NOTIFICATION } from "../wire/faults.ts";
import { encodeMessage } from "../wire/message.ts";
import { fsmPeerOf } from "./fsm-peer.ts";
import { nextMessage } from "./incoming-messages.ts";
import type { Link } from "./link.ts";
import type { BfdState, PeerConfig, PeerStatus, PeerSummary } from "./peer-config.ts";
import { PeerLinks, SLOTS } from "./peer-links.ts";
import { PeerRoutes, type PeerRoutesDeps } from "./peer-routes.ts";
import { acceptOptions, canonical, dialOptions, type LocalSpeaker, withheldBecause } from "./peer-settings.ts";
import { PeerTroubles } from "./peer-troubles.ts";
import { Recorder, type RecorderLimits } from "./recorder.ts";
import { RunningPeering } from "./running-peering.ts";
import { SecondLook } from "./second-look.ts";
import { statusOf } from "./session-status.ts";

export interface SessionDeps extends PeerRoutesDeps {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly dialer: Dialer;
  /** What the kernel drops tells a wrong key from silence; without it a diagnosis knows less. */
  readonly readTcpCounters?: ReadTcpCounters;
  /** How much the flight recorder keeps, asked anew for each entry; absent: as much as for a peer by itself. */
  readonly recorderLimits?: () => RecorderLimits;
}

const UPDATE_ERROR = NOTIFICATION["update.malformed-attribute-list"].code;
/** Messages of one connection that are read before others get their turn. */
const MESSAGES_PER_TURN = 64;

/**
 * Shell around the state machine of one peer: streams and time in, `stepPeering`, actions out. It has no rules of its
 * own. The two connections of a collision are two links; the one that is established has a RouteExchange, and what the
 * peer announces is kept beyond it by a RouteKeeping.
 */
export class PeerSession {
  readonly recorder: Recorder;
  readonly #local: LocalSpeaker;
  readonly #deps: SessionDeps;
  readonly #changed: (isVisible: boolean) => void;
  readonly #alarm: Alarm;
  readonly #troubles: PeerTroubles;
  readonly #routes: PeerRoutes;
  readonly #links: PeerLinks;
  readonly #isDynamic: boolean;
  #config: PeerConfig;
  readonly #peering: RunningPeering;
  /** Wanted, whether or not something keeps it from being started. */
  #isWanted = false;
  #bfd: BfdState | null = null;
  readonly #tasks: RunToCompletion;
  readonly #secondLook = new SecondLook();
  /** Destroyed: what still ends wakes nobody. */
  #isOver = false;
  #isChanged = false;
  #hasWritten = false;
  #establishedCount = 0;

  /**
   * @param changed  called after something happened; visible is what `status` and `received` tell
   * @param isDynamic  the peer is not configured itself, but one of a range
   */
  constructor(
    config: PeerConfig,
    local: LocalSpeaker,
    deps: SessionDeps,
    changed: (isVisible: boolean) => void,
    isDynamic = false,
  ) {
    const { clock, log, readTcpCounters = () => null } = deps;
    this.#config = config;
    this.#local = local;
    this.#deps = deps;
    this.#changed = changed;
    this.#isDynamic = isDynamic;
    const fsmPeer = fsmPeerOf(config, local);
    this.recorder = new Recorder({ name: config.name, address: config.address }, fsmPeer, clock, deps.recorderLimits);
    this.#peering = new RunningPeering(fsmPeer, { ...deps, recorder: this.recorder });
    this.#troubles = new PeerTroubles(config, clock, log, readTcpCounters);
    this.#routes = new PeerRoutes(config, local, deps);
    this.#links = new PeerLinks({
      opened: (link) => this.#run(() => this.#opened(link)),
      received: (link) => this.#run(() => this.#read(link)),
      drained: () => this.#run(() => void (this.#hasWritten = true)),
      ended: (link, end) => this.#run(() => this.#ended(link, end)),
    });
    this.#tasks = new RunToCompletion(
      () => this.#writeRoutes(),
      () => this.#rest(),
    );
    this.#alarm = clock.alarm(() => this.#ring());
  }

  get config(): PeerConfig {
    return this.#config;
  }

  /**
   * @param before  `restarted`: an earlier process of ours had a session with this peer, which may keep its routes
   *   meanwhile; `forwarding`: this process had one, with other settings
   */
  start(before: { readonly restarted?: boolean; readonly forwarding?: boolean } = {}): void {
    this.#isWanted = true;
    const withheld = withheldBecause(this.#config);
    this.#run(() => {
      if (withheld === null) return this.#apply({ type: "start", ...before });
      this.#troubles.withheld(`not started: ${withheld}`);
      this.#isChanged = true;
    });
  }

  /** Closes the session with what `fault` says, or without a word; `isQuiet` once TCP is done with it. */
  stop(fault: BgpFault | null): void {
    this.#isWanted = false;
    this.#run(() => this.#apply({ type: "stop", fault }));
  }

  /** Takes over settings of which `changeOf` says that they need no new session. */
  setConfig(config: PeerConfig): void {
    const before = this.#config;
    this.#config = config;
    this.#peering.peer = fsmPeerOf(config, this.#local);
    this.#troubles.peer = config;
    this.#run(() => {
      for (const family of this.#routes.setPeer(config)) this.#ask(family);
      this.#limit();
      this.#isChanged = true;
      const hasLimit = canonical(before.maxPrefixes) !== canonical(config.maxPrefixes);
      const isCaller = before.passive !== config.passive && this.#routes.session === null;
      if (!this.#isWanted || !(hasLimit || isCaller)) return;
      if (isCaller) this.#apply({ type: "stop", fault: { kind: "cease.other-configuration-change" } });
      if (this.#isSuspended) this.#apply({ type: "start" });
    });
  }

  setRoutes(routes: DesiredRoutes): void {
    this.#run(() => {
      if (this.#routes.setDesired(routes)) this.#isChanged = true;
    });
  }

  /** Asks the peer to prefer other ways to our routes (RFC 8326). */
  setDraining(isDraining: boolean): void {
    this.#run(() => this.#routes.setDraining(isDraining));
  }

  /** @param controlPlaneIndependent  the peer's C bit: its BFD goes on when its BGP does not (RFC 5882 §4.3) */
  setBfdState(state: BfdState, controlPlaneIndependent: boolean): void {
    if (state === this.#bfd) return;
    this.#bfd = state;
    this.#run(() => {
      this.#isChanged = true;
      if (state === "up") this.#apply({ type: "bfd-up" });
      else if (state === "down") this.#apply({ type: "bfd-down", controlPlaneIndependent });
      else this.#apply({ type: "bfd-gone" });
    });
  }

  /**
   * For a connection from this peer: its handler, or null when it is to be closed. Not to be called from within a
   * callback of this session.
   */
  accept(stream: ByteStream): StreamHandler | null {
    if (this.#tasks.isRunning || this.#links.isFull) return null;
    try {
      stream.setOptions(acceptOptions(this.#config));
    } catch (error) {
      this.#troubles.ended({ kind: "failed", message: (error as Error).message }, "open");
      return null;
    }
    this.#run(() => this.#apply({ type: "accepted" }, stream));
    return this.#links.of(stream);
  }

  summary(): PeerSummary {
    const { name, address } = this.#config;
    return { name, address, state: this.#peering.visible, since: this.#peering.since, ...this.#routes.summary() };
  }

  status(): PeerStatus {
    return statusOf({
      config: this.#config,
      local: this.#local,
      isDynamic: this.#isDynamic,
      state: this.#peering.visible,
      since: this.#peering.since,
      establishedCount: this.#establishedCount,
      isSuspended: this.#isSuspended,
      bfd: this.#bfd,
      routes: this.#routes,
      troubles: this.#troubles,
      recorder: this.recorder,
    });
  }

  received(): ReadonlyMap<RouteKey, ReceivedRoute> {
    return this.#routes.received;
  }

  /** True when the peer, if there is a session, was told everything. */
  get isFlushed(): boolean {
    return this.#routes.isFlushed;
  }

  /** True when the peer keeps our routes while we restart (RFC 4724 §4.2). */
  get isHelped(): boolean {
    return this.#config.gracefulRestart !== undefined && this.#routes.session?.gracefulRestart != null;
  }

  /** True when there was a session since what we forward by is there (RFC 4724 §3). */
  get isForwarding(): boolean {
    return this.#peering.state.forwarding;
  }

  /** Whether the peer has been told of a prefix; null without a session. */
  told(prefix: Prefix): ReturnType<PeerRoutes["told"]> {
    return this.#routes.told(prefix);
  }

  /** True when nothing of an earlier connection is left. */
  get isQuiet(): boolean {
    return this.#links.isQuiet;
  }

  /** True when there is no connection, and nothing is kept for the peer. */
  get isVacant(): boolean {
    return this.#links.isVacant && !this.#routes.isKeeping && !this.#isSuspended;
  }

  /**
   * True for a vacant one whose last connection ended a while ago: by then its failures count no more. To forget them
   * earlier would let a peer that fails call as often as it likes.
   */
  get isForgettable(): boolean {
    const { forgetAt } = this.#peering;
    return this.isVacant && (forgetAt === null || Instant.isDue(forgetAt, this.#deps.clock.now()));
  }

  /** Resets what is still closing. The session must have been stopped. */
  destroy(): void {
    this.#isOver = true;
    this.#alarm.close();
    this.#links.destroy();
  }

  /** The peer announced too much, and is kept away for it. */
  get #isSuspended(): boolean {
    return this.#isWanted && !this.#peering.state.started && withheldBecause(this.#config) === null;
  }

  #run(task: () => void): void {
    this.#tasks.run(task);
  }

  /** Nothing is left to do: sets the alarm for what comes next, and tells. */
  #rest(): void {
    if (this.#isOver) return;
    const backlog = this.#links.held.length > 0 ? this.#deps.clock.now() : null;
    const forgetAt = this.#isDynamic && this.isVacant ? this.#peering.forgetAt : null;
    this.#alarm.set(Instant.earliest(backlog, peeringDeadline(this.#peering.state), this.#routes.deadline, forgetAt));
    const isVisible = this.#isChanged;
    this.#isChanged = false;
    this.#changed(isVisible);
  }

  #ring(): void {
    for (const link of this.#links.held) this.#run(() => this.#read(link));
    const now = this.#deps.clock.now();
    if (this.#secondLook.isNeeded(this.#peering.state, now)) return this.#alarm.set(Instant.add(now, 1));
    this.#run(() => {
      if (this.#routes.expire()) this.#isChanged = true;
      this.#apply({ type: "time-passed" });
    });
  }

  #opened(link: Link): void {
    const slot = this.#links.slotOf(link);
    if (slot === null || link.stream === null) return;
    this.recorder.connected(slot, link.stream.local.address, link.stream.remote.address);
    this.#apply({ type: "connection", slot, event: { type: "tcp-connected" } });
  }

  /** Takes messages until the link is dropped, the rest is no whole one, or the turn is over. */
  #read(link: Link): void {
    for (let left = MESSAGES_PER_TURN; ; left--) {
      const slot = this.#links.slotOf(link);
      if (slot === null) return;
      if (left === 0) return link.hold(true);
      const incoming = nextMessage(link, this.#peering.contextOf(slot));
      if (incoming === null) return link.hold(false);
      const { event, octets, faults } = incoming;
      if (octets !== null) this.recorder.received(slot, octets);
      if (octets !== null && faults.length > 0) this.#routes.noteMalformed(octets, faults);
      this.#apply({ type: "connection", slot, event });
    }
  }

  #ended(link: Link, end: StreamEnd): void {
    this.#links.forget(link);
    // The peer's last words may be among what still waits for its turn.
    while (link.isHeld) this.#read(link);
    const slot = this.#links.slotOf(link);
    if (slot === null) return;
    this.#troubles.ended(end, link.stream === null ? "connecting" : "open");
    this.#isChanged = true;
    this.#apply({ type: "connection", slot, event: { type: "tcp-failed" } });
  }

  /** @param accepted  the stream that an "accepted" is about */
  #apply(event: PeeringEvent, accepted: ByteStream | null = null): void {
    const isVisible = this.#peering.step(event, (actions) => {
      for (const action of actions) this.#perform(action, accepted);
      for (const slot of SLOTS) this.#establish(slot);
    });
    if (isVisible) this.#isChanged = true;
  }

  #perform(action: PeeringAction, accepted: ByteStream | null): void {
    switch (action.type) {
      case "shift":
        this.#links.shift();
        break;
      case "admit":
        this.#links.open("incoming", accepted);
        if (accepted !== null) this.recorder.connected("incoming", accepted.local.address, accepted.remote.address);
        break;
      case "perform":
        this.#performOn(action.slot, action.action);
        break;
      default:
        unreachable(action);
    }
  }

  #performOn(slot: Slot, action: Action): void {
    switch (action.type) {
      case "dial": {
        const link = this.#links.open(slot, null);
        link.dialled(this.#deps.dialer.dial(dialOptions(this.#config), link));
        break;
      }
      case "send":
        this.#write(slot, encodeMessage(action.message, this.#peering.contextOf(slot)));
        break;
      case "drop":
        this.#drop(slot, action);
        break;
      case "deliver":
        if (this.#routes.deliver(action.decoded)) this.#isChanged = true;
        this.#limit();
        break;
      case "refresh":
        if (this.#routes.refresh(action.request)) this.#isChanged = true;
        break;
      default:
        unreachable(action);
    }
  }

  #write(slot: Slot, message: Uint8Array): void {
    const stream = this.#links.stream(slot);
    if (stream === null) return;
    this.recorder.sent(slot, message);
    stream.write(message);
    this.#hasWritten = true;
  }

  #drop(slot: Slot, { cause, abort, end }: Action & { readonly type: "drop" }): void {
    this.#troubles.dropped(cause);
    if (cause.kind === "notification" && cause.notification.code === UPDATE_ERROR) this.#routes.wereRefused();
    if (end !== "none") this.#routes.end(end);
    this.#isChanged = true;
    this.#links.drop(slot, abort);
  }

  /** Ends the session that has passed its prefix limit, once what led to it is done with. */
  #limit(): void {
    const { exceeded } = this.#routes;
    if (exceeded === null || this.#routes.session === null) return;
    const { family, limit } = exceeded;
    const fault: BgpFault = { kind: "cease.max-prefixes", ...familyCodes(family), limit };
    const restartSeconds = this.#config.maxPrefixes?.restartSeconds ?? null;
    this.#run(() => {
      if (this.#routes.session !== null) this.#apply({ type: "suspend", fault, restartSeconds });
    });
  }

  /** Asks the peer for all of a family (RFC 2918 §4). */
  #ask(family: AddressFamily): void {
    const slot = this.#peering.established;
    const request = { type: "route-refresh", ...familyCodes(family), subtype: 0 } as const;
    if (slot !== null) this.#write(slot, encodeMessage(request, this.#peering.contextOf(slot)));
  }

  /** Begins the exchange of routes on the connection that has just come up. */
  #establish(slot: Slot): void {
    const state = this.#peering.state[slot];
    const stream = this.#links.stream(slot);
    if (state.name !== "established" || this.#routes.session !== null || stream === null) return;
    this.#routes.begin(state.session, stream);
    this.#establishedCount++;
    this.#troubles.over();
  }

  /** Writes UPDATEs as far as TCP takes them, and tells the timers that watch over what we send. */
  #writeRoutes(): void {
    const slot = this.#peering.established;
    if (slot === null) return;
    let count = 0;
    for (let message = this.#routes.next(); message !== null; message = this.#routes.next()) {
      this.#write(slot, message);
      count++;
    }
    if (count > 0) {
      this.#isChanged = true;
      this.#apply({ type: "connection", slot, event: { type: "sent-update" } });
    }
    if (!this.#hasWritten || (this.#links.stream(slot)?.queuedBytes ?? 0) > 0) return;
    this.#hasWritten = false;
    this.#apply({ type: "connection", slot, event: { type: "drained" } });
  }
}
