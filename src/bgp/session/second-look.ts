import { Instant } from "../../base/time.ts";
import type { Peering } from "../fsm/peering.ts";
import { SLOTS } from "./peer-links.ts";

/**
 * An alarm that comes late, because the process was busy, may find the peer's octets still unread in the socket. So
 * before a hold time is taken to have run out, the event loop gets one more turn to read them.
 */
export class SecondLook {
  #lookedAt: Instant | null = null;

  /** True once for each hold time that seems to have run out. */
  isNeeded(peering: Peering, now: Instant): boolean {
    for (const slot of SLOTS) {
      const state = peering[slot];
      if (!("hold" in state) || !Instant.isDue(state.hold, now)) continue;
      if (state.hold === this.#lookedAt) return false;
      this.#lookedAt = state.hold;
      return true;
    }
    return false;
  }
}
