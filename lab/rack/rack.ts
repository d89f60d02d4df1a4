import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { BirdRouter } from "../router/bird.ts";
import { kernelNextHops, type PeeringSettings, type RouterDriver, type RouterKind } from "../router/driver.ts";
import { EmbeddedRouter } from "../router/embedded-driver.ts";
import { FrrRouter } from "../router/frr.ts";
import { addressOn, API_PORT, NODE_NAMES, type NodeName, nodesOf, rackTopology, type Topology } from "../topology.ts";
import { waitFor } from "../wait.ts";
import { ClientStream } from "./client-stream.ts";
import { Cluster, type ServiceSpec } from "./cluster.ts";
import { command } from "./command.ts";
import { createIdentity, kubeconfig, type KubeKind, type Restartable, startKube } from "./kube-server.ts";
import { containerStart, documentsOf, serviceAccountOf } from "./manifests.ts";
import { Namespaces } from "./namespaces.ts";
import { Processes } from "./processes.ts";
import { folderPrefix, prefixOf, removeTraces, tracesOf } from "./traces.ts";
import { RackNode, statusSocketOf } from "./rack-node.ts";
import { captureClaims, type WireClaim } from "./claims.ts";
import { type LeaseSample, Sampler, type Sample } from "./sampler.ts";

export interface RackOptions {
  readonly router: RouterKind;
  readonly kube: KubeKind;
  readonly clientOnLan: boolean;
  readonly peering: PeeringSettings;
  /** Flags of `manifest daemonset`. */
  readonly manifestFlags: readonly string[];
  /** What is set beside the manifest's environment, as an administrator edits the manifest. */
  readonly environment: Readonly<Record<string, string>>;
  /** Files of each node, readable by its daemon alone; `{folder}` in a value of the environment is where they are. */
  readonly files: Readonly<Record<string, string>>;
  /** Called before each part is built, for the progress lines. */
  readonly onProgress: (text: string) => void;
  readonly signal: AbortSignal;
}

const script = (name: string): string => new URL(`../${name}`, import.meta.url).pathname;

const BUILD = script("../.scripts/build.ts");
const PRODUCT = script("../src/cli/bundle-main.ts");

/**
 * A rack of namespaces with everything that runs in it.
 *
 * The parts of a rack that is only half built exist nowhere but in the kernel and the file system, so `Rack.destroy`
 * works from the prefix and the folder alone.
 */
export class Rack {
  readonly prefix: string;
  readonly folder: string;
  readonly processes: Processes;
  readonly options: RackOptions;
  #parts: RackParts | null = null;

  private constructor(options: RackOptions, folder: string) {
    this.options = options;
    this.prefix = prefixOf(process.pid);
    this.folder = folder;
    this.processes = new Processes(folder, this.prefix);
  }

  /** Only a name and a folder; `build` makes the rest, `destroy` removes whatever there is. */
  static async prepare(options: RackOptions): Promise<Rack> {
    return new Rack(options, await mkdtemp(folderPrefix(prefixOf(process.pid))));
  }

  async build(): Promise<void> {
    const { options, processes, folder } = this;
    // FRR's own user must be able to reach its configuration; everything secret below is readable by root alone.
    await command(["chmod", "711", folder]);
    const topology = rackTopology(options);
    options.onProgress("vipcast is built");
    await command([process.execPath, BUILD, PRODUCT, this.#product], { timeoutMillis: 60_000 });
    options.onProgress(`${topology.hosts.length + 1} network namespaces: ${describe(topology)}`);
    const namespaces = await Namespaces.build(topology, this.prefix);
    options.signal.throwIfAborted();

    options.onProgress(`Kubernetes API (${options.kube})`);
    const [yaml, rbac] = await Promise.all([
      this.#vipcast("manifest", "daemonset", ...options.manifestFlags),
      this.#vipcast("manifest", "rbac"),
    ]);
    const accessRules = documentsOf(rbac);
    const identity = createIdentity();
    const namespace = namespaces.name("api");
    const serviceAccount = serviceAccountOf(accessRules);
    const { access, restartable } = await startKube(options.kube, identity, {
      processes,
      namespace,
      folder,
      serviceAccount,
    });
    const cluster = new Cluster(access);
    await waitFor("the API server is ready", 60_000, () => cluster.isReady(), {
      everyMillis: 50,
      signal: options.signal,
    });
    // The embedded server lets every token do everything; only the real one can tell whether the rules suffice.
    if (options.kube === "real") await cluster.applyAccessRules(accessRules);
    await Promise.all(nodesOf(topology).map((host) => cluster.createNode(host.name, addressOn(host, "lan"))));

    options.onProgress(`router (${options.router})`);
    const router = this.#router(namespaces);
    await router.start();
    options.signal.throwIfAborted();

    options.onProgress("client, workloads and the nodes' API servers");
    const client = new ClientStream(processes, script("client.ts"));
    const kubeconfigText = kubeconfig(identity);
    const nodes = await Promise.all(
      nodesOf(topology).map(async (host) => {
        const nodeFolder = `${folder}/${host.name}`;
        await mkdir(nodeFolder, { mode: 0o700 });
        await writeFile(`${nodeFolder}/kubeconfig`, kubeconfigText, { mode: 0o600 });
        for (const [name, text] of Object.entries(options.files)) {
          await writeFile(`${nodeFolder}/${name}`, text, { mode: 0o600 });
        }
        const { args, environment } = containerStart(yaml, host.name);
        const node = new RackNode({
          host,
          namespaces,
          processes,
          product: [process.execPath, this.#product],
          container: {
            args,
            environment: {
              ...environment,
              ...inFolder(options.environment, nodeFolder),
              ...perNode(addressOn(host, "lan").v4, nodeFolder, environment),
            },
          },
          folder: nodeFolder,
          scripts: { workload: script("workload.ts"), apiFront: script("api-front.ts") },
        });
        await node.startCompany();
        return node;
      }),
    );
    this.#parts = { namespaces, cluster, restartable, router, client, nodes };
  }

  get namespaces(): Namespaces {
    return this.#built.namespaces;
  }

  get cluster(): Cluster {
    return this.#built.cluster;
  }

  /** The API server as something that crashes and starts again; null for the embedded one. */
  get restartable(): Restartable | null {
    return this.#built.restartable;
  }

  get router(): RouterDriver {
    return this.#built.router;
  }

  get client(): ClientStream {
    return this.#built.client;
  }

  get nodes(): readonly RackNode[] {
    return this.#built.nodes;
  }

  node(name: string): RackNode {
    const node = this.nodes.find((one) => one.name === name);
    if (!node) throw new Error(`there is no node ${name}`);
    return node;
  }

  /** Samples of the kernel's state in the namespace of a host, each change as it comes. */
  sampleKernel(host: string, onSample: (sample: Sample) => void): Sampler {
    return Sampler.ofKernel(this.processes, host, this.router.kernelProtocol, onSample);
  }

  /** Who claims addresses on the LAN, by ARP and neighbour discovery, as the host hears it. */
  captureClaims(host: string, onClaim: (claim: WireClaim) => void): void {
    captureClaims(this.processes, host, onClaim);
  }

  sampleLease(lease: string, onSample: (sample: LeaseSample) => void): Sampler {
    const access = ["ca.crt", "token"].map((name) => `${this.folder}/${name}`);
    return Sampler.ofLease(this.processes, access, lease, onSample);
  }

  /**
   * Plays kube-proxy on all nodes: those that have to answer for the Service accept its addresses. Which ones follows
   * from the traffic policy and the endpoints; whether the address is announced does not matter.
   */
  async proxy(spec: ServiceSpec): Promise<void> {
    const own = [...spec.endpoints, ...(spec.terminating ?? [])];
    const serving: readonly NodeName[] = own.length === 0 ? [] : spec.policy === "Cluster" ? NODE_NAMES : own;
    for (const node of this.nodes) {
      for (const address of spec.addresses)
        await node.serve(
          address,
          serving.some((name) => name === node.name),
        );
    }
  }

  /** From the router's own command line: prefix to the sorted names of the nodes behind its next hops. */
  async routerTable(): Promise<ReadonlyMap<string, string>> {
    return this.#named(await this.router.table());
  }

  /** The same, from the kernel that forwards. */
  async kernelTable(): Promise<ReadonlyMap<string, string>> {
    return this.#named(await kernelNextHops(this.namespaces.name("router")));
  }

  /** Whether the Kubernetes API can be reached and used by the client at a virtual address. */
  async apiAnswersAt(vip: string): Promise<boolean> {
    const { cluster } = this.#built;
    const socketPath = `${this.folder}/via-${vip.replaceAll(/[:.]/g, "-")}.sock`;
    const front = this.processes.start({
      name: "client-api",
      host: "client",
      argv: [process.execPath, script("api-front.ts"), "client", socketPath, vip, `${API_PORT}`],
      onLine: () => {},
    });
    await front.firstLine;
    const through = cluster.through(socketPath);
    try {
      return await through.isReady();
    } finally {
      through.close();
      front.signal("SIGKILL");
      await front.ended;
    }
  }

  /** Removes everything; may be called at any stage, and again after it has failed. */
  async destroy(): Promise<void> {
    this.#parts?.cluster.close();
    await this.processes.killEverything();
    await removeTraces(this.prefix);
  }

  /** The last resort, for when the process is about to end and nothing can be waited for. */
  abandon(): void {
    this.processes.killEverythingNow();
    const { namespaces, folders } = tracesOf(this.prefix);
    for (const name of namespaces) spawnSync("ip", ["netns", "del", name]);
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  }

  /** What the client has seen, also after the end of the rack; null when it never was started. */
  get clientView(): ClientStream | null {
    return this.#parts?.client ?? null;
  }

  /** The product as users get it, one file, made anew for each rack: two labs at a time do not meet. */
  get #product(): string {
    return `${this.folder}/vipcast.mjs`;
  }

  get #built(): RackParts {
    if (!this.#parts) throw new Error("the rack is not built");
    return this.#parts;
  }

  #router(namespaces: Namespaces): RouterDriver {
    switch (this.options.router) {
      case "embedded":
        return new EmbeddedRouter(this.processes, script("router/embedded.ts"), this.options.peering);
      case "frr":
        return new FrrRouter(this.processes, namespaces.name("router"), this.folder, this.options.peering);
      case "bird":
        return new BirdRouter(this.processes, this.folder, this.options.peering);
    }
  }

  #vipcast(...args: readonly string[]): Promise<string> {
    return command([process.execPath, this.#product, ...args], { env: { ...process.env, TMPDIR: this.folder } });
  }

  #named(table: ReadonlyMap<string, readonly string[]>): ReadonlyMap<string, string> {
    const { owners } = this.namespaces;
    return new Map(
      [...table].map(([prefix, hops]) => [
        prefix,
        hops
          .map((hop) => owners.get(hop) ?? hop)
          .toSorted()
          .join(" "),
      ]),
    );
  }
}

interface RackParts {
  readonly namespaces: Namespaces;
  readonly cluster: Cluster;
  readonly restartable: Restartable | null;
  readonly router: RouterDriver;
  readonly client: ClientStream;
  readonly nodes: readonly RackNode[];
}

const inFolder = (environment: Readonly<Record<string, string>>, folder: string): Record<string, string> =>
  Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, value.replace("{folder}", folder)]));

/** What a DaemonSet cannot say, because it differs from node to node. */
function perNode(lanV4: string, folder: string, manifest: Readonly<Record<string, string>>): Record<string, string> {
  return {
    k8s_config_file: `${folder}/kubeconfig`,
    vipcast_status_socket: statusSocketOf(folder),
    ...("bgp_routerid" in manifest ? { bgp_routerid: lanV4 } : {}),
  };
}

function describe(topology: Topology): string {
  return [...topology.hosts.map(({ name }) => name), topology.switchName].join(", ");
}
