import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

/**
 * Which folder may import which, and what the pure folders may not touch. A folder that is missing here, an import that
 * is not allowed, or a scan that finds no file is a failure.
 */
const ROOT = resolve(import.meta.dirname, "..");

interface Rule {
  /** Folders of src, besides itself; "x/*" stands for all below x. */
  readonly may: readonly string[];
  readonly pure?: boolean;
}

const BASE = ["base", "addr"];
const RULES: Readonly<Record<string, Rule>> = {
  base: { may: [], pure: true },
  addr: { may: ["base"], pure: true },
  ports: { may: BASE },
  "bgp/wire": { may: BASE, pure: true },
  "bgp/fsm": { may: [...BASE, "bgp/wire"], pure: true },
  "bgp/rib": { may: [...BASE, "bgp/wire"], pure: true },
  "bgp/session": { may: [...BASE, "bgp/*", "ports", "telemetry"] },
  "bfd/wire": { may: BASE, pure: true },
  "bfd/fsm": { may: [...BASE, "bfd/wire"], pure: true },
  "bfd/session": { may: [...BASE, "bfd/*", "ports", "telemetry"] },
  "l2/wire": { may: BASE, pure: true },
  "l2/fsm": { may: [...BASE, "l2/wire"], pure: true },
  "l2/session": { may: [...BASE, "l2/*", "ports", "telemetry"] },
  "linux/wire": { may: BASE, pure: true },
  "linux/io": { may: [...BASE, "linux/wire", "ports", "telemetry"] },
  kube: { may: [...BASE, "ports", "telemetry"] },
  "kube/election": { may: [...BASE, "ports", "telemetry", "kube"] },
  etcd: { may: [...BASE, "ports", "telemetry"] },
  pools: { may: [...BASE, "vip"], pure: true },
  vip: { may: BASE, pure: true },
  config: { may: BASE, pure: true },
  telemetry: { may: ["base"] },
  status: { may: ["base", "telemetry"] },
  daemon: {
    may: [
      ...BASE,
      "ports",
      "bgp/*",
      "bfd/*",
      "l2/*",
      "linux/io",
      "kube",
      "kube/election",
      "etcd",
      "pools",
      "vip",
      "config",
      "telemetry",
      "status",
    ],
  },
  cli: { may: [...BASE, "config", "pools", "daemon", "status", "cli/manifest"] },
  "cli/manifest": { may: [...BASE, "config"] },
};

/** Files of a shell folder that are pure all the same. */
const PURE_FILES = ["kube/election/fsm.ts", "kube/election/members.ts", "etcd/election-fsm.ts"];

/** The only file that reads a clock, a timer or a random number. */
const CLOCK_FILE = "linux/io/system-clock.ts";

const NOT_PURE = [/from "node:/, /\bawait\b/, /\bPromise\b/, /\bprocess\./];
const AMBIENT = [/\bDate\.now\b/, /\bsetTimeout\b/, /\bsetInterval\b/, /\bMath\.random\b/, /\bperformance\.now\b/];
const IMPORT = /^(?:import|export)[^"';]*? from "([^"]+)"|^import "([^"]+)"|\bimport\("([^"]+)"\)/gm;

const sources = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"))
  .toSorted();
const production = sources.filter((file) => !file.endsWith(".test.ts") && !file.includes("test-support"));
const read = (file: string): string => readFileSync(join(ROOT, "src", file), "utf8");
const code = (file: string): string => read(file).replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, "");
const imports = (file: string): string[] =>
  [...read(file).matchAll(IMPORT)].map((match) => (match[1] ?? match[2] ?? match[3])!);

describe("the layout", () => {
  it("has the files that the rules speak of", () => {
    expect(production.length).toBeGreaterThan(50);
    for (const folder of Object.keys(RULES))
      expect(
        production.filter((file) => dirname(file) === folder),
        folder,
      ).not.toEqual([]);
    for (const file of PURE_FILES) expect(production).toContain(file);
  });

  it("has a rule for every folder", () => {
    const folders = new Set(sources.map((file) => dirname(file)));
    expect([...folders].filter((folder) => !(folder in RULES))).toEqual([]);
  });

  it.each(production)("%s imports only what its folder may", (file) => {
    const folder = dirname(file);
    const allowed = RULES[folder]!.may;
    for (const specifier of imports(file).filter((it) => it.startsWith("."))) {
      const target = relative(join(ROOT, "src"), resolve(ROOT, "src", folder, specifier));
      if (target.startsWith("..")) {
        expect(target, `${file} reaches out of src`).toBe("../package.json");
        continue;
      }
      const to = dirname(target);
      const ok =
        to === folder ||
        allowed.includes(to) ||
        allowed.some((it) => it.endsWith("/*") && to.startsWith(it.slice(0, -1)));
      expect(ok, `${file} may not import ${specifier}`).toBe(true);
    }
  });

  it.each(production.filter((file) => RULES[dirname(file)]!.pure || PURE_FILES.includes(file)))(
    "%s is pure",
    (file) => {
      const text = code(file);
      for (const pattern of NOT_PURE) expect(pattern.test(text), `${file} has ${pattern}`).toBe(false);
    },
  );

  it.each(production.filter((file) => file !== CLOCK_FILE))("%s reads no ambient clock or chance", (file) => {
    const text = code(file);
    for (const pattern of AMBIENT) expect(pattern.test(text), `${file} has ${pattern}`).toBe(false);
  });

  it.each(production.filter((file) => !file.startsWith("cli/")))("%s does not print", (file) => {
    expect(/\bconsole\./.test(code(file)), file).toBe(false);
  });
});

describe("the lab", () => {
  const files = readdirSync(join(ROOT, "lab"), { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".ts"),
  );

  it("knows the daemon only from outside", () => {
    expect(files.length).toBeGreaterThan(10);
    for (const file of files) {
      const text = readFileSync(join(ROOT, "lab", file), "utf8");
      const reached = [...text.matchAll(IMPORT)]
        .map((match) => match[1] ?? match[2] ?? match[3]!)
        .filter((it) => it.includes("/src/"));
      for (const specifier of reached)
        expect(specifier, file).toMatch(/\/src\/(base|addr|ports|bgp|bfd|linux|telemetry)\//);
    }
  });
});
