import type { Branded } from "../../base/brand.ts";

/** Autonomous System number, 0..2^32-1 (RFC 6793). Zero decodes, but is never a legal peer (RFC 7607). */
export type Asn = Branded<number, "Asn">;

/** Stands in a two-octet field for a number that does not fit there (RFC 6793 §9). */
export const AS_TRANS = 23_456;

export const Asn = {
  /** @throws RangeError when `value` is not an unsigned 32-bit integer. */
  of(value: number): Asn {
    if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) throw new RangeError(`not an ASN: ${value}`);
    return value as Asn;
  },
  /** What the two-octet OPEN field carries: the number itself, or AS_TRANS when it does not fit (RFC 6793). */
  toTwoOctet: (asn: Asn): number => (asn <= 0xffff ? asn : AS_TRANS),
} as const;
