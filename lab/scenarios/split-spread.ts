import type { Lab } from "../lab.ts";
import { machineMillis } from "../machine-time.ts";
import type { ServiceSpec } from "../rack/cluster.ts";
import type { Scenario } from "../scenario.ts";
import { NODE_NAMES } from "../topology.ts";
import { type HoldersWatch, whileWatched } from "./holders-watch.ts";
import {
  arpFlags,
  electionEnvironment,
  leaseFlags,
  MARGIN_MILLIS,
  SHORT_LEASE,
  START_BOUND_MILLIS,
  takeoverBoundMillis,
} from "./settings.ts";
import { startDaemons } from "./stories.ts";

/** Enough that each of three nodes has some of them, and the same ones in every run: who has which follows from the names. */
const SERVICES: readonly ServiceSpec[] = Array.from({ length: 9 }, (_, index) => ({
  name: `spread-${index}`,
  addresses: [`10.10.0.${140 + index}`],
  policy: "Cluster",
  endpoints: NODE_NAMES,
}));
const ADDRESSES = SERVICES.flatMap(({ addresses }) => addresses);
const DURATION_MILLIS = SHORT_LEASE.durationSeconds * 1000;
const TAKEOVER_BOUND_MILLIS = takeoverBoundMillis(SHORT_LEASE);
/** A node that is back takes its Lease within a retry period or two, and waits for one more. */
const RETURN_BOUND_MILLIS = 4 * SHORT_LEASE.retryPeriodSeconds * 1000 + MARGIN_MILLIS;

export const splitSpread: Scenario = {
  name: "split-spread",
  summary: "Services spread over members: cut off, stopped, API hangs; two owners for less than a Lease's duration",
  clientOnLan: true,
  routers: ["embedded"],
  kubes: ["embedded"],
  manifestFlags: [...arpFlags(), ...leaseFlags(SHORT_LEASE)],
  environment: { ...electionEnvironment, vipcast_services_election: "spread", vip_arpRate: "500" },
  scenarios: ["G3", "G4", "G8"],
  play: (lab) => whileWatched(lab, ADDRESSES, story, (watch) => watch.expectOverlap(DURATION_MILLIS)),
};

async function story(lab: Lab, watch: HoldersWatch): Promise<void> {
  const { rack } = lab;
  for (const spec of SERVICES) await rack.cluster.createService(spec);
  const started = await startDaemons(lab);
  const all = START_BOUND_MILLIS + TAKEOVER_BOUND_MILLIS;
  await lab.within(
    "each Service is on one node, each node has some",
    all,
    () => spreadOver(watch, NODE_NAMES),
    started,
  );
  const before = places(watch);
  if (rack.restartable === null) await expectQuiet(lab);

  const cut = lab.step("n1 is cut off from the API, not from the segment");
  await rack.namespaces.cut("n1", "mgmt");
  await lab.within("API cut: the others have them", TAKEOVER_BOUND_MILLIS, () => watch.eachOnOne(["n1"]), cut);
  // A node that took its own deafness for the death of the others would have everything by now, and for long.
  await lab.pass(DURATION_MILLIS + MARGIN_MILLIS);
  const joined = lab.step("n1 reaches the API again");
  await rack.namespaces.join("n1", "mgmt");
  await returned(lab, watch, before, "API back", joined);

  const stopped = lab.step("the daemon on n2 is stopped (SIGSTOP)");
  rack.node("n2").daemon.signal("SIGSTOP");
  await lab.within("SIGSTOP: the others have them", TAKEOVER_BOUND_MILLIS, () => watch.eachOnOne(["n2"]), stopped);
  const woken = lab.step("the daemon on n2 goes on (SIGCONT)");
  rack.node("n2").daemon.signal("SIGCONT");
  await returned(lab, watch, before, "SIGCONT", woken);

  if (lab.brief || rack.restartable !== null) return;
  lab.step("the API server answers nobody for a Lease's duration");
  await rack.cluster.misbehave({ hang: true });
  await lab.pass(DURATION_MILLIS);
  const back = lab.step("the API server answers again");
  await rack.cluster.misbehave({ hang: false });
  await returned(lab, watch, before, "API answers", back, TAKEOVER_BOUND_MILLIS + RETURN_BOUND_MILLIS);
}

/** With nothing to do each node renews its Lease and asks for nothing else, however many Services there are. */
async function expectQuiet(lab: Lab): Promise<void> {
  const { cluster } = lab.rack;
  const { durationSeconds, retryPeriodSeconds } = SHORT_LEASE;
  const sum = (counts: Readonly<Record<string, number>>, isRenewal: boolean): number =>
    Object.entries(counts)
      .filter(([kind]) => (kind === "PUT leases") === isRenewal)
      .reduce((total, [, count]) => total + count, 0);
  // The writes that follow from the start must be over: status and annotations of the Services.
  let [others, since] = [-1, 0];
  await lab.within("nothing is written any more", START_BOUND_MILLIS, async () => {
    const now = sum(await cluster.requests(), false);
    if (now !== others) [others, since] = [now, machineMillis()];
    return machineMillis() - since >= 1_500 || `${now} requests so far`;
  });
  const before = await cluster.requests();
  await lab.pass(durationSeconds * 1000);
  const after = await cluster.requests();
  // A Lease for each node and that of the control plane; each may have been renewed at both ends of the time.
  const leases = NODE_NAMES.length + 1;
  lab.expect("renewals while nothing changes", sum(after, true) - sum(before, true), "", {
    atMost: leases * (durationSeconds / retryPeriodSeconds + 1),
  });
  lab.expect("other requests while nothing changes", sum(after, false) - sum(before, false), "", { equals: 0 });
}

const places = (watch: HoldersWatch): string =>
  ADDRESSES.map((address) => `${address} ${watch.on(address)}`).join(", ");

/** Rendezvous hashing is stable: all is where it was. */
async function returned(
  lab: Lab,
  watch: HoldersWatch,
  before: string,
  what: string,
  since: number,
  boundMillis = RETURN_BOUND_MILLIS,
): Promise<void> {
  await lab.within(`${what}: all is where it was`, boundMillis, () => places(watch) === before || places(watch), since);
}

function spreadOver(watch: HoldersWatch, nodes: readonly string[]): true | string {
  const alone = watch.eachOnOne();
  if (alone !== true) return alone;
  const used = new Set(ADDRESSES.map((address) => watch.on(address)));
  return nodes.every((name) => used.has(name)) || `only ${[...used].join(" ")} have any`;
}
