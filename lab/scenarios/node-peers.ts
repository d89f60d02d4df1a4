import { SECOND_ROUTER, SecondRouter } from "../router/second.ts";
import type { Scenario } from "../scenario.ts";
import { NODE_AS, ROUTER_AS, ROUTER_LAN } from "../topology.ts";
import { bgpEnvironment, MARGIN_MILLIS, peersElsewhereFlags, START_BOUND_MILLIS } from "./settings.ts";
import { ALL_NODES, CONTROL_PLANE_TARGETS, controlPlaneRoutes, expectNoFailure, startDaemons } from "./stories.ts";

const RACK = "example.com/rack";
const OWN_AS = "example.com/own-as";
const NODE_OWN_AS = 65_002;

/** The watch tells within milliseconds; a session takes a few round trips. */
const RELABEL_BOUND_MILLIS = MARGIN_MILLIS;
/** Both sides have to end the session with the old AS before the new one is tried: a connect retry of the node. */
const NEW_AS_BOUND_MILLIS = 3_000 + MARGIN_MILLIS;

/** The router's peers, on the nodes of its rack alone. */
const SELECTED = [ROUTER_LAN.v4, ROUTER_LAN.v6].map((address) => ({
  address,
  as: ROUTER_AS,
  nodeSelector: { [RACK]: "a" },
}));

export const nodePeers: Scenario = {
  name: "node-peers",
  summary: "nodes are relabelled: just their sessions appear, end, or begin anew with another AS",
  clientOnLan: false,
  scenarios: ["A14"],
  routers: ["embedded", "frr"],
  peering: { anyAs: true },
  manifestFlags: peersElsewhereFlags(
    ...["--localAS", `${NODE_AS}`],
    ...["--bgppeers", `${SECOND_ROUTER.address}:${SECOND_ROUTER.asn}::false`],
  ),
  environment: {
    ...bgpEnvironment,
    vipcast_bgp_peers: JSON.stringify(SELECTED),
    vipcast_bgp_local_as_on_nodes: JSON.stringify([{ nodeSelector: { [OWN_AS]: "true" }, localAs: NODE_OWN_AS }]),
  },
  async play(lab) {
    const { rack } = lab;
    const { cluster } = rack;
    const second = await SecondRouter.start(rack.processes, { resetAfterMillis: null });
    const connectionsOf = (): string =>
      ["n1", "n2", "n3"].map((name) => second.view.connections.filter(({ node }) => node === name).length).join(" ");
    for (const name of ["n1", "n2"]) await cluster.markNode(name, { labels: { [RACK]: "a" } });
    const started = await startDaemons(lab);
    await lab.routed("with n1 and n2 in the rack", controlPlaneRoutes("n1 n2"), START_BOUND_MILLIS, started);
    await second.has(ALL_NODES, START_BOUND_MILLIS, lab.signal);
    lab.aim(CONTROL_PLANE_TARGETS);
    for (const target of CONTROL_PLANE_TARGETS) await lab.reached(target, "n1 n2", 2_000);

    const joins = lab.step("n3 is labelled into the rack");
    await cluster.markNode("n3", { labels: { [RACK]: "a" } });
    await lab.routed("with n3", controlPlaneRoutes(ALL_NODES), RELABEL_BOUND_MILLIS, joins);
    for (const target of CONTROL_PLANE_TARGETS) await lab.reached(target, ALL_NODES, 2_000);
    await expectNoFailure(lab, "n3 joins", joins);

    const leaves = lab.step("n1 is labelled out of it");
    await cluster.markNode("n1", { labels: { [RACK]: "b" } });
    await lab.routed("without n1", controlPlaneRoutes("n2 n3"), RELABEL_BOUND_MILLIS, leaves);
    for (const target of CONTROL_PLANE_TARGETS) await lab.reached(target, "n2 n3", 2_000);
    await expectNoFailure(lab, "n1 leaves", leaves);
    const peers = ((await rack.node("n1").status())?.peers ?? []).map(({ address }) => address);
    lab.expect("peers that are left on n1", peers.join(" "), "", { equals: SECOND_ROUTER.address });
    lab.expect("sessions with the other router that were lost", second.view.lost, "", { equals: 0 });

    const changes = lab.step(`n2 is labelled to have AS ${NODE_OWN_AS}`);
    await cluster.markNode("n2", { labels: { [OWN_AS]: "true" } });
    await lab.within(
      "n2 has begun anew with the other router",
      NEW_AS_BOUND_MILLIS,
      () => connectionsOf() === "1 2 1" || `connections by node: ${connectionsOf()}`,
      changes,
    );
    await lab.routed("with n2 in its own AS", controlPlaneRoutes("n2 n3"), NEW_AS_BOUND_MILLIS, changes);
    for (const target of CONTROL_PLANE_TARGETS) await lab.reached(target, "n2 n3", 2_000);
    await expectNoFailure(lab, "n2 changes its AS", changes);
    lab.expect("connections that the other router has seen, by node", connectionsOf(), "", { equals: "1 2 1" });
  },
};
