import pino from "pino";
import { describe, expect, it } from "vitest";
import { NetworkTime } from "../../test/support/lease-api.ts";
import { seeded } from "../../test/support/virtual-time.ts";
import { ListWatch } from "./cache.ts";
import { type KubeClient, type KubeResponse, KubeUnreachable, type WatchHandler } from "./client.ts";

type Item = { metadata: { namespace: string; name: string; resourceVersion: string }; value: number };

/** A collection whose answers and watches a test directs. */
class Collection implements KubeClient {
  readonly server = "https://collection.test";
  readonly items = new Map<string, Item>();
  readonly lists: Readonly<Record<string, string>>[] = [];
  readonly watches: { readonly query: Readonly<Record<string, string>>; readonly on: WatchHandler; closed: boolean }[] =
    [];
  /** Answers to give instead, first to last; "gone" is no answer at all. */
  readonly instead: (KubeResponse | "gone")[] = [];
  revision = 100;
  pageSize = Infinity;
  /** The next list that goes on is answered with 410. */
  expireContinue = false;
  closesAtOnce = false;

  /** The watch that was opened last. */
  get current(): { readonly query: Readonly<Record<string, string>>; readonly on: WatchHandler; closed: boolean } {
    return this.watches.at(-1)!;
  }

  set(name: string, value: number, tell = true): void {
    const type = this.items.has(name) ? "MODIFIED" : "ADDED";
    const item = { metadata: { namespace: "ns", name, resourceVersion: String(++this.revision) }, value };
    this.items.set(name, item);
    if (tell) this.current.on.event({ type, object: item });
  }

  delete(name: string, tell = true): void {
    const item = this.items.get(name)!;
    this.items.delete(name);
    const metadata = { ...item.metadata, resourceVersion: String(++this.revision) };
    if (tell) this.current.on.event({ type: "DELETED", object: { ...item, metadata } });
  }

  async request({ query = {} }: { readonly query?: Readonly<Record<string, string>> }): Promise<KubeResponse> {
    this.lists.push(query);
    const instead = this.instead.shift();
    if (instead === "gone") throw new KubeUnreachable("connection refused");
    if (instead) return instead;
    if (query["continue"] && this.expireContinue) {
      this.expireContinue = false;
      return status(410, "expired");
    }
    const from = Number(query["continue"] ?? 0);
    const all = [...this.items.values()];
    const more = from + this.pageSize < all.length;
    const metadata = {
      resourceVersion: String(this.revision),
      ...(more ? { continue: String(from + this.pageSize) } : {}),
    };
    return { status: 200, body: { metadata, items: all.slice(from, from + this.pageSize) }, retryAfterMillis: null };
  }

  watch(_path: string, query: Readonly<Record<string, string>>, on: WatchHandler) {
    const watch = { query, on, closed: false };
    this.watches.push(watch);
    on.open?.();
    if (this.closesAtOnce) queueMicrotask(() => on.end({ kind: "closed-by-server" }));
    return { close: () => void (watch.closed = true) };
  }
}

const status = (code: number, message: string, retryAfterMillis: number | null = null): KubeResponse => ({
  status: code,
  body: { kind: "Status", code, message },
  retryAfterMillis,
});

function bench(prepare: (api: Collection) => unknown = () => {}) {
  const time = new NetworkTime();
  const api = new Collection();
  prepare(api);
  const logged: string[] = [];
  const log = pino({ level: "debug" }, { write: (line: string) => void logged.push(JSON.parse(line).event) });
  const changes: string[] = [];
  const cache = new ListWatch<number>(
    { client: api, clock: time.clock(5e6), entropy: seeded(1), log },
    {
      path: "/api/v1/things",
      query: { labelSelector: "a=b" },
      reduce(item: Item) {
        if (item.value === 13) throw new Error("thirteen");
        return item.value < 0 ? null : item.value;
      },
    },
  );
  cache.onChange((keys) => changes.push([...keys].toSorted().join()));
  return { time, api, cache, changes, logged };
}

describe("a cache", () => {
  it("lists all pages, then watches from the list's resourceVersion with bookmarks and a time between 5 and 10 minutes", async () => {
    const { time, api, cache, changes } = bench((api) => {
      api.pageSize = 2;
      for (let i = 0; i < 5; i++) api.set(`x${i}`, i, false);
    });
    expect([cache.synced, cache.facts.size]).toEqual([false, 0]);
    await time.run(0);
    expect([cache.synced, cache.facts.size, cache.facts.get("ns/x4")]).toEqual([true, 5, 4]);
    expect(changes).toEqual(["ns/x0,ns/x1,ns/x2,ns/x3,ns/x4"]);
    expect(api.lists.map((query) => [query["labelSelector"], query["continue"]])).toEqual([
      ["a=b", undefined],
      ["a=b", "2"],
      ["a=b", "4"],
    ]);
    expect(api.current.query).toMatchObject({
      labelSelector: "a=b",
      resourceVersion: "105",
      allowWatchBookmarks: "true",
    });
    const seconds = Number(api.current.query["timeoutSeconds"]);
    expect(seconds).toBeGreaterThanOrEqual(300);
    expect(seconds).toBeLessThanOrEqual(600);
  });

  it("tells of an empty collection too", async () => {
    const { time, cache, changes } = bench();
    await time.run(0);
    expect([cache.synced, changes]).toEqual([true, [""]]);
  });

  it("follows the watch, gathers what arrives together, and is silent where the fact stays the same", async () => {
    const { time, api, cache, changes } = bench((api) => api.set("a", 1, false));
    await time.run(0);
    changes.length = 0;
    api.set("b", 2);
    api.set("c", 3);
    await time.run(0);
    api.set("c", 3);
    await time.run(0);
    api.delete("a");
    api.set("b", -1);
    await time.run(0);
    expect(changes).toEqual(["ns/b,ns/c", "ns/a,ns/b"]);
    expect([...cache.facts]).toEqual([["ns/c", 3]]);
  });

  it("resumes from the last event or bookmark, without a list and without a pause when the server ends the watch in time", async () => {
    const { time, api, cache } = bench();
    await time.run(0);
    api.set("a", 1);
    await time.run(100_000);
    api.current.on.event({ type: "BOOKMARK", object: { metadata: { resourceVersion: "500" } } });
    await time.run(60_000);
    api.current.on.end({ kind: "closed-by-server" });
    expect(api.watches.map(({ query }) => query["resourceVersion"])).toEqual(["100", "500"]);
    expect([api.lists.length, cache.lastError, cache.facts.size]).toEqual([1, null, 1]);
  });

  it("resumes a broken watch after a pause, and reports it meanwhile, once", async () => {
    const { time, api, cache, logged } = bench();
    await time.run(10_000);
    api.current.on.end({ kind: "failed", message: "socket hang up" });
    expect([cache.lastError, api.watches.length]).toEqual(["socket hang up", 1]);
    await time.run(250);
    expect([cache.lastError, api.watches.length, api.lists.length]).toEqual([null, 2, 1]);
    expect(logged).toEqual(["kube.watch.interrupted"]);
  });

  it("lists again after something that is no event: what else there was is lost", async () => {
    for (const garble of ["line", "object"]) {
      const { time, api } = bench();
      await time.run(10_000);
      if (garble === "line") api.current.on.end({ kind: "undecodable", message: "a watch line is not an event" });
      else api.current.on.event({ type: "MODIFIED", object: {} });
      await time.run(250);
      expect([garble, api.lists.length]).toEqual([garble, 2]);
    }
  });

  it("lists again after 410 in the stream or as a status, and drops what was deleted meanwhile", async () => {
    const { time, api, cache, changes } = bench((api) => {
      api.set("stays", 1, false);
      api.set("changes", 2, false);
      api.set("goes", 3, false);
    });
    await time.run(0);
    changes.length = 0;
    api.delete("goes", false);
    api.set("changes", 4, false);
    api.set("comes", 5, false);
    const stream = api.current;
    stream.on.event({ type: "ERROR", object: { code: 410, message: "too old" } });
    expect(stream.closed).toBe(true);
    await time.run(1_000);
    expect(changes).toEqual(["ns/changes,ns/comes,ns/goes"]);
    expect([...cache.facts.keys()].toSorted()).toEqual(["ns/changes", "ns/comes", "ns/stays"]);
    api.delete("comes", false);
    api.current.on.end({ kind: "refused", response: status(410, "too old") });
    await time.run(1_000);
    expect([changes.at(-1), api.lists.length]).toEqual(["ns/comes", 3]);
  });

  it("keeps what it has while the API is away, comes back by itself, and asks ever more rarely", async () => {
    const { time, api, cache } = bench((api) => api.set("a", 1, false));
    await time.run(10_000);
    for (let i = 0; i < 20; i++) api.instead.push("gone");
    api.current.on.event({ type: "ERROR", object: { code: 500, message: "etcd" } });
    await time.run(300_000);
    expect([cache.facts.get("ns/a"), cache.synced, cache.lastError]).toEqual([1, true, "connection refused"]);
    expect(api.lists.length).toBeLessThan(22);
    api.set("b", 2, false);
    await time.run(300_000);
    expect([cache.facts.size, cache.lastError]).toEqual([2, null]);
  });

  it("waits as long as the server asks", async () => {
    const { time, api } = bench((api) => api.instead.push(status(429, "slow down", 20_000)));
    await time.run(19_999);
    expect(api.lists.length).toBe(1);
    await time.run(1);
    expect(api.lists.length).toBe(2);
  });

  it("begins a list anew when its continue token has expired", async () => {
    const { time, cache } = bench((api) => {
      api.pageSize = 1;
      api.expireContinue = true;
      for (const name of ["a", "b"]) api.set(name, 1, false);
    });
    await time.run(1_000);
    expect([cache.synced, cache.facts.size]).toEqual([true, 2]);
  });

  it("lists again when resuming keeps failing, for the resourceVersion may be from another etcd", async () => {
    const { time, api } = bench();
    await time.run(0);
    for (let i = 0; i < 4; i++) {
      api.current.on.end({ kind: "refused", response: status(504, "Too large resource version") });
      await time.run(10_000);
    }
    expect(api.lists.length).toBe(2);
  });

  it("does not spin when the server closes every watch at once", async () => {
    const { time, api } = bench((api) => (api.closesAtOnce = true));
    await time.run(60_000);
    expect(api.watches.length).toBeLessThan(20);
  });

  it("opens a watch anew on which nothing comes, not even a bookmark", async () => {
    const { time, api, cache } = bench();
    await time.run(149_000);
    expect(api.watches.length).toBe(1);
    await time.run(1_000);
    expect([api.watches.length, api.watches[0]!.closed, api.lists.length, cache.lastError]).toEqual([2, true, 1, null]);
  });

  it("leaves out an object that cannot be reduced, says so, and takes all others", async () => {
    const { time, api, cache, logged } = bench((api) => {
      api.set("bad", 13, false);
      api.set("good", 1, false);
    });
    await time.run(0);
    expect([...cache.facts.keys(), ...cache.rejected]).toEqual(["ns/good", ["ns/bad", "thirteen"]]);
    expect(logged).toEqual(["kube.object.refused"]);
    api.set("good", 13);
    api.set("bad", 2);
    expect([...cache.facts.keys(), ...cache.rejected]).toEqual(["ns/bad", ["ns/good", "thirteen"]]);
    api.delete("good");
    expect(cache.rejected.size).toBe(0);
  });

  it("survives answers that are no lists and events that are no objects", async () => {
    const { time, api, cache } = bench((api) => {
      api.instead.push({ status: 200, body: "<html>", retryAfterMillis: null });
      api.instead.push({ status: 200, body: { metadata: {}, items: 5 }, retryAfterMillis: null });
      api.instead.push({
        status: 200,
        body: { metadata: { resourceVersion: "7" }, items: null },
        retryAfterMillis: null,
      });
    });
    await time.run(5_000);
    expect([cache.synced, api.current.query["resourceVersion"]]).toEqual([true, "7"]);
    for (const object of [null, "x", {}, { metadata: null }, { metadata: { name: "a" } }]) {
      api.current.on.event({ type: "ADDED", object });
      await time.run(60_000);
    }
    api.set("a", 1);
    expect(cache.facts.get("ns/a")).toBe(1);
  });

  it("is silent once stopped", async () => {
    const { time, api, cache, changes } = bench();
    await time.run(0);
    changes.length = 0;
    api.set("a", 1);
    cache.stop();
    await time.run(600_000);
    expect([changes, api.current.closed, api.watches.length]).toEqual([[], true, 1]);
  });
});
