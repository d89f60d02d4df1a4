import type { Mac } from "../../addr/mac.ts";
import { Instant } from "../../base/time.ts";
import { unreachable } from "../../base/unreachable.ts";

/**
 * When to announce one VIP on its segment.
 *
 * A takeover is told at once, and again after one and after two seconds: Linux neighbours ignore a second change of an
 * entry within a second (the `locktime` of their neighbour table), and a single frame may be lost. After that the news
 * is repeated for ever at a low rate, for neighbours that were away. Whenever the link comes back, or the interface or
 * its Ethernet address changes, the segment may hold something else again: that starts over.
 *
 * Requests and replies of ARP alternate for each VIP by itself, so that each is told in both forms (RFC 5227 §2.3 asks
 * for two requests; a reply is what some stacks listen to).
 */
export interface SegmentLink {
  readonly interfaceIndex: number;
  readonly mac: Mac;
  readonly up: boolean;
}

export type State =
  | { readonly name: "silent"; readonly nextForm: Form }
  | {
      readonly name: "announcing";
      readonly link: SegmentLink;
      readonly nextForm: Form;
      readonly nextAt: Instant;
      /** Announcements still owed to the takeover. */
      readonly burstLeft: number;
    };

/** Of an ARP announcement; a neighbour advertisement has one form only. */
export type Form = "request" | "reply";

export type Event =
  /** The VIP is held, on this link: said at takeover, and again whenever the link changes. */
  { readonly type: "held"; readonly link: SegmentLink } | { readonly type: "time-passed" };

export interface Step {
  readonly state: State;
  /** Announce now, in this form; null for nothing. */
  readonly announce: Form | null;
}

const BURST_COUNT = 3;
const BURST_INTERVAL_MILLIS = 1000;
const RATE_MIN_MILLIS = 500;
const RATE_DEFAULT_MILLIS = 3000;

/** kube-vip's rule for `vip_arpRate`: what is too fast becomes the default. */
export const announceRateMillis = (arpRateMillis: number = RATE_DEFAULT_MILLIS): number =>
  arpRateMillis < RATE_MIN_MILLIS ? RATE_DEFAULT_MILLIS : arpRateMillis;

export const INITIAL: State = { name: "silent", nextForm: "request" };

/** Pure: equal arguments give an equal Step. `rateMillis` comes from `announceRateMillis`. */
export function step(state: State, event: Event, now: Instant, rateMillis: number): Step {
  switch (event.type) {
    case "held":
      if (!event.link.up) return stay({ name: "silent", nextForm: state.nextForm });
      if (state.name === "announcing" && sameLink(state.link, event.link)) return stay(state);
      return announce(event.link, state.nextForm, now, now, BURST_COUNT, rateMillis);
    case "time-passed":
      if (state.name === "silent" || now < state.nextAt) return stay(state);
      return announce(state.link, state.nextForm, state.nextAt, now, state.burstLeft, rateMillis);
    default:
      return unreachable(event);
  }
}

/** When `time-passed` is wanted next; null for never. */
export const nextDeadline = (state: State): Instant | null => (state.name === "announcing" ? state.nextAt : null);

const stay = (state: State): Step => ({ state, announce: null });

const sameLink = (a: SegmentLink, b: SegmentLink): boolean => a.interfaceIndex === b.interfaceIndex && a.mac === b.mac;

function announce(
  link: SegmentLink,
  form: Form,
  dueAt: Instant,
  now: Instant,
  burstLeft: number,
  rateMillis: number,
): Step {
  const left = Math.max(0, burstLeft - 1);
  const interval = left > 0 ? Math.min(BURST_INTERVAL_MILLIS, rateMillis) : rateMillis;
  // Counted from when it was due, so that lateness does not add up; after a long stop there is nothing to catch up.
  const nextAt = Instant.add(dueAt, interval);
  return {
    state: {
      name: "announcing",
      link,
      nextForm: form === "request" ? "reply" : "request",
      nextAt: nextAt > now ? nextAt : Instant.add(now, interval),
      burstLeft: left,
    },
    announce: form,
  };
}
