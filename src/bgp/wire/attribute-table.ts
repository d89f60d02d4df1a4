import { ipToBytes } from "../../addr/ip.ts";
import type { Writer } from "../../base/bytes.ts";
import { writeAsPath } from "./as-path.ts";
import { Asn } from "./asn.ts";
import * as value from "./attribute-values.ts";
import { readMpReach, readMpUnreach, writeMpReach, writeMpUnreach } from "./mp-routes.ts";
import type { Consequence, PathAttributes, ReadAttribute, UpdateContext } from "./path-attributes.ts";

/** One row of the path-attribute table: all that the codec knows about one attribute. */
export interface AttributeRow {
  readonly field: keyof PathAttributes;
  /** IANA "BGP Path Attributes". */
  readonly code: number;
  /** Optional and Transitive as they have to be. */
  readonly flags: number;
  /** What a malformed value costs, by where the peer is: inside our own AS, or in another (RFC 7606 §7). */
  readonly onMalformed: { readonly internal: Consequence; readonly external: Consequence };
  /** Who says so. */
  readonly section: string;
  /** Sessions on which it means something; on others it is neither looked into nor sent. */
  readonly belongsOn: (context: UpdateContext) => boolean;
  readonly read: ReadAttribute;
  /** Writes the value of its field, which is there. */
  readonly write: (attributes: PathAttributes, out: Writer, context: UpdateContext) => void;
}

export const FLAG = { optional: 0x80, transitive: 0x40, partial: 0x20, extendedLength: 0x10 } as const;

const WELL_KNOWN = FLAG.transitive;
const OPTIONAL = FLAG.optional;
const OPTIONAL_TRANSITIVE = FLAG.optional | FLAG.transitive;

const DISCARD = { internal: "attribute-discard", external: "attribute-discard" } as const;
const WITHDRAW = { internal: "treat-as-withdraw", external: "treat-as-withdraw" } as const;
const RESET = { internal: "session-reset", external: "session-reset" } as const;
/** Of those that mean something inside our own AS only. */
const WITHDRAW_INSIDE = { internal: "treat-as-withdraw", external: "attribute-discard" } as const;

const anywhere = (): boolean => true;
const inside = (context: UpdateContext): boolean => !context.external;
const fromTwoOctetPeer = (context: UpdateContext): boolean => !context.fourOctetAs; // RFC 6793 §4.1

/** A field of PathAttributes without a row, or a row without a field, does not compile. Ascending by code. */
const TABLE: Readonly<Record<keyof PathAttributes, Omit<AttributeRow, "field">>> = {
  origin: {
    code: 1,
    flags: WELL_KNOWN,
    onMalformed: WITHDRAW,
    section: "RFC 7606 §7.1",
    belongsOn: anywhere,
    read: value.readOrigin,
    write: ({ origin }, out) => void out.u8(origin!),
  },
  asPath: {
    code: 2,
    flags: WELL_KNOWN,
    onMalformed: WITHDRAW,
    section: "RFC 7606 §7.2",
    belongsOn: anywhere,
    read: value.readPath,
    write: ({ asPath }, out, { fourOctetAs }) => writeAsPath(asPath!, out, fourOctetAs),
  },
  nextHop: {
    code: 3,
    flags: WELL_KNOWN,
    onMalformed: WITHDRAW,
    section: "RFC 7606 §7.3",
    belongsOn: anywhere,
    read: value.readNextHop,
    write: ({ nextHop }, out) => void out.bytes(ipToBytes(nextHop!)),
  },
  med: {
    code: 4,
    flags: OPTIONAL,
    onMalformed: WITHDRAW,
    section: "RFC 7606 §7.4",
    belongsOn: anywhere,
    read: value.readMed,
    write: ({ med }, out) => void out.u32(med!),
  },
  localPref: {
    code: 5,
    flags: WELL_KNOWN,
    onMalformed: WITHDRAW_INSIDE,
    section: "RFC 7606 §7.5",
    belongsOn: inside,
    read: value.readLocalPref,
    write: ({ localPref }, out) => void out.u32(localPref!),
  },
  atomicAggregate: {
    code: 6,
    flags: WELL_KNOWN,
    onMalformed: DISCARD,
    section: "RFC 7606 §7.6",
    belongsOn: anywhere,
    read: value.readAtomicAggregate,
    write: () => {},
  },
  aggregator: {
    code: 7,
    flags: OPTIONAL_TRANSITIVE,
    onMalformed: DISCARD,
    section: "RFC 7606 §7.7",
    belongsOn: anywhere,
    read: value.readAggregator,
    write({ aggregator }, out, { fourOctetAs }) {
      if (fourOctetAs) out.u32(aggregator!.asn);
      else out.u16(Asn.toTwoOctet(aggregator!.asn));
      out.bytes(ipToBytes(aggregator!.address));
    },
  },
  communities: {
    code: 8,
    flags: OPTIONAL_TRANSITIVE,
    onMalformed: WITHDRAW,
    section: "RFC 7606 §7.8",
    belongsOn: anywhere,
    read: value.readCommunities,
    write({ communities }, out) {
      for (const one of communities!) out.u32(one);
    },
  },
  originatorId: {
    code: 9,
    flags: OPTIONAL,
    onMalformed: WITHDRAW_INSIDE,
    section: "RFC 7606 §7.9",
    belongsOn: inside,
    read: value.readOriginatorId,
    write: ({ originatorId }, out) => void out.bytes(ipToBytes(originatorId!)),
  },
  clusterList: {
    code: 10,
    flags: OPTIONAL,
    onMalformed: WITHDRAW_INSIDE,
    section: "RFC 7606 §7.10",
    belongsOn: inside,
    read: value.readClusterList,
    write({ clusterList }, out) {
      for (const cluster of clusterList!) out.bytes(ipToBytes(cluster));
    },
  },
  mpReach: {
    code: 14,
    flags: OPTIONAL,
    onMalformed: RESET,
    section: "RFC 7606 §7.11",
    belongsOn: anywhere,
    read: readMpReach,
    write: ({ mpReach }, out) => writeMpReach(mpReach!, out),
  },
  mpUnreach: {
    code: 15,
    flags: OPTIONAL,
    onMalformed: RESET,
    section: "RFC 7606 §7.12",
    belongsOn: anywhere,
    read: readMpUnreach,
    write: ({ mpUnreach }, out) => writeMpUnreach(mpUnreach!, out),
  },
  extendedCommunities: {
    code: 16,
    flags: OPTIONAL_TRANSITIVE,
    onMalformed: WITHDRAW,
    section: "RFC 7606 §7.14",
    belongsOn: anywhere,
    read: value.readExtendedCommunities,
    write({ extendedCommunities }, out) {
      for (const one of extendedCommunities!) out.u32(Number(one >> 32n)).u32(Number(one & 0xffff_ffffn));
    },
  },
  as4Path: {
    code: 17,
    flags: OPTIONAL_TRANSITIVE,
    onMalformed: DISCARD,
    section: "RFC 6793 §6",
    belongsOn: fromTwoOctetPeer,
    read: value.readAs4Path,
    write: ({ as4Path }, out) => writeAsPath(as4Path!, out, true),
  },
  as4Aggregator: {
    code: 18,
    flags: OPTIONAL_TRANSITIVE,
    onMalformed: DISCARD,
    section: "RFC 6793 §6",
    belongsOn: fromTwoOctetPeer,
    read: value.readAs4Aggregator,
    write: ({ as4Aggregator }, out) => void out.u32(as4Aggregator!.asn).bytes(ipToBytes(as4Aggregator!.address)),
  },
  ipv6ExtendedCommunities: {
    code: 25,
    flags: OPTIONAL_TRANSITIVE,
    onMalformed: WITHDRAW,
    section: "RFC 7606 §7.15",
    belongsOn: anywhere,
    read: value.readIpv6ExtendedCommunities,
    write: ({ ipv6ExtendedCommunities }, out) => void out.bytes(ipv6ExtendedCommunities!),
  },
  largeCommunities: {
    code: 32,
    flags: OPTIONAL_TRANSITIVE,
    onMalformed: WITHDRAW,
    section: "RFC 8092 §6",
    belongsOn: anywhere,
    read: value.readLargeCommunities,
    write({ largeCommunities }, out) {
      for (const [global, local1, local2] of largeCommunities!) out.u32(global).u32(local1).u32(local2);
    },
  },
  onlyToCustomer: {
    code: 35,
    flags: OPTIONAL_TRANSITIVE,
    onMalformed: WITHDRAW,
    section: "RFC 9234 §5",
    belongsOn: anywhere,
    read: value.readOnlyToCustomer,
    write: ({ onlyToCustomer }, out) => void out.u32(onlyToCustomer!),
  },
};

/** In ascending order of their codes, which is the order in which they are sent (RFC 4271 §5). */
export const ATTRIBUTES: readonly AttributeRow[] = Object.entries(TABLE).map(([field, row]) => ({
  field: field as keyof PathAttributes,
  ...row,
}));

/** The row of each code; undefined for an attribute that we do not know. */
export const ROW_OF_CODE: readonly (AttributeRow | undefined)[] = Array.from({ length: 256 }, (_, code) =>
  ATTRIBUTES.find((row) => row.code === code),
);

export const CODE = {
  origin: TABLE.origin.code,
  asPath: TABLE.asPath.code,
  nextHop: TABLE.nextHop.code,
  localPref: TABLE.localPref.code,
  mpReach: TABLE.mpReach.code,
  mpUnreach: TABLE.mpUnreach.code,
} as const;
