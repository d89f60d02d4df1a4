import type { KubeClient, KubeRequest, KubeResponse } from "./client.ts";
import { messageOf } from "./status-message.ts";

/** The API server did not carry out a write; the message is what it said. */
export class KubeRefused extends Error {
  override readonly name = "KubeRefused";
  readonly status: number;
  constructor(response: KubeResponse) {
    super(messageOf(response));
    this.status = response.status;
  }
}

const VIP_HOST_ANNOTATION = "kube-vip.io/vipHost";
const ADDRESSES_ANNOTATION = "kube-vip.io/loadbalancerIPs";
const INTERFACE_ANNOTATION = "kube-vip.io/serviceInterface";
/** How often an update is tried again when someone else changed the object in between. */
const UPDATE_ATTEMPTS = 3;

/**
 * What the daemon writes about Services: their status and kube-vip's host annotation.
 *
 * Patches touch only their field and cannot conflict. kube-vip's own RBAC grants `update` but not `patch`, so where a
 * patch is forbidden the same change is made by reading, changing and updating, and from then on at once.
 *
 * Every method rejects with KubeRefused or KubeUnreachable; when to try again is the caller's business.
 */
export class KubeWrites {
  readonly #client: KubeClient;
  #mayPatch = true;

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /** Replaces `status.loadBalancer.ingress`; an empty list removes it. */
  async writeIngress(namespace: string, name: string, ingress: readonly object[]): Promise<void> {
    const loadBalancer = { ingress: ingress.length > 0 ? ingress : null };
    await this.#change(`${servicePath(namespace, name)}/status`, { status: { loadBalancer } });
  }

  /** Sets the annotation with which kube-vip names the announcing node; null removes it. */
  async writeVipHost(namespace: string, name: string, node: string | null): Promise<void> {
    await this.#change(servicePath(namespace, name), { metadata: { annotations: { [VIP_HOST_ANNOTATION]: node } } });
  }

  /**
   * Marks a Service as kube-vip's cloud provider does; with addresses it names them in the annotation and, the first of
   * them, in `spec.loadBalancerIP`.
   */
  async assignAddresses(
    namespace: string,
    name: string,
    addresses: readonly string[] | null,
    interfaceName: string | null,
  ): Promise<void> {
    const annotations = {
      ...(addresses ? { [ADDRESSES_ANNOTATION]: addresses.join(",") } : {}),
      ...(interfaceName ? { [INTERFACE_ANNOTATION]: interfaceName } : {}),
    };
    await this.#change(servicePath(namespace, name), {
      metadata: { labels: { implementation: "kube-vip" }, annotations },
      ...(addresses ? { spec: { loadBalancerIP: addresses[0] } } : {}),
    });
  }

  /** An Event under its own name: changed when it is there, else created. */
  async writeEvent(namespace: string, name: string, event: object): Promise<void> {
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/events`;
    const object = { apiVersion: "v1", kind: "Event", metadata: { namespace, name }, ...event };
    const contentType = "application/merge-patch+json";
    const changed = await this.#client.request({ method: "PATCH", path: `${path}/${name}`, body: event, contentType });
    if (changed.status === 200) return;
    if (changed.status !== 404) throw new KubeRefused(changed);
    const created = await this.#client.request({ method: "POST", path, body: object });
    if (created.status !== 201) throw new KubeRefused(created);
  }

  async #change(path: string, patch: object): Promise<void> {
    if (this.#mayPatch) {
      const contentType = "application/merge-patch+json";
      const response = await this.#client.request({ method: "PATCH", path, body: patch, contentType });
      if (response.status === 200) return;
      if (response.status !== 403) throw new KubeRefused(response);
    }
    await this.#update(path, patch);
    this.#mayPatch = false;
  }

  async #update(path: string, patch: object): Promise<void> {
    const objectPath = path.replace(/\/status$/, "");
    for (let attempt = 1; ; attempt++) {
      const { body } = await this.#expect(200, { method: "GET", path: objectPath });
      const response = await this.#client.request({ method: "PUT", path, body: merged(body, patch) });
      if (response.status === 200) return;
      if (response.status !== 409 || attempt >= UPDATE_ATTEMPTS) throw new KubeRefused(response);
    }
  }

  async #expect(status: number, request: KubeRequest): Promise<KubeResponse> {
    const response = await this.#client.request(request);
    if (response.status !== status) throw new KubeRefused(response);
    return response;
  }
}

const servicePath = (namespace: string, name: string): string =>
  `/api/v1/namespaces/${encodeURIComponent(namespace)}/services/${encodeURIComponent(name)}`;

/** JSON Merge Patch (RFC 7386), so that both ways of writing mean the same. */
function merged(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const result: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merged(result[key], value);
  }
  return result;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
