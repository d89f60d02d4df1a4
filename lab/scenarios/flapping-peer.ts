import { SECOND_ROUTER, SecondRouter } from "../router/second.ts";
import type { Scenario } from "../scenario.ts";
import { NODE_NAMES } from "../topology.ts";
import { bgpEnvironment, bgpFlags, MARGIN_MILLIS, MAX_IDLE_SECONDS, START_BOUND_MILLIS } from "./settings.ts";
import { ALL_NODES, CONTROL_PLANE_TARGETS, controlPlaneRoutes, expectNoFailure, startDaemons } from "./stories.ts";

const FLAPPING_MILLIS = 20_000;
/** Long enough for the session to come up each time. */
const RESET_AFTER_MILLIS = 150;

/**
 * Without any restraint a node would connect about a hundred times in that time. With waits of 1, 2 and then 4 s, each
 * of them shortened by at most a quarter by jitter, it is seven; the rest is for what comes in between.
 */
const CONNECTIONS_MAX = 10;

/** The longest wait that a node has got to by then, and its jitter. */
const RECOVERY_BOUND_MILLIS = MAX_IDLE_SECONDS * 1.25 * 1000 + MARGIN_MILLIS;

export const flappingPeer: Scenario = {
  name: "flapping-peer",
  summary: "a second router comes up and falls again and again: no storm, and the first one is not touched",
  clientOnLan: false,
  scenarios: ["A13", "F7"],
  manifestFlags: bgpFlags(`${SECOND_ROUTER.address}:${SECOND_ROUTER.asn}::false`),
  environment: bgpEnvironment,
  async play(lab) {
    const { rack } = lab;
    const second = await SecondRouter.start(rack.processes, { resetAfterMillis: null });
    const started = await startDaemons(lab);
    await lab.routed("control plane", controlPlaneRoutes(ALL_NODES), START_BOUND_MILLIS, started);
    await second.has(ALL_NODES, START_BOUND_MILLIS, lab.signal);
    lab.aim(CONTROL_PLANE_TARGETS);
    for (const target of CONTROL_PLANE_TARGETS) await lab.reached(target, ALL_NODES, 2_000);

    const changes: string[] = [];
    lab.onRoute((vip, nodes) => changes.push(`${vip} by ${nodes === "" ? "nobody" : nodes}`));
    const flapping = lab.step("the second router resets every session soon after it is up");
    second.change({ resetAfterMillis: RESET_AFTER_MILLIS, resetNow: true });
    await lab.pass(FLAPPING_MILLIS);
    for (const name of NODE_NAMES) {
      const count = second.view.connections.filter(({ node, at }) => node === name && at >= flapping).length;
      lab.expect(`${name}: connections in ${FLAPPING_MILLIS / 1000} s`, count, "", { atMost: CONNECTIONS_MAX });
      lab.expect(`${name}: it does not give up`, count, "", { atLeast: 3 });
    }

    const healed = lab.step("the second router is well again");
    second.change({ resetAfterMillis: null });
    await lab.within(
      "sessions with the second router",
      RECOVERY_BOUND_MILLIS,
      () => second.view.established.join(" ") === ALL_NODES || `with ${second.view.established.join(" ")}`,
      healed,
    );
    await lab.pass(2_000);
    lab.expect("nodes with a session, two seconds later", second.view.established.join(" "), "", { equals: ALL_NODES });
    lab.expect("changes of the routes in the first router's kernel", changes.join("; "), "", { equals: "" });
    await expectNoFailure(lab, "all the time", flapping);
  },
};
