import type { Instant } from "../../base/time.ts";
import type { Slot } from "../fsm/collision.ts";
import type { Negotiated } from "../fsm/negotiation.ts";
import { leadingSlot, type Peering } from "../fsm/peering.ts";
import type { State } from "../fsm/state.ts";

/** One connection of a peer; there are two while a collision is decided. */
export interface Connection {
  readonly slot: Slot;
  readonly state: State["name"];
  /** ConnectRetryCounter: consecutive falls to Idle (RFC 4271 §8.1.1). */
  readonly failures: number;
  readonly timers: readonly { readonly name: string; readonly millis: number }[];
}

/** RFC 4271 §10, RFC 9687; the names as the RFCs have them. */
const TIMERS = {
  idleHold: "IdleHoldTimer",
  connectRetry: "ConnectRetryTimer",
  delayOpen: "DelayOpenTimer",
  hold: "HoldTimer",
  keepalive: "KeepaliveTimer",
  sendHold: "SendHoldTimer",
  bfdHold: "BFD hold timer",
} as const;

/** The peer's connections that are there, the one that got further first; at least one. */
export function connectionsOf(peering: Peering, now: Instant): readonly Connection[] {
  const leading = leadingSlot(peering);
  const other = leading === "outgoing" ? "incoming" : "outgoing";
  const first = connection(leading, peering[leading], now);
  const timers = [...first.timers, ...remaining("restart after a suspension", peering.resumeAt, now)];
  const rest = peering[other].name === "idle" ? [] : [connection(other, peering[other], now)];
  return [{ ...first, timers }, ...rest];
}

function connection(slot: Slot, state: State, now: Instant): Connection {
  const deadlines = state as Partial<Record<keyof typeof TIMERS, Instant | null>>;
  return {
    slot,
    state: state.name,
    failures: state.counter,
    timers: (Object.keys(TIMERS) as (keyof typeof TIMERS)[]).flatMap((key) => {
      return remaining(TIMERS[key], deadlines[key] ?? null, now);
    }),
  };
}

const remaining = (name: string, at: Instant | null, now: Instant): Connection["timers"] =>
  at === null ? [] : [{ name, millis: Math.max(0, at - now) }];

/** What both OPENs together mean, one text for each thing. */
export function agreementOf(session: Negotiated): readonly string[] {
  const { gracefulRestart: restart, longLived, role } = session;
  return [
    session.external ? "external" : "internal",
    session.fourOctetAs ? "four-octet AS numbers" : "two-octet AS numbers",
    ...(session.routeRefresh ? ["route refresh"] : []),
    ...(session.enhancedRouteRefresh ? ["enhanced route refresh"] : []),
    ...(session.extendedMessage ? ["extended messages"] : []),
    ...(session.extendedNextHop ? ["IPv4 by IPv6 next hops"] : []),
    ...session.addPathReceive.map((family) => `several paths received (${family})`),
    ...(role === null ? [] : [`we are ${role}`]),
    ...(restart === null ? [] : [restartText(restart)]),
    ...(longLived?.families ?? []).map(
      ({ family, staleSeconds }) => `${family} routes of the peer outlive it by ${staleSeconds} s`,
    ),
    ...(session.bfdStrict ? ["BFD strict mode"] : []),
  ];
}

function restartText(restart: NonNullable<Negotiated["gracefulRestart"]>): string {
  if (!restart.agreed) return "End-of-RIB";
  const families = restart.families.map(({ family }) => family).join(", ");
  const notification = restart.notification ? ", after a NOTIFICATION, too" : "";
  return `routes of the peer (${families}) are kept ${restart.restartTimeSeconds} s while it restarts${notification}`;
}
