import type { Logger } from "pino";
import { emit } from "../../telemetry/events.ts";

/** Kinds of things ignored that are logged, per session: the peer chooses what it sends. */
const COUNT_MAX = 16;

/** What a peer sends and we have no use for: each kind is logged once in a session. */
export class IgnoredOnce {
  readonly #log: Logger;
  readonly #noted = new Set<string>();

  constructor(log: Logger) {
    this.#log = log;
  }

  note(what: string): void {
    if (this.#noted.has(what) || this.#noted.size >= COUNT_MAX) return;
    this.#noted.add(what);
    emit(this.#log, "bgp.update.ignored", { reason: what }, `the peer sends ${what}`);
  }
}
