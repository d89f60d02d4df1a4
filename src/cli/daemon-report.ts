import { Option } from "commander";
import { fetchStatus, StatusUnavailable } from "../status/client.ts";
import type { StatusReport } from "../status/report.ts";

const DEFAULT_SOCKET = "/run/vipcast/vipcast.sock";

export const socketOption = (): Option =>
  new Option("--socket <path>", "local socket of the daemon").env("vipcast_status_socket").default(DEFAULT_SOCKET);

/**
 * Asks the daemon, hands its report to `use`, and makes the returned number the exit code. Without an answer the
 * reason goes to standard error and the exit code is 1.
 */
export async function withReport(socket: string | undefined, use: (report: StatusReport) => number): Promise<number> {
  let code: number;
  try {
    code = use(await fetchStatus(socket ?? DEFAULT_SOCKET));
  } catch (error) {
    if (!(error instanceof StatusUnavailable)) throw error;
    process.stderr.write(`vipcast: ${error.message}\n`);
    code = 1;
  }
  process.exitCode = code;
  return code;
}
