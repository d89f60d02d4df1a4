import { SECOND_ROUTER, SecondRouter } from "../router/second.ts";
import type { Scenario } from "../scenario.ts";
import { bgpEnvironment, bgpFlags, MARGIN_MILLIS, RECONNECT_BOUND_MILLIS, START_BOUND_MILLIS } from "./settings.ts";
import { ALL_NODES, CONTROL_PLANE_TARGETS, controlPlaneRoutes, expectNoFailure, startDaemons } from "./stories.ts";

const OLD = "the-old-password";
const NEW = "the-new-password";
/** Of the other router, which has nothing to do with the change. */
const OTHER = "quite-another";
const FILE = "bgp-password";

/** What is still on its way when the keys change is lost, and the hold time may have to find that out. */
const ROLLOVER_BOUND_MILLIS = 3_000 + RECONNECT_BOUND_MILLIS + MARGIN_MILLIS;

export const md5Rollover: Scenario = {
  name: "md5-rollover",
  summary: "the password of the sessions changes on router and nodes; those with another router stay",
  clientOnLan: false,
  scenarios: ["A2"],
  peering: { password: OLD },
  manifestFlags: bgpFlags(`${SECOND_ROUTER.address}:${SECOND_ROUTER.asn}:${OTHER}:false`),
  files: { [FILE]: `${OLD}\n` },
  environment: { ...bgpEnvironment, vipcast_bgp_password_file: `{folder}/${FILE}` },
  async play(lab) {
    const { rack } = lab;
    const second = await SecondRouter.start(rack.processes, { password: OTHER, resetAfterMillis: null });
    const started = await startDaemons(lab);
    await lab.routed("signed sessions", controlPlaneRoutes(ALL_NODES), START_BOUND_MILLIS, started);
    await second.has(ALL_NODES, START_BOUND_MILLIS, lab.signal);
    lab.aim(CONTROL_PLANE_TARGETS);
    for (const target of CONTROL_PLANE_TARGETS) await lab.reached(target, ALL_NODES, 2_000);

    const changed = lab.step("the password changes on the router, and in the file of each node");
    await rack.router.changePassword(NEW);
    for (const node of rack.nodes) await node.replaceFile(FILE, `${NEW}\n`);
    await lab.within(
      "every node's sessions are up with the new password",
      ROLLOVER_BOUND_MILLIS,
      async () => {
        const states = await Promise.all(rack.nodes.map(async (node) => (await node.status())?.peers ?? []));
        const waiting = states.flat().filter(({ state }) => state !== "established");
        return (states.flat().length === 9 && waiting.length === 0) || `${waiting.length} sessions are not`;
      },
      changed,
    );
    await lab.routed("new password", controlPlaneRoutes(ALL_NODES), ROLLOVER_BOUND_MILLIS, changed);
    for (const target of CONTROL_PLANE_TARGETS) await lab.reached(target, ALL_NODES, 2_000);
    lab.expect("sessions with the other router that were lost", second.view.lost, "", { equals: 0 });
    lab.expect("connections that the other router has seen", second.view.connections.length, "", { equals: 3 });

    // Sessions that went on with the old key would be found out by now.
    const settled = lab.step("longer than the hold time passes");
    await lab.pass(4_000);
    await expectNoFailure(lab, "with the new password", settled);
    await lab.routed("new password, still", controlPlaneRoutes(ALL_NODES), 1_000);
  },
};
