import { type Lab, serviceTarget } from "../lab.ts";
import type { ServiceSpec } from "../rack/cluster.ts";
import { type NodeRouting, nodeRouting } from "../router/node-routing.ts";
import type { Scenario } from "../scenario.ts";
import { MAIN_TABLE, NODE_NAMES, VIP_TABLE, VIPS } from "../topology.ts";
import { MARGIN_MILLIS, START_BOUND_MILLIS, tableFlags } from "./settings.ts";
import {
  ALL_NODES,
  CONTROL_PLANE_TARGETS,
  controlPlaneRoutes,
  createService,
  daemonAnswers,
  startDaemons,
  stopDaemons,
  WEB,
  WEB_TARGETS,
} from "./stories.ts";

/** The kernel tells the node's routing daemon, and that one the router. */
const CHANGE_BOUND_MILLIS = 2 * MARGIN_MILLIS;

type Family = "v4" | "v6";

export const tableMode: Scenario = {
  name: "table-mode",
  summary: "routes in the nodes' table 198, which FRR or BIRD on each node announces: Services, losses, stops",
  clientOnLan: false,
  routers: ["frr", "bird"],
  kubes: ["embedded"],
  scenarios: ["B1", "C1", "C2", "H3"],
  manifestFlags: tableFlags(),
  environment: {},
  async play(lab) {
    const { rack } = lab;
    // FRR imports a table other than the main one for IPv4 only.
    const families: readonly Family[] = rack.options.router === "frr" ? ["v4"] : ["v4", "v6"];
    const routing = nodeRouting(rack);
    lab.step(`${rack.router.cli === "vtysh" ? "FRR" : "BIRD"} starts on every node, and reads table ${VIP_TABLE}`);
    await Promise.all([...routing.values()].map((one) => one.start()));
    const started = await startDaemons(lab);
    await lab.routed("control plane", routes("controlPlane", ALL_NODES, families), START_BOUND_MILLIS, started);
    await services(lab, families);
    await losses(lab, families);
    await restartOfRouting(lab, families, routing.get("n2")!);
    if (families.length < 2) await throughMainTable(lab);
    await stopDaemons(lab, [...Object.values(VIPS.controlPlane), ...Object.values(VIPS.web)]);
    for (const node of rack.nodes) {
      const left = [...(await node.routesIn(VIP_TABLE)), ...(await node.routesIn(MAIN_TABLE))];
      lab.expect(`routes left on ${node.name}`, left.join(", "), "", { equals: "" });
    }
  },
};

const routes = (vip: "controlPlane" | "web", nodes: string, families: readonly Family[]): Record<string, string> =>
  Object.fromEntries(families.map((family) => [VIPS[vip][family], nodes]));

/** From its creation to its end, with the policies and without endpoints. */
async function services(lab: Lab, families: readonly Family[]): Promise<void> {
  const { rack } = lab;
  const targets = families.map((family) => serviceTarget(`web ${family}`, VIPS.web[family]));
  let web: ServiceSpec = WEB;
  await rack.proxy(web);
  let since = lab.step(`Service ${web.name} is created: ${web.addresses.join(", ")}, policy ${web.policy}`);
  await rack.cluster.createService(web);
  const routed = (what: string, nodes: string): Promise<void> =>
    lab.routed(what, routes("web", nodes, families), CHANGE_BOUND_MILLIS, since);
  await routed("Service web", ALL_NODES);
  lab.aim(targets);
  for (const target of targets) await lab.reached(target, ALL_NODES, 3_000);
  for (const node of rack.nodes) {
    const expected = [...Object.values(VIPS.controlPlane), ...Object.values(VIPS.web)].toSorted().join(" ");
    lab.expect(`${node.name}: routes in table ${VIP_TABLE}`, (await node.routesIn(VIP_TABLE)).join(" "), "", {
      equals: expected,
    });
  }

  since = lab.step("somebody deletes the Service's routes on n2");
  await Promise.all(web.addresses.map((address) => rack.node("n2").removeRoute(address, VIP_TABLE)));
  await lab.within(
    "n2 has put them back",
    MARGIN_MILLIS,
    async () => (await rack.node("n2").routesIn(VIP_TABLE)).length === 4,
    since,
  );
  await routed("put back", ALL_NODES);

  web = { ...web, policy: "Local", endpoints: ["n3"] };
  since = lab.step("its policy changes to Local, its only endpoint is on n3");
  await rack.cluster.changeEndpoints(web);
  await rack.cluster.changePolicy(web.name, web.policy);
  await routed("Local", "n3");
  await rack.proxy(web);
  for (const target of targets) await lab.reached(target, "n3", 2_000);

  web = { ...web, endpoints: [] };
  since = lab.step("it is scaled to zero");
  await rack.cluster.changeEndpoints(web);
  await routed("without endpoints", "");

  web = { ...web, policy: "Cluster", endpoints: ["n1"] };
  since = lab.step("it has an endpoint again, and policy Cluster");
  await rack.proxy(web);
  await rack.cluster.changePolicy(web.name, web.policy);
  await rack.cluster.changeEndpoints(web);
  await routed("Cluster again", ALL_NODES);

  since = lab.step("it is deleted");
  await rack.cluster.deleteService(web);
  await routed("deleted", "");
  await rack.proxy({ ...web, endpoints: [] });
}

/** An API server that stops, and a daemon. */
async function losses(lab: Lab, families: readonly Family[]): Promise<void> {
  const { rack } = lab;
  const targets = CONTROL_PLANE_TARGETS.slice(0, families.length);
  const routed = (what: string, nodes: string, since: number, boundMillis = CHANGE_BOUND_MILLIS): Promise<void> =>
    lab.routed(what, routes("controlPlane", nodes, families), boundMillis, since);
  lab.aim(targets);
  for (const target of targets) await lab.reached(target, ALL_NODES, 3_000);
  let since = lab.step("the API server of n1 stops");
  await rack.node("n1").stopApiServer();
  await routed("without n1", "n2 n3", since);
  lab.expect("n1: addresses left", (await rack.node("n1").vips()).join(", "), "", { equals: "" });
  for (const target of targets) await lab.reached(target, "n2 n3", 2_000);
  since = lab.step("it is back");
  await rack.node("n1").startApiServer();
  await routed("with n1", ALL_NODES, since);

  since = lab.step("SIGTERM to the daemon on n3");
  await rack.node("n3").stopDaemon();
  await routed("without n3", "n1 n2", since);
  lab.expect("n3: routes left", (await rack.node("n3").routesIn(VIP_TABLE)).join(", "), "", { equals: "" });
  since = lab.step("SIGKILL to the daemon on n1, and both start again");
  const killed = rack.node("n1").daemon;
  killed.signal("SIGKILL");
  await killed.ended;
  lab.expect("n1: routes of the killed daemon", (await rack.node("n1").routesIn(VIP_TABLE)).length, "", { equals: 2 });
  for (const name of ["n1", "n3"]) {
    rack.node(name).startDaemon();
    await daemonAnswers(lab, rack.node(name));
  }
  await routed("all again", ALL_NODES, since, START_BOUND_MILLIS);
}

/** The routing daemon reads the table anew when it starts; the other way round was at the beginning. */
async function restartOfRouting(lab: Lab, families: readonly Family[], routing: NodeRouting): Promise<void> {
  let since = lab.step("the routing daemon on n2 stops");
  await routing.stop();
  await lab.routed("without n2", routes("controlPlane", "n1 n3", families), CHANGE_BOUND_MILLIS, since);
  since = lab.step("it starts again, and finds the routes in the table");
  await routing.start();
  await lab.routed("with n2", routes("controlPlane", ALL_NODES, families), START_BOUND_MILLIS, since);
}

async function throughMainTable(lab: Lab): Promise<void> {
  const { rack } = lab;
  const since = lab.step("the daemons are started anew with the main table, of which FRR takes both families");
  for (const name of NODE_NAMES) {
    const node = rack.node(name);
    await node.stopDaemon();
    node.startDaemon({ vip_routingtableid: `${MAIN_TABLE}` });
    await daemonAnswers(lab, node);
  }
  await lab.routed("through the main table", controlPlaneRoutes(ALL_NODES), START_BOUND_MILLIS, since);
  // The VIP of a Service is on no interface: what FRR knows of it, it has from the table.
  await createService(lab, WEB, ALL_NODES, CHANGE_BOUND_MILLIS);
  lab.aim(WEB_TARGETS);
  for (const target of WEB_TARGETS) await lab.reached(target, ALL_NODES, 3_000);
}
