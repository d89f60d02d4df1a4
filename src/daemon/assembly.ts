/**
 * Composition: builds the parts from the settings, starts them in order, and stops them in order.
 *
 * Nothing here decides anything about a VIP. A start that cannot succeed (no kubeconfig, a socket or port in use) throws
 * a sentence; trouble after that is the business of the part that has it.
 */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { V1ConfigMap } from "@kubernetes/client-node";
import type { Logger } from "pino";
import type {
  BalancerSettings,
  BgpSettings,
  ControlPlaneSettings,
  HealthCheckSettings,
  PoolSettings,
  Settings,
} from "../config/settings.ts";
import { ListWatch } from "../kube/cache.ts";
import { connectKube, type KubeClient } from "../kube/client.ts";
import { type CredentialSource, inClusterServer } from "../kube/credentials.ts";
import { API_SERVER_NAME, localServer } from "../kube/own-path.ts";
import { KubeWrites } from "../kube/writes.ts";
import { Announcer } from "../l2/session/announcer.ts";
import { Netlink } from "../linux/io/netlink.ts";
import { NftLoadBalancer } from "../linux/io/load-balancer.ts";
import { NftPacketFilter } from "../linux/io/packet-filter.ts";
import { routerSegments } from "../linux/io/router-segment.ts";
import { segments } from "../linux/io/segment.ts";
import { segmentTaps } from "../linux/io/segment-tap.ts";
import { systemClock, systemEntropy } from "../linux/io/system-clock.ts";
import { tcpDialer, tcpListener } from "../linux/io/tcp.ts";
import { readTcpCounters } from "../linux/io/tcp-counters.ts";
import { readForeignSockets } from "../linux/io/tcp-table.ts";
import { StatusServer, type StatusSource } from "../status/server.ts";
import { emit } from "../telemetry/events.ts";
import { Metrics } from "../telemetry/metrics.ts";
import { endpointSliceFact, nodeFact, type ServiceFact, serviceFact } from "../vip/facts.ts";
import type { LeasePlan } from "../vip/plan.ts";
import { leaseText, type Policy } from "../vip/snapshot.ts";
import { Backends } from "./backends.ts";
import { BalancerConverger } from "./balancer.ts";
import { PeerBfd } from "./bfd.ts";
import { BfdSessions } from "./bfd-sessions.ts";
import { BgpRuntime } from "./bgp.ts";
import { type Election, Elections } from "./elections.ts";
import { confirmed } from "./confirmed.ts";
import { etcdElections } from "./etcd-elections.ts";
import { eventBody, type EventRecord, EventWriter } from "./event-writer.ts";
import { FirewallConverger } from "./firewall.ts";
import { LeaseElections } from "./lease-elections.ts";
import { NodeDaemon } from "./node.ts";
import { pause } from "./pause.ts";
import { ownNamespace, policyOf } from "./policy.ts";
import { PoolController } from "./pools.ts";
import { Probe } from "./probe.ts";
import { askAsClient, askUrl } from "./probe-requests.ts";
import { RestartNoteFile } from "./restart-note.ts";
import { RouteConverger } from "./route-converger.ts";
import { RouteNoteFile } from "./route-note.ts";
import { statusApi, StatusWriter } from "./status-writer.ts";
import { VERSION } from "./version.ts";
import { watchSecret } from "./watched-secret.ts";

/**
 * Our numbers in IFA_PROTO: what marks an address as ours. Control plane and Services may be served by two daemons on
 * one node, which must not take each other's addresses for leftovers.
 */
const CONTROL_PLANE_MARK = 248;
const SERVICES_MARK = 249;
/** Routes are withdrawn this long before their addresses go, so that routers have moved the traffic away. */
const LINGER_MILLIS = 1_000;
/** An API server that does not answer may have the Leases run out instead: their times may be long. */
const RELEASE_MILLIS = 5_000;
/** After so many questions in a row without a good answer an API server gets no connections. */
const BACKEND_FAILURES = 3;
const ADMIN_KUBECONFIG = "/etc/kubernetes/admin.conf";

const SERVICES = "/api/v1/services";
const ENDPOINT_SLICES = "/apis/discovery.k8s.io/v1/endpointslices";
const NODES = "/api/v1/nodes";

export class Manager {
  readonly #settings: Settings;
  readonly #policy: Policy;
  readonly #warnings: readonly string[];
  readonly #troubles: string[] = [];
  readonly #log: Logger;
  readonly #metrics = new Metrics();
  /** What has been started, to be closed in the opposite order. */
  readonly #closers: (() => void | Promise<void>)[] = [];
  #node: NodeDaemon | null = null;
  #elections: Elections | null = null;
  #bgp: BgpRuntime | null = null;
  #bfd: BfdSessions | null = null;
  #pools: PoolController | null = null;
  #isStarted = false;
  /** Of a stop: the rules about VIPs stay with them. */
  #keepsRules = false;

  constructor(settings: Settings, warnings: readonly string[], log: Logger) {
    this.#settings = settings;
    this.#policy = policyOf(settings);
    this.#warnings = warnings;
    this.#log = log;
  }

  async start(): Promise<void> {
    const { mode, bgp, arp, services, controlPlane } = this.#settings;
    const log = this.#log;
    const network = new Netlink(marksOf(this.#settings));
    this.#closers.push(() => network.close());
    const client = this.#connect();
    // Renewals have connections of their own: they wait for no list, and no list can use up what they may ask for.
    const leaseClient = this.#connect();
    const byLeases = this.#createLeaseElections(leaseClient);
    const { membership } = byLeases;
    const elections = new Elections(this.#electionsInEtcd() ?? ((plan) => byLeases.start(plan)));
    this.#elections = elections;
    if (bgp) this.#bgp = this.#createBgp(bgp, network, client);
    const announcer = new Announcer({
      ...confirmed({ clock: systemClock, taps: segmentTaps }, () => this.#node?.confirm()),
      segments,
      log,
      arpRateMillis: arp.intervalMillis,
    });
    this.#closers.push(() => announcer.close());
    const balancer = controlPlane ? this.#createBalancer() : null;
    const backends = controlPlane?.balancer ? this.#createBackends(controlPlane, controlPlane.balancer) : null;
    const firewall = services ? this.#createFirewall() : null;
    const probe = controlPlane?.healthCheck ? this.#createProbe(controlPlane.healthCheck) : null;
    const statuses = services?.updateStatus ? this.#createStatusWriter(client) : null;
    const follow = <F>(path: string, reduce: (object: never) => F | null): ListWatch<F> => {
      const watch = new ListWatch<F>(
        { client, clock: systemClock, entropy: systemEntropy, log },
        { path, reduce: (object) => reduce(object as never) },
      );
      watch.onChange(() => this.#node?.replanSoon());
      this.#closers.push(() => watch.stop());
      return watch;
    };
    const within = services?.namespace ? `/namespaces/${services.namespace}` : "";
    const serviceWatch = services ? follow(scoped(SERVICES, within), serviceFact) : null;
    const pools = services?.pools && serviceWatch ? this.#createPools(services.pools, serviceWatch, client) : null;
    const { node: ownName } = this.#policy;
    const marked = bgp?.onNode ? ownName : null;
    const nodeWatch = follow(NODES, (object) => nodeFact(object, marked));
    nodeWatch.onChange(() => {
      backends?.follow(nodeWatch.facts);
      this.#bgp?.setNode(nodeWatch.facts.get(ownName)?.marks ?? null);
    });
    const node = new NodeDaemon({
      policy: this.#policy,
      clock: systemClock,
      log,
      network,
      server: client.server,
      services: serviceWatch,
      slices: services ? follow(scoped(ENDPOINT_SLICES, within), endpointSliceFact) : null,
      nodes: nodeWatch,
      elections,
      lendsAddresses: this.#settings.election.addressLifetimes,
      ...(membership ? { membership } : {}),
      probe,
      speaker: this.#bgp?.speaker ?? null,
      routes: this.#createRoutes(network),
      ...(this.#bgp ? { bgp: this.#bgp } : {}),
      ...(this.#bfd ? { bfd: this.#bfd } : {}),
      announcer,
      statuses,
      ...(firewall ? { firewall } : {}),
      ...(pools ? { pools } : {}),
      ...(balancer ? { balancer } : {}),
      ...(services?.updateStatus ? { events: this.#createEventWriter(client) } : {}),
      ...(backends ? { backends } : {}),
      warnings: this.#warnings,
      troubles: this.#troubles,
    });
    this.#closers.push(() => node.close());
    await this.#serve(node);
    // Not before the local socket is ours: until then what looks like a leftover may be a running daemon's.
    this.#node = node;
    const kernel = network.watch(() => {
      this.#bgp?.kernelChanged();
      node.replanSoon();
    });
    this.#closers.push(() => kernel.close());
    node.replan();
    probe?.start();
    await this.#bgp?.open();
    this.#isStarted = true;
    emit(log, "daemon.started", { version: VERSION, node: this.#policy.node, mode }, "vipcast started");
  }

  /**
   * Asks routers to prefer other ways, withdraws, gives the Leases up, waits until routers have had time to move the
   * traffic, takes the addresses away and ends the sessions with a reason. What every node announces stays where the
   * configuration takes a stop for an upgrade and the node is in service. Whatever was not started is skipped.
   */
  async stop(reason: string): Promise<void> {
    const node = this.#node;
    const { bgp, routeTable } = this.#settings;
    const keepsOnStop = bgp?.keepOnStop === true || routeTable?.keepOnStop === true;
    const keepRoutes = keepsOnStop && this.#isStarted && node?.isInService() === true;
    const drainMillis = bgp?.drainMillis ?? 0;
    this.#keepsRules = keepRoutes;
    if (!keepRoutes && drainMillis > 0 && node?.drain()) await pause(drainMillis);
    if (node?.beginStop(keepRoutes)) await pause(LINGER_MILLIS);
    node?.finishStop();
    const released = Promise.race([this.#elections?.stop(), pause(RELEASE_MILLIS)]);
    await Promise.all([released, this.#bgp?.stop(reason, { keepRoutes })]);
    await this.#bfd?.close();
    for (const close of this.#closers.splice(0).toReversed()) await close();
  }

  #connect(): KubeClient {
    const { controlPlane } = this.#settings;
    if (!controlPlane) return connectKube({ ...this.#credentials(), clock: systemClock });
    const ownPath = { vips: controlPlane.addresses, port: controlPlane.port };
    const second = inClusterServer();
    return connectKube({
      ...{ ...this.#credentials(), clock: systemClock, ownPath },
      ...(second === null ? {} : { secondServer: second }),
    });
  }

  /**
   * kube-vip's order: the named file, the administrator's, the user's, the pod's own. The administrator's file names the
   * address that clients use, which may be the VIP that this daemon is to bring up: with the control plane on, the API
   * server of this node is asked instead.
   */
  #credentials(): CredentialSource {
    const { kubeconfig, address } = this.#settings.kubernetes;
    const server = address === null ? {} : { server: address };
    if (kubeconfig !== null && kubeconfig !== ADMIN_KUBECONFIG) return { kubeconfigPath: kubeconfig, ...server };
    const found = [ADMIN_KUBECONFIG, join(homedir(), ".kube", "config")].find((path) => existsSync(path));
    if (!found) return { inCluster: true, ...server };
    const { controlPlane } = this.#settings;
    if (found !== ADMIN_KUBECONFIG || address !== null || !controlPlane) return { kubeconfigPath: found, ...server };
    return { kubeconfigPath: found, server: localServer(controlPlane.port), tlsServerName: API_SERVER_NAME };
  }

  /** Null with elections by Leases. */
  #electionsInEtcd(): ((plan: LeasePlan) => Election) | null {
    const { etcd, election } = this.#settings;
    if (etcd === null) return null;
    return etcdElections(etcd, election, {
      ...{ clock: systemClock, entropy: systemEntropy, log: this.#log },
      identity: this.#policy.node,
      replan: () => this.#node?.replan(),
    });
  }

  #createLeaseElections(client: KubeClient): LeaseElections {
    const elections = new LeaseElections({
      ...{ client, clock: systemClock, entropy: systemEntropy, log: this.#log },
      policy: this.#policy,
      settings: this.#settings,
      replan: () => this.#node?.replan(),
      onPools: () => this.#pools?.updateSoon(),
    });
    this.#closers.push(() => elections.close());
    return elections;
  }

  #createBgp(settings: BgpSettings, network: Netlink, client: KubeClient): BgpRuntime {
    const [clock, entropy, log] = [systemClock, systemEntropy, this.#log];
    const { controlPlane, services } = this.#settings;
    const bgp = new BgpRuntime({
      ...{ settings, clock, entropy, log, network, dialer: tcpDialer, listener: tcpListener, readTcpCounters },
      readForeignSockets,
      routerSegments,
      secrets: {
        environment: process.env,
        namespace: ownNamespace(this.#settings),
        watchSecret: (namespace, name, onChange) =>
          watchSecret({ client, clock, entropy, log }, namespace, name, onChange),
      },
      note: new RestartNoteFile(this.#settings.status.socketPath),
      hasLastingRoutes: controlPlane?.elected === false || services?.election === "none",
    });
    const { speaker } = bgp;
    const sessions = new BfdSessions({ clock, log, metrics: this.#metrics });
    this.#bfd = sessions;
    const bfd = new PeerBfd({ clock, log, bgp: speaker, sessions });
    bgp.onPeers((peers) => bfd.setPeers(peers));
    speaker.onChange(() => {
      bfd.refresh();
      this.#node?.sessionsChanged();
    });
    return bgp;
  }

  /** Also in other modes: an earlier run may have left routes. */
  #createRoutes(network: Netlink): RouteConverger {
    const { routeTable, status } = this.#settings;
    const note = new RouteNoteFile(status.socketPath);
    const target = this.#policy.routeTable ?? null;
    return new RouteConverger({ network, target, cleans: routeTable?.cleans ?? false, note, log: this.#log });
  }

  #createProbe(settings: HealthCheckSettings): Probe {
    const { url, kind, periodMillis, failureThreshold } = settings;
    const ask =
      kind === "url"
        ? askUrl(settings, systemClock)
        : askAsClient(
            connectKube({
              ...this.#credentials(),
              server: new URL(url).origin,
              tlsServerName: API_SERVER_NAME,
              clock: systemClock,
            }),
            settings,
          );
    const probe = new Probe({ url, periodMillis, failureThreshold, ask }, systemClock, () => this.#node?.replan());
    this.#closers.push(() => probe.close());
    return probe;
  }

  #createEventWriter(client: KubeClient): EventWriter {
    const writes = new KubeWrites(client);
    const api = {
      write: (event: EventRecord) =>
        writes.writeEvent(event.namespace, event.name, eventBody(event, this.#policy.node)),
    };
    const events = new EventWriter({ api, clock: systemClock, log: this.#log });
    this.#closers.push(() => events.close());
    return events;
  }

  /** Also where nothing is balanced: an earlier run may have left rules. */
  #createBalancer(): BalancerConverger {
    const balancer = new BalancerConverger(new NftLoadBalancer(), {
      ...{ clock: systemClock, entropy: systemEntropy, log: this.#log },
      onChange: () => {},
    });
    this.#closers.push(() => balancer.close(this.#keepsRules));
    return balancer;
  }

  #createBackends({ port }: ControlPlaneSettings, { probeMillis }: BalancerSettings): Backends {
    const backends = new Backends({
      ...{ clock: systemClock, port, periodMillis: probeMillis, failureThreshold: BACKEND_FAILURES },
      askFor: (server) =>
        askAsClient(
          connectKube({ ...this.#credentials(), server, tlsServerName: API_SERVER_NAME, clock: systemClock }),
          { url: `${server}/readyz`, timeoutMillis: Math.max(250, probeMillis) },
        ),
      onChange: () => this.#node?.replan(),
    });
    this.#closers.push(() => backends.close());
    return backends;
  }

  #createPools(settings: PoolSettings, services: ListWatch<ServiceFact>, client: KubeClient): PoolController {
    const { namespace, name } = settings.configMap;
    const configMap = new ListWatch<Readonly<Record<string, string>>>(
      { client, clock: systemClock, entropy: systemEntropy, log: this.#log },
      {
        path: `/api/v1/namespaces/${namespace ?? ownNamespace(this.#settings)}/configmaps`,
        query: { fieldSelector: `metadata.name=${name}` },
        reduce: (object) => (object as V1ConfigMap).data ?? {},
      },
    );
    const policy = this.#policy.services!;
    const writes = new KubeWrites(client);
    const pools = new PoolController({
      ...{ policy, services, configMap, clock: systemClock, entropy: systemEntropy, log: this.#log },
      isHolder: () => this.#elections?.facts().get(leaseText(policy.poolLease!))?.isHolder === true,
      api: {
        assign: ({ namespace: of, name: service, addresses, interfaceName }) =>
          writes.assignAddresses(of, service, addresses, interfaceName),
      },
      onChange: () => this.#node?.replanSoon(),
    });
    configMap.onChange(() => pools.updateSoon());
    services.onChange(() => pools.updateSoon());
    this.#pools = pools;
    this.#closers.push(
      () => configMap.stop(),
      () => pools.close(),
    );
    return pools;
  }

  /** Also where nothing is enforced: an earlier run may have left rules. */
  #createFirewall(): FirewallConverger {
    const firewall = new FirewallConverger(new NftPacketFilter(), {
      ...{ clock: systemClock, entropy: systemEntropy, log: this.#log },
      onChange: () => this.#node?.replanSoon(),
    });
    this.#closers.push(() => firewall.close(this.#keepsRules));
    return firewall;
  }

  #createStatusWriter(client: KubeClient): StatusWriter {
    const writer = new StatusWriter({
      api: statusApi(new KubeWrites(client)),
      clock: systemClock,
      entropy: systemEntropy,
      log: this.#log,
      rankOf: (service) => this.#node?.rankOf(service) ?? 0,
    });
    this.#closers.push(() => writer.close());
    return writer;
  }

  /**
   * The local socket is also what keeps a second daemon of the same kind from starting, so it must be had. A TCP port
   * that somebody else has costs the metrics or the probes, never a VIP.
   */
  async #serve(node: NodeDaemon): Promise<void> {
    const source: StatusSource = {
      report: () => node.report(),
      view: (wanted) => node.view(wanted),
      nodes: () => ({ node: this.#policy.node, port: this.#settings.metrics?.port ?? null, nodes: [...node.nodes()] }),
      live: () => true,
      ready: () => node.ready(),
      recording: (peer, format) => node.recording(peer, format),
    };
    const server = new StatusServer(source, this.#metrics);
    this.#closers.push(() => server.close());
    const { status, metrics, health } = this.#settings;
    await server.listenLocal(status.socketPath);
    const listen = async (name: string, port: number, host?: string): Promise<void> => {
      try {
        await server.listenTcp(port, host);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        this.#troubles.push(`${name}: nothing is served on port ${port}: ${reason}`);
        emit(this.#log, "status.port-failed", { name, port, error: reason }, "port cannot be had");
      }
    };
    if (metrics) await listen("prometheus_server", metrics.port, metrics.address ?? undefined);
    if (health) await listen("health_check_port", health.port);
  }
}

function marksOf({ controlPlane, services }: Settings): { addressProtocol: number; alsoOwned: readonly number[] } {
  if (!services) return { addressProtocol: CONTROL_PLANE_MARK, alsoOwned: [] };
  return controlPlane
    ? { addressProtocol: CONTROL_PLANE_MARK, alsoOwned: [SERVICES_MARK] }
    : { addressProtocol: SERVICES_MARK, alsoOwned: [] };
}

/** The collection of one namespace, or of all. */
const scoped = (collection: string, within: string): string =>
  collection.replace(/\/([a-z]+)$/, (_, plural: string) => `${within}/${plural}`);
