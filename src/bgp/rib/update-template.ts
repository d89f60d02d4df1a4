import { HEADER_LENGTH } from "../wire/framing.ts";
import { encodeMessage } from "../wire/message.ts";
import type { PathAttributes, UpdateContext } from "../wire/path-attributes.ts";
import type { Update } from "../wire/update.ts";

const EMPTY_UPDATE: Update = { type: "update", withdrawn: [], attributes: {}, opaque: [], nlri: [] };

/**
 * An UPDATE with a gap where its prefixes go: everything around the gap is encoded once for all messages that differ in
 * their prefixes only. The gap is in one of the body's fields, or in the MP attribute, which comes first (RFC 7606
 * §5.1).
 */
export class UpdateTemplate {
  readonly #gap: "withdrawn" | "nlri" | "mp";
  readonly #head: Uint8Array;
  readonly #tail: Uint8Array;

  private constructor(gap: "withdrawn" | "nlri" | "mp", attributes: PathAttributes, context: UpdateContext) {
    const whole = encodeMessage({ ...EMPTY_UPDATE, attributes }, context);
    // Without prefixes the MP attribute is short; `message` makes room for a longer length when it needs to.
    const at = { withdrawn: WITHDRAWN_AT, nlri: whole.length, mp: MP_VALUE_AT + (whole[MP_VALUE_AT - 1] ?? 0) }[gap];
    this.#gap = gap;
    this.#head = whole.slice(0, at);
    this.#tail = whole.slice(at);
  }

  /** `attributes` without an MP_REACH_NLRI announce IPv4 in the body; one that is there has no prefixes of its own. */
  static announcement(attributes: PathAttributes, context: UpdateContext): UpdateTemplate {
    return new UpdateTemplate(attributes.mpReach === undefined ? "nlri" : "mp", attributes, context);
  }

  /** @param mpUnreach  without prefixes; null for IPv4 in the body */
  static withdrawal(mpUnreach: PathAttributes["mpUnreach"] | null, context: UpdateContext): UpdateTemplate {
    return mpUnreach ? new UpdateTemplate("mp", { mpUnreach }, context) : new UpdateTemplate("withdrawn", {}, context);
  }

  /** Equal for templates that make equal messages. */
  get key(): string {
    let key: string = this.#gap;
    for (const part of [this.#head, this.#tail]) for (const octet of part) key += String.fromCharCode(octet);
    return key;
  }

  /** Octets that prefixes may take in a message of `maxLength`. */
  room(maxLength: number): number {
    const free = maxLength - this.#head.length - this.#tail.length;
    if (this.#gap !== "mp") return free;
    const valueLength = this.#head.length - MP_VALUE_AT;
    return valueLength + free - 1 > SHORT_LENGTH_MAX ? free - 1 : Math.min(free, SHORT_LENGTH_MAX - valueLength);
  }

  /**
   * The whole message, not aliased.
   *
   * @param prefixes  as an UPDATE carries them
   * @param length  of all `prefixes`; the caller keeps it within `room`
   */
  message(prefixes: readonly Uint8Array[], length: number): Uint8Array {
    const head = this.#head;
    const valueLength = head.length - MP_VALUE_AT + length;
    const isLong = this.#gap === "mp" && valueLength > SHORT_LENGTH_MAX;
    const total = head.length + this.#tail.length + length + (isLong ? 1 : 0);
    const out = new Uint8Array(total);
    let at = head.length;
    out.set(head);
    if (isLong) {
      out.set(head.subarray(MP_VALUE_AT), MP_VALUE_AT + 1);
      out[MP_VALUE_AT - 3]! |= EXTENDED_LENGTH;
      putU16(out, MP_VALUE_AT - 1, valueLength);
      at++;
    } else if (this.#gap === "mp") out[MP_VALUE_AT - 1] = valueLength;
    for (const octets of prefixes) {
      // A call of `set` for so few octets costs more than the octets.
      for (let i = 0; i < octets.length; i++) out[at++] = octets[i]!;
    }
    out.set(this.#tail, at);
    putU16(out, LENGTH_AT, total);
    if (this.#gap === "withdrawn") putU16(out, WITHDRAWN_AT - 2, length);
    if (this.#gap === "mp") putU16(out, ATTRIBUTES_AT - 2, total - ATTRIBUTES_AT);
    return out;
  }
}

const LENGTH_AT = 16;
/** Behind the first length field of an UPDATE, and behind both when nothing is withdrawn (RFC 4271 §4.3). */
const WITHDRAWN_AT = HEADER_LENGTH + 2;
const ATTRIBUTES_AT = HEADER_LENGTH + 4;
/** Behind flags, type and one octet of length. */
const MP_VALUE_AT = ATTRIBUTES_AT + 3;
const SHORT_LENGTH_MAX = 255;
const EXTENDED_LENGTH = 0x10;

function putU16(out: Uint8Array, at: number, value: number): void {
  out[at] = value >> 8;
  out[at + 1] = value & 0xff;
}
