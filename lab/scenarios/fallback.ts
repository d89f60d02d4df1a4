import { controlPlaneTarget } from "../lab.ts";
import type { Scenario } from "../scenario.ts";
import { NODE_NAMES, VIPS } from "../topology.ts";
import { autoFlags, bgpEnvironment, FALLBACK, LEASE_FLAGS, MARGIN_MILLIS, START_BOUND_MILLIS } from "./settings.ts";
import { ALL_NODES, nodesOnSegment, startDaemons } from "./stories.ts";

const TARGETS = [controlPlaneTarget("VIP v4", VIPS.onLan.v4), controlPlaneTarget("VIP v6", VIPS.onLan.v6)];
const onLan = (nodes: string): Record<string, string> => ({ [VIPS.onLan.v4]: nodes, [VIPS.onLan.v6]: nodes });

/** The configured delay; who stands in has been elected meanwhile. */
const FALLBACK_BOUND_MILLIS = FALLBACK.delaySeconds * 1000 + MARGIN_MILLIS;

/** One retry of the session, the configured settling, and the routes. */
const RETURN_BOUND_MILLIS = (2 * 1 + FALLBACK.settleSeconds) * 1000 + 2 * MARGIN_MILLIS;

export const fallback: Scenario = {
  name: "fallback",
  summary: "mode auto: the router's BGP stops, ARP stands in, and BGP takes over again",
  clientOnLan: false,
  scenarios: ["B15"],
  manifestFlags: [...autoFlags(), ...LEASE_FLAGS.slice(1)],
  environment: {
    ...bgpEnvironment,
    vipcast_fallback_delay_seconds: `${FALLBACK.delaySeconds}`,
    vipcast_fallback_settle_seconds: `${FALLBACK.settleSeconds}`,
  },
  async play(lab) {
    const { rack } = lab;
    const started = await startDaemons(lab);
    await lab.routed("VIP by BGP", onLan(ALL_NODES), START_BOUND_MILLIS, started);
    lab.aim(TARGETS);
    for (const target of TARGETS) await lab.reached(target, ALL_NODES, 3_000);

    const answering = (vip: string): Promise<string> => nodesOnSegment(lab, vip);
    for (const vip of Object.values(VIPS.onLan)) {
      lab.expect(`BGP: nodes that answer for ${vip} on the segment`, await answering(vip), "", { equals: "" });
    }

    const stopped = lab.step("the router's BGP stops; it still forwards");
    await rack.router.stop();
    await lab.within(
      "ARP stands in",
      FALLBACK_BOUND_MILLIS,
      async () => {
        const now = await answering(VIPS.onLan.v4);
        return NODE_NAMES.some((name) => name === now) || now;
      },
      stopped,
    );
    const holder = await answering(VIPS.onLan.v4);
    for (const target of TARGETS) await lab.reached(target, holder, 3_000);
    for (const [target, { gapMillis }] of await lab.figures(stopped)) {
      lab.expect(`fallback, ${target}: longest time without success`, gapMillis, "ms", {
        atMost: FALLBACK_BOUND_MILLIS,
      });
    }
    for (const vip of Object.values(VIPS.onLan)) {
      lab.expect(`ARP: nodes that answer for ${vip} on the segment`, await answering(vip), "", { equals: holder });
    }
    for (const { name, ...node } of await statuses(lab.rack.nodes)) {
      lab.expect(`${name} says that it has fallen back`, `${node.fallback}`, "", { equals: "true" });
    }

    const returned = lab.step("the router's BGP is back");
    await rack.router.start();
    await lab.routed("BGP again", onLan(ALL_NODES), RETURN_BOUND_MILLIS, returned);
    await lab.within(
      "nobody answers on the segment any more",
      RETURN_BOUND_MILLIS,
      async () => {
        const left = `${await answering(VIPS.onLan.v4)} ${await answering(VIPS.onLan.v6)}`.trim();
        return left === "" || left;
      },
      returned,
    );
    for (const target of TARGETS) await lab.reached(target, ALL_NODES, 3_000);
    for (const [target, { gapMillis }] of await lab.figures(returned)) {
      lab.expect(`return to BGP, ${target}: longest time without success`, gapMillis, "ms", { atMost: MARGIN_MILLIS });
    }
  },
};

const statuses = (
  nodes: Parameters<Scenario["play"]>[0]["rack"]["nodes"],
): Promise<{ name: string; fallback: boolean }[]> =>
  Promise.all(nodes.map(async (node) => ({ name: node.name, fallback: (await node.status())?.fallback ?? false })));
