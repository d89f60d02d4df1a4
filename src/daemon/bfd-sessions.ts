import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import type { Logger } from "pino";
import { Instant } from "../base/time.ts";
import type { BfdCounters, BfdNotice, BfdSessionConfig, BfdSessionStatus } from "../bfd/session/session-config.ts";
import { diagnosticName } from "../bfd/wire/control-packet.ts";
import { WakeSignal } from "../linux/io/datagram-calls.ts";
import type { Alarm, Clock } from "../ports/clock.ts";
import { emit } from "../telemetry/events.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { BfdSnapshot, BfdWorkerData, FromBfdWorker, ToBfdWorker } from "./bfd-messages.ts";

/**
 * What a BFD session says about the path to a client's peer. `down`: it was up, and is no more. `admin-down`: the peer
 * has turned BFD off, which is no failure. `unknown`: nothing has been said yet, or can be (RFC 5882 §3.2).
 */
export type PathState = "up" | "down" | "admin-down" | "unknown";

export interface PathChange {
  /** Of the client. */
  readonly name: string;
  readonly state: PathState;
  /** The peer's C bit (RFC 5882 §4.3). */
  readonly controlPlaneIndependent: boolean;
}

export interface BfdSessionsDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** The bundle is one file, which knows by the worker's data what it is to be; from source the worker is a file. */
const WORKER = import.meta.url.endsWith(".ts") ? new URL("bfd-worker.ts", import.meta.url) : new URL(import.meta.url);
/**
 * A small nursery: collecting it takes less than a packet may be late. What lives long is the sessions, which is little.
 */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 };
const RESTART_MILLIS = 1_000;
/** Longer than the worker takes for its good-byes. */
const CLOSE_MILLIS = 2_500;

interface Running {
  readonly worker: Worker;
  readonly port: MessagePort;
  readonly wake: WakeSignal;
  readonly gone: Promise<void>;
  isClosing: boolean;
}

/**
 * The BFD sessions of the daemon, as the main thread sees them. They live in a thread of their own, which is there as
 * long as there are sessions.
 */
export class BfdSessions {
  readonly #deps: BfdSessionsDeps;
  readonly #listeners: ((change: PathChange) => void)[] = [];
  readonly #states = new Map<string, PathState>();
  readonly #restart: Alarm;
  #wanted: readonly BfdSessionConfig[] = [];
  /** The thread is there whether or not there are sessions. */
  #isPrepared = false;
  #running: Running | null = null;
  #sessions: readonly BfdSessionStatus[] = [];
  #counted: BfdCounters = NOTHING;
  #saidNotRealTime = false;

  constructor(deps: BfdSessionsDeps) {
    this.#deps = deps;
    this.#restart = deps.clock.alarm(() => this.#start());
  }

  /**
   * Starts the thread before it is needed. It would else be started when a router has just learnt of this node, and take
   * the processor from what is to answer the first connections.
   */
  prepare(): void {
    this.#isPrepared = true;
    this.#start();
  }

  /** Makes the sessions those of `wanted`; what is the same as before is not touched. */
  setSessions(wanted: readonly BfdSessionConfig[]): void {
    if (JSON.stringify(wanted) === JSON.stringify(this.#wanted)) return;
    this.#wanted = wanted;
    const names = new Set(wanted.map(({ name }) => name));
    for (const name of this.#states.keys()) {
      if (names.has(name)) continue;
      this.#states.delete(name);
      this.#deps.metrics.bfdSessionUp.remove(name);
      this.#tell({ name, state: "unknown", controlPlaneIndependent: false });
    }
    if (wanted.length === 0 && !this.#isPrepared) this.#endWorker();
    else if (this.#running === null) this.#start();
    else if (!this.#running.isClosing) post(this.#running, { type: "set-sessions", sessions: wanted });
  }

  /** `listener` is called for each change of each client's path, in the order in which they happened. */
  onChange(listener: (change: PathChange) => void): void {
    this.#listeners.push(listener);
  }

  /** As of a second ago at most; changes of state are told at once. */
  status(): readonly BfdSessionStatus[] {
    return this.#sessions;
  }

  /** What the client `name` was last told. */
  stateOf(name: string): PathState {
    return this.#states.get(name) ?? "unknown";
  }

  /** Tells the peers that BFD ends here on purpose (AdminDown), then ends the thread. */
  async close(): Promise<void> {
    this.#wanted = [];
    this.#isPrepared = false;
    this.#restart.close();
    this.#listeners.length = 0;
    this.#endWorker();
    const running = this.#running;
    if (running === null) return;
    let limit: Alarm | null = null;
    const late = new Promise<void>((resolve) => {
      limit = this.#deps.clock.alarm(resolve);
      limit.set(Instant.add(this.#deps.clock.now(), CLOSE_MILLIS));
    });
    await Promise.race([running.gone, late]);
    (limit as Alarm | null)?.close();
    await running.worker.terminate();
  }

  #start(): void {
    if ((this.#wanted.length === 0 && !this.#isPrepared) || this.#running !== null) return;
    const wake = new WakeSignal();
    const { port1: port, port2 } = new MessageChannel();
    const workerData: BfdWorkerData = { vipcastWorker: "bfd", port: port2, wakeFd: wake.fd };
    const worker = new Worker(WORKER, {
      name: "bfd",
      workerData,
      transferList: [port2],
      resourceLimits: RESOURCE_LIMITS,
    });
    const gone = new Promise<void>((resolve) => void worker.once("exit", () => resolve()));
    const running: Running = { worker, port, wake, gone, isClosing: false };
    this.#running = running;
    port.on("message", (message: FromBfdWorker) => this.#hear(message));
    let failure: unknown = null;
    worker.on("error", (error) => void (failure = error));
    worker.once("exit", () => this.#ended(running, failure));
    post(running, { type: "set-sessions", sessions: this.#wanted });
  }

  #endWorker(): void {
    if (this.#running === null || this.#running.isClosing) return;
    this.#running.isClosing = true;
    post(this.#running, { type: "close" });
  }

  #ended(running: Running, failure: unknown): void {
    running.port.close();
    running.wake.close();
    this.#running = null;
    this.#sessions = [];
    this.#counted = NOTHING;
    if (running.isClosing) {
      this.#start();
      return;
    }
    // The routers have noticed, or will: nothing is known here, and nothing must be made of that.
    const error = failure instanceof Error ? failure.message : "it ended";
    emit(this.#deps.log, "bfd.worker.failed", { error }, `the BFD thread is gone: ${error}`);
    for (const { name } of this.#wanted) this.#become(name, "unknown", false);
    this.#restart.set(Instant.add(this.#deps.clock.now(), RESTART_MILLIS));
  }

  #hear(message: FromBfdWorker): void {
    if (message.type === "started") {
      if (message.notRealTime === null || this.#saidNotRealTime) return;
      this.#saidNotRealTime = true;
      const text = "the BFD thread has no precedence over others (CAP_SYS_NICE): a busy machine may cost sessions";
      emit(this.#deps.log, "bfd.not-real-time", { reason: message.notRealTime }, text);
      return;
    }
    this.#take(message.snapshot);
    if (message.type === "notice") this.#notice(message.notice);
  }

  #take({ sessions, counters }: BfdSnapshot): void {
    const { bfdPackets, bfdDiscarded } = this.#deps.metrics;
    const before = this.#counted;
    bfdPackets.inc({ direction: "sent" }, counters.sent - before.sent);
    bfdPackets.inc({ direction: "received" }, counters.received - before.received);
    bfdPackets.inc({ direction: "send-failed" }, counters.sendFailed - before.sendFailed);
    for (const [reason, count] of Object.entries(counters.discarded))
      bfdDiscarded.inc({ reason }, count - (before.discarded[reason as keyof typeof before.discarded] ?? 0));
    if (counters.dropped > before.dropped) bfdDiscarded.inc({ reason: "kernel" }, counters.dropped - before.dropped);
    this.#counted = counters;
    this.#sessions = sessions;
  }

  #notice(notice: BfdNotice): void {
    const { log, metrics } = this.#deps;
    if (notice.type === "stalled") metrics.bfdStalls.inc();
    for (const name of notice.names) {
      if (!this.#wanted.some((it) => it.name === name)) continue;
      const child = log.child({ component: "bfd", peer: name });
      switch (notice.type) {
        case "stalled": {
          const { lateMillis } = notice;
          const text = `local stall: ${Math.round(lateMillis)} ms late, asking the peer again`;
          emit(child, "bfd.stalled", { lateMillis: Math.round(lateMillis) }, text);
          break;
        }
        case "trouble":
          if (notice.trouble === null)
            emit(child, "bfd.session.recovered", {}, "the BFD session can do its work again");
          else emit(child, "bfd.session.trouble", { reason: notice.trouble }, notice.trouble);
          break;
        case "state-changed": {
          const { from, to, remoteState } = notice;
          const diagnostic = diagnosticName(notice.diagnostic);
          emit(child, "bfd.session.state", { from, to, diagnostic, remoteState }, `BFD session ${to}: ${diagnostic}`);
          const state = pathStateAfter(notice);
          if (state !== null) this.#become(name, state, notice.remoteControlPlaneIndependent);
        }
      }
    }
  }

  #become(name: string, state: PathState, controlPlaneIndependent: boolean): void {
    if (this.stateOf(name) === state) return;
    const { bfdSessionUp, bfdTransitions } = this.#deps.metrics;
    if (state === "up" || this.stateOf(name) === "up") bfdTransitions.inc({ peer: name, to: state });
    bfdSessionUp.set({ peer: name }, state === "up" ? 1 : 0);
    this.#states.set(name, state);
    this.#tell({ name, state, controlPlaneIndependent });
  }

  #tell(change: PathChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

const NOTHING: BfdCounters = { sent: 0, sendFailed: 0, received: 0, discarded: {}, dropped: 0 };

/**
 * RFC 5882 §3.2, §4.2: only a session that was up can fail, and one that somebody turned off has not failed. Null: no
 * news for a client.
 */
function pathStateAfter({ from, to, remoteState }: Extract<BfdNotice, { type: "state-changed" }>): PathState | null {
  if (to === "up") return "up";
  if (to === "admin-down" || remoteState === "admin-down") return "admin-down";
  return from === "up" ? "down" : null;
}

function post({ port, wake }: Running, message: ToBfdWorker): void {
  port.postMessage(message);
  wake.raise();
}
