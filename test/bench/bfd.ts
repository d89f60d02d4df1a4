import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { sessionTo, startBfd } from "../bfd/main-thread.ts";
import { Namespaces } from "../support/namespaces.ts";
import { until } from "../support/until.ts";
import type { Watched } from "./bfd-peer.ts";
import type { Bench, Outcome } from "./measure.ts";

const [OWN, PEER] = ["10.0.0.1", "10.0.0.2"];
const INTERVAL_MILLIS = 50;
const MULTIPLIER = 3;
const SECONDS = 20;
const BLOCKED_MILLIS = 500;
const SETTLE_MILLIS = 1000;

export const bfd: Bench = {
  name: "bfd",
  about: `BFD at 3 × ${INTERVAL_MILLIS} ms while the main thread is blocked for ${BLOCKED_MILLIS} ms of each second`,
  async run(say) {
    let net: Namespaces;
    try {
      net = new Namespaces("n", "r");
    } catch {
      return { kind: "not run", why: "network namespaces cannot be made here; root can make them" };
    }
    try {
      net.connect("n", "r", "e0");
      net.ip("n", `addr add ${OWN}/24 dev e0`);
      net.ip("r", `addr add ${PEER}/24 dev e0`);
      return await hold(net, say);
    } finally {
      net.remove();
    }
  },
};

async function hold(net: Namespaces, say: (line: string) => void): Promise<Outcome> {
  const script = fileURLToPath(new URL("./bfd-peer.ts", import.meta.url));
  const words = [PEER, OWN, `${INTERVAL_MILLIS}`, `${MULTIPLIER}`];
  const command = ["netns", "exec", net.full("r"), ...precedence(), process.execPath, script, ...words];
  const peer = spawn("ip", command, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  let isUp = false;
  peer.once("message", () => (isUp = true));
  const { sessions } = startBfd(net, "n", [sessionTo(PEER, OWN, { multiplier: MULTIPLIER })]);
  try {
    await until("the session is up", () => isUp && sessions.stateOf(PEER) === "up", 15_000);
    await wait(SETTLE_MILLIS); // the intervals are being agreed
    for (let second = 0; second < SECONDS; second++) {
      if (second % 5 === 0) say(`second ${second} of ${SECONDS}`);
      const busyUntil = performance.now() + BLOCKED_MILLIS;
      while (performance.now() < busyUntil) JSON.parse(JSON.stringify({ busy: [1, 2, 3] }));
      await wait(1000 - BLOCKED_MILLIS);
    }
    await wait(SETTLE_MILLIS); // what the thread says of itself comes once a second
    const ownLossCount = sessions.status().reduce((sum, it) => sum + it.lossCount, 0);
    const answer = once(peer, "message") as Promise<[Watched]>;
    peer.send("stop");
    const [{ gaps, lossCount }] = await answer;
    const sorted = gaps.toSorted((a, b) => a - b);
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return {
      kind: "measured",
      measures: [
        { name: "false positives, ours and the peer's", value: ownLossCount + lossCount, unit: "", bound: NONE },
        { name: "between two packets as the peer gets them, median", value: at(0.5), unit: "ms" },
        { name: "between two packets, 99 of 100", value: at(0.99), unit: "ms" },
        { name: "between two packets, longest", value: at(1), unit: "ms", bound: STRETCH },
        { name: "packets that the peer got", value: gaps.length, unit: "packets" },
      ],
    };
  } finally {
    await sessions.close();
    peer.kill();
  }
}

/** The peer's clock is to measure us, not who else wants the processor; without the tool it measures both. */
const precedence = (): readonly string[] => (existsSync(CHRT) ? [CHRT, "--fifo", "10"] : []);
const CHRT = "/usr/bin/chrt";

const NONE = { kind: "at most", value: 0 } as const;
/** The interval may stretch to one less than the packets that may be missing. */
const STRETCH = { kind: "at most", value: (MULTIPLIER - 1) * INTERVAL_MILLIS } as const;
