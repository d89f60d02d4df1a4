import { Instant } from "../../base/time.ts";
import type { Message } from "../wire/message.ts";
import type { Slot } from "./collision.ts";
import type { FsmPeer } from "./negotiation.ts";
import {
  NEW_PEERING,
  type Peering,
  type PeeringAction,
  peeringDeadline,
  type PeeringEvent,
  stepPeering,
} from "./peering.ts";
import type { Action, Event } from "./state.ts";

const SLOTS = ["outgoing", "incoming"] as const;

/** Numbers in [0, 1) that follow from `seed` (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One end of a TCP connection. What arrives there arrives in order, whatever the delays. */
interface End {
  readonly connection: number;
  readonly host: Speaker;
  /** Which life of the host, between two crashes, the end belongs to. */
  readonly life: number;
  /** Null when nobody there knows of it any more. */
  owner: Speaker | null;
  other: End | null;
  /** Nothing arrives before this. */
  readyAt: number;
  /** What this end sends vanishes, and the sender never learns. */
  isMute: boolean;
}

/** One side: a machine, and the shell around it as far as it matters here. */
export class Speaker {
  readonly name: string;
  readonly peer: FsmPeer;
  peering: Peering = NEW_PEERING;
  isUp = false;
  links: Record<Slot, End | null> = { outgoing: null, incoming: null };
  establishedCount = 0;
  life = 0;
  /** Grows with every step and every crash: an alarm that was set before is void. */
  epoch = 0;

  constructor(name: string, peer: FsmPeer) {
    this.name = name;
    this.peer = peer;
  }

  get sessions(): readonly Slot[] {
    return SLOTS.filter((slot) => this.peering[slot].name === "established");
  }

  /** Number of the TCP connection that the session uses; null without one. */
  get connection(): number | null {
    const [slot] = this.sessions;
    return slot === undefined ? null : (this.links[slot]?.connection ?? null);
  }

  get text(): string {
    const at = (slot: Slot): string => `${this.peering[slot].name} (${this.links[slot]?.connection ?? "-"})`;
    return `${this.name}: ${at("outgoing")}, ${at("incoming")}`;
  }
}

/** Two speakers and the network between them, in virtual time; equal seeds give equal runs. */
export class Simulation {
  readonly a: Speaker;
  readonly b: Speaker;
  now = 0;
  /** Upper bound of every delay in milliseconds, and the share of segments that TCP has to send again. */
  delayMillisMax = 50;
  lossShare = 0;
  /** Nothing gets through before this. */
  blockedUntil = 0;
  /** What happened, for the message of a test that fails. */
  readonly log: string[] = [];
  readonly random: () => number;
  readonly #queue: { readonly at: number; readonly order: number; readonly run: () => void }[] = [];
  #order = 0;
  connectionCount = 0;

  constructor(seed: number, a: FsmPeer, b: FsmPeer) {
    this.random = randomFrom(seed);
    this.a = new Speaker("a", a);
    this.b = new Speaker("b", b);
  }

  at(millis: number, run: () => void): void {
    const entry = { at: Math.max(this.now, millis), order: this.#order++, run };
    let index = this.#queue.length;
    while (index > 0 && later(this.#queue[index - 1]!, entry)) index--;
    this.#queue.splice(index, 0, entry);
  }

  /** @param check  called after everything that happens */
  runUntil(millis: number, check: () => void): void {
    for (let next = this.#queue[0]; next !== undefined && next.at <= millis; next = this.#queue[0]) {
      this.#queue.shift();
      this.now = next.at;
      next.run();
      check();
    }
    this.now = millis;
  }

  start(speaker: Speaker, restarted = false): void {
    if (speaker.isUp) return;
    speaker.isUp = true;
    this.#note(`${speaker.name} starts`);
    this.step(speaker, { type: "start", restarted });
  }

  /** Power is gone: no FIN, no RST, and nothing is remembered. */
  crash(speaker: Speaker): void {
    if (!speaker.isUp) return;
    this.#note(`${speaker.name} crashes`);
    this.#forget(speaker);
  }

  /** The process is killed: its kernel closes what it had. */
  kill(speaker: Speaker): void {
    if (!speaker.isUp) return;
    this.#note(`${speaker.name} is killed`);
    const ends = SLOTS.map((slot) => speaker.links[slot]);
    this.#forget(speaker);
    for (const end of ends) if (end?.other) this.#deliver(end, end.other, { type: "tcp-failed" });
  }

  /** A connection dies and neither side learns of it; what is sent on it vanishes. */
  mute(speaker: Speaker): void {
    for (const slot of SLOTS) {
      const end = speaker.links[slot];
      if (end === null) continue;
      this.#note(`${speaker.name}'s ${slot} connection ${end.connection} goes mute`);
      end.isMute = true;
      if (end.other) end.other.isMute = true;
    }
  }

  /** Both sides lose their connections at once, or nearly. */
  reset(speaker: Speaker): void {
    for (const slot of SLOTS) {
      const end = speaker.links[slot];
      if (!end?.other) continue;
      this.#note(`connection ${end.connection} is reset`);
      this.#deliver(end, end.other, { type: "tcp-failed" });
      this.#deliver(end.other, end, { type: "tcp-failed" });
    }
  }

  step(speaker: Speaker, event: PeeringEvent, accepted: End | null = null): void {
    const before = speaker.sessions.length;
    const { peering, actions } = stepPeering(speaker.peering, event, Instant.of(this.now), speaker.peer, this.random());
    speaker.peering = peering;
    for (const action of actions) this.#perform(speaker, action, accepted);
    if (before === 0 && speaker.sessions.length > 0) {
      speaker.establishedCount++;
      this.#note(`${speaker.name} is established on ${speaker.connection}`);
      // Its first route goes out at once; the other side must be ready for it.
      const end = speaker.sessions[0] === undefined ? null : speaker.links[speaker.sessions[0]];
      if (end?.other) this.#deliver(end, end.other, { type: "received-update", decoded: ROUTE });
    }
    const deadline = peeringDeadline(peering);
    const epoch = ++speaker.epoch;
    if (deadline === null) return;
    this.at(deadline, () => {
      if (speaker.epoch === epoch) this.step(speaker, { type: "time-passed" });
    });
  }

  #perform(speaker: Speaker, action: PeeringAction, accepted: End | null): void {
    switch (action.type) {
      case "shift":
        speaker.links = { outgoing: speaker.links.incoming, incoming: null };
        break;
      case "admit":
        speaker.links.incoming = accepted;
        break;
      case "perform":
        this.#performOn(speaker, action.slot, action.action);
    }
  }

  #performOn(speaker: Speaker, slot: Slot, action: Action): void {
    const end = speaker.links[slot];
    switch (action.type) {
      case "dial":
        this.#dial(speaker);
        break;
      case "send":
        if (!end?.other) break;
        this.#deliver(end, end.other, eventOf(action.message));
        // So little always fits into the socket's buffer.
        this.at(this.now, () => this.#happens(end, { type: "drained" }));
        break;
      case "drop":
        this.#note(`${speaker.name} drops ${slot} ${end?.connection}: ${causeOf(action)}`);
        speaker.links[slot] = null;
        if (end === null) return;
        end.owner = null;
        if (end.other) this.#deliver(end, end.other, { type: "tcp-failed" });
        break;
      case "deliver":
      case "refresh":
    }
  }

  /** The two sides learn that TCP is up at times of their own. */
  #dial(speaker: Speaker): void {
    const connection = ++this.connectionCount;
    const end: End = {
      connection,
      host: speaker,
      life: speaker.life,
      owner: speaker,
      other: null,
      readyAt: Infinity,
      isMute: false,
    };
    speaker.links.outgoing = end;
    const remote = speaker === this.a ? this.b : this.a;
    const arrives = this.now + this.#delay();
    this.at(arrives, () => {
      // A host that is down does not answer, and a SYN that is lost is sent again too late to matter.
      if (!remote.isUp || this.now < this.blockedUntil) return;
      const theirs: End = {
        connection,
        host: remote,
        life: remote.life,
        owner: remote,
        other: end,
        readyAt: this.now + this.#delay(),
        isMute: false,
      };
      end.other = theirs;
      end.readyAt = this.now + this.#delay();
      this.at(end.readyAt, () => this.#happens(end, { type: "tcp-connected" }));
      this.at(theirs.readyAt, () => this.#accept(remote, theirs));
      if (end.owner === null) this.#deliver(end, theirs, { type: "tcp-failed" });
    });
  }

  #accept(speaker: Speaker, end: End): void {
    if (speaker.isUp && end.life === speaker.life) this.step(speaker, { type: "accepted" }, end);
    if (speaker.links.incoming === end) return;
    end.owner = null;
    if (end.other) this.#deliver(end, end.other, { type: "tcp-failed" });
  }

  #deliver(from: End, to: End, event: Event): void {
    if (from.isMute) return;
    const held = Math.max(this.now, this.blockedUntil);
    to.readyAt = Math.max(to.readyAt, held + this.#delay());
    this.at(to.readyAt, () => {
      if (to.owner !== null) return this.#happens(to, event);
      // The kernel that knows nothing of the connection says so, if it is there.
      if (event.type !== "tcp-failed" && to.host.isUp && from.owner !== null) {
        this.at(this.now + this.#delay(), () => this.#happens(from, { type: "tcp-failed" }));
      }
    });
  }

  #happens(end: End, event: Event): void {
    const speaker = end.owner;
    if (speaker === null) return;
    const slot = SLOTS.find((one) => speaker.links[one] === end);
    if (slot === undefined) return;
    if (event.type === "tcp-failed") {
      end.owner = null;
      this.#note(`${speaker.name}'s ${slot} ${end.connection} has failed`);
    }
    this.step(speaker, { type: "connection", slot, event });
    if (event.type === "tcp-failed" && speaker.links[slot] === end) speaker.links[slot] = null;
  }

  #forget(speaker: Speaker): void {
    for (const slot of SLOTS) {
      const end = speaker.links[slot];
      if (end !== null) end.owner = null;
    }
    speaker.links = { outgoing: null, incoming: null };
    speaker.peering = NEW_PEERING;
    speaker.isUp = false;
    speaker.life++;
    speaker.epoch++;
  }

  #delay(): number {
    const lost = this.random() < this.lossShare ? 200 + 1800 * this.random() : 0;
    return 1 + this.delayMillisMax * this.random() + lost;
  }

  #note(text: string): void {
    this.log.push(`${this.now.toFixed(0).padStart(8)} ${text}`);
  }
}

const ROUTE = {
  update: { type: "update", withdrawn: [], attributes: {}, opaque: [], nlri: [] },
  faults: [],
} as const;

const later = (one: { at: number; order: number }, other: { at: number; order: number }): boolean =>
  one.at > other.at || (one.at === other.at && one.order > other.order);

const causeOf = ({ cause, end }: Action & { type: "drop" }): string =>
  `${cause.kind === "fault" ? cause.fault.kind : cause.kind}, ${end}`;

function eventOf(message: Message): Event {
  switch (message.type) {
    case "open":
      return { type: "received-open", open: message };
    case "keepalive":
      return { type: "received-keepalive" };
    case "notification":
      return { type: "received-notification", notification: message };
    case "route-refresh":
      return { type: "received-route-refresh", request: message };
    case "update":
      return { type: "received-update", decoded: { update: message, faults: [] } };
  }
}
