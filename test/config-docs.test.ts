import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadSettings } from "../src/config/load.ts";
import { createProgram } from "../src/cli/program.ts";
import { PEER_EXAMPLE } from "./support/bgp-reference.ts";
import { configJsonSchema, configReference, EXAMPLE } from "./support/config-reference.ts";

const DOCS = join(import.meta.dirname, "../docs");

describe("docs/", () => {
  it.each([
    ["config.md", configReference],
    ["config.schema.json", configJsonSchema],
  ])("%s is what the schema says (UPDATE=1 npx vitest … test/config-docs.test.ts writes it)", (name, generate) => {
    if (process.env["UPDATE"] === "1") writeFileSync(join(DOCS, name), generate());
    expect(readFileSync(join(DOCS, name), "utf8")).toBe(generate());
  });
  it("config.md shows a file that is accepted", () => {
    const loaded = loadSettings({ flags: {}, env: {}, file: { path: "example.yaml", text: EXAMPLE } });
    expect("errors" in loaded ? loaded.errors : loaded.settings.bgp?.peers).toMatchObject([
      { name: "tor-1", families: [4, 6], nextHop: { kind: "fixed", ipv6: "2001:db8::5" } },
      { name: "10.0.0.2", holdTimeSeconds: 9 },
    ]);
  });
  it("config.md shows peers that are accepted", () => {
    const loaded = loadSettings({ flags: {}, env: {}, file: { path: "example.yaml", text: PEER_EXAMPLE } });
    const bgp = "errors" in loaded ? loaded.errors : loaded.settings.bgp;
    expect(bgp).toMatchObject({
      keepOnStop: true,
      peers: [
        { name: "tor-a", minTtl: 255, bfd: { transmitMillis: 100 }, password: { kind: "secret" } },
        { name: "eth1", address: null, as: "external", families: [4, 6], extendedNextHop: true, bfd: null },
      ],
      dynamicNeighbours: [{ name: "leaf", countMax: 4, gracefulRestart: { restartTimeSeconds: 120 } }],
      routeSelectors: [{ tag: "namespace shop, label tier=front" }, { tag: "kind control-plane" }],
    });
  });
  it("commands.md has a section for every command", () => {
    const text = readFileSync(join(DOCS, "commands.md"), "utf8");
    const headings = [...text.matchAll(/^## `vipcast ([a-z]+)/gm)].map(([, name]) => name);
    expect(headings).toEqual(createProgram().commands.map((command) => command.name()));
  });
});
