import type { ServerResponse } from "node:http";
import { type KubeObject, type Resource, apiVersionOf } from "./resources.ts";
import type { Selects } from "./selectors.ts";
import { ApiError, type Change, type Store, type Target, expired } from "./store.ts";

/** A real server sends one about every minute, and one shortly before the stream times out. */
const BOOKMARK_MILLIS = 60_000;
const LAST_BOOKMARK_MILLIS = 2_000;
/** Without timeoutSeconds a real server chooses between 30 and 60 minutes. */
const DEFAULT_TIMEOUT_SECONDS = 1_800;

/** One open watch. */
export class WatchStream {
  readonly #store: Store;
  readonly #target: Target;
  readonly #selects: Selects;
  readonly #response: ServerResponse;
  readonly #isHung: () => boolean;
  readonly #timers: NodeJS.Timeout[] = [];
  #held: Change[] = [];
  #from = 0;
  #unsubscribe: () => void = () => {};

  constructor(store: Store, target: Target, selects: Selects, response: ServerResponse, isHung: () => boolean) {
    this.#store = store;
    this.#target = target;
    this.#selects = selects;
    this.#response = response;
    this.#isHung = isHung;
  }

  /** @throws ApiError on a resourceVersion that is not a number */
  start(query: URLSearchParams): void {
    const version = query.get("resourceVersion") ?? "";
    if (!/^\d*$/.test(version)) throw new ApiError(400, "BadRequest", `invalid resource version "${version}"`);
    this.#from = Number(version);
    const withBookmarks = query.get("allowWatchBookmarks") === "true";
    this.#response.writeHead(200, { "content-type": "application/json" });
    this.#response.flushHeaders();
    this.#response.on("close", () => this.close());
    this.#unsubscribe = this.#store.onChange((change) => this.#held.push(change) && this.flush());
    if (query.get("sendInitialEvents") === "true" || version === "" || version === "0") {
      for (const object of this.#store.list(this.#target)) if (this.#selects(object)) this.#send("ADDED", object);
      if (query.get("sendInitialEvents") === "true") {
        this.#bookmark({ annotations: { "k8s.io/initial-events-end": "true" } });
      }
    } else {
      try {
        this.#held.push(...this.#store.changesSince(Number(version)));
      } catch (error) {
        // A real server answers 200 and tells it in the stream.
        if (error instanceof ApiError) return this.fail(error);
        throw error;
      }
      this.flush();
    }
    const timeoutMillis = Number(query.get("timeoutSeconds") ?? DEFAULT_TIMEOUT_SECONDS) * 1000;
    this.#timers.push(setTimeout(() => this.close(), timeoutMillis));
    if (!withBookmarks) return;
    this.#timers.push(setInterval(() => this.#bookmark({}), BOOKMARK_MILLIS));
    this.#timers.push(setTimeout(() => this.#bookmark({}), Math.max(0, timeoutMillis - LAST_BOOKMARK_MILLIS)));
  }

  /** Sends what waited while the server hung. */
  flush(): void {
    if (this.#isHung()) return;
    const changes = this.#held;
    this.#held = [];
    for (const change of changes) this.#forward(change);
  }

  /** Ends the stream with an ERROR event. */
  fail(error: ApiError): void {
    this.#response.write(`${JSON.stringify({ type: "ERROR", object: statusOf(error) })}\n`);
    this.close();
  }

  close(): void {
    this.#unsubscribe();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#response.end();
  }

  /** Cuts the connection, as a broken network does. */
  destroy(): void {
    this.close();
    this.#response.destroy();
  }

  #forward({ type, resource, object, previous }: Change): void {
    if (resource !== this.#target.resource) return;
    const { namespace } = this.#target;
    if (namespace !== "" && object.metadata["namespace"] !== namespace) return;
    const was = previous !== null && this.#selects(previous);
    const is = type !== "DELETED" && this.#selects(object);
    // An object that stops matching the selector is gone for this watcher, and one that begins to is new.
    if (is) this.#send(was ? "MODIFIED" : "ADDED", object);
    else if (was) this.#send("DELETED", object);
  }

  #send(type: string, object: KubeObject): void {
    this.#response.write(`{"type":"${type}","object":${jsonOf(object)}}\n`);
  }

  #bookmark(metadata: Record<string, unknown>): void {
    // Like a real server's, a bookmark is sent only if it is news.
    if (this.#isHung() || this.#store.revision <= this.#from) return;
    const { resource } = this.#target;
    const object = {
      kind: resource.kind,
      apiVersion: apiVersionOf(resource),
      metadata: { resourceVersion: String(this.#store.revision), creationTimestamp: null, ...metadata },
    };
    this.#response.write(`${JSON.stringify({ type: "BOOKMARK", object })}\n`);
  }
}

const texts = new WeakMap<KubeObject, string>();

/** The object as JSON; written once however many watchers there are, for stored objects never change. */
export function jsonOf(object: KubeObject): string {
  let text = texts.get(object);
  if (text === undefined) {
    text = JSON.stringify(object);
    texts.set(object, text);
  }
  return text;
}

/** A page of a list, or what is left of one. */
export interface Page {
  readonly items: readonly KubeObject[];
  readonly revision: number;
}

/** Lists that were answered in part: the rest, as it was at that moment, by continue token. */
export class Pages {
  readonly #rest = new Map<string, Page>();
  #next = 0;

  /** @returns the token for the rest of the list */
  keep(page: Page): string {
    const token = Buffer.from(`${++this.#next}`).toString("base64url");
    this.#rest.set(token, page);
    return token;
  }

  /** @throws ApiError 410 when the rest is no longer there */
  take(token: string): Page {
    const page = this.#rest.get(token);
    if (!page) throw expired("The provided continue parameter is too old to display a consistent list result.");
    this.#rest.delete(token);
    return page;
  }

  forget(): void {
    this.#rest.clear();
  }
}

export function listJson(resource: Resource, page: Page, token: string, left: number): string {
  const metadata = {
    resourceVersion: String(page.revision),
    ...(token === "" ? {} : { continue: token, remainingItemCount: left }),
  };
  const head = JSON.stringify({ kind: `${resource.kind}List`, apiVersion: apiVersionOf(resource), metadata });
  // Items of a typed list do not repeat their kind.
  const items = page.items.map((item) => JSON.stringify({ ...item, kind: undefined, apiVersion: undefined }));
  return `${head.slice(0, -1)},"items":[${items.join(",")}]}`;
}

export function statusOf(error: ApiError): object {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: error.message,
    reason: error.reason,
    code: error.code,
  };
}
