import type * as z from "zod";
import { OPTIONS, type OptionRow } from "./option-names.ts";
import { Config } from "./schema.ts";

/** A leaf of the schema with all its names. */
export interface Option extends OptionRow {
  /** Keys from the root of the file. */
  readonly path: readonly string[];
  /** `path` with dots: how the setting is called in messages and in `vipcast config`. */
  readonly key: string;
  readonly description: string;
  /** In the file's form; undefined where the machine or another setting decides. */
  readonly fallback: unknown;
}

export interface Section {
  readonly path: readonly string[];
  readonly description: string;
  /** All keys, of leaves and of sections. */
  readonly keys: readonly string[];
}

/** The parts of a schema object that the walk reads. */
interface Definition {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly defaultValue?: unknown;
}
const definition = (schema: z.ZodType): Definition => schema.def;

/** Every setting, in the order of the schema. */
export const options: Option[] = [];
/** Every section, the root first. */
export const sections: Section[] = [];
walk(Config, []);

function walk(schema: z.ZodType, path: readonly string[]): void {
  const row = OPTIONS.get(schema);
  if (row !== undefined) {
    const fallback = definition(schema).type === "default" ? definition(schema).defaultValue : undefined;
    options.push({ ...row, path, key: path.join("."), description: schema.description ?? "", fallback });
    return;
  }
  let inner = schema;
  while (definition(inner).innerType !== undefined) inner = definition(inner).innerType!;
  const { shape } = definition(inner);
  if (shape === undefined) throw new Error(`${path.join(".")} has neither names nor keys`);
  sections.push({ path, description: schema.description ?? "", keys: Object.keys(shape) });
  for (const [key, child] of Object.entries(shape)) walk(child, [...path, key]);
}

/** The option of a key such as `controlPlane.port`. @throws when there is none. */
export function optionOf(key: string): Option {
  const found = options.find((option) => option.key === key);
  if (found === undefined) throw new Error(`no option ${key}`);
  return found;
}
