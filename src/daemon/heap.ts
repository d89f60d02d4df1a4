import { setFlagsFromString } from "node:v8";

/**
 * V8 takes memory for speed that a daemon has no use for: tens of MiB for objects that die young, and several times what
 * is alive before it looks for what is not. A node's memory belongs to its pods. Said before the heap has grown; the
 * threads that are started later follow. (`--optimize-for-size` keeps it smaller still, and makes each plan take twice
 * the time.)
 */
export function keepHeapSmall(): void {
  // Young objects stay in the space that they begin with: collected more often, each time for less long.
  setFlagsFromString("--semi-space-growth-factor=1");
  // What is alive may grow by this much before all of it is looked through.
  setFlagsFromString("--heap-growing-percent=25");
}
