import type { V1EndpointSlice, V1Node, V1Service } from "@kubernetes/client-node";
import { type Family, type IpAddress, parseIp } from "../addr/ip.ts";
import { parsePrefix, type Prefix } from "../addr/prefix.ts";
import type { Branded } from "../base/brand.ts";
import { Commons } from "../base/commons.ts";

/**
 * The small part of each Kubernetes object that decides something here. Objects are reduced to these facts on arrival,
 * so the caches of a large cluster stay small, and the planner never meets an optional field.
 */

/** "namespace/name" of a Service. */
export type ServiceKey = Branded<string, "ServiceKey">;
export const serviceKey = (namespace: string, name: string): ServiceKey => `${namespace}/${name}` as ServiceKey;

const ANNOTATION = {
  addresses: "kube-vip.io/loadbalancerIPs",
  ignore: "kube-vip.io/ignore",
  vipHost: "kube-vip.io/vipHost",
  serviceInterface: "kube-vip.io/serviceInterface",
  leaseName: "kube-vip.io/leaseName",
  forcesElection: "kube-vip.io/forcePerServiceElection",
  preferredNodes: "vipcast.io/preferred-nodes",
  allowWithoutEndpoints: "kube-vip.io/allow-reconcile-without-endpoints",
  communities: "vipcast.io/bgp-communities",
  largeCommunities: "vipcast.io/bgp-large-communities",
  extendedCommunities: "vipcast.io/bgp-extended-communities",
  localPreference: "vipcast.io/bgp-local-preference",
  med: "vipcast.io/bgp-med",
  prepend: "vipcast.io/bgp-prepend",
  sourceRanges: "service.beta.kubernetes.io/load-balancer-source-ranges",
} as const;

export interface ServicePortFact {
  readonly port: number;
  readonly protocol: string;
}

export interface IngressFact {
  readonly address: string;
  readonly ports: readonly ServicePortFact[];
}

/** The texts of the annotations about the routes of a Service, null where there is none. */
export interface BgpAnnotations {
  readonly communities: string | null;
  readonly largeCommunities: string | null;
  readonly extendedCommunities: string | null;
  readonly localPreference: string | null;
  readonly med: string | null;
  readonly prepend: string | null;
}

export interface ServiceFact {
  readonly key: ServiceKey;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly type: string;
  readonly loadBalancerClass: string | null;
  readonly ignored: boolean;
  /** Words of the annotation, in order; null when it is absent or empty. */
  readonly annotatedAddresses: readonly string[] | null;
  readonly loadBalancerIp: string | null;
  /** Entries of `status.loadBalancer.ingress`: address or host name, and the ports it says. */
  readonly ingress: readonly IngressFact[];
  readonly externalTrafficPolicy: "Cluster" | "Local";
  /** `spec.ipFamilies`, in its order. */
  readonly ipFamilies: readonly Family[];
  readonly ipFamilyPolicy: "SingleStack" | "PreferDualStack" | "RequireDualStack";
  /**
   * `spec.loadBalancerSourceRanges`, or the older annotation; null without either. A word that is no prefix lets nobody
   * in: with nothing but such words the list is empty.
   */
  readonly sourceRanges: readonly Prefix[] | null;
  readonly ports: readonly ServicePortFact[];
  readonly serviceInterface: string | null;
  readonly leaseName: string | null;
  /** Asks for a Lease of its own, which the configuration may allow. */
  readonly forcesElection: boolean;
  /** Election "spread": in this order before all others. */
  readonly preferredNodes: readonly string[];
  readonly allowWithoutEndpoints: boolean;
  readonly vipHost: string | null;
  /** Null without any of them. */
  readonly bgp: BgpAnnotations | null;
  /** Of Services of type LoadBalancer only: export rules may ask for them. */
  readonly labels: Readonly<Record<string, string>>;
}

export function serviceFact(service: V1Service): ServiceFact {
  const { metadata, spec, status } = service;
  const namespace = metadata?.namespace ?? "default";
  const name = metadata?.name ?? "";
  const annotations = metadata?.annotations ?? {};
  const addresses = wordsOf(annotations[ANNOTATION.addresses]);
  return {
    key: serviceKey(namespace, name),
    namespace,
    name,
    uid: metadata?.uid ?? "",
    type: spec?.type ?? "ClusterIP",
    loadBalancerClass: spec?.loadBalancerClass ?? null,
    ignored: annotations[ANNOTATION.ignore] === "true",
    annotatedAddresses: addresses.length > 0 ? addresses : null,
    loadBalancerIp: spec?.loadBalancerIP || null,
    ingress: compact(
      (status?.loadBalancer?.ingress ?? []).flatMap((entry) => {
        const address = entry.ip ?? entry.hostname;
        return address ? [{ address, ports: portsOf(entry.ports) }] : [];
      }),
    ),
    externalTrafficPolicy: spec?.externalTrafficPolicy === "Local" ? "Local" : "Cluster",
    ipFamilies: familiesOf(spec?.ipFamilies),
    ipFamilyPolicy:
      spec?.ipFamilyPolicy === "PreferDualStack" || spec?.ipFamilyPolicy === "RequireDualStack"
        ? spec.ipFamilyPolicy
        : "SingleStack",
    sourceRanges: sourceRanges(spec?.loadBalancerSourceRanges, annotations[ANNOTATION.sourceRanges]),
    ports: portsOf(spec?.ports),
    serviceInterface: annotations[ANNOTATION.serviceInterface] || null,
    leaseName: annotations[ANNOTATION.leaseName] || null,
    forcesElection: annotations[ANNOTATION.forcesElection] === "true",
    preferredNodes: wordsOf(annotations[ANNOTATION.preferredNodes]?.toLowerCase()),
    allowWithoutEndpoints: annotations[ANNOTATION.allowWithoutEndpoints]?.toLowerCase() === "true",
    vipHost: annotations[ANNOTATION.vipHost] ?? null,
    bgp: bgpAnnotations(annotations),
    labels: spec?.type === "LoadBalancer" ? (metadata?.labels ?? NO_LABELS) : NO_LABELS,
  };
}

const wordsOf = (list = ""): readonly string[] =>
  compact(
    list
      .split(",")
      .map((word) => word.trim())
      .filter((word) => word !== ""),
  );

/** Facts are kept by the ten thousand: lists without the room that they grew with, and one for all that are empty. */
const compact = <T>(list: readonly T[]): readonly T[] => (list.length === 0 ? NONE : list.slice());
const NONE: readonly never[] = [];

/** Most Services have the ports that others have, too: they share the list. */
function portsOf(
  ports: readonly { readonly port: number; readonly protocol?: string }[] = [],
): readonly ServicePortFact[] {
  const key = ports.map(({ port, protocol = "TCP" }) => `${port} ${protocol}`).join();
  return commonPorts.take(key, () => ports.map(({ port, protocol = "TCP" }) => ({ port, protocol })));
}

const commonPorts = new Commons<readonly ServicePortFact[]>();
const commonEndpoints = new Commons<EndpointFact>();

/** Shared by all Services: there are four kinds. */
const FAMILIES: Readonly<Record<string, readonly Family[]>> = {
  IPv4: [4],
  IPv6: [6],
  "IPv4,IPv6": [4, 6],
  "IPv6,IPv4": [6, 4],
};
const familiesOf = (names: readonly string[] = []): readonly Family[] => FAMILIES[names.join()] ?? FAMILIES["IPv4"]!;

function sourceRanges(field: readonly string[] | undefined, annotation: string | undefined): readonly Prefix[] | null {
  const words = field && field.length > 0 ? field : (annotation ?? "").split(",");
  const ranges = words.map((word) => word.trim()).filter((word) => word !== "");
  return ranges.length === 0 ? null : ranges.flatMap((word) => parsePrefix(word) ?? []);
}

const NO_LABELS: Readonly<Record<string, string>> = {};

function bgpAnnotations(annotations: Readonly<Record<string, string>>): BgpAnnotations | null {
  const of = (name: keyof BgpAnnotations): string | null => annotations[ANNOTATION[name]] || null;
  const found: BgpAnnotations = {
    communities: of("communities"),
    largeCommunities: of("largeCommunities"),
    extendedCommunities: of("extendedCommunities"),
    localPreference: of("localPreference"),
    med: of("med"),
    prepend: of("prepend"),
  };
  return Object.values(found).some((text) => text !== null) ? found : null;
}

export interface EndpointFact {
  /** Name of the node that runs it; null when the slice does not say. */
  readonly node: string | null;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
}

export interface EndpointSliceFact {
  readonly service: ServiceKey;
  /** Null for slices of host names, which no VIP can use. */
  readonly family: Family | null;
  readonly endpoints: readonly EndpointFact[];
}

const SERVICE_NAME_LABEL = "kubernetes.io/service-name";

/** Null for a slice that belongs to no Service. */
export function endpointSliceFact(slice: V1EndpointSlice): EndpointSliceFact | null {
  const service = slice.metadata?.labels?.[SERVICE_NAME_LABEL];
  if (!service) return null;
  return {
    service: serviceKey(slice.metadata?.namespace ?? "default", service),
    family: slice.addressType === "IPv4" ? 4 : slice.addressType === "IPv6" ? 6 : null,
    endpoints: (slice.endpoints ?? []).map((endpoint) => {
      // The API defines an absent condition: ready counts as true, serving as ready, terminating as false.
      const ready = endpoint.conditions?.ready ?? true;
      const serving = endpoint.conditions?.serving ?? ready;
      const terminating = endpoint.conditions?.terminating ?? false;
      const node = endpoint.nodeName ?? endpoint.hostname ?? null;
      const make = (): EndpointFact => ({ node, ready, serving, terminating });
      return commonEndpoints.take(`${ready} ${serving} ${terminating} ${node}`, make);
    }),
  };
}

export interface NodeFact {
  readonly name: string;
  readonly ready: boolean;
  /** `spec.unschedulable`: it is being drained, or about to be. */
  readonly cordoned: boolean;
  readonly controlPlane: boolean;
  /** Carries `node.kubernetes.io/exclude-from-external-load-balancers`. */
  readonly excluded: boolean;
  /** Condition NetworkUnavailable is True: its pods cannot be reached from other nodes. */
  readonly networkUnavailable: boolean;
  /** Its InternalIPs that are addresses. */
  readonly internalAddresses: readonly IpAddress[];
  /** Of the node that was asked for alone: all others would cost memory, and a new plan with each change. */
  readonly marks?: {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  };
}

export const EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers";

/** @param marked  the node whose labels and annotations are kept; null keeps none */
export function nodeFact(node: V1Node, marked: string | null = null): NodeFact {
  const labels = node.metadata?.labels ?? {};
  const name = node.metadata?.name ?? "";
  return {
    name,
    ...(name === marked ? { marks: { labels, annotations: node.metadata?.annotations ?? {} } } : {}),
    ready: (node.status?.conditions ?? []).some((it) => it.type === "Ready" && it.status === "True"),
    cordoned: node.spec?.unschedulable === true,
    controlPlane: "node-role.kubernetes.io/control-plane" in labels || "node-role.kubernetes.io/master" in labels,
    networkUnavailable: (node.status?.conditions ?? []).some(
      (it) => it.type === "NetworkUnavailable" && it.status === "True",
    ),
    internalAddresses: (node.status?.addresses ?? []).flatMap(({ type, address }) =>
      type === "InternalIP" ? (parseIp(address) ?? []) : [],
    ),
    excluded: EXCLUDE_LABEL in labels,
  };
}
