import {
  type KubeClient,
  type KubeRequest,
  type KubeResponse,
  KubeUnreachable,
  type WatchEvent,
  type WatchHandler,
} from "../../src/kube/client.ts";
import { Instant } from "../../src/base/time.ts";
import { mergePatch } from "../../lab/kube/patch.ts";
import { apiVersionOf, type JsonObject, type KubeObject, RESOURCES } from "../../lab/kube/resources.ts";
import { type Selects, selectorOf } from "../../lab/kube/selectors.ts";
import { ApiError, type Change, Store, type Target } from "../../lab/kube/store.ts";
import { statusOf } from "../../lab/kube/watch-stream.ts";
import type { Chance } from "./chance.ts";
import type { Process } from "./host.ts";
import { Channel, type Links } from "./links.ts";
import type { SimTime } from "./time.ts";

export const API = "api";

/** What the API server does to requests, each by chance. */
export interface ApiMood {
  /** Answered with 429, 500 or 503, and not carried out. */
  readonly refuses: number;
  /** Carried out, and the connection is lost before the answer. */
  readonly losesAnswer: number;
  /** Never answered. */
  readonly hangs: number;
  /** Answered so late. */
  readonly slow: number;
  readonly slowMillis: number;
}

export const GOOD_MOOD: ApiMood = { refuses: 0, losesAnswer: 0, hangs: 0, slow: 0, slowMillis: 0 };

const REQUEST_TIMEOUT_MILLIS = 10_000;
const WATCH_OPEN_MILLIS = 10_000;
/** Of a connection on which nothing is acknowledged: TCP keepalive gives it up. */
const KEEPALIVE_MILLIS = 30_000;
/** A request whose client gave up may be on the way all the same. */
const LATE_SHARE = 0.5;

/** What goes on between a daemon and the API server, for whoever judges it. */
export interface ApiEvents {
  /** A request leaves the daemon. */
  asked(process: Process, request: KubeRequest): void;
  /** A request with its answer, as the daemon gets it, and when it was sent by the daemon's clock. */
  answered(process: Process, request: KubeRequest, response: KubeResponse, sentAt: Instant): void;
  /** The daemon has been told of all changes of the kind up to this revision. */
  told(process: Process, plural: string, revision: number): void;
}

/**
 * The API server: the lab's store, with its resourceVersions, conflicts and 410, behind connections that are slow, break
 * and hang. Clients keep the contract of `KubeClient`.
 */
export class SimApi {
  readonly store = new Store();
  readonly #time: SimTime;
  readonly #links: Links;
  readonly #chance: Chance;
  readonly #events: ApiEvents;
  readonly #watches = new Set<Watch>();
  mood: ApiMood = GOOD_MOOD;
  /** Requests wait, and so do the events of watches, until it goes on. */
  isHung = false;
  isDown = false;
  #hung: (() => void)[] = [];

  constructor(time: SimTime, links: Links, chance: Chance, events: ApiEvents) {
    this.#time = time;
    this.#links = links;
    this.#chance = chance;
    this.#events = events;
    this.store.onChange((change) => {
      for (const watch of this.#watches) watch.forward(change);
    });
  }

  hang(isHung: boolean): void {
    this.isHung = isHung;
    if (!isHung) for (const go of this.#hung.splice(0)) go();
  }

  /** All connections are lost, and none is taken until it is up again. */
  setDown(isDown: boolean): void {
    this.isDown = isDown;
    if (isDown) this.breakWatches(1);
  }

  breakWatches(share: number): void {
    for (const watch of [...this.#watches]) if (this.#chance.is(share)) watch.lose();
  }

  /** As a server does whose time for a watch is over. */
  closeWatches(share: number): void {
    for (const watch of [...this.#watches]) if (this.#chance.is(share)) watch.finish();
  }

  /** The process has died. */
  end(process: Process): void {
    for (const watch of [...this.#watches]) if (watch.process === process) watch.close();
  }

  client(process: Process): KubeClient {
    return {
      server: "https://api.test:6443",
      request: (request) => this.#request(process, request),
      watch: (path, query, on) => {
        this.#events.asked(process, { method: "GET", path, query });
        const watch = new Watch(this, { time: this.#time, links: this.#links, events: this.#events }, process, on);
        this.#watches.add(watch);
        watch.open(path, query);
        return { close: () => watch.close() };
      },
    };
  }

  forget(watch: Watch): void {
    this.#watches.delete(watch);
  }

  whenAwake(go: () => void): void {
    if (this.isHung) this.#hung.push(go);
    else go();
  }

  #request(process: Process, request: KubeRequest): Promise<KubeResponse> {
    const node = process.host.name;
    const sentAt = process.clock.now();
    this.#events.asked(process, request);
    return new Promise((resolve, reject) => {
      let isOver = false;
      const end = (settle: () => void): void => {
        process.call(() => {
          if (isOver) return;
          isOver = true;
          deadline.close();
          settle();
        });
      };
      const timeoutMillis = request.timeoutMillis ?? REQUEST_TIMEOUT_MILLIS;
      const fail = (message: string): void => end(() => reject(new KubeUnreachable(message)));
      const deadline = process.clock.alarm(() => fail(`no answer within ${timeoutMillis} ms`));
      deadline.set(Instant.add(sentAt, timeoutMillis));
      const there = new Channel(this.#time, this.#links, node, API);
      const back = new Channel(this.#time, this.#links, API, node);
      const answer = (response: KubeResponse): void =>
        back.send(() =>
          end(() => {
            this.#events.answered(process, request, response, sentAt);
            resolve(response);
          }),
        );
      there.send(() => {
        if (isOver && !this.#chance.is(LATE_SHARE)) return;
        if (this.isDown) return back.send(() => fail("connect ECONNREFUSED"));
        const draw = this.#chance.fraction();
        const { refuses, losesAnswer, hangs, slow, slowMillis } = this.mood;
        if (draw < hangs) return;
        const wait = draw < hangs + slow ? this.#chance.between(0, slowMillis) : 0;
        this.#time.after(wait, () =>
          this.whenAwake(() => {
            if (this.#chance.is(refuses)) return answer(this.#refusal());
            const response = this.#serve(request);
            if (this.#chance.is(losesAnswer)) back.send(() => fail("socket hang up"));
            else answer(response);
          }),
        );
      });
    });
  }

  #refusal(): KubeResponse {
    const status = this.#chance.pick([429, 500, 503]);
    const retryAfterMillis = status === 429 ? 1000 * this.#chance.count(1, 3) : null;
    return { status, body: { message: "the simulation refuses" }, retryAfterMillis };
  }

  #serve({ method, path, query = {}, body }: KubeRequest): KubeResponse {
    const answer = (status: number, body: unknown): KubeResponse => ({ status, body, retryAfterMillis: null });
    try {
      const { target, name, subresource } = addressOf(path);
      const { store } = this;
      switch (method) {
        case "GET":
          return answer(200, name === "" ? this.#list(target, query) : store.get(target, name));
        case "POST":
          return answer(201, store.create(target, body as JsonObject, false));
        case "PUT":
          return answer(200, store.update(target, name, subresource, () => body as JsonObject, false).object);
        case "PATCH": {
          const change = (stored: KubeObject | null): JsonObject => {
            if (stored === null) throw new ApiError(404, "NotFound", `${name} not found`);
            return mergePatch(stored, body as JsonObject) as JsonObject;
          };
          return answer(200, store.update(target, name, subresource, change, false).object);
        }
        case "DELETE":
          return answer(200, store.remove(target, name, {}, false));
      }
    } catch (error) {
      if (error instanceof ApiError) return answer(error.code, statusOf(error));
      throw error;
    }
  }

  #list(target: Target, query: Readonly<Record<string, string>>): object {
    const selects = selectorOf(new URLSearchParams(query));
    const items = this.store.list(target).filter((object) => selects(object));
    const { resource } = target;
    return {
      kind: `${resource.kind}List`,
      apiVersion: apiVersionOf(resource),
      metadata: { resourceVersion: String(this.store.revision) },
      items,
    };
  }
}

interface Address {
  readonly target: Target;
  readonly name: string;
  readonly subresource: "" | "status";
}

export function addressOf(path: string): Address {
  const words = path.split("/").slice(1).map(decodeURIComponent);
  const [version, rest] =
    words[0] === "api" ? [words[1]!, words.slice(2)] : [`${words[1]}/${words[2]}`, words.slice(3)];
  const namespace = rest[0] === "namespaces" && rest.length > 2 ? rest[1]! : "";
  const [plural = "", name = "", subresource = ""] = namespace === "" ? rest : rest.slice(2);
  const resource = RESOURCES.find((it) => apiVersionOf(it) === version && it.plural === plural);
  if (resource === undefined) throw new ApiError(404, "NotFound", `${path} is nothing here`);
  return { target: { resource, namespace }, name, subresource: subresource === "status" ? "status" : "" };
}

interface WatchParts {
  readonly time: SimTime;
  readonly links: Links;
  readonly events: ApiEvents;
}

/** One watch: open at the server, and on the way to the client. */
class Watch {
  readonly process: Process;
  readonly #api: SimApi;
  readonly #parts: WatchParts;
  readonly #on: WatchHandler;
  readonly #there: Channel;
  readonly #back: Channel;
  #target: Target | null = null;
  #selects: Selects = () => true;
  #isOver = false;

  constructor(api: SimApi, parts: WatchParts, process: Process, on: WatchHandler) {
    this.#api = api;
    this.#parts = parts;
    this.process = process;
    this.#on = on;
    const node = process.host.name;
    this.#there = new Channel(parts.time, parts.links, node, API);
    this.#back = new Channel(parts.time, parts.links, API, node);
  }

  open(path: string, query: Readonly<Record<string, string>>): void {
    const { time, links } = this.#parts;
    const openBy = this.process.clock.alarm(() => this.#fail(`no answer within ${WATCH_OPEN_MILLIS} ms`));
    openBy.set(Instant.add(this.process.clock.now(), WATCH_OPEN_MILLIS));
    // A path that is cut for so long costs the connection, whether anything is sent or not.
    const check = (since: number): void => {
      if (this.#isOver) return;
      const isCut = links.isCut(this.process.host.name, API);
      if (isCut && time.now - since >= KEEPALIVE_MILLIS) {
        this.process.call(() => this.#fail("read ETIMEDOUT"));
        return;
      }
      time.after(5_000, () => check(isCut ? since : time.now));
    };
    check(time.now);
    this.#there.send(() => {
      if (this.#isOver) return;
      if (this.#api.isDown) return this.lose();
      this.#api.whenAwake(() => {
        if (this.#isOver) return;
        this.#tell(() => {
          openBy.close();
          this.#on.open?.();
        });
        this.#begin(path, query);
      });
    });
  }

  #begin(path: string, query: Readonly<Record<string, string>>): void {
    const { target } = addressOf(path);
    this.#target = target;
    this.#selects = selectorOf(new URLSearchParams(query));
    const { store } = this.#api;
    const version = query["resourceVersion"] ?? "";
    if (version === "") {
      for (const object of store.list(target)) if (this.#selects(object)) this.#send("ADDED", object, store.revision);
      return;
    }
    try {
      for (const change of store.changesSince(Number(version))) this.forward(change);
      this.#note(store.revision);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#tell(() => this.#on.event({ type: "ERROR", object: statusOf(error) }));
      this.finish();
    }
  }

  forward({ type, resource, object, previous, revision }: Change): void {
    if (resource !== this.#target?.resource || this.#isOver) return;
    const { namespace } = this.#target;
    if (namespace !== "" && object.metadata["namespace"] !== namespace) return;
    const was = previous !== null && this.#selects(previous);
    const is = type !== "DELETED" && this.#selects(object);
    if (is) this.#send(was ? "MODIFIED" : "ADDED", object, revision);
    else if (was) this.#send("DELETED", object, revision);
  }

  /** The server ends it. */
  finish(): void {
    this.#tell(() => this.#end(() => this.#on.end({ kind: "closed-by-server" })));
  }

  /** The connection is lost. */
  lose(): void {
    this.#back.send(() => this.process.call(() => this.#fail("read ECONNRESET")));
  }

  close(): void {
    this.#isOver = true;
    this.#there.close();
    this.#back.close();
    this.#api.forget(this);
  }

  #send(type: WatchEvent["type"], object: KubeObject, revision: number): void {
    this.#api.whenAwake(() =>
      this.#tell(() => {
        this.#on.event({ type, object });
        this.#parts.events.told(this.process, this.#target!.resource.plural, revision);
      }),
    );
  }

  /** A watch that resumes where nothing has changed since is told as much as one that gets events. */
  #note(revision: number): void {
    this.#tell(() => this.#parts.events.told(this.process, this.#target!.resource.plural, revision));
  }

  #tell(event: () => void): void {
    this.#back.send(() => this.process.call(() => !this.#isOver && event()));
  }

  #fail(message: string): void {
    this.#end(() => this.#on.end({ kind: "failed", message }));
  }

  #end(tell: () => void): void {
    if (this.#isOver) return;
    this.close();
    tell();
  }
}
