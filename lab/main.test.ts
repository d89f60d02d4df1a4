import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { needsRoot } from "../test/support/privileges.ts";
import { abandonedPrefixes, prefixOf, removeTraces, type Traces, tracesOf } from "./rack/traces.ts";
import { SCENARIOS } from "./scenarios/all.ts";

const MAIN = new URL("main.ts", import.meta.url).pathname;
const NOTHING: Traces = { namespaces: [], folders: [], pids: [] };

const ask = (...args: readonly string[]) => spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8" });

describe("the lab's command line", () => {
  it("lists every scenario with what it is about", () => {
    const { stdout, status } = ask("list");
    expect(status).toBe(0);
    for (const { name, summary } of SCENARIOS) expect(stdout).toContain(`${name.padEnd(18)} ${summary}`);
  });

  it("help fits into 80 columns", () => {
    const { stdout, status } = ask("--help");
    expect(status).toBe(0);
    expect(Math.max(...stdout.split("\n").map(({ length }) => length))).toBeLessThanOrEqual(80);
  });

  it("wrong usage is exit code 2, with what there is instead", () => {
    for (const wrong of [["no-such-scenario"], ["--router", "cisco"], ["--kube", "k3s"], ["--no-such-option"]]) {
      const { stderr, status } = ask(...wrong);
      expect(status, wrong.join(" ")).toBe(2);
      expect(stderr).toContain("usage:");
    }
    expect(ask("no-such-scenario").stderr).toContain("node-loss");
  });
});

describe.runIf(needsRoot === null)("a scenario about what the router lacks", () => {
  it("is not played: exit code 3, with the routers that have it", () => {
    const { stderr, status } = ask("bfd-node-loss", "--router", "embedded");
    expect(status).toBe(3);
    expect(stderr).toContain("--router frr or --router bird");
  });
});

/** Starts the tour and waits for this line of its progress. */
async function startedUntil(line: string): Promise<ChildProcess> {
  const lab = spawn(process.execPath, [MAIN, "tour"], { stdio: ["ignore", "pipe", "pipe"], detached: true });
  let output = "";
  await new Promise<void>((resolve, reject) => {
    for (const stream of [lab.stdout, lab.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        if (output.includes(line)) resolve();
      });
    }
    lab.on("exit", (code) => reject(new Error(`ended with ${code} before "${line}":\n${output}`)));
  });
  return lab;
}

describe.runIf(needsRoot === null)("a lab that is interrupted", () => {
  for (const line of ["network namespaces", "three daemons start", "the client opens a connection"]) {
    it(`leaves nothing behind after Ctrl-C, pressed twice, at "${line}"`, { timeout: 60_000 }, async () => {
      const lab = await startedUntil(line);
      lab.kill("SIGINT");
      lab.kill("SIGINT");
      const [code] = (await once(lab, "exit")) as [number | null];
      expect(code).toBe(130);
      expect(tracesOf(prefixOf(lab.pid!))).toEqual(NOTHING);
    });
  }

  it("and killed is cleaned up after by the next one", { timeout: 60_000 }, async () => {
    const lab = await startedUntil("three daemons start");
    lab.kill("SIGKILL");
    await once(lab, "exit");
    const prefix = prefixOf(lab.pid!);
    expect(tracesOf(prefix).namespaces).toHaveLength(7);
    expect(abandonedPrefixes((pid) => pid !== lab.pid)).toEqual([prefix]);
    await removeTraces(prefix);
    expect(tracesOf(prefix)).toEqual(NOTHING);
  });
});
