#!/usr/bin/env node
/**
 * Where the one file of the bundle begins. The BFD thread is started from that same file, and must run nothing of the
 * command line.
 */
import { isMainThread } from "node:worker_threads";

if (isMainThread) await import("./main.ts");
else await import("../daemon/bfd-worker.ts");
