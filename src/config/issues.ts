import type * as z from "zod";
import { didYouMean } from "./nearest.ts";
import { sections } from "./options.ts";
import { Peer } from "./schema.ts";
import { valueAt } from "./tree.ts";

/** One thing that the schema found, in our words. */
export interface Finding {
  readonly path: readonly PropertyKey[];
  /** The position of an unknown key is the key's own, of anything else the value's. */
  readonly at: "key" | "value";
  readonly what: string;
  readonly hint: string;
}

/** The schema's issues about `tree`, unions reduced to the alternative that was meant. */
export function findings(
  issues: readonly z.core.$ZodIssue[],
  tree: unknown,
  base: readonly PropertyKey[] = [],
): Finding[] {
  return issues.flatMap((issue) => finding(issue, tree, [...base, ...issue.path]));
}

function finding(issue: z.core.$ZodIssue, tree: unknown, path: readonly PropertyKey[]): Finding[] {
  const value = valueAt(tree, path);
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey(key, path));
  if (issue.code === "invalid_union") {
    // Peers are the only union: text or a map.
    if (typeof value === "string") return findings(issue.errors[0] ?? [], tree, path);
    if (typeof value === "object" && value !== null) return findings(issue.errors[1] ?? [], tree, path);
    return [{ path, at: "value", what: "must be a map, or text such as 192.0.2.1:65001", hint: "" }];
  }
  const isSection = issue.code === "invalid_type" && (issue.expected === "object" || issue.expected === "record");
  const must = isSection ? "must be a map of keys and values" : issue.message;
  const what = value === undefined ? `is missing: ${must}` : value === null ? `has no value: ${must}` : must;
  return [{ path, at: "value", what, hint: "" }];
}

function unknownKey(key: string, path: readonly PropertyKey[]): Finding {
  const keys = knownKeys(path);
  const shown = key.length > 60 ? `${key.slice(0, 60)}…` : key;
  const hint = didYouMean(key, keys);
  return {
    path: [...path, key],
    at: "key",
    what: `there is no key "${shown}" here`,
    hint: hint === "" && keys.length > 0 ? `known here: ${keys.join(", ")}` : hint,
  };
}

function knownKeys(path: readonly PropertyKey[]): readonly string[] {
  const section = sections.find((it) => it.path.length === path.length && it.path.every((key, i) => key === path[i]));
  if (section !== undefined) return section.keys;
  if (path[0] !== "bgp" || path[1] !== "peers") return [];
  return path.length === 3 ? Object.keys(Peer.shape) : ["ipv4", "ipv6", "interface"];
}
