import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import type { LeaseSettings, Settings } from "../config/settings.ts";
import type { LeaseName, Policy } from "../vip/snapshot.ts";

const POD_NAMESPACE_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/** Identity in Leases and in EndpointSlices: lower case, as kube-vip writes it. */
export const nodeNameOf = (settings: Settings): string => settings.nodeName ?? hostname().toLowerCase();

/** Of Leases and Secrets that are named without one: the pod's, or outside a pod the configured one. */
export const ownNamespace = (settings: Settings): string => podNamespace() ?? settings.kubernetes.namespace;

/** The settings as the planner reads them, with what only this machine knows filled in. */
export function policyOf(settings: Settings): Policy {
  const lease = (wanted: LeaseSettings): LeaseName => ({
    namespace: wanted.namespace ?? ownNamespace(settings),
    name: wanted.name,
  });
  const { controlPlane, services, routeTable } = settings;
  return {
    node: nodeNameOf(settings),
    mode: settings.mode,
    fallbackDelayMillis: settings.fallback.delaySeconds * 1_000,
    fallbackSettleMillis: settings.fallback.settleSeconds * 1_000,
    prefixLengths: settings.prefixLengths,
    controlPlane: controlPlane && {
      addresses: controlPlane.addresses,
      elected: controlPlane.elected,
      lease: lease(controlPlane.lease),
      interfaceName: controlPlane.interfaceName,
      balancer: controlPlane.balancer && {
        port: controlPlane.balancer.port,
        backendPort: controlPlane.port,
        algorithm: controlPlane.balancer.algorithm,
        method: controlPlane.balancer.method,
      },
      probed: controlPlane.healthCheck !== null,
    },
    services: services && {
      namespace: services.namespace,
      className: services.className,
      classOnly: services.classOnly,
      legacyClassHandling: services.legacyClassHandling,
      election: services.election,
      onDemand: services.perServiceElectionOnDemand,
      lease: lease(services.lease),
      interfaceName: services.interfaceName,
      attach: services.attach,
      updateStatus: services.updateStatus,
      honoursExcludeLabel: services.honoursExcludeLabel,
      cordonDrainMillis: services.drainsCordoned ? (settings.bgp?.drainMillis ?? 0) : null,
      damping: { minimumReadyMillis: services.minimumReadyMillis, holdDownMaxMillis: services.holdDownMaxMillis },
      poolLease: services.pools && lease(services.pools.lease),
      enforced: { onlyServicePorts: services.onlyServicePorts, sourceRanges: services.sourceRanges },
    },
    routeTable: routeTable && { table: routeTable.table, protocol: routeTable.protocol, type: routeTable.type },
    routing: {
      selections: settings.bgp?.routeSelectors ?? [],
      allowed: settings.bgp?.serviceAttributes ?? NOTHING_ALLOWED,
    },
  };
}

/** Without BGP there are no routes that could carry anything. */
const NOTHING_ALLOWED: Policy["routing"]["allowed"] = {
  communities: [],
  largeCommunities: [],
  extendedCommunities: [],
  localPreference: false,
  med: false,
  maxPrepend: 0,
};

function podNamespace(): string | null {
  try {
    return readFileSync(POD_NAMESPACE_FILE, "utf8").trim() || null;
  } catch {
    return null;
  }
}
