import { prefixAddress, prefixLength, type Prefix } from "../../addr/prefix.ts";
import { ipToBytes } from "../../addr/ip.ts";
import { familyOfPrefix } from "../wire/families.ts";
import type { DesiredRoute } from "./desired-routes.ts";
import type { ExportPolicy, ExportRule } from "./policy.ts";

/** What a policy says of one route: the rule that lets it pass, null when no rule was needed, "refuse". */
export type Verdict = ExportRule | null | "refuse";

/**
 * An export policy, made ready for many routes. Without a policy everything passes: that the caller announces a route
 * is the policy then (RFC 8212 §3).
 */
export class ExportRules {
  readonly #rules: readonly { readonly rule: ExportRule; readonly within: readonly Range[] | null }[];
  readonly #otherwise: Verdict;

  constructor(policy: ExportPolicy | null) {
    const rules = policy?.rules ?? [];
    this.#rules = rules.map((rule) => ({ rule, within: rule.prefixes?.map((one) => new Range(one)) ?? null }));
    this.#otherwise = policy?.otherwise === "refuse" ? "refuse" : null;
  }

  /** The first rule that matches decides. */
  verdict(route: DesiredRoute): Verdict {
    for (const { rule, within } of this.#rules) {
      if (within !== null && !within.some((range) => range.contains(route))) continue;
      const { tags } = rule;
      if (tags !== undefined && !(route.attributes.tags ?? []).some((one) => tags.includes(one))) continue;
      return rule.action === "refuse" ? "refuse" : rule;
    }
    return this.#otherwise;
  }
}

/** The prefixes within one prefix, told by their octets. */
class Range {
  readonly #family: ReturnType<typeof familyOfPrefix>;
  readonly #length: number;
  readonly #octets: Uint8Array;

  constructor(prefix: Prefix) {
    this.#family = familyOfPrefix(prefix);
    this.#length = prefixLength(prefix);
    this.#octets = ipToBytes(prefixAddress(prefix));
  }

  contains({ family, octets }: DesiredRoute): boolean {
    if (family !== this.#family || octets[0]! < this.#length) return false;
    const whole = this.#length >> 3;
    for (let i = 0; i < whole; i++) if (octets[i + 1] !== this.#octets[i]) return false;
    const rest = this.#length & 7;
    return rest === 0 || ((octets[whole + 1]! ^ this.#octets[whole]!) & (0xff00 >> rest)) === 0;
  }
}
