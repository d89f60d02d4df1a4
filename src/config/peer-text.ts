import { didYouMean } from "./nearest.ts";
import { parseBool } from "./text.ts";

/**
 * kube-vip's text for one peer, fields separated by colons:
 *
 *     <address>:<AS>:<password>:<multihop>:<port>:<mp-bgp options>:<bfd options>
 *
 * An IPv6 address stands in brackets, a link-local one with its interface: `[fe80::1%eth0]`. MP-BGP options are separated
 * by semicolons (`mpbgp_nexthop=fixed;mpbgp_ipv4=192.0.2.1;mpbgp_ipv6=[2001:db8::1]`; kube-vip cannot take an IPv6
 * address here, the brackets are ours). Unlike kube-vip the port is used. In place of the address there may be
 * `unnumbered:<interface>`, and the AS may then be left out.
 */
export interface PeerText {
  /** Not checked to be an address; null with an interface alone. */
  readonly address: string | null;
  /** Interface of a link-local address, or of an unnumbered peer. */
  readonly zone: string | null;
  readonly as: number | "external";
  readonly password: string | null;
  readonly multihop: boolean;
  readonly port: number;
  readonly mpbgp: MpBgpText | null;
  /** Null when the text does not speak of BFD. */
  readonly bfd: BfdText | null;
}

export interface BfdText {
  readonly enabled: boolean;
  /** As written; a unit is not given (see `bfdMillis`). Null for the default. */
  readonly receive: number | null;
  readonly transmit: number | null;
  readonly multiplier: number | null;
}

/**
 * kube-vip's documents have milliseconds here, and its code hands the number on as microseconds, so both are in use.
 * Below 1000 it can only be milliseconds: nobody sends a packet each millisecond.
 */
export const bfdMillis = (value: number): number => (value < 1000 ? value : Math.round(value / 1000));

/** A value that is not given here comes from the setting of the same name for all peers. */
export interface MpBgpText {
  readonly nextHop: string | null;
  readonly ipv4: string | null;
  readonly ipv6: string | null;
}

/** An address that stands alone, in brackets or not, and the interface of a link-local one: `fe80::1%eth0`. */
export function parsePlace(text: string): { readonly address: string; readonly zone: string | null } {
  const match = /^\[?([^\]%]*)(?:%([^\]]*))?\]?$/.exec(text);
  return { address: match?.[1] ?? text, zone: match?.[2] ?? null };
}

/** @returns the peer, or what is wrong with the text */
export function parsePeerText(text: string): PeerText | { readonly problem: string } {
  const head = /^unnumbered:([^:]*)(?::|$)/.exec(text);
  if (head !== null) return parseFields(null, head[1]!, text.slice(head[0].length));
  const numbered = /^\[([^\]%]*)(?:%([^\]]*))?\](?::|$)|^([^:]*)(?::|$)/.exec(text);
  const address = numbered?.[1] ?? numbered?.[3] ?? "";
  if (numbered === null || address === "") return { problem: "must begin with an address; IPv6 stands in brackets" };
  const rest = text.slice(numbered[0].length);
  const [asText = ""] = rest.split(":", 1);
  if (numbered[3] !== undefined && (asText === "" || /[a-f]/i.test(asText)) && /^[0-9a-f]*$/i.test(address))
    return { problem: "an IPv6 address must stand in brackets: [2001:db8::1]:65001" };
  return parseFields(address, numbered[2] ?? null, rest);
}

function parseFields(
  address: string | null,
  zone: string | null,
  fields: string,
): PeerText | { readonly problem: string } {
  const [asText = "", password = "", multihopText = "", portText = "", ...rest] = fields.split(":");
  // Not the text itself: after a comma it may be the rest of a password.
  if (!/^\d{1,10}$/.test(asText) && (address !== null || asText !== ""))
    return { problem: "needs an AS number after the address, as in 192.0.2.1:65001; a password cannot hold a comma" };
  const multihop = multihopText === "" ? false : parseBool(multihopText);
  if (multihop === undefined)
    return { problem: "the fourth field (multihop) must be true or false; a password cannot hold a colon" };
  if (/[;=]/.test(portText))
    return { problem: "the fifth field is the port: put one more colon before the MP-BGP or BFD options" };
  if (portText !== "" && !/^\d{1,5}$/.test(portText))
    return { problem: "the fifth field (port) must be a number; a password cannot hold a colon" };
  const tail = /^((?:\[[^\]]*\]|[^:])*)(?::([^:]*))?$/.exec(rest.join(":"));
  if (tail === null) return { problem: "has more than seven fields" };
  const mpbgp = parseMpBgp(tail[1] ?? "");
  if (mpbgp !== null && "problem" in mpbgp) return mpbgp;
  const bfd = parseBfd(tail[2] ?? "");
  if (bfd !== null && "problem" in bfd) return bfd;
  return {
    address,
    zone,
    as: asText === "" ? "external" : Number(asText),
    password: password === "" ? null : password,
    multihop,
    port: portText === "" ? 179 : Number(portText),
    mpbgp,
    bfd,
  };
}

const MP_BGP_KEYS = ["mpbgp_nexthop", "mpbgp_ipv4", "mpbgp_ipv6"] as const;

function parseMpBgp(text: string): MpBgpText | null | { readonly problem: string } {
  if (text === "") return null;
  const found = new Map<string, string>();
  for (const pair of text.split(";").filter((it) => it !== "")) {
    const equals = pair.indexOf("=");
    const key = equals < 0 ? pair : pair.slice(0, equals);
    if (!MP_BGP_KEYS.some((known) => known === key) || equals < 0) {
      const hint = didYouMean(key, MP_BGP_KEYS);
      return { problem: `"${pair}" is not an MP-BGP option${hint === "" ? "" : `: ${hint}`}` };
    }
    found.set(key, pair.slice(equals + 1).replace(/^\[(.*)\]$/, "$1"));
  }
  const value = (key: (typeof MP_BGP_KEYS)[number]): string | null => found.get(key) || null;
  return { nextHop: value("mpbgp_nexthop"), ipv4: value("mpbgp_ipv4"), ipv6: value("mpbgp_ipv6") };
}

function parseBfd(text: string): BfdText | null | { readonly problem: string } {
  if (text === "") return null;
  const [enabledText = "", ...numbers] = text.split(";");
  const enabled = enabledText === "" ? false : parseBool(enabledText);
  if (enabled === undefined || numbers.length !== 3 || numbers.some((it) => !/^\d{0,9}$/.test(it)))
    return { problem: `the seventh field (BFD) must read enabled;receive;transmit;multiplier, not "${text}"` };
  // GoBGP, which kube-vip hands them to, takes 0 for its default.
  const [receive, transmit, multiplier] = numbers.map((it) => Number(it) || null);
  return { enabled, receive: receive ?? null, transmit: transmit ?? null, multiplier: multiplier ?? null };
}
