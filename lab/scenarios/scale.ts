import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Lab } from "../lab.ts";
import { machineMillis } from "../machine-time.ts";
import type { ServiceSpec } from "../rack/cluster.ts";
import { command } from "../rack/command.ts";
import type { Scenario } from "../scenario.ts";
import { NODE_NAMES } from "../topology.ts";
import { waitFor } from "../wait.ts";
import { bgpEnvironment, bgpFlags, LEASE, LEASE_FLAGS, START_BOUND_MILLIS } from "./settings.ts";
import { daemonAnswers } from "./stories.ts";

const NODE = "n1";
const SERVICES_COUNT = 10_000;
const BRIEF_COUNT = 2_000;
/** A while of them goes by before V8 has compiled what they need. */
const CHANGES_COUNT = 250;
/** Requests of the lab that are under way at a time. */
const LANES_COUNT = 8;

/** The limits of the design. */
const ROUTES_BOUND_MILLIS = 3_000;
const CHANGE_BOUND_MILLIS = { median: 50, p99: 250 } as const;
const RESIDENT_BOUND_MIB = 180;

export const scale: Scenario = {
  name: "scale",
  summary: "10,000 Services with 30,000 endpoints: cold start, single changes, memory, requests while nothing changes",
  clientOnLan: false,
  withoutRouteTimeline: true,
  kubes: ["real"],
  routers: ["embedded"],
  scenarios: ["B13"],
  manifestFlags: [...bgpFlags(), ...LEASE_FLAGS],
  environment: bgpEnvironment,
  async play(lab) {
    const { rack } = lab;
    const count = lab.brief ? BRIEF_COUNT : SERVICES_COUNT;
    const specs = Array.from({ length: count }, (_, index) => specOf(index));
    lab.step(`${count} Services with ${count * NODE_NAMES.length} endpoints are created`);
    await inLanes(specs, (spec) => rack.cluster.createService(spec));

    const node = rack.node(NODE);
    lab.step(`the daemon on ${NODE} starts`);
    node.startDaemon();
    await daemonAnswers(lab, node);
    await expectRoutes(lab, "cold start", count);
    await expectQuiet(lab);
    expectMemory(lab, "after the start");
    await expectChanges(lab, specs);
    expectMemory(lab, "after the changes");

    lab.step("all Services are deleted at once");
    const since = machineMillis();
    await inLanes(specs, (spec) => rack.cluster.deleteService(spec));
    lab.note(`the lab took ${Math.round(machineMillis() - since)} ms to delete them`);
    await lab.within("their routes are gone after the last was deleted", ROUTES_BOUND_MILLIS, async () => {
      const left = await routesCount(lab);
      return left === 0 || `${left} routes`;
    });
    lab.expect("sessions that were reset", sessionsLost(lab), "", { equals: 0 });
    await node.stopDaemon();
  },
};

const addressOf = (index: number, net: number): string => `10.${net}.${index >> 8}.${index & 255}`;

const specOf = (index: number): ServiceSpec => ({
  name: `scale-${index}`,
  addresses: [addressOf(index, 64)],
  policy: "Cluster",
  endpoints: NODE_NAMES,
});

async function inLanes<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const left = all.values();
  await Promise.all(
    Array.from({ length: LANES_COUNT }, async () => {
      for (const one of left) await work(one);
    }),
  );
}

/** Host routes of the Services in the kernel of the router. */
async function routesCount({ rack }: Lab): Promise<number> {
  const table = await command(["ip", "-n", rack.namespaces.name("router"), "-4", "route", "show"]);
  return table.split("\n").filter((line) => /^10\.6[45]\.\d+\.\d+ /.test(line)).length;
}

async function expectRoutes(lab: Lab, what: string, count: number): Promise<void> {
  let syncedAt: number | null = null;
  await lab.within(`${what}: the first lists are in`, START_BOUND_MILLIS, async () => {
    syncedAt = await loggedAt(lab, "kube.synced");
    return syncedAt !== null;
  });
  // The daemon's log has the time of day, everything else here the machine's.
  const since = machineMillis() - (Date.now() - syncedAt!);
  const done = async () => {
    const present = await routesCount(lab);
    return present === count || `${present} of ${count} routes`;
  };
  await lab.within(`${what}: all routes in the router's kernel, after the lists`, ROUTES_BOUND_MILLIS, done, since);
}

/** When the daemon first logged the event, as time of day; null when it has not. */
async function loggedAt({ rack }: Lab, event: string): Promise<number | null> {
  const line = (await readFile(rack.node(NODE).daemon.log, "utf8"))
    .split("\n")
    .find((one) => one.includes(`"event":"${event}"`));
  const time = /"time":"([^"]+)"/.exec(line ?? "")?.[1];
  return time === undefined ? null : Date.parse(time);
}

/** With nothing to do the daemon renews its Leases and asks for nothing else, however many Services there are. */
async function expectQuiet(lab: Lab): Promise<void> {
  const { cluster } = lab.rack;
  const others = (counts: Readonly<Record<string, number>>): number =>
    Object.entries(counts).reduce((total, [kind, count]) => total + (kind === "PUT leases" ? 0 : count), 0);
  // The status of each Service is written once; the lab hurries nobody.
  let [last, since] = [-1, 0];
  const begun = machineMillis();
  await lab.within("each status is written, and nothing else", 120_000, async () => {
    const now = others(await cluster.requests());
    if (now !== last) [last, since] = [now, machineMillis()];
    return machineMillis() - since >= 3_000 || `${now} requests so far`;
  });
  lab.note(`the statuses took ${Math.round(machineMillis() - begun)} ms`);
  const before = await cluster.requests();
  const seconds = 4 * LEASE.durationSeconds;
  await lab.pass(seconds * 1000);
  const after = await cluster.requests();
  const renewals = (after["PUT leases"] ?? 0) - (before["PUT leases"] ?? 0);
  lab.expect("renewals while nothing changes", renewals, "", {
    atLeast: 1,
    atMost: 2 * (seconds / LEASE.retryPeriodSeconds + 1),
  });
  lab.expect("other requests while nothing changes", others(after) - others(before), "", { equals: 0 });
}

function expectMemory(lab: Lab, when: string): void {
  const status = readFileSync(`/proc/${lab.rack.node(NODE).daemon.pid}/status`, "utf8");
  const mebibytes = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024;
  lab.expect(`resident memory ${when}`, mebibytes("VmRSS"), "MiB", { atMost: RESIDENT_BOUND_MIB });
  lab.note(`at most ${mebibytes("VmHWM").toFixed(0)} MiB were resident`);
}

/** Services get other addresses, one after the other: from the request to the route in the router's kernel. */
async function expectChanges(lab: Lab, specs: readonly ServiceSpec[]): Promise<void> {
  const { rack } = lab;
  lab.step(`${CHANGES_COUNT} Services get another address, one after the other`);
  const seenAt = new Map<string, number>();
  const monitor = rack.processes.start({
    name: "route-monitor",
    host: "router",
    comesFirst: true,
    argv: ["ip", "-4", "-o", "monitor", "route"],
    onLine: (line) => {
      const address = /^(10\.65\.\S+)/.exec(line)?.[1];
      if (address !== undefined && !seenAt.has(address)) seenAt.set(address, machineMillis());
    },
  });
  const took: number[] = [];
  const processorBefore = processorMillis(lab);
  for (let round = 0; round < CHANGES_COUNT; round++) {
    const index = Math.floor((round * specs.length) / CHANGES_COUNT);
    const address = addressOf(index, 65);
    const asked = machineMillis();
    await rack.cluster.changeAddresses(specs[index]!.name, [address]);
    await waitFor(`the route of ${address}`, START_BOUND_MILLIS, () => seenAt.has(address), {
      everyMillis: 2,
      signal: lab.signal,
    });
    took.push(seenAt.get(address)! - asked);
    // Not in step with anything that the daemon does at intervals.
    await lab.pass(20 + ((round * 37) % 60));
  }
  monitor.signal("SIGKILL");
  const processor = (processorMillis(lab) - processorBefore) / CHANGES_COUNT;
  lab.note(`the daemon used ${processor.toFixed(1)} ms of a processor for each change`);
  took.sort((a, b) => a - b);
  const at = (part: number): number => took[Math.min(took.length - 1, Math.floor(took.length * part))]!;
  lab.expect("one change, from the request to the route: median", at(0.5), "ms", {
    atMost: CHANGE_BOUND_MILLIS.median,
  });
  lab.expect("one change, from the request to the route: p99", at(0.99), "ms", { atMost: CHANGE_BOUND_MILLIS.p99 });
}

/** What the daemon has used so far, all of its threads: fields 14 and 15 of proc(5), in hundredths of a second. */
function processorMillis({ rack }: Lab): number {
  const stat = readFileSync(`/proc/${rack.node(NODE).daemon.pid}/stat`, "utf8");
  const [user = 0, system = 0] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13)
    .map(Number);
  return (user + system) * 10;
}

function sessionsLost({ rack }: Lab): number {
  const log = readFileSync(rack.node(NODE).daemon.log, "utf8");
  return log.split("\n").filter((line) => line.includes('"from":"established"')).length;
}
