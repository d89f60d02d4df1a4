import type { Logger } from "pino";
import { Instant } from "../../base/time.ts";
import { emit } from "../../telemetry/events.ts";
import { sectionOf } from "../wire/faults.ts";
import { type AttributeFault, wantsWithdrawal } from "../wire/update.ts";
import type { MalformedCounts } from "./peer-config.ts";
import { hex } from "./recording-json.ts";

/** At most one log line about malformed UPDATEs in this time, and so many octets of the message in it. */
const LOG_MILLIS = 10_000;
const LOG_OCTETS = 512;

/** UPDATEs of one peer that were wrong and did not end the session: counted, and told in the log (RFC 7606 §6). */
export class MalformedUpdates {
  readonly #log: Logger;
  readonly #byAttribute: Record<string, number> = {};
  #updates = 0;
  #withdrawn = 0;
  #loggedAt: Instant | null = null;
  #unlogged = 0;

  constructor(log: Logger) {
    this.#log = log;
  }

  get counts(): Omit<MalformedCounts, "last"> {
    return { updates: this.#updates, withdrawn: this.#withdrawn, byAttribute: { ...this.#byAttribute } };
  }

  note(message: Uint8Array, faults: readonly AttributeFault[], now: Instant): void {
    const withdrawn = wantsWithdrawal(faults);
    this.#updates++;
    if (withdrawn) this.#withdrawn++;
    for (const code of new Set(faults.map((one) => one.code ?? "list"))) {
      this.#byAttribute[code] = (this.#byAttribute[code] ?? 0) + 1;
    }
    this.#unlogged++;
    if (this.#loggedAt !== null && now < Instant.add(this.#loggedAt, LOG_MILLIS)) return;
    const fields = {
      attributes: [...new Set(faults.map((one) => one.code))],
      faults: [...new Set(faults.map((one) => one.fault.kind))],
      sections: [...new Set(faults.map((one) => sectionOf(one.fault)))],
      withdrawn,
      suppressed: this.#unlogged - 1,
      hex: hex(message.subarray(0, LOG_OCTETS)),
    };
    const text = withdrawn ? "malformed UPDATE, its routes are withdrawn" : "malformed UPDATE, attribute discarded";
    emit(this.#log, "bgp.update.malformed", fields, text);
    this.#loggedAt = now;
    this.#unlogged = 0;
  }
}
