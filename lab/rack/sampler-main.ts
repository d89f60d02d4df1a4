/**
 * Samples the kernel of the namespace it runs in, and says each change of state with its time.
 *
 * Usage: node sampler-main.ts ROUTE-PROTOCOL. Ends with its standard input, so it never outlives the lab.
 */
import { readFileSync } from "node:fs";
import { Netlink } from "../../src/linux/io/netlink.ts";
import { machineMillis } from "../machine-time.ts";
import type { SamplerLine } from "./sampler.ts";

const INTERVAL_MILLIS = 15;
const REPORT_MILLIS = 500;
const MAIN_TABLE = 254;

const protocol = Number(process.argv[2] ?? 0);
// Only read from: the number that marks our own addresses does not matter.
const netlink = new Netlink({ addressProtocol: 255 });

let previous = "";
let lastAt = machineMillis();
let spacings: number[] = [];

function sample(): void {
  const at = machineMillis();
  const previousAt = lastAt;
  spacings.push(Math.round((at - previousAt) * 10) / 10);
  lastAt = at;
  const names = new Map(netlink.links().map(({ index, name }) => [index, name]));
  const state = {
    addresses: netlink.addresses().map(({ interfaceIndex, address }) => `${names.get(interfaceIndex)} ${address}`),
    routes: netlink
      .routes({ table: MAIN_TABLE, protocol })
      .map(({ prefix, nextHops }) => [prefix, ...nextHops.map(({ via }) => via ?? "")].join(" ")),
    neighbours: neighbours(),
  };
  const text = JSON.stringify(state);
  if (text === previous) return;
  previous = text;
  say({ sample: { at, previousAt, ...state } });
}

/** Complete IPv4 entries of the kernel's neighbour table: address, flags and MAC are its columns 0, 2 and 3. */
function neighbours(): string[] {
  return readFileSync("/proc/net/arp", "utf8")
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const [address, , flags, mac] = line.split(/\s+/);
      return address && flags !== "0x0" ? [`${address} ${mac}`] : [];
    });
}

const say = (line: SamplerLine): boolean => process.stdout.write(`${JSON.stringify(line)}\n`);

setInterval(sample, INTERVAL_MILLIS);
// A change is seen when it happens, not when its turn comes.
netlink.watch(sample);
setInterval(() => {
  say({ spacings });
  spacings = [];
}, REPORT_MILLIS);
process.stdin.on("end", () => process.exit(0)).resume();
