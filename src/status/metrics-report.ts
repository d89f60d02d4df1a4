import type { Metrics } from "../telemetry/metrics.ts";
import type { PeerReport, StatusReport } from "./report.ts";

/** kube-vip's names for the states, which come from GoBGP. */
const STATE_NAMES = ["idle", "connect", "active", "open-sent", "open-confirm", "established"] as const;
const kubeVipState = (state: string): string => `SESSION_STATE_${state.replace("-", "").toUpperCase()}`;

/** Sets every gauge from one status document, so that metrics and `vipcast status` cannot disagree. */
export function observeReport(metrics: Metrics, report: StatusReport): void {
  const { node } = report;
  for (const gauge of [metrics.activeServices, metrics.isLeader, metrics.sessionInfo, metrics.sessionUp]) gauge.reset();
  for (const gauge of [metrics.prefixesSent, metrics.prefixesReceived, metrics.prefixesStale]) gauge.reset();
  for (const gauge of [
    metrics.vipAnnounced,
    metrics.diagnosis,
    metrics.sameIdentity,
    metrics.poolAddresses,
    metrics.backends,
  ])
    gauge.reset();
  // The report has totals, so that each scrape begins at nothing and adds them.
  for (const counter of [metrics.sessionsEstablished, metrics.messages]) counter.reset();
  for (const counter of [metrics.malformedUpdates, metrics.prefixesRefused]) counter.reset();
  metrics.buildInfo.set({ version: report.version, build: "", node }, 1);
  metrics.fallback.set(report.fallback ? 1 : 0);
  metrics.apiServerReady.set(report.apiServerProbe.state === "ready" ? 1 : 0);
  metrics.kubeSynced.set(report.kubernetes.synced ? 1 : 0);
  for (const peer of report.peers) observePeer(metrics, peer);
  for (const lease of report.leases) {
    metrics.isLeader.set({ node, lease_name: lease.lease }, lease.isHolder ? 1 : 0);
    metrics.sameIdentity.set({ lease_name: lease.lease }, lease.sameIdentity ? 1 : 0);
  }
  for (const { state } of report.backends) metrics.backends.inc({ state });
  for (const { pool, family, used, size } of report.pools) {
    metrics.poolAddresses.set({ pool, family, state: "used" }, used);
    metrics.poolAddresses.set({ pool, family, state: "free" }, Math.max(0, size - used));
  }
  const services = new Map<string, Set<string>>();
  for (const { owner, address, path, announced } of report.vips) {
    if (address !== null) metrics.vipAnnounced.set({ owner, address, path }, announced ? 1 : 0);
    if (owner === "control-plane" || !announced) continue;
    const namespace = owner.split("/", 1)[0] ?? "";
    services.set(namespace, (services.get(namespace) ?? new Set()).add(owner));
  }
  for (const [namespace, owners] of services) metrics.activeServices.set({ namespace }, owners.size);
}

function observePeer(metrics: Metrics, report: PeerReport): void {
  const peer = report.name;
  const label = report.address.includes(":")
    ? `[${report.address}]:${report.port}`
    : `${report.address}:${report.port}`;
  for (const state of STATE_NAMES) {
    metrics.sessionInfo.set({ state: kubeVipState(state), peer: label }, state === report.state ? 1 : 0);
  }
  metrics.sessionUp.set({ peer }, report.state === "established" ? 1 : 0);
  metrics.prefixesSent.set({ peer }, report.prefixesSent);
  metrics.prefixesReceived.set({ peer }, report.prefixesReceived);
  metrics.prefixesStale.set({ peer }, report.prefixesStale);
  metrics.prefixesRefused.inc({ peer }, report.prefixesRefused);
  metrics.sessionsEstablished.inc({ peer }, report.establishedCount);
  metrics.malformedUpdates.inc({ peer }, report.malformedUpdates);
  if (report.diagnosis !== null) metrics.diagnosis.set({ peer, cause: report.diagnosis.cause }, 1);
  for (const direction of ["sent", "received"] as const) {
    for (const [type, count] of Object.entries(report.messages[direction])) {
      metrics.messages.inc({ peer, direction, type }, count);
    }
  }
}
