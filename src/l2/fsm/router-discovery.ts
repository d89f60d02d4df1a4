import type { Ipv6 } from "../../addr/ip.ts";
import type { Mac } from "../../addr/mac.ts";
import { Instant } from "../../base/time.ts";
import { unreachable } from "../../base/unreachable.ts";

/**
 * Finds the one router of a link, and lets it find us (RFC 4861 §6.2, §6.3, with the router's and the host's side in
 * one): what an unnumbered BGP peer needs instead of an address.
 *
 * Whoever advertises itself first is the router. Another one is heeded only when the first cannot be alive: there is no
 * session with it, and it has not been heard for a while or the newcomer has its Ethernet address (it has restarted with
 * another link-local address). An advertisement never takes a session away; the session's own timers, BFD and the link
 * do.
 */
export type State =
  /** The link is down, or has no usable link-local address of ours. */
  | { readonly name: "down"; readonly advertisedAt: Instant | null }
  | {
      readonly name: "up";
      readonly router: Router | null;
      /** BGP has a session with `router`. */
      readonly hasSession: boolean;
      /** Null when no more solicitations are to be sent. */
      readonly solicitAt: Instant | null;
      readonly solicitsLeft: number;
      readonly advertiseAt: Instant;
      /** Of the first few, which come faster. */
      readonly initialLeft: number;
      readonly advertisedAt: Instant | null;
    };

interface Router {
  readonly address: Ipv6;
  readonly mac: Mac | null;
  readonly heardAt: Instant;
  readonly lifetimeMillis: number;
}

export type Event =
  | { readonly type: "link-up" }
  | { readonly type: "link-down" }
  | {
      readonly type: "heard-advertisement";
      readonly source: Ipv6;
      readonly mac: Mac | null;
      readonly lifetimeSeconds: number;
    }
  | { readonly type: "heard-solicitation" }
  | { readonly type: "session"; readonly established: boolean }
  | { readonly type: "time-passed" };

export type Action =
  | { readonly type: "solicit" }
  | { readonly type: "advertise" }
  | { readonly type: "found"; readonly address: Ipv6; readonly instead: Ipv6 | null }
  | { readonly type: "lost"; readonly address: Ipv6 }
  /** Another router spoke up while `current` lives. */
  | { readonly type: "ignored"; readonly address: Ipv6; readonly current: Ipv6 };

export interface Step {
  readonly state: State;
  readonly actions: readonly Action[];
}

/** RFC 4861 §10. */
const SOLICITATION_DELAY_MILLIS = 1000;
const SOLICITATION_INTERVAL_MILLIS = 4000;
const SOLICITATIONS_MAX = 3;
const ANSWER_DELAY_MILLIS = 500;
const BETWEEN_ADVERTISEMENTS_MILLIS = 3000;
const INITIAL_ADVERTISEMENTS = 3;
/**
 * FRR's interval on unnumbered interfaces, a third of it the shortest: within §6.2.1, and below the 16 s that the first
 * advertisements may be apart.
 */
const ADVERTISE_MILLIS_MAX = 10_000;
const ADVERTISE_MILLIS_MIN = 3300;
/** The first ones: as fast as is allowed, since a router may be waiting. */
const INITIAL_MILLIS_MAX = 4000;
/** A router without lifetime, such as FRR here, advertises every ten seconds: three lost ones are too many. */
const SILENCE_MILLIS = 35_000;

/** One router does not speak twice in less: who does is not one, and must not move the session with every packet. */
const MOVE_MILLIS = 2000;

export const INITIAL: State = { name: "down", advertisedAt: null };

/** Pure: equal arguments give an equal Step. `fraction` is chance, uniform in [0, 1). */
export function step(state: State, event: Event, now: Instant, fraction: number): Step {
  if (state.name === "down") {
    // Nothing is due, heard or established on a link that is down.
    return event.type === "link-up" ? stay(begin(state.advertisedAt, now, fraction)) : stay(state);
  }
  switch (event.type) {
    case "link-up":
      return stay(state);
    case "link-down":
      return {
        state: { name: "down", advertisedAt: state.advertisedAt },
        actions: state.router === null ? [] : [{ type: "lost", address: state.router.address }],
      };
    case "heard-advertisement":
      return heard(state, event, now);
    case "heard-solicitation":
      return stay(answer(state, now, fraction));
    case "session":
      return stay({ ...state, hasSession: event.established });
    case "time-passed":
      return timePassed(state, now, fraction);
    default:
      return unreachable(event);
  }
}

/** When `time-passed` is wanted next; null for never. */
export const nextDeadline = (state: State): Instant | null =>
  state.name === "down" ? null : Instant.earliest(state.solicitAt, state.advertiseAt);

type Up = Extract<State, { name: "up" }>;

const stay = (state: State): Step => ({ state, actions: [] });

const begin = (advertisedAt: Instant | null, now: Instant, fraction: number): Up => ({
  name: "up",
  router: null,
  hasSession: false,
  solicitAt: Instant.add(now, fraction * SOLICITATION_DELAY_MILLIS),
  solicitsLeft: SOLICITATIONS_MAX,
  advertiseAt: notBefore(now, advertisedAt),
  initialLeft: INITIAL_ADVERTISEMENTS,
  advertisedAt,
});

/** However fast a link goes down and up, and however often somebody asks. */
function notBefore(at: Instant, advertisedAt: Instant | null): Instant {
  const allowed = advertisedAt === null ? at : Instant.add(advertisedAt, BETWEEN_ADVERTISEMENTS_MILLIS);
  return at > allowed ? at : allowed;
}

function heard(state: Up, event: Extract<Event, { type: "heard-advertisement" }>, now: Instant): Step {
  const { source: address, mac } = event;
  const router = { address, mac, heardAt: now, lifetimeMillis: event.lifetimeSeconds * 1000 };
  const next: Up = { ...state, solicitAt: null, solicitsLeft: 0 };
  const current = state.router;
  if (current?.address === address) return stay({ ...next, router });
  if (current === null) return { state: { ...next, router }, actions: [{ type: "found", address, instead: null }] };
  const hasMoved = mac !== null && mac === current.mac && now >= Instant.add(current.heardAt, MOVE_MILLIS);
  const isSilent = now >= Instant.add(current.heardAt, Math.max(SILENCE_MILLIS, silenceOf(current)));
  if (state.hasSession || !(hasMoved || isSilent))
    return { state: next, actions: [{ type: "ignored", address, current: current.address }] };
  return { state: { ...next, router }, actions: [{ type: "found", address, instead: current.address }] };
}

/** A lifetime is three intervals by default (§6.2.1); hours of it would outlast a router that is gone. */
const silenceOf = ({ lifetimeMillis }: Router): number => Math.min(lifetimeMillis, 2 * SILENCE_MILLIS);

/** At most half a second later, at least three seconds after the last (§6.2.6). */
function answer(state: Up, now: Instant, fraction: number): Up {
  const at = notBefore(Instant.add(now, fraction * ANSWER_DELAY_MILLIS), state.advertisedAt);
  return at < state.advertiseAt ? { ...state, advertiseAt: at } : state;
}

function timePassed(state: Up, now: Instant, fraction: number): Step {
  const actions: Action[] = [];
  let next = state;
  if (next.solicitAt !== null && now >= next.solicitAt) {
    actions.push({ type: "solicit" });
    const left = next.solicitsLeft - 1;
    next = {
      ...next,
      solicitsLeft: left,
      solicitAt: left > 0 ? Instant.add(now, SOLICITATION_INTERVAL_MILLIS) : null,
    };
  }
  if (now >= next.advertiseAt) {
    actions.push({ type: "advertise" });
    const most = next.initialLeft > 1 ? INITIAL_MILLIS_MAX : ADVERTISE_MILLIS_MAX;
    next = {
      ...next,
      advertisedAt: now,
      initialLeft: Math.max(0, next.initialLeft - 1),
      advertiseAt: Instant.add(now, ADVERTISE_MILLIS_MIN + fraction * (most - ADVERTISE_MILLIS_MIN)),
    };
  }
  return { state: next, actions };
}
