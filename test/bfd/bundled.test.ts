import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Namespaces } from "../support/namespaces.ts";
import { needsRoot } from "../support/privileges.ts";

const ROOT = join(import.meta.dirname, "../..");
const source = (path: string): string => JSON.stringify(join(ROOT, path));

/** As src/cli/bundle-main.ts, with another main part. */
const ENTRY = `import { isMainThread } from "node:worker_threads";
  if (isMainThread) await import("./main.ts");
  else await import(${source("src/daemon/bfd-worker.ts")});`;

/** Two sessions with each other over the loopback. */
const MAIN = `import { pino } from ${source("node_modules/pino/pino.js")};
  import { BfdSessions } from ${source("src/daemon/bfd-sessions.ts")};
  import { systemClock } from ${source("src/linux/io/system-clock.ts")};
  import { Metrics } from ${source("src/telemetry/metrics.ts")};
  const sessions = new BfdSessions({ clock: systemClock, log: pino({ level: "warn" }), metrics: new Metrics() });
  const common = { interfaceName: null, minimumTtl: null, transmitMillis: 50, receiveMillis: 50, multiplier: 3,
    passive: false, auth: null, fastTimers: false };
  let up = 0;
  sessions.onChange(({ state }) => {
    if (state === "up" && ++up === 2) void sessions.close().then(() => console.log("both were up"));
  });
  sessions.setSessions([
    { ...common, name: "one", local: "127.0.0.1", remote: "127.0.0.2" },
    { ...common, name: "two", local: "127.0.0.2", remote: "127.0.0.1" },
  ]);`;

/** Starts the product's bundle as its own BFD thread would be started. */
const ALONE = `import { MessageChannel, Worker } from "node:worker_threads";
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(new URL("vipcast.mjs", import.meta.url), {
    workerData: { vipcastWorker: "bfd", port: port2, wakeFd: 0 }, transferList: [port2],
  });
  port1.once("message", ({ type }) => { console.log(type); process.exit(0); });
  worker.once("error", (error) => { console.log(error); process.exit(1); });`;

describe.runIf(!needsRoot)("a bundle of one file", () => {
  let folder: string;
  let net: Namespaces;
  const build = (...words: readonly string[]): string =>
    execFileSync(process.execPath, [join(ROOT, ".scripts/build.ts"), ...words], { cwd: ROOT, encoding: "utf8" });
  const run = (...words: readonly string[]): string =>
    execFileSync("ip", ["netns", "exec", net.full("n"), ...words], { encoding: "utf8", timeout: 15_000 });

  beforeAll(() => {
    net = new Namespaces("n");
    folder = mkdtempSync(join(tmpdir(), "bfd-bundle-"));
    mkdirSync(join(folder, "alone"));
  });
  afterAll(() => {
    net.remove();
    rmSync(folder, { recursive: true });
  });

  it("is its own BFD thread (BFD-P-02)", () => {
    writeFileSync(join(folder, "entry.ts"), ENTRY);
    writeFileSync(join(folder, "main.ts"), MAIN);
    const bundle = join(folder, "alone", "it.mjs");
    build(join(folder, "entry.ts"), bundle);
    expect(run(process.execPath, bundle)).toBe("both were up\n");
    expect(readdirSync(dirname(bundle))).toEqual(["it.mjs"]);
  });

  it("says once that its BFD thread has no precedence, where it may not take it, and works all the same (BFD-P-02)", () => {
    const lines = run("setpriv", "--bounding-set", "-sys_nice", process.execPath, join(folder, "alone", "it.mjs"));
    const [line, end, ...more] = lines.trimEnd().split("\n");
    expect(JSON.parse(line!)).toMatchObject({
      event: "bfd.not-real-time",
      reason: expect.stringMatching(/EPERM/) as string,
    });
    expect([end, more]).toEqual(["both were up", []]);
  });

  it("as it is shipped runs the BFD thread, and not the command line, when it is started as one", () => {
    build(join(ROOT, "src/cli/bundle-main.ts"), join(folder, "alone", "vipcast.mjs"));
    writeFileSync(join(folder, "alone", "start.mjs"), ALONE);
    expect(run(process.execPath, join(folder, "alone", "start.mjs"))).toBe("started\n");
    expect(run(process.execPath, join(folder, "alone", "vipcast.mjs"), "version")).toMatch(/^vipcast /);
  });
});
