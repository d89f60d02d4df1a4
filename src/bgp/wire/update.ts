import type { Prefix } from "../../addr/prefix.ts";
import { Reader, Truncated, Writer } from "../../base/bytes.ts";
import { MalformedAsPath } from "./as-path.ts";
import { type BgpFault, FaultFound } from "./faults.ts";
import { BadNetworkField, isUnicastHost, readPrefixes, writePrefix } from "./nlri.ts";
import {
  type AttributeCodec,
  ATTRIBUTES,
  BadValue,
  type Consequence,
  mpNextHopProblem,
  type OpaqueAttribute,
  type PathAttributes,
  type UpdateContext,
} from "./path-attributes.ts";

/** RFC 4271 §4.3. */
export interface Update {
  readonly type: "update";
  /** IPv4 prefixes of the body's own withdrawn field. */
  readonly withdrawn: readonly Prefix[];
  readonly attributes: PathAttributes;
  /** Attributes without a row in the table, in the order received. */
  readonly opaque: readonly OpaqueAttribute[];
  /** IPv4 prefixes of the body. */
  readonly nlri: readonly Prefix[];
}

/** One thing that is wrong with the attributes of an UPDATE that keeps the session. */
export interface AttributeFault {
  /** Null when it is the attribute list itself. */
  readonly code: number | null;
  readonly consequence: Exclude<Consequence, "session-reset">;
  /** What this would be if the session had to be reset for it (RFC 7606 §5.2). */
  readonly fault: BgpFault;
}

export interface DecodedUpdate {
  readonly update: Update;
  /** Empty for an UPDATE without fault. With a treat-as-withdraw among them, its routes are to be withdrawn. */
  readonly faults: readonly AttributeFault[];
}

const FLAG = { optional: 0x80, transitive: 0x40, partial: 0x20, extendedLength: 0x10 } as const;
const FLAGS = { "well-known": 0x40, optional: 0x80, "optional-transitive": 0xc0 } as const;

const ROWS: ReadonlyMap<number, { readonly field: keyof PathAttributes; readonly codec: AttributeCodec<unknown> }> =
  new Map(
    Object.entries(ATTRIBUTES).map(([field, codec]) => [
      codec.code,
      { field: field as keyof PathAttributes, codec: codec as AttributeCodec<unknown> },
    ]),
  );

export const wantsWithdrawal = (faults: readonly AttributeFault[]): boolean =>
  faults.some((one) => one.consequence === "treat-as-withdraw");

/**
 * Decodes everything before judging anything, so that an UPDATE has all of its effects or none.
 *
 * @param body  what follows the header
 * @throws FaultFound 3/x for what RFC 7606 still answers by a reset: routes that cannot be located or taken back
 */
export function decodeUpdate(body: Uint8Array, context: UpdateContext): DecodedUpdate {
  const reader = new Reader(body);
  const withdrawnField = lengthPrefixed(reader, "withdrawn routes");
  const attributesField = lengthPrefixed(reader, "path attributes");
  const withdrawn = readBodyPrefixes(withdrawnField);
  const nlri = readBodyPrefixes(new Reader(reader.rest()));

  const walk = new AttributeWalk(context);
  walk.run(attributesField);
  const { attributes, opaque, faults } = walk;
  const mpReach = attributes.mpReach;
  const reachable = nlri.length > 0 || (mpReach !== undefined && "family" in mpReach && mpReach.prefixes.length > 0);
  if (reachable) faults.push(...missingOrInvalid(attributes, nlri.length > 0, context));
  // RFC 7606 §5.2: nothing could be withdrawn in place of what the malformed part may have meant.
  const severe = faults.find((one) => one.consequence === "treat-as-withdraw");
  if (severe !== undefined && !reachable) throw new FaultFound(severe.fault);
  return { update: { type: "update", withdrawn, attributes, opaque, nlri }, faults };
}

/** RFC 4271 §6.3: the two lengths decide where the routes are; a lie there leaves nothing to hold on to. */
function lengthPrefixed(reader: Reader, field: string): Reader {
  try {
    return reader.sub(reader.u16(`${field} length`), field);
  } catch (error) {
    if (error instanceof Truncated) {
      throw new FaultFound({ kind: "update.malformed-attribute-list", detail: error.message });
    }
    throw error;
  }
}

function readBodyPrefixes(field: Reader): Prefix[] {
  try {
    return readPrefixes(field, "ipv4-unicast");
  } catch (error) {
    if (error instanceof BadNetworkField) {
      throw new FaultFound({ kind: "update.bad-network-field", detail: error.message });
    }
    throw error;
  }
}

/** Walks the attribute list; owns duplicates and flags, once for all rows. */
class AttributeWalk {
  readonly attributes: { -readonly [K in keyof PathAttributes]: PathAttributes[K] } = {};
  readonly opaque: OpaqueAttribute[] = [];
  readonly faults: AttributeFault[] = [];
  readonly #seen = new Set<number>();
  readonly #context: UpdateContext;
  constructor(context: UpdateContext) {
    this.#context = context;
  }

  run(list: Reader): void {
    const all = list.rest();
    const reader = new Reader(all);
    try {
      while (reader.left > 0) {
        const from = reader.offset;
        const flags = reader.u8("attribute flags");
        const code = reader.u8("attribute type");
        const long = (flags & FLAG.extendedLength) !== 0;
        const value = reader.slice(long ? reader.u16("attribute length") : reader.u8("attribute length"), "attribute");
        this.#attribute(flags, code, value, all.subarray(from, reader.offset));
      }
    } catch (error) {
      if (!(error instanceof Truncated)) throw error;
      // RFC 7606 §4: the routes are still located by the total length; what follows in the list is not looked at.
      this.#note(null, "treat-as-withdraw", { kind: "update.malformed-attribute-list", detail: error.message });
    }
  }

  #attribute(flags: number, code: number, value: Uint8Array, whole: Uint8Array): void {
    const row = ROWS.get(code);
    if (this.#seen.has(code)) {
      // RFC 7606 §3 (g): a second MP attribute resets; of any other, the first one counts.
      if (code === ATTRIBUTES.mpReach.code || code === ATTRIBUTES.mpUnreach.code) {
        throw new FaultFound({ kind: "update.malformed-attribute-list", detail: `attribute ${code} twice` });
      }
      const detail = `attribute ${code} again`;
      return this.#note(code, "attribute-discard", { kind: "update.malformed-attribute-list", detail });
    }
    this.#seen.add(code);
    if (row === undefined) return this.#unknown(flags, code, value, whole);
    const { field, codec } = row;
    if (!flagsFit(flags, codec)) {
      if (codec.onMalformed === "session-reset") {
        throw new FaultFound({ kind: "update.optional-attribute", attribute: whole.slice() });
      }
      const attribute = whole.slice();
      return this.#note(code, "treat-as-withdraw", { kind: "update.attribute-flags", attribute });
    }
    if (codec.belongsOn?.(this.#context) === false) return;
    const decoded = this.#decode(codec, value, whole);
    // The table's type ties each field to what its row decodes.
    if (decoded !== undefined) (this.attributes as Record<string, unknown>)[field] = decoded;
  }

  #unknown(flags: number, code: number, value: Uint8Array, whole: Uint8Array): void {
    if ((flags & FLAG.optional) !== 0) {
      this.opaque.push({ code, flags: flags & 0xe0, value: value.slice() });
      return;
    }
    // RFC 4271 §6.3 asks for a reset here, which deployed speakers have given up in the spirit of RFC 7606.
    this.#note(code, "treat-as-withdraw", { kind: "update.unrecognized-well-known", attribute: whole.slice() });
  }

  #decode(codec: AttributeCodec<unknown>, value: Uint8Array, whole: Uint8Array): unknown {
    const reader = new Reader(value);
    try {
      const decoded = codec.decode(reader, this.#context);
      if (reader.left > 0) throw new Truncated("end of attribute", 0, reader.left);
      return decoded;
    } catch (error) {
      const fault = faultOfValue(codec, whole, error);
      if (codec.onMalformed === "session-reset") throw new FaultFound(fault);
      this.#note(codec.code, codec.onMalformed, fault);
      return undefined;
    }
  }

  #note(code: number | null, consequence: AttributeFault["consequence"], fault: BgpFault): void {
    this.faults.push({ code, consequence, fault });
  }
}

function flagsFit(flags: number, codec: AttributeCodec<unknown>): boolean {
  const wanted = FLAGS[codec.flags];
  if ((flags & (FLAG.optional | FLAG.transitive)) !== wanted) return false;
  return (flags & FLAG.partial) === 0 || codec.flags === "optional-transitive";
}

/** @throws whatever is not one of the decoders' own errors: that is a bug */
function faultOfValue(codec: AttributeCodec<unknown>, whole: Uint8Array, error: unknown): BgpFault {
  const attribute = whole.slice();
  if (codec.onMalformed === "session-reset" && (error instanceof Truncated || error instanceof BadNetworkField)) {
    return { kind: "update.optional-attribute", attribute };
  }
  if (error instanceof MalformedAsPath) return { kind: "update.malformed-as-path", detail: error.message };
  if (error instanceof Truncated) {
    return codec.code === ATTRIBUTES.asPath.code || codec.code === ATTRIBUTES.as4Path.code
      ? { kind: "update.malformed-as-path", detail: error.message }
      : { kind: "update.attribute-length", attribute };
  }
  if (error instanceof BadValue) {
    return codec.code === ATTRIBUTES.origin.code
      ? { kind: "update.invalid-origin", attribute }
      : { kind: "update.optional-attribute", attribute };
  }
  throw error;
}

/** What routes cannot do without, and next hops that no packet can be sent to (RFC 7606 §3 (d), RFC 4271 §6.3). */
function* missingOrInvalid(
  attributes: PathAttributes,
  inBody: boolean,
  context: UpdateContext,
): Generator<AttributeFault> {
  const needed: (keyof PathAttributes)[] = ["origin", "asPath"];
  if (inBody) needed.push("nextHop");
  if (!context.external) needed.push("localPref");
  for (const field of needed) {
    if (attributes[field] !== undefined) continue;
    const { code } = ATTRIBUTES[field];
    yield { code, consequence: "treat-as-withdraw", fault: { kind: "update.missing-well-known", code } };
  }
  const invalid = (field: "nextHop" | "mpReach"): AttributeFault => {
    const attribute = encodeAttribute(field, attributes, context);
    const fault: BgpFault = { kind: "update.invalid-next-hop", attribute };
    return { code: ATTRIBUTES[field].code, consequence: "treat-as-withdraw", fault };
  };
  if (inBody && attributes.nextHop !== undefined && !isUnicastHost(attributes.nextHop)) yield invalid("nextHop");
  const reach = attributes.mpReach;
  if (reach !== undefined && "family" in reach && mpNextHopProblem(reach) !== null) yield invalid("mpReach");
}

/**
 * The body of an UPDATE. An MP attribute is written first (RFC 7606 §5.1), the others in ascending order.
 *
 * Lengths are not judged here: whoever packs routes into an UPDATE keeps it within a message.
 */
export function encodeUpdate(update: Update, out: Writer, context: UpdateContext): void {
  const withdrawnAt = out.length;
  out.u16(0);
  for (const prefix of update.withdrawn) writePrefix(prefix, out);
  out.patchU16(withdrawnAt, out.length - withdrawnAt - 2);
  const attributesAt = out.length;
  out.u16(0);
  out.bytes(encodeAttributes(update, context));
  out.patchU16(attributesAt, out.length - attributesAt - 2);
  for (const prefix of update.nlri) writePrefix(prefix, out);
}

function encodeAttributes(update: Update, context: UpdateContext): Uint8Array {
  const out = new Writer();
  const present = [...ROWS.values()].filter(({ field }) => update.attributes[field] !== undefined);
  const isMp = (code: number): boolean => code === ATTRIBUTES.mpReach.code || code === ATTRIBUTES.mpUnreach.code;
  const order = [
    ...present.filter(({ codec }) => isMp(codec.code)),
    ...present.filter(({ codec }) => !isMp(codec.code)),
  ];
  for (const { field } of order) out.bytes(encodeAttribute(field, update.attributes, context));
  for (const { code, flags, value } of update.opaque) writeAttribute(out, flags, code, value);
  return out.finish();
}

function encodeAttribute(field: keyof PathAttributes, from: PathAttributes, context: UpdateContext): Uint8Array {
  const codec = ATTRIBUTES[field] as AttributeCodec<unknown>;
  const value = new Writer();
  codec.encode(from[field], value, context);
  const out = new Writer();
  writeAttribute(out, FLAGS[codec.flags], codec.code, value.finish());
  return out.finish();
}

/** Extended Length only where it is needed. */
function writeAttribute(out: Writer, flags: number, code: number, value: Uint8Array): void {
  if (value.length > 255)
    out
      .u8(flags | FLAG.extendedLength)
      .u8(code)
      .u16(value.length)
      .bytes(value);
  else out.u8(flags).u8(code).u8(value.length).bytes(value);
}
