import { serviceTarget } from "../lab.ts";
import type { ServiceSpec } from "../rack/cluster.ts";
import type { Scenario } from "../scenario.ts";
import { VIPS } from "../topology.ts";
import { bgpEnvironment, bgpFlags, START_BOUND_MILLIS } from "./settings.ts";
import { ALL_NODES, controlPlaneRoutes, createService, startDaemons, WEB, webRoutes } from "./stories.ts";

const movedRoutes = (nodes: string): Record<string, string> => ({
  [VIPS.webMoved.v4]: nodes,
  [VIPS.webMoved.v6]: nodes,
});

export const serviceLifecycle: Scenario = {
  name: "service-lifecycle",
  summary: "a Service is created, moved, made Local, scaled to zero and back, and deleted",
  clientOnLan: false,
  scenarios: ["B1", "C1", "C2", "C4", "C8"],
  manifestFlags: bgpFlags(),
  environment: bgpEnvironment,
  async play(lab) {
    const { rack } = lab;
    const started = await startDaemons(lab);
    await lab.routed("control plane", controlPlaneRoutes(ALL_NODES), START_BOUND_MILLIS, started);
    await createService(lab, WEB, ALL_NODES);
    const before = serviceTarget("web v4", VIPS.web.v4);
    lab.aim([before]);
    await lab.reached(before, ALL_NODES, 2_000);

    let web: ServiceSpec = { ...WEB, addresses: [VIPS.webMoved.v4, VIPS.webMoved.v6] };
    let since = lab.step(`its addresses change to ${web.addresses.join(", ")}`);
    await rack.proxy(web);
    await rack.cluster.changeAddresses(web.name, web.addresses);
    await lab.routed("after the change", { ...webRoutes(""), ...movedRoutes(ALL_NODES) }, 1_000, since);
    await rack.proxy({ ...WEB, endpoints: [] });
    const v4 = serviceTarget("moved v4", VIPS.webMoved.v4);
    const v6 = serviceTarget("moved v6", VIPS.webMoved.v6);
    lab.aim([v4, v6]);
    await lab.reached(v4, ALL_NODES, 2_000);
    await lab.reached(v6, ALL_NODES, 2_000);

    web = { ...web, endpoints: ["n1", "n2"] };
    since = lab.step("its endpoints are now on n1 and n2; policy Cluster does not care");
    await rack.cluster.changeEndpoints(web);
    await lab.pass(700);
    await lab.routed("Cluster, endpoints on two nodes", movedRoutes(ALL_NODES), 2_000, since);

    web = { ...web, policy: "Local" };
    since = lab.step("its policy changes to Local");
    await rack.cluster.changePolicy(web.name, web.policy);
    await lab.routed("Local", movedRoutes("n1 n2"), 1_000, since);
    await rack.proxy(web);
    await lab.reached(v4, "n1 n2", 2_000);

    web = { ...web, endpoints: ["n3"] };
    since = lab.step("its only endpoint moves to n3");
    await rack.proxy(web);
    await rack.cluster.changeEndpoints(web);
    await lab.routed("Local, endpoint moved", movedRoutes("n3"), 1_000, since);
    await lab.reached(v6, "n3", 2_000);

    web = { ...web, endpoints: [] };
    since = lab.step("it is scaled to zero");
    await rack.cluster.changeEndpoints(web);
    await lab.routed("without endpoints", movedRoutes(""), 1_000, since);
    await rack.proxy(web);
    const silent = await lab.figures(since);
    lab.expect("without endpoints, moved v4: connections fail", silent.get(v4.name)?.failed ?? 0, "", { atLeast: 1 });

    web = { ...web, endpoints: ["n2", "n3"] };
    since = lab.step("it is scaled up again, on n2 and n3");
    await rack.proxy(web);
    await rack.cluster.changeEndpoints(web);
    await lab.routed("scaled up", movedRoutes("n2 n3"), 1_000, since);
    await lab.reached(v4, "n2 n3", 2_000);

    web = { ...web, policy: "Cluster" };
    since = lab.step("its policy changes back to Cluster");
    await rack.proxy(web);
    await rack.cluster.changePolicy(web.name, web.policy);
    await lab.routed("Cluster again", movedRoutes(ALL_NODES), 1_000, since);
    await lab.reached(v4, ALL_NODES, 2_000);

    since = lab.step("it is deleted");
    await rack.cluster.deleteService(web);
    await lab.routed("deleted", { ...movedRoutes(""), ...webRoutes("") }, 1_000, since);
    await rack.proxy({ ...web, endpoints: [] });
    const deleted = await lab.figures(since);
    lab.expect("deleted, moved v4: connections fail", deleted.get(v4.name)?.failed ?? 0, "", { atLeast: 1 });
    await lab.routed("control plane, all the time the same", controlPlaneRoutes(ALL_NODES), 1_000);
  },
};
