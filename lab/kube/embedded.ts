import type { IncomingMessage, ServerResponse } from "node:http";
import { type Server, createServer } from "node:https";
import type { Socket } from "node:net";
import { type FaultCommand, type FailRule, Faults } from "./faults.ts";
import { PatchInvalid, jsonPatch, mergePatch } from "./patch.ts";
import {
  type Json,
  type JsonObject,
  type KubeObject,
  RESOURCES,
  type Resource,
  isObject,
  textOf,
} from "./resources.ts";
import { SelectorInvalid, selectorOf } from "./selectors.ts";
import { ApiError, Store, type Target } from "./store.ts";
import { type Page, Pages, WatchStream, jsonOf, listJson, statusOf } from "./watch-stream.ts";

/**
 * An API server in memory for the kinds that a VIP announcer reads and writes. It is honest about what clients get
 * wrong (resourceVersion, conflicts, watches, bookmarks, 410) and knows no controllers. The contract tests hold it
 * against a real kube-apiserver.
 */
export interface EmbeddedOptions {
  readonly address: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** PEM. */
  readonly certificate: string;
  readonly key: string;
  /** Bearer tokens that are let in. */
  readonly tokens: readonly string[];
}

/** Fault commands and counters of the lab; not a path that a real server has. */
const FAULT_PATH = "/_lab/faults";
const REQUESTS_PATH = "/_lab/requests";

const VERSION = { major: "1", minor: "36", gitVersion: "v1.36.0-embedded", platform: "linux/amd64" };
const OPEN_PATHS = new Set(["/readyz", "/livez", "/healthz", "/version"]);

export class EmbeddedApiServer {
  readonly store = new Store();
  readonly faults = new Faults();
  readonly #server: Server;
  readonly #options: EmbeddedOptions;
  readonly #pages = new Pages();
  readonly #watches = new Set<WatchStream>();
  readonly #sockets = new Set<Socket>();
  readonly #counts = new Map<string, number>();

  private constructor(options: EmbeddedOptions) {
    this.#options = options;
    this.#server = createServer({ cert: options.certificate, key: options.key }, (request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        console.error(error);
        response.destroy();
      });
    });
    this.#server.keepAliveTimeout = 90_000;
    this.#server.on("secureConnection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  static async start(options: EmbeddedOptions): Promise<EmbeddedApiServer> {
    const made = new EmbeddedApiServer(options);
    await new Promise<void>((resolve, reject) => {
      made.#server.once("error", reject);
      made.#server.listen(options.port, options.address, resolve);
    });
    return made;
  }

  get port(): number {
    const address = this.#server.address();
    if (typeof address !== "object" || !address) throw new Error("not listening");
    return address.port;
  }

  get url(): string {
    const { address } = this.#options;
    return `https://${address.includes(":") ? `[${address}]` : address}:${this.port}`;
  }

  /** Requests so far by method and path without names, and how many watches are open. */
  get requests(): { readonly counts: Readonly<Record<string, number>>; readonly openWatches: number } {
    return { counts: Object.fromEntries(this.#counts), openWatches: this.#watches.size };
  }

  failNext(rule: FailRule): void {
    this.faults.failNext(rule);
  }

  dropWatches(): void {
    for (const watch of this.#watches) watch.destroy();
  }

  /** Forgets all changes so far: older resourceVersions and continue tokens are answered with 410. */
  compact(): void {
    this.store.compact();
    this.#pages.forget();
  }

  hang(on: boolean): void {
    this.faults.hang(on);
    if (!on) for (const watch of this.#watches) watch.flush();
  }

  /** Closes every connection at once, as a killed server does. */
  async stop(): Promise<void> {
    this.faults.hang(false);
    for (const watch of this.#watches) watch.destroy();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", this.url);
    const method = request.method ?? "GET";
    const body = await readBody(request);
    try {
      if (OPEN_PATHS.has(url.pathname)) {
        await this.faults.admit(method, url.pathname);
        return url.pathname === "/version"
          ? sendJson(response, 200, JSON.stringify(VERSION))
          : sendText(response, "ok");
      }
      const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
      if (!this.#options.tokens.includes(token)) throw new ApiError(401, "Unauthorized", "Unauthorized");
      if (url.pathname === REQUESTS_PATH) return sendJson(response, 200, JSON.stringify(this.requests));
      if (url.pathname === FAULT_PATH) return this.#command(JSON.parse(body), response);
      const failure = await this.faults.admit(method, `${url.pathname}${url.search}`);
      if (failure) return fail(response, failure);
      this.#serve(method, url, request.headers["content-type"] ?? "", body, response);
    } catch (error) {
      sendError(response, error);
    }
  }

  #command(command: FaultCommand, response: ServerResponse): void {
    if (command.fail) this.failNext(command.fail);
    if (command.dropWatches) this.dropWatches();
    if (command.compact) this.compact();
    if (command.hang !== undefined) this.hang(command.hang);
    if (command.latencyMillis !== undefined) this.faults.latencyMillis = command.latencyMillis;
    sendJson(response, 200, "{}");
  }

  #serve(method: string, url: URL, contentType: string, body: string, response: ServerResponse): void {
    const { target, name, subresource } = route(url.pathname);
    const query = url.searchParams;
    const isWatch = method === "GET" && name === "" && query.get("watch") === "true";
    const kind = `${isWatch ? "WATCH" : method} ${target.resource.plural}${subresource ? `/${subresource}` : ""}`;
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
    const dryRun = query.get("dryRun") === "All";
    switch (method) {
      case "GET":
        if (isWatch) return this.#watch(target, query, response);
        if (name === "") return this.#list(target, query, response);
        return sendJson(response, 200, jsonOf(this.store.get(target, name)));
      case "POST":
        if (name !== "") break;
        return sendObject(response, 201, this.store.create(target, objectFrom(body), dryRun));
      case "PUT": {
        if (name === "") break;
        const wished = objectFrom(body);
        const { object, created } = this.store.update(target, name, subresource, () => wished, dryRun);
        return sendObject(response, created ? 201 : 200, object);
      }
      case "PATCH": {
        if (name === "") break;
        const change = patchBy(contentType, parse(body));
        this.store.get(target, name); // a patch never creates
        return sendObject(
          response,
          200,
          this.store.update(target, name, subresource, (s) => change(s!), dryRun).object,
        );
      }
      case "DELETE": {
        if (name === "") return this.#deleteAll(target, query, dryRun, response);
        const options = body === "" ? {} : objectFrom(body);
        const preconditions = isObject(options["preconditions"]) ? options["preconditions"] : {};
        const removed = this.store.remove(target, name, preconditions, dryRun || isDryRun(options));
        return removed.metadata["deletionTimestamp"] === undefined
          ? sendJson(
              response,
              200,
              JSON.stringify({ kind: "Status", apiVersion: "v1", metadata: {}, status: "Success" }),
            )
          : sendObject(response, 200, removed);
      }
    }
    throw new ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
  }

  #list(target: Target, query: URLSearchParams, response: ServerResponse): void {
    const token = query.get("continue") ?? "";
    const selects = selectorOf(query);
    const all: Page =
      token === ""
        ? { items: this.store.list(target).filter(selects), revision: this.store.revision }
        : this.#pages.take(token);
    const limit = Number(query.get("limit") ?? 0) || all.items.length;
    const left = all.items.slice(limit);
    const next = left.length > 0 ? this.#pages.keep({ items: left, revision: all.revision }) : "";
    const page = { items: all.items.slice(0, limit), revision: all.revision };
    sendJson(response, 200, listJson(target.resource, page, next, left.length));
  }

  #watch(target: Target, query: URLSearchParams, response: ServerResponse): void {
    const watch = new WatchStream(this.store, target, selectorOf(query), response, () => this.faults.isHung);
    this.#watches.add(watch);
    response.on("close", () => this.#watches.delete(watch));
    watch.start(query);
  }

  #deleteAll(target: Target, query: URLSearchParams, dryRun: boolean, response: ServerResponse): void {
    const gone = this.store.list(target).filter(selectorOf(query));
    for (const { metadata } of gone) {
      const namespace = textOf(metadata["namespace"]);
      this.store.remove({ ...target, namespace }, textOf(metadata["name"]), {}, dryRun);
    }
    sendJson(response, 200, listJson(target.resource, { items: gone, revision: this.store.revision }, "", 0));
  }
}

interface Route {
  readonly target: Target;
  readonly name: string;
  readonly subresource: "" | "status";
}

/** @throws ApiError 404 for everything that is not a known resource */
function route(pathname: string): Route {
  const parts = pathname.split("/").slice(1).map(decodeURIComponent);
  const group = parts[0] === "apis" ? (parts[1] ?? "") : "";
  const [version = "", ...rest] = parts[0] === "api" ? parts.slice(1) : parts[0] === "apis" ? parts.slice(2) : [];
  const find = (plural: string | undefined, namespaced: boolean): Resource | undefined =>
    RESOURCES.find(
      (r) => r.group === group && r.version === version && r.plural === plural && (!namespaced || r.namespaced),
    );
  // "namespaces/x" is the object, "namespaces/x/services" what is in it.
  const inside = rest[0] === "namespaces" && rest.length > 2 ? find(rest[2], true) : undefined;
  const resource = inside ?? find(rest[0], false);
  const [name = "", subresource = "", ...more] = inside ? rest.slice(3) : rest.slice(1);
  const isStatus = subresource === "status" && resource?.hasStatus;
  const needsNamespace = resource?.namespaced && !inside && name !== "";
  if (!resource || more.length > 0 || needsNamespace || (subresource !== "" && !isStatus)) {
    throw new ApiError(404, "NotFound", "the server could not find the requested resource");
  }
  const target = { resource, namespace: inside ? rest[1]! : "" };
  return { target, name, subresource: isStatus ? "status" : "" };
}

function patchBy(contentType: string, patch: Json): (stored: KubeObject) => JsonObject {
  switch (contentType.replace(/;.*/, "")) {
    case "application/merge-patch+json":
      return (stored) => asObject(mergePatch(stored, patch));
    case "application/json-patch+json":
      return (stored) => asObject(jsonPatch(stored, patch));
    default:
      throw new ApiError(415, "UnsupportedMediaType", `the patch type ${contentType} is not supported here`);
  }
}

const isDryRun = (options: JsonObject): boolean =>
  Array.isArray(options["dryRun"]) && options["dryRun"].includes("All");

async function readBody(request: IncomingMessage): Promise<string> {
  request.setEncoding("utf8");
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text;
}

function parse(body: string): Json {
  try {
    const value: Json = JSON.parse(body);
    return value;
  } catch {
    throw new ApiError(400, "BadRequest", "the body is not JSON");
  }
}

function objectFrom(body: string): JsonObject {
  return asObject(parse(body));
}

function asObject(value: Json): JsonObject {
  if (!isObject(value)) throw new ApiError(400, "BadRequest", "the body is not an object");
  return value;
}

function fail(response: ServerResponse, rule: FailRule): void {
  if (rule.status === 0) {
    response.destroy();
    return;
  }
  if (rule.retryAfterSeconds !== undefined) response.setHeader("retry-after", String(rule.retryAfterSeconds));
  sendError(response, new ApiError(rule.status, REASONS[rule.status] ?? "InternalError", "made to fail"));
}

const REASONS: Readonly<Record<number, string>> = {
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  409: "Conflict",
  410: "Expired",
  429: "TooManyRequests",
  503: "ServiceUnavailable",
};

function sendError(response: ServerResponse, error: unknown): void {
  const known =
    error instanceof ApiError
      ? error
      : error instanceof SelectorInvalid
        ? new ApiError(400, "BadRequest", error.message)
        : error instanceof PatchInvalid
          ? new ApiError(422, "Invalid", error.message)
          : null;
  if (!known) throw error;
  sendJson(response, known.code, JSON.stringify(statusOf(known)));
}

const sendObject = (response: ServerResponse, status: number, object: KubeObject): void =>
  sendJson(response, status, jsonOf(object));

function sendJson(response: ServerResponse, status: number, text: string): void {
  if (!response.headersSent) response.writeHead(status, { "content-type": "application/json" });
  response.end(text);
}

function sendText(response: ServerResponse, text: string): void {
  response.writeHead(200, { "content-type": "text/plain" });
  response.end(text);
}
