import { type Family, familyOf, ipToBytes, type IpAddress } from "../../addr/ip.ts";
import { Writer } from "../../base/bytes.ts";
import type { Slot } from "../fsm/collision.ts";
import type { FsmPeer, Negotiated } from "../fsm/negotiation.ts";
import { leadingSlot, type PeeringEvent } from "../fsm/peering.ts";
import type { State } from "../fsm/state.ts";
import { Asn } from "../wire/asn.ts";
import { asnOfOpen } from "../wire/open.ts";
import type { RecorderSnapshot } from "./recorder.ts";
import { fromJson } from "./recording-json.ts";

/** RFC 6396 §2 and §3: with the microseconds after the seconds. */
const BGP4MP_ET = 17;
/** RFC 6396 §4.4: what the peer sent, what we sent, and changes of state; for either width of the AS numbers within. */
const SUBTYPE = {
  two: { received: 1, sent: 6 },
  four: { received: 4, sent: 7 },
} as const;
const STATE_CHANGE_AS4 = 5;
/** RFC 8050: the same, where prefixes carry path identifiers. */
const RECEIVED_ADD_PATH = { two: 8, four: 9 } as const;
/** RFC 6396 §4.4.1. */
const STATES = {
  idle: 1,
  connect: 2,
  active: 3,
  "open-sent": 4,
  "open-confirm": 5,
  established: 6,
} as const satisfies Record<State["name"], number>;
const AFI = { 4: 1, 6: 2 } as const satisfies Record<Family, number>;
const UNSPECIFIED = { 4: "0.0.0.0", 6: "::" } as Readonly<Record<Family, IpAddress>>;

/** The recording as an MRT file: messages of both directions, and the changes of the peer's state. */
export function writeMrt({ peer, settings, peering, entries }: RecorderSnapshot): Uint8Array {
  const out = new Writer();
  const ends = { local: UNSPECIFIED[familyOf(peer.address)], remote: peer.address };
  const sessions: Record<Slot, Negotiated | null> = { outgoing: null, incoming: null };
  let asns = asnsOf(settings, null);
  let state = peering[leadingSlot(peering)].name;
  for (const entry of entries) {
    switch (entry.type) {
      case "connected":
        Object.assign(ends, { local: entry.local, remote: entry.remote });
        break;
      case "settings":
        asns = asnsOf(entry.settings, asns.peer);
        break;
      case "received":
      case "sent": {
        const session = sessions[entry.slot];
        const width = session?.fourOctetAs === false ? "two" : "four";
        const hasPathIds = entry.type === "received" && (session?.addPathReceive?.length ?? 0) > 0;
        const subtype = hasPathIds ? RECEIVED_ADD_PATH[width] : SUBTYPE[width][entry.type];
        const body = head(width, asns, ends).bytes(entry.octets);
        record(out, entry.time, subtype, body);
        break;
      }
      case "event": {
        for (const slot of ["outgoing", "incoming"] as const) {
          const now = entry.peering[slot];
          sessions[slot] = "session" in now ? now.session : null;
        }
        asns = asnsAfter(asns, fromJson(entry.event) as PeeringEvent);
        const next = entry.peering[leadingSlot(entry.peering)].name;
        if (next !== state) {
          const body = head("four", asns, ends).u16(STATES[state]).u16(STATES[next]);
          record(out, entry.time, STATE_CHANGE_AS4, body);
        }
        state = next;
        break;
      }
    }
  }
  return out.finish();
}

interface Asns {
  readonly local: Asn;
  /** 0 until the peer has told it, where the settings do not. */
  readonly peer: Asn;
}

function asnsOf({ localAsn, peerAsn }: FsmPeer, told: Asn | null): Asns {
  const configured: Asn | "external" | "internal" = peerAsn;
  if (typeof configured === "number") return { local: localAsn, peer: configured };
  return { local: localAsn, peer: configured === "internal" ? localAsn : (told ?? Asn.of(0)) };
}

function asnsAfter(asns: Asns, event: PeeringEvent): Asns {
  if (event.type !== "connection" || event.event.type !== "received-open") return asns;
  return { ...asns, peer: asnOfOpen(event.event.open) };
}

/** What every BGP4MP body begins with; the interface's index is not known here. */
function head(
  width: "two" | "four",
  asns: Asns,
  ends: { readonly local: IpAddress; readonly remote: IpAddress },
): Writer {
  const out = new Writer();
  for (const asn of [asns.peer, asns.local]) {
    if (width === "two") out.u16(Asn.toTwoOctet(asn));
    else out.u32(asn);
  }
  return out.u16(0).u16(AFI[familyOf(ends.remote)]).bytes(ipToBytes(ends.remote)).bytes(ipToBytes(ends.local));
}

function record(out: Writer, time: Date, subtype: number, body: Writer): void {
  const millis = time.getTime();
  const seconds = Math.floor(millis / 1_000);
  out.u32(seconds).u16(BGP4MP_ET).u16(subtype);
  out.u32(4 + body.length).u32((millis - seconds * 1_000) * 1_000); // the length counts the microseconds, too
  out.bytes(body.finish());
}
