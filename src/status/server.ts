import { mkdirSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import type { Metrics } from "../telemetry/metrics.ts";
import { observeReport } from "./metrics-report.ts";
import type { RecordingFormat, StatusReport } from "./report.ts";
import type { NodeList, VipView } from "./view.ts";

/** Where the answers come from; everything is read at the time of the request. */
export interface StatusSource {
  report(): StatusReport;
  /** @param wanted  an address, namespace/name of a Service, or "control-plane" */
  view(wanted: string): VipView;
  nodes(): NodeList;
  /** The event loop runs and nothing has gone wrong for good. */
  live(): boolean;
  /** The first lists are in and the daemon acts on them. */
  ready(): boolean;
  /** What was recorded of a peer; null when there is no such peer. */
  recording(peer: string, format: RecordingFormat): string | Uint8Array | null;
}

type Place = { readonly path: string } | { readonly host?: string; readonly port: number };

export class StatusServer {
  readonly #source: StatusSource;
  readonly #metrics: Metrics;
  readonly #servers: { readonly server: Server; readonly path: string | null }[] = [];

  constructor(source: StatusSource, metrics: Metrics) {
    this.#source = source;
    this.#metrics = metrics;
  }

  /**
   * Listens on the local socket of the command line. A socket file that an earlier run left is replaced; one that
   * somebody answers on is not.
   *
   * @throws Error that names the path when another daemon uses it.
   */
  async listenLocal(path: string): Promise<void> {
    mkdirSync(dirname(path), { recursive: true });
    if (await answers(path))
      throw new Error(`${path}: another vipcast is running here; stop it, or set another vipcast_status_socket`);
    rmSync(path, { force: true });
    await this.#listen({ path });
  }

  async listenTcp(port: number, host?: string): Promise<void> {
    await this.#listen(host ? { host, port } : { port });
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#servers.splice(0).map(
        ({ server }) =>
          new Promise<void>((resolve) => {
            server.close(() => resolve());
            server.closeAllConnections();
          }),
      ),
    );
  }

  async #listen(place: Place): Promise<void> {
    const server = createServer((request, response) => {
      this.#answer(request, response, "path" in place).catch((error: unknown) => {
        response
          .writeHead(500, { "content-type": "text/plain" })
          .end(`${error instanceof Error ? error.message : "failed"}\n`);
      });
    });
    server.requestTimeout = 5_000;
    server.headersTimeout = 5_000;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(place, () => {
        server.off("error", reject);
        resolve();
      });
    });
    // A later error (too many open files, say) costs one connection, not the daemon.
    server.on("error", () => {});
    this.#servers.push({ server, path: "path" in place ? place.path : null });
  }

  async #answer(request: IncomingMessage, response: ServerResponse, isLocal: boolean): Promise<void> {
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.writeHead(405, { allow: "GET, HEAD", "content-type": "text/plain" }).end("read-only\n");
      return;
    }
    const [path = "/", query = ""] = (request.url ?? "/").split("?", 2);
    const text = (status: number, body: string): void => {
      response.writeHead(status, { "content-type": "text/plain" }).end(body);
    };
    switch (path) {
      case "/status":
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(this.#source.report()));
        return;
      case "/explain": {
        const wanted = new URLSearchParams(query).get("vip") ?? "";
        const view = JSON.stringify(this.#source.view(wanted));
        response.writeHead(200, { "content-type": "application/json" }).end(view);
        return;
      }
      case "/metrics": {
        observeReport(this.#metrics, this.#source.report());
        const body = await this.#metrics.registry.metrics();
        response.writeHead(200, { "content-type": this.#metrics.registry.contentType }).end(body);
        return;
      }
      case "/livez":
      case "/healthz":
        text(this.#source.live() ? 200 : 503, this.#source.live() ? "ok\n" : "not live\n");
        return;
      case "/readyz":
        text(this.#source.ready() ? 200 : 503, this.#source.ready() ? "ok\n" : "not ready\n");
        return;
      case "/":
        text(200, `vipcast: ${PATHS}\n`);
        return;
      default: {
        if (isLocal && path === "/nodes") {
          const list = JSON.stringify(this.#source.nodes());
          response.writeHead(200, { "content-type": "application/json" }).end(list);
          return;
        }
        // What the peers say is for whoever may use the local socket, not for the network.
        const recorded = isLocal ? RECORDING.exec(path) : null;
        if (recorded !== null) return this.#record(recorded[1]!, query, response);
        text(404, `not found: try ${PATHS}\n`);
      }
    }
  }

  #record(encodedPeer: string, query: string, response: ServerResponse): void {
    const format = new URLSearchParams(query).get("format") === "mrt" ? "mrt" : "jsonl";
    const peer = decoded(encodedPeer);
    const recording = peer === null ? null : this.#source.recording(peer, format);
    if (recording === null) {
      response.writeHead(404, { "content-type": "text/plain" }).end("no such peer\n");
      return;
    }
    const type = format === "mrt" ? "application/octet-stream" : "application/jsonl";
    response.writeHead(200, { "content-type": type }).end(recording);
  }
}

const PATHS = "/status /explain?vip=VIP /metrics /livez /readyz";

/** A name may hold anything that a URL can encode. */
const RECORDING = /^\/peers\/([^/]+)\/recording$/;

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
