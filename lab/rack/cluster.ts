import { Agent, request } from "node:https";
import type { FaultCommand } from "../kube/faults.ts";
import { type Address, API_ADDRESS, API_PORT, type NodeName } from "../topology.ts";
import type { ManifestObject } from "./manifests.ts";

/** How the lab itself reaches the API server, and with which rights. */
export interface ApiAccess {
  /**
   * Unix socket that leads to the API server; sockets in the file system reach across network namespaces. Null: this
   * process is in a namespace that reaches the server itself.
   */
  readonly socketPath: string | null;
  readonly caPem: string;
  readonly token: string;
}

/** A Service of the scenarios, with the endpoints it has: what an administrator and the controllers would write. */
export interface ServiceSpec {
  readonly name: string;
  /** One or two addresses, at most one of each family. */
  readonly addresses: readonly string[];
  readonly policy: "Cluster" | "Local";
  /** Nodes with a ready endpoint. */
  readonly endpoints: readonly NodeName[];
  /** Nodes whose endpoint is on its way out, and still serves. */
  readonly terminating?: readonly NodeName[];
}

interface NodeMarks {
  readonly labels?: Readonly<Record<string, string | null>>;
  readonly annotations?: Readonly<Record<string, string | null>>;
}

/** The API server said no. */
class ApiRefused extends Error {
  override readonly name = "ApiRefused";
  readonly status: number;
  constructor(what: string, status: number, body: string) {
    super(`${what}: ${status} ${body.slice(0, 300)}`);
    this.status = status;
  }
}

const NAMESPACE = "default";
const SERVICES = `/api/v1/namespaces/${NAMESPACE}/services`;
const SLICES = `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices`;
const LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";

export interface Lease {
  readonly holder: string;
  readonly transitions: number;
}

/** A Lease as it is kept. */
export interface LeaseObject {
  readonly metadata: object;
  readonly spec: LeaseSpec;
}

export interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
}

/** The cluster's objects, written as the people and controllers would who are not in the rack. */
export class Cluster {
  readonly #access: ApiAccess;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8 });

  constructor(access: ApiAccess) {
    this.#access = access;
  }

  /** A control-plane node, ready, with its addresses. */
  async createNode(name: string, address: Address): Promise<void> {
    const node = {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name, labels: { "node-role.kubernetes.io/control-plane": "", "kubernetes.io/hostname": name } },
    };
    await this.#ask("POST", "/api/v1/nodes", node);
    const addresses = [address.v4, address.v6].map((one) => ({ type: "InternalIP", address: one }));
    const conditions = [{ type: "Ready", status: "True", reason: "KubeletReady" }];
    await this.#ask("PATCH", `/api/v1/nodes/${name}/status`, { status: { addresses, conditions } });
  }

  /** Sets labels or annotations; null takes one away. */
  async markNode(name: string, marks: NodeMarks): Promise<void> {
    await this.#ask("PATCH", `/api/v1/nodes/${name}`, { metadata: marks });
  }

  /** The objects of `manifest rbac`: who the daemons are, and what they may do. */
  async applyAccessRules(objects: readonly ManifestObject[]): Promise<void> {
    for (const object of objects) await this.#ask("POST", pathOf(object), object);
  }

  async createService(spec: ServiceSpec): Promise<void> {
    await this.#ask("POST", SERVICES, serviceObject(spec));
    for (const slice of sliceObjects(spec)) await this.#ask("POST", SLICES, slice);
  }

  async changeAddresses(name: string, addresses: readonly string[]): Promise<void> {
    await this.#ask("PATCH", `${SERVICES}/${name}`, { metadata: { annotations: addressAnnotation(addresses) } });
  }

  async changePolicy(name: string, policy: ServiceSpec["policy"]): Promise<void> {
    await this.#ask("PATCH", `${SERVICES}/${name}`, { spec: { externalTrafficPolicy: policy } });
  }

  /** Replaces the endpoints in all slices of the Service, as the EndpointSlice controller does after scaling. */
  async changeEndpoints(spec: ServiceSpec): Promise<void> {
    for (const slice of sliceObjects(spec)) {
      await this.#ask("PATCH", `${SLICES}/${slice.metadata.name}`, { endpoints: slice.endpoints });
    }
  }

  /** With its slices, which the controller would collect. */
  async deleteService(spec: ServiceSpec): Promise<void> {
    await this.#ask("DELETE", `${SERVICES}/${spec.name}`);
    for (const slice of sliceObjects(spec)) await this.#ask("DELETE", `${SLICES}/${slice.metadata.name}`);
  }

  /** Addresses in the Service's load-balancer status. */
  async ingress(name: string): Promise<readonly string[]> {
    const service = (await this.#ask("GET", `${SERVICES}/${name}`)) as {
      status?: { loadBalancer?: { ingress?: { ip?: string }[] } };
    };
    return (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []);
  }

  /** Null when there is no such Lease. An empty holder is one that was released. */
  async lease(name: string): Promise<Lease | null> {
    const found = await this.leaseObject(name);
    return found && { holder: found.spec.holderIdentity ?? "", transitions: found.spec.leaseTransitions ?? 0 };
  }

  async leaseObject(name: string): Promise<LeaseObject | null> {
    try {
      return (await this.#ask("GET", `${LEASES}/${name}`)) as LeaseObject;
    } catch (error) {
      if (error instanceof ApiRefused && error.status === 404) return null;
      throw error;
    }
  }

  /** @param base  what is changed; null creates the Lease. @returns false when somebody else was faster */
  async writeLease(name: string, base: LeaseObject | null, spec: LeaseSpec): Promise<boolean> {
    const metadata = base?.metadata ?? { name, namespace: "kube-system" };
    const body = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata, spec };
    try {
      await this.#ask(base ? "PUT" : "POST", base ? `${LEASES}/${name}` : LEASES, body);
      return true;
    } catch (error) {
      if (error instanceof ApiRefused && error.status === 409) return false;
      throw error;
    }
  }

  /** Only the embedded API server can be told to misbehave. */
  async misbehave(command: FaultCommand): Promise<void> {
    await this.#ask("POST", "/_lab/faults", command);
  }

  /**
   * How many requests of each kind ("PUT leases", "WATCH services", "PATCH services/status") the API server has had; the
   * lab's own are among them. A watch of the real one counts when it ends.
   */
  async requests(): Promise<Readonly<Record<string, number>>> {
    try {
      const { counts } = (await this.#ask("GET", "/_lab/requests")) as { counts: Record<string, number> };
      return counts;
    } catch (error) {
      if (!(error instanceof ApiRefused && error.status === 404)) throw error;
      return requestsFrom(String(await this.#ask("GET", "/metrics")));
    }
  }

  /** The same cluster with the same rights, reached another way. */
  through(socketPath: string): Cluster {
    return new Cluster({ ...this.#access, socketPath });
  }

  /** Whether the API server is ready and has made the namespaces that the daemons and the scenarios use. */
  async isReady(): Promise<boolean> {
    try {
      await this.#ask("GET", "/readyz");
      await this.#ask("GET", `/api/v1/namespaces/${NAMESPACE}`);
      await this.#ask("GET", "/api/v1/namespaces/kube-system");
      return true;
    } catch {
      return false;
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #ask(method: string, path: string, body?: object): Promise<unknown> {
    const { socketPath, caPem, token } = this.#access;
    return new Promise((resolve, reject) => {
      const asked = request({
        ...(socketPath === null ? { host: API_ADDRESS.v4, port: API_PORT } : { socketPath }),
        ca: caPem,
        servername: "kubernetes.default.svc",
        agent: this.#agent,
        method,
        path,
        timeout: 5_000,
        headers: {
          host: `kubernetes.default.svc:${API_PORT}`,
          authorization: `Bearer ${token}`,
          accept: "application/json",
          "content-type": method === "PATCH" ? "application/merge-patch+json" : "application/json",
        },
      });
      asked.on("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          const status = response.statusCode ?? 0;
          if (status >= 300) reject(new ApiRefused(`${method} ${path}`, status, text));
          else resolve(text.startsWith("{") ? JSON.parse(text) : text);
        });
      });
      asked.on("timeout", () => asked.destroy(new Error(`${method} ${path}: no answer within 5 s`)));
      asked.on("error", reject);
      asked.end(body === undefined ? "" : JSON.stringify(body));
    });
  }
}

/** From `apiserver_request_total`; requests without a resource, such as probes, are left out. */
function requestsFrom(metrics: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [, labels = "", count] of metrics.matchAll(/^apiserver_request_total\{([^}]*)\} (\S+)$/gm)) {
    const of = (name: string): string => new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1] ?? "";
    if (of("resource") === "") continue;
    const kind = `${of("verb")} ${of("resource")}${of("subresource") === "" ? "" : `/${of("subresource")}`}`;
    counts[kind] = (counts[kind] ?? 0) + Number(count);
  }
  return counts;
}

function pathOf({ kind, metadata }: ManifestObject): string {
  const namespaced = `namespaces/${metadata?.namespace ?? NAMESPACE}`;
  const rbac = "/apis/rbac.authorization.k8s.io/v1";
  switch (kind) {
    case "ServiceAccount":
      return `/api/v1/${namespaced}/serviceaccounts`;
    case "ClusterRole":
    case "ClusterRoleBinding":
      return `${rbac}/${kind.toLowerCase()}s`;
    case "Role":
    case "RoleBinding":
      return `${rbac}/${namespaced}/${kind.toLowerCase()}s`;
    default:
      throw new Error(`manifest rbac has a ${kind}, which the lab does not know`);
  }
}

const isV6 = (address: string): boolean => address.includes(":");

const addressAnnotation = (addresses: readonly string[]): Record<string, string> => ({
  "kube-vip.io/loadbalancerIPs": addresses.join(","),
});

function serviceObject({ name, addresses, policy }: ServiceSpec): object {
  const families = addresses.map((address) => (isV6(address) ? "IPv6" : "IPv4"));
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, annotations: addressAnnotation(addresses) },
    spec: {
      type: "LoadBalancer",
      // There are fewer ports than Services in `scale`, and nobody in the rack uses them.
      allocateLoadBalancerNodePorts: false,
      externalTrafficPolicy: policy,
      ipFamilies: families,
      ipFamilyPolicy: families.length === 2 ? "RequireDualStack" : "SingleStack",
      selector: { app: name },
      ports: [{ name: "http", port: 8080, protocol: "TCP", targetPort: 8080 }],
    },
  };
}

interface SliceObject {
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly endpoints: readonly object[];
}

/** One slice per family, as the EndpointSlice controller makes them. */
function sliceObjects({ name, addresses, endpoints, terminating = [] }: ServiceSpec): readonly SliceObject[] {
  const all = [
    ...endpoints.map((nodeName) => ({ nodeName, conditions: { ready: true, serving: true, terminating: false } })),
    ...terminating.map((nodeName) => ({ nodeName, conditions: { ready: false, serving: true, terminating: true } })),
  ];
  return addresses.map((address) => {
    const family = isV6(address) ? "v6" : "v4";
    return {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: `${name}-${family}`, labels: { "kubernetes.io/service-name": name } },
      addressType: family === "v6" ? "IPv6" : "IPv4",
      ports: [{ name: "http", port: 8080, protocol: "TCP" }],
      endpoints: all.map((endpoint) => ({ addresses: [podAddress(endpoint.nodeName, family)], ...endpoint })),
    };
  });
}

const podAddress = (node: string, family: "v4" | "v6"): string =>
  family === "v4" ? `10.244.${node.slice(1)}.2` : `fd44:0:0:${node.slice(1)}::2`;
