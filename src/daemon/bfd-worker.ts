/**
 * The BFD thread: an engine on a loop of its own, so that nothing that the main thread does makes a packet late. It
 * never comes back to Node's event loop; messages of the main thread are fetched when its signal is raised.
 */
import { createHash } from "node:crypto";
import { receiveMessageOnPort, workerData } from "node:worker_threads";
import { Instant } from "../base/time.ts";
import { BfdEngine } from "../bfd/session/engine.ts";
import { becomeRealTime, WakeSignal } from "../linux/io/datagram-calls.ts";
import { DatagramLoop } from "../linux/io/datagram-loop.ts";
import { systemEntropy } from "../linux/io/system-clock.ts";
import type { BfdSnapshot, BfdWorkerData, FromBfdWorker, ToBfdWorker } from "./bfd-messages.ts";

/** Above ordinary threads and nothing else: the kernel's own real-time threads begin at 50. */
const PRIORITY = 10;
/** How old the figures may be that somebody else sees. */
const SNAPSHOT_MILLIS = 1_000;
/** For the good-byes of the last sessions; the default intervals take 0.9 s. */
const CLOSE_MILLIS = 1_500;

const digest = (algorithm: "md5" | "sha1", bytes: Uint8Array): Uint8Array =>
  createHash(algorithm).update(bytes).digest();

/** Runs until it is told to close. */
export function runBfdWorker(): void {
  const { port, wakeFd } = workerData as BfdWorkerData;
  const tell = (message: FromBfdWorker): void => port.postMessage(message);
  tell({ type: "started", notRealTime: realTimeObstacle() });

  const loop = new DatagramLoop(new WakeSignal(wakeFd), () => {
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port))
      obey(next.message as ToBfdWorker);
  });
  const { clock } = loop;
  const engine: BfdEngine = new BfdEngine({
    clock,
    entropy: systemEntropy,
    network: loop,
    digests: { md5: (bytes) => digest("md5", bytes), sha1: (bytes) => digest("sha1", bytes) },
    onNotice: (notice) => tell({ type: "notice", notice, snapshot: snapshot() }),
  });
  const snapshot = (): BfdSnapshot => ({ sessions: engine.status(), counters: engine.counters() });

  const every = clock.alarm(() => {
    tell({ type: "snapshot", snapshot: snapshot() });
    every.set(Instant.add(clock.now(), SNAPSHOT_MILLIS));
  });
  every.set(Instant.add(clock.now(), SNAPSHOT_MILLIS));

  let closeBy: Instant | null = null;
  const closing = clock.alarm(() => {
    if (engine.isIdle || Instant.isDue(closeBy, clock.now())) loop.stop();
    else closing.set(Instant.add(clock.now(), 10));
  });
  const obey = (message: ToBfdWorker): void => {
    if (message.type === "set-sessions") {
      engine.setSessions(message.sessions);
      return;
    }
    engine.setSessions([]);
    closeBy = Instant.add(clock.now(), CLOSE_MILLIS);
    closing.set(clock.now());
  };
  try {
    loop.run();
  } finally {
    // Descriptors outlive the thread, and a port that is still held is not to be had by the next one.
    engine.close();
  }
}

function realTimeObstacle(): string | null {
  try {
    becomeRealTime(PRIORITY);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

if ((workerData as Partial<BfdWorkerData> | null)?.vipcastWorker === "bfd") runBfdWorker();
