import { ip, type Ipv6 } from "../../addr/ip.ts";
import { hostPrefix, parsePrefix, type Prefix } from "../../addr/prefix.ts";
import { Asn } from "../wire/asn.ts";
import { decodeMessage, type Message } from "../wire/message.ts";
import type { Update } from "../wire/update.ts";
import { AdjRibOut, type OutContext, type RouteAttributes } from "./adj-rib-out.ts";
import { DesiredRoutes } from "./desired-routes.ts";
import type { ExportPolicy } from "./policy.ts";

/** A session to another AS. */
export const OUTSIDE: OutContext = {
  localAsn: Asn.of(65_001),
  external: true,
  fourOctetAs: true,
  families: ["ipv4-unicast", "ipv6-unicast"],
};
/** A session inside our own. */
export const INSIDE: OutContext = { ...OUTSIDE, external: false };

export const V4 = { address: ip("10.0.0.1") };
export const V6 = { address: ip("2001:db8::1"), linkLocal: ip("fe80::1") as Ipv6 };

export const prefix = (text: string): Prefix => parsePrefix(text)!;
export const [A, B, C] = ["192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32"].map(prefix) as [Prefix, Prefix, Prefix];
export const [A6, B6] = ["2001:db8:7::1/128", "2001:db8:7::2/128"].map(prefix) as [Prefix, Prefix];

type Listed = readonly (Prefix | readonly [Prefix, RouteAttributes])[];

/** The table that follows `before`. */
export const routesAfter = (before: DesiredRoutes | null, ...list: Listed): DesiredRoutes =>
  new DesiredRoutes(new Map(list.map((one) => (typeof one === "string" ? [one, {}] : one))), before);
export const routes = (...list: Listed): DesiredRoutes => routesAfter(null, ...list);

export const hosts = (count: number, family: 4 | 6 = 4): Prefix[] =>
  Array.from({ length: count }, (_, at) =>
    hostPrefix(ip(family === 4 ? `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}` : `fd00::${at.toString(16)}`)),
  );

/** With a next hop for each family. */
export function ribOf(context: OutContext = OUTSIDE, policy: ExportPolicy | null = null): AdjRibOut {
  const rib = new AdjRibOut(context, policy);
  rib.setNextHop("ipv4-unicast", V4);
  rib.setNextHop("ipv6-unicast", V6);
  return rib;
}

/** Everything that is to be sent. */
export function octetsOf(rib: AdjRibOut, maxLength = 4096): Uint8Array[] {
  const messages: Uint8Array[] = [];
  for (let message = rib.next(); message !== null; message = rib.next()) {
    if (message.length > maxLength) throw new Error(`a message of ${message.length} octets`);
    messages.push(message);
  }
  return messages;
}

/** Decoded as the peer would. */
export function messagesOf(rib: AdjRibOut, context: OutContext = OUTSIDE): Message[] {
  return octetsOf(rib, context.maxLength).map((octets) => {
    const decoded = decodeMessage(octets, context);
    if (decoded.kind !== "message" || decoded.faults.length > 0) throw new Error("a speaker sends good messages");
    return decoded.message;
  });
}

export const drain = (rib: AdjRibOut, context: OutContext = OUTSIDE): Update[] =>
  messagesOf(rib, context).map((message) => {
    if (message.type !== "update") throw new Error(`a ${message.type}`);
    return message;
  });

/** "+A +B" for announcements, "-A" for withdrawals, "end" for an End-of-RIB; one line for each message. */
export const lines = (messages: readonly Message[]): string[] =>
  messages.map((message) => {
    if (message.type === "route-refresh") return `refresh ${message.afi}/${message.subtype}`;
    if (message.type !== "update") return message.type;
    const { mpReach, mpUnreach } = message.attributes;
    const gone = [...message.withdrawn, ...(mpUnreach && "family" in mpUnreach ? mpUnreach.prefixes : [])];
    const come = [...message.nlri, ...(mpReach && "family" in mpReach ? mpReach.prefixes : [])];
    if (gone.length + come.length === 0) return mpUnreach && "family" in mpUnreach ? `end ${mpUnreach.family}` : "end";
    return [...gone.map((one) => `-${one}`), ...come.map((one) => `+${one}`)].join(" ");
  });
