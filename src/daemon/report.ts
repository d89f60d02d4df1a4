import type { PeerStatus } from "../bgp/session/speaker.ts";
import type { IpAddress } from "../addr/ip.ts";
import type { Instant } from "../base/time.ts";
import type { StatusReport } from "../status/report.ts";
import { firstClosed } from "../vip/gates.ts";
import type { Plan, VipPlan } from "../vip/plan.ts";
import { leaseText, type Snapshot } from "../vip/snapshot.ts";
import { VERSION } from "./version.ts";

/** What the report is drawn from; nothing is decided here, only said. */
export interface ReportFacts {
  readonly snapshot: Snapshot;
  readonly plan: Plan;
  readonly peers: readonly PeerStatus[];
  readonly kubernetes: StatusReport["kubernetes"];
  readonly addresses: StatusReport["addresses"];
  readonly addressFailures: ReadonlyMap<IpAddress, string>;
  readonly startedAt: Date;
  readonly startedInstant: Instant;
  readonly warnings: readonly string[];
  /** What could not be had when the daemon started. */
  readonly troubles: readonly string[];
}

export function report(facts: ReportFacts): StatusReport {
  const { snapshot, plan } = facts;
  const { policy, now } = snapshot;
  const problems = problemsOf(facts);
  return {
    version: VERSION,
    node: policy.node,
    mode: policy.mode,
    role: roleOf(facts),
    healthy: problems.length === 0,
    problems,
    startedAt: facts.startedAt.toISOString(),
    uptimeSeconds: seconds(now - facts.startedInstant),
    fallback: plan.fallback,
    kubernetes: facts.kubernetes,
    apiServerProbe: policy.controlPlane?.probed
      ? { state: snapshot.probe.state, detail: snapshot.probe.detail }
      : { state: "off", detail: "no control-plane VIP, or its health check is turned off" },
    peers: facts.peers.map((peer) => peerReport(peer, now)),
    vips: plan.vips.map((vip) => vipReport(vip, snapshot)),
    leases: [...plan.leases].map(([name, { purpose, stands }]) => {
      const fact = snapshot.leases.get(name);
      return {
        lease: name,
        purpose,
        holder: fact?.holder ?? null,
        isHolder: fact?.isHolder ?? false,
        stands,
        error: fact?.error ?? null,
      };
    }),
    addresses: facts.addresses,
    warnings: [...facts.warnings],
  };
}

function peerReport(peer: PeerStatus, now: Instant): StatusReport["peers"][number] {
  return {
    name: peer.name,
    address: peer.address,
    port: peer.port,
    asn: peer.asn,
    state: peer.state,
    sinceSeconds: seconds(now - peer.since),
    families: [...peer.families],
    prefixesSent: peer.prefixesSent,
    prefixesReceived: peer.prefixesReceived,
    holdTimeSeconds: peer.holdTimeSeconds,
    localAddress: peer.localAddress,
    establishedCount: peer.establishedCount,
    notAnnounced: peer.notAnnounced.map(({ family, reason }) => ({ family, reason })),
    lastError: peer.lastError && {
      message: peer.lastError.message,
      at: peer.lastError.at.toISOString(),
      direction: peer.lastError.direction,
    },
  };
}

function vipReport(vip: VipPlan, snapshot: Snapshot): StatusReport["vips"][number] {
  const lease = vip.lease && leaseText(vip.lease);
  return {
    owner: vip.owner,
    address: vip.address,
    path: vip.path,
    announced: vip.announced,
    holder: lease === null ? null : (snapshot.leases.get(lease)?.holder ?? null),
    lease,
    gates: vip.gates.map((gate) => ({ ...gate })),
  };
}

/** Things that somebody should look at; an empty list makes the node healthy. */
function problemsOf({ snapshot, plan, peers, kubernetes, addressFailures, troubles }: ReportFacts): string[] {
  const problems = [...troubles];
  if (kubernetes.error !== null) problems.push(`Kubernetes: ${kubernetes.error}`);
  for (const peer of peers) {
    if (peer.state !== "established") {
      problems.push(
        `peer ${peer.name} is not up (${peer.state})${peer.lastError ? `: ${peer.lastError.message}` : ""}`,
      );
    }
    for (const { family, reason } of peer.notAnnounced) problems.push(`peer ${peer.name}: no ${family}: ${reason}`);
  }
  if (snapshot.policy.controlPlane?.probed && snapshot.probe.state === "failed") {
    problems.push(`the API server of this node is not ready: ${snapshot.probe.detail}`);
  }
  if (plan.fallback) problems.push("no BGP session: ARP and NDP stand in");
  for (const [address, failure] of addressFailures) problems.push(`${address} could not be set: ${failure}`);
  for (const vip of plan.vips) {
    const gate = firstClosed(vip.gates);
    if (gate?.gate === "address") problems.push(`${vip.owner}: ${gate.fact}`);
  }
  for (const [name, fact] of snapshot.leases) if (fact.error !== null) problems.push(`Lease ${name}: ${fact.error}`);
  return problems;
}

function roleOf({ snapshot, plan }: ReportFacts): string {
  if (snapshot.stopping) return "stopping";
  const announced = plan.vips.filter((vip) => vip.announced).length;
  const held = [...snapshot.leases].filter(([, fact]) => fact.isHolder).map(([name]) => name);
  const parts = [`announces ${announced} of ${plan.vips.length} VIPs`];
  if (held.length > 0) parts.push(held.length <= 2 ? `holds ${held.join(" and ")}` : `holds ${held.length} Leases`);
  return parts.join(", ");
}

const seconds = (millis: number): number => Math.round(millis) / 1_000;
