import { serviceTarget } from "../lab.ts";
import type { ServiceSpec } from "../rack/cluster.ts";
import type { Scenario } from "../scenario.ts";
import { NODE_NAMES, VIPS } from "../topology.ts";
import { bgpEnvironment, bgpFlags } from "./settings.ts";
import { ALL_NODES, createService, expectNoFailure, startDaemons } from "./stories.ts";

/** A pod's time between the end of its readiness and its own, shortened. */
const TERMINATION_MILLIS = 1_000;

export const rollingUpdate: Scenario = {
  name: "rolling-update",
  summary: "policy Local: the pods of a Service are replaced one after the other, under load",
  clientOnLan: false,
  scenarios: ["C6"],
  manifestFlags: bgpFlags(),
  environment: bgpEnvironment,
  async play(lab) {
    const { rack } = lab;
    await startDaemons(lab);
    let spec: ServiceSpec = {
      name: "rolling",
      addresses: [VIPS.local.v4, VIPS.local.v6],
      policy: "Local",
      endpoints: NODE_NAMES,
    };
    await createService(lab, spec, ALL_NODES, 10_000);
    const targets = [serviceTarget("rolling v4", VIPS.local.v4), serviceTarget("rolling v6", VIPS.local.v6)];
    lab.aim(targets);
    for (const target of targets) await lab.reached(target, ALL_NODES, 2_000);

    const routes = (nodes: string): Record<string, string> => ({ [VIPS.local.v4]: nodes, [VIPS.local.v6]: nodes });
    const from = lab.step("the pods are replaced, each once the one before is ready");
    for (const name of NODE_NAMES) {
      const others = NODE_NAMES.filter((other) => other !== name);
      spec = { ...spec, endpoints: others, terminating: [name] };
      const since = lab.step(`the pod on ${name} terminates, and goes on serving until it ends`);
      await rack.cluster.changeEndpoints(spec);
      await lab.routed(`${name} terminates`, routes(others.join(" ")), TERMINATION_MILLIS, since);
      await lab.pass(TERMINATION_MILLIS);

      spec = { ...spec, terminating: [] };
      await rack.proxy(spec);
      await rack.cluster.changeEndpoints(spec);

      spec = { ...spec, endpoints: NODE_NAMES };
      await rack.proxy(spec);
      const again = lab.step(`its successor on ${name} is ready`);
      await rack.cluster.changeEndpoints(spec);
      await lab.routed(`${name} is ready again`, routes(ALL_NODES), 1_000, again);
    }
    await expectNoFailure(lab, "rolling update", from);
  },
};
