import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { parentPort, workerData } from "node:worker_threads";
import { Attack, type Finding } from "./attack.ts";
import { TARGETS } from "./targets.ts";

/** What the main thread asks of a worker. */
export interface WorkerTask {
  readonly target: string;
  readonly seed: number;
  readonly from: number;
  readonly count: number;
  /** One number: the input that is being tried. */
  readonly current: SharedArrayBuffer;
}

export interface WorkerAnswer {
  readonly finding: Finding | null;
  readonly seconds: number;
}

const BATCH = 5_000;
/** Heap that is still there at the end and was not after the warm-up. */
const GROWTH_OCTETS_MAX = 8 * 1024 * 1024;

// Decoders whose fault is an exception throw millions of them: a stack is taken only where one is a finding.
Error.stackTraceLimit = 0;
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

function run({ target: name, seed, from, count, current }: WorkerTask): WorkerAnswer {
  const target = TARGETS.find((one) => one.name === name)!;
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1_000;
  const attack = new Attack(target, seed, new Int32Array(current));
  const warm = Math.min(count, Math.max(attack.systematicCount, Math.ceil(count / 10)));
  let heapWarm: number | null = null;
  for (let index = 0; index < count; index += BATCH) {
    const finding = attack.run(from + index, from + Math.min(index + BATCH, count));
    if (finding !== null) return { finding, seconds: seconds() };
    if (heapWarm === null && index >= warm) heapWarm = heapUsed();
  }
  const grown = heapUsed() - (heapWarm ?? Infinity);
  if (grown <= GROWTH_OCTETS_MAX) return { finding: null, seconds: seconds() };
  const what = `the heap has grown by ${grown} octets over ${count} inputs`;
  return { finding: { target: name, seed, index: from, hex: "", what }, seconds: seconds() };
}

function heapUsed(): number {
  collect();
  return getHeapStatistics().used_heap_size;
}

parentPort!.postMessage(run(workerData as WorkerTask));
