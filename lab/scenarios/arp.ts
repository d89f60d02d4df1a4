import { controlPlaneTarget, type Lab } from "../lab.ts";
import type { Scenario } from "../scenario.ts";
import { LAN_INTERFACE, VIPS } from "../topology.ts";
import { clientsNeighbour } from "./neighbour.ts";
import {
  arpFlags,
  electionEnvironment,
  LEASE_FLAGS,
  MARGIN_MILLIS,
  START_BOUND_MILLIS,
  TAKEOVER_BOUND_MILLIS,
} from "./settings.ts";
import { startDaemons } from "./stories.ts";
import { VipWatch } from "./watch.ts";

const TARGETS = [controlPlaneTarget("VIP v4", VIPS.onLan.v4), controlPlaneTarget("VIP v6", VIPS.onLan.v6)];

/** From the new holder's address until the client's entry shows it: the first announcement goes out at once. */
const ANNOUNCE_BOUND_MILLIS = MARGIN_MILLIS;
const HANDOVER_BOUND_MILLIS = 5_000;

export const arp: Scenario = {
  name: "arp",
  summary: "one segment, elected VIP: the holder is lost and the client's neighbour entry moves",
  clientOnLan: true,
  scenarios: ["G1", "G2"],
  manifestFlags: [...arpFlags(), ...LEASE_FLAGS],
  environment: electionEnvironment,
  async play(lab) {
    const watch = new VipWatch(lab, { vip: VIPS.onLan, lease: "plndr-cp-lock", interfaceName: LAN_INTERFACE });
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
  lab.aim(TARGETS);
  for (const target of TARGETS) await lab.reached(target, first, 3_000);
  lab.expect("the client's neighbour entry", watch.neighbour, "", { equals: first });

  // There is no file to sample it from, as there is for IPv4.
  const neighbour6 = (): Promise<string> => clientsNeighbour(lab, VIPS.onLan.v6);

  const moved = async (what: string, since: number, previous: string, boundMillis: number): Promise<string> => {
    const next = await watch.newHolder(previous, boundMillis, since);
    const bound = boundMillis + ANNOUNCE_BOUND_MILLIS;
    await lab.within(
      `${what}: the client's IPv4 neighbour entry is ${next}`,
      bound,
      () => watch.neighbour === next || watch.neighbour,
      since,
    );
    await lab.within(
      `${what}: the client's IPv6 neighbour entry is ${next}`,
      bound,
      async () => {
        const owner = await neighbour6();
        return owner === next || owner;
      },
      since,
    );
    for (const target of TARGETS) await lab.reached(target, next, 2_000);
    for (const [target, { gapMillis }] of await lab.figures(since)) {
      lab.expect(`${what}, ${target}: longest time without success`, gapMillis, "ms", { atMost: bound });
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
  await lab.pass(2_500);
  lab.expect("the returned node takes nothing away", watch.holder, "", { equals: second });

  const stopped = lab.step(`SIGTERM to the holder ${second}`);
  const end = rack.node(second).stopDaemon();
  const third = await moved("graceful stop", stopped, second, HANDOVER_BOUND_MILLIS);
  lab.expect("graceful stop: exit code", (await end).code, "", { equals: 0 });
  lab.expect(`addresses left on ${second}`, (await rack.node(second).vips()).join(", "), "", { equals: "" });

  const cut = lab.step(`the holder ${third} is cut off from the API, not from the segment`);
  await rack.namespaces.cut(third, "mgmt");
  await moved("API loss", cut, third, TAKEOVER_BOUND_MILLIS);
}
