import type { Logger } from "pino";
import { unreachable } from "../../base/unreachable.ts";
import type { Clock } from "../../ports/clock.ts";
import type { StreamEnd } from "../../ports/stream.ts";
import type { ReadTcpCounters, TcpCounters } from "../../ports/tcp-counters.ts";
import { emit } from "../../telemetry/events.ts";
import type { DropCause } from "../fsm/state.ts";
import { describeFault, NOTIFICATION } from "../wire/faults.ts";
import { describeNotification } from "../wire/notification.ts";
import type { ConnectionEnd, DiagnosisFacts } from "./diagnosis.ts";
import type { PeerConfig, PeerError } from "./peer-config.ts";
import { describeEnd, noAnswer, type Stage } from "./transport-words.ts";

/** Cease and its subcode for a collision: which of two connections stays is no trouble, and would hide what was. */
const COLLISION = NOTIFICATION["cease.connection-collision"];

/** Why connections of one peer ended: puts it in words, logs it, and keeps the last. */
export class PeerTroubles {
  readonly #peer: PeerConfig;
  readonly #clock: Clock;
  readonly #log: Logger;
  #last: PeerError | null = null;
  #lastTransport = "";
  readonly #readCounters: ReadTcpCounters;
  #lastEnd: ConnectionEnd | null = null;
  #collisions = 0;
  /** The kernel's counters when the latest attempt began, and what they had gained when it ended. */
  #before: TcpCounters | null = null;
  #counted: TcpCounters | null = null;

  constructor(peer: PeerConfig, clock: Clock, log: Logger, readCounters: ReadTcpCounters = () => null) {
    this.#peer = peer;
    this.#clock = clock;
    this.#log = log;
    this.#readCounters = readCounters;
  }

  get last(): PeerError | null {
    return this.#last;
  }

  /** What a diagnosis needs of the past. */
  get facts(): Pick<DiagnosisFacts, "lastEnd" | "collisions" | "counted"> {
    return { lastEnd: this.#lastEnd, collisions: this.#collisions, counted: this.#counted };
  }

  /** An attempt to connect begins. */
  began(): void {
    this.#before = this.#readCounters();
  }

  /** A session is up: the next trouble of TCP is news again, even if it is the same. */
  over(): void {
    this.#lastTransport = "";
    this.#lastEnd = null;
    this.#collisions = 0;
    this.#counted = null;
  }

  dropped(cause: DropCause): void {
    switch (cause.kind) {
      case "fault": {
        const { code, subcode, section } = NOTIFICATION[cause.fault.kind];
        const message = describeFault(cause.fault);
        emit(this.#log, "bgp.notification.sent", { code, subcode, section }, message);
        if (cause.fault.kind === "cease.connection-collision") this.#collisions++;
        else {
          this.#keep(message, "sent");
          this.#end({ kind: "sent", fault: cause.fault });
        }
        break;
      }
      case "notification": {
        const { code, subcode } = cause.notification;
        const message = describeNotification(cause.notification);
        emit(this.#log, "bgp.notification.received", { code, subcode }, message);
        if (code === COLLISION.code && subcode === COLLISION.subcode) this.#collisions++;
        else {
          this.#keep(message, "received");
          this.#end({ kind: "received", notification: cause.notification });
        }
        break;
      }
      case "no-answer":
        this.#transport(noAnswer(this.#peer));
        this.#end({ kind: "no-answer" });
        break;
      case "transport": // told by `ended`
      case "unwanted":
        break;
      default:
        unreachable(cause);
    }
  }

  ended(end: StreamEnd, stage: Stage): void {
    this.#transport(describeEnd(end, stage, this.#peer));
    this.#end({ kind: "transport", end, stage });
  }

  /** Logged when it changes: a router that is away for an hour is one line, not one for each attempt. */
  #transport(message: string): void {
    this.#keep(message, "transport");
    if (message === this.#lastTransport) return;
    this.#lastTransport = message;
    emit(this.#log, "bgp.transport.failed", { reason: message }, message);
  }

  #end(end: ConnectionEnd): void {
    this.#lastEnd = end;
    const after = this.#readCounters();
    const before = this.#before;
    if (after === null || before === null) return;
    this.#counted = {
      md5NotFound: after.md5NotFound - before.md5NotFound,
      md5Unexpected: after.md5Unexpected - before.md5Unexpected,
      md5Failure: after.md5Failure - before.md5Failure,
      minTtlDrop: after.minTtlDrop - before.minTtlDrop,
    };
  }

  #keep(message: string, direction: PeerError["direction"]): void {
    this.#last = { message, direction, at: this.#clock.wallTime() };
  }
}
