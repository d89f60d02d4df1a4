import { controlPlaneTarget, type Lab } from "../lab.ts";
import type { Scenario } from "../scenario.ts";
import { NODE_NAMES, VIPS } from "../topology.ts";
import { arpFlags, electionEnvironment, LEASE_FLAGS, MARGIN_MILLIS, START_BOUND_MILLIS } from "./settings.ts";
import { ALL_NODES, nodesOnSegment, startDaemons } from "./stories.ts";

const TARGETS = [controlPlaneTarget("VIP v4", VIPS.onLan.v4), controlPlaneTarget("VIP v6", VIPS.onLan.v6)];

const PROBE_SECONDS = 0.2;
/** Three questions without a good answer, the last of which may take its whole time limit. */
const PROBE_BOUND_MILLIS = 3 * PROBE_SECONDS * 1000 + 250 + MARGIN_MILLIS;

export const balancer: Scenario = {
  name: "balancer",
  summary: "elected VIP, connections spread over three API servers: one of them dies and returns",
  clientOnLan: true,
  routers: ["embedded"],
  kubes: ["embedded"],
  manifestFlags: [...arpFlags(), ...LEASE_FLAGS, "--enableLoadBalancer", "--lbForwardingMethod", "masquerade"],
  environment: { ...electionEnvironment, backend_health_check_interval: `${PROBE_SECONDS}` },
  async play(lab) {
    const { rack } = lab;
    for (const node of NODE_NAMES) await rack.namespaces.forward(node);
    const started = await startDaemons(lab);
    let holder = "";
    await lab.within(
      "one node has the VIP",
      START_BOUND_MILLIS,
      async () => {
        holder = await nodesOnSegment(lab, VIPS.onLan.v4);
        return NODE_NAMES.some((name) => name === holder) || `held by ${holder === "" ? "nobody" : holder}`;
      },
      started,
    );
    lab.aim(TARGETS);
    for (const target of TARGETS) await lab.reached(target, ALL_NODES, 5_000);

    const even = lab.step(`connections through ${holder} are spread`);
    await lab.pass(3_000);
    await rack.client.settled();
    for (const { name } of TARGETS) {
      lab.expect(`${name}: farthest from even`, deviation(lab, name, even), "of an even share", { atMost: 0.02 });
    }

    const victim = NODE_NAMES.find((name) => name !== holder)!;
    const others = NODE_NAMES.filter((name) => name !== victim).join(" ");
    const lost = lab.step(`the API server on ${victim} dies`);
    await rack.node(victim).stopApiServer();
    await lab.pass(PROBE_BOUND_MILLIS);
    const judged = lab.step("from now on no connection may fail");
    lab.note(`${victim}'s API server has been dead for ${Math.round(judged - lost)} ms`);
    for (const target of TARGETS) await lab.reached(target, others, 2_000);
    await lab.pass(2_000);
    for (const [target, { failed }] of await lab.figures(judged)) {
      lab.expect(`without ${victim}, ${target}: failed connections`, failed, "", { equals: 0 });
    }

    const back = lab.step(`the API server on ${victim} is back`);
    await rack.node(victim).startApiServer();
    for (const target of TARGETS) await lab.reached(target, ALL_NODES, 5_000);
    for (const [target, { failed }] of await lab.figures(back)) {
      lab.expect(`return of ${victim}, ${target}: failed connections`, failed, "", { equals: 0 });
    }
  },
};

/** How far the node with the most or the fewest answers since then is from an even share, as a part of it. */
function deviation({ rack }: Lab, target: string, since: number): number {
  const counts = new Map<string, number>(NODE_NAMES.map((name) => [name, 0]));
  for (const attempt of rack.client.attempts) {
    if (attempt.target !== target || attempt.startedAt < since || attempt.node === null) continue;
    counts.set(attempt.node, (counts.get(attempt.node) ?? 0) + 1);
  }
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const share = total / NODE_NAMES.length;
  return share === 0 ? 1 : Math.max(...[...counts.values()].map((count) => Math.abs(count - share) / share));
}
