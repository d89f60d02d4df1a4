import { familyOf, type IpAddress } from "../addr/ip.ts";
import { routeTypeOf } from "../addr/route-type.ts";
import { parseListen } from "./listen-address.ts";
import { resolveBgp } from "./resolve-bgp.ts";
import { resolveEtcd } from "./resolve-etcd.ts";
import type { Report } from "./resolve-session.ts";
import type { Config, Peer } from "./schema.ts";
import type {
  ControlPlaneSettings,
  ElectionSettings,
  HealthCheckSettings,
  LeaseSettings,
  ListenAddress,
  RouteTableSettings,
  ServicesSettings,
  Settings,
} from "./settings.ts";

/**
 * Rules over more than one key, each a function of its own, and the step from keys to settings. Every value is of the
 * right form when it comes here.
 *
 * @param single  the peer of `bgp_peeraddress`, which comes after those of the list
 * @returns null after something was reported
 */
export function resolve(
  config: Config,
  single: Peer | null,
  report: Report,
  warn: (key: string, message: string) => void,
): Settings | null {
  let problems = 0;
  const complain: Report = (path, what, hint) => {
    problems++;
    report(path, what, hint);
  };
  const { mode } = config;
  if (mode === undefined)
    complain(
      ["mode"],
      "no mode is chosen",
      "set bgp_enable=true, vip_arp=true, vip_routingtable=true, or vipcast_mode=auto for BGP with ARP as fallback",
    );
  if (!config.controlPlane.enabled && !config.services.enabled)
    complain([], "nothing to announce", "set cp_enable=true, svc_enable=true, or both");
  const settings = {
    mode: mode ?? "bgp",
    nodeName: config.nodeName ?? null,
    prefixLengths: resolvePrefixLengths(config, complain),
    controlPlane: config.controlPlane.enabled ? resolveControlPlane(config, complain) : null,
    services: config.services.enabled ? resolveServices(config, complain) : null,
    election: resolveElection(config.election, complain),
    etcd: resolveEtcd(config, complain),
    bgp: mode === "bgp" || mode === "auto" ? resolveBgp(config.bgp, single, complain, warn) : null,
    arp: { intervalMillis: config.arp.intervalMillis },
    fallback: config.fallback,
    routeTable: mode === "table" ? resolveRouteTable(config) : null,
    kubernetes: {
      kubeconfig: config.kubernetes.kubeconfig ?? null,
      address: config.kubernetes.address ?? null,
      namespace: config.kubernetes.namespace,
    },
    metrics: resolveMetrics(config, complain),
    health: config.health.port === 0 ? null : { port: config.health.port },
    log: config.log,
    status: { socketPath: config.status.socket },
  } satisfies Settings;
  checkPorts(settings, complain);
  if (config.election.addressLifetimes && !settings.election.addressLifetimes)
    warn(
      "election.renewDeadlineSeconds",
      "the renew deadline (vip_renewdeadline) leaves less than 2 s until the Lease's duration: a daemon that hangs may keep an elected VIP beside the next holder",
    );
  if (mode === "table" && config.controlPlane.election && !config.services.enabled)
    warn(
      "controlPlane.election",
      "elects for Services only in mode table: every node whose API server is ready has the control plane's route",
    );
  return problems === 0 ? settings : null;
}

/** One length belongs to IPv4 unless it is too long for it, or all VIPs of the control plane are IPv6. */
function resolvePrefixLengths(config: Config, complain: Report): Settings["prefixLengths"] {
  const [first, second] = config.prefixLengths;
  const { addresses } = config.controlPlane;
  if (first === undefined) return { ipv4: 32, ipv6: 128 };
  const onlyIpv6 = addresses.length > 0 && addresses.every((address) => familyOf(address) === 6);
  if (second === undefined && (first > 32 || onlyIpv6)) return { ipv4: 32, ipv6: first };
  if (first > 32) complain(["prefixLengths"], `IPv4 comes first and has at most 32 bits, not ${first}`);
  return { ipv4: first, ipv6: second ?? 128 };
}

function resolveControlPlane(config: Config, complain: Report): ControlPlaneSettings {
  const { controlPlane } = config;
  if (controlPlane.addresses.length === 0)
    complain(["controlPlane", "addresses"], "the control plane has no address", "set address to the VIP");
  return {
    addresses: [...new Set<IpAddress>(controlPlane.addresses)],
    port: controlPlane.port,
    interfaceName: config.interface ?? null,
    // As kube-vip: the routes of all nodes whose API server is ready are there to be used.
    elected: config.mode === "arp" || (controlPlane.election && config.mode !== "table"),
    lease: leaseOf(controlPlane.leaseName),
    leaseAnnotations: controlPlane.leaseAnnotations,
    balancer: controlPlane.balancer.enabled
      ? {
          port: controlPlane.balancer.port,
          method: controlPlane.balancer.method,
          algorithm: controlPlane.balancer.algorithm,
          probeMillis: Math.round(controlPlane.balancer.probeSeconds * 1000),
        }
      : null,
    healthCheck: controlPlane.healthCheck.enabled ? resolveHealthCheck(config) : null,
  };
}

function resolveHealthCheck({ controlPlane: { healthCheck, port } }: Config): HealthCheckSettings {
  return {
    kind: healthCheck.url === undefined ? "local" : "url",
    url: healthCheck.url ?? `https://127.0.0.1:${port}/readyz`,
    caFile: healthCheck.caFile ?? null,
    periodMillis: Math.round(healthCheck.periodSeconds * 1000),
    timeoutMillis: Math.round(healthCheck.timeoutSeconds * 1000),
    failureThreshold: healthCheck.failureThreshold,
  };
}

function resolveServices(config: Config, complain: Report): ServicesSettings {
  const { services, interface: interfaceName } = config;
  return {
    namespace: services.namespace ?? null,
    election: resolveServiceElection(config, complain),
    perServiceElectionOnDemand: services.perServiceElectionOnDemand,
    spreadWeight: services.spreadWeight,
    lease: leaseOf(services.leaseName),
    className: services.loadBalancerClass,
    classOnly: services.loadBalancerClassOnly,
    legacyClassHandling: services.legacyClassHandling,
    interfaceName: services.interface ?? interfaceName ?? null,
    attach: services.attachAddresses,
    updateStatus: services.updateStatus,
    honoursExcludeLabel: services.excludeLabel,
    drainsCordoned: services.drainCordonedNodes,
    minimumReadyMillis: Math.round(services.endpointMinimumReadySeconds * 1000),
    holdDownMaxMillis: Math.round(services.endpointHoldDownSeconds * 1000),
    pools: services.pools.enabled
      ? { configMap: leaseOf(services.pools.configMap), lease: leaseOf(services.pools.leaseName) }
      : null,
    onlyServicePorts: services.onlyServicePorts,
    sourceRanges: services.sourceRanges,
  };
}

/** kube-vip's rule where nothing is chosen. */
function resolveServiceElection(
  { mode, services, controlPlane }: Config,
  complain: Report,
): ServicesSettings["election"] {
  const { election, perServiceElection } = services;
  if (perServiceElection && election !== undefined && election !== "per-service")
    complain(
      ["services", "election"],
      `svc_election asks for a Lease per Service, vipcast_services_election for ${election}`,
      "remove one of the two",
    );
  if (election === "none" && mode === "arp")
    complain(
      ["services", "election"],
      "in mode arp one node alone can answer for an address",
      "choose global, per-service or spread",
    );
  if (election !== undefined) return election;
  if (perServiceElection) return "per-service";
  return mode === "arp" || (mode === "table" && controlPlane.election) ? "global" : "none";
}

/** Types were checked when they were read. */
function resolveRouteTable({ routingTable }: Config): RouteTableSettings {
  const { table, protocol, type, clean, keepOnStop } = routingTable;
  return { table, protocol: protocol === 0 ? 1 : protocol, type: routeTypeOf(type)!, cleans: clean, keepOnStop };
}

function leaseOf(text: string): LeaseSettings {
  const slash = text.indexOf("/");
  return slash < 0 ? { namespace: null, name: text } : { namespace: text.slice(0, slash), name: text.slice(slash + 1) };
}

/** The rules of client-go: a holder must have given up before anyone may take the Lease. */
function resolveElection(election: Config["election"], complain: Report): ElectionSettings {
  const { leaseDurationSeconds: lease, renewDeadlineSeconds: deadline, retryPeriodSeconds: retry } = election;
  if (deadline >= lease)
    complain(
      ["election", "renewDeadlineSeconds"],
      `the renew deadline (vip_renewdeadline, ${deadline} s) must be less than the Lease's duration (vip_leaseduration, ${lease} s)`,
      "for example 15, 10 and 2 for duration, deadline and retry",
    );
  if (retry * 1.2 >= deadline)
    complain(
      ["election", "retryPeriodSeconds"],
      `1.2 times the retry period (vip_retryperiod, ${retry} s) must be less than the renew deadline (vip_renewdeadline, ${deadline} s)`,
      "for example 15, 10 and 2 for duration, deadline and retry",
    );
  // An address must not expire before the deadline, and the kernel may take a second longer than it should.
  const addressLifetimes = election.addressLifetimes && lease - deadline >= 2;
  return { leaseDurationSeconds: lease, renewDeadlineSeconds: deadline, retryPeriodSeconds: retry, addressLifetimes };
}

function resolveMetrics(config: Config, complain: Report): ListenAddress | null {
  const { listen } = config.metrics;
  return listen === "" || listen === "off" ? null : parseListen(listen, ["metrics", "listen"], complain);
}

/** The daemon's own listeners share the host's network with the API server. */
function checkPorts(settings: Settings, complain: Report): void {
  const { metrics, health, controlPlane } = settings;
  if (metrics !== null && health !== null && metrics.port === health.port)
    complain(["health", "port"], `port ${health.port} is taken by the metrics`, "choose another health_check_port");
  if (controlPlane !== null && health !== null && health.port === controlPlane.port)
    complain(["health", "port"], `port ${health.port} is the API server's`, "choose another health_check_port");
}
