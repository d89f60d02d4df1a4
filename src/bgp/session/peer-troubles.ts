import type { Logger } from "pino";
import { unreachable } from "../../base/unreachable.ts";
import type { Clock } from "../../ports/clock.ts";
import type { StreamEnd } from "../../ports/stream.ts";
import { emit } from "../../telemetry/events.ts";
import type { DropCause } from "../fsm/state.ts";
import { describeFault, NOTIFICATION } from "../wire/faults.ts";
import { describeNotification } from "../wire/notification.ts";
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

  constructor(peer: PeerConfig, clock: Clock, log: Logger) {
    this.#peer = peer;
    this.#clock = clock;
    this.#log = log;
  }

  get last(): PeerError | null {
    return this.#last;
  }

  /** A session is up: the next trouble of TCP is news again, even if it is the same. */
  over(): void {
    this.#lastTransport = "";
  }

  dropped(cause: DropCause): void {
    switch (cause.kind) {
      case "fault": {
        const { code, subcode, section } = NOTIFICATION[cause.fault.kind];
        const message = describeFault(cause.fault);
        emit(this.#log, "bgp.notification.sent", { code, subcode, section }, message);
        if (cause.fault.kind !== "cease.connection-collision") this.#keep(message, "sent");
        break;
      }
      case "notification": {
        const { code, subcode } = cause.notification;
        const message = describeNotification(cause.notification);
        emit(this.#log, "bgp.notification.received", { code, subcode }, message);
        if (code !== COLLISION.code || subcode !== COLLISION.subcode) this.#keep(message, "received");
        break;
      }
      case "no-answer":
        this.#transport(noAnswer(this.#peer));
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
  }

  /** Logged when it changes: a router that is away for an hour is one line, not one for each attempt. */
  #transport(message: string): void {
    this.#keep(message, "transport");
    if (message === this.#lastTransport) return;
    this.#lastTransport = message;
    emit(this.#log, "bgp.transport.failed", { reason: message }, message);
  }

  #keep(message: string, direction: PeerError["direction"]): void {
    this.#last = { message, direction, at: this.#clock.wallTime() };
  }
}
