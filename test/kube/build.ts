import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { KUBE_VERSION, cacheFolder } from "../../lab/kube/assets.ts";

/**
 * Builds kube-apiserver and etcd from the Go modules that go.mod pins, once, into the cache folder outside the work
 * tree. Does nothing when they are there. For machines that have Go and no envtest binaries; the first run takes about
 * ten minutes on two cores. One build at a time: others wait for the lock and then find the result.
 */
const folder = cacheFolder();
const lockFile = `${folder}.lock`;
const here = fileURLToPath(new URL(".", import.meta.url));
const started = performance.now();

/** kubectl and clients refuse a server that does not tell its version. */
const [major, minor] = KUBE_VERSION.split(".");
const stamp = Object.entries({
  gitVersion: `v${KUBE_VERSION}`,
  gitMajor: major,
  gitMinor: minor,
  gitTreeState: "clean",
})
  .map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`)
  .join(" ");

const TARGETS = [
  { binary: "etcd", package: "go.etcd.io/etcd/server/v3", ldflags: "-s -w" },
  { binary: "kube-apiserver", package: "k8s.io/kubernetes/cmd/kube-apiserver", ldflags: `-s -w ${stamp}` },
];

let running: ChildProcess | null = null;
let locked = false;

function say(line: string): void {
  console.log(`kube ${KUBE_VERSION}: ${line} (${Math.round((performance.now() - started) / 1000)} s)`);
}

async function main(): Promise<void> {
  const wanted = () => TARGETS.filter(({ binary }) => !existsSync(join(folder, binary)));
  if (wanted().length === 0) return say(`already in ${folder}`);
  mkdirSync(folder, { recursive: true });
  await takeLock();
  for (const target of wanted()) {
    say(`building ${target.binary}`);
    // Under another name until it is whole: an interrupted build leaves nothing that looks like a binary.
    const unfinished = join(folder, `.${target.binary}.${process.pid}`);
    try {
      await go(["build", "-p", "2", "-trimpath", "-ldflags", target.ldflags, "-o", unfinished, target.package]);
      renameSync(unfinished, join(folder, target.binary));
    } finally {
      rmSync(unfinished, { force: true });
    }
  }
  say(`in ${folder}`);
}

function go(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn("go", args, {
      cwd: here,
      // A Go that is older than go.mod asks for may not fetch another one unasked.
      env: { ...process.env, CGO_ENABLED: "0", GOTOOLCHAIN: "local" },
      stdio: ["ignore", "inherit", "inherit"],
    });
    running = child;
    const progress = setInterval(() => say("still building"), 30_000);
    child.once("error", (error) => reject(new Error(`go cannot be run: ${error.message}`)));
    child.once("exit", (code, signal) => (code === 0 ? resolve() : reject(new Error(`go build: ${signal ?? code}`))));
    child.once("close", () => clearInterval(progress));
    child.once("error", () => clearInterval(progress));
  });
}

/** The lock is a file with its owner's process id; one whose owner is gone is taken over. */
async function takeLock(): Promise<void> {
  for (let waited = 0; ; waited++) {
    try {
      const handle = await open(lockFile, "wx");
      await handle.writeFile(String(process.pid));
      await handle.close();
      locked = true;
      return;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
    const owner = Number(await readFile(lockFile, "utf8").catch(() => ""));
    // An empty lock is one whose owner died before it could sign, or signs at this moment.
    const isStale = owner > 0 ? !isAlive(owner) : waited > 10;
    if (isStale) await rm(lockFile, { force: true });
    else if (waited % 30 === 0) say(`waiting for process ${owner}, which is building`);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

process.on("exit", () => {
  running?.kill("SIGKILL");
  if (locked) rmSync(lockFile, { force: true });
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

try {
  await main();
} catch (error) {
  say(`failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
