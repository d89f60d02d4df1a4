import { resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../..");
export const RFC_DOCUMENT = resolve(ROOT, "docs/rfc.md");
