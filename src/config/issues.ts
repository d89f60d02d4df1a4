import type * as z from "zod";
import { didYouMean } from "./nearest.ts";
import { Config } from "./schema.ts";
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
  // The union of peers: text or a map. Those of single values say themselves what they take.
  if (issue.code === "invalid_union" && path[1] === "peers" && path.length === 3) {
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
  const [name] = key.split(":", 1);
  if (name !== key && keys.includes(name!))
    return { path: [...path, key], at: "key", what: "needs a blank after the colon", hint: `write "${name}: …"` };
  const shown = String(shownKey(key));
  const hint = didYouMean(shown, keys);
  return {
    path: [...path, key],
    at: "key",
    what: `there is no key "${shown.length > 60 ? `${shown.slice(0, 60)}…` : shown}" here`,
    hint: hint === "" && keys.length > 0 ? `known here: ${keys.join(", ")}` : hint,
  };
}

/** Without what stands behind a colon: `{password:secret}` is one key, and no text to repeat. */
export const shownKey = (key: PropertyKey): PropertyKey => (typeof key === "string" ? key.split(":", 1)[0]! : key);

/** The keys of the map at `path`; none where there is no map, or one of free keys. */
function knownKeys(path: readonly PropertyKey[]): readonly string[] {
  let at: z.ZodType | undefined = Config;
  for (const key of path) {
    const { element, shape } = partsOf(at);
    at = typeof key === "number" ? element : shape?.[String(key)];
    if (at === undefined) return [];
  }
  return Object.keys(partsOf(at).shape ?? {});
}

interface Parts {
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly element?: z.ZodType;
}

/** What a schema is made of, without defaults and the like around it; of a union the map. */
function partsOf(schema: z.ZodType): Parts {
  const { innerType, options = [] } = schema.def as { innerType?: z.ZodType; options?: readonly z.ZodType[] };
  if (innerType !== undefined) return partsOf(innerType);
  const ofMap = options.map(partsOf).find((it) => it.shape !== undefined);
  return ofMap ?? (schema.def as Parts);
}
