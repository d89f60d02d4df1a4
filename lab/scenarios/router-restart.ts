import type { Scenario } from "../scenario.ts";
import { bgpEnvironment, bgpFlags, RECONNECT_BOUND_MILLIS, START_BOUND_MILLIS } from "./settings.ts";
import {
  ALL_NODES,
  CONTROL_PLANE_TARGETS,
  controlPlaneRoutes,
  createService,
  startDaemons,
  WEB,
  WEB_TARGETS,
  webRoutes,
} from "./stories.ts";

export const routerRestart: Scenario = {
  name: "router-restart",
  summary: "the router's BGP is killed and started again: all routes are back within a retry",
  clientOnLan: false,
  scenarios: ["A11", "F7"],
  manifestFlags: bgpFlags(),
  environment: bgpEnvironment,
  async play(lab) {
    const { rack } = lab;
    const started = await startDaemons(lab);
    await lab.routed("control plane", controlPlaneRoutes(ALL_NODES), START_BOUND_MILLIS, started);
    await createService(lab, WEB, ALL_NODES);
    const targets = [...CONTROL_PLANE_TARGETS, ...WEB_TARGETS];
    lab.aim(targets);
    for (const target of targets) await lab.reached(target, ALL_NODES, 2_000);

    for (const turn of ["first", "second"]) {
      lab.step(`the router's BGP is killed (SIGKILL), the ${turn} time`);
      await rack.router.crash();
      // Sessions that are down for longer than one retry: what is measured is the way back, not luck.
      await lab.pass(1_500);
      const back = lab.step("it is started again");
      await rack.router.start();
      const all = { ...controlPlaneRoutes(ALL_NODES), ...webRoutes(ALL_NODES) };
      await lab.routed(`${turn} return`, all, RECONNECT_BOUND_MILLIS, back);
      for (const target of targets) await lab.reached(target, ALL_NODES, 2_000);
      const settled = lab.step("a quiet second");
      await lab.pass(1_000);
      for (const [target, { failed }] of await lab.figures(settled)) {
        lab.expect(`${turn} return, ${target}: failed connections afterwards`, failed, "", { equals: 0 });
      }
    }
  },
};
