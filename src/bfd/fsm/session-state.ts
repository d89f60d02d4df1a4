/**
 * One BFD session in asynchronous mode, as data (RFC 5880 §6.8.1). Everything that happens to it is an event for
 * `step` (step.ts), which gives the next state and what is to be done. Deadlines are part of the state, so that nothing
 * can ring for a session that has moved on; `timing.ts` derives intervals and deadlines, `authenticity.ts` judges keys
 * and sequence numbers.
 *
 * Left out on purpose: the echo function (we advertise that we loop nothing back, and never send any) and demand mode
 * for ourselves (a peer that uses it is respected).
 *
 * RFC 5880, 5881, 5883; RFC 5882 for what the state means to a client.
 */
import { Instant } from "../../base/time.ts";
import type { AuthKey } from "../wire/authentication.ts";
import type { BfdState } from "../wire/control-packet.ts";

/** What the operator wants of a session; may change while it runs. */
export interface SessionSettings {
  readonly desiredMinTxMicros: number;
  readonly requiredMinRxMicros: number;
  /** Detect Mult, 1..255. */
  readonly multiplier: number;
  /** Send nothing until the peer has been heard (§6.1). */
  readonly passive: boolean;
  readonly auth: AuthKey | null;
}

/** The pair that is negotiated. */
export interface Timers {
  readonly desiredMinTxMicros: number;
  readonly requiredMinRxMicros: number;
}

/** What the peer last said. */
export interface Remote {
  /** 0: not known, or not heard for a Detection Time. */
  readonly discriminator: number;
  readonly state: BfdState;
  readonly diagnostic: number;
  readonly demand: boolean;
  readonly controlPlaneIndependent: boolean;
  readonly multiplier: number;
  readonly desiredMinTxMicros: number;
  readonly requiredMinRxMicros: number;
}

/** A key that received packets may have, null for none, with the highest sequence number seen under it. */
export interface AcceptedKey {
  readonly key: AuthKey | null;
  /** Null: any will do (AuthSeqKnown is 0). */
  readonly sequence: number | null;
}

/** Who signs how. While a key is being changed two are accepted, and the old one is still used to sign. */
export interface AuthState {
  readonly accepted: readonly AcceptedKey[];
  readonly signing: AuthKey | null;
  /** When the old key ends, whatever the peer does. */
  readonly changeBy: Instant | null;
  /** Of the last packet that was sent. */
  readonly sentSequence: number;
}

export interface SessionState {
  readonly state: BfdState;
  /** Never 0; unique on this machine. */
  readonly localDiscriminator: number;
  /** Why `state` is what it is. */
  readonly diagnostic: number;
  readonly settings: SessionSettings;
  /** What our packets say. */
  readonly advertised: Timers;
  /** What pacing and detection go by, which a poll may have to confirm first (§6.8.3). */
  readonly effective: Timers;
  /** A Poll Sequence is under way: P is set in what we send until F comes back (§6.5). */
  readonly polling: boolean;
  readonly remote: Remote;
  readonly auth: AuthState;
  /** When the last valid packet arrived. */
  readonly heardAt: Instant | null;
  /** Where the Detection Time counts from; null when there is nobody to miss. */
  readonly detectFrom: Instant | null;
  /** Our own lateness has been forgiven once since the peer was last heard. */
  readonly forgiven: boolean;
  readonly sentAt: Instant | null;
  readonly transmitAt: Instant | null;
  /** The interval that `transmitAt` was computed with; null: nothing periodic. */
  readonly intervalMicros: number | null;
  /** AdminDown packets that still go out at the pace of before. */
  readonly hurried: number;
  /** When a disabled session may fall silent. */
  readonly endsAt: Instant | null;
}

/** §6.8.3: what a session that is not Up advertises at least, so that a dead peer costs little. */
const SLOW_MICROS = 1_000_000;

/** §6.8.1: what is assumed of a peer that has said nothing. */
const UNHEARD: Remote = {
  discriminator: 0,
  state: "down",
  diagnostic: 0,
  demand: false,
  controlPlaneIndependent: false,
  multiplier: 0,
  desiredMinTxMicros: 0,
  requiredMinRxMicros: 1,
};

/**
 * @param sequence  where our sequence numbers begin: 32 random bits (§6.8.1)
 * @param now  the first packet, unless passive, is due at once
 */
export function createSession(
  settings: SessionSettings,
  { discriminator, sequence }: { readonly discriminator: number; readonly sequence: number },
  now: Instant,
): SessionState {
  const slow = timersWanted("down", settings);
  return {
    state: "down",
    localDiscriminator: discriminator,
    diagnostic: 0,
    settings,
    advertised: slow,
    effective: slow,
    polling: false,
    remote: UNHEARD,
    auth: {
      accepted: [{ key: settings.auth, sequence: null }],
      signing: settings.auth,
      changeBy: null,
      sentSequence: sequence,
    },
    heardAt: null,
    detectFrom: null,
    forgiven: false,
    sentAt: null,
    transmitAt: settings.passive ? null : now,
    intervalMicros: settings.passive ? null : slow.desiredMinTxMicros,
    hurried: 0,
    endsAt: null,
  };
}

/** The timers that a session in `state` should negotiate. */
export const timersWanted = (state: BfdState, settings: SessionSettings): Timers => ({
  desiredMinTxMicros: state === "up" ? settings.desiredMinTxMicros : Math.max(settings.desiredMinTxMicros, SLOW_MICROS),
  requiredMinRxMicros: settings.requiredMinRxMicros,
});

/**
 * A peer that was silent for a Detection Time is addressed as an unknown one again (§6.8.1). What it asked of us goes,
 * too: a 0 in Required Min RX would otherwise keep us silent towards its successor for ever. Its last words stay for
 * whoever asks.
 */
export const forgotten = (remote: Remote): Remote => ({
  ...UNHEARD,
  diagnostic: remote.diagnostic,
  controlPlaneIndependent: remote.controlPlaneIndependent,
  multiplier: remote.multiplier,
  desiredMinTxMicros: remote.desiredMinTxMicros,
});
