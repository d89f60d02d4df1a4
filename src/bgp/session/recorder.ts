import type { IpAddress } from "../../addr/ip.ts";
import type { Instant } from "../../base/time.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Slot } from "../fsm/collision.ts";
import type { FsmPeer } from "../fsm/negotiation.ts";
import { NEW_PEERING, type Peering, type PeeringEvent } from "../fsm/peering.ts";
import { type Direction, MessageLedger } from "./message-ledger.ts";
import { plainEvent, toJson } from "./recording-json.ts";

/** How much of one peer is kept. The oldest goes first. */
export interface RecorderLimits {
  readonly entries: number;
  readonly octets: number;
}

const LIMITS: RecorderLimits = { entries: 4096, octets: 1024 * 1024 };
/** All recordings together have so much to share, but each has the least. */
const SHARED_OCTETS = 8 * 1024 * 1024;
const SHARE_OCTETS_MIN = 8 * 1024;
/** What an entry costs beside its octets: the object, two times, the octets' own object, and its share of a state. */
const ENTRY_OCTETS = 500;

/** The limits of each of `peerCount` recorders: a few peers leave long recordings, many leave short ones. */
export function sharedLimits(peerCount: number): RecorderLimits {
  const share = Math.floor(SHARED_OCTETS / Math.max(1, peerCount));
  return { ...LIMITS, octets: Math.min(LIMITS.octets, Math.max(SHARE_OCTETS_MIN, share)) };
}

/** One thing that happened. `at` is monotonic milliseconds, `time` the wall clock. */
export type Entry = { readonly at: Instant; readonly time: Date } & (
  | { readonly type: "received" | "sent"; readonly slot: Slot; readonly octets: Uint8Array }
  | { readonly type: "connected"; readonly slot: Slot; readonly local: IpAddress; readonly remote: IpAddress }
  | { readonly type: "settings"; readonly settings: FsmPeer }
  | {
      readonly type: "event";
      /** The event as JSON: what it came from may be changed or large, this is neither. */
      readonly event: string;
      readonly draw: number;
      /** After the event. */
      readonly peering: Peering;
    }
);

/**
 * Flight recorder of one peer: a bounded ring of every event of its state machine, with what decided its outcome (time,
 * chance, settings), and of every message in both directions. Nothing secret can get into it: keys are no part of
 * FsmPeer, and no message carries one.
 */
export class Recorder {
  readonly peer: { readonly name: string; readonly address: IpAddress };
  readonly #clock: Clock;
  readonly #limits: () => RecorderLimits;
  readonly #ledgers = { received: new MessageLedger(), sent: new MessageLedger() } as const;
  readonly #entries: Entry[] = [];
  /** Index of the oldest entry that is still kept; those before it are cut off now and then. */
  #first = 0;
  #octets = 0;
  #dropped = 0;
  /** What was true before the oldest entry. */
  #settings: FsmPeer;
  #peering: Peering = NEW_PEERING;
  #current: Peering = NEW_PEERING;

  constructor(
    peer: { readonly name: string; readonly address: IpAddress },
    settings: FsmPeer,
    clock: Clock,
    limits: () => RecorderLimits = () => LIMITS,
  ) {
    this.peer = peer;
    this.#settings = settings;
    this.#clock = clock;
    this.#limits = limits;
  }

  /** A whole message of the peer, before it is decoded; copied. */
  received(slot: Slot, octets: Uint8Array): void {
    this.#message("received", slot, octets);
  }

  /** Whole messages as written to TCP, one call for each; copied. */
  sent(slot: Slot, octets: Uint8Array): void {
    this.#message("sent", slot, octets);
  }

  /** A connection is open: the addresses of its ends. */
  connected(slot: Slot, local: IpAddress, remote: IpAddress): void {
    this.#add({ ...this.#now(), type: "connected", slot, local, remote });
  }

  /** What the state machine is run with from now on. */
  settings(settings: FsmPeer): void {
    this.#add({ ...this.#now(), type: "settings", settings });
  }

  /** One call of `stepPeering`: its event, time and chance, and the state that came of it. */
  event(event: PeeringEvent, now: Instant, draw: number, peering: Peering): void {
    this.#current = peering;
    const time = this.#clock.wallTime();
    this.#add({ at: now, time, type: "event", event: toJson(plainEvent(event)), draw, peering });
  }

  /** What is kept, oldest first, and what was true before it. */
  snapshot(): RecorderSnapshot {
    return {
      peer: this.peer,
      settings: this.#settings,
      peering: this.#peering,
      dropped: this.#dropped,
      entries: this.#entries.slice(this.#first),
    };
  }

  /** Messages of each direction since the peer was configured. */
  get messages(): { readonly received: Direction; readonly sent: Direction } {
    return { received: this.#ledgers.received.direction, sent: this.#ledgers.sent.direction };
  }

  /** After the latest event. */
  get peering(): Peering {
    return this.#current;
  }

  #message(type: "received" | "sent", slot: Slot, octets: Uint8Array): void {
    const copy = octets.slice();
    const entry: Entry = { ...this.#now(), type, slot, octets: copy };
    this.#ledgers[type].note(copy, entry.time);
    this.#add(entry);
  }

  #now(): { at: Instant; time: Date } {
    return { at: this.#clock.now(), time: this.#clock.wallTime() };
  }

  #add(entry: Entry): void {
    this.#entries.push(entry);
    this.#octets += costOf(entry);
    const { entries, octets } = this.#limits();
    while (this.#entries.length - this.#first > entries || this.#octets > octets) this.#forget();
    // Cutting off one by one would move the rest each time; so there are never more to be cut off than there are left.
    if (this.#first <= this.#entries.length / 2) return;
    this.#entries.splice(0, this.#first);
    this.#first = 0;
  }

  #forget(): void {
    const entry = this.#entries[this.#first]!;
    this.#first++;
    this.#dropped++;
    this.#octets -= costOf(entry);
    if (entry.type === "settings") this.#settings = entry.settings;
    if (entry.type === "event") this.#peering = entry.peering;
  }
}

export interface RecorderSnapshot {
  readonly peer: { readonly name: string; readonly address: IpAddress };
  readonly settings: FsmPeer;
  readonly peering: Peering;
  /** Entries that were forgotten before the first one here. */
  readonly dropped: number;
  readonly entries: readonly Entry[];
}

function costOf(entry: Entry): number {
  switch (entry.type) {
    case "received":
    case "sent":
      return ENTRY_OCTETS + entry.octets.length;
    case "event":
      return ENTRY_OCTETS + entry.event.length;
    default:
      return ENTRY_OCTETS;
  }
}
