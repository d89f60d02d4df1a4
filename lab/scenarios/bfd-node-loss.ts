import { BFD } from "../router/driver.ts";
import type { Scenario } from "../scenario.ts";
import { bgpEnvironment, bgpFlags, HOLD_BOUND_MILLIS, START_BOUND_MILLIS } from "./settings.ts";
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

/** The detection time and what the router takes to change its routes: bound of the median over all targets and losses. */
const GAP_BOUND_MILLIS = 200;
/**
 * Of any one of them. At worst FRR needs as much by itself: 150 ms from the last packet, and 50 ms for which its bgpd
 * gathers changes. The rest is for a machine that has other things to do.
 */
const LATEST_BOUND_MILLIS = 300;
/** Each node has an IPv4 and an IPv6 session. */
const ALL_SESSIONS = 6;

const routes = (nodes: string): Record<string, string> => ({ ...controlPlaneRoutes(nodes), ...webRoutes(nodes) });

export const bfdNodeLoss: Scenario = {
  name: "bfd-node-loss",
  summary: `BFD at ${BFD.multiplier} × ${BFD.intervalMillis} ms: a node loses power, and the client hardly notices`,
  clientOnLan: false,
  scenarios: ["D4", "E2"],
  // The embedded router has no BFD.
  routers: ["frr", "bird"],
  peering: { bfd: true },
  manifestFlags: bgpFlags(),
  environment: {
    ...bgpEnvironment,
    vipcast_bgp_bfd: "true",
    vipcast_bgp_bfd_transmit_millis: `${BFD.intervalMillis}`,
    vipcast_bgp_bfd_receive_millis: `${BFD.intervalMillis}`,
    vipcast_bgp_bfd_multiplier: `${BFD.multiplier}`,
  },
  async play(lab) {
    const { rack } = lab;
    const allUp = async (sessions: number): Promise<true | string> => {
      const up = await rack.router.bfdSessionsUp();
      return up === sessions || `${up} of ${sessions} BFD sessions are up`;
    };
    const started = await startDaemons(lab);
    await lab.routed("control plane", controlPlaneRoutes(ALL_NODES), START_BOUND_MILLIS, started);
    await createService(lab, WEB, ALL_NODES);
    const targets = [...CONTROL_PLANE_TARGETS, ...WEB_TARGETS];
    lab.aim(targets);
    for (const target of targets) await lab.reached(target, ALL_NODES, 2_000);
    await lab.within("all BFD sessions are up", START_BOUND_MILLIS, () => allUp(ALL_SESSIONS), started);

    const quiet = lab.step("five quiet seconds");
    await lab.pass(5_000);
    await expectNoFailure(lab, "quiet", quiet);

    const ends: number[] = [];
    for (const name of ["n1", "n3"] as const) {
      const rest = ALL_NODES.replace(name, "").replace("  ", " ").trim();
      const lost = lab.step(`${name} loses power`);
      await rack.node(name).powerOff();
      await lab.routed(`without ${name}`, routes(rest), HOLD_BOUND_MILLIS, lost);
      for (const [target, { gapMillis, impairedMillis, failed, attempts }] of await lab.figures(lost)) {
        ends.push(impairedMillis);
        lab.expect(`loss of ${name}, ${target}: failures end`, impairedMillis, "ms", { atMost: LATEST_BOUND_MILLIS });
        const bound = { atMost: GAP_BOUND_MILLIS };
        lab.expect(`loss of ${name}, ${target}: longest time without success`, gapMillis, "ms", bound);
        lab.note(`${target}: ${failed} of ${attempts} connections failed`);
      }
      const back = lab.step(`${name} has power again`);
      await rack.node(name).powerOn();
      await lab.routed(`with ${name} again`, routes(ALL_NODES), START_BOUND_MILLIS, back);
      await lab.within("all BFD sessions are up again", START_BOUND_MILLIS, () => allUp(ALL_SESSIONS), back);
      await expectNoFailure(lab, `return of ${name}`, back);
    }
    const median = ends.toSorted((a, b) => a - b)[Math.floor(ends.length / 2)]!;
    lab.expect("losses, all targets: failures end, median", median, "ms", { atMost: GAP_BOUND_MILLIS });
  },
};
