import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadKoffi } from "../.scripts/koffi-loader.ts";

const ROOT = dirname(import.meta.dirname);
let folder: string;
let bundle: string;

const run = (file: string, env: Record<string, string> = {}): string =>
  execFileSync(process.execPath, [file], { cwd: dirname(file), encoding: "utf8", env: { PATH: "/nowhere", ...env } });

describe("a bundle", () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "bundle-test-"));
    const entry = join(folder, "entry.ts");
    const netlink = join(ROOT, "src/linux/io/netlink.ts");
    writeFileSync(
      entry,
      `import { Netlink } from ${JSON.stringify(netlink)};
       const network = new Netlink({ addressProtocol: 200 });
       console.log(network.links().find((link) => link.loopback)?.name);
       network.close();`,
    );
    mkdirSync(join(folder, "alone"));
    bundle = join(folder, "alone", "it.mjs");
    execFileSync(process.execPath, [join(ROOT, ".scripts/build.ts"), entry, bundle], { cwd: ROOT });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("talks to the kernel from a folder where it is alone, and leaves nothing behind", () => {
    const scratch = join(folder, "scratch");
    mkdirSync(scratch);
    expect(run(bundle, { TMPDIR: scratch })).toBe("lo\n");
    expect(readdirSync(scratch)).toEqual([]);
    expect(readdirSync(dirname(bundle))).toEqual(["it.mjs"]);
  });

  it("says in one line that an older Node is too old", () => {
    const older = `Object.defineProperty(process, "versions", { value: { node: "20.20.2" } })`;
    const started = spawnSync(process.execPath, ["--import", `data:text/javascript,${older}`, bundle], {
      encoding: "utf8",
    });
    expect(started.status).toBe(1);
    expect(started.stderr).toMatch(/^vipcast: needs Node\.js 24 or newer, this is v[\d.]+\n$/);
  });

  it("goes elsewhere when the folder for temporary files does not exist", () => {
    expect(run(bundle, { TMPDIR: join(folder, "missing") })).toBe("lo\n");
  });

  it("prefers a koffi.node beside it, and says why it did not take one that is broken", () => {
    const beside = join(folder, "beside");
    mkdirSync(beside);
    copyFileSync(bundle, join(beside, "it.mjs"));
    const platform = dirname(createRequire(import.meta.url).resolve(`@koromix/koffi-linux-${process.arch}`));
    const native = ["linux", "musl"]
      .map((libc) => join(platform, `${libc}_${process.arch}`, "koffi.node"))
      .find((file) => existsSync(file))!;
    copyFileSync(native, join(beside, "koffi.node"));
    expect(run(join(beside, "it.mjs"))).toBe("lo\n");
    writeFileSync(join(beside, "koffi.node"), "not a shared object");
    expect(() => loadKoffi(NO_IMAGE, beside, [])).toThrow(/koffi\.node: .*(file too short|invalid ELF)/);
  });

  it("names every place that did not take the native module, and what to do", () => {
    const [missing, useless] = [join(folder, "missing"), join(folder, "useless")];
    mkdirSync(useless);
    const load = (): object => loadKoffi(NO_IMAGE, folder, [missing, useless]);
    expect(load).toThrow(/set TMPDIR to a writable folder that is not mounted noexec/);
    expect(load).toThrow(new RegExp(`${missing}: ENOENT[^]*${useless}/vipcast-\\w+/koffi\\.node: .*file too short`));
    expect(readdirSync(useless)).toEqual([]);
    expect(() => loadKoffi([], folder, [useless])).toThrow(/no native module for (glibc|musl)/);
  });
});

/** Nothing, packed: what comes out of it cannot be loaded. */
const NO_IMAGE = (["glibc", "musl"] as const).map((libc) => ({ libc, packed: "Ow==" }));
