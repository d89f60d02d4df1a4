/** Plain nested data, as YAML and JSON give it. */

/** The value at `path`; undefined where the way ends early. */
export function valueAt(tree: unknown, path: readonly PropertyKey[]): unknown {
  let at = tree;
  for (const key of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return undefined;
    at = (at as Record<PropertyKey, unknown>)[key];
  }
  return at;
}

/** Sets the value at `path`, making the maps on the way. The way must not lead through anything but maps. */
export function setAt(tree: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at = tree;
  for (const key of path.slice(0, -1)) at = (at[key] ??= {}) as Record<string, unknown>;
  at[path.at(-1)!] = value;
}

/** `bgp.peers[0].as` */
export function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((key, index) => (typeof key === "number" ? `[${key}]` : `${index === 0 ? "" : "."}${String(key)}`))
    .join("");
}
