import { ip, type IpAddress } from "../../src/addr/ip.ts";
import { type JsonObject, RESOURCES } from "../../lab/kube/resources.ts";
import type { Store, Target } from "../../lab/kube/store.ts";
import type { Chance } from "./chance.ts";
import { CONTROL_PLANE_VIP } from "./modes.ts";
import type { Trace } from "./trace.ts";

interface Service {
  readonly name: string;
  readonly vip: IpAddress;
  readonly policy: "Cluster" | "Local";
  exists: boolean;
  /** Nodes with a ready endpoint. */
  readonly ready: Set<string>;
}

/** What must not be announced by a node, since a change of the cluster. */
export interface Exclusion {
  readonly node: string;
  readonly vip: IpAddress;
  /** Plural of the kind whose change it was; null: the API server of the node, which its daemon asks itself. */
  readonly plural: "services" | "endpointslices" | null;
  readonly revision: number;
}

const target = (plural: string, namespace: string): Target => ({
  resource: RESOURCES.find((it) => it.plural === plural)!,
  namespace,
});
const SERVICES = target("services", "default");
const SLICES = target("endpointslices", "default");
const LEASES = target("leases", "kube-system");
const SERVICE_LEASES = target("leases", "default");

/**
 * The cluster as it is, whatever anybody has heard of it: Services, their endpoints, and which API servers are ready.
 * It says which node may announce what; its rules are written down anew here, from the documentation.
 */
export class Cluster {
  readonly vips: readonly IpAddress[];
  readonly #store: Store;
  readonly #trace: Trace;
  readonly #nodes: readonly string[];
  readonly #services: readonly Service[];
  readonly #unready = new Set<string>();
  readonly #lastChange = new Map<string, number>();
  readonly #exclusions = new Map<string, Exclusion>();
  onExclusion: (exclusion: Exclusion) => void = () => {};

  constructor(store: Store, trace: Trace, chance: Chance, nodes: readonly string[]) {
    this.#store = store;
    this.#trace = trace;
    this.#nodes = nodes;
    this.#services = Array.from({ length: chance.count(1, 3) }, (_, index) => ({
      name: `s${index}`,
      vip: ip(`10.0.0.${110 + index}`),
      policy: chance.is(0.35) ? "Local" : "Cluster",
      exists: false,
      ready: new Set(nodes.filter(() => chance.is(0.7))),
    }));
    this.vips = [ip(CONTROL_PLANE_VIP), ...this.#services.map(({ vip }) => vip)];
    for (const node of nodes) {
      const status = { conditions: [{ type: "Ready", status: "True" }] };
      store.create(target("nodes", ""), { metadata: { name: node } }, false);
      store.update(target("nodes", ""), node, "status", (stored) => ({ ...stored!, status }), false);
    }
    for (const service of this.#services) {
      store.create(SLICES, this.#slice(service), false);
      this.#create(service);
    }
    this.#judge(null);
  }

  /** Whether the node would be right to announce the VIP, were it the one that is elected. */
  allows(node: string, vip: IpAddress): boolean {
    if (vip === CONTROL_PLANE_VIP) return !this.#unready.has(node);
    const service = this.serviceOf(vip)!;
    if (!service.exists) return false;
    return service.policy === "Local" ? service.ready.has(node) : service.ready.size > 0;
  }

  /** Null where nothing is wrong with it. */
  exclusion(node: string, vip: IpAddress): Exclusion | null {
    return this.#exclusions.get(`${node} ${vip}`) ?? null;
  }

  exclusionsOf(node: string): readonly Exclusion[] {
    return [...this.#exclusions.values()].filter((it) => it.node === node);
  }

  serviceOf(vip: IpAddress): Service | null {
    return this.#services.find((it) => it.vip === vip) ?? null;
  }

  isApiServerReady(node: string): boolean {
    return !this.#unready.has(node);
  }

  /** Whom the Lease names. */
  holderOf(lease: string): string | null {
    const [namespace, name = ""] = lease.split("/");
    const found = this.#store.list(namespace === "default" ? SERVICE_LEASES : LEASES);
    const spec = found.find(({ metadata }) => metadata["name"] === name)?.["spec"] as JsonObject | undefined;
    return (spec?.["holderIdentity"] as string | undefined) || null;
  }

  /** Names of the Leases that name the node, as "namespace/name". */
  leasesOf(node: string): readonly string[] {
    return [...this.#store.list(LEASES), ...this.#store.list(SERVICE_LEASES)].flatMap(({ metadata, spec }) =>
      (spec as JsonObject)["holderIdentity"] === node
        ? [`${metadata["namespace"] as string}/${metadata["name"] as string}`]
        : [],
    );
  }

  /** Addresses in the status of the Service. */
  statusOf(vip: IpAddress): readonly string[] {
    const service = this.serviceOf(vip);
    if (!service?.exists) return [];
    const status = this.#store.get(SERVICES, service.name)["status"] as JsonObject | undefined;
    const ingress = ((status?.["loadBalancer"] as JsonObject | undefined)?.["ingress"] ?? []) as { ip?: string }[];
    return ingress.map((it) => it.ip ?? "");
  }

  /** Something changes, as it does in a cluster that is in use. */
  change(chance: Chance): void {
    const draw = chance.fraction();
    if (draw < 0.2) return this.setApiServer(chance.pick(this.#nodes), chance.is(0.5));
    const service = chance.pick(this.#services);
    if (draw < 0.45) return this.#setService(service, !service.exists);
    const node = chance.pick(this.#nodes);
    if (service.ready.has(node)) service.ready.delete(node);
    else service.ready.add(node);
    this.#trace.say("", `endpoints of ${service.name} (${service.policy}): ${[...service.ready].toSorted().join(" ")}`);
    this.#store.update(SLICES, sliceName(service), "", () => this.#slice(service), false);
    this.#judge("endpointslices");
  }

  setApiServer(node: string, isReady: boolean): void {
    if (isReady === !this.#unready.has(node)) return;
    if (isReady) this.#unready.delete(node);
    else this.#unready.add(node);
    this.#trace.say(node, `its API server is ${isReady ? "ready" : "unready"}`);
    this.#judge(null);
  }

  #setService(service: Service, exists: boolean): void {
    this.#trace.say("", `Service ${service.name} ${exists ? "created" : "deleted"}`);
    if (exists) this.#create(service);
    else {
      this.#store.remove(SERVICES, service.name, {}, false);
      service.exists = false;
    }
    this.#judge("services");
  }

  #create(service: Service): void {
    const { name, vip, policy } = service;
    const metadata = { name, annotations: { "kube-vip.io/loadbalancerIPs": vip } };
    const spec = { type: "LoadBalancer", externalTrafficPolicy: policy, ports: [{ port: 80 }] };
    this.#store.create(SERVICES, { metadata, spec }, false);
    service.exists = true;
  }

  #slice(service: Service): JsonObject {
    const metadata = { name: sliceName(service), labels: { "kubernetes.io/service-name": service.name } };
    const endpoints = this.#nodes.map((node, index) => ({
      addresses: [`10.244.0.${index + 1}`],
      nodeName: node,
      conditions: { ready: service.ready.has(node) },
    }));
    return { metadata, addressType: "IPv4", endpoints };
  }

  /** Revision of the last change of a kind. */
  lastChange(plural: NonNullable<Exclusion["plural"]>): number {
    return this.#lastChange.get(plural) ?? 0;
  }

  #judge(plural: Exclusion["plural"]): void {
    if (plural !== null) this.#lastChange.set(plural, this.#store.revision);
    for (const node of this.#nodes) {
      for (const vip of this.vips) {
        const key = `${node} ${vip}`;
        if (this.allows(node, vip)) this.#exclusions.delete(key);
        else if (!this.#exclusions.has(key)) {
          const exclusion = { node, vip, plural, revision: this.#store.revision };
          this.#exclusions.set(key, exclusion);
          this.onExclusion(exclusion);
        }
      }
    }
  }
}

const sliceName = ({ name }: Service): string => `${name}-slice`;
