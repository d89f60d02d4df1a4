import type { Prefix } from "../../addr/prefix.ts";

/** The address families that this program speaks; all others are tolerated and ignored. */
export type AddressFamily = "ipv4-unicast" | "ipv6-unicast";

/** IANA "Address Family Numbers" and "SAFI" values (RFC 4760). */
const CODES = {
  "ipv4-unicast": { afi: 1, safi: 1 },
  "ipv6-unicast": { afi: 2, safi: 1 },
} as const satisfies Record<AddressFamily, { readonly afi: number; readonly safi: number }>;

export const FAMILIES: readonly AddressFamily[] = ["ipv4-unicast", "ipv6-unicast"];

export const familyCodes = (family: AddressFamily): { readonly afi: number; readonly safi: number } => CODES[family];

/** Null for a family that we do not speak. */
export const familyFromCodes = (afi: number, safi: number): AddressFamily | null =>
  FAMILIES.find((family) => CODES[family].afi === afi && CODES[family].safi === safi) ?? null;

export const familyOfPrefix = (prefix: Prefix): AddressFamily =>
  prefix.includes(":") ? "ipv6-unicast" : "ipv4-unicast";
