import { setTimeout as delay } from "node:timers/promises";
import { machineMillis } from "./machine-time.ts";

/** A condition that did not come true in time. The message says which, and what was seen last. */
export class NotInTime extends Error {
  override readonly name = "NotInTime";
}

/**
 * Asks until the answer is yes.
 *
 * @param condition  true, or a text that says what is seen instead of what is waited for
 * @returns milliseconds it took
 * @throws NotInTime
 */
export async function waitFor(
  what: string,
  limitMillis: number,
  condition: () => Seen | Promise<Seen>,
  { everyMillis = 20, signal }: { readonly everyMillis?: number; readonly signal?: AbortSignal } = {},
): Promise<number> {
  const startedAt = machineMillis();
  for (;;) {
    signal?.throwIfAborted();
    const seen = await condition();
    const took = machineMillis() - startedAt;
    if (seen === true) return took;
    if (took > limitMillis) {
      throw new NotInTime(`${what}: not within ${limitMillis / 1000} s${seen === false ? "" : `; seen: ${seen}`}`);
    }
    await delay(everyMillis, undefined, signal ? { signal } : {});
  }
}

/** True, false, or what is seen instead, for the message. */
export type Seen = boolean | string;
