import type { Logger } from "pino";
import type { IpAddress, Ipv4 } from "../../addr/ip.ts";
import type { Prefix } from "../../addr/prefix.ts";
import { Instant } from "../../base/time.ts";
import { unreachable } from "../../base/unreachable.ts";
import type { Alarm, Clock, Entropy } from "../../ports/clock.ts";
import type { ByteStream, DialOptions, Dialer, StreamEnd, StreamHandler } from "../../ports/stream.ts";
import { emit } from "../../telemetry/events.ts";
import type { Slot } from "../fsm/collision.ts";
import type { FsmPeer, Negotiated } from "../fsm/negotiation.ts";
import {
  leadingSlot,
  NEW_PEERING,
  type Peering,
  peeringDeadline,
  type PeeringAction,
  type PeeringEvent,
  stepPeering,
} from "../fsm/peering.ts";
import type { Action, DropCause, Event } from "../fsm/state.ts";
import type { ReceivedRoute } from "../rib/adj-rib-in.ts";
import type { DesiredRoutes } from "../rib/desired-routes.ts";
import type { Asn } from "../wire/asn.ts";
import { type BgpFault, NOTIFICATION } from "../wire/faults.ts";
import { frame } from "../wire/framing.ts";
import { decodeMessage, type Decoded, encodeMessage, type Message } from "../wire/message.ts";
import type { UpdateContext } from "../wire/path-attributes.ts";
import { fsmPeerOf } from "./fsm-peer.ts";
import { Link, type LinkOwner } from "./link.ts";
import type { PeerConfig, PeerStatus } from "./peer-config.ts";
import { PeerTroubles } from "./peer-troubles.ts";
import { RouteExchange } from "./route-exchange.ts";

export interface SessionDeps {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly dialer: Dialer;
  readonly log: Logger;
  /** The other addresses of the interface that has this one. */
  readonly localAddresses: (of: IpAddress) => readonly IpAddress[];
}

const SLOTS = ["outgoing", "incoming"] as const;
const UPDATE_ERROR = NOTIFICATION["update.malformed-attribute-list"].code;
const NO_ROUTES: ReadonlyMap<Prefix, ReceivedRoute> = new Map();

/**
 * Shell around the state machine of one peer: streams and time in, `stepPeering`, actions out. It has no rules of its
 * own. The two connections of a collision are two links; the one that is established has a RouteExchange.
 */
export class PeerSession {
  readonly config: PeerConfig;
  readonly #fsmPeer: FsmPeer;
  readonly #deps: SessionDeps;
  readonly #changed: (isVisible: boolean) => void;
  readonly #alarm: Alarm;
  readonly #troubles: PeerTroubles;
  readonly #links: Record<Slot, Link | null> = { outgoing: null, incoming: null };
  /** Dropped, and not yet reported as ended. */
  readonly #closing = new Set<Link>();
  #peering: Peering = NEW_PEERING;
  #exchange: RouteExchange | null = null;
  /**
   * The peer has refused one of our UPDATEs. FRR does while it does not know its interfaces, for the link-local address
   * beside a global next hop that RFC 2545 §3 wants there; from then on that peer gets the global one alone.
   */
  #globalNextHopOnly = false;
  #routes: DesiredRoutes | null = null;
  readonly #inbox: (() => void)[] = [];
  #running = false;
  #isChanged = false;
  #hasWritten = false;
  #since: Instant;
  /** What the alarm rang for and was given a second look. */
  #lookedAt: Instant | null = null;
  #establishedCount = 0;
  #messagesReceived = 0;
  #messagesSent = 0;

  /** @param changed  called after something happened; visible is what `status` and `received` tell */
  constructor(
    config: PeerConfig,
    local: { readonly localAsn: Asn; readonly routerId: Ipv4 },
    deps: SessionDeps,
    changed: (isVisible: boolean) => void,
  ) {
    this.config = config;
    this.#deps = deps;
    this.#changed = changed;
    this.#troubles = new PeerTroubles(config, deps.clock, deps.log);
    this.#since = deps.clock.now();
    this.#alarm = deps.clock.alarm(() => this.#ring());
    this.#fsmPeer = fsmPeerOf(config, local);
  }

  start(): void {
    this.#run(() => this.#apply({ type: "start" }));
  }

  /** Closes the session with what `fault` says; `isQuiet` once TCP is done with it. */
  stop(fault: BgpFault): void {
    this.#run(() => this.#apply({ type: "stop", fault }));
  }

  setRoutes(routes: DesiredRoutes): void {
    this.#routes = routes;
    this.#run(() => {
      if (this.#exchange?.setRoutes(routes)) this.#isChanged = true;
    });
  }

  /**
   * For a connection from this peer: its handler, or null when it is to be closed. Not to be called from within a
   * callback of this session.
   */
  accept(stream: ByteStream): StreamHandler | null {
    if (this.#running) return null;
    this.#run(() => this.#apply({ type: "accepted" }, stream));
    const link = this.#links.incoming;
    return link?.stream === stream ? link : null;
  }

  status(): PeerStatus {
    const { name, address, port, asn } = this.config;
    const exchange = this.#exchange;
    return {
      name,
      address,
      port,
      asn,
      state: this.#visibleState(),
      since: this.#since,
      establishedCount: this.#establishedCount,
      ...(exchange?.counts() ?? NO_COUNTS),
      holdTimeSeconds: exchange?.session.holdTimeSeconds ?? null,
      families: exchange?.session.families ?? [],
      remote: exchange === null ? null : remoteOf(exchange.session),
      localAddress: exchange?.stream.local.address ?? null,
      notAnnounced: exchange?.notAnnounced() ?? [],
      lastError: this.#troubles.last,
      messagesReceived: this.#messagesReceived,
      messagesSent: this.#messagesSent,
    };
  }

  received(): ReadonlyMap<Prefix, ReceivedRoute> {
    return this.#exchange?.received ?? NO_ROUTES;
  }

  /** True when the peer, if there is a session, was told everything. */
  get isFlushed(): boolean {
    return this.#exchange?.isFlushed ?? true;
  }

  /** True when nothing of an earlier connection is left. */
  get isQuiet(): boolean {
    return this.#closing.size === 0;
  }

  /** Resets what is still closing. The session must have been stopped. */
  destroy(): void {
    this.#alarm.close();
    for (const link of this.#closing) link.drop(true);
  }

  readonly #owner: LinkOwner = {
    opened: (link) => this.#run(() => this.#onLink(link, { type: "tcp-connected" })),
    received: (link) => this.#run(() => this.#read(link)),
    drained: () => this.#run(() => void (this.#hasWritten = true)),
    ended: (link, end) => this.#run(() => this.#ended(link, end)),
  };

  /** Runs to completion: what happens while an action is performed waits its turn, it never nests. */
  #run(task: () => void): void {
    this.#inbox.push(task);
    if (this.#running) return;
    this.#running = true;
    for (let next = this.#inbox.shift(); next; next = this.#inbox.shift()) {
      next();
      this.#writeRoutes();
    }
    this.#running = false;
    this.#alarm.set(Instant.earliest(peeringDeadline(this.#peering), this.#exchange?.deadline ?? null));
    const isVisible = this.#isChanged;
    this.#isChanged = false;
    this.#changed(isVisible);
  }

  /**
   * An alarm that comes late, because the process was busy, may find the peer's octets still unread in the socket. So
   * before a hold time is taken to have run out, the event loop gets one more turn to read them.
   */
  #ring(): void {
    const now = this.#deps.clock.now();
    const due = SLOTS.map((slot) => this.#peering[slot]).find(
      (state) => "hold" in state && Instant.isDue(state.hold, now),
    );
    const deadline = due !== undefined && "hold" in due ? due.hold : null;
    if (deadline !== null && this.#lookedAt !== deadline) {
      this.#lookedAt = deadline;
      this.#alarm.set(Instant.add(now, 1));
      return;
    }
    this.#run(() => this.#apply({ type: "time-passed" }));
  }

  /** Cuts messages off what arrived, until the link is dropped or the rest is no whole message. */
  #read(link: Link): void {
    for (let slot = this.#slotOf(link); slot !== null; slot = this.#slotOf(link)) {
      const framed = frame(link.buffer);
      if (framed.kind === "need-more") {
        // What waits is small; what it was cut from may be large.
        link.buffer = link.buffer.slice();
        return;
      }
      if (framed.kind === "fault") return this.#onLink(link, { type: "faulted", fault: framed.fault });
      link.buffer = link.buffer.subarray(framed.bytes.length);
      this.#messagesReceived++;
      const decoded = decodeMessage(framed.bytes, this.#contextOf(slot));
      if (decoded.kind === "message" && decoded.faults.length > 0) {
        this.#exchange?.noteMalformed(framed.bytes, decoded.faults, this.#deps.clock.now());
      }
      this.#onLink(link, eventOf(decoded));
    }
  }

  #ended(link: Link, end: StreamEnd): void {
    this.#closing.delete(link);
    const slot = this.#slotOf(link);
    if (slot === null) return;
    this.#troubles.ended(end, link.stream === null ? "connecting" : "open");
    this.#isChanged = true;
    this.#onLink(link, { type: "tcp-failed" });
  }

  #onLink(link: Link, event: Event): void {
    const slot = this.#slotOf(link);
    if (slot !== null) this.#apply({ type: "connection", slot, event });
  }

  /** @param accepted  the stream that an "accepted" is about */
  #apply(event: PeeringEvent, accepted: ByteStream | null = null): void {
    const before = this.#peering;
    const visibleBefore = this.#visibleState();
    const now = this.#deps.clock.now();
    const { peering, actions } = stepPeering(before, event, now, this.#fsmPeer, this.#deps.entropy.fraction());
    this.#peering = peering;
    if (this.#exchange !== null && !SLOTS.some((slot) => peering[slot].name === "established")) this.#exchange = null;
    for (const action of actions) this.#perform(action, accepted);
    for (const slot of SLOTS) this.#establish(slot);
    this.#report(before, visibleBefore, event, now);
  }

  /** The one log line per transition. */
  #report(before: Peering, visibleBefore: PeerStatus["state"], event: PeeringEvent, now: Instant): void {
    const cause = event.type === "connection" ? event.event.type : event.type;
    for (const slot of SLOTS) {
      const [from, to] = [before[slot].name, this.#peering[slot].name];
      if (from === to) continue;
      emit(this.#deps.log, "bgp.connection.state", { slot, from, to, cause }, `${slot} connection: ${from} to ${to}`);
    }
    const visible = this.#visibleState();
    if (visible === visibleBefore) return;
    this.#since = now;
    this.#isChanged = true;
    if (visible !== "established" && visibleBefore !== "established") return;
    const fields = { from: visibleBefore, to: visible, cause };
    emit(this.#deps.log, "bgp.session.state", fields, visible === "established" ? "session up" : "session down");
  }

  #perform(action: PeeringAction, accepted: ByteStream | null): void {
    switch (action.type) {
      case "shift":
        this.#links.outgoing = this.#links.incoming;
        this.#links.incoming = null;
        break;
      case "admit":
        this.#links.incoming = new Link(this.#owner, accepted);
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
        const link = new Link(this.#owner, null);
        this.#links[slot] = link;
        link.dialled(this.#deps.dialer.dial(dialOptions(this.config), link));
        break;
      }
      case "send":
        this.#send(slot, action.message);
        break;
      case "drop":
        this.#drop(slot, action.cause, action.abort);
        break;
      case "deliver":
        if (this.#exchange?.deliver(action.decoded)) this.#isChanged = true;
        break;
      case "refresh":
        this.#exchange?.resend(action.request);
        break;
      default:
        unreachable(action);
    }
  }

  #send(slot: Slot, message: Message): void {
    this.#links[slot]?.stream?.write(encodeMessage(message, this.#contextOf(slot)));
    this.#messagesSent++;
    this.#hasWritten = true;
  }

  #drop(slot: Slot, cause: DropCause, abort: boolean): void {
    this.#troubles.dropped(cause);
    if (cause.kind === "notification" && cause.notification.code === UPDATE_ERROR) this.#globalNextHopOnly = true;
    this.#isChanged = true;
    const link = this.#links[slot];
    this.#links[slot] = null;
    if (link?.drop(abort)) this.#closing.add(link);
  }

  /** Begins the exchange of routes on the connection that has just come up. */
  #establish(slot: Slot): void {
    const state = this.#peering[slot];
    const stream = this.#links[slot]?.stream ?? null;
    if (state.name !== "established" || this.#exchange !== null || stream === null) return;
    const { log, localAddresses } = this.#deps;
    const { localAsn } = this.#fsmPeer;
    const { session } = state;
    const globalNextHopOnly = this.#globalNextHopOnly;
    const exchange = { peer: this.config, localAsn, session, stream, localAddresses, globalNextHopOnly, log };
    this.#exchange = new RouteExchange(exchange);
    if (this.#routes !== null) this.#exchange.setRoutes(this.#routes);
    this.#establishedCount++;
    this.#troubles.over();
  }

  /** Writes UPDATEs as far as TCP takes them, and tells the timers that watch over what we send. */
  #writeRoutes(): void {
    const slot = SLOTS.find((one) => this.#peering[one].name === "established");
    if (this.#exchange === null || slot === undefined) return;
    const count = this.#exchange.pump(this.#deps.clock.now());
    if (count > 0) {
      this.#messagesSent += count;
      this.#hasWritten = true;
      this.#isChanged = true;
      this.#apply({ type: "connection", slot, event: { type: "sent-update" } });
    }
    if (!this.#hasWritten || this.#exchange.stream.queuedBytes > 0) return;
    this.#hasWritten = false;
    this.#apply({ type: "connection", slot, event: { type: "drained" } });
  }

  #visibleState(): PeerStatus["state"] {
    return this.#peering[leadingSlot(this.#peering)].name;
  }

  #slotOf(link: Link): Slot | null {
    return SLOTS.find((slot) => this.#links[slot] === link) ?? null;
  }

  #contextOf(slot: Slot): UpdateContext {
    const state = this.#peering[slot];
    if ("session" in state) return state.session;
    return { fourOctetAs: true, external: this.#fsmPeer.peerAsn !== this.#fsmPeer.localAsn, families: [] };
  }
}

const NO_COUNTS = {
  prefixesSent: 0,
  prefixesSentByFamily: { "ipv4-unicast": 0, "ipv6-unicast": 0 },
  prefixesReceived: 0,
  prefixesRefused: 0,
} as const;

const remoteOf = (session: Negotiated): NonNullable<PeerStatus["remote"]> => ({
  identifier: session.peerIdentifier,
  fourOctetAs: session.fourOctetAs,
  routeRefresh: session.routeRefresh,
  gracefulRestartSeconds: session.gracefulRestart?.restartTimeSeconds ?? null,
});

function eventOf(decoded: Decoded): Event {
  if (decoded.kind === "fault") return { type: "faulted", fault: decoded.fault };
  const { message, faults } = decoded;
  switch (message.type) {
    case "open":
      return { type: "received-open", open: message };
    case "update":
      return { type: "received-update", decoded: { update: message, faults } };
    case "notification":
      return { type: "received-notification", notification: message };
    case "keepalive":
      return { type: "received-keepalive" };
    case "route-refresh":
      return { type: "received-route-refresh", request: message };
    default:
      return unreachable(message);
  }
}

function dialOptions(peer: PeerConfig): DialOptions {
  return {
    remote: { address: peer.address, port: peer.port },
    ttl: peer.ttl,
    ...(peer.localAddress === undefined ? {} : { localAddress: peer.localAddress }),
    ...(peer.interfaceName === undefined ? {} : { interfaceName: peer.interfaceName }),
    ...(peer.md5Password === undefined ? {} : { md5Password: peer.md5Password }),
  };
}
