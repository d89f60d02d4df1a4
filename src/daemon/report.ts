import { type OpenSummary, summarizeOpen } from "../bgp/session/describe-open.ts";
import type { Kept } from "../bgp/session/message-ledger.ts";
import type { PeerStatus, SeenNotification } from "../bgp/session/peer-config.ts";
import { agreementOf, connectionsOf } from "../bgp/session/peer-detail.ts";
import { writeMrt } from "../bgp/session/mrt.ts";
import type { Recorder } from "../bgp/session/recorder.ts";
import { writeRecording } from "../bgp/session/recording.ts";
import type { BfdSessionStatus } from "../bfd/session/session-config.ts";
import { type IpAddress, parseIp } from "../addr/ip.ts";
import { hostPrefix, type Prefix } from "../addr/prefix.ts";
import type { Instant } from "../base/time.ts";
import type { ToldPeer } from "../bgp/session/speaker.ts";
import type { PeerReport, RecordingFormat, StatusReport } from "../status/report.ts";
import type { VipView } from "../status/view.ts";
import { objectOf } from "../vip/gate-object.ts";
import { firstClosed, type Gate } from "../vip/gates.ts";
import type { Plan, VipPlan } from "../vip/plan.ts";
import { usurpedText } from "../vip/service-election.ts";
import { leaseText, type Snapshot } from "../vip/snapshot.ts";
import { VERSION } from "./version.ts";

/** What the report is drawn from; nothing is decided here, only said. */
export interface ReportFacts {
  readonly snapshot: Snapshot;
  readonly plan: Plan;
  readonly peers: readonly PeerStatus[];
  readonly recorder: (peer: string) => Recorder | null;
  readonly bfd: readonly BfdSessionStatus[];
  readonly kubernetes: StatusReport["kubernetes"];
  readonly addresses: StatusReport["addresses"];
  readonly addressFailures: ReadonlyMap<IpAddress, string>;
  readonly routeFailures: ReadonlyMap<Prefix, string>;
  readonly pools: StatusReport["pools"];
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
    routeTable: policy.routeTable ?? null,
    backends: (snapshot.backends ?? []).map(({ node, address, probe }) => ({ node, address, ...probe })),
    pools: facts.pools,
    kubernetes: facts.kubernetes,
    apiServerProbe: policy.controlPlane?.probed
      ? { state: snapshot.probe.state, detail: snapshot.probe.detail }
      : { state: "off", detail: "no control-plane VIP, or its health check is turned off" },
    peers: facts.peers.map((peer) => peerReport(peer, facts)),
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
        sameIdentity: fact?.isUsurped ?? false,
      };
    }),
    addresses: facts.addresses,
    warnings: [...facts.warnings],
  };
}

/** What was recorded of a peer, as a file. */
export const recordingFile = (recorder: Recorder, format: RecordingFormat): string | Uint8Array =>
  format === "mrt" ? writeMrt(recorder.snapshot()) : writeRecording(recorder.snapshot());

function peerReport(peer: PeerStatus, facts: ReportFacts): PeerReport {
  const { now } = facts.snapshot;
  const recorder = facts.recorder(peer.name);
  const connections = recorder === null ? [] : connectionsOf(recorder.peering, now);
  const { malformed, notifications, messages } = peer;
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
    diagnosis: peer.diagnosis,
    dynamic: peer.dynamic,
    withheld: peer.withheld,
    importPolicy: importText(peer),
    exportPolicy: exportText(peer),
    prefixesRefused: peer.prefixesRefused,
    prefixesStale: peer.prefixesStale,
    prefixesUnusable: peer.prefixesUnusable.count,
    unusableReason: peer.prefixesUnusable.reason,
    malformedUpdates: malformed.updates,
    malformedAttributes: { ...malformed.byAttribute },
    malformedWithdrawn: malformed.withdrawn,
    malformedLast: malformed.last && {
      at: malformed.last.at.toISOString(),
      prefixes: [...malformed.last.prefixes],
      reason: malformed.last.reason,
    },
    bfd: bfdReport(peer, facts.bfd),
    agreed: peer.negotiated === null ? [] : [...agreementOf(peer.negotiated)],
    connections: connections.map(({ slot, state, failures, timers }) => ({
      slot,
      state,
      failures,
      timers: timers.map(({ name, millis }) => ({ name, seconds: seconds(millis) })),
    })),
    opens: { sent: openReport(messages.sent.lastOpen), received: openReport(messages.received.lastOpen) },
    notifications: {
      sent: notificationReport(notifications.sent),
      received: notificationReport(notifications.received),
    },
    messages: { sent: { ...messages.sent.counts }, received: { ...messages.received.counts } },
  };
}

function importText({ importPolicy: policy }: PeerStatus): string {
  if (policy === null) return "no policy: nothing is accepted (RFC 8212)";
  const accepted = policy.accept.map(({ within, lengthMax }) => `${within} up to /${lengthMax}`);
  return accepted.length === 0 ? "nothing is accepted" : `accepted: ${listed(accepted)}`;
}

function exportText({ exportPolicy: policy }: PeerStatus): string {
  if (policy === null) return "every VIP that this node announces";
  const rest = policy.otherwise === "announce" ? "others are announced" : "others are not announced";
  return `${policy.rules.length} rules, ${rest}`;
}

/** Policies may be long. */
const listed = (texts: readonly string[]): string =>
  texts.length <= 5 ? texts.join(", ") : `${texts.slice(0, 5).join(", ")} and ${texts.length - 5} more`;

function bfdReport(peer: PeerStatus, sessions: readonly BfdSessionStatus[]): PeerReport["bfd"] {
  const found = sessions.find(({ names }) => names.includes(peer.name));
  if (found === undefined) return peer.bfd === null ? null : { state: peer.bfd, session: null };
  const { state, diagnostic, remoteState, remoteDiagnostic, local, multihop } = found;
  const { transmitMillis, detectionMillis, packetsSent, packetsReceived, lossCount } = found;
  return {
    state: peer.bfd ?? "unknown",
    session: {
      state,
      diagnostic,
      remoteState,
      remoteDiagnostic,
      local,
      multihop,
      transmitMillis,
      detectionMillis,
      packetsSent,
      packetsReceived,
      lossCount,
    },
  };
}

function openReport(open: Kept | null): PeerReport["opens"]["sent"] {
  if (open === null) return null;
  const { at, capabilities, ...said }: OpenSummary = summarizeOpen(open);
  return { ...said, at: at.toISOString(), capabilities: [...capabilities] };
}

const notificationReport = (seen: SeenNotification | null): PeerReport["notifications"]["sent"] =>
  seen && { ...seen, at: seen.at.toISOString() };

function vipReport(vip: VipPlan, snapshot: Snapshot): StatusReport["vips"][number] {
  const lease = vip.lease && leaseText(vip.lease);
  return {
    owner: vip.owner,
    address: vip.address,
    path: vip.path,
    announced: vip.announced,
    holder: lease === null ? (vip.chosen ?? null) : (snapshot.leases.get(lease)?.holder ?? null),
    lease,
    gates: vip.gates.map((gate) => ({ ...gate })),
  };
}

/** What is said of one VIP. @param wanted  an address, namespace/name of a Service, or "control-plane" */
export function vipView(
  wanted: string,
  snapshot: Snapshot,
  plan: Plan,
  toldOf: (prefix: Prefix) => readonly ToldPeer[],
): VipView {
  const address = parseIp(wanted);
  const found = plan.vips.filter((vip) => (address === null ? vip.owner === wanted : vip.address === address));
  return {
    version: VERSION,
    node: snapshot.policy.node,
    routeTable: snapshot.policy.routeTable ?? null,
    vips: found.map((vip) => ({
      ...explainable(vipReport(vip, snapshot), vip.gates, snapshot.policy.node),
      peers: vip.path === "bgp" && vip.address !== null ? toldOf(hostPrefix(vip.address)).map((it) => ({ ...it })) : [],
    })),
  };
}

const explainable = (vip: StatusReport["vips"][number], gates: readonly Gate[], node: string) => ({
  ...vip,
  gates: gates.map((gate) => ({ ...gate, object: objectOf(gate.gate, { owner: vip.owner, lease: vip.lease, node }) })),
});

/** Things that somebody should look at; an empty list makes the node healthy. */
function problemsOf(facts: ReportFacts): string[] {
  const { snapshot, plan, peers, kubernetes, addressFailures, routeFailures, troubles } = facts;
  const problems = [...troubles];
  if (kubernetes.error !== null) problems.push(`Kubernetes: ${kubernetes.error}`);
  for (const peer of peers) {
    const reason = peer.diagnosis?.problem ?? peer.lastError?.message;
    if (peer.state !== "established") {
      problems.push(`peer ${peer.name} is not up (${peer.state})${reason === undefined ? "" : `: ${reason}`}`);
    } else if (peer.diagnosis !== null) {
      problems.push(`peer ${peer.name} lacks something: ${peer.diagnosis.problem}`);
    }
    if (peer.bfd === "down") problems.push(`peer ${peer.name}: BFD is down`);
    for (const { family, reason } of peer.notAnnounced) problems.push(`peer ${peer.name}: no ${family}: ${reason}`);
  }
  if (snapshot.policy.controlPlane?.probed && snapshot.probe.state === "failed") {
    problems.push(`the API server of this node is not ready: ${snapshot.probe.detail}`);
  }
  if (plan.fallback) problems.push("no BGP session: ARP and NDP stand in");
  for (const [address, failure] of addressFailures) problems.push(`${address} could not be set: ${failure}`);
  for (const [prefix, failure] of routeFailures) problems.push(`route to ${prefix} could not be changed: ${failure}`);
  for (const vip of plan.vips) {
    const gate = firstClosed(vip.gates);
    if (gate?.gate === "address") problems.push(`${vip.owner}: ${gate.fact}`);
  }
  for (const [name, fact] of snapshot.leases) {
    if (fact.error !== null) problems.push(`Lease ${name}: ${fact.error}`);
    if (fact.isUsurped) problems.push(usurpedText(snapshot.policy.node, name));
  }
  if (snapshot.members?.doubt && !snapshot.stopping) problems.push(`Services: ${snapshot.members.doubt.fact}`);
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
