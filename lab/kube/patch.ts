import { type Json, type JsonObject, isObject, textOf } from "./resources.ts";

/** A patch that cannot be applied; the message goes into the answer. */
export class PatchInvalid extends Error {
  override readonly name = "PatchInvalid";
}

/** JSON Merge Patch (RFC 7386): null removes, objects merge, all else replaces. Neither argument is changed. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return structuredClone(patch);
  const result: JsonObject = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

/**
 * JSON Patch (RFC 6902), all six operations. The target is not changed.
 *
 * @throws PatchInvalid when an operation names a path that is not there, or a test fails
 */
export function jsonPatch(target: Json, patch: Json): Json {
  if (!Array.isArray(patch)) throw new PatchInvalid("a JSON patch is a list");
  const holder: { root: Json } = { root: structuredClone(target) };
  for (const operation of patch) {
    if (!isObject(operation)) throw new PatchInvalid("an operation is an object");
    apply(holder, operation);
  }
  return holder.root;
}

function apply(holder: { root: Json }, operation: JsonObject): void {
  const path = pointer(operation["path"]);
  switch (textOf(operation["op"])) {
    case "add":
      return put(holder, path, value(operation), "insert");
    case "replace":
      read(holder.root, path);
      return put(holder, path, value(operation), "replace");
    case "remove":
      return remove(holder, path);
    case "test":
      if (JSON.stringify(sorted(read(holder.root, path))) !== JSON.stringify(sorted(value(operation)))) {
        throw new PatchInvalid(`testing path ${textOf(operation["path"])}: not equal`);
      }
      return;
    case "copy":
      return put(holder, path, structuredClone(read(holder.root, pointer(operation["from"]))), "insert");
    case "move": {
      const from = pointer(operation["from"]);
      const moved = read(holder.root, from);
      remove(holder, from);
      return put(holder, path, moved, "insert");
    }
    default:
      throw new PatchInvalid(`unknown operation ${JSON.stringify(operation["op"] ?? null)}`);
  }
}

function value(operation: JsonObject): Json {
  if (operation["value"] === undefined) throw new PatchInvalid("an operation without its value");
  return operation["value"];
}

/** RFC 6901: "~1" stands for "/", "~0" for "~". */
function pointer(path: Json | undefined): string[] {
  if (typeof path !== "string" || (path !== "" && !path.startsWith("/"))) throw new PatchInvalid("not a JSON pointer");
  return path
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function read(root: Json, path: readonly string[]): Json {
  let at: Json | undefined = root;
  for (const key of path) {
    if (Array.isArray(at)) at = at[index(key, at.length - 1)];
    else at = isObject(at) && Object.hasOwn(at, key) ? at[key] : undefined;
    if (at === undefined) throw new PatchInvalid(`no such path: /${path.join("/")}`);
  }
  return at;
}

function put(holder: { root: Json }, path: readonly string[], value: Json, how: "insert" | "replace"): void {
  const key = path.at(-1);
  if (key === undefined) {
    holder.root = value;
    return;
  }
  const parent = read(holder.root, path.slice(0, -1));
  if (Array.isArray(parent)) {
    parent.splice(key === "-" ? parent.length : index(key, parent.length), how === "insert" ? 0 : 1, value);
  } else if (isObject(parent)) parent[key] = value;
  else throw new PatchInvalid(`no such path: /${path.join("/")}`);
}

function remove(holder: { root: Json }, path: readonly string[]): void {
  const key = path.at(-1);
  if (key === undefined) throw new PatchInvalid("the whole document cannot be removed");
  read(holder.root, path);
  const parent = read(holder.root, path.slice(0, -1));
  if (Array.isArray(parent)) parent.splice(index(key, parent.length - 1), 1);
  else if (isObject(parent)) delete parent[key];
}

function index(key: string, max: number): number {
  const at = /^(0|[1-9]\d*)$/.test(key) ? Number(key) : Number.NaN;
  if (!(at <= max)) throw new PatchInvalid(`no such index: ${key}`);
  return at;
}

/** The same value with its keys in order, so that texts can be compared. */
export function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .toSorted()
      .map((key) => [key, sorted(value[key]!)]),
  );
}
