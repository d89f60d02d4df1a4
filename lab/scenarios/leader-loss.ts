import type { Lab } from "../lab.ts";
import type { Scenario } from "../scenario.ts";
import { VIPS } from "../topology.ts";
import {
  bgpEnvironment,
  bgpFlags,
  electionEnvironment,
  LEASE_FLAGS,
  MARGIN_MILLIS,
  START_BOUND_MILLIS,
  TAKEOVER_BOUND_MILLIS,
} from "./settings.ts";
import { CONTROL_PLANE_TARGETS, controlPlaneRoutes, startDaemons } from "./stories.ts";
import { VipWatch } from "./watch.ts";

/** From the new Lease until the router has the route: nothing but work. */
const ANNOUNCE_BOUND_MILLIS = MARGIN_MILLIS;
/** A daemon that stops gives its Lease up; the others look once per retry period. */
const HANDOVER_BOUND_MILLIS = 5_000;

export const leaderLoss: Scenario = {
  name: "leader-loss",
  summary: "elected mode: the holder loses power, loses the API, stops; never two holders",
  clientOnLan: false,
  scenarios: ["G3", "G4"],
  manifestFlags: [...bgpFlags(), ...LEASE_FLAGS],
  environment: { ...bgpEnvironment, ...electionEnvironment },
  async play(lab) {
    const watch = new VipWatch(lab, { vip: VIPS.controlPlane, lease: "plndr-cp-lock", interfaceName: "lo" });
    try {
      await story(lab, watch);
    } finally {
      // Also when the story breaks off: two holders are the likeliest reason.
      watch.conclude();
    }
  },
};

async function story(lab: Lab, watch: VipWatch): Promise<void> {
  const { rack } = lab;
  const started = await startDaemons(lab);
  const first = await watch.newHolder("", START_BOUND_MILLIS, started);
  await lab.routed("the holder alone", controlPlaneRoutes(first), START_BOUND_MILLIS, started);
  lab.aim(CONTROL_PLANE_TARGETS);
  for (const target of CONTROL_PLANE_TARGETS) await lab.reached(target, first, 2_000);

  const moved = async (what: string, since: number, previous: string, boundMillis: number): Promise<string> => {
    const next = await watch.newHolder(previous, boundMillis, since);
    await lab.routed(
      `${what}: to the new holder`,
      controlPlaneRoutes(next),
      boundMillis + ANNOUNCE_BOUND_MILLIS,
      since,
    );
    for (const target of CONTROL_PLANE_TARGETS) await lab.reached(target, next, 2_000);
    for (const [target, { gapMillis }] of await lab.figures(since)) {
      lab.expect(`${what}, ${target}: longest time without success`, gapMillis, "ms", {
        atMost: boundMillis + ANNOUNCE_BOUND_MILLIS,
      });
    }
    lab.expect(`${what}: nodes with the address`, watch.addressOn, "", { equals: next });
    return next;
  };

  const lost = lab.step(`the holder ${first} loses power`);
  await rack.node(first).powerOff();
  watch.powerLost(first);
  const second = await moved("power loss", lost, first, TAKEOVER_BOUND_MILLIS);
  lab.step(`${first} has power again`);
  await rack.node(first).powerOn();
  watch.powerBack(first);
  await lab.within(`${first} has its sessions again`, START_BOUND_MILLIS, async () => {
    const peers = (await rack.node(first).status())?.peers ?? [];
    return peers.length === 2 && peers.every(({ state }) => state === "established");
  });
  await lab.pass(1_500);
  lab.expect("the returned node takes nothing away", watch.holder, "", { equals: second });

  const cut = lab.step(`the holder ${second} is cut off from the API, not from the LAN`);
  await rack.namespaces.cut(second, "mgmt");
  const third = await moved("API loss", cut, second, TAKEOVER_BOUND_MILLIS);
  lab.step(`${second} reaches the API again`);
  await rack.namespaces.join(second, "mgmt");
  await lab.pass(1_500);
  lab.expect("the healed node takes nothing away", watch.holder, "", { equals: third });

  const stopped = lab.step(`SIGTERM to the holder ${third}`);
  const end = rack.node(third).stopDaemon();
  await moved("graceful stop", stopped, third, HANDOVER_BOUND_MILLIS);
  lab.expect("graceful stop: exit code", (await end).code, "", { equals: 0 });
}
