import { createHash } from "node:crypto";
import type { SessionSettings } from "./session-state.ts";
import { type AuthKey, type AuthType, AUTH_TYPES, type Digests } from "../wire/authentication.ts";
import type { ControlPacket } from "../wire/control-packet.ts";

const digest = (algorithm: string, bytes: Uint8Array): Uint8Array => createHash(algorithm).update(bytes).digest();

export const DIGESTS: Digests = { md5: (bytes) => digest("md5", bytes), sha1: (bytes) => digest("sha1", bytes) };

export const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** A packet of a peer that is Up, with what a test wants to be otherwise. */
export const packet = (changed: Partial<ControlPacket> = {}): ControlPacket => ({
  state: "up",
  diagnostic: 0,
  poll: false,
  final: false,
  controlPlaneIndependent: false,
  demand: false,
  multiplier: 3,
  myDiscriminator: 1,
  yourDiscriminator: 2,
  desiredMinTxMicros: 300_000,
  requiredMinRxMicros: 300_000,
  requiredMinEchoRxMicros: 0,
  ...changed,
});

export const settings = (changed: Partial<SessionSettings> = {}): SessionSettings => ({
  desiredMinTxMicros: 300_000,
  requiredMinRxMicros: 300_000,
  multiplier: 3,
  passive: false,
  auth: null,
  ...changed,
});

export const key = (type: AuthType, keyId = 7, secret = "secret"): AuthKey => ({
  type,
  keyId,
  secret: new TextEncoder().encode(secret),
});

export const ALL_AUTH_TYPES = Object.keys(AUTH_TYPES) as AuthType[];
