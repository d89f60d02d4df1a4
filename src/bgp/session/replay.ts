import type { Slot } from "../fsm/collision.ts";
import { type Peering, type PeeringEvent, stepPeering } from "../fsm/peering.ts";
import { decodeMessage } from "../wire/message.ts";
import type { DecodedUpdate } from "../wire/update.ts";
import type { Recording } from "./recording.ts";

/** What the state machine of today makes of a recording. */
export interface Replay {
  /** Events that were fed to it before it differed, or all of them. */
  readonly events: number;
  /** Where it differed first; null when it went through the same states. */
  readonly difference: {
    readonly event: PeeringEvent;
    readonly recorded: readonly [outgoing: string, incoming: string];
    readonly replayed: readonly [outgoing: string, incoming: string];
  } | null;
}

/** Runs a recording through the state machine: the same time, chance and settings must give the same states. */
export function replay({ settings, peering: begin, entries }: Recording): Replay {
  let peering = begin;
  let peer = settings;
  let events = 0;
  const last: Record<Slot, Uint8Array | null> = { outgoing: null, incoming: null };
  for (const entry of entries) {
    if (entry.type === "settings") peer = entry.settings;
    if (entry.type === "received") last[entry.slot] = entry.octets;
    if (entry.type !== "event") continue;
    const event = withUpdate(entry.event, peering, last);
    peering = stepPeering(peering, event, entry.at, peer, entry.draw).peering;
    events++;
    const { outgoing, incoming } = peering;
    if (outgoing.name !== entry.outgoing || incoming.name !== entry.incoming) {
      const recorded = [entry.outgoing, entry.incoming] as const;
      return { events, difference: { event, recorded, replayed: [outgoing.name, incoming.name] } };
    }
  }
  return { events, difference: null };
}

/** The routes of an UPDATE are no part of its event: they are decoded again from the message that came before it. */
function withUpdate(event: PeeringEvent, peering: Peering, last: Record<Slot, Uint8Array | null>): PeeringEvent {
  if (event.type !== "connection" || event.event.type !== "received-update") return event;
  const octets = last[event.slot];
  const state = peering[event.slot];
  return { ...event, event: { type: "received-update", decoded: decodedAgain(octets, state) } };
}

const EMPTY: DecodedUpdate = {
  update: { type: "update", withdrawn: [], attributes: {}, opaque: [], nlri: [] },
  faults: [],
};

function decodedAgain(octets: Uint8Array | null, state: Peering[Slot]): DecodedUpdate {
  if (octets === null || !("session" in state)) return EMPTY;
  const decoded = decodeMessage(octets, state.session);
  if (decoded.kind === "fault" || decoded.message.type !== "update") return EMPTY;
  return { update: decoded.message, faults: decoded.faults };
}
