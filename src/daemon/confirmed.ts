import type { Clock } from "../ports/clock.ts";
import type { SegmentTaps } from "../ports/network.ts";

/**
 * Each ARP and NDP message is a claim. Whatever makes the announcer send one, its timer or a frame that it hears, the
 * right to it is looked at once more before: the process may have been stopped since the last plan.
 */
export function confirmed(parts: { readonly clock: Clock; readonly taps: SegmentTaps }, confirm: () => void) {
  const { clock, taps } = parts;
  return {
    clock: {
      now: () => clock.now(),
      wallTime: () => clock.wallTime(),
      alarm: (ring: () => void) => clock.alarm(() => (confirm(), ring())),
    },
    taps: {
      open: (index: number, onFrame: (frame: Uint8Array) => void) =>
        taps.open(index, (frame) => (confirm(), onFrame(frame))),
    },
  };
}
