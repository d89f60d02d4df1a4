import { familyOf, type IpAddress, parseIp } from "../addr/ip.ts";
import type { ServiceFact } from "./facts.ts";

/** Where the address of a Service was found: the words that `explain` prints. */
export interface ServiceAddresses {
  readonly source: string | null;
  readonly addresses: readonly IpAddress[];
  /** Words that are no address we can serve, each with the reason. */
  readonly refused: readonly { readonly word: string; readonly reason: string }[];
}

/**
 * The addresses that a Service asks for. kube-vip's order: the annotation; `spec.loadBalancerIP` when it differs from
 * what the status says for that family; the status; `spec.loadBalancerIP`.
 */
export function serviceAddresses(service: ServiceFact): ServiceAddresses {
  let addresses = found.get(service);
  if (!addresses) found.set(service, (addresses = find(service)));
  return addresses;
}

/** Facts do not change: what was found in one stays true while it is planned with again and again. */
const found = new WeakMap<ServiceFact, ServiceAddresses>();

function find(service: ServiceFact): ServiceAddresses {
  if (service.annotatedAddresses) return sort("annotation kube-vip.io/loadbalancerIPs", service.annotatedAddresses);
  const { loadBalancerIp } = service;
  const ingress = service.ingress.map((entry) => entry.address);
  if (loadBalancerIp !== null) {
    const wanted = parseIp(loadBalancerIp);
    const sameFamily = ingress.find((word) => {
      const address = parseIp(word);
      return address !== null && wanted !== null && familyOf(address) === familyOf(wanted);
    });
    if (sameFamily === undefined || parseIp(sameFamily) !== wanted)
      return sort("spec.loadBalancerIP", [loadBalancerIp]);
  }
  if (ingress.length > 0) return sort("status.loadBalancer.ingress", ingress);
  return { source: null, addresses: [], refused: [] };
}

function sort(source: string, words: readonly string[]): ServiceAddresses {
  const addresses: IpAddress[] = [];
  const refused: { word: string; reason: string }[] = [];
  for (const word of words.slice(0, WORDS_MAX)) {
    const address = parseIp(word);
    const reason = address === null ? "not an IP address (names are not resolved)" : unservable(address);
    if (address === null || reason !== null) refused.push({ word: shown(word), reason: reason ?? "" });
    else if (!addresses.includes(address)) addresses.push(address);
  }
  const more = words.length - WORDS_MAX;
  if (more > 0) refused.push({ word: `${more} more`, reason: `a Service can have ${WORDS_MAX} at most` });
  // Kept by the ten thousand: without the room that they grew with.
  return { source, addresses: addresses.slice(), refused: refused.length === 0 ? NONE_REFUSED : refused };
}

const NONE_REFUSED: ServiceAddresses["refused"] = [];

/** An annotation may have 256 KiB; each word of it is a line of the status and of the log. */
const WORDS_MAX = 64;
const shown = (word: string): string => (word.length > 60 ? `${word.slice(0, 60)}…` : word);

/** Why an address cannot be a VIP; null when it can. */
function unservable(address: IpAddress): string | null {
  if (address === "0.0.0.0" || address === "::") return "asks for DHCP, which is not supported";
  if (/^(127\.|0\.|22[4-9]\.|23\d\.|24\d\.|25[0-5]\.)/.test(address)) return "not a unicast host address";
  if (address === "::1" || /^(ff|fe[89ab])/.test(address)) return "not a global unicast address";
  return null;
}
