import type { Metrics } from "../telemetry/metrics.ts";
import type { StatusReport } from "./report.ts";

/** kube-vip's names for the states, which come from GoBGP. */
const STATE_NAMES = ["idle", "connect", "active", "open-sent", "open-confirm", "established"] as const;
const kubeVipState = (state: string): string => `SESSION_STATE_${state.replace("-", "").toUpperCase()}`;

/** Sets every gauge from one status document, so that metrics and `vipcast status` cannot disagree. */
export function observeReport(metrics: Metrics, report: StatusReport): void {
  const { node } = report;
  for (const gauge of [metrics.activeServices, metrics.isLeader, metrics.sessionInfo, metrics.sessionUp]) gauge.reset();
  for (const gauge of [metrics.prefixesSent, metrics.vipAnnounced]) gauge.reset();
  metrics.buildInfo.set({ version: report.version, build: "", node }, 1);
  metrics.fallback.set(report.fallback ? 1 : 0);
  metrics.apiServerReady.set(report.apiServerProbe.state === "ready" ? 1 : 0);
  metrics.kubeSynced.set(report.kubernetes.synced ? 1 : 0);
  for (const peer of report.peers) {
    const label = peer.address.includes(":") ? `[${peer.address}]:${peer.port}` : `${peer.address}:${peer.port}`;
    for (const state of STATE_NAMES) {
      metrics.sessionInfo.set({ state: kubeVipState(state), peer: label }, state === peer.state ? 1 : 0);
    }
    metrics.sessionUp.set({ peer: peer.name }, peer.state === "established" ? 1 : 0);
    metrics.prefixesSent.set({ peer: peer.name }, peer.prefixesSent);
  }
  for (const lease of report.leases) {
    metrics.isLeader.set({ node, lease_name: lease.lease }, lease.isHolder ? 1 : 0);
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
