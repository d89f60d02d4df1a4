import { isIP } from "node:net";

/** The kinds that the embedded API server keeps, and what is particular about each. */
export interface Resource {
  /** "" for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Has a /status subresource: the main endpoint then ignores `status`, and /status ignores all but it. */
  readonly hasStatus: boolean;
  /** A PUT for a name that is not there creates the object. */
  readonly createsOnUpdate: boolean;
  /** A PUT without a resourceVersion is taken as it is. */
  readonly unconditionalUpdate: boolean;
  /** Fills in what a real server defaults; returns messages of what it would refuse (422). */
  readonly admit: (object: KubeObject, previous: KubeObject | null) => readonly string[];
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export interface KubeObject extends JsonObject {
  apiVersion: string;
  kind: string;
  metadata: JsonObject;
}

interface Traits {
  readonly hasStatus?: boolean;
  readonly createsOnUpdate?: boolean;
  readonly unconditionalUpdate?: boolean;
  readonly admit?: Resource["admit"];
}

function resource(api: string, plural: string, kind: string, namespaced: boolean, traits: Traits = {}): Resource {
  const [version = "", group = ""] = api.split("/").toReversed();
  return {
    group,
    version,
    plural,
    kind,
    namespaced,
    hasStatus: traits.hasStatus ?? false,
    createsOnUpdate: traits.createsOnUpdate ?? false,
    unconditionalUpdate: traits.unconditionalUpdate ?? true,
    admit: traits.admit ?? (() => []),
  };
}

const RBAC = "rbac.authorization.k8s.io/v1";

export const RESOURCES: readonly Resource[] = [
  resource("v1", "namespaces", "Namespace", false, { hasStatus: true }),
  resource("v1", "nodes", "Node", false, { hasStatus: true }),
  resource("v1", "services", "Service", true, { hasStatus: true, createsOnUpdate: true, admit: admitService }),
  resource("v1", "pods", "Pod", true, { hasStatus: true }),
  resource("v1", "configmaps", "ConfigMap", true),
  resource("v1", "secrets", "Secret", true),
  resource("v1", "serviceaccounts", "ServiceAccount", true),
  resource("v1", "events", "Event", true, { createsOnUpdate: true }),
  resource("apps/v1", "daemonsets", "DaemonSet", true, { hasStatus: true }),
  resource("discovery.k8s.io/v1", "endpointslices", "EndpointSlice", true, { admit: admitEndpointSlice }),
  resource("coordination.k8s.io/v1", "leases", "Lease", true, {
    createsOnUpdate: true,
    unconditionalUpdate: false,
    admit: admitLease,
  }),
  resource(RBAC, "roles", "Role", true, { createsOnUpdate: true }),
  resource(RBAC, "rolebindings", "RoleBinding", true, { createsOnUpdate: true }),
  resource(RBAC, "clusterroles", "ClusterRole", false, { createsOnUpdate: true }),
  resource(RBAC, "clusterrolebindings", "ClusterRoleBinding", false, { createsOnUpdate: true }),
];

export const apiVersionOf = (r: Resource): string => (r.group === "" ? r.version : `${r.group}/${r.version}`);

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The text itself; "" for everything else. */
export const textOf = (value: Json | undefined): string => (typeof value === "string" ? value : "");

/** The object under `key`, put there when it is missing. */
function child(parent: JsonObject, key: string): JsonObject {
  const value = parent[key];
  if (isObject(value)) return value;
  const made: JsonObject = {};
  parent[key] = made;
  return made;
}

function admitService(object: KubeObject, previous: KubeObject | null): string[] {
  const spec = child(object, "spec");
  const problems: string[] = [];
  spec["type"] ??= "ClusterIP";
  spec["sessionAffinity"] ??= "None";
  spec["internalTrafficPolicy"] ??= "Cluster";
  spec["ipFamilies"] ??= ["IPv4"];
  spec["ipFamilyPolicy"] ??= "SingleStack";
  const isBalanced = spec["type"] === "LoadBalancer";
  if (isBalanced || spec["type"] === "NodePort") spec["externalTrafficPolicy"] ??= "Cluster";
  if (isBalanced) spec["allocateLoadBalancerNodePorts"] ??= true;
  if (!isBalanced && spec["loadBalancerClass"] !== undefined) {
    problems.push('spec.loadBalancerClass: Forbidden: may only be used when `type` is "LoadBalancer"');
  }
  if (!Array.isArray(spec["ports"]) || spec["ports"].length === 0) problems.push("spec.ports: Required value");
  else {
    for (const port of spec["ports"]) {
      if (!isObject(port)) continue;
      port["protocol"] ??= "TCP";
      port["targetPort"] ??= port["port"] ?? null;
    }
  }
  const was = isObject(previous?.["spec"]) ? previous["spec"] : {};
  if (isBalanced && was["type"] === "LoadBalancer" && was["loadBalancerClass"] !== spec["loadBalancerClass"]) {
    problems.push("spec.loadBalancerClass: Invalid value: may not change once set");
  }
  const { ingress } = child(child(object, "status"), "loadBalancer");
  for (const entry of Array.isArray(ingress) ? ingress : []) {
    if (!isBalanced)
      problems.push('status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is "LoadBalancer"');
    const ip = isObject(entry) ? entry["ip"] : undefined;
    if (ip !== undefined && (typeof ip !== "string" || isIP(ip) === 0)) {
      problems.push("status.loadBalancer.ingress.ip: Invalid value: must be a valid IP address");
    }
  }
  return problems;
}

function admitEndpointSlice(object: KubeObject): string[] {
  object["endpoints"] ??= [];
  object["ports"] ??= [];
  return object["addressType"] === undefined ? ["addressType: Required value"] : [];
}

function admitLease(object: KubeObject): string[] {
  const spec = child(object, "spec");
  const seconds = spec["leaseDurationSeconds"];
  if (seconds === undefined || (typeof seconds === "number" && seconds > 0)) return [];
  return ["spec.leaseDurationSeconds: Invalid value: must be greater than 0"];
}
