import { readFile } from "node:fs/promises";
import { ClientStream } from "../../lab/rack/client-stream.ts";
import type { ManagedProcess } from "../../lab/rack/processes.ts";
import { waitFor } from "../../lab/wait.ts";
import { type Stage, VIPS } from "./stage.ts";

const script = (name: string): string => new URL(`../../lab/${name}`, import.meta.url).pathname;
const PORT = 8080;
const INTERVAL_MILLIS = 10;

const addressOf = (prefix: string): string => prefix.slice(0, prefix.indexOf("/"));

/** Connections from the router's kernel to the VIPs, along the routes that the router has put there. */
export class TrafficToVips {
  readonly #client: ClientStream;
  readonly #monitor: ManagedProcess;

  private constructor(client: ClientStream, monitor: ManagedProcess) {
    this.#client = client;
    this.#monitor = monitor;
  }

  /** Resolves once connections to every VIP succeed. */
  static async begin({ processes }: Stage): Promise<TrafficToVips> {
    const server = processes.start({
      name: "workload",
      host: "ours",
      comesFirst: true,
      argv: [process.execPath, script("workload.ts"), "ours", `${PORT}`],
      onLine: () => {},
    });
    await server.firstLine;
    const client = new ClientStream(processes, script("client.ts"), "router");
    client.aim(
      VIPS.map((vip) => ({ name: vip, host: addressOf(vip), port: PORT })),
      INTERVAL_MILLIS,
    );
    for (const vip of VIPS) {
      await waitFor(`${vip} answers`, 10_000, () => client.answersSince(vip, 0).nodes.length > 0);
    }
    const monitor = processes.start({ name: "monitor", host: "router", argv: ["ip", "monitor", "route"] });
    const traffic = new TrafficToVips(client, monitor);
    traffic.#begunAt = client.attempts.length;
    return traffic;
  }

  #begunAt = 0;

  /** @throws when a connection has failed since, or a route to a VIP was taken out of the kernel */
  async demandUntouched(): Promise<void> {
    await this.#client.settled();
    const attempts = this.#client.attempts.slice(this.#begunAt);
    const failed = attempts.filter(({ error }) => error !== null);
    if (attempts.length < 10) throw new Error(`only ${attempts.length} connections were made`);
    if (failed.length > 0)
      throw new Error(`${failed.length} of ${attempts.length} connections failed: ${failed[0]?.error}`);
    const changes = (await readFile(this.#monitor.log, "utf8")).split("\n");
    const gone = changes.find((line) => VIPS.some((vip) => line.startsWith(`Deleted ${addressOf(vip)} `)));
    if (gone !== undefined) throw new Error(`the router's kernel: ${gone}`);
  }
}
