import type { Logger } from "pino";
import type { Prefix } from "../addr/prefix.ts";
import { type KernelNetwork, NetlinkRefused, type NextHop, type Route } from "../ports/network.ts";
import { emit } from "../telemetry/events.ts";
import type { RouteTablePolicy } from "../vip/snapshot.ts";
import type { TableRoute } from "../vip/table-routes.ts";
import type { NotedRoute, RouteNoteFile } from "./route-note.ts";

export interface RouteConvergerParts {
  readonly network: Pick<KernelNetwork, "routes" | "replaceRoute" | "removeRoute">;
  /** Null in other modes, where there is only something to take away. */
  readonly target: RouteTablePolicy | null;
  /** Routes of the table that carry our protocol go also where nobody noted that this daemon has put them. */
  readonly cleans: boolean;
  readonly note: Pick<RouteNoteFile, "read" | "write">;
  readonly log: Logger;
}

interface Owned extends NotedRoute {
  /** By the process before, and not wanted by this one so far. */
  readonly isLeft: boolean;
}

/**
 * Makes the VIPs' routes in one table of the kernel equal to the plan. It begins each time with what the kernel says, so
 * it puts back what somebody took away. What goes is what this daemon has put, in this run or an earlier one, whatever
 * table and protocol that had; routes of other protocols are never touched.
 */
export class RouteConverger {
  readonly #parts: RouteConvergerParts;
  readonly #owned = new Map<string, Owned>();
  readonly #failures = new Map<Prefix, string>();
  /** By this run, and not taken away by it since. */
  readonly #placed = new Set<Prefix>();
  #present: ReadonlyMap<Prefix, Route> = new Map();
  #isNoted = true;
  #unreadable: string | null = null;
  #noteFailure: string | null = null;
  #isClean: boolean;

  constructor(parts: RouteConvergerParts) {
    this.#parts = parts;
    this.#isClean = !parts.cleans;
    for (const noted of parts.note.read()) this.#owned.set(keyOf(noted), { ...noted, isLeft: true });
  }

  /** Why the kernel refused a route, by prefix. */
  get failures(): ReadonlyMap<Prefix, string> {
    return this.#failures;
  }

  /** What is wrong beside single routes. */
  get troubles(): readonly string[] {
    return [
      ...(this.#unreadable === null ? [] : [`the kernel: ${this.#unreadable}`]),
      ...(this.#noteFailure === null ? [] : [`no note of the routes could be left: ${this.#noteFailure}`]),
    ];
  }

  /** Whether the kernel is to be asked again, though nothing changes. */
  get isRefused(): boolean {
    return this.#failures.size > 0 || this.#unreadable !== null;
  }

  /**
   * @param isComplete  everything that decides about routes is known: what is not wanted now is not to be there
   * @returns whether other routes are refused than before
   */
  converge(wanted: ReadonlyMap<Prefix, TableRoute>, isComplete: boolean): boolean {
    const before = new Map(this.#failures);
    this.#failures.clear();
    const { target } = this.#parts;
    if (target !== null) this.#read(target);
    if (target !== null) this.#claim(wanted, target);
    this.#write();
    for (const owned of [...this.#owned.values()]) {
      const isWanted = target !== null && isAt(owned, target) && wanted.has(owned.prefix);
      // What every node has is most likely wanted again; what a Lease decides about another node may have by now.
      const waits = owned.isLeft && owned.lasting && !isComplete;
      if (!isWanted && !waits) this.#remove(owned);
    }
    if (target !== null && isComplete && !this.#isClean && this.#unreadable === null) this.#clean(wanted);
    if (target !== null) for (const route of wanted.values()) this.#put(route, target);
    this.#write();
    return this.#tell(before);
  }

  #read(target: RouteTablePolicy): void {
    try {
      this.#present = new Map(this.#parts.network.routes(target).map((route) => [route.prefix, route]));
      this.#unreadable = null;
    } catch (error) {
      if (!(error instanceof NetlinkRefused)) throw error;
      if (this.#unreadable !== error.message)
        emit(this.#parts.log, "kernel.unreadable", { error: error.message }, "last routes kept");
      this.#unreadable = error.message;
    }
  }

  /** Ours from now on: noted before they are put, so that a process that is killed leaves none that nobody knows of. */
  #claim(wanted: ReadonlyMap<Prefix, TableRoute>, { table, protocol }: RouteTablePolicy): void {
    for (const { prefix, lasting } of wanted.values()) {
      const owned = { table, protocol, prefix, lasting, isLeft: false };
      if (this.#owned.get(keyOf(owned))?.lasting !== lasting) this.#isNoted = false;
      this.#owned.set(keyOf(owned), owned);
    }
  }

  #put({ prefix, interfaceIndex }: TableRoute, target: RouteTablePolicy): void {
    const { network, log } = this.#parts;
    const { table, protocol, type } = target;
    const nextHops = interfaceIndex === null ? [] : [{ interfaceIndex }];
    const found = this.#present.get(prefix);
    const isSameType = found !== undefined && (found.type ?? "unicast") === type;
    if (isSameType && (interfaceIndex === null || hopsOf(found.nextHops) === hopsOf(nextHops))) return;
    const fields = { prefix, table, protocol };
    if (found === undefined && this.#placed.delete(prefix)) emit(log, "route.gone", fields, "route is gone");
    this.#attempt(prefix, () => {
      // The kernel replaces no route by one of another type in one step.
      if (found && !isSameType) network.removeRoute({ prefix, table, protocol });
      network.replaceRoute({ prefix, table, protocol, type, metric: 0, nextHops });
      this.#placed.add(prefix);
      emit(log, "route.added", fields, "route added");
    });
  }

  #remove(owned: Owned): void {
    const { prefix, table, protocol } = owned;
    this.#attempt(prefix, () => {
      this.#parts.network.removeRoute({ prefix, table, protocol });
      this.#owned.delete(keyOf(owned));
      this.#placed.delete(prefix);
      this.#isNoted = false;
      emit(this.#parts.log, "route.removed", { prefix, table, protocol }, "route removed");
    });
  }

  /** Once in a run, as kube-vip does: what comes later is put there by somebody who runs. */
  #clean(wanted: ReadonlyMap<Prefix, TableRoute>): void {
    for (const { prefix, table, protocol } of this.#present.values()) {
      if (wanted.has(prefix)) continue;
      this.#attempt(prefix, () => {
        this.#parts.network.removeRoute({ prefix, table, protocol });
        emit(this.#parts.log, "route.removed", { prefix, table, protocol }, "route of nobody removed");
      });
    }
    this.#isClean = this.#failures.size === 0;
  }

  #attempt(prefix: Prefix, change: () => void): void {
    try {
      change();
    } catch (error) {
      if (!(error instanceof NetlinkRefused)) throw error;
      this.#failures.set(prefix, error.message);
    }
  }

  /** Each failure once. */
  #tell(before: ReadonlyMap<Prefix, string>): boolean {
    let isChanged = before.size !== this.#failures.size;
    for (const [prefix, error] of this.#failures) {
      if (before.get(prefix) === error) continue;
      isChanged = true;
      emit(this.#parts.log, "route.failed", { prefix, error }, "route could not be changed");
    }
    return isChanged;
  }

  #write(): void {
    if (this.#isNoted) return;
    const { note, log } = this.#parts;
    try {
      note.write([...this.#owned.values()].map(noted));
      this.#noteFailure = null;
      this.#isNoted = true;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (this.#noteFailure !== text)
        emit(log, "route.note-failed", { error: text }, "no note of the routes could be left");
      this.#noteFailure = text;
    }
  }
}

const noted = ({ table, protocol, prefix, lasting }: Owned): NotedRoute => ({ table, protocol, prefix, lasting });
const keyOf = ({ table, protocol, prefix }: NotedRoute): string => `${table} ${protocol} ${prefix}`;
const isAt = (route: NotedRoute, { table, protocol }: RouteTablePolicy): boolean =>
  route.table === table && route.protocol === protocol;
const hopsOf = (hops: readonly NextHop[]): string =>
  hops.map(({ via, interfaceIndex }) => `${via ?? ""}%${interfaceIndex ?? ""}`).join(" ");
