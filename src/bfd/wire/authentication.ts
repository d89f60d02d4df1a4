/**
 * The authentication section (RFC 5880 §4.2 to §4.4). Digests are computed over the whole packet with the key, padded
 * with zeros, in the place of the digest. MD5 and SHA1 come from the caller: this folder knows no cryptography.
 */
import type { DiscardReason } from "./discards.ts";
import { type ControlPacket, encodeControlPacket, HEADER_LENGTH } from "./control-packet.ts";

export const AUTH_TYPES = {
  simple: { code: 1, digest: null, meticulous: false, keyLengthMax: 16 },
  md5: { code: 2, digest: "md5", meticulous: false, keyLengthMax: 16 },
  "meticulous-md5": { code: 3, digest: "md5", meticulous: true, keyLengthMax: 16 },
  sha1: { code: 4, digest: "sha1", meticulous: false, keyLengthMax: 20 },
  "meticulous-sha1": { code: 5, digest: "sha1", meticulous: true, keyLengthMax: 20 },
} as const satisfies Record<string, AuthTypeRow>;

interface AuthTypeRow {
  /** Registry "BFD Authentication Types". */
  readonly code: number;
  readonly digest: "md5" | "sha1" | null;
  /** The sequence number grows with every packet, and an old one is never taken again. */
  readonly meticulous: boolean;
  /** Octets; a digest is as long. */
  readonly keyLengthMax: number;
}

export type AuthType = keyof typeof AUTH_TYPES;

/** One key of a session. */
export interface AuthKey {
  readonly type: AuthType;
  /** 0..255. */
  readonly keyId: number;
  /** 1 to `keyLengthMax` octets. */
  readonly secret: Uint8Array;
}

/** The digest functions, over all of `bytes`. */
export interface Digests {
  md5(bytes: Uint8Array): Uint8Array;
  sha1(bytes: Uint8Array): Uint8Array;
}

/** Type, length, key id; with a digest also a reserved octet and the sequence number. */
const PASSWORD_AT = 3;
const SEQUENCE_AT = 4;
const DIGEST_AT = 8;

/** Why `key` is none that the wire can carry; null when it is one. */
export function keyProblem({ type, keyId, secret }: AuthKey): string | null {
  const { keyLengthMax } = AUTH_TYPES[type];
  if (!Number.isInteger(keyId) || keyId < 0 || keyId > 255) return `a BFD key id is 0 to 255, not ${keyId}`;
  if (secret.length === 0 || secret.length > keyLengthMax)
    return `a BFD key for ${type} has 1 to ${keyLengthMax} octets, not ${secret.length}`;
  return null;
}

/** The packet as it is sent: with `key` null the header alone, else with its section. */
export function sealPacket(packet: ControlPacket, key: AuthKey | null, sequence: number, digests: Digests): Uint8Array {
  if (key === null) return encodeControlPacket(packet, 0);
  const { code, digest, keyLengthMax } = AUTH_TYPES[key.type];
  const length = digest === null ? PASSWORD_AT + key.secret.length : DIGEST_AT + keyLengthMax;
  const bytes = new Uint8Array(HEADER_LENGTH + length);
  bytes.set(encodeControlPacket(packet, length));
  const section = bytes.subarray(HEADER_LENGTH);
  section.set([code, length, key.keyId]);
  if (digest === null) {
    section.set(key.secret, PASSWORD_AT);
    return bytes;
  }
  new DataView(bytes.buffer).setUint32(HEADER_LENGTH + SEQUENCE_AT, sequence);
  section.set(key.secret, DIGEST_AT);
  section.set(digests[digest](bytes), DIGEST_AT);
  return bytes;
}

export type Opened =
  /** `sequence` is null for a simple password. */
  | { readonly kind: "genuine"; readonly sequence: number | null }
  | { readonly kind: "forged"; readonly reason: DiscardReason };

/**
 * Judges a received section by one key: everything but the sequence number, which only the session can judge.
 *
 * @param section  as `decodeControlPacket` gave it: what follows the header of `payload`
 */
export function openPacket(payload: Uint8Array, section: Uint8Array, key: AuthKey, digests: Digests): Opened {
  const { code, digest, keyLengthMax } = AUTH_TYPES[key.type];
  const [type, length = 0, keyId] = section;
  if (type !== code) return forged("auth-type");
  if (length > section.length) return forged("auth-length");
  if (digest === null) {
    if (length <= PASSWORD_AT || length > PASSWORD_AT + keyLengthMax) return forged("auth-length");
    if (keyId !== key.keyId) return forged("auth-key");
    return isEqual(section.subarray(PASSWORD_AT, length), key.secret)
      ? { kind: "genuine", sequence: null }
      : forged("auth-digest");
  }
  if (length !== DIGEST_AT + keyLengthMax) return forged("auth-length");
  if (keyId !== key.keyId) return forged("auth-key");
  // The digest covers the packet up to its own Length, whatever the datagram holds after it.
  const copy = payload.slice(0, HEADER_LENGTH + section.length);
  const place = copy.subarray(HEADER_LENGTH + DIGEST_AT, HEADER_LENGTH + length);
  place.fill(0).set(key.secret);
  const received = section.subarray(DIGEST_AT, length);
  if (!isEqual(received, digests[digest](copy))) return forged("auth-digest");
  const sequence = new DataView(section.buffer, section.byteOffset).getUint32(SEQUENCE_AT);
  return { kind: "genuine", sequence };
}

/** Takes as long for a near miss as for a wild guess. */
function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let index = 0; index < a.length; index++) difference |= a[index]! ^ b[index]!;
  return difference === 0;
}

const forged = (reason: DiscardReason): Opened => ({ kind: "forged", reason });
