/**
 * How one setting reads as text, in the environment and on the command line, and how it is printed there again. Only the
 * form is judged here; ranges and meanings belong to the schema, which sees values from the file, too.
 */
export type TextForm = keyof typeof FORMS;

/** `undefined`: the text is not of this form. */
type Form = {
  readonly expects: string;
  readonly parse: (text: string) => unknown;
  readonly print: (value: unknown) => string;
};

const decimal = /^[+-]?\d+(\.\d+)?$/;

const FORMS = {
  text: { expects: "text", parse: (text) => text, print: String },
  /** Go's strconv.ParseBool, which is what kube-vip accepts. */
  bool: { expects: "true or false (also 1, t, T, TRUE, 0, f, F, FALSE)", parse: parseBool, print: String },
  integer: {
    expects: "a whole number",
    parse: (text) => (/^[+-]?\d{1,15}$/.test(text) ? Number(text) : undefined),
    print: String,
  },
  number: {
    expects: "a number",
    parse: (text) => (decimal.test(text) && text.length <= 20 ? Number(text) : undefined),
    print: String,
  },
  list: { expects: "a list with commas", parse: splitList, print: (value) => (value as readonly string[]).join(",") },
  integers: {
    expects: "whole numbers with commas between them",
    parse(text) {
      const words = splitList(text);
      return words.every((word) => /^\d{1,9}$/.test(word)) ? words.map(Number) : undefined;
    },
    print: (value) => (value as readonly number[]).join(","),
  },
  json: { expects: "a JSON object or array", parse: parseJson, print: (value) => JSON.stringify(value) },
  /** A number of Go's slog (-4, 0, 4, 8) or a word. */
  level: {
    expects: "debug, info, warn, error, or a number (-4, 0, 4, 8)",
    parse: (text) => (decimal.test(text) ? levelOf(Number(text)) : text.toLowerCase()),
    print: String,
  },
} as const satisfies Record<string, Form>;

/** The value behind `text`, or undefined when `text` does not have the form. */
export const parseText = (form: TextForm, text: string): unknown => FORMS[form].parse(text);

/** The form in words, to follow "must be". */
export const formExpects = (form: TextForm): string => FORMS[form].expects;

/** Inverse of `parseText` for a value that the schema accepted. */
export const printText = (form: TextForm, value: unknown): string => FORMS[form].print(value);

export function parseBool(text: string): boolean | undefined {
  if (["1", "t", "T", "TRUE", "true", "True"].includes(text)) return true;
  if (["0", "f", "F", "FALSE", "false", "False"].includes(text)) return false;
  return undefined;
}

/** Elements trimmed; empty ones are skipped, as kube-vip does. */
export function splitList(text: string): string[] {
  return text
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
}

function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** slog prints a level between two names as the lower name plus a difference, so the lower name is what it means. */
function levelOf(value: number): string {
  if (value < 0) return "debug";
  if (value < 4) return "info";
  return value < 8 ? "warn" : "error";
}
