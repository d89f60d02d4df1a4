/**
 * Reads one Lease over and over, and says each change of its holder with its time.
 *
 * Usage, in the API server's namespace: node lease-sampler-main.ts CA-FILE TOKEN-FILE LEASE. Ends with its standard input.
 */
import { readFileSync } from "node:fs";
import { machineMillis } from "../machine-time.ts";
import { Cluster } from "./cluster.ts";
import type { SamplerLine } from "./sampler.ts";

const INTERVAL_MILLIS = 15;
const REPORT_MILLIS = 500;

const [caFile = "", tokenFile = "", name = ""] = process.argv.slice(2);
const read = (path: string): string => readFileSync(path, "utf8");
const cluster = new Cluster({ socketPath: null, caPem: read(caFile), token: read(tokenFile) });

let holder: string | undefined;
let lastAt = machineMillis();
let spacings: number[] = [];

async function sample(): Promise<void> {
  const begunAt = machineMillis();
  const lease = await cluster.lease(name).catch(() => undefined);
  const at = machineMillis();
  if (lease !== undefined) {
    spacings.push(Math.round((at - lastAt) * 10) / 10);
    lastAt = at;
    const now = lease?.holder ?? "";
    if (now !== holder) {
      holder = now;
      say({ lease: { at, holder } });
    }
  }
  setTimeout(() => void sample(), Math.max(0, begunAt + INTERVAL_MILLIS - machineMillis()));
}

const say = (line: SamplerLine): boolean => process.stdout.write(`${JSON.stringify(line)}\n`);

void sample();
setInterval(() => {
  say({ spacings });
  spacings = [];
}, REPORT_MILLIS);
process.stdin.on("end", () => process.exit(0)).resume();
