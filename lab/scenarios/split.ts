import { controlPlaneTarget, type Lab } from "../lab.ts";
import type { Scenario } from "../scenario.ts";
import { VIPS } from "../topology.ts";
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

const TARGET = controlPlaneTarget("VIP v4", VIPS.onLan.v4);
const ADDRESSES = [VIPS.onLan.v4, VIPS.onLan.v6];
const TAKEOVER_BOUND_MILLIS = takeoverBoundMillis(SHORT_LEASE);
/** From the last renewal that succeeded; the kernel may need a second more where the daemon cannot act. */
const GIVE_UP_BOUND_MILLIS = SHORT_LEASE.durationSeconds * 1000 + MARGIN_MILLIS;

export const split: Scenario = {
  name: "split",
  summary:
    "elected on a segment: cut off from the API, stopped past the Lease, API hangs and restarts; never two holders",
  clientOnLan: true,
  routers: ["embedded"],
  manifestFlags: [...arpFlags(), ...leaseFlags(SHORT_LEASE)],
  environment: { ...electionEnvironment, vip_arpRate: "500" },
  scenarios: ["G1", "G3", "G4"],
  play: (lab) => whileWatched(lab, ADDRESSES, story, (watch) => watch.expectOneHolder()),
};

async function story(lab: Lab, watch: HoldersWatch): Promise<void> {
  const { rack } = lab;
  const started = await startDaemons(lab);
  lab.aim([TARGET]);
  const first = await holder(lab, watch, "a first node has the VIP", [], START_BOUND_MILLIS, started);
  await lab.reached(TARGET, first, 3_000);

  const cut = lab.step(`${first} is cut off from the API, not from the segment`);
  await rack.namespaces.cut(first, "mgmt");
  const second = await holder(lab, watch, "API cut: another node has the VIP", [first], TAKEOVER_BOUND_MILLIS, cut);
  await lab.reached(TARGET, second, 2_000);
  await rack.namespaces.join(first, "mgmt");

  const stopped = lab.step(`the daemon on ${second} is stopped (SIGSTOP)`);
  const { daemon } = rack.node(second);
  daemon.signal("SIGSTOP");
  const third = await holder(lab, watch, "SIGSTOP: another node has the VIP", [second], TAKEOVER_BOUND_MILLIS, stopped);
  await lab.reached(TARGET, third, 2_000);
  lab.step(`the daemon on ${second} goes on (SIGCONT)`);
  daemon.signal("SIGCONT");
  await lab.pass(1_500);
  lab.expect("the woken node takes nothing away", watch.on(VIPS.onLan.v4), "", { equals: third });

  if (rack.restartable === null) await embeddedTroubles(lab, watch, third);
  else await realTroubles(lab, watch);
}

/** The API server takes requests and answers none; later its watches break again and again. */
async function embeddedTroubles(lab: Lab, watch: HoldersWatch, before: string): Promise<void> {
  const { cluster } = lab.rack;
  lab.step("watches break, five times");
  for (let i = 0; i < 5; i++) {
    await cluster.misbehave({ dropWatches: true });
    await lab.pass(200);
  }
  lab.expect("broken watches move nothing", watch.on(VIPS.onLan.v4), "", { equals: before });
  const hung = lab.step("the API server answers nobody");
  await cluster.misbehave({ hang: true });
  await gone(lab, watch, "API hangs: the VIP is given up", hung);
  const back = lab.step("the API server answers again");
  await cluster.misbehave({ hang: false });
  await holder(lab, watch, "API back: a node has the VIP", [], TAKEOVER_BOUND_MILLIS, back);
}

async function realTroubles(lab: Lab, watch: HoldersWatch): Promise<void> {
  const killed = lab.step("kube-apiserver is killed");
  await lab.rack.restartable!.killApiServer();
  await gone(lab, watch, "API down: the VIP is given up", killed);
  lab.step("kube-apiserver starts again");
  await lab.rack.restartable!.startApiServer();
  const back = lab.step("kube-apiserver is ready");
  await holder(lab, watch, "API back: a node has the VIP", [], TAKEOVER_BOUND_MILLIS, back);
}

/** Waits until both addresses are on one node, which is none of `without`. */
async function holder(
  lab: Lab,
  watch: HoldersWatch,
  what: string,
  without: readonly string[],
  boundMillis: number,
  since: number,
): Promise<string> {
  await lab.within(what, boundMillis, () => watch.eachOnOne(without), since);
  return watch.on(VIPS.onLan.v4);
}

async function gone(lab: Lab, watch: HoldersWatch, what: string, since: number): Promise<void> {
  await lab.within(
    what,
    GIVE_UP_BOUND_MILLIS,
    () => {
      const nodes = ADDRESSES.map((address) => watch.on(address)).join("");
      return nodes === "" || nodes;
    },
    since,
  );
}
