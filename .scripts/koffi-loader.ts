import { existsSync, mkdtempSync, openSync, closeSync, readSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";

/**
 * Takes the place of koffi's own search for its native module in the bundle, which carries the module as text.
 *
 * The kernel maps native code from files only, so the module is written to a private folder, loaded, and deleted again
 * at once: the mapping outlives the file. Where no folder takes it (everything read-only or noexec), a `koffi.node`
 * beside the bundle is used instead; that one comes first anyway, since whoever put it there wants it.
 */
export interface KoffiImage {
  readonly libc: "glibc" | "musl";
  /** The shared object: Brotli, then base64. */
  readonly packed: string;
}

/** @throws Error that names every place tried and what to do */
export function loadKoffi(images: readonly KoffiImage[], home: string, folders = scratchFolders(home)): object {
  const failures: string[] = [];
  const attempt = (file: string): object | null => {
    try {
      return open(file);
    } catch (error) {
      failures.push(reasonOf(error)); // dlopen names the file
      return null;
    }
  };
  const beside = join(home, "koffi.node");
  const found = existsSync(beside) ? attempt(beside) : null;
  if (found) return found;
  const libc = ownLibc();
  const image = images.find((candidate) => candidate.libc === libc);
  if (!image) throw new Error(`this bundle has no native module for ${libc} on ${process.arch}`);
  const bytes = brotliDecompressSync(Buffer.from(image.packed, "base64"));
  for (const folder of folders) {
    let scratch: string;
    try {
      scratch = mkdtempSync(join(folder, "vipcast-")); // mode 0700
    } catch (error) {
      failures.push(`${folder}: ${reasonOf(error)}`);
      continue;
    }
    try {
      const file = join(scratch, "koffi.node");
      writeFileSync(file, bytes, { mode: 0o500 });
      const loaded = attempt(file);
      if (loaded) return loaded;
    } catch (error) {
      failures.push(`${scratch}: ${reasonOf(error)}`);
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }
  const advice = "set TMPDIR to a writable folder that is not mounted noexec, or put koffi.node beside the bundle";
  throw new Error(`cannot load the native module; ${advice}\n  ${failures.join("\n  ")}`);
}

const scratchFolders = (home: string): string[] =>
  [...new Set([tmpdir(), process.env["XDG_RUNTIME_DIR"], "/run", "/dev/shm", home])].filter(
    (folder) => folder !== undefined && folder !== "",
  ) as string[];

function open(file: string): object {
  const holder: { exports: object } = { exports: {} };
  process.dlopen(holder, file, constants.dlopen.RTLD_LAZY);
  return holder.exports;
}

/** By the loader that this very process was started with: its name stands near the head of the executable. */
function ownLibc(): KoffiImage["libc"] {
  const head = Buffer.alloc(4096);
  const fd = openSync("/proc/self/exe", "r");
  try {
    readSync(fd, head, 0, head.length, 0);
  } finally {
    closeSync(fd);
  }
  return head.includes("ld-musl-") ? "musl" : "glibc";
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
