import type { Instant } from "../../base/time.ts";
import { unreachable } from "../../base/unreachable.ts";
import type { Slot } from "../fsm/collision.ts";
import type { FsmPeer } from "../fsm/negotiation.ts";
import type { Peering, PeeringEvent } from "../fsm/peering.ts";
import type { Entry, RecorderSnapshot } from "./recorder.ts";
import { fromJson, hex, octetsOf, toJson } from "./recording-json.ts";

const FORMAT = "vipcast-bgp-recording";
const VERSION = 1;

/** First line of a recording. */
interface Head {
  readonly format: typeof FORMAT;
  readonly version: typeof VERSION;
  readonly peer: string;
  readonly address: string;
  /** Entries that the ring had forgotten. */
  readonly dropped: number;
  /** What was true before the first entry. */
  readonly settings: FsmPeer;
  readonly peering: Peering;
}

/** What replaying needs of an entry; the times and addresses in a file are for its readers. */
export type Recorded =
  | { readonly type: "received" | "sent"; readonly slot: Slot; readonly octets: Uint8Array }
  | { readonly type: "connected" }
  | { readonly type: "settings"; readonly settings: FsmPeer }
  | {
      readonly type: "event";
      readonly at: Instant;
      readonly draw: number;
      readonly event: PeeringEvent;
      /** Names of both connections' states after the event. */
      readonly outgoing: string;
      readonly incoming: string;
    };

export interface Recording {
  readonly settings: FsmPeer;
  readonly peering: Peering;
  readonly entries: readonly Recorded[];
}

/** JSON Lines: a head with the format's version, then an entry a line, each with monotonic and wall time. */
export function writeRecording({ peer, dropped, settings, peering, entries }: RecorderSnapshot): string {
  const head: Head = {
    format: FORMAT,
    version: VERSION,
    peer: peer.name,
    address: peer.address,
    dropped,
    settings,
    peering,
  };
  return `${[toJson(head), ...entries.map(line)].join("\n")}\n`;
}

function line(entry: Entry): string {
  const { at, type } = entry;
  const head = { at, time: entry.time.toISOString(), type };
  switch (entry.type) {
    case "received":
    case "sent":
      return toJson({ ...head, slot: entry.slot, octets: hex(entry.octets) });
    case "connected":
      return toJson({ ...head, slot: entry.slot, local: entry.local, remote: entry.remote });
    case "settings":
      return toJson({ ...head, settings: entry.settings });
    case "event": {
      const { outgoing, incoming } = entry.peering;
      const after = toJson({ ...head, draw: entry.draw, outgoing: outgoing.name, incoming: incoming.name });
      return `${after.slice(0, -1)},"event":${entry.event}}`;
    }
    default:
      return unreachable(entry);
  }
}

/** @throws SyntaxError that names the line, when `text` is no recording of this version */
export function readRecording(text: string): Recording {
  const [first = "", ...rest] = text.split("\n").filter((one) => one !== "");
  const head = parse(first, 1) as Partial<Head>;
  if (head.format !== FORMAT) throw new SyntaxError("line 1: not a recording of a BGP peer");
  if (head.version !== VERSION) throw new SyntaxError(`line 1: version ${head.version} of the format, not ${VERSION}`);
  const { settings, peering } = head as Head;
  return { settings, peering, entries: rest.map((one, index) => recorded(parse(one, index + 2), index + 2)) };
}

function parse(text: string, number: number): unknown {
  try {
    return fromJson(text);
  } catch (cause) {
    throw new SyntaxError(`line ${number}: not JSON`, { cause });
  }
}

function recorded(value: unknown, number: number): Recorded {
  const entry = Object(value) as Record<string, unknown>;
  switch (entry["type"]) {
    case "received":
    case "sent":
      return { type: entry["type"], slot: entry["slot"] as Slot, octets: octetsOf(String(entry["octets"])) };
    case "connected":
      return { type: "connected" };
    case "settings":
    case "event":
      return entry as unknown as Recorded;
    default:
      throw new SyntaxError(`line ${number}: unknown type of entry`);
  }
}
