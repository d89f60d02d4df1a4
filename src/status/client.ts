import { request } from "node:http";
import { type RecordingFormat, StatusReport } from "./report.ts";

/** No daemon answered, or not with what we understand. The message says what to do. */
export class StatusUnavailable extends Error {
  override readonly name = "StatusUnavailable";
}

/** Longest answer that is read: a document of ten thousand Services has some 20 MB. */
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;

/**
 * Asks the running daemon over its local socket.
 *
 * @throws StatusUnavailable when there is no daemon, no permission, or no answer in time.
 */
export async function fetchStatus(socketPath: string, timeoutMillis = 5_000): Promise<StatusReport> {
  const body = (await get(socketPath, "/status", timeoutMillis)).toString("utf8");
  let document: unknown;
  try {
    document = JSON.parse(body);
  } catch (cause) {
    throw new StatusUnavailable(`${socketPath}: the answer is not JSON`, { cause });
  }
  const report = StatusReport.safeParse(document);
  if (!report.success) {
    const { version } = Object(document) as { version?: unknown };
    const which = typeof version === "string" ? `vipcast ${version.slice(0, 40)}` : "another version";
    throw new StatusUnavailable(`${socketPath}: the daemon is ${which}; ask it with the same version`);
  }
  return report.data;
}

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

function get(socketPath: string, path: string, timeoutMillis: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void =>
      reject(new StatusUnavailable(explain(socketPath, error), { cause: error }));
    const asked = request({ socketPath, path, timeout: timeoutMillis }, (response) => {
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
        reject(new StatusUnavailable(`${socketPath}: the daemon answers ${response.statusCode}: ${text}`));
      });
      response.on("error", fail);
    });
    asked.on("timeout", () => asked.destroy(new Error(`no answer within ${timeoutMillis / 1000} s`)));
    asked.on("error", fail);
    asked.end();
  });
}

function explain(socketPath: string, error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case "ENOENT":
    case "ECONNREFUSED":
      return `no vipcast daemon is running here (${socketPath}); start it with \`vipcast manager\`, or name its socket with --socket`;
    case "EACCES":
      return `${socketPath}: permission denied; run the command as the user of the daemon (usually root)`;
    default:
      return `${socketPath}: ${error.message}`;
  }
}
