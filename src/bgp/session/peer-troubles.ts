import type { Logger } from "pino";
import { unreachable } from "../../base/unreachable.ts";
import type { Clock } from "../../ports/clock.ts";
import type { StreamEnd } from "../../ports/stream.ts";
import type { ReadTcpCounters, TcpCounters } from "../../ports/tcp-counters.ts";
import { emit } from "../../telemetry/events.ts";
import type { DropCause } from "../fsm/state.ts";
import { describeFault, NOTIFICATION, sectionOf } from "../wire/faults.ts";
import { describeNotification } from "../wire/notification.ts";
import type { ConnectionEnd, DiagnosisFacts } from "./diagnosis.ts";
import type { PeerConfig, PeerError, SeenNotification } from "./peer-config.ts";
import { describeEnd, noAnswer, type Stage } from "./transport-words.ts";

/** Cease and its subcode for a collision: which of two connections stays is no trouble, and would hide what was. */
const COLLISION = NOTIFICATION["cease.connection-collision"];
/** For so long what a NOTIFICATION said is not hidden by what TCP did after it. */
const TELLING_MILLIS = 300_000;

/** Why connections of one peer ended: puts it in words, logs it, and keeps the last. */
export class PeerTroubles {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #readCounters: ReadTcpCounters;
  #peer: PeerConfig;
  #last: PeerError | null = null;
  #lastTransport = "";
  #lastEnd: ConnectionEnd | null = null;
  #saidAt: Date | null = null;
  #collisions = 0;
  #counters: TcpCounters | null = null;
  #counted: TcpCounters | null = null;
  readonly #notifications: { sent: SeenNotification | null; received: SeenNotification | null } = {
    sent: null,
    received: null,
  };

  constructor(peer: PeerConfig, clock: Clock, log: Logger, readCounters: ReadTcpCounters) {
    this.#peer = peer;
    this.#clock = clock;
    this.#log = log;
    this.#readCounters = readCounters;
    this.#counters = readCounters();
  }

  set peer(peer: PeerConfig) {
    this.#peer = peer;
  }

  get last(): PeerError | null {
    return this.#last;
  }

  /** The last NOTIFICATION each way, and how many there were. */
  get notifications(): { readonly sent: SeenNotification | null; readonly received: SeenNotification | null } {
    return { ...this.#notifications };
  }

  /** For a diagnosis. While nothing has ended yet, what the kernel drops meanwhile tells why nothing comes. */
  get facts(): Pick<DiagnosisFacts, "lastEnd" | "collisions" | "counted"> {
    const counted = this.#lastEnd === null ? gained(this.#counters, this.#readCounters()) : this.#counted;
    return { lastEnd: this.#lastEnd, collisions: this.#collisions, counted };
  }

  /** A session is up: the next trouble of TCP is news again, even if it is the same. */
  over(): void {
    this.#lastTransport = "";
    this.#lastEnd = null;
    this.#collisions = 0;
    this.#counted = null;
    this.#counters = this.#readCounters();
  }

  /** Why there is no session although nothing happened: what the configuration lacks. */
  withheld(reason: string): void {
    this.#transport(reason);
  }

  dropped(cause: DropCause): void {
    switch (cause.kind) {
      case "fault": {
        const { code, subcode } = NOTIFICATION[cause.fault.kind];
        const message = describeFault(cause.fault);
        const fields = { code, subcode, section: sectionOf(cause.fault) };
        emit(this.#log, "bgp.notification.sent", fields, message);
        this.#saw("sent", code, subcode, message);
        if (cause.fault.kind === "cease.connection-collision") this.#collisions++;
        else this.#end({ kind: "sent", fault: cause.fault }, message, "sent");
        break;
      }
      case "notification": {
        const { code, subcode } = cause.notification;
        const message = describeNotification(cause.notification);
        emit(this.#log, "bgp.notification.received", { code, subcode }, message);
        this.#saw("received", code, subcode, message);
        if (code === COLLISION.code && subcode === COLLISION.subcode) this.#collisions++;
        else this.#end({ kind: "received", notification: cause.notification }, message, "received");
        break;
      }
      case "no-answer":
        this.#attemptEnded({ kind: "no-answer" });
        this.#transport(noAnswer(this.#peer));
        break;
      case "transport": // told by `ended`
      case "replaced":
      case "unwanted":
        break;
      default:
        unreachable(cause);
    }
  }

  ended(end: StreamEnd, stage: Stage): void {
    this.#attemptEnded({ kind: "transport", end, stage });
    this.#transport(describeEnd(end, stage, this.#peer));
  }

  /** Logged when it changes: a router that is away for an hour is one line, not one for each attempt. */
  #transport(message: string): void {
    const now = this.#clock.wallTime();
    const said = this.#last !== null && this.#last.direction !== "transport" ? this.#last : null;
    // The router that refuses us now has said why, and what it said is what helps.
    if (said === null || now.getTime() - said.at.getTime() >= TELLING_MILLIS) {
      this.#last = { message, direction: "transport", at: now };
    }
    if (message === this.#lastTransport) return;
    this.#lastTransport = message;
    emit(this.#log, "bgp.transport.failed", { reason: message }, message);
  }

  /** What was said before TCP ended is the reason, also of attempts that the peer refuses for it a little later. */
  #attemptEnded(end: ConnectionEnd): void {
    this.#count();
    const age = this.#clock.wallTime().getTime() - (this.#saidAt?.getTime() ?? 0);
    if (this.#lastEnd === null || !isTelling(this.#lastEnd) || age >= TELLING_MILLIS) this.#lastEnd = end;
  }

  #end(end: ConnectionEnd, message: string, direction: "sent" | "received"): void {
    this.#count();
    this.#lastEnd = end;
    this.#saidAt = this.#clock.wallTime();
    this.#last = { message, direction, at: this.#saidAt };
  }

  #saw(direction: "sent" | "received", code: number, subcode: number, message: string): void {
    const count = (this.#notifications[direction]?.count ?? 0) + 1;
    this.#notifications[direction] = { code, subcode, message, at: this.#clock.wallTime(), count };
  }

  /** What the kernel has dropped since the last end: the peer calls when it likes, also between two attempts of ours. */
  #count(): void {
    const now = this.#readCounters();
    this.#counted = gained(this.#counters, now);
    this.#counters = now;
  }
}

/** A NOTIFICATION about what one side does not accept; that the peer fell silent says nothing of what follows. */
const isTelling = (end: ConnectionEnd): boolean => {
  if (end.kind === "received") return true;
  if (end.kind !== "sent") return false;
  return !["hold-timer.expired", "send-hold-timer.expired", "cease.bfd-down"].includes(end.fault.kind);
};

function gained(before: TcpCounters | null, now: TcpCounters | null): TcpCounters | null {
  if (before === null || now === null) return null;
  return {
    md5NotFound: now.md5NotFound - before.md5NotFound,
    md5Unexpected: now.md5Unexpected - before.md5Unexpected,
    md5Failure: now.md5Failure - before.md5Failure,
    minTtlDrop: now.minTtlDrop - before.minTtlDrop,
  };
}
