import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import * as z from "zod";
import { expect, it } from "vitest";
import { StatusReport } from "../src/status/report.ts";

const FILE = resolve(import.meta.dirname, "../docs/status.schema.json");

it("docs/status.schema.json is the schema of `vipcast status -o json` (UPDATE=1 writes it)", () => {
  const schema = `${JSON.stringify(z.toJSONSchema(StatusReport), null, 2)}\n`;
  if (process.env["UPDATE"] === "1") writeFileSync(FILE, schema);
  expect(readFileSync(FILE, "utf8")).toBe(schema);
});
