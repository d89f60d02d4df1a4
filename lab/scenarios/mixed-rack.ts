import { controlPlaneTarget, type Lab } from "../lab.ts";
import { startKubeVip } from "../rack/kube-vip.ts";
import type { ManagedProcess } from "../rack/processes.ts";
import type { Scenario } from "../scenario.ts";
import { LAN_INTERFACE, VIPS } from "../topology.ts";
import { type HoldersWatch, whileWatched } from "./holders-watch.ts";
import {
  arpFlags,
  electionEnvironment,
  leaseFlags,
  MARGIN_MILLIS,
  SHORT_LEASE,
  START_BOUND_MILLIS,
  takeoverBoundMillis,
} from "./settings.ts";
import { daemonAnswers } from "./stories.ts";

const TARGET = controlPlaneTarget("VIP v4", VIPS.onLan.v4);
const ADDRESSES = [VIPS.onLan.v4, VIPS.onLan.v6];
const TAKEOVER_BOUND_MILLIS = takeoverBoundMillis(SHORT_LEASE);
/** After a release kube-vip looks once per retry period with client-go's jitter, and its first ARP comes with its tick. */
const HANDOVER_BOUND_MILLIS = 2.2 * SHORT_LEASE.retryPeriodSeconds * 1000 + 2 * MARGIN_MILLIS;
const KUBE_VIP = "n1";
const OURS = ["n2", "n3"] as const;

export const mixedRack: Scenario = {
  name: "mixed-rack",
  summary: "one node with kube-vip's behaviour among two with vipcast: the VIP moves both ways, never two holders",
  clientOnLan: true,
  routers: ["embedded"],
  kubes: ["embedded"],
  manifestFlags: [...arpFlags(), ...leaseFlags(SHORT_LEASE)],
  environment: { ...electionEnvironment, vip_arpRate: "500" },
  scenarios: ["G1", "G2", "G3"],
  play: (lab) => whileWatched(lab, ADDRESSES, story, (watch) => watch.expectOneHolder()),
};

async function story(lab: Lab, watch: HoldersWatch): Promise<void> {
  const { rack } = lab;
  lab.aim([TARGET]);
  const started = lab.step(`${KUBE_VIP} runs what stands in for kube-vip`);
  let kubeVip = startStandIn(lab);
  await on(lab, watch, "kube-vip has the VIP", [KUBE_VIP], START_BOUND_MILLIS, started);
  await lab.reached(TARGET, KUBE_VIP, HANDOVER_BOUND_MILLIS);

  lab.step(`${OURS.join(" and ")} change over to vipcast`);
  for (const name of OURS) await start(lab, name);
  await lab.pass(2 * SHORT_LEASE.durationSeconds * 1000);
  lab.expect("vipcast leaves the Lease to its holder", watch.on(VIPS.onLan.v4), "", { equals: KUBE_VIP });

  const stopped = lab.step("kube-vip gets SIGTERM");
  kubeVip.signal("SIGTERM");
  // Judged when it has really ended: until then it may be on its way to give the Lease back.
  await kubeVip.ended;
  const ours = await on(lab, watch, "to vipcast", OURS, HANDOVER_BOUND_MILLIS, stopped);
  await lab.reached(TARGET, ours, 2_000);

  lab.step("kube-vip starts again, as the kubelet would start it");
  kubeVip = startStandIn(lab);
  await kubeVip.firstLine;
  await lab.pass(SHORT_LEASE.durationSeconds * 1000);
  lab.expect("kube-vip leaves the Lease to its holder", watch.on(VIPS.onLan.v4), "", { equals: ours });

  lab.step("vipcast leaves the node that does not have the VIP, then the one that does");
  const other = OURS.find((name) => name !== ours)!;
  await rack.node(other).stopDaemon();
  const left = lab.step(`SIGTERM to the daemon on ${ours}`);
  await rack.node(ours).stopDaemon();
  await on(lab, watch, "back to kube-vip", [KUBE_VIP], HANDOVER_BOUND_MILLIS, left);
  await lab.reached(TARGET, KUBE_VIP, HANDOVER_BOUND_MILLIS);

  await start(lab, ours);
  const cut = lab.step("kube-vip is cut off from the API, not from the segment");
  await rack.namespaces.cut(KUBE_VIP, "mgmt");
  const ended = kubeVip.ended;
  await on(lab, watch, "to vipcast again", [ours], TAKEOVER_BOUND_MILLIS, cut);
  lab.expect("kube-vip has ended to be restarted, with exit code", (await ended).code, "", { equals: 1 });
  await lab.reached(TARGET, ours, 2_000);
}

function startStandIn(lab: Lab): ManagedProcess {
  const { durationSeconds, renewDeadlineSeconds, retryPeriodSeconds } = SHORT_LEASE;
  const settings = {
    ...{
      identity: KUBE_VIP,
      lease: "plndr-cp-lock",
      vips: ADDRESSES,
      interfaceName: LAN_INTERFACE,
      arpRateMillis: 500,
    },
    ...{ durationSeconds, renewDeadlineSeconds, retryPeriodSeconds },
  };
  return startKubeVip(lab.rack, settings, (line) => lab.note(`kube-vip: ${line}`));
}

async function start(lab: Lab, name: string): Promise<void> {
  const node = lab.rack.node(name);
  node.startDaemon();
  await daemonAnswers(lab, node);
}

/** Waits until both addresses are on one of these nodes and on no other. */
async function on(
  lab: Lab,
  watch: HoldersWatch,
  what: string,
  nodes: readonly string[],
  boundMillis: number,
  since: number,
): Promise<string> {
  const places = (): Set<string> => new Set(ADDRESSES.map((address) => watch.on(address)));
  const holder = (): string | undefined => nodes.find((name) => places().size === 1 && places().has(name));
  await lab.within(what, boundMillis, () => holder() !== undefined || `on ${[...places()].join(", ")}`, since);
  return watch.on(VIPS.onLan.v4);
}
