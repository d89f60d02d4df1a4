import { Option } from "commander";
import { fetchStatus, StatusUnavailable } from "../status/client.ts";
import type { StatusReport } from "../status/report.ts";

const DEFAULT_SOCKET = "/run/vipcast/vipcast.sock";

export const socketOption = (): Option =>
  new Option("--socket <path>", "local socket of the daemon").env("vipcast_status_socket").default(DEFAULT_SOCKET);

/** `withReport` for a command that asks more than once: `use` gets the path of the socket. */
export async function fromDaemon(
  socket: string | undefined,
  use: (socket: string) => Promise<number>,
): Promise<number> {
  let code: number;
  try {
    code = await use(socket ?? DEFAULT_SOCKET);
  } catch (error) {
    if (!(error instanceof StatusUnavailable)) throw error;
    process.stderr.write(`vipcast: ${error.message}\n`);
    code = 1;
  }
  process.exitCode = code;
  return code;
}

/**
 * Asks the daemon, hands its report to `use`, and makes the returned number the exit code. Without an answer the
 * reason goes to standard error and the exit code is 1.
 */
export const withReport = (socket: string | undefined, use: (report: StatusReport) => number): Promise<number> =>
  fromDaemon(socket, async (path) => use(await fetchStatus(path)));
