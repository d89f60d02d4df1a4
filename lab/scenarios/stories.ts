import type { Target } from "../client.ts";
import { controlPlaneTarget, type Lab, serviceTarget } from "../lab.ts";
import type { ServiceSpec } from "../rack/cluster.ts";
import type { RackNode } from "../rack/rack-node.ts";
import { LAN_INTERFACE, VIPS } from "../topology.ts";
import { waitFor } from "../wait.ts";
import { DRAIN_BOUND_MILLIS, START_BOUND_MILLIS } from "./settings.ts";

/** Openings and turns that several scenarios share. */

export const ALL_NODES = "n1 n2 n3";

export const WEB: ServiceSpec = {
  name: "web",
  addresses: [VIPS.web.v4, VIPS.web.v6],
  policy: "Cluster",
  endpoints: ["n1", "n2", "n3"],
};

export const CONTROL_PLANE_TARGETS: readonly Target[] = [
  controlPlaneTarget("control plane v4", VIPS.controlPlane.v4),
  controlPlaneTarget("control plane v6", VIPS.controlPlane.v6),
];

export const WEB_TARGETS: readonly Target[] = [
  serviceTarget("web v4", VIPS.web.v4),
  serviceTarget("web v6", VIPS.web.v6),
];

export const controlPlaneRoutes = (nodes: string): Record<string, string> => ({
  [VIPS.controlPlane.v4]: nodes,
  [VIPS.controlPlane.v6]: nodes,
});

export const webRoutes = (nodes: string): Record<string, string> => ({ [VIPS.web.v4]: nodes, [VIPS.web.v6]: nodes });

/** Starts the daemon of every node, and waits until each has told what it is. */
export async function startDaemons(lab: Lab): Promise<number> {
  const since = lab.step("three daemons start, each from the manifest's environment");
  for (const node of lab.rack.nodes) node.startDaemon();
  for (const node of lab.rack.nodes) await daemonAnswers(lab, node);
  return since;
}

/** Waits until the daemon that has been started there tells what it is. */
export async function daemonAnswers(lab: Lab, node: RackNode): Promise<void> {
  const answers = async (): Promise<boolean> => {
    if (!node.daemon.running) throw new Error(`the daemon on ${node.name} ended, see ${node.daemon.log}`);
    return (await node.status()) !== null;
  };
  await waitFor(`the daemon on ${node.name} answers`, START_BOUND_MILLIS, answers, { signal: lab.signal });
}

/** The first daemon's Service: created in the API, answered by the nodes, demanded in the router. */
export async function createService(lab: Lab, spec: ServiceSpec, nodes: string, boundMillis = 1_000): Promise<void> {
  await lab.rack.proxy(spec);
  const since = lab.step(`Service ${spec.name} is created: ${spec.addresses.join(", ")}, policy ${spec.policy}`);
  await lab.rack.cluster.createService(spec);
  await lab.routed(
    `Service ${spec.name}`,
    Object.fromEntries(spec.addresses.map((vip) => [vip, nodes])),
    boundMillis,
    since,
  );
}

/** What every target has to show after the power of one of several ECMP nodes has gone. */
export async function expectPowerLoss(lab: Lab, since: number, boundMillis: number): Promise<void> {
  for (const [target, { gapMillis, impairedMillis, failed, attempts }] of await lab.figures(since)) {
    lab.expect(`power loss, ${target}: failures end`, impairedMillis, "ms", { atMost: boundMillis });
    // The nodes that are left must go on being reached while the router still believes in the lost one.
    lab.expect(`power loss, ${target}: longest time without success`, gapMillis, "ms", { atMost: 1_000 });
    lab.note(`${target}: ${failed} of ${attempts} connections failed`);
  }
}

/** Demands that no connection has failed; those that were reset while open and repeated are reported, not counted. */
export async function expectNoFailure(lab: Lab, what: string, since: number): Promise<void> {
  for (const [target, { failed, errors, resets }] of await lab.figures(since)) {
    lab.expect(`${what}, ${target}: failed connections`, failed, "", { equals: 0 });
    for (const [error, count] of Object.entries(errors)) lab.note(`${target}: ${count} times ${error}`);
    if (resets > 0) lab.note(`${target}: ${resets} open connections were moved by the router and repeated`);
  }
}

/** SIGTERM to the daemons that still run: all withdrawn, all addresses gone, exit 0. */
export async function stopDaemons(lab: Lab, vips: readonly string[]): Promise<void> {
  const running = lab.rack.nodes.filter((node) => node.powered && node.daemon.running);
  const since = lab.step(`SIGTERM to the daemons on ${running.map(({ name }) => name).join(", ")}`);
  const ended = Promise.all(running.map((node) => node.stopDaemon()));
  await lab.routed("after SIGTERM", Object.fromEntries(vips.map((vip) => [vip, ""])), DRAIN_BOUND_MILLIS, since);
  const ends = await ended;
  lab.expect("daemons end with exit code", ends.map(({ code }) => code).join(" "), "", {
    equals: running.map(() => 0).join(" "),
  });
  lab.expect("slowest daemon's end", Math.max(...ends.map(({ tookMillis }) => tookMillis)), "ms", { atMost: 5_000 });
  for (const node of running) {
    lab.expect(`addresses left on ${node.name}`, (await node.vips()).join(", "), "", { equals: "" });
  }
}

/** Names of the nodes that have the address on the segment's interface: they answer ARP and NDP for it. */
export async function nodesOnSegment({ rack }: Lab, vip: string): Promise<string> {
  const all = await Promise.all(rack.nodes.map(async (node) => [node.name, await node.vips()] as const));
  return all
    .filter(([, vips]) => vips.some((one) => one.startsWith(`${LAN_INTERFACE} ${vip}/`)))
    .map(([name]) => name)
    .join(" ");
}
