import type { Prefix } from "../../addr/prefix.ts";
import { u16At } from "../../base/bytes.ts";
import { unreachable } from "../../base/unreachable.ts";
import { attributeName } from "./attribute-names.ts";
import { type AttributeRow, CODE, FLAG, ROW_OF_CODE } from "./attribute-table.ts";
import type { BgpFault } from "./faults.ts";
import { HEADER_LENGTH } from "./framing.ts";
import { hasPathIds } from "./mp-routes.ts";
import { readPrefixes } from "./nlri.ts";
import type {
  Consequence,
  OpaqueAttribute,
  PathAttributes,
  Problem,
  UpdateContext,
  WritableAttributes,
} from "./path-attributes.ts";

/** RFC 4271 §4.3. */
export interface Update {
  readonly type: "update";
  /** IPv4 prefixes of the body's own withdrawn field. */
  readonly withdrawn: readonly Prefix[];
  /** One for each where the session has path identifiers (RFC 7911); absent without prefixes. */
  readonly withdrawnPathIds?: readonly number[];
  readonly attributes: PathAttributes;
  /** Optional transitive attributes without a row in the table, ascending by code. */
  readonly opaque: readonly OpaqueAttribute[];
  /** IPv4 prefixes of the body. */
  readonly nlri: readonly Prefix[];
  readonly nlriPathIds?: readonly number[];
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

export const wantsWithdrawal = (faults: readonly AttributeFault[]): boolean =>
  faults.some((one) => one.consequence === "treat-as-withdraw");

/**
 * Decodes everything before judging anything, so that an UPDATE has all of its effects or none. This is the path that a
 * router's whole table takes: no exception, no closure and no lookup by name on it.
 *
 * @param message  the whole message, as cut by `frame`
 * @returns a fault 3/x for what RFC 7606 still answers by a reset: routes that cannot be located or taken back
 */
export function decodeUpdate(message: Uint8Array, context: UpdateContext): DecodedUpdate | BgpFault {
  const withdrawnAt = HEADER_LENGTH + 2;
  const withdrawnEnd = withdrawnAt + u16At(message, HEADER_LENGTH);
  if (withdrawnEnd + 2 > message.length) return misplaced("withdrawn routes", HEADER_LENGTH);
  const attributesAt = withdrawnEnd + 2;
  const attributesEnd = attributesAt + u16At(message, withdrawnEnd);
  if (attributesEnd > message.length) return misplaced("path attributes", withdrawnEnd);

  const withPathIds = hasPathIds("ipv4-unicast", context);
  const withdrawn = readBody(message, withdrawnAt, withdrawnEnd, "withdrawn routes", withPathIds);
  if ("kind" in withdrawn) return withdrawn;
  const nlri = readBody(message, attributesEnd, message.length, "NLRI", withPathIds);
  if ("kind" in nlri) return nlri;

  const walk = new AttributeWalk(message, context);
  if (attributesEnd > attributesAt) {
    walk.run(attributesAt, attributesEnd);
    if (walk.reset !== null) return walk.reset;
  }
  const inBody = nlri.prefixes.length > 0;
  const reach = walk.attributes.mpReach;
  const reachable = inBody || (reach !== undefined && "family" in reach && reach.prefixes.length > 0);
  if (reachable) walk.judge(inBody);
  // RFC 7606 §5.2: nothing could be withdrawn in place of what the malformed part may have meant.
  if (walk.severe !== null && !reachable && !walk.hasForeignRoutes) return walk.severe;
  return {
    update: {
      type: "update",
      withdrawn: withdrawn.prefixes,
      ...(withdrawn.pathIds === null ? {} : { withdrawnPathIds: withdrawn.pathIds }),
      attributes: walk.attributes,
      opaque: walk.opaque.length > 1 ? walk.opaque.toSorted((a, b) => a.code - b.code) : walk.opaque,
      nlri: nlri.prefixes,
      ...(nlri.pathIds === null ? {} : { nlriPathIds: nlri.pathIds }),
    },
    faults: walk.faults,
  };
}

/** RFC 4271 §6.3: the two lengths decide where the routes are; a lie there leaves nothing to hold on to. */
const misplaced = (field: string, offset: number): BgpFault => ({
  kind: "update.malformed-attribute-list",
  detail: `the length of ${field} passes the end of the message`,
  offset,
});

interface Body {
  readonly prefixes: readonly Prefix[];
  readonly pathIds: readonly number[] | null;
}
const NO_ROUTES: Body = { prefixes: [], pathIds: null };

function readBody(message: Uint8Array, from: number, to: number, field: string, withPathIds: boolean): Body | BgpFault {
  if (from === to) return NO_ROUTES;
  const prefixes: Prefix[] = [];
  const pathIds: number[] | null = withPathIds ? [] : null;
  const bad = readPrefixes(message, from, to, "ipv4-unicast", prefixes, pathIds);
  if (bad !== null) return { kind: "update.bad-network-field", detail: `${field}: ${bad.detail}`, offset: bad.at };
  return { prefixes, pathIds };
}

/** Stands for "none yet", and is never written to: most UPDATEs have neither. */
const NONE: never[] = [];
/** An UPDATE of nothing but faults must not cost a multiple of its length. */
const FAULT_COUNT_MAX = 64;

/** Codes seen in the list that is being walked, one bit each: cleared and used anew, within one call. */
const seen = new Uint32Array(8);

/** Walks the attribute list; owns duplicates, flags and what may not be missing, once for all rows. */
class AttributeWalk {
  readonly attributes: WritableAttributes = {};
  opaque: OpaqueAttribute[] = NONE;
  faults: AttributeFault[] = NONE;
  /** Why the session must be reset. */
  reset: BgpFault | null = null;
  /** The first fault that costs the routes. */
  severe: BgpFault | null = null;
  /** Routes of a family that was not agreed: there, and no concern of ours. */
  hasForeignRoutes = false;
  readonly #message: Uint8Array;
  readonly #context: UpdateContext;
  /** Where NEXT_HOP begins and ends. */
  #nextHopAt = 0;
  #nextHopEnd = 0;
  constructor(message: Uint8Array, context: UpdateContext) {
    this.#message = message;
    this.#context = context;
  }

  run(from: number, to: number): void {
    const message = this.#message;
    seen.fill(0);
    let at = from;
    while (at < to) {
      const flags = message[at]!;
      const head = (flags & FLAG.extendedLength) === 0 ? 3 : 4;
      // RFC 7606 §4: the routes are still located by the total length; what follows in the list is not looked at.
      if (to - at < head) return this.#cutShort(`${to - at} octets left for an attribute`, at);
      const code = message[at + 1]!;
      const valueAt = at + head;
      const end = valueAt + (head === 3 ? message[at + 2]! : u16At(message, at + 2));
      if (end > to)
        return this.#cutShort(`${attributeName(code)} of ${end - valueAt} octets, ${to - valueAt} left`, at);
      this.#attribute(flags, code, at, valueAt, end);
      if (this.reset !== null) return;
      at = end;
    }
  }

  /** What routes cannot do without, and next hops that no packet can be sent to (RFC 7606 §3 (d), RFC 4271 §6.3). */
  judge(inBody: boolean): void {
    const { attributes } = this;
    if (attributes.origin === undefined) this.#missing(CODE.origin);
    if (attributes.asPath === undefined) this.#missing(CODE.asPath);
    if (inBody && attributes.nextHop === undefined) this.#missing(CODE.nextHop);
    if (!this.#context.external && attributes.localPref === undefined) this.#missing(CODE.localPref);
    if (!inBody || attributes.nextHop === undefined) return;
    const end = this.#nextHopEnd;
    const first = this.#message[end - 4]!;
    if (first !== 0 && first !== 127 && first < 224) return;
    this.#note(CODE.nextHop, "treat-as-withdraw", {
      kind: "update.invalid-next-hop",
      attribute: this.#message.slice(this.#nextHopAt, end),
      detail: `next hop ${attributes.nextHop}`,
      offset: end - 4,
    });
  }

  #attribute(flags: number, code: number, at: number, valueAt: number, end: number): void {
    const word = code >> 5;
    const bit = 1 << (code & 31);
    if ((seen[word]! & bit) !== 0) return this.#again(code, at);
    seen[word]! |= bit;
    const row = ROW_OF_CODE[code];
    if (row === undefined) return this.#unknown(flags, code, at, valueAt, end);
    const isMisflagged = (flags & TYPE_BITS) !== row.flags || ((flags & FLAG.partial) !== 0 && row.flags !== TYPE_BITS);
    if (isMisflagged) return this.#misflagged(row, flags, at, end);
    if (!row.belongsOn(this.#context)) return;
    const problem = row.read(this.#message, valueAt, end, this.#context, this.attributes);
    if (problem !== null) this.#malformed(row, problem, at, end);
    else if (code === CODE.nextHop) [this.#nextHopAt, this.#nextHopEnd] = [at, end];
    else if (code === CODE.mpReach && "afi" in this.attributes.mpReach!) {
      // Behind the next hop and the reserved octet.
      this.hasForeignRoutes = end > valueAt + 5 + this.#message[valueAt + 3]!;
    }
  }

  /** RFC 7606 §3 (g): a second MP attribute resets; of any other, the first one counts. */
  #again(code: number, offset: number): void {
    const fault: BgpFault = {
      kind: "update.malformed-attribute-list",
      detail: `${attributeName(code)} again`,
      offset,
      section: "RFC 7606 §3 (g)",
    };
    if (code === CODE.mpReach || code === CODE.mpUnreach) this.reset = fault;
    else this.#note(code, "attribute-discard", fault);
  }

  /** RFC 4271 §5: a transitive one is kept as it is, any other is not passed on and so of no use. */
  #unknown(flags: number, code: number, at: number, valueAt: number, end: number): void {
    if ((flags & FLAG.optional) === 0) {
      // RFC 4271 §6.3 asks for a reset here, which deployed speakers have given up in the spirit of RFC 7606.
      const attribute = this.#message.slice(at, end);
      return this.#note(code, "treat-as-withdraw", { kind: "update.unrecognized-well-known", attribute, offset: at });
    }
    if ((flags & FLAG.transitive) === 0) return;
    if (this.opaque === NONE) this.opaque = [];
    this.opaque.push({ code, flags: flags & (TYPE_BITS | FLAG.partial), value: this.#message.slice(valueAt, end) });
  }

  #misflagged(row: AttributeRow, flags: number, at: number, end: number): void {
    const isReset = consequenceOf(row, this.#context) === "session-reset";
    this.#malformed(
      row,
      {
        kind: isReset ? "update.optional-attribute" : "update.attribute-flags",
        detail: `flags 0x${flags.toString(16).padStart(2, "0")}`,
        at,
        consequence: isReset ? "session-reset" : "treat-as-withdraw",
        section: isReset ? "RFC 7606 §5.3" : "RFC 7606 §3 (c)",
      },
      at,
      end,
    );
  }

  #malformed(row: AttributeRow, problem: Problem, at: number, end: number): void {
    const consequence = problem.consequence ?? consequenceOf(row, this.#context);
    const fault = faultOf(problem, row, this.#message.slice(at, end));
    if (consequence === "session-reset") this.reset = fault;
    else this.#note(row.code, consequence, fault);
  }

  #cutShort(detail: string, offset: number): void {
    const section = "RFC 7606 §4";
    this.#note(null, "treat-as-withdraw", { kind: "update.malformed-attribute-list", detail, offset, section });
  }

  #missing(code: number): void {
    this.#note(code, "treat-as-withdraw", { kind: "update.missing-well-known", code });
  }

  #note(code: number | null, consequence: AttributeFault["consequence"], fault: BgpFault): void {
    const isFirstSevere = consequence === "treat-as-withdraw" && this.severe === null;
    if (isFirstSevere) this.severe = fault;
    if (this.faults === NONE) this.faults = [];
    if (isFirstSevere || this.faults.length < FAULT_COUNT_MAX) this.faults.push({ code, consequence, fault });
  }
}

/** Optional and Transitive; both are set in an optional transitive attribute alone, which may be Partial, too. */
const TYPE_BITS = FLAG.optional | FLAG.transitive;

const consequenceOf = (row: AttributeRow, context: UpdateContext): Consequence =>
  context.external ? row.onMalformed.external : row.onMalformed.internal;

function faultOf(problem: Problem, row: AttributeRow, attribute: Uint8Array): BgpFault {
  const { kind, detail, at: offset, section = row.section } = problem;
  switch (kind) {
    case "update.attribute-flags":
    case "update.attribute-length":
    case "update.invalid-origin":
    case "update.invalid-next-hop":
    case "update.optional-attribute":
      return { kind, attribute, detail, offset, section };
    case "update.malformed-as-path":
      return { kind, detail: `${attributeName(row.code)}, ${detail}`, offset, section };
    default:
      return unreachable(kind);
  }
}
