import type { Scenario } from "../scenario.ts";
import { bgpEnvironment, bgpFlags, HOLD_BOUND_MILLIS, START_BOUND_MILLIS } from "./settings.ts";
import {
  ALL_NODES,
  CONTROL_PLANE_TARGETS,
  controlPlaneRoutes,
  createService,
  expectNoFailure,
  expectPowerLoss,
  startDaemons,
  WEB,
  WEB_TARGETS,
  webRoutes,
} from "./stories.ts";

const routes = (nodes: string): Record<string, string> => ({ ...controlPlaneRoutes(nodes), ...webRoutes(nodes) });

/** The three ways in which a node is lost without a word: its power, its daemon, and its daemon's attention. */
export const nodeLoss: Scenario = {
  name: "node-loss",
  summary: "a node loses power, a daemon crashes, a daemon hangs; each comes back",
  clientOnLan: false,
  scenarios: ["D4", "D5", "F4"],
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

    const lost = lab.step("n1 loses power");
    await rack.node("n1").powerOff();
    await lab.routed("without n1", routes("n2 n3"), HOLD_BOUND_MILLIS, lost);
    await expectPowerLoss(lab, lost, HOLD_BOUND_MILLIS);
    const back = lab.step("n1 has power again");
    await rack.node("n1").powerOn();
    await lab.routed("with n1 again", routes(ALL_NODES), START_BOUND_MILLIS, back);
    await expectNoFailure(lab, "return of n1", back);

    // The kernel closes the daemon's connections, which tells the router at once; the addresses stay, so what is
    // still on its way to the node is answered.
    const crashed = lab.step("the daemon on n2 is killed (SIGKILL)");
    rack.node("n2").daemon.signal("SIGKILL");
    await rack.node("n2").daemon.ended;
    await lab.routed("without n2's daemon", routes("n1 n3"), 1_000, crashed);
    lab.expect("control-plane addresses still on n2", (await rack.node("n2").vips()).length, "", { equals: 2 });
    const restarted = lab.step("the daemon on n2 starts again");
    rack.node("n2").startDaemon();
    await lab.routed("with n2's daemon again", routes(ALL_NODES), START_BOUND_MILLIS, restarted);
    lab.expect("control-plane addresses on n2, taken over", (await rack.node("n2").vips()).length, "", { equals: 2 });
    await expectNoFailure(lab, "crash of n2's daemon", crashed);

    const hung = lab.step("the daemon on n3 hangs (SIGSTOP)");
    rack.node("n3").daemon.signal("SIGSTOP");
    await lab.routed("without n3's daemon", routes("n1 n2"), HOLD_BOUND_MILLIS, hung);
    const awake = lab.step("the daemon on n3 goes on (SIGCONT)");
    rack.node("n3").daemon.signal("SIGCONT");
    await lab.routed("with n3's daemon again", routes(ALL_NODES), START_BOUND_MILLIS, awake);
    await expectNoFailure(lab, "hang of n3's daemon", hung);
  },
};
