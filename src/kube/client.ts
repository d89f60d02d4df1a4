import { type ClientRequest, type IncomingMessage } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import type { LookupFunction } from "node:net";
import { Instant } from "../base/time.ts";
import type { Clock } from "../ports/clock.ts";
import { API_SERVER_NAME, localServer, lookupAround, namesVip, type OwnPath } from "./own-path.ts";
import { type Access, type CredentialSource, Credentials, type TlsMaterial } from "./credentials.ts";
import { JsonLines } from "./json-lines.ts";

/**
 * The way to the Kubernetes API: requests and watches over one pool of keep-alive TLS connections.
 *
 * An answer of any status is a value; only a failure to get one (no connection, time over, a body that is not JSON)
 * rejects. Nothing is retried here: who asked knows whether asking again makes sense.
 */
export interface KubeClient {
  /** Base URL, for messages to the operator. */
  readonly server: string;
  /** @throws KubeUnreachable when no complete answer came within `timeoutMillis` (default 10 s). */
  request(request: KubeRequest): Promise<KubeResponse>;
  /** Opens a watch. `end` comes exactly once and nothing after it; not at all once `close` was called. */
  watch(path: string, query: Readonly<Record<string, string>>, on: WatchHandler): { close(): void };
}

export interface KubeRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Default application/json; a PATCH must choose its kind. */
  readonly contentType?: string;
  readonly timeoutMillis?: number;
}

export interface KubeResponse {
  readonly status: number;
  /** Parsed JSON; the text itself where the server answered with another type. */
  readonly body: unknown;
  /** From the Retry-After header; null without one. */
  readonly retryAfterMillis: number | null;
}

export interface WatchEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  /** The object; a Status for ERROR. */
  readonly object: unknown;
}

export interface WatchHandler {
  /** The server has accepted the watch; nothing need have changed yet. */
  open?(): void;
  event(event: WatchEvent): void;
  end(reason: WatchEnd): void;
}

export type WatchEnd =
  | { readonly kind: "closed-by-server" }
  | { readonly kind: "refused"; readonly response: KubeResponse }
  | { readonly kind: "failed"; readonly message: string }
  /** Something came that is no event: what else there was is lost. */
  | { readonly kind: "undecodable"; readonly message: string };

/** No answer to be had: the request may or may not have reached the server. */
export class KubeUnreachable extends Error {
  override readonly name = "KubeUnreachable";
}

const DEFAULT_TIMEOUT_MILLIS = 10_000;
/** How long a watch may take to be answered; afterwards its user's stall timer counts. */
const WATCH_OPEN_MILLIS = 10_000;
/** Larger than any page of 500 objects that we ask for, small enough that a broken server cannot fill the memory. */
const BODY_MAX_BYTES = 64 * 1024 * 1024;
/** etcd refuses objects over 1.5 MiB; JSON is not larger than a few times that. */
const LINE_MAX_BYTES = 8 * 1024 * 1024;

/** How long the second server is asked before the first has its chance again. */
const SECOND_CHOICE_MILLIS = 30_000;

export interface ConnectOptions extends CredentialSource {
  readonly clock: Clock;
  /** Of a daemon that serves the control-plane VIP: it goes around that. */
  readonly ownPath?: OwnPath;
  /** Base URL of another API server of the same cluster, for while the first takes no connections. */
  readonly secondServer?: string;
  /** For tests. */
  readonly lookup?: LookupFunction;
}

/**
 * @throws KubeConfigInvalid at once when the kubeconfig or service account cannot be used. The server is not asked.
 */
export function connectKube(options: ConnectOptions): KubeClient {
  const { ownPath, secondServer, clock } = options;
  let credentials = new Credentials(options, clock);
  if (ownPath && namesVip(credentials.server, ownPath)) {
    const local = { server: localServer(ownPath.port), tlsServerName: API_SERVER_NAME };
    credentials = new Credentials({ ...options, ...local }, clock);
  }
  const lookup = options.lookup ?? (ownPath && lookupAround(ownPath));
  const usable = secondServer !== undefined && !(ownPath && namesVip(secondServer, ownPath));
  const servers = [credentials.server, ...(usable && secondServer !== credentials.server ? [secondServer] : [])];
  return new HttpsKubeClient({ credentials, clock, servers, ...(lookup ? { lookup } : {}) });
}

interface ClientParts {
  readonly credentials: Credentials;
  readonly clock: Clock;
  /** In the order in which they are tried. */
  readonly servers: readonly string[];
  readonly lookup?: LookupFunction;
}

class HttpsKubeClient implements KubeClient {
  readonly #credentials: Credentials;
  readonly #clock: Clock;
  readonly #servers: readonly string[];
  readonly #lookup: LookupFunction | undefined;
  #agent: { readonly tls: TlsMaterial; readonly agent: Agent } | null = null;
  /** Until when the second server is asked; null: the first is. */
  #secondUntil: Instant | null = null;

  constructor({ credentials, clock, servers, lookup }: ClientParts) {
    this.#credentials = credentials;
    this.#clock = clock;
    this.#servers = servers;
    this.#lookup = lookup;
  }

  get server(): string {
    if (this.#secondUntil !== null && this.#clock.now() >= this.#secondUntil) this.#secondUntil = null;
    return this.#servers[this.#secondUntil === null ? 0 : 1]!;
  }

  /** `server` took no connection: the next request goes to the other one. */
  #avoid(server: string): void {
    if (this.#servers.length < 2 || server !== this.server) return;
    const isFirst = server === this.#servers[0];
    this.#secondUntil = isFirst ? Instant.add(this.#clock.now(), SECOND_CHOICE_MILLIS) : null;
  }

  async request(request: KubeRequest): Promise<KubeResponse> {
    const timeoutMillis = request.timeoutMillis ?? DEFAULT_TIMEOUT_MILLIS;
    const giveUp = new AbortController();
    const deadline = this.#clock.alarm(() => giveUp.abort(new Error(`no answer within ${timeoutMillis} ms`)));
    deadline.set(Instant.add(this.#clock.now(), timeoutMillis));
    try {
      // An exec plugin may hang as well as a server.
      const access = await orAborted(this.#credentials.access(), giveUp.signal);
      let response: KubeResponse;
      try {
        response = await this.#exchange(request, access, giveUp.signal);
      } catch (error) {
        // The server closed an idle connection while we were taking it for this request. A POST may have been carried out.
        if (!(error instanceof StaleConnection) || request.method === "POST") throw error;
        response = await this.#exchange(request, access, giveUp.signal);
      }
      if (response.status === 401) this.#credentials.forget();
      return response;
    } catch (cause) {
      throw new KubeUnreachable(describe(cause), { cause });
    } finally {
      deadline.close();
    }
  }

  #exchange(request: KubeRequest, access: Access, giveUp: AbortSignal): Promise<KubeResponse> {
    return new Promise((resolve, reject) => {
      const body = request.body === undefined ? null : Buffer.from(JSON.stringify(request.body));
      const message = this.#open(request.method, request.path, request.query ?? {}, access, {
        ...(body ? { "content-type": request.contentType ?? "application/json" } : {}),
        ...(body ? { "content-length": String(body.length) } : {}),
      });
      const stop = () => message.destroy(toError(giveUp.reason));
      giveUp.addEventListener("abort", stop, { once: true });
      message.on("close", () => giveUp.removeEventListener("abort", stop));
      message.on("error", (error: NodeJS.ErrnoException) => {
        const stale = message.reusedSocket && (error.code === "ECONNRESET" || error.code === "EPIPE");
        reject(stale ? new StaleConnection(error.message, { cause: error }) : error);
      });
      message.on("response", (answer) => readResponse(answer, resolve, reject));
      message.end(body ?? undefined);
    });
  }

  watch(path: string, query: Readonly<Record<string, string>>, on: WatchHandler): { close(): void } {
    let message: ClientRequest | null = null;
    let over = false;
    const openBy = this.#clock.alarm(() => fail(new Error(`no answer within ${WATCH_OPEN_MILLIS} ms`)));
    openBy.set(Instant.add(this.#clock.now(), WATCH_OPEN_MILLIS));
    const end = (reason: WatchEnd) => {
      openBy.close();
      if (over) return;
      over = true;
      message?.destroy();
      if (reason.kind === "refused" && reason.response.status === 401) this.#credentials.forget();
      on.end(reason);
    };
    const fail = (cause: Error) => end({ kind: "failed", message: describe(cause) });
    const start = (access: Access) => {
      if (over) return;
      message = this.#open("GET", path, { ...query, watch: "true" }, access, {});
      message.on("error", fail);
      message.on("response", (answer) => {
        openBy.close();
        if (answer.statusCode !== 200) {
          return readResponse(answer, (response) => end({ kind: "refused", response }), fail);
        }
        if (over) return;
        on.open?.();
        readEvents(answer, () => over, on, end);
      });
      message.end();
    };
    this.#credentials.access().then(start, fail);
    return {
      close: () => {
        over = true;
        openBy.close();
        message?.destroy();
      },
    };
  }

  #open(
    method: string,
    path: string,
    query: Readonly<Record<string, string>>,
    access: Access,
    headers: Record<string, string>,
  ): ClientRequest {
    const { server } = this;
    const url = new URL(server + path);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const message = httpsRequest(url, {
      method,
      agent: this.#agentFor(access.tls),
      ...(this.#lookup ? { lookup: this.#lookup } : {}),
      headers: { "user-agent": "vipcast", accept: "application/json", ...headers, ...access.headers },
    });
    let isUp = false;
    message.on("error", () => {
      if (!isUp) this.#avoid(server);
    });
    message.on("socket", (socket) => {
      // One that breaks later, or whose server hangs, was taken: that is no reason to turn to another.
      if (message.reusedSocket) isUp = true;
      else socket.once("secureConnect", () => (isUp = true));
      // A server that vanished without a word is noticed after 15 + 3 × 5 s, also on a watch where nothing is due.
      socket.setKeepAlive(true, 15_000, 5_000, 3);
      socket.setNoDelay(true);
    });
    return message;
  }

  #agentFor(tls: TlsMaterial): Agent {
    if (this.#agent?.tls === tls) return this.#agent.agent;
    // Idle connections of the old certificates are closed; busy ones and watches end by themselves.
    for (const sockets of Object.values(this.#agent?.agent.freeSockets ?? {}))
      for (const s of sockets ?? []) s.destroy();
    const agent = new Agent({ keepAlive: true, maxFreeSockets: 2, ...tls });
    this.#agent = { tls, agent };
    return agent;
  }
}

/** The connection was closed by the server between two requests; this one was not looked at. */
class StaleConnection extends Error {}

function readEvents(
  answer: IncomingMessage,
  isOver: () => boolean,
  on: WatchHandler,
  end: (why: WatchEnd) => void,
): void {
  const lines = new JsonLines(LINE_MAX_BYTES);
  answer.on("data", (chunk: Buffer) => {
    const values = lines.push(chunk);
    for (;;) {
      let value: unknown;
      try {
        const next = values.next();
        if (next.done) return;
        value = next.value;
        if (!isEvent(value)) throw new Error("a watch line is not an event");
      } catch (error) {
        return end({ kind: "undecodable", message: describe(error) });
      }
      if (isOver()) return;
      on.event(value);
    }
  });
  answer.on("end", () => end({ kind: "closed-by-server" }));
  answer.on("error", (error) => end({ kind: "failed", message: describe(error) }));
}

function readResponse(answer: IncomingMessage, done: (response: KubeResponse) => void, fail: (e: Error) => void): void {
  const chunks: Buffer[] = [];
  let length = 0;
  answer.on("data", (chunk: Buffer) => {
    length += chunk.length;
    if (length > BODY_MAX_BYTES) answer.destroy(new Error(`answer of more than ${BODY_MAX_BYTES} octets`));
    else chunks.push(chunk);
  });
  answer.on("error", fail);
  answer.on("end", () => {
    const text = Buffer.concat(chunks).toString("utf8");
    const isJson = answer.headers["content-type"]?.includes("json") ?? false;
    const retryAfterSeconds = Number(answer.headers["retry-after"]);
    let body: unknown = text;
    try {
      if (isJson && text !== "") body = JSON.parse(text);
    } catch (error) {
      return fail(toError(error));
    }
    const retryAfterMillis = retryAfterSeconds > 0 ? retryAfterSeconds * 1000 : null;
    done({ status: answer.statusCode ?? 0, body, retryAfterMillis });
  });
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(toError(signal.reason)), { once: true });
    work.then(resolve, reject);
  });
}

const isEvent = (value: unknown): value is WatchEvent =>
  typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string";

const toError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));

/** Some of Node's socket errors have an empty message and only a code. */
function describe(thrown: unknown): string {
  const error: NodeJS.ErrnoException = toError(thrown);
  return error.message || error.code || error.name;
}
