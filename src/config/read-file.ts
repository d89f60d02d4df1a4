import { isMap, isScalar, LineCounter, type Node, parseDocument } from "yaml";
import { findings, shownKey } from "./issues.ts";
import { sections } from "./options.ts";
import type { ConfigProblem } from "./problem.ts";
import { Config } from "./schema.ts";
import { pathText, setAt, valueAt } from "./tree.ts";

export interface ConfigFile {
  /** For messages only; nothing is read from it here. */
  readonly path: string;
  readonly text: string;
}

export interface FileTree {
  readonly tree: Record<string, unknown>;
  /** "vipcast.yaml:3:9" for a path, or the nearest place around it. */
  readonly positionOf: (path: readonly PropertyKey[]) => string;
}

/** A configuration has some hundred lines; more than this is a mistake or an attack on the parser. */
const TEXT_LENGTH_MAX = 256 * 1024;

/**
 * The keys and values of the file. Judged by the schema here, on its own, so that a wrong value is found even where a flag
 * or the environment hides it. On any problem the tree is not to be used.
 */
export function readFile(file: ConfigFile): FileTree | { readonly problems: readonly ConfigProblem[] } {
  if (file.text.length > TEXT_LENGTH_MAX)
    return { problems: [{ where: file.path, what: `is longer than ${TEXT_LENGTH_MAX} characters`, hint: "" }] };
  const lines = new LineCounter();
  const place = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file.path}:${Math.max(1, line)}:${Math.max(1, col)}`;
  };
  let parsed: { readonly document: ReturnType<typeof parseDocument>; readonly value: unknown };
  try {
    const document = parseDocument(file.text, {
      lineCounter: lines,
      prettyErrors: false,
      version: "1.2",
      schema: "core",
    });
    const broken = [...document.errors, ...document.warnings];
    if (broken.length > 0)
      return {
        problems: broken
          .slice(0, 10)
          .map(({ code, pos, message }) => ({ where: place(pos[0]), ...syntaxProblem(code, message) })),
      };
    parsed = { document, value: document.toJS({ maxAliasCount: 100 }) };
  } catch (error) {
    // Too many aliases, or nested too deep for the stack.
    const { what, hint } = syntaxProblem("", error instanceof Error ? error.message : "");
    return { problems: [{ where: file.path, what: `cannot be read as YAML: ${what}`, hint }] };
  }
  const { document, value } = parsed;
  if (value !== null && (typeof value !== "object" || Array.isArray(value)))
    return { problems: [{ where: place(0), what: "must be a map of keys and values", hint: "see docs/config.md" }] };
  const tree = (value ?? {}) as Record<string, unknown>;
  dropEmptySections(tree);

  const offsetOf = (path: readonly PropertyKey[], at: "key" | "value"): number => {
    if (path.length === 0) return 0;
    const parent: unknown = document.getIn(path.slice(0, -1), true);
    const last = path.at(-1);
    const pair = isMap(parent)
      ? parent.items.find((it) => isScalar(it.key) && String(it.key.value) === last)
      : undefined;
    const node = at === "key" ? pair?.key : (document.getIn(path, true) ?? pair?.key);
    return (node as Node | undefined)?.range?.[0] ?? offsetOf(path.slice(0, -1), "value");
  };
  const checked = Config.safeParse(tree);
  if (!checked.success)
    return {
      problems: findings(checked.error.issues, tree).map(({ path, at, what, hint }) => ({
        where: [place(offsetOf(path, at)), pathText(path.map(shownKey))].filter((it) => it !== "").join(": "),
        what,
        hint,
      })),
    };
  return { tree, positionOf: (path) => place(offsetOf(path, "key")) };
}

/** `bgp:` with every key commented out is no section, not a section without a value. */
function dropEmptySections(tree: Record<string, unknown>): void {
  for (const { path } of sections) if (path.length > 0 && valueAt(tree, path) === null) setAt(tree, path, undefined);
}

/** Without what the message quotes from the file, which may be a password that begins with a character of YAML's own. */
export function syntaxProblem(code: string, message: string): { readonly what: string; readonly hint: string } {
  const what = QUOTED_BY_CODE.get(code) ?? message.split(/\n|: /, 1)[0]!.slice(0, 200);
  const hint = /alias|tag|escape|block scalar/i.test(what)
    ? "put text with characters of YAML's own in single quotes"
    : "";
  return { what, hint };
}

/** Messages with a quotation in the middle. */
const QUOTED_BY_CODE: ReadonlyMap<string, string> = new Map([
  ["TAG_RESOLVE_FAILED", "Unresolved tag"],
  ["BAD_DQ_ESCAPE", "Invalid escape sequence"],
]);
