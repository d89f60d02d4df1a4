import { AUTH_TYPES, type AuthKey, keyProblem } from "../wire/authentication.ts";
import type { SessionSettings } from "../fsm/session-state.ts";
import { type BfdSessionConfig, INTERVAL_MILLIS_MIN } from "./session-config.ts";

/** What makes two wishes one session: "address pair and interface" (RFC 5881 §3), and the kind of it. */
export const pathOf = ({ remote, local, interfaceName, minimumTtl }: BfdSessionConfig): string =>
  [minimumTtl === null ? "single-hop" : "multihop", remote, local ?? "", interfaceName ?? ""].join(" ");

/** The settings for the state machine, or why they cannot be had. */
export function settingsOf(config: BfdSessionConfig): SessionSettings | { readonly problem: string } {
  const { transmitMillis, receiveMillis, multiplier, passive, fastTimers } = config;
  for (const [what, millis] of Object.entries({ transmit: transmitMillis, receive: receiveMillis })) {
    if (!Number.isFinite(millis) || millis < 1 || millis > MILLIS_MAX)
      return { problem: `a BFD ${what} interval is 1 to ${MILLIS_MAX} ms, not ${millis}` };
    if (millis < INTERVAL_MILLIS_MIN && !fastTimers)
      return {
        problem:
          `a BFD ${what} interval of ${millis} ms is under ${INTERVAL_MILLIS_MIN} ms, ` +
          "which a program cannot keep on a busy machine: it is taken only with fastTimers",
      };
  }
  if (!Number.isInteger(multiplier) || multiplier < 1 || multiplier > 255)
    return { problem: `a BFD multiplier is 1 to 255, not ${multiplier}` };
  if (config.auth !== null && !(config.auth.type in AUTH_TYPES))
    return { problem: `there is no BFD authentication by ${config.auth.type}` };
  const auth = keyOf(config);
  const problem = auth && keyProblem(auth);
  if (problem !== null) return { problem };
  return {
    desiredMinTxMicros: Math.round(transmitMillis * 1_000),
    requiredMinRxMicros: Math.round(receiveMillis * 1_000),
    multiplier,
    passive,
    auth,
  };
}

/** The field has 32 bits of microseconds. */
const MILLIS_MAX = 4_294_967;

function keyOf({ auth }: BfdSessionConfig): AuthKey | null {
  if (auth === null) return null;
  return { type: auth.type, keyId: auth.keyId, secret: new TextEncoder().encode(auth.key) };
}
