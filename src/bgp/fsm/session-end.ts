import { type BgpFault, NOTIFICATION } from "../wire/faults.ts";
import type { Negotiated } from "./negotiation.ts";
import type { DropCause, SessionEnd } from "./state.ts";

const HARD_RESET = NOTIFICATION["cease.hard-reset"];

/**
 * The fault to report: where both sides take NOTIFICATIONs for graceful, one after which no routes may be kept is
 * wrapped into a hard reset (RFC 8538 §3).
 */
export const reportedFault = (fault: BgpFault, session: Negotiated): BgpFault =>
  session.gracefulRestart?.notification === true && endsHard(fault)
    ? { kind: "cease.hard-reset", inner: fault }
    : fault;

/** What becomes of the peer's routes when an established session ends for `cause`. */
export function endOfSession(cause: DropCause, session: Negotiated): SessionEnd {
  const restart = session.gracefulRestart;
  if (restart === null || !restart.agreed) return "hard";
  switch (cause.kind) {
    case "transport":
    case "replaced":
      return "graceful";
    // Without RFC 8538 on both sides a NOTIFICATION ends everything (RFC 4724 §4.2).
    case "notification": {
      const { code, subcode } = cause.notification;
      const isHardReset = code === HARD_RESET.code && subcode === HARD_RESET.subcode;
      return restart.notification && !isHardReset ? "graceful" : "hard";
    }
    case "fault":
      return restart.notification && !endsHard(cause.fault) ? "graceful" : "hard";
    case "no-answer":
    case "unwanted":
      return "hard";
  }
}

/** RFC 8538 §3.1: what an operator or a broken peer ends is over; what time or a lack of something ends may come back. */
function endsHard(fault: BgpFault): boolean {
  switch (fault.kind) {
    case "hold-timer.expired":
    case "send-hold-timer.expired":
    case "cease.connection-rejected":
    case "cease.other-configuration-change":
    case "cease.connection-collision":
    case "cease.out-of-resources":
    case "cease.bfd-down":
      return false;
    default:
      return true;
  }
}
