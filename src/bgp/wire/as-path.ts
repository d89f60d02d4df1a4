import { u16At, u32At, type Writer } from "../../base/bytes.ts";
import { Asn, AS_TRANS } from "./asn.ts";

const AS_SET = 1;
const AS_SEQUENCE = 2;
const AS_CONFED_SEQUENCE = 3;
const AS_CONFED_SET = 4;
const SEGMENT_COUNT_MAX = 255;

/** Why an AS path cannot be used, and where. */
export interface BadPath {
  readonly detail: string;
  /** Index into the octets that were read. */
  readonly at: number;
  /** Who refuses it; absent where it is no AS path at all. */
  readonly section?: string;
}

/** AS 0 identifies nobody. */
export const AS_ZERO_SECTION = "RFC 7607 §2";
/** No route may have a set, well-formed or not. */
export const AS_SET_SECTION = "RFC 9774 §3";
const CONFEDERATION_SECTION = "RFC 5065 §5";

/** Segments that are well-formed and not taken. */
const REFUSED: Readonly<Record<number, string>> = {
  [AS_SET]: AS_SET_SECTION,
  [AS_CONFED_SEQUENCE]: CONFEDERATION_SECTION,
  [AS_CONFED_SET]: AS_SET_SECTION,
};

/**
 * Appends the AS numbers of an AS_PATH in `bytes` from `from` up to `to`, leftmost first; how they were cut into
 * segments carries no meaning.
 *
 * Only AS_SEQUENCE is taken: AS_SET is withdrawn by RFC 9774, confederation segments do not belong on a session
 * outside a confederation (RFC 5065 §5), and AS 0 is never legal (RFC 7607 §2). From an AS4_PATH a confederation
 * sequence is left out, and the rest is used (RFC 6793 §6).
 *
 * @param size  octets of one AS number, 2 or 4
 */
export function readAsPath(
  bytes: Uint8Array,
  from: number,
  to: number,
  size: 2 | 4,
  path: Asn[],
  isAs4Path = false,
): BadPath | null {
  let at = from;
  while (at < to) {
    if (to - at < 2) return { detail: "an octet left over", at };
    const type = bytes[at]!;
    const count = bytes[at + 1]!;
    const isSkipped = isAs4Path && type === AS_CONFED_SEQUENCE;
    if (type !== AS_SEQUENCE && !isSkipped) {
      const section = REFUSED[type];
      return { detail: `segment type ${type}`, at, ...(section === undefined ? {} : { section }) };
    }
    if (count === 0) return { detail: "empty segment", at };
    at += 2;
    const end = at + count * size;
    if (end > to) return { detail: `segment of ${count * size} octets, ${to - at} left`, at };
    for (; at < end; at += size) {
      const asn = size === 4 ? u32At(bytes, at) : u16At(bytes, at);
      if (asn === 0) return { detail: "AS 0", at, section: AS_ZERO_SECTION };
      if (!isSkipped) path.push(asn as Asn);
    }
  }
  return null;
}

/** In two octets, a number that does not fit becomes AS_TRANS (RFC 6793 §4.2.2). */
export function writeAsPath(path: readonly Asn[], out: Writer, fourOctetAs: boolean): void {
  for (let at = 0; at < path.length; at += SEGMENT_COUNT_MAX) {
    const segment = path.slice(at, at + SEGMENT_COUNT_MAX);
    out.u8(AS_SEQUENCE).u8(segment.length);
    for (const asn of segment) {
      if (fourOctetAs) out.u32(asn);
      else out.u16(Asn.toTwoOctet(asn));
    }
  }
}

/** True when a two-octet AS_PATH cannot tell this path, so that AS4_PATH must (RFC 6793 §4.2.2). */
export const needsAs4Path = (path: readonly Asn[]): boolean => path.some((asn) => asn > 0xffff);

/**
 * The real path out of what a two-octet peer sent: an AS4_PATH replaces the tail of the AS_PATH, unless it is longer,
 * or an AGGREGATOR shows that a two-octet speaker aggregated the route after it was written (RFC 6793 §4.2.3).
 */
export function mergeAs4Path(
  path: readonly Asn[],
  as4Path: readonly Asn[] | undefined,
  aggregator?: Asn,
): readonly Asn[] {
  if (as4Path === undefined || as4Path.length > path.length) return path;
  if (aggregator !== undefined && aggregator !== AS_TRANS) return path;
  return [...path.slice(0, path.length - as4Path.length), ...as4Path];
}
