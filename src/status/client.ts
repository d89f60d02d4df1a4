import { request } from "node:http";
import type * as z from "zod";
import { type RecordingFormat, StatusReport } from "./report.ts";
import { NodeList, VipView } from "./view.ts";

/** No daemon answered, or not with what we understand. The message says what to do. */
export class StatusUnavailable extends Error {
  override readonly name = "StatusUnavailable";
}

/** Longest answer that is read: a document of ten thousand Services has some 20 MB. */
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;

/** The local socket of a daemon, or the port of another node's. */
export type Whom = string | { readonly host: string; readonly port: number };

/**
 * Asks the running daemon over its local socket.
 *
 * @throws StatusUnavailable when there is no daemon, no permission, or no answer in time.
 */
export const fetchStatus = (socketPath: string, timeoutMillis = 5_000): Promise<StatusReport> =>
  fetchDocument(socketPath, "/status", StatusReport, timeoutMillis);

/** What a daemon says of one VIP. @throws StatusUnavailable */
export const fetchView = (whom: Whom, wanted: string, timeoutMillis = 5_000): Promise<VipView> =>
  fetchDocument(whom, `/explain?vip=${encodeURIComponent(wanted)}`, VipView, timeoutMillis);

/** Which nodes there are, as the daemon of this one knows. @throws StatusUnavailable */
export const fetchNodes = (socketPath: string, timeoutMillis = 5_000): Promise<NodeList> =>
  fetchDocument(socketPath, "/nodes", NodeList, timeoutMillis);

async function fetchDocument<T>(whom: Whom, path: string, schema: z.ZodType<T>, timeoutMillis: number): Promise<T> {
  const body = (await get(whom, path, timeoutMillis)).toString("utf8");
  let document: unknown;
  try {
    document = JSON.parse(body);
  } catch (cause) {
    throw new StatusUnavailable(`${nameOf(whom)}: the answer is not JSON`, { cause });
  }
  const checked = schema.safeParse(document);
  if (!checked.success) {
    const { version } = Object(document) as { version?: unknown };
    const which = typeof version === "string" ? `vipcast ${version.slice(0, 40)}` : "another version";
    throw new StatusUnavailable(`${nameOf(whom)}: the daemon is ${which}; ask it with the same version`);
  }
  return checked.data;
}

const nameOf = (whom: Whom): string => (typeof whom === "string" ? whom : `${whom.host} port ${whom.port}`);

/**
 * What the running daemon has recorded of one peer.
 *
 * @throws StatusUnavailable as `fetchStatus` does, and when the daemon has no such peer
 */
export function fetchRecording(
  socketPath: string,
  peer: string,
  format: RecordingFormat,
  timeoutMillis = 15_000,
): Promise<Buffer> {
  return get(socketPath, `/peers/${encodeURIComponent(peer)}/recording?format=${format}`, timeoutMillis);
}

function get(whom: Whom, path: string, timeoutMillis: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void =>
      reject(new StatusUnavailable(explain(whom, error), { cause: error }));
    const where = typeof whom === "string" ? { socketPath: whom } : whom;
    const asked = request({ ...where, path, timeout: timeoutMillis }, (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on("data", (chunk: Buffer) => {
        length += chunk.length;
        if (length > ANSWER_BYTES_MAX) asked.destroy(new Error("the answer is too long"));
        else chunks.push(chunk);
      });
      response.on("end", () => {
        const body = Buffer.concat(chunks);
        if (response.statusCode === 200) return resolve(body);
        const text = body.toString("utf8").trim();
        reject(new StatusUnavailable(`${nameOf(whom)}: the daemon answers ${response.statusCode}: ${text}`));
      });
      response.on("error", fail);
    });
    asked.on("timeout", () => asked.destroy(new Error(`no answer within ${timeoutMillis / 1000} s`)));
    asked.on("error", fail);
    asked.end();
  });
}

function explain(whom: Whom, error: NodeJS.ErrnoException): string {
  if (typeof whom !== "string") {
    return error.code === "ECONNREFUSED"
      ? `${nameOf(whom)}: refused; no daemon runs there, or its prometheus_server is off or bound to another address`
      : `${nameOf(whom)}: ${error.message || error.code}`;
  }
  switch (error.code) {
    case "ENOENT":
    case "ECONNREFUSED":
      return `no vipcast daemon is running here (${whom}); start it with \`vipcast manager\`, or name its socket with --socket`;
    case "EACCES":
      return `${whom}: permission denied; run the command as the user of the daemon (usually root)`;
    default:
      return `${whom}: ${error.message}`;
  }
}
