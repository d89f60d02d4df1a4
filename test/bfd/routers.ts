import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Namespaces } from "../support/namespaces.ts";

/** One session as the router is told to have it. */
export interface RouterSession {
  /** Of the router's end. */
  readonly local: string;
  /** Of our end. */
  readonly remote: string;
  readonly multihop?: boolean;
  /** Of the interface that the session is bound to. */
  readonly device?: string;
  /** BIRD's words for it; FRR's bfdd has no authentication. */
  readonly auth?: { readonly words: string; readonly keyId: number; readonly key: string };
}

export interface RouterTimers {
  readonly intervalMillis: number;
  readonly multiplier: number;
}

/** A foreign BFD speaker in a namespace. */
export interface BfdRouter {
  readonly name: string;
  /** Sessions that are up, by the address of our end. */
  up(): readonly string[];
  /** Why the others are not, in words, by the same. */
  down(): ReadonlyMap<string, string>;
  /** Turns the session to `remote` administratively off, and on again. */
  setEnabled(remote: string, enabled: boolean): void;
  /** Without a word to anybody. */
  kill(): void;
  stop(): Promise<void>;
}

const FRR = "/usr/lib/frr";
export const FRR_MISSING = existsSync(join(FRR, "bfdd")) ? null : "FRR is not installed (package frr)";
export const BIRD_MISSING = existsSync("/usr/sbin/bird") ? null : "BIRD is not installed (package bird2)";

const runningPids = (files: readonly string[]): number[] =>
  files.flatMap((file) => (existsSync(file) ? [Number(readFileSync(file, "utf8").trim())] : []));

function signal(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch {
      // It is gone already.
    }
  }
}

const isThere = (pid: number): boolean => existsSync(`/proc/${pid}`);

/**
 * A router is a machine of its own, and not kept waiting by what else runs on ours. Here it has to share the processor
 * with a main thread that is blocked on purpose; without precedence it would be the one to be late.
 */
function asIfAlone(pids: readonly number[]): void {
  // Where that is not allowed the router has to share.
  for (const pid of pids) spawnSync("chrt", ["--fifo", "--all-tasks", "--pid", "20", `${pid}`], { stdio: "ignore" });
}

/** Ends the processes and waits until they are gone: their namespace can then be removed. */
async function end(pids: readonly number[]): Promise<void> {
  signal(pids, "SIGTERM");
  for (let tries = 0; tries < 200 && pids.some(isThere); tries++) await new Promise((done) => setTimeout(done, 10));
  signal(pids.filter(isThere), "SIGKILL");
}

interface FrrPeer {
  readonly peer: string;
  readonly status: string;
  readonly diagnostic?: string;
}

/** FRR's zebra and bfdd. */
export function startFrr(
  net: Namespaces,
  namespace: string,
  sessions: readonly RouterSession[],
  timers: RouterTimers,
): BfdRouter {
  const name = net.full(namespace);
  const folder = mkdtempSync(join(tmpdir(), "bfd-frr-"));
  const run = join("/var/run/frr", name);
  mkdirSync(run, { recursive: true });
  const peerLine = ({ local, remote, multihop, device }: RouterSession): string =>
    `peer ${remote}${multihop ? " multihop" : ""} local-address ${local}${device ? ` interface ${device}` : ""}`;
  const config = join(folder, "frr.conf");
  const peers = sessions.map(
    (session) => ` ${peerLine(session)}
  detect-multiplier ${timers.multiplier}
  receive-interval ${timers.intervalMillis}
  transmit-interval ${timers.intervalMillis}
${session.multihop ? "  minimum-ttl 250\n" : ""}  no shutdown
 exit`,
  );
  writeFileSync(config, `bfd\n${peers.join("\n !\n")}\nexit\n`);
  execFileSync("chown", ["-R", "frr:frr", run, folder]);
  for (const daemon of ["zebra", "bfdd"]) {
    const words = ["-d", "-N", name, "-u", "frr", "-g", "frr", "-A", "127.0.0.1", "-f", config];
    execFileSync("ip", ["netns", "exec", name, join(FRR, daemon), ...words], { timeout: 10_000, stdio: "ignore" });
  }
  const pids = runningPids([join(run, "zebra.pid"), join(run, "bfdd.pid")]);
  asIfAlone(pids);
  const vtysh = (...commands: readonly string[]): string =>
    execFileSync("vtysh", ["-N", name, ...commands.flatMap((command) => ["-c", command])], {
      encoding: "utf8",
      timeout: 10_000,
      stdio: ["ignore", "pipe", "ignore"],
    });
  const shown = (): readonly FrrPeer[] => JSON.parse(vtysh("show bfd peers json")) as readonly FrrPeer[];
  return {
    name: "frr",
    up: () =>
      shown()
        .filter(({ status }) => status === "up")
        .map(({ peer }) => peer),
    down: () =>
      new Map(shown().flatMap((it) => (it.status === "up" ? [] : [[it.peer, it.diagnostic ?? it.status] as const]))),
    setEnabled(remote, enabled) {
      const session = sessions.find((it) => it.remote === remote)!;
      vtysh("configure terminal", "bfd", peerLine(session), enabled ? "no shutdown" : "shutdown");
    },
    kill: () => signal(pids, "SIGKILL"),
    async stop() {
      await end(pids);
      rmSync(folder, { recursive: true });
      rmSync(run, { recursive: true, force: true });
    },
  };
}

/** BIRD with its BFD protocol alone. */
export async function startBird(
  net: Namespaces,
  namespace: string,
  sessions: readonly RouterSession[],
  timers: RouterTimers,
): Promise<BfdRouter> {
  const name = net.full(namespace);
  const folder = mkdtempSync(join(tmpdir(), "bfd-bird-"));
  const [config, control] = [join(folder, "bird.conf"), join(folder, "ctl")];
  const write = (wanted: readonly RouterSession[]): void => {
    const auth = wanted.find((session) => session.auth)?.auth;
    const common = `min rx interval ${timers.intervalMillis} ms; min tx interval ${timers.intervalMillis} ms;
    multiplier ${timers.multiplier};${
      auth ? ` authentication ${auth.words}; password "${auth.key}" { id ${auth.keyId}; };` : ""
    }`;
    const neighbours = wanted.map(
      ({ local, remote, multihop, device }) =>
        `  neighbor ${remote}${device ? ` dev "${device}"` : ""} local ${local}${multihop ? " multihop yes" : ""};`,
    );
    const text = `router id 10.255.0.1;\nprotocol device { scan time 1; }\nprotocol bfd watch {
  interface "*" { ${common} };\n  multihop { ${common} };\n${neighbours.join("\n")}\n}\n`;
    writeFileSync(config, text);
  };
  write(sessions);
  const child = spawn("ip", ["netns", "exec", name, "bird", "-f", "-c", config, "-s", control], {
    stdio: "ignore",
  });
  const birdc = (...words: readonly string[]): string =>
    execFileSync("birdc", ["-s", control, ...words], { encoding: "utf8", timeout: 10_000 });
  for (let tries = 0; tries < 300 && !existsSync(control); tries++) await new Promise((done) => setTimeout(done, 10));
  const pids = [child.pid!]; // `ip` has become BIRD
  asIfAlone(pids);
  return {
    name: "bird",
    up: () => [...birdc("show", "bfd", "sessions").matchAll(/^(\S+)\s+\S+\s+Up\b/gm)].map(([, remote]) => remote!),
    // BIRD shows no diagnostic; only AdminDown makes a session go down before its Detection Time.
    down: () =>
      new Map(
        [...birdc("show", "bfd", "sessions").matchAll(/^(\S+)\s+\S+\s+(?:Down|Init|AdminDown)\b/gm)].map(
          ([, remote]) => [remote!, "neighbor signaled session down"] as const,
        ),
      ),
    setEnabled(remote, enabled) {
      write(enabled ? sessions : sessions.filter((session) => session.remote !== remote));
      birdc("configure");
    },
    kill: () => signal(pids, "SIGKILL"),
    async stop() {
      await end(pids);
      rmSync(folder, { recursive: true });
    },
  };
}
