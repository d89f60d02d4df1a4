import type { Reader, Writer } from "../../base/bytes.ts";
import { Asn, AS_TRANS } from "./asn.ts";

const AS_SEQUENCE = 2;
const SEGMENT_COUNT_MAX = 255;

/** Why an AS_PATH cannot be used; the caller knows what that costs. */
export class MalformedAsPath extends Error {
  override readonly name = "MalformedAsPath";
}

/**
 * The AS numbers of an AS_PATH, leftmost first; how they were cut into segments carries no meaning.
 *
 * Only AS_SEQUENCE is taken: AS_SET is withdrawn by RFC 9774, confederation segments do not belong on a session
 * outside a confederation (RFC 5065 §5), and AS 0 is never legal (RFC 7607 §2).
 *
 * @throws MalformedAsPath; Truncated when a segment runs past the attribute
 */
export function readAsPath(reader: Reader, fourOctetAs: boolean): Asn[] {
  const path: Asn[] = [];
  while (reader.left > 0) {
    const type = reader.u8("segment type");
    if (type !== AS_SEQUENCE) throw new MalformedAsPath(`segment type ${type}`);
    const count = reader.u8("segment count");
    if (count === 0) throw new MalformedAsPath("empty segment");
    const segment = reader.sub(count * (fourOctetAs ? 4 : 2), "segment");
    for (let i = 0; i < count; i++) {
      const asn = fourOctetAs ? segment.u32("AS number") : segment.u16("AS number");
      if (asn === 0) throw new MalformedAsPath("AS 0");
      path.push(asn as Asn);
    }
  }
  return path;
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
