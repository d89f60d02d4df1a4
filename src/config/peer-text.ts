import { didYouMean } from "./nearest.ts";
import { parseBool } from "./text.ts";

/**
 * kube-vip's text for one peer, fields separated by colons:
 *
 *     <address>:<AS>:<password>:<multihop>:<port>:<mp-bgp options>:<bfd options>
 *
 * An IPv6 address stands in brackets, a link-local one with its interface: `[fe80::1%eth0]`. MP-BGP options are separated
 * by semicolons (`mpbgp_nexthop=fixed;mpbgp_ipv4=192.0.2.1;mpbgp_ipv6=[2001:db8::1]`; kube-vip cannot take an IPv6
 * address here, the brackets are ours). Unlike kube-vip the port is used.
 */
export interface PeerText {
  /** Not checked to be an address. */
  readonly address: string;
  /** Interface of a link-local address. */
  readonly zone: string | null;
  readonly as: number;
  readonly password: string | null;
  readonly multihop: boolean;
  readonly port: number;
  readonly mpbgp: MpBgpText | null;
  /** BFD was asked for with these options. */
  readonly bfd: string | null;
}

/** A value that is not given here comes from the setting of the same name for all peers. */
export interface MpBgpText {
  readonly nextHop: string | null;
  readonly ipv4: string | null;
  readonly ipv6: string | null;
}

/** @returns the peer, or what is wrong with the text */
export function parsePeerText(text: string): PeerText | { readonly problem: string } {
  if (text.startsWith("unnumbered:"))
    return { problem: "unnumbered peers are not yet in vipcast: give the router's address" };
  const head = /^\[([^\]%]*)(?:%([^\]]*))?\](?::|$)|^([^:]*)(?::|$)/.exec(text);
  const address = head?.[1] ?? head?.[3] ?? "";
  if (head === null || address === "") return { problem: "must begin with an address; IPv6 stands in brackets" };
  const [asText = "", password = "", multihopText = "", portText = "", ...rest] = text.slice(head[0].length).split(":");
  if (head[3] !== undefined && (asText === "" || /[a-f]/i.test(asText)) && /^[0-9a-f]*$/i.test(address))
    return { problem: "an IPv6 address must stand in brackets: [2001:db8::1]:65001" };
  // Not the text itself: after a comma it may be the rest of a password.
  if (!/^\d{1,10}$/.test(asText))
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
  if (bfd !== null && typeof bfd !== "string") return bfd;
  return {
    address,
    zone: head[2] ?? null,
    as: Number(asText),
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

function parseBfd(text: string): string | null | { readonly problem: string } {
  if (text === "") return null;
  const [enabledText = "", ...numbers] = text.split(";");
  const enabled = enabledText === "" ? false : parseBool(enabledText);
  if (enabled === undefined || numbers.length !== 3 || numbers.some((it) => !/^\d*$/.test(it)))
    return { problem: `the seventh field (BFD) must read enabled;receive;transmit;multiplier, not "${text}"` };
  return enabled ? text : null;
}
