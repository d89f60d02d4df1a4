import type { Scenario } from "../scenario.ts";
import { addressOn, NODE_AS, nodesOf, rackTopology, ROUTER_AS, ROUTER_LAN } from "../topology.ts";
import { bgpEnvironment, MARGIN_MILLIS, peersElsewhereFlags, START_BOUND_MILLIS } from "./settings.ts";
import { ALL_NODES, CONTROL_PLANE_TARGETS, controlPlaneRoutes, expectNoFailure, startDaemons } from "./stories.ts";

const PREFIX = "example.com";
/** The watch tells within milliseconds; a session takes a few round trips. */
const FOLLOWED_MILLIS = MARGIN_MILLIS;
/** Nobody has this address. */
const ABSENT = "10.10.0.99";
const ROUTER = `${ROUTER_LAN.v4},${ROUTER_LAN.v6}`;

const annotations = (named: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(named).map(([name, text]) => [`${PREFIX}/${name}`, text]));

export const nodeAnnotations: Scenario = {
  name: "node-annotations",
  summary: "peers come from kube-vip's annotations of the Nodes: waited for, followed, and a wrong one costs nothing",
  clientOnLan: false,
  routers: ["embedded", "frr"],
  manifestFlags: peersElsewhereFlags("--annotations", PREFIX),
  environment: bgpEnvironment,
  async play(lab) {
    const { rack } = lab;
    const { cluster } = rack;
    const hosts = nodesOf(rackTopology({ clientOnLan: false }));
    const annotate = async (name: string): Promise<void> => {
      const { v4 } = addressOn(
        hosts.find((host) => host.name === name)!,
        "lan",
      );
      const texts = { "node-asn": `${NODE_AS}`, "src-ip": v4, "peer-asn": `${ROUTER_AS}`, "peer-ip": ROUTER };
      await cluster.markNode(name, { annotations: annotations(texts) });
    };
    await annotate("n1");
    await annotate("n2");
    const started = await startDaemons(lab);
    await lab.routed("n1 and n2 are annotated", controlPlaneRoutes("n1 n2"), START_BOUND_MILLIS, started);
    lab.aim(CONTROL_PLANE_TARGETS);
    for (const target of CONTROL_PLANE_TARGETS) await lab.reached(target, "n1 n2", 2_000);
    const waiting = (await rack.node("n3").status())?.peers.length ?? null;
    lab.expect("peers of n3, which waits for its annotations", waiting, "", { equals: 0 });

    const comes = lab.step("n3 is annotated");
    await annotate("n3");
    await lab.routed("n3, too", controlPlaneRoutes(ALL_NODES), FOLLOWED_MILLIS, comes);
    for (const target of CONTROL_PLANE_TARGETS) await lab.reached(target, ALL_NODES, 2_000);

    const changes: string[] = [];
    lab.onRoute((vip, nodes) => changes.push(`${vip} by ${nodes}`));
    const wrong = lab.step("n1: an address that is none, and an AS that is none");
    const mistaken = annotations({ "peer-ip": `${ROUTER},10.10.0.1000`, "node-asn": "none" });
    await cluster.markNode("n1", { annotations: mistaken });
    await lab.within(
      "n1 says so",
      FOLLOWED_MILLIS,
      async () => {
        const said = ((await rack.node("n1").status())?.problems ?? []).filter((it) => it.includes(`${PREFIX}/`));
        return said.length === 2 || `it says: ${said.join("; ")}`;
      },
      wrong,
    );
    // A session that went by mistake would be gone for longer than this.
    await lab.pass(1_000);
    lab.expect("changes of the routes in the router's kernel", changes.join("; "), "", { equals: "" });

    lab.step("n1 is right again; n2 is to have another peer beside the router");
    await annotate("n1");
    await cluster.markNode("n2", { annotations: annotations({ "bgp-peers-1-peer-ip": ABSENT }) });
    await lab.within("n2 has three peers", FOLLOWED_MILLIS, async () => {
      const peers = ((await rack.node("n2").status())?.peers ?? []).map(({ address }) => address);
      return peers.join(",") === `${ROUTER},${ABSENT}` || peers.join(",");
    });
    await lab.pass(1_000);
    lab.expect("changes of the routes in the router's kernel, still", changes.join("; "), "", { equals: "" });

    const goes = lab.step("all addresses of peers are taken away from n2");
    await cluster.markNode("n2", {
      annotations: { [`${PREFIX}/peer-ip`]: null, [`${PREFIX}/bgp-peers-1-peer-ip`]: null },
    });
    await lab.routed("without n2", controlPlaneRoutes("n1 n3"), FOLLOWED_MILLIS, goes);
    for (const target of CONTROL_PLANE_TARGETS) await lab.reached(target, "n1 n3", 2_000);
    await expectNoFailure(lab, "all the time since n3 came", comes);
  },
};
