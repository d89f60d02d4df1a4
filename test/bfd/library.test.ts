import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Namespaces } from "../support/namespaces.ts";
import { needsRoot } from "../support/privileges.ts";

const ROOT = join(import.meta.dirname, "../..");

describe.runIf(!needsRoot)("the example of docs/bfd.md", () => {
  let net: Namespaces;
  // Beside this test, so that its imports mean what they mean in docs.
  const file = join(ROOT, "test", `bfd-example-${process.pid}.ts`);
  beforeAll(() => void (net = new Namespaces("n")));
  afterAll(() => {
    net.remove();
    rmSync(file, { force: true });
  });

  it("brings two sessions up, and ends", () => {
    const [, example] = /```ts\n([^]*?)```/.exec(readFileSync(join(ROOT, "docs/bfd.md"), "utf8"))!;
    writeFileSync(file, example!);
    const words = ["netns", "exec", net.full("n"), process.execPath, file];
    const lines = execFileSync("ip", words, { encoding: "utf8", timeout: 15_000 });
    expect(lines.trimEnd().split("\n").toSorted()).toEqual(["one is up", "two is up"]);
  });
});
