import type { lookup as systemLookup } from "node:dns";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Server, createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createCertificate } from "../../lab/kube/certificate.ts";
import { until } from "../../test/support/until.ts";
import { ip } from "../addr/ip.ts";
import { systemClock as clock } from "../linux/io/system-clock.ts";
import {
  type ConnectOptions,
  type KubeClient,
  KubeUnreachable,
  type WatchEnd,
  type WatchEvent,
  connectKube,
} from "./client.ts";
import { lookupAround } from "./own-path.ts";

const { certificate, key } = createCertificate({
  commonName: "test",
  names: ["127.0.0.1", "cluster.test", "kubernetes.default.svc"],
});
const QUICK = { method: "GET", path: "/x", timeoutMillis: 300 } as const;

let folder: string;
let server: Server;
let connections: number;
let handle: (request: IncomingMessage, response: ServerResponse) => void;
let client: KubeClient;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "vipcast-client-"));
  connections = 0;
  handle = (_request, response) => json(response, 200, {});
  server = createServer({ cert: certificate, key }, (request, response) => handle(request, response));
  server.on("secureConnection", () => connections++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  client = connect({ token: "t" });
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true });
});

function connect(user: object, trusted = certificate): KubeClient {
  const address = server.address();
  if (typeof address !== "object" || !address) throw new Error("not listening");
  const cluster = { server: `https://127.0.0.1:${address.port}`, "certificate-authority-data": btoa(trusted) };
  const kubeconfigPath = join(folder, "kubeconfig");
  writeFileSync(
    kubeconfigPath,
    JSON.stringify({
      "current-context": "a",
      contexts: [{ name: "a", context: { cluster: "a", user: "a" } }],
      clusters: [{ name: "a", cluster }],
      users: [{ name: "a", user }],
    }),
  );
  return connectKube({ kubeconfigPath, clock });
}

function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

function watch(): { events: WatchEvent[]; ends: WatchEnd[]; opened: () => boolean; close(): void } {
  const events: WatchEvent[] = [];
  const ends: WatchEnd[] = [];
  let isOpen = false;
  const opened = client.watch(
    "/x",
    { a: "b c" },
    {
      open: () => (isOpen = true),
      event: (event) => events.push(event),
      end: (end) => ends.push(end),
    },
  );
  return { events, ends, opened: () => isOpen, close: () => opened.close() };
}

describe("a request", () => {
  it("carries method, query, body, its type and the credentials, all over one connection", async () => {
    const seen: unknown[] = [];
    handle = (request, response) => {
      let text = "";
      request.on("data", (chunk) => (text += String(chunk)));
      request.on("end", () => {
        const { authorization, "content-type": type } = request.headers;
        seen.push([request.method, request.url, authorization, type, text]);
        json(response, 201, { ok: true });
      });
    };
    const body = { name: "ü" };
    const answer = await client.request({ method: "POST", path: "/x", query: { dryRun: "All" }, body });
    expect(answer).toEqual({ status: 201, body: { ok: true }, retryAfterMillis: null });
    await client.request({ method: "PATCH", path: "/x", body, contentType: "application/merge-patch+json" });
    await client.request({ method: "GET", path: "/x" });
    expect(seen).toEqual([
      ["POST", "/x?dryRun=All", "Bearer t", "application/json", '{"name":"ü"}'],
      ["PATCH", "/x", "Bearer t", "application/merge-patch+json", '{"name":"ü"}'],
      ["GET", "/x", "Bearer t", undefined, ""],
    ]);
    expect(connections).toBe(1);
  });

  it("gives every status as a value, with Retry-After in milliseconds and text that is not JSON as it is", async () => {
    handle = (_request, response) => json(response, 429, { message: "slow" }, { "retry-after": "3" });
    expect(await client.request(QUICK)).toEqual({ status: 429, body: { message: "slow" }, retryAfterMillis: 3_000 });
    handle = (_request, response) => void response.end("ok");
    expect(await client.request(QUICK)).toMatchObject({ status: 200, body: "ok" });
    handle = (_request, response) => json(response, 503, {}, { "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT" });
    expect(await client.request(QUICK)).toMatchObject({ status: 503, retryAfterMillis: null });
  });

  it("rejects when no whole answer comes in time, and works again afterwards", async () => {
    const unanswered: ((response: ServerResponse) => void)[] = [
      () => {},
      (response) => void response.writeHead(200, { "content-type": "application/json" }).write("{"),
      (response) => response.destroy(),
      (response) => void response.writeHead(200, { "content-type": "application/json" }).end("{"),
      (response) => void response.writeHead(200, { "content-length": "100" }).end("x".repeat(10)),
    ];
    for (const act of unanswered) {
      handle = (_request, response) => act(response);
      await expect(client.request({ ...QUICK, method: "POST" })).rejects.toThrow(KubeUnreachable);
    }
    handle = (_request, response) => json(response, 200, {});
    expect((await client.request(QUICK)).status).toBe(200);
  });

  it("rejects when nobody listens, and when the server is not who it should be", async () => {
    const stranger = connect(
      {},
      createCertificate({ commonName: "other", names: ["127.0.0.1", "cluster.test", "kubernetes.default.svc"] })
        .certificate,
    );
    await expect(stranger.request(QUICK)).rejects.toThrow(/self-signed certificate/);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await expect(client.request(QUICK)).rejects.toThrow(/ECONNREFUSED/);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });

  it("is sent again on a new connection when the server closed the idle one, unless it might be done twice", async () => {
    await client.request(QUICK);
    let cut = true;
    handle = (request, response) => {
      if (cut) request.socket.destroy();
      else json(response, 200, {});
      cut = false;
    };
    expect((await client.request({ ...QUICK, method: "PUT", body: {} })).status).toBe(200);
    cut = true;
    await expect(client.request({ ...QUICK, method: "POST", body: {} })).rejects.toThrow(KubeUnreachable);
  });

  it("rejects in time when an exec plugin hangs or fails", async () => {
    const hanging = connect({ exec: { command: process.execPath, args: ["-e", "setTimeout(() => {}, 2000)"] } });
    await expect(hanging.request(QUICK)).rejects.toThrow(/no answer within 300 ms/);
    const failing = connect({
      exec: { command: process.execPath, args: ["-e", "console.error('no key'); process.exit(1)"] },
    });
    await expect(failing.request({ ...QUICK, timeoutMillis: 5_000 })).rejects.toThrow(/no key/);
  });

  it("shows a rotated token at once after a 401", async () => {
    writeFileSync(join(folder, "token"), "old");
    const rotating = connect({ tokenFile: join(folder, "token") });
    handle = ({ headers }, response) => json(response, headers.authorization === "Bearer new" ? 200 : 401, {});
    expect((await rotating.request(QUICK)).status).toBe(401);
    writeFileSync(join(folder, "token"), "new");
    expect((await rotating.request(QUICK)).status).toBe(200);
  });

  it("refuses an answer of more than 64 MiB", async () => {
    handle = (_request, response) => {
      response.writeHead(200);
      const chunk = Buffer.alloc(1 << 20);
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
        response.once("drain", more);
      };
      more();
    };
    await expect(client.request({ ...QUICK, timeoutMillis: 15_000 })).rejects.toThrow(/more than/);
  });
});

describe("a watch", () => {
  it("says that it is open before anything happens, and gives each event, however it was cut", async () => {
    let stream: ServerResponse | null = null;
    let url = "";
    handle = (request, response) => {
      stream = response;
      url = request.url ?? "";
      response.writeHead(200, { "content-type": "application/json" });
      response.flushHeaders();
    };
    const seen = watch();
    await until("it is open", () => seen.opened());
    expect(url).toBe("/x?a=b+c&watch=true");
    const text = '{"type":"ADDED","object":{"a":"ü"}}\n{"type":"BOOKMARK","object":{}}\n';
    for (const octet of Buffer.from(text)) stream!.write(Buffer.from([octet]));
    await until("both events", () => seen.events.length === 2);
    expect(seen.events[0]).toEqual({ type: "ADDED", object: { a: "ü" } });
    stream!.end();
    await until("the end", () => seen.ends.length > 0);
    expect(seen.ends).toEqual([{ kind: "closed-by-server" }]);
  });

  it("ends once, with the answer, when it is refused", async () => {
    handle = (_request, response) => json(response, 410, { message: "too old" }, { "retry-after": "2" });
    const seen = watch();
    await until("the end", () => seen.ends.length > 0);
    expect(seen.ends).toEqual([
      { kind: "refused", response: { status: 410, body: { message: "too old" }, retryAfterMillis: 2_000 } },
    ]);
    expect(seen.opened()).toBe(false);
  });

  it("ends once when its connection breaks or its lines are no events", async () => {
    const endings: [(response: ServerResponse) => void, RegExp][] = [
      [(response) => response.destroy(), /aborted|hang up/],
      [(response) => void response.write("nonsense\n"), /JSON/],
      [(response) => void response.write('{"object":{}}\n{"type":"ADDED"}\n'), /not an event/],
      [(response) => void response.write("null\n"), /not an event/],
      [(response) => void response.write(Buffer.alloc(9 << 20, 0x20)), /a line of more than/],
    ];
    for (const [act, message] of endings) {
      handle = (_request, response) => {
        response.writeHead(200);
        response.flushHeaders();
        act(response);
      };
      const seen = watch();
      await until("the end", () => seen.ends.length > 0);
      const kind = endings[0]![1] === message ? "failed" : "undecodable";
      expect(seen.ends).toEqual([{ kind, message: expect.stringMatching(message) }]);
      expect(seen.events).toEqual([]);
    }
  });

  it("is silent after close, also when that comes before the connection or from within an event", async () => {
    const early = watch();
    early.close();
    handle = (_request, response) => void response.writeHead(200).write('{"type":"ADDED"}\n{"type":"MODIFIED"}\n');
    const events: string[] = [];
    const ends: WatchEnd[] = [];
    const opened = client.watch(
      "/x",
      {},
      {
        event: ({ type }) => {
          events.push(type);
          opened.close();
        },
        end: (end) => ends.push(end),
      },
    );
    await until("the first event", () => events.length > 0);
    await client.request(QUICK).catch(() => {});
    expect([events, ends, early.events, early.ends, early.opened()]).toEqual([["ADDED"], [], [], [], false]);
  });

  it("ends when the credentials cannot be had", async () => {
    client = connect({ exec: { command: "no-such-command" } });
    const seen = watch();
    await until("the end", () => seen.ends.length > 0);
    expect(seen.ends).toMatchObject([{ kind: "failed", message: expect.stringMatching(/ENOENT/) }]);
  });
});

describe("the way of a daemon that serves the control-plane VIP", () => {
  /** An address of TEST-NET-1: nobody is there, so a request that goes to it has no answer. */
  const VIP = "192.0.2.1";
  /** Another such, which is no VIP. */
  const OTHER = "192.0.2.2";

  function around(host: string, more: Partial<ConnectOptions> = {}): KubeClient {
    const { port } = server.address() as AddressInfo;
    connect({ token: "t" });
    const kubeconfigPath = join(folder, "kubeconfig");
    const text = readFileSync(kubeconfigPath, "utf8").replace("https://127.0.0.1:", `https://${host}:`);
    writeFileSync(kubeconfigPath, text);
    return connectKube({ kubeconfigPath, clock, ownPath: { vips: [ip(VIP)], port }, ...more });
  }

  it("H5: goes to this node's own API server where the kubeconfig names the VIP", async () => {
    const it = around(VIP);
    expect(it.server).toMatch(/^https:\/\/127\.0\.0\.1:/);
    expect((await it.request(QUICK)).status).toBe(200);
  });

  it("H5: goes there, too, where the kubeconfig has a name that leads to the VIP, whenever it comes to do so", async () => {
    let [leadsTo, asked] = ["127.0.0.1", 0];
    const resolver = ((_name: string, _options: object, done: (error: null, found: object[]) => void) => {
      asked++;
      done(null, [{ address: leadsTo, family: 4 }]);
    }) as unknown as typeof systemLookup;
    const it = around("cluster.test", { lookup: lookupAround({ vips: [ip(VIP)], port: 1 }, resolver) });
    expect((await it.request(QUICK)).status).toBe(200);
    leadsTo = VIP;
    server.closeAllConnections();
    expect((await it.request(QUICK)).status).toBe(200);
    expect(asked).toBe(2);
  });

  it("asks the second server while the first takes no connections, and not the VIP", async () => {
    const { port } = server.address() as AddressInfo;
    const free = createServer();
    await new Promise<void>((resolve) => free.listen(0, "127.0.0.1", resolve));
    const refusing = (free.address() as AddressInfo).port;
    await new Promise((resolve) => free.close(resolve));
    const first = { server: `https://127.0.0.1:${refusing}` };
    const it = around("127.0.0.1", { ...first, secondServer: `https://127.0.0.1:${port}` });
    await expect(it.request(QUICK)).rejects.toThrow(KubeUnreachable);
    expect((await it.request(QUICK)).status).toBe(200);
    const alone = around("127.0.0.1", { ...first, secondServer: `https://${VIP}:${port}` });
    await expect(alone.request(QUICK)).rejects.toThrow(KubeUnreachable);
    await expect(alone.request(QUICK)).rejects.toThrow(/ECONNREFUSED/);
  });

  it("stays with the first server where that takes the connection and then breaks it, or does not answer", async () => {
    const { port } = server.address() as AddressInfo;
    const it = around("127.0.0.1", { secondServer: `https://${OTHER}:${port}` });
    const first = it.server;
    for (const act of [(response: ServerResponse) => void response.destroy(), () => undefined]) {
      handle = (_request, response) => act(response);
      await expect(it.request(QUICK)).rejects.toThrow(KubeUnreachable);
      expect(it.server).toBe(first);
    }
  });
});
