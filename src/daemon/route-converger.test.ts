import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hostPrefix, type Prefix } from "../addr/prefix.ts";
import { ip } from "../addr/ip.ts";
import { type KernelNetwork, NetlinkRefused, type Route } from "../ports/network.ts";
import type { RouteTablePolicy } from "../vip/snapshot.ts";
import type { TableRoute } from "../vip/table-routes.ts";
import { RouteConverger, type RouteConvergerParts } from "./route-converger.ts";
import { RouteNoteFile } from "./route-note.ts";

const TABLE: RouteTablePolicy = { table: 198, protocol: 248, type: "unicast" };
const EPERM = new NetlinkRefused("route", 1, "operation not permitted");

/** Routes of one kernel, of which several daemons may have some. */
class Kernel implements Pick<KernelNetwork, "routes" | "replaceRoute" | "removeRoute"> {
  readonly has = new Map<string, Route>();
  /** What was asked for since the last look. */
  readonly asked: string[] = [];
  refuses = new Set<"read" | "put" | "remove">();

  routes({ table, protocol }: { readonly table: number; readonly protocol: number }): readonly Route[] {
    if (this.refuses.has("read")) throw new NetlinkRefused("list routes", 105, "no buffer space available");
    return [...this.has.values()].filter((it) => it.table === table && it.protocol === protocol);
  }
  replaceRoute(route: Route): void {
    if (this.refuses.has("put")) throw EPERM;
    this.asked.push(`put ${route.prefix}`);
    this.has.set(keyOf(route), route);
  }
  removeRoute(route: Pick<Route, "prefix" | "table" | "protocol">): void {
    if (this.refuses.has("remove")) throw EPERM;
    this.asked.push(`remove ${route.prefix}`);
    this.has.delete(keyOf(route));
  }
  happened(): readonly string[] {
    return this.asked.splice(0);
  }
  get shown(): readonly string[] {
    return [...this.has.values()].map(({ prefix, table, protocol }) => `${prefix} ${table} ${protocol}`);
  }
}
const keyOf = ({ prefix, table, protocol }: Pick<Route, "prefix" | "table" | "protocol">): string =>
  `${prefix} ${table} ${protocol}`;

const wanted = (...routes: readonly [address: string, change?: Partial<TableRoute>][]): Map<Prefix, TableRoute> =>
  new Map(
    routes.map(([address, change]) => {
      const prefix = hostPrefix(ip(address));
      return [prefix, { prefix, interfaceIndex: 1, lasting: true, ...change }];
    }),
  );
const NOTHING = wanted();

let folder: string;
let kernel: Kernel;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vipcast-routes-"));
  kernel = new Kernel();
});
afterEach(() => rmSync(folder, { recursive: true }));

const noteOf = (name = "a", boot = "boot-1"): RouteNoteFile => new RouteNoteFile(join(folder, `${name}.sock`), boot);
/** As a process that has just started. */
const start = (change: Partial<RouteConvergerParts> = {}): RouteConverger =>
  new RouteConverger({
    ...{ network: kernel, target: TABLE, cleans: false, note: noteOf(), log: pino({ level: "silent" }) },
    ...change,
  });

describe("the routes of VIPs in the kernel", () => {
  it("follow the plan, and are asked for once", () => {
    const routes = start();
    routes.converge(wanted(["10.0.0.1"], ["fd00::1"]), true);
    routes.converge(wanted(["10.0.0.1"], ["fd00::1"]), true);
    expect(kernel.happened()).toEqual(["put 10.0.0.1/32", "put fd00::1/128"]);
    expect(kernel.has.get("10.0.0.1/32 198 248")).toMatchObject({
      ...{ type: "unicast", metric: 0, nextHops: [{ interfaceIndex: 1 }] },
    });
    routes.converge(wanted(["fd00::1", { interfaceIndex: 2 }]), true);
    expect(kernel.happened()).toEqual(["remove 10.0.0.1/32", "put fd00::1/128"]);
    routes.converge(NOTHING, true);
    expect(kernel.shown).toEqual([]);
  });

  it("are put back when somebody takes one away", () => {
    const routes = start();
    routes.converge(wanted(["10.0.0.1"]), true);
    kernel.has.clear();
    routes.converge(wanted(["10.0.0.1"]), true);
    expect(kernel.shown).toEqual(["10.0.0.1/32 198 248"]);
  });

  it("of another type than configured make room for the right one", () => {
    start().converge(wanted(["10.0.0.1"]), true);
    kernel.happened();
    const target = { ...TABLE, type: "blackhole" } as const;
    start({ target }).converge(wanted(["10.0.0.1", { interfaceIndex: null }]), true);
    expect(kernel.happened()).toEqual(["remove 10.0.0.1/32", "put 10.0.0.1/32"]);
    expect(kernel.has.get("10.0.0.1/32 198 248")).toMatchObject({ type: "blackhole", nextHops: [] });
  });

  it("that the kernel refuses are said, and asked for again", () => {
    const routes = start();
    kernel.refuses.add("put");
    expect(routes.converge(wanted(["10.0.0.1"]), true)).toBe(true);
    expect(routes.converge(wanted(["10.0.0.1"]), true)).toBe(false);
    expect([...routes.failures]).toEqual([["10.0.0.1/32", "route: operation not permitted"]]);
    expect(routes.isRefused).toBe(true);
    kernel.refuses.clear();
    expect(routes.converge(wanted(["10.0.0.1"]), true)).toBe(true);
    expect([routes.failures.size, routes.isRefused, kernel.shown.length]).toEqual([0, false, 1]);
  });

  it("go also while the kernel does not say what it has, and one that cannot go is asked for again", () => {
    const routes = start();
    routes.converge(wanted(["10.0.0.1"], ["10.0.0.2"]), true);
    kernel.refuses = new Set(["read"]);
    routes.converge(wanted(["10.0.0.2"]), true);
    expect(kernel.shown).toEqual(["10.0.0.2/32 198 248"]);
    expect(routes.troubles).toEqual(["the kernel: list routes: no buffer space available"]);
    kernel.refuses = new Set(["remove"]);
    routes.converge(NOTHING, true);
    expect([routes.troubles, [...routes.failures.keys()]]).toEqual([[], ["10.0.0.2/32"]]);
    kernel.refuses.clear();
    routes.converge(NOTHING, true);
    expect(kernel.shown).toEqual([]);
  });
});

describe("routes that a killed run has left", () => {
  const killed = (): void => {
    start().converge(wanted(["10.0.0.1"], ["10.0.0.2", { lasting: false }]), true);
    kernel.happened();
  };

  it("go: those of a Lease at once, those of every node when all is known", () => {
    killed();
    const next = start();
    next.converge(NOTHING, false);
    expect(kernel.happened()).toEqual(["remove 10.0.0.2/32"]);
    next.converge(wanted(["10.0.0.3"]), true);
    expect(kernel.happened()).toEqual(["remove 10.0.0.1/32", "put 10.0.0.3/32"]);
  });

  it("are taken over without being touched where they are still wanted", () => {
    killed();
    const next = start();
    next.converge(NOTHING, false);
    kernel.happened();
    next.converge(wanted(["10.0.0.1"]), true);
    expect(kernel.happened()).toEqual([]);
    // From now on it is this run's: no later word is waited for.
    next.converge(NOTHING, false);
    expect(kernel.shown).toEqual([]);
  });

  it("go from the table and under the number that they had, after the new ones have come; also in another mode", () => {
    killed();
    start({ target: { ...TABLE, table: 254, protocol: 99 } }).converge(wanted(["10.0.0.1"]), true);
    expect(kernel.shown).toEqual(["10.0.0.1/32 254 99"]);
    start({ target: null }).converge(NOTHING, true);
    expect(kernel.shown).toEqual([]);
  });

  it("are told from another daemon's with the same number, and from kube-vip's, unless the table is to be cleaned", () => {
    start({ note: noteOf("other") }).converge(wanted(["10.0.0.8"]), true);
    kernel.replaceRoute({ ...TABLE, prefix: hostPrefix(ip("10.0.0.9")), nextHops: [{ interfaceIndex: 1 }] });
    const foreign = { ...TABLE, protocol: 4, prefix: hostPrefix(ip("10.0.0.7")), nextHops: [{ interfaceIndex: 1 }] };
    kernel.replaceRoute(foreign);
    killed();
    start().converge(NOTHING, true);
    const others = ["10.0.0.8/32 198 248", "10.0.0.9/32 198 248", "10.0.0.7/32 198 4"];
    expect(kernel.shown).toEqual(others);

    const cleaning = start({ cleans: true });
    cleaning.converge(NOTHING, false);
    expect(kernel.shown).toEqual(others);
    cleaning.converge(wanted(["10.0.0.9"]), true);
    expect(kernel.shown).toEqual(["10.0.0.9/32 198 248", "10.0.0.7/32 198 4"]);
    // Once: what comes later belongs to somebody who runs.
    kernel.replaceRoute({ ...TABLE, prefix: hostPrefix(ip("10.0.0.8")), nextHops: [{ interfaceIndex: 1 }] });
    cleaning.converge(wanted(["10.0.0.9"]), true);
    expect(kernel.shown).toContain("10.0.0.8/32 198 248");
  });

  it("were noted before they were put; a note that cannot be written is a trouble, no end of service", () => {
    const note = { read: () => [], write: () => expect(kernel.shown).toEqual([]) };
    start({ note }).converge(wanted(["10.0.0.1"]), true);
    const full = {
      read: () => [],
      write: () => {
        throw new Error("no space left on device");
      },
    };
    const routes = start({ note: full });
    routes.converge(wanted(["10.0.0.2"]), true);
    expect(routes.troubles).toEqual(["no note of the routes could be left: no space left on device"]);
    expect(kernel.shown).toContain("10.0.0.2/32 198 248");
  });
});

describe("the note of routes", () => {
  const prefix = hostPrefix(ip("10.0.0.1"));
  const NOTED = [{ table: 198, protocol: 248, prefix, lasting: true }];

  it("is there until nothing is noted any more, or the machine starts", () => {
    expect(noteOf().read()).toEqual([]);
    noteOf().write(NOTED);
    expect(noteOf().read()).toEqual(NOTED);
    expect(noteOf("a", "boot-2").read()).toEqual([]);
    expect(noteOf("b").read()).toEqual([]);
    noteOf().write([]);
    expect(noteOf().read()).toEqual([]);
  });

  it("may be cut or hold other things, and is then none", () => {
    noteOf().write(NOTED);
    const path = join(folder, "a.sock.routes.json");
    const text = readFileSync(path, "utf8");
    for (const bad of [text.slice(0, -1), text.replace("198", "199"), "[]", "null"]) {
      writeFileSync(path, bad);
      expect(noteOf().read(), bad).toEqual([]);
    }
    for (const routes of [[null], [{}], [{ ...NOTED[0], prefix: "x" }], [{ ...NOTED[0], lasting: 1 }]]) {
      noteOf().write(routes as never as typeof NOTED);
      expect(noteOf().read()).toEqual([]);
    }
  });
});
