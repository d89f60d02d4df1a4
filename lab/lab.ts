import type { Target } from "./client.ts";
import { machineMillis } from "./machine-time.ts";
import type { Rack } from "./rack/rack.ts";
import { type ClientFigures, figuresOf } from "./report/client-view.ts";
import { type Bound, type Expectation, expectationLine, judge, type TimelineEntry } from "./report/result.ts";
import { API_PORT, WORKLOAD_PORT } from "./topology.ts";
import { NotInTime, type Seen, waitFor } from "./wait.ts";

/** A condition that later steps build on did not come true; the scenario ends here, its expectation has failed. */
export class ScenarioFailed extends Error {
  override readonly name = "ScenarioFailed";
}

const CLIENT_INTERVAL_MILLIS = 5;

/** What a scenario plays with: its rack, its record, and the two ways to demand something. */
export class Lab {
  readonly rack: Rack;
  readonly signal: AbortSignal;
  /** `--brief`: scenarios that take minutes play a shorter form. */
  readonly brief: boolean;
  readonly startedAt = machineMillis();
  readonly expectations: Expectation[] = [];
  readonly timeline: TimelineEntry[] = [];
  /** Those entries of the timeline that are steps of the scenario. */
  readonly steps: TimelineEntry[] = [];
  readonly #print: (line: string) => void;
  readonly #routeListeners: ((vip: string, nodes: string, at: number) => void)[] = [];
  #routes: ReadonlyMap<string, string> = new Map();

  constructor(
    rack: Rack,
    options: { readonly signal: AbortSignal; readonly print: (line: string) => void; readonly brief: boolean },
  ) {
    this.rack = rack;
    this.signal = options.signal;
    this.brief = options.brief;
    this.#print = options.print;
  }

  /**
   * Follows the routes that the router has in its kernel: every change is in the timeline. Called once, by whoever
   * builds the rack.
   */
  followRoutes(): void {
    const { owners } = this.rack.namespaces;
    this.rack.sampleKernel("router", ({ at, routes }) => {
      const table = new Map(
        routes.map((route) => {
          const [prefix = "", ...hops] = route.split(" ");
          const names = hops.map((hop) => owners.get(hop) ?? hop);
          return [prefix.replace(/\/\d+$/, ""), names.toSorted().join(" ")] as const;
        }),
      );
      const before = this.#routes;
      this.#routes = table;
      // VIPs that change alike, as most do, share a line.
      const changes = new Map<string, string[]>();
      for (const vip of new Set([...before.keys(), ...table.keys()])) {
        const nodes = table.get(vip) ?? "";
        if (nodes === (before.get(vip) ?? "")) continue;
        changes.set(nodes, [...(changes.get(nodes) ?? []), vip]);
        for (const listener of this.#routeListeners) listener(vip, nodes, at);
      }
      for (const [nodes, vips] of changes) {
        this.note(`router's kernel: ${vips.join(", ")} ${nodes === "" ? "gone" : `by ${nodes}`}`, at);
      }
    });
  }

  /** `listener` is told of each change: the VIP, the names of the nodes behind its next hops, the machine time. */
  onRoute(listener: (vip: string, nodes: string, at: number) => void): void {
    this.#routeListeners.push(listener);
  }

  /** Begins a step: printed, in the timeline, a line in the drawing. @returns machine time */
  step(text: string): number {
    this.signal.throwIfAborted();
    const at = machineMillis();
    const entry = this.#entry(at, text);
    this.steps.push(entry);
    this.#print(`${clock(entry.atMillis)}  ${text}`);
    return at;
  }

  /** Something that was seen to happen: in the timeline only. @param at  machine time */
  note(text: string, at = machineMillis()): void {
    this.#entry(at, text);
  }

  /** Prints what a program said, below the step that ran it. */
  show(output: string): void {
    for (const line of output.replace(/\n$/, "").split("\n")) this.#print(line === "" ? "" : `          ${line}`);
  }

  expect(name: string, measured: string | number | null, unit: string, bound: Bound): void {
    const expectation = judge(name, measured, unit, bound);
    this.expectations.push(expectation);
    this.#print(`        ${expectationLine(expectation)}`);
    if (!expectation.ok) this.#entry(machineMillis(), `FAIL ${name}: ${expectation.measured ?? "never"}`);
  }

  /**
   * Demands that something comes true within `boundMillis` of `since`. It is waited for well beyond the bound, so that
   * the report has a figure.
   *
   * @throws ScenarioFailed when it never comes true
   */
  async within(
    name: string,
    boundMillis: number,
    condition: () => Seen | Promise<Seen>,
    since = machineMillis(),
  ): Promise<void> {
    try {
      await waitFor(name, boundMillis * 2 + 5_000, condition, { signal: this.signal, everyMillis: 10 });
    } catch (error) {
      if (!(error instanceof NotInTime)) throw error;
      this.expect(name, null, "ms", { atMost: boundMillis });
      throw new ScenarioFailed(error.message, { cause: error });
    }
    this.expect(name, machineMillis() - since, "ms", { atMost: boundMillis });
  }

  /**
   * Demands next hops: in the table that the router itself shows, and in the kernel that forwards.
   *
   * @param expected  address to the nodes' names in order ("n1 n3"); an empty text for no route
   */
  async routed(
    what: string,
    expected: Readonly<Record<string, string>>,
    boundMillis: number,
    since = machineMillis(),
  ): Promise<void> {
    const wanted = describeTable(expected);
    const show = (table: ReadonlyMap<string, string>): string =>
      describeTable(Object.fromEntries(Object.keys(expected).map((vip) => [vip, table.get(hostPrefix(vip)) ?? ""])));
    let shown = "";
    await this.within(
      `${what}: in the router's table`,
      boundMillis,
      async () => {
        shown = show(await this.rack.routerTable());
        if (shown !== wanted) return `${this.rack.router.cli}: ${shown}; wanted: ${wanted}`;
        const forwarded = show(await this.rack.kernelTable());
        return forwarded === wanted || `kernel: ${forwarded}; wanted: ${wanted}`;
      },
      since,
    );
    this.expect(`${what}: next hops by ${this.rack.router.cli}`, shown, "", { equals: wanted });
  }

  /** Points the client at these and at nothing else; every few milliseconds a new connection to each. */
  aim(targets: readonly Target[]): void {
    this.rack.client.aim(targets, CLIENT_INTERVAL_MILLIS);
  }

  /** Demands an answer of exactly these nodes to connections begun from now on. */
  async reached(target: Target, nodes: string, boundMillis: number): Promise<void> {
    const since = machineMillis();
    await this.within(`the client reaches ${target.name}, answered by ${nodes}`, boundMillis, () => {
      const seen = this.rack.client.answersSince(target.name, since).nodes.join(" ");
      return seen === nodes || `answers of ${seen === "" ? "nobody" : seen}`;
    });
  }

  /** What the client saw of each of its targets from `from` until now. */
  async figures(from: number): Promise<ReadonlyMap<string, ClientFigures>> {
    const to = await this.rack.client.settled();
    this.signal.throwIfAborted();
    const { attempts, targets } = this.rack.client;
    return new Map(targets.map(({ name }) => [name, figuresOf(attempts, name, { from, to })]));
  }

  /** Lets the given time pass while the client goes on. */
  async pass(millis: number): Promise<void> {
    const until = machineMillis() + millis;
    await waitFor("time passes", millis + 5_000, () => machineMillis() >= until, { signal: this.signal });
  }

  #entry(at: number, event: string): TimelineEntry {
    const entry = { atMillis: Math.round(at - this.startedAt), event };
    this.timeline.push(entry);
    return entry;
  }
}

/** A Service's address as the client sees it. */
export const serviceTarget = (name: string, host: string): Target => ({ name, host, port: WORKLOAD_PORT });

/** The control-plane VIP as the client sees it: the API server's port, asked only for the node's name. */
export const controlPlaneTarget = (name: string, host: string): Target => ({ name, host, port: API_PORT, ask: "who" });

const hostPrefix = (vip: string): string => `${vip}/${vip.includes(":") ? 128 : 32}`;

/**
 * "10.40.0.1, fd40::1 by n1 n2; 10.40.0.20 nowhere": VIPs with the same next hops together, and all of them in one
 * text, so that one comparison covers them.
 */
export function describeTable(table: Readonly<Record<string, string>>): string {
  const vipsBy = Map.groupBy(Object.keys(table), (vip) => table[vip]!);
  return [...vipsBy]
    .map(([nodes, vips]) => `${vips.join(", ")} ${nodes === "" ? "nowhere" : `by ${nodes}`}`)
    .join("; ");
}

const clock = (millis: number): string => `${(millis / 1000).toFixed(1).padStart(6)} s`;
