import { serviceTarget } from "../lab.ts";
import type { ServiceSpec } from "../rack/cluster.ts";
import type { Scenario } from "../scenario.ts";
import { VIPS } from "../topology.ts";
import { bgpEnvironment, bgpFlags, DRAIN_BOUND_MILLIS, HOLD_BOUND_MILLIS, START_BOUND_MILLIS } from "./settings.ts";
import {
  ALL_NODES,
  CONTROL_PLANE_TARGETS,
  controlPlaneRoutes,
  createService,
  expectNoFailure,
  expectPowerLoss,
  startDaemons,
  stopDaemons,
  WEB,
  WEB_TARGETS,
  webRoutes,
} from "./stories.ts";

/** Reached only where it has endpoints: n2 and n3. */
const LOCAL: ServiceSpec = { name: "local", addresses: [VIPS.local.v4], policy: "Local", endpoints: ["n2", "n3"] };
const LOCAL_TARGET = serviceTarget("local v4", VIPS.local.v4);

export const tour: Scenario = {
  name: "tour",
  summary: "announce, reach, lose a node's power, get it back, drain another, leave nothing behind",
  clientOnLan: false,
  scenarios: ["B1", "C1", "D3", "D4", "D5", "H2"],
  manifestFlags: bgpFlags(),
  environment: bgpEnvironment,
  async play(lab) {
    const { rack } = lab;
    const started = await startDaemons(lab);
    await lab.routed(
      "control plane, ECMP over three nodes",
      controlPlaneRoutes(ALL_NODES),
      START_BOUND_MILLIS,
      started,
    );
    await createService(lab, WEB, ALL_NODES);
    await createService(lab, LOCAL, "n2 n3");
    await lab.within("status of Service web has its addresses", 2_000, async () => {
      const ingress = (await rack.cluster.ingress("web")).toSorted().join(" ");
      return ingress === WEB.addresses.toSorted().join(" ") || ingress;
    });

    lab.step("the client opens a connection to each address every 5 ms");
    lab.aim([...CONTROL_PLANE_TARGETS, ...WEB_TARGETS, LOCAL_TARGET]);
    for (const target of [...CONTROL_PLANE_TARGETS, ...WEB_TARGETS]) await lab.reached(target, ALL_NODES, 2_000);
    await lab.reached(LOCAL_TARGET, "n2 n3", 2_000);
    for (const vip of [VIPS.controlPlane.v4, VIPS.controlPlane.v6]) {
      await lab.within(`the Kubernetes API answers at ${vip}`, 3_000, () => rack.apiAnswersAt(vip));
    }

    lab.step("vipcast status and vipcast explain, on n1");
    // 0: all is well. 3: this node does not announce it.
    lab.show(`$ vipcast status\n${await rack.node("n1").vipcast(["status"], 0)}\n`);
    lab.show(`$ vipcast explain default/local\n${await rack.node("n1").vipcast(["explain", "default/local"], 3)}\n`);
    const everywhere = await rack.node("n1").vipcast(["explain", "default/local", "--node", "all"], 0);
    lab.show(`$ vipcast explain default/local --node all\n${everywhere}`);

    const quiet = lab.step("a quiet second");
    await lab.pass(1_000);
    await expectNoFailure(lab, "quiet", quiet);

    const lost = lab.step("n3 loses power");
    await rack.node("n3").powerOff();
    const without = { ...controlPlaneRoutes("n1 n2"), ...webRoutes("n1 n2"), [VIPS.local.v4]: "n2" };
    await lab.routed("without n3", without, HOLD_BOUND_MILLIS, lost);
    await expectPowerLoss(lab, lost, HOLD_BOUND_MILLIS);

    const back = lab.step("n3 has power again");
    await rack.node("n3").powerOn();
    const full = { ...controlPlaneRoutes(ALL_NODES), ...webRoutes(ALL_NODES), [VIPS.local.v4]: "n2 n3" };
    await lab.routed("with n3 again", full, START_BOUND_MILLIS, back);
    await expectNoFailure(lab, "return of n3", back);

    const drained = lab.step("n2 is drained: SIGTERM to its daemon");
    const end = rack.node("n2").stopDaemon();
    const rest = { ...controlPlaneRoutes("n1 n3"), ...webRoutes("n1 n3"), [VIPS.local.v4]: "n3" };
    await lab.routed("without n2", rest, DRAIN_BOUND_MILLIS, drained);
    lab.expect("drain: exit code", (await end).code, "", { equals: 0 });
    await lab.pass(500);
    await expectNoFailure(lab, "drain of n2", drained);

    lab.aim([]);
    await stopDaemons(lab, [...WEB.addresses, ...LOCAL.addresses, VIPS.controlPlane.v4, VIPS.controlPlane.v6]);
    lab.expect("addresses left on n2", (await rack.node("n2").vips()).join(", "), "", { equals: "" });
  },
};
