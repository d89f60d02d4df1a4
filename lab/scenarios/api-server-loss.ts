import type { Scenario } from "../scenario.ts";
import { bgpEnvironment, bgpFlags, MARGIN_MILLIS, START_BOUND_MILLIS } from "./settings.ts";
import {
  ALL_NODES,
  CONTROL_PLANE_TARGETS,
  controlPlaneRoutes,
  createService,
  expectNoFailure,
  startDaemons,
  WEB,
  WEB_TARGETS,
  webRoutes,
} from "./stories.ts";

/** Three probes, a fifth of a second apart, decide within one second. */
const PROBE_BOUND_MILLIS = 1_000;

export const apiServerLoss: Scenario = {
  name: "api-server-loss",
  summary: "one node's API server dies: its control-plane route goes, nothing else does",
  clientOnLan: false,
  scenarios: ["H3"],
  manifestFlags: bgpFlags(),
  environment: bgpEnvironment,
  async play(lab) {
    const { rack } = lab;
    const started = await startDaemons(lab);
    await lab.routed("control plane", controlPlaneRoutes(ALL_NODES), START_BOUND_MILLIS, started);
    await createService(lab, WEB, ALL_NODES);
    lab.aim([...CONTROL_PLANE_TARGETS, ...WEB_TARGETS]);
    for (const target of CONTROL_PLANE_TARGETS) await lab.reached(target, ALL_NODES, 2_000);

    const lost = lab.step("the API server on n2 dies; node and daemon live");
    await rack.node("n2").stopApiServer();
    const bound = PROBE_BOUND_MILLIS + MARGIN_MILLIS;
    await lab.routed("without n2", { ...controlPlaneRoutes("n1 n3"), ...webRoutes(ALL_NODES) }, bound, lost);
    await lab.pass(300);
    for (const [target, { failed, impairedMillis, gapMillis }] of await lab.figures(lost)) {
      if (target.startsWith("web")) {
        lab.expect(`${target}: failed connections`, failed, "", { equals: 0 });
      } else {
        lab.expect(`${target}: failures end`, impairedMillis, "ms", { atMost: bound });
        lab.expect(`${target}: longest time without success`, gapMillis, "ms", { atMost: 500 });
      }
    }
    lab.expect("control-plane addresses left on n2", (await rack.node("n2").vips()).join(", "), "", { equals: "" });

    const back = lab.step("the API server on n2 is back");
    await rack.node("n2").startApiServer();
    await lab.routed("with n2 again", controlPlaneRoutes(ALL_NODES), 5_000, back);
    await expectNoFailure(lab, "return of n2's API server", back);

    // Without the API nobody can say that a Service has changed: what was announced stays.
    lab.aim(WEB_TARGETS);
    const gone = lab.step("the API is cut off from all nodes");
    await rack.namespaces.cut("api", "mgmt");
    await lab.routed("without any API server", { ...controlPlaneRoutes(""), ...webRoutes(ALL_NODES) }, bound, gone);
    await lab.pass(2_000);
    await expectNoFailure(lab, "without the API", gone);
    const healed = lab.step("the API is reachable again");
    await rack.namespaces.join("api", "mgmt");
    await lab.routed(
      "with the API again",
      { ...controlPlaneRoutes(ALL_NODES), ...webRoutes(ALL_NODES) },
      START_BOUND_MILLIS,
      healed,
    );
    await expectNoFailure(lab, "return of the API", healed);
  },
};
