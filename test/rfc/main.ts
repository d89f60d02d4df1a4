/**
 * `npm run rfc`: which rows of the checklist no test names yet, from the text of the tests alone; `npm test` judges by
 * what passed. Exit code 1 when a must or should is open, or an id is named that no row has.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { judge } from "./document.ts";
import { ROOT } from "./paths.ts";
import { idsIn, labProofs, type Proof } from "./proofs.ts";
import { ROWS, SOURCES } from "./rows.ts";

const tests = ["src", "test", "lab"].flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.ts") && !file.startsWith("rfc/"))
    .map((file) => join(folder, file)),
);
const proofs: Proof[] = tests.flatMap((file) =>
  idsIn(readFileSync(join(ROOT, file), "utf8")).map((id): Proof => ({ id, title: "", where: file, state: "passed" })),
);
const { open, unknown, contradicted } = judge([...proofs, ...labProofs(new Map())]);

const named = new Set(proofs.map(({ id }) => id));
console.log(`${named.size - unknown.length} of ${ROWS.length} rows are named by a test`);
const openIds = new Set(open.map(({ id }) => id));
for (const { name, rows } of SOURCES) {
  const ids = rows
    .filter(({ id }) => openIds.has(id))
    .map(({ id, level }) => `${id}${level === "S" ? " (should)" : ""}`);
  if (ids.length > 0) console.log(`${name}: ${ids.length} open: ${ids.join(", ")}`);
}
for (const id of unknown) {
  const where = proofs.find((proof) => proof.id === id)?.where ?? "a reason or a scenario";
  console.log(`${id}: no row has this id (${where})`);
}
for (const id of contradicted) console.log(`${id}: left out, and yet a test names it`);
process.exitCode = open.length + unknown.length + contradicted.length > 0 ? 1 : 0;
