import { ip, type Ipv4 } from "../../addr/ip.ts";
import { Instant } from "../../base/time.ts";
import { Asn } from "../wire/asn.ts";
import type { Open } from "../wire/open.ts";
import type { Notification } from "../wire/notification.ts";
import { type FsmPeer, judgeOpen, type Negotiated, NO_RESTART } from "./negotiation.ts";
import type { Action, State } from "./state.ts";
import type { Context } from "./timers.ts";

export const NOW = Instant.of(100_000);
export const later = (millis: number): Instant => Instant.add(NOW, millis);
export const identifier = (text: string): Ipv4 => ip(text) as Ipv4;

/** We are 10.0.0.1 in AS 65001, the peer is 10.0.0.2 in AS 65002. */
export const PEER: FsmPeer = {
  localAsn: Asn.of(65_001),
  peerAsn: Asn.of(65_002),
  identifier: identifier("10.0.0.1"),
  holdTimeSeconds: 9,
  keepaliveSeconds: null,
  connectRetrySeconds: 5,
  delayOpenSeconds: 0,
  passive: false,
  families: ["ipv4-unicast", "ipv6-unicast"],
  holdTimeSecondsMin: 3,
  sendHoldTimeSeconds: null,
  idleHoldSecondsMax: 30,
  requiredFamilies: [],
  extendedNextHop: false,
  addPathReceive: false,
  role: null,
  strictRole: false,
  gracefulRestart: null,
  bfdStrict: false,
};

export const OPEN: Open = {
  type: "open",
  twoOctetAs: 65_002,
  holdTimeSeconds: 90,
  identifier: identifier("10.0.0.2"),
  capabilities: [
    { kind: "multiprotocol", afi: 1, safi: 1 },
    { kind: "four-octet-as", asn: Asn.of(65_002) },
  ],
};

export const contextOf = (peer: FsmPeer = PEER, context: Partial<Context> = {}): Context => ({
  now: NOW,
  peer,
  draw: 0,
  restart: NO_RESTART,
  isBfdUp: false,
  ...context,
});

/** What a good OPEN leads to. */
export function agreed(open: Open, peer: FsmPeer = PEER): Negotiated {
  const judged = judgeOpen(open, peer);
  if ("fault" in judged) throw new Error(judged.fault.kind);
  return judged;
}

export const notification = (code: number, subcode: number): Notification => ({
  type: "notification",
  code,
  subcode,
  data: new Uint8Array(0),
});

/** The state on one line: name, counter, and each running timer with the time that is left. */
export function stateText(state: State, now = NOW): string {
  const parts = [`${state.name} #${state.counter}`];
  for (const timer of ["idleHold", "connectRetry", "delayOpen", "hold", "keepalive", "sendHold", "bfdHold"]) {
    const at = (state as unknown as Record<string, Instant | null | undefined>)[timer];
    if (at !== undefined && at !== null) parts.push(`${timer} ${at - now}`);
  }
  if ("isConfirmed" in state && state.isConfirmed) parts.push("confirmed");
  return parts.join(", ");
}

/** What is done, on one line: "send 6/2 05..., drop fault". */
export function actionText(action: Action): string {
  switch (action.type) {
    case "send": {
      const { message } = action;
      if (message.type !== "notification") return `send ${message.type}`;
      const data = Array.from(message.data, (octet) => octet.toString(16).padStart(2, "0")).join("");
      return `send ${message.code}/${message.subcode} ${data}`.trim();
    }
    case "drop":
      return `${action.abort ? "abort" : "drop"} ${action.cause.kind}${action.end === "none" ? "" : ` ${action.end}`}`;
    case "dial":
    case "deliver":
    case "refresh":
      return action.type;
  }
}
