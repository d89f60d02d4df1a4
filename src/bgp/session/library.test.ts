import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { expect, it } from "vitest";

const DOCUMENT = path.resolve("docs/bgp-library.md");

/** The example as it stands, but for where its imports are found and for the port, which may be taken. */
function example(): string {
  const code = /```ts\n(.*?)```/s.exec(readFileSync(DOCUMENT, "utf8"))?.[1];
  if (code === undefined) throw new Error("no example");
  using bound = new net.BoundSocket({ host: "127.0.0.2", port: 0 });
  return code
    .replaceAll(/from "(\.\.\/[^"]+)"/g, (_all, file: string) => {
      return `from ${JSON.stringify(pathToFileURL(path.resolve(path.dirname(DOCUMENT), file)).href)}`;
    })
    .replaceAll('from "pino"', `from ${JSON.stringify(import.meta.resolve("pino"))}`)
    .replaceAll("1790", String(bound.address().port));
}

it("the example of docs/bgp-library.md does what it says, and ends by itself", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "vipcast-library-"));
  try {
    const file = path.join(folder, "example.ts");
    writeFileSync(file, example());
    const output = await new Promise<string>((resolve, reject) => {
      execFile(process.execPath, [file], { timeout: 15_000 }, (error, stdout, stderr) => {
        if (error) reject(new Error(`${stdout}${stderr}`, { cause: error }));
        else resolve(stdout);
      });
    });
    expect(output.split("\n")[0]).toBe("198.51.100.7/32 via 192.0.2.1, usable");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
