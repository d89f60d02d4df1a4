/**
 * `node test/bfd/hold.ts [SECONDS]`: sessions of 3 × 50 ms with FRR and with BIRD, IPv4 and IPv6, while the main thread
 * is blocked for 500 ms of each second. Prints what became of them; exit code 1 when one was lost.
 */
import { execFileSync } from "node:child_process";
import { until } from "../support/until.ts";
import { Namespaces } from "../support/namespaces.ts";
import { sessionTo, startBfd } from "./main-thread.ts";
import { BIRD_MISSING, type BfdRouter, FRR_MISSING, startBird, startFrr } from "./routers.ts";

const TIMERS = { intervalMillis: 50, multiplier: 3 };

export interface Held {
  readonly router: string;
  readonly seconds: number;
  /** Sessions that were up from the beginning to the end, at both ends. */
  readonly held: number;
  readonly of: number;
  /** Times that one of ours was lost. */
  readonly losses: number;
  /** Times that our own lateness was forgiven. */
  readonly stalls: number;
  readonly sent: number;
  readonly received: number;
}

/** Holds sessions with a router for some seconds while this thread is blocked half of the time. */
export async function holdWith(kind: "frr" | "bird", seconds: number): Promise<Held> {
  const net = new Namespaces("n", "r");
  const remotes = ["10.0.0.2", "fd00::2"];
  let router: BfdRouter | null = null;
  let bfd: ReturnType<typeof startBfd> | null = null;
  try {
    net.connect("n", "r", "e0");
    for (const [name, host] of [
      ["n", 1],
      ["r", 2],
    ] as const) {
      net.ip(name, `addr add 10.0.0.${host}/24 dev e0`);
      net.ip(name, `addr add fd00::${host}/64 dev e0 nodad`);
    }
    const peers = [
      { local: "10.0.0.2", remote: "10.0.0.1", device: "e0" },
      { local: "fd00::2", remote: "fd00::1", device: "e0" },
    ];
    router = kind === "frr" ? startFrr(net, "r", peers, TIMERS) : await startBird(net, "r", peers, TIMERS);
    bfd = startBfd(net, "n", [sessionTo("10.0.0.2", "10.0.0.1"), sessionTo("fd00::2", "fd00::1")]);
    const { sessions, metrics } = bfd;
    const routerUp = (): boolean => router!.up().length === remotes.length;
    await until(`up with ${kind}`, () => remotes.every((it) => sessions.stateOf(it) === "up"), 15_000);
    await until(`${kind} says so, too`, routerUp, 5_000);
    const before = sessions.status().reduce((sum, it) => sum + it.lossCount, 0);
    for (let second = 0; second < seconds; second++) {
      const busyUntil = performance.now() + 500;
      while (performance.now() < busyUntil) JSON.parse(JSON.stringify({ busy: [1, 2, 3] }));
      await new Promise((done) => setTimeout(done, 500));
    }
    await new Promise((done) => setTimeout(done, 1_200)); // the last figures
    const status = sessions.status();
    const atRouter = router.up().length;
    const stalls = (await metrics.bfdStalls.get()).values[0]?.value ?? 0;
    return {
      router: kind,
      seconds,
      held: Math.min(atRouter, status.filter((it) => it.state === "up" && it.lossCount === 0).length),
      of: remotes.length,
      losses: status.reduce((sum, it) => sum + it.lossCount, 0) - before,
      stalls,
      sent: status.reduce((sum, it) => sum + it.packetsSent, 0),
      received: status.reduce((sum, it) => sum + it.packetsReceived, 0),
    };
  } finally {
    await bfd?.sessions.close();
    await router?.stop();
    net.remove();
  }
}

if (import.meta.main) {
  const seconds = Number(process.argv[2] ?? 60);
  const load = (): string => execFileSync("cat", ["/proc/loadavg"], { encoding: "utf8" }).slice(0, 4);
  for (const [kind, missing] of [
    ["frr", FRR_MISSING],
    ["bird", BIRD_MISSING],
  ] as const) {
    if (missing !== null) {
      console.log(`${kind}: ${missing}`);
      continue;
    }
    const held = await holdWith(kind, seconds);
    console.log(
      `${kind}: ${held.held} of ${held.of} sessions of 3 x 50 ms held for ${seconds} s, main thread blocked 500 ms of each; ` +
        `${held.losses} lost, ${held.stalls} stalls forgiven, ${held.sent} packets sent, ${held.received} received, ` +
        `load ${load()}`,
    );
    if (held.held < held.of) process.exitCode = 1;
  }
}
