import { prefixLength } from "../addr/prefix.ts";
import { parseCommunity, parseExtendedCommunity, parseLargeCommunity } from "../base/communities.ts";
import type { ExportRule, Peer } from "./schema.ts";
import type { ExportRuleSettings, ExportSettings, ImportSettings, RouteSelector } from "./settings-policy.ts";

/** Policies of peers from keys to settings; all values are of the right form. */

export const resolveImport = (given: NonNullable<Peer["import"]>): ImportSettings => ({
  accept: given.accept.map(({ prefix, maxLength }) => ({
    within: prefix,
    lengthMax: maxLength ?? prefixLength(prefix),
  })),
  honourGracefulShutdown: given.honourGracefulShutdown,
});

export const resolveExport = (given: NonNullable<Peer["export"]>): ExportSettings => ({
  rules: given.rules.map(resolveRule),
  otherwise: given.otherwise,
});

function resolveRule(rule: ExportRule): ExportRuleSettings {
  return {
    prefixes: rule.prefixes ?? null,
    tag: selectorOf(rule)?.tag ?? null,
    action: rule.action,
    // The schema has read each of them before.
    communities: (rule.communities ?? []).map((it) => parseCommunity(it)!),
    largeCommunities: (rule.largeCommunities ?? []).map((it) => parseLargeCommunity(it)!),
    extendedCommunities: (rule.extendedCommunities ?? []).map((it) => parseExtendedCommunity(it)!),
    localPref: rule.localPreference ?? null,
    med: rule.med ?? null,
    prependCount: rule.prepend ?? null,
    nextHop: rule.nextHop ?? null,
  };
}

/** Which owners of VIPs the rule is for; null for all of them. */
function selectorOf({ kind, namespaces, services, labels }: ExportRule): RouteSelector | null {
  const pairs = Object.entries(labels ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const words = [
    kind === undefined ? [] : [`kind ${kind}`],
    namespaces === undefined ? [] : [`namespace ${namespaces.toSorted().join(" or ")}`],
    services === undefined ? [] : [`service ${services.toSorted().join(" or ")}`],
    pairs.map(([key, value]) => `label ${key}=${value}`),
  ].flat();
  if (words.length === 0) return null;
  return {
    tag: words.join(", "),
    kind: kind ?? null,
    namespaces: namespaces ?? null,
    services: services ?? null,
    labels: Object.fromEntries(pairs),
  };
}

/** The selectors of all rules, each once. */
export function selectorsOf(policies: readonly NonNullable<Peer["export"]>[]): readonly RouteSelector[] {
  const found = policies.flatMap((it) => it.rules.map(selectorOf)).filter((it) => it !== null);
  return [...new Map(found.map((it) => [it.tag, it])).values()];
}
