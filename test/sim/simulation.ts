import { ip, type IpAddress } from "../../src/addr/ip.ts";
import type { Mac } from "../../src/addr/mac.ts";
import { NetlinkRefused } from "../../src/ports/network.ts";
import { API, GOOD_MOOD, SimApi } from "./api.ts";
import type { Bug } from "./bugs.ts";
import { Chance } from "./chance.ts";
import { Cluster } from "./cluster.ts";
import { SimDaemon } from "./daemon.ts";
import { expectation } from "./expectation.ts";
import { orderFaults } from "./faults.ts";
import { Host, type Process } from "./host.ts";
import { Judge, type Node, TRANSIT_MILLIS, type World } from "./judge.ts";
import { Segment, SimKernel } from "./kernel.ts";
import { GOOD, Links } from "./links.ts";
import { LONG, type Mode, MODES, settingsFor, SHORT, type Times } from "./modes.ts";
import { SimRouter } from "./router.ts";
import { Tcp } from "./streams.ts";
import { SimTime } from "./time.ts";
import { Trace } from "./trace.ts";

export interface Options {
  readonly seed: number;
  readonly bug?: Bug | null;
  /** Only this one; drawn when left out. */
  readonly mode?: Mode;
  /** Keep every line of the trace. */
  readonly keepsTrace?: boolean;
}

export interface Outcome {
  readonly seed: number;
  readonly mode: string;
  /** Null: nothing happened that must not. */
  readonly violation: string | null;
  readonly virtualSeconds: number;
  /** Two runs with the same hash were the same. */
  readonly hash: string;
  readonly trace: readonly string[];
}

/** Of a machine's monotonic clock: twenty times what NTP would slew. */
const DRIFT_MAX = 0.01;
/** All is well at first, so that the faults meet something that works. */
const CALM_MILLIS = 6_000;
/** When the last fault is over, all VIPs that can be announced are within this time. docs/simulation.md says why. */
const LIVENESS_MILLIS = 60_000;
/** It must stay so. */
const STABLE_MILLIS = 1_500;
/** Between the end of a process that could not start and the next one. */
const RESTART_MILLIS = 1_000;
const LOOK_MILLIS = 250;
const PROBE_ANSWER_MILLIS = [0.5, 20] as const;

export async function simulate(options: Options): Promise<Outcome> {
  const simulation = new Simulation(options);
  return simulation.run();
}

/** One run: a cluster of its own, faults from the seed, then quiet, in which everything must come right. */
export class Simulation implements World {
  readonly time = new SimTime();
  readonly trace: Trace;
  readonly links: Links;
  readonly api: SimApi;
  readonly mode: Mode;
  readonly times: Times;
  readonly nodes: readonly Node[];
  readonly routers: readonly SimRouter[];
  readonly cluster: Cluster;
  readonly judge: Judge;
  readonly #options: Options;
  readonly #chance: Chance;
  readonly #tcp: Tcp;
  /** How many daemons a node has had: each draws numbers of its own. */
  readonly #starts = new Map<string, number>();

  constructor(options: Options) {
    this.#options = options;
    const chance = new Chance(options.seed);
    this.#chance = chance;
    this.trace = new Trace(() => this.time.now, options.keepsTrace ?? false);
    const modes = MODES.filter(({ name }) => options.bug?.modes?.includes(name) ?? true);
    this.mode = options.mode ?? chance.pick(modes);
    this.times = chance.is(0.7) ? SHORT : LONG;
    this.links = new Links(this.time, chance.fork("links"));
    this.#tcp = new Tcp(this.time, this.links);
    const names = Array.from({ length: chance.count(3, 5) }, (_, index) => `n${index + 1}`);
    const addresses = new Map<IpAddress, string>(names.map((name, index) => [ip(`10.0.0.${11 + index}`), name]));
    const trouble = (what: string): void => this.judge.trouble(what);
    const segment = new Segment(this.time, this.links);
    this.nodes = [...addresses].map(([address, name], index) => ({
      name,
      kernel: new SimKernel({
        ...{ time: this.time, links: this.links, segment, address, chance: chance.fork(`kernel ${name}`) },
        host: new Host(name, this.time, chance.fork(`host ${name}`), DRIFT_MAX, trouble),
        mac: `02:00:00:00:00:${String(11 + index)}` as Mac,
        events: {
          changed: (...of) => this.judge.changed(...of),
          claimed: (...of) => this.judge.claimed(...of),
          trouble,
        },
      }),
      daemon: null,
    }));
    this.routers = this.mode.mode === "arp" ? [] : this.#createRouters(chance.count(1, 2), addresses, trouble);
    this.api = new SimApi(this.time, this.links, chance.fork("api"), {
      asked: (...of) => this.judge.asked(...of),
      answered: (...of) => this.judge.answered(...of),
      told: (...of) => this.judge.told(...of),
    });
    this.cluster = new Cluster(this.api.store, this.trace, chance.fork("cluster"), names);
    this.judge = new Judge(this);
  }

  async run(): Promise<Outcome> {
    const { time, trace, mode, times, nodes, routers } = this;
    const about = `lease ${times.leaseDurationSeconds} s, hold ${times.holdTimeSeconds} s`;
    trace.say("", `mode ${mode.name}, ${nodes.length} nodes, ${routers.length} routers, ${about}`);
    for (const router of routers) router.start();
    for (const node of nodes) time.after(this.#chance.between(0, 2_000), () => this.startDaemon(node));
    await this.#pass(CALM_MILLIS);
    const millis = 3 * 1000 * times.leaseDurationSeconds + this.#chance.between(10_000, 25_000);
    orderFaults(this, this.#chance.fork("faults"), millis);
    const changes = this.#chance.fork("changes");
    for (let i = changes.count(0, 8); i > 0; i--)
      time.after(changes.between(0, millis), () => this.cluster.change(changes));
    await this.#pass(millis);
    if (!time.isOver) await this.#quiet();
    if (!time.isOver) await this.#rollingStop();
    return {
      seed: this.#options.seed,
      mode: mode.name,
      violation: this.judge.violation,
      virtualSeconds: time.now / 1000,
      hash: trace.hash,
      trace: trace.lines,
    };
  }

  /** What still goes wrong ends, and then everything must come right. */
  async #quiet(): Promise<void> {
    this.trace.say("", "QUIET: all faults are over");
    this.#repair();
    await this.#mustComeRight("after all faults were over", LIVENESS_MILLIS);
  }

  /** A daemon is stopped where all is well: nothing of it stays, and the others take over at once. */
  async #rollingStop(): Promise<void> {
    const node = this.pickNode(this.#chance);
    this.trace.say("", `the daemon on ${node.name} is stopped`);
    // One whose release was not answered before runs out by itself.
    const held = node.daemon?.heldLeases ?? [];
    await this.#stopAndWait(node);
    if (this.time.isOver) return;
    const owned = node.kernel.owned.map(({ address }) => address);
    if (owned.length > 0) this.judge.trouble(`${node.name} has left ${owned.join(" ")} behind`);
    const leases = this.cluster.leasesOf(node.name).filter((lease) => held.includes(lease));
    if (leases.length > 0) this.judge.trouble(`${node.name} has not given back ${leases.join(" ")}`);
    const { retryPeriodSeconds } = this.times;
    await this.#mustComeRight(`after ${node.name} was stopped`, TRANSIT_MILLIS + 4_000 * retryPeriodSeconds);
  }

  async #stopAndWait(node: Node): Promise<void> {
    const stop = { isDone: false };
    const { daemon } = node;
    if (daemon === null) return;
    this.stopDaemon(node, () => (stop.isDone = true));
    for (let left = 100; !stop.isDone && left > 0 && !this.time.isOver; left--) await this.#pass(100);
    if (!stop.isDone) this.judge.trouble(`${node.name} has not stopped within 10 s`);
  }

  async #mustComeRight(when: string, boundMillis: number): Promise<void> {
    const { time } = this;
    const until = time.now + boundMillis;
    let rightSince: number | null = null;
    for (;;) {
      const missing = expectation(this);
      rightSince = missing === null ? (rightSince ?? time.now) : null;
      if (rightSince !== null && time.now - rightSince >= STABLE_MILLIS)
        return this.trace.say("", `all is right ${when}`);
      if (time.isOver) return;
      if (missing !== null && time.now >= until)
        return this.judge.trouble(`not right ${boundMillis / 1000} s ${when}: ${missing}`);
      await this.#pass(LOOK_MILLIS);
    }
  }

  async #pass(millis: number): Promise<void> {
    await this.time.run(this.time.now + millis, () => {});
  }

  #repair(): void {
    const { api, links } = this;
    links.quality = GOOD;
    api.mood = GOOD_MOOD;
    api.setDown(false);
    api.hang(false);
    for (const node of this.nodes) {
      this.rejoin(node);
      node.kernel.refuses.clear();
      if (!node.kernel.isLinkUp) node.kernel.setLink(true);
      if (!node.kernel.host.hasPower) this.restorePower(node);
      if (node.kernel.host.isPaused) this.resume(node);
      this.startDaemon(node);
    }
    for (const router of this.routers) this.startRouter(router);
  }

  // What can be done to the machines.

  pickNode(chance: Chance): Node {
    return chance.pick(this.nodes);
  }

  startDaemon(node: Node): void {
    const { host } = node.kernel;
    if (!host.hasPower || node.daemon?.process.isAlive === true) return;
    const process = host.start();
    const count = (this.#starts.get(node.name) ?? 0) + 1;
    this.#starts.set(node.name, count);
    const chance = this.#chance.fork(`daemon ${node.name} ${count}`);
    const daemon = new SimDaemon({
      settings: settingsFor(this.mode, this.times, node.name, ROUTER_ADDRESSES.slice(0, this.routers.length)),
      process,
      kernel: node.kernel,
      client: this.api.client(process),
      dialer: this.#tcp.dialer(process, node.kernel.address),
      chance,
      trace: this.trace,
      bug: this.#options.bug ?? null,
      probe: () => this.#probe(node, process, chance),
      onRoutes: (routes) => this.judge.routes(process, routes),
    });
    node.daemon = daemon;
    this.trace.say(node.name, "the daemon starts");
    process.call(() => {
      try {
        daemon.start();
      } catch (error) {
        // A start that the kernel keeps from succeeding ends the process; the kubelet begins another one.
        if (!(error instanceof NetlinkRefused)) throw error;
        this.trace.say(node.name, `the daemon cannot start: ${error.message}`);
        this.time.after(RESTART_MILLIS, () => this.startDaemon(node));
        this.crash(node);
      }
    });
  }

  /** SIGTERM. */
  stopDaemon(node: Node, onStopped: () => void = () => {}): void {
    const { daemon } = node;
    if (daemon === null || !daemon.process.isAlive || daemon.isStopping) return;
    const stop = async (): Promise<void> => {
      await daemon.stop();
      this.trace.say(node.name, "the daemon has stopped");
      this.#ended(node, daemon);
      onStopped();
    };
    daemon.process.call(() => void stop());
  }

  /** SIGKILL. */
  crash(node: Node): void {
    const { daemon } = node;
    if (daemon === null || !daemon.process.isAlive) return;
    const { routes } = daemon;
    daemon.process.isAlive = false;
    this.#ended(node, daemon);
    this.judge.died(node, routes);
  }

  cutPower(node: Node): void {
    node.kernel.host.hasPower = false;
    this.crash(node);
    node.kernel.losePower();
    this.#noteMute(node);
  }

  restorePower(node: Node): void {
    if (node.kernel.host.hasPower) return;
    node.kernel.host.hasPower = true;
    this.startDaemon(node);
  }

  pause(node: Node): void {
    node.kernel.host.pause();
    this.#noteMute(node);
  }

  resume(node: Node): void {
    if (!node.kernel.host.isPaused) return;
    this.trace.say(node.name, "goes on");
    this.#noteMute(node);
    node.kernel.host.resume();
  }

  cutRouter(node: string, router: string): void {
    this.links.cut(node, router);
    this.#noteMuteAt(node, router);
  }

  healRouter(node: string, router: string): void {
    this.#noteMuteAt(node, router);
    this.links.heal(node, router);
  }

  /** From everything. */
  isolate(node: Node): void {
    this.links.cut(node.name, API);
    for (const router of this.routers) this.cutRouter(node.name, router.name);
    for (const other of this.nodes) if (other !== node) this.links.cut(node.name, other.name);
  }

  rejoin(node: Node): void {
    this.links.heal(node.name, API);
    for (const router of this.routers) this.healRouter(node.name, router.name);
    for (const other of this.nodes) this.links.heal(node.name, other.name);
  }

  crashRouter(router: SimRouter): void {
    router.crash();
  }

  startRouter(router: SimRouter): void {
    if (!router.isRunning) router.start();
  }

  #ended(node: Node, daemon: SimDaemon): void {
    this.api.end(daemon.process);
    this.#tcp.end(daemon.process);
    if (node.daemon === daemon) node.daemon = null;
  }

  /** As long as it lasts the routers cannot hear the node. */
  #noteMute(node: Node): void {
    for (const { name } of this.routers) this.#noteMuteAt(node.name, name);
  }

  #noteMuteAt(name: string, router: string): void {
    this.judge.mute(name, router);
    const node = this.nodes.find((it) => it.name === name)!;
    const { isPaused, hasPower } = node.kernel.host;
    if (isPaused || !hasPower || this.links.isCut(name, router))
      this.time.after(200, () => this.#noteMuteAt(name, router));
  }

  #createRouters(
    count: number,
    nodes: ReadonlyMap<IpAddress, string>,
    trouble: (what: string) => void,
  ): readonly SimRouter[] {
    return ROUTER_ADDRESSES.slice(0, count).map((address, index) => {
      const name = `r${index + 1}`;
      return new SimRouter({
        host: new Host(name, this.time, this.#chance.fork(`host ${name}`), DRIFT_MAX, trouble),
        ...{ address: ip(address), tcp: this.#tcp, trace: this.trace, nodes },
        chance: this.#chance.fork(`router ${name}`),
        holdTimeSeconds: this.times.holdTimeSeconds,
        onRoute: (...of) => this.judge.routeChanged(...of),
      });
    });
  }

  #probe(node: Node, process: Process, chance: Chance): Promise<string | null> {
    return new Promise((resolve) => {
      const answer = (): void => resolve(this.cluster.isApiServerReady(node.name) ? null : "answers 500");
      this.time.after(chance.between(...PROBE_ANSWER_MILLIS), () => process.call(answer));
    });
  }
}

const ROUTER_ADDRESSES = ["10.0.0.1", "10.0.0.2"];
