import { serviceTarget } from "../lab.ts";
import type { ServiceSpec } from "../rack/cluster.ts";
import type { Scenario } from "../scenario.ts";
import { VIPS } from "../topology.ts";
import { bgpEnvironment, bgpFlags, START_BOUND_MILLIS } from "./settings.ts";
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

/** How long the router waits for a daemon that is away: longer than any start takes, shorter than this scenario. */
const RESTART_SECONDS = 8;

/** Announced by one node only: while its daemon is away nobody else says that the address exists. */
const LOCAL: ServiceSpec = {
  name: "local",
  addresses: [VIPS.local.v4, VIPS.local.v6],
  policy: "Local",
  endpoints: ["n2"],
};
const LOCAL_TARGETS = [serviceTarget("local v4", VIPS.local.v4), serviceTarget("local v6", VIPS.local.v6)];

const ROUTES = {
  ...controlPlaneRoutes(ALL_NODES),
  ...webRoutes(ALL_NODES),
  [VIPS.local.v4]: "n2",
  [VIPS.local.v6]: "n2",
};

export const daemonUpgrade: Scenario = {
  name: "daemon-upgrade",
  summary: "graceful restart: daemons are replaced one by one, also the only announcer of an address",
  clientOnLan: false,
  scenarios: ["F1", "M1"],
  peering: { gracefulRestart: true },
  manifestFlags: bgpFlags(),
  environment: {
    ...bgpEnvironment,
    vipcast_bgp_graceful_restart: "true",
    vipcast_bgp_graceful_restart_time_seconds: `${RESTART_SECONDS}`,
    vipcast_bgp_keep_on_stop: "true",
  },
  async play(lab) {
    const { rack } = lab;
    const started = await startDaemons(lab);
    await lab.routed("control plane", controlPlaneRoutes(ALL_NODES), START_BOUND_MILLIS, started);
    await createService(lab, WEB, ALL_NODES);
    await createService(lab, LOCAL, "n2");
    const targets = [...CONTROL_PLANE_TARGETS, ...WEB_TARGETS, ...LOCAL_TARGETS];
    lab.aim(targets);
    for (const target of targets) await lab.reached(target, nodesBehind(target.name), 2_000);

    const changes: string[] = [];
    lab.onRoute((vip, nodes) => changes.push(`${vip} by ${nodes === "" ? "nobody" : nodes}`));
    const begin = lab.step("the daemons are replaced one by one");
    for (const name of ["n2", "n1", "n3"] as const) {
      const node = rack.node(name);
      lab.step(`SIGTERM to the daemon on ${name}`);
      lab.expect(`${name}: exit code`, (await node.stopDaemon()).code, "", { equals: 0 });
      lab.expect(`${name}: addresses that stay`, (await node.vips()).length, "", { atLeast: 2 });
      const since = lab.step(`the new daemon on ${name} starts`);
      node.startDaemon();
      await lab.within(
        `${name} has its sessions again`,
        RESTART_SECONDS * 1000,
        async () => {
          const peers = (await node.status())?.peers ?? [];
          return peers.length === 2 && peers.every(({ state }) => state === "established");
        },
        since,
      );
    }
    const killed = lab.step("the daemon on n2 is killed (SIGKILL)");
    rack.node("n2").daemon.signal("SIGKILL");
    await rack.node("n2").daemon.ended;
    rack.node("n2").startDaemon();
    await lab.routed("with n2's daemon again", ROUTES, RESTART_SECONDS * 1000, killed);
    // What the router had kept only for want of news would go now.
    await lab.pass((RESTART_SECONDS + 2) * 1000);
    await lab.routed("after the restart time", ROUTES, 1_000);
    lab.expect("changes of the routes in the router's kernel", changes.join("; "), "", { equals: "" });
    await expectNoFailure(lab, "upgrade", begin);
  },
};

const nodesBehind = (target: string): string => (target.startsWith("local") ? "n2" : ALL_NODES);
