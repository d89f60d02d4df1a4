import * as z from "zod";
import type { TextForm } from "./text.ts";

/** The other names of a leaf of the schema. */
export interface OptionRow {
  readonly form: TextForm;
  /** Without the dashes. */
  readonly flag?: string;
  /** Read in this order, the first that is set counts; the first one is written into manifests. */
  readonly env: readonly [string, ...string[]];
  /** The flag and the environment say the opposite of the file's key. */
  readonly inverted?: true;
  /** Where empty text is a value and not the same as unset. */
  readonly emptyMeansIt?: readonly ("flag" | "environment")[];
}

export const OPTIONS = z.registry<OptionRow>();

/** Registers the names of one leaf. They belong to this very schema object: describe it before. */
export function named<S extends z.ZodType>(schema: S, row: OptionRow): S {
  OPTIONS.add(schema, row);
  return schema;
}
