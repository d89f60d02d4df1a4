import { rename, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { API_ADDRESS, API_PORT, type Host, MAIN_TABLE, TABLE_PROTOCOL, WORKLOAD_PORT } from "../topology.ts";
import { waitFor } from "../wait.ts";
import { command } from "./command.ts";
import type { ContainerStart } from "./manifests.ts";
import type { Namespaces } from "./namespaces.ts";
import type { ManagedProcess, Processes } from "./processes.ts";

export interface NodeParts {
  readonly host: Host;
  readonly namespaces: Namespaces;
  readonly processes: Processes;
  /** Program and arguments of the product, before its command. */
  readonly product: readonly string[];
  readonly container: ContainerStart;
  /** Where this node's files are. */
  readonly folder: string;
  readonly scripts: { readonly workload: string; readonly apiFront: string };
}

/** How long a daemon may take to end after SIGTERM. */
const STOP_LIMIT_MILLIS = 10_000;

/** One node: the daemon under test, and what Kubernetes would run beside it. */
export class RackNode {
  readonly name: string;
  readonly statusSocket: string;
  readonly #parts: NodeParts;
  #daemon: ManagedProcess | null = null;
  #workload: ManagedProcess | null = null;
  #apiFront: ManagedProcess | null = null;
  #powered = true;

  constructor(parts: NodeParts) {
    this.#parts = parts;
    this.name = parts.host.name;
    this.statusSocket = statusSocketOf(parts.folder);
  }

  get powered(): boolean {
    return this.#powered;
  }

  get daemon(): ManagedProcess {
    if (!this.#daemon) throw new Error(`no daemon on ${this.name}`);
    return this.#daemon;
  }

  /** The Service workload and this node's API server. */
  async startCompany(): Promise<void> {
    const { scripts } = this.#parts;
    this.#workload = this.#start("workload", [process.execPath, scripts.workload, this.name, `${WORKLOAD_PORT}`]);
    await Promise.all([this.#workload.firstLine, this.startApiServer()]);
  }

  /** Also brings it back after `stopApiServer`. */
  async startApiServer(): Promise<void> {
    const { scripts } = this.#parts;
    const argv = [process.execPath, scripts.apiFront, this.name, `${API_PORT}`, API_ADDRESS.v4, `${API_PORT}`];
    this.#apiFront = this.#start("api-server", argv);
    await this.#apiFront.firstLine;
  }

  /** As when kube-apiserver crashes: the node, its daemon and its workload live on. */
  async stopApiServer(): Promise<void> {
    this.#apiFront?.signal("SIGKILL");
    await this.#apiFront?.ended;
  }

  /** @param changed  environment that is another than the manifest's, as after an edit of it */
  startDaemon(changed: Readonly<Record<string, string>> = {}): void {
    const { container, product } = this.#parts;
    this.#daemon = this.#parts.processes.start({
      name: `${this.name}-daemon`,
      host: this.name,
      argv: [...product, ...container.args],
      env: { ...container.environment, ...changed },
    });
  }

  /**
   * SIGTERM, as the kubelet stops a pod.
   *
   * @returns how it ended, and after how many milliseconds
   */
  async stopDaemon(): Promise<{ readonly code: number | null; readonly tookMillis: number }> {
    const daemon = this.daemon;
    daemon.signal("SIGTERM");
    const tookMillis = await waitFor(`the daemon on ${this.name} ends`, STOP_LIMIT_MILLIS, () => !daemon.running, {
      everyMillis: 5,
    });
    return { code: (await daemon.ended).code, tookMillis };
  }

  /** Loses power: off the network first, so that no FIN or RST of the dying processes gets out. */
  async powerOff(): Promise<void> {
    this.#powered = false;
    await this.#parts.namespaces.cut(this.name, "lan", "mgmt");
    await this.#parts.processes.killHost(this.name);
  }

  /** Boots again: nothing of before is left but the configured addresses. */
  async powerOn(): Promise<void> {
    await this.#forgetVips();
    await this.#parts.namespaces.join(this.name, "lan", "mgmt");
    this.#powered = true;
    await this.startCompany();
    this.startDaemon();
  }

  /** Replaces one of the node's files in one step, as a Secret's volume does. */
  async replaceFile(name: string, text: string): Promise<void> {
    const path = `${this.#parts.folder}/${name}`;
    await writeFile(`${path}.new`, text, { mode: 0o600 });
    await rename(`${path}.new`, path);
  }

  /** What the daemon says of itself: the document behind `vipcast status -o json`. Null when it does not answer. */
  status(): Promise<StatusDocument | null> {
    return new Promise((resolve) => {
      const asked = request({ socketPath: this.statusSocket, path: "/status", timeout: 2_000 }, (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (text: string) => (body += text));
        response.on("end", () => resolve(response.statusCode === 200 ? (JSON.parse(body) as StatusDocument) : null));
        response.on("error", () => resolve(null));
      });
      asked.on("timeout", () => asked.destroy());
      asked.on("error", () => resolve(null));
      asked.end();
    });
  }

  /** Runs a command of the product beside its daemon, as an operator on this node would. @returns what it prints */
  async vipcast(args: readonly string[], exitCode: number): Promise<string> {
    const { product, folder, namespaces } = this.#parts;
    const env = { ...process.env, TMPDIR: folder };
    const within = ["ip", "netns", "exec", namespaces.name(this.name)];
    return command([...within, ...product, ...args, "--socket", this.statusSocket], { env, exitCode });
  }

  /** Addresses on the node's interfaces that the rack did not put there, as "lo 10.40.0.1/32". */
  async vips(): Promise<readonly string[]> {
    const { host, namespaces } = this.#parts;
    const own = new Set(["127.0.0.1", "::1", ...host.interfaces.flatMap(({ address }) => [address.v4, address.v6])]);
    const links = JSON.parse(await command(["ip", "-n", namespaces.name(this.name), "-j", "addr"])) as {
      ifname: string;
      addr_info: { local: string; prefixlen: number; scope: string }[];
    }[];
    return links.flatMap(({ ifname, addr_info }) =>
      addr_info
        .filter(({ local, scope }) => !own.has(local) && scope !== "link")
        .map(({ local, prefixlen }) => `${ifname} ${local}/${prefixlen}`),
    );
  }

  /** Destinations in a routing table of the node that are the daemon's, in order. */
  async routesIn(table: number): Promise<readonly string[]> {
    const namespace = this.#parts.namespaces.name(this.name);
    const all = await Promise.all(
      ["-4", "-6"].map((family) => command(["ip", "-n", namespace, family, "-j", "route", "show", "table", "all"])),
    );
    return all
      .flatMap((text) => JSON.parse(text.trim() === "" ? "[]" : text) as readonly KernelRoute[])
      .filter((route) => (route.table ?? "main") === (table === MAIN_TABLE ? "main" : `${table}`))
      .filter(({ protocol }) => protocol === `${TABLE_PROTOCOL}`)
      .map(({ dst }) => dst)
      .toSorted();
  }

  /** Somebody on this node takes a route away. */
  async removeRoute(address: string, table: number): Promise<void> {
    const namespace = this.#parts.namespaces.name(this.name);
    const family = address.includes(":") ? "-6" : "-4";
    await command(["ip", "-n", namespace, family, "route", "del", address, "table", `${table}`]);
  }

  /** Plays kube-proxy: this node accepts connections to the address and answers them, whether or not it is announced. */
  async serve(address: string, on: boolean): Promise<void> {
    const namespace = this.#parts.namespaces.name(this.name);
    const family = address.includes(":") ? "-6" : "-4";
    // Replacing and flushing, unlike adding and deleting, do not mind what is there already.
    const change = on
      ? ["route", "replace", "local", address, "dev", "lo", "table", "local", "proto", "static"]
      : ["route", "flush", "table", "local", "proto", "static", "exact", address];
    await command(["ip", "-n", namespace, family, ...change]);
  }

  async #forgetVips(): Promise<void> {
    const namespace = this.#parts.namespaces.name(this.name);
    for (const vip of await this.vips()) {
      const [device = "", address = ""] = vip.split(" ");
      await command(["ip", "-n", namespace, "addr", "del", address, "dev", device]);
    }
  }

  #start(name: string, argv: readonly string[]): ManagedProcess {
    return this.#parts.processes.start({
      name: `${this.name}-${name}`,
      host: this.name,
      argv,
      // The client measures the way to them, not how busy the machine is with starting daemons.
      comesFirst: true,
      onLine: () => {},
    });
  }
}

/** `ip -j route` leaves the table out of routes of the main one. */
interface KernelRoute {
  readonly dst: string;
  readonly table?: string;
  readonly protocol?: string;
}

/** The part of the status document that scenarios look at. */
export interface StatusDocument {
  readonly peers: readonly { readonly address: string; readonly state: string }[];
  readonly fallback: boolean;
  readonly problems: readonly string[];
}

export const statusSocketOf = (folder: string): string => `${folder}/vipcast.sock`;
