import type { IpAddress } from "../../src/addr/ip.ts";
import { type Prefix, prefixAddress } from "../../src/addr/prefix.ts";
import { Instant } from "../../src/base/time.ts";
import type { Settings } from "../../src/config/settings.ts";
import { BgpRuntime } from "../../src/daemon/bgp.ts";
import { confirmed } from "../../src/daemon/confirmed.ts";
import { type Election, Elections } from "../../src/daemon/elections.ts";
import { LeaseElections } from "../../src/daemon/lease-elections.ts";
import { NodeDaemon } from "../../src/daemon/node.ts";
import type { NodeParts } from "../../src/daemon/node-parts.ts";
import { policyOf } from "../../src/daemon/policy.ts";
import { Probe } from "../../src/daemon/probe.ts";
import { statusApi, StatusWriter } from "../../src/daemon/status-writer.ts";
import { ListWatch } from "../../src/kube/cache.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { KubeWrites } from "../../src/kube/writes.ts";
import { Announcer } from "../../src/l2/session/announcer.ts";
import type { KernelNetwork } from "../../src/ports/network.ts";
import type { Dialer } from "../../src/ports/stream.ts";
import { endpointSliceFact, nodeFact, serviceFact } from "../../src/vip/facts.ts";
import type { LeasePlan } from "../../src/vip/plan.ts";
import type { Bug } from "./bugs.ts";
import type { Chance } from "./chance.ts";
import type { Process } from "./host.ts";
import type { SimKernel } from "./kernel.ts";
import { traceLog } from "./log.ts";
import type { Trace } from "./trace.ts";

export interface DaemonParts {
  readonly settings: Settings;
  readonly process: Process;
  readonly kernel: SimKernel;
  readonly client: KubeClient;
  readonly dialer: Dialer;
  readonly chance: Chance;
  readonly trace: Trace;
  readonly bug: Bug | null;
  /** Whether the API server of this node is ready; resolves when it has answered. */
  readonly probe: () => Promise<string | null>;
  /** Called with the VIPs whose routes are to be announced from now on, before anybody is told. */
  readonly onRoutes: (routes: ReadonlySet<IpAddress>) => void;
}

/** As in the composition: routes are withdrawn this long before their addresses go. */
const LINGER_MILLIS = 1_000;
const RELEASE_MILLIS = 5_000;

/**
 * One daemon: the parts of the product put together as `src/daemon/assembly.ts` does, over the simulated machine. Left
 * out is what decides nothing here: BFD, rules of nftables, pools, the status server.
 */
export class SimDaemon {
  readonly process: Process;
  readonly #parts: DaemonParts;
  readonly #closers: (() => void)[] = [];
  #node: NodeDaemon | null = null;
  #elections: Elections | null = null;
  #bgp: BgpRuntime | null = null;
  /** VIPs whose routes the speaker was last told to announce. */
  #routes: ReadonlySet<IpAddress> = new Set();
  isStopping = false;
  readonly #watches: { readonly lastError: string | null }[] = [];

  constructor(parts: DaemonParts) {
    this.#parts = parts;
    this.process = parts.process;
  }

  get routes(): ReadonlySet<IpAddress> {
    return this.process.isAlive ? this.#routes : NOTHING;
  }

  /** Leases by which it acts. */
  get heldLeases(): readonly string[] {
    const facts = this.#elections?.facts() ?? new Map<string, { readonly isHolder: boolean }>();
    return [...facts].filter(([, { isHolder }]) => isHolder).map(([lease]) => lease);
  }

  /** It has all lists, and follows them. */
  get isInStep(): boolean {
    return this.#node?.ready() === true && this.#watches.every(({ lastError }) => lastError === null);
  }

  start(): void {
    const { settings: given, process, kernel, chance, trace, bug } = this.#parts;
    const { clock } = process;
    const log = traceLog(trace, process.host.name);
    const settings = bug?.settings?.(given) ?? given;
    const policy = policyOf(settings);
    const network = this.#network();
    const client = bug?.client?.(this.#parts.client) ?? this.#parts.client;
    const replan = (): void => this.#node?.replan();
    const parts = { client, clock, entropy: chance, log };
    const byLeases = new LeaseElections({ ...parts, policy, settings, replan, onPools: () => {} });
    this.#closers.push(() => byLeases.close());
    const start = (plan: LeasePlan): Election => {
      const election = byLeases.start(plan);
      return bug?.election?.(election, { clock, replan }) ?? election;
    };
    const elections = new Elections(start);
    this.#elections = elections;
    if (settings.bgp) this.#bgp = this.#createBgp(settings.bgp, network);
    const announcer = new Announcer({
      ...confirmed({ clock, taps: kernel.taps(process) }, () => this.#node?.confirm()),
      segments: kernel.segments(),
      log,
      arpRateMillis: settings.arp.intervalMillis,
    });
    this.#closers.push(() => announcer.close());
    const probe = new Probe(
      { url: "readyz", periodMillis: 200, failureThreshold: 3, ask: this.#parts.probe },
      clock,
      replan,
    );
    this.#closers.push(() => probe.close());
    const statuses = new StatusWriter({
      ...{ api: statusApi(new KubeWrites(client)), clock, entropy: chance, log },
      rankOf: (service) => this.#node?.rankOf(service) ?? 0,
    });
    this.#closers.push(() => statuses.close());
    const follow = <F>(path: string, reduce: (object: never) => F | null): ListWatch<F> => {
      const watch = new ListWatch<F>(parts, { path, reduce: (object) => reduce(object as never) });
      watch.onChange(() => this.#node?.replanSoon());
      this.#closers.push(() => watch.stop());
      this.#watches.push(watch);
      return watch;
    };
    const { membership } = byLeases;
    const fact = membership && (bug?.membership?.(membership) ?? membership);
    const node = new NodeDaemon({
      policy,
      clock,
      log,
      network,
      server: client.server,
      services: follow("/api/v1/services", serviceFact),
      slices: follow("/apis/discovery.k8s.io/v1/endpointslices", endpointSliceFact),
      nodes: follow("/api/v1/nodes", nodeFact),
      elections,
      lendsAddresses: settings.election.addressLifetimes,
      ...(fact ? { membership: fact } : {}),
      probe,
      speaker: this.#speaker(),
      announcer,
      statuses,
      warnings: [],
      troubles: [],
    });
    this.#node = node;
    this.#closers.push(() => node.close());
    const watch = network.watch(() => {
      this.#bgp?.kernelChanged();
      node.replanSoon();
    });
    this.#closers.push(() => watch.close());
    node.replan();
    probe.start();
    void this.#bgp?.open();
  }

  /** A stop as SIGTERM asks for it. */
  async stop(): Promise<void> {
    this.isStopping = true;
    const node = this.#node!;
    if (node.beginStop()) await this.#pause(LINGER_MILLIS);
    node.finishStop();
    const released = Promise.race([this.#elections?.stop(), this.#pause(RELEASE_MILLIS)]);
    await Promise.all([released, this.#bgp?.stop("stopping", { keepRoutes: false })]);
    for (const close of this.#closers.splice(0).toReversed()) close();
    this.process.isAlive = false;
  }

  #pause(millis: number): Promise<void> {
    const { clock } = this.process;
    return new Promise((resolve) => clock.alarm(resolve).set(Instant.add(clock.now(), millis)));
  }

  #network(): KernelNetwork {
    const { kernel, process, bug } = this.#parts;
    const network = kernel.network(process);
    return bug?.network?.(network, () => this.#node?.replanSoon()) ?? network;
  }

  #createBgp(settings: NonNullable<Settings["bgp"]>, network: KernelNetwork): BgpRuntime {
    const { process, dialer, chance, trace } = this.#parts;
    const bgp = new BgpRuntime({
      ...{ settings, clock: process.clock, entropy: chance, log: traceLog(trace, process.host.name), network, dialer },
      listener: { listen: () => Promise.reject(new Error("nothing listens here")) },
      routerSegments: { open: () => ({ send: () => {}, close: () => {} }) },
      secrets: { environment: {}, namespace: "kube-system", watchSecret: () => ({ close: () => {} }) as never },
      note: { read: () => null, write: () => {}, remove: () => {} },
      hasLastingRoutes: false,
    });
    bgp.speaker.onChange(() => this.#node?.replanSoon());
    return bgp;
  }

  /** The speaker, whose routes are written down as they are set. */
  #speaker(): NodeParts["speaker"] {
    if (this.#bgp === null) return null;
    const { speaker } = this.#bgp;
    return {
      setRoutes: (routes, options) => {
        const vips = new Set([...routes.keys()].map((prefix: Prefix) => prefixAddress(prefix)));
        this.#parts.onRoutes(vips);
        this.#routes = vips;
        speaker.setRoutes(routes, options);
      },
      toldOf: (prefix) => speaker.toldOf(prefix),
      drain: () => speaker.drain(),
      summaries: () => speaker.summaries(),
      peers: () => speaker.peers(),
      recorder: (peer) => speaker.recorder(peer),
    };
  }
}

const NOTHING: ReadonlySet<IpAddress> = new Set();
