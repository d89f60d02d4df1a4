import { chmodSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { build, type Plugin } from "esbuild";
import type { KoffiImage } from "./koffi-loader.ts";

/**
 * `npm run build`: src/cli/bundle-main.ts and everything that it needs become dist/vipcast.mjs, one file that runs alone
 * on a Node of the same architecture. `node .scripts/build.ts ENTRY OUTFILE` bundles something else in the same way.
 */
const ROOT = dirname(import.meta.dirname);

/**
 * CommonJS dependencies call `require` for Node's own modules, which an ESM bundle does not have. An older Node gets one
 * line instead of an error inside minified code; for that, no import may name what it does not export.
 */
const BANNER =
  "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);" +
  "if(parseInt(process.versions.node)<24){console.error(`vipcast: needs Node.js 24 or newer, this is ${process.version}`);process.exit(1)}";

/** A quarter larger than the best that Brotli can do, in a twentieth of the time. */
const PACKING = { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } };

/** The native modules for this architecture, from the package that koffi at `importer` would load. */
function koffiImages(importer: string): readonly KoffiImage[] {
  const platform = dirname(createRequire(importer).resolve(`@koromix/koffi-linux-${process.arch}`));
  return readdirSync(platform, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith("koffi.node"))
    .map((path) => ({
      libc: path.startsWith("musl") ? "musl" : "glibc",
      packed: brotliCompressSync(readFileSync(join(platform, path)), PACKING).toString("base64"),
    }));
}

/** Puts `koffi-loader.ts` in the place of the module in which koffi looks for its platform packages. */
const embedKoffi: Plugin = {
  name: "embed-koffi",
  setup(bundler) {
    let replaced = false;
    bundler.onLoad({ filter: /\/koffi\/src\/koffi\/src\/static\.js$/ }, ({ path }) => {
      replaced = true;
      return {
        resolveDir: import.meta.dirname,
        contents: `import { loadKoffi } from "./koffi-loader.ts";
          export const loadStatic = () => loadKoffi(${JSON.stringify(koffiImages(path))}, import.meta.dirname);`,
      };
    });
    // A koffi that looks elsewhere would only be missed on the first machine without node_modules.
    bundler.onEnd((result) => {
      const used = Object.keys(result.metafile?.inputs ?? {}).some((path) => path.includes("/koffi/"));
      if (used && !replaced) return { errors: [{ text: "koffi no longer has src/static.js: adapt the build" }] };
      return null;
    });
  },
};

async function bundle(entry: string, outfile: string): Promise<void> {
  const shebang = readFileSync(entry, "utf8").startsWith("#!") ? "" : "#!/usr/bin/env node\n";
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node24",
    minify: true,
    keepNames: true,
    metafile: true,
    logLevel: "warning",
    banner: { js: `${shebang}${BANNER}` },
    plugins: [embedKoffi],
  });
  chmodSync(outfile, 0o755);
  console.log(`${relative(process.cwd(), outfile)}: ${(statSync(outfile).size / 1024).toFixed(0)} KiB`);
}

const [entry = join(ROOT, "src/cli/bundle-main.ts"), outfile = join(ROOT, "dist/vipcast.mjs")] = process.argv.slice(2);
await bundle(entry, outfile);
