import type { Ipv4 } from "../../addr/ip.ts";
import type { LargeCommunityNumbers } from "../../base/communities.ts";
import { u16At, u32At } from "../../base/bytes.ts";
import { AS_SET_SECTION, AS_ZERO_SECTION, readAsPath } from "./as-path.ts";
import type { Asn } from "./asn.ts";
import { ipv4At } from "./nlri.ts";
import type { Aggregator, Problem, ReadAttribute } from "./path-attributes.ts";

/*
 * The values of the attributes of the table, one function each. None throws and none looks past `to`: what a peer sends
 * must not cost more when it is wrong.
 */

const badLength = (from: number, to: number, wanted: string): Problem => ({
  kind: "update.attribute-length",
  detail: `length ${to - from} in place of ${wanted}`,
  at: from,
});

export const readOrigin: ReadAttribute = (bytes, from, to, _context, into) => {
  if (to - from !== 1) return badLength(from, to, "1");
  const origin = bytes[from]!;
  if (origin > 2) return { kind: "update.invalid-origin", detail: `value ${origin}`, at: from };
  into.origin = origin;
  return null;
};

export const readPath: ReadAttribute = (bytes, from, to, context, into) => {
  const path: Asn[] = [];
  const bad = readAsPath(bytes, from, to, context.fourOctetAs ? 4 : 2, path);
  if (bad !== null) return { kind: "update.malformed-as-path", ...bad };
  into.asPath = path;
  return null;
};

/** From a peer that does not know four-octet numbers. A set costs the routes here, too (RFC 9774 §3). */
export const readAs4Path: ReadAttribute = (bytes, from, to, _context, into) => {
  if (to === from) return { kind: "update.malformed-as-path", detail: "no segment", at: from };
  const path: Asn[] = [];
  const bad = readAsPath(bytes, from, to, 4, path, true);
  if (bad !== null) {
    const costs = bad.section === AS_SET_SECTION ? ({ consequence: "treat-as-withdraw" } as const) : {};
    return { kind: "update.malformed-as-path", ...bad, ...costs };
  }
  if (path.length > 0) into.as4Path = path;
  return null;
};

export const readNextHop: ReadAttribute = (bytes, from, to, _context, into) => {
  if (to - from !== 4) return badLength(from, to, "4");
  into.nextHop = ipv4At(bytes, from);
  return null;
};

export const readMed: ReadAttribute = (bytes, from, to, _context, into) => {
  if (to - from !== 4) return badLength(from, to, "4");
  into.med = u32At(bytes, from);
  return null;
};

export const readLocalPref: ReadAttribute = (bytes, from, to, _context, into) => {
  if (to - from !== 4) return badLength(from, to, "4");
  into.localPref = u32At(bytes, from);
  return null;
};

export const readAtomicAggregate: ReadAttribute = (_bytes, from, to, _context, into) => {
  if (to !== from) return badLength(from, to, "0");
  into.atomicAggregate = true;
  return null;
};

export const readAggregator: ReadAttribute = (bytes, from, to, context, into) => {
  const size = context.fourOctetAs ? 4 : 2;
  const aggregator = aggregatorAt(bytes, from, to, size);
  if ("detail" in aggregator) return aggregator;
  into.aggregator = aggregator;
  return null;
};

export const readAs4Aggregator: ReadAttribute = (bytes, from, to, _context, into) => {
  const aggregator = aggregatorAt(bytes, from, to, 4);
  if ("detail" in aggregator) return aggregator;
  into.as4Aggregator = aggregator;
  return null;
};

function aggregatorAt(bytes: Uint8Array, from: number, to: number, size: 2 | 4): Aggregator | Problem {
  if (to - from !== size + 4) return badLength(from, to, `${size + 4}`);
  const asn = size === 4 ? u32At(bytes, from) : u16At(bytes, from);
  if (asn === 0) return { kind: "update.optional-attribute", detail: "AS 0", at: from, section: AS_ZERO_SECTION };
  return { asn: asn as Asn, address: ipv4At(bytes, from + size) };
}

export const readCommunities: ReadAttribute = (bytes, from, to, _context, into) => {
  if (!isMultiple(from, to, 4)) return badLength(from, to, "a multiple of 4");
  const communities: number[] = [];
  for (let at = from; at < to; at += 4) communities.push(u32At(bytes, at));
  into.communities = communities;
  return null;
};

export const readOriginatorId: ReadAttribute = (bytes, from, to, _context, into) => {
  if (to - from !== 4) return badLength(from, to, "4");
  into.originatorId = ipv4At(bytes, from);
  return null;
};

export const readClusterList: ReadAttribute = (bytes, from, to, _context, into) => {
  if (!isMultiple(from, to, 4)) return badLength(from, to, "a multiple of 4");
  const list: Ipv4[] = [];
  for (let at = from; at < to; at += 4) list.push(ipv4At(bytes, at));
  into.clusterList = list;
  return null;
};

export const readExtendedCommunities: ReadAttribute = (bytes, from, to, _context, into) => {
  if (!isMultiple(from, to, 8)) return badLength(from, to, "a multiple of 8");
  const view = new DataView(bytes.buffer, bytes.byteOffset + from, to - from);
  const communities: bigint[] = [];
  for (let at = 0; at < view.byteLength; at += 8) communities.push(view.getBigUint64(at));
  into.extendedCommunities = communities;
  return null;
};

export const readIpv6ExtendedCommunities: ReadAttribute = (bytes, from, to, _context, into) => {
  if (!isMultiple(from, to, 20)) return badLength(from, to, "a multiple of 20");
  into.ipv6ExtendedCommunities = bytes.slice(from, to);
  return null;
};

export const readLargeCommunities: ReadAttribute = (bytes, from, to, _context, into) => {
  if (!isMultiple(from, to, 12)) return badLength(from, to, "a multiple of 12");
  const communities: LargeCommunityNumbers[] = [];
  for (let at = from; at < to; at += 12) {
    communities.push([u32At(bytes, at), u32At(bytes, at + 4), u32At(bytes, at + 8)]);
  }
  into.largeCommunities = communities.length === 1 ? communities : eachOnce(communities);
  return null;
};

/** Duplicates are removed without a word (RFC 8092 §5). */
function eachOnce(communities: readonly LargeCommunityNumbers[]): LargeCommunityNumbers[] {
  const seen = new Map<string, LargeCommunityNumbers>();
  for (const one of communities) {
    const key = one.join(":");
    if (!seen.has(key)) seen.set(key, one);
  }
  return [...seen.values()];
}

export const readOnlyToCustomer: ReadAttribute = (bytes, from, to, _context, into) => {
  if (to - from !== 4) return badLength(from, to, "4");
  const asn = u32At(bytes, from);
  if (asn === 0) return { kind: "update.optional-attribute", detail: "AS 0", at: from };
  into.onlyToCustomer = asn as Asn;
  return null;
};

/** One at least; what they say is not ours to judge. */
const isMultiple = (from: number, to: number, size: number): boolean => to > from && (to - from) % size === 0;
