import type { Branded } from "../base/brand.ts";

/** Ethernet address as lower-case text with colons. */
export type Mac = Branded<string, "Mac">;

/** @throws RangeError unless `bytes` holds 6 octets. */
export function macFromBytes(bytes: Uint8Array): Mac {
  if (bytes.length !== 6) throw new RangeError(`an Ethernet address has 6 octets, not ${bytes.length}`);
  let text = OCTET[bytes[0]!]!;
  for (let i = 1; i < 6; i++) text += `:${OCTET[bytes[i]!]!}`;
  return text as Mac;
}

/** Whoever floods a segment makes us read each frame. */
const OCTET: readonly string[] = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, "0"));

export const macToBytes = (mac: Mac): Uint8Array =>
  Uint8Array.from(mac.split(":", 6), (octet) => Number.parseInt(octet, 16));

export const BROADCAST = "ff:ff:ff:ff:ff:ff" as Mac;
