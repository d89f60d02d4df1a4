import type { GateName } from "./gates.ts";

export interface Decided {
  /** "control-plane", or namespace/name of the Service. */
  readonly owner: string;
  readonly lease: string | null;
  readonly node: string;
}

/**
 * The object, and the field of it, that a gate looks at. What thousands of VIPs are told alike says the field only, so
 * that they can share it; who asks about one VIP is told the object as well.
 */
export function objectOf(gate: GateName, { owner, lease, node }: Decided): string {
  const service = `Service ${owner}`;
  const isControlPlane = owner === "control-plane";
  switch (gate) {
    case "type":
      return `${service} spec.type`;
    case "namespace":
      return `${service} metadata.namespace`;
    case "ignored":
      return `${service} annotation kube-vip.io/ignore`;
    case "class":
      return `${service} spec.loadBalancerClass`;
    case "address":
      return isControlPlane ? "setting address" : `${service} annotation kube-vip.io/loadbalancerIPs`;
    case "attributes":
      return `${service} annotations vipcast.io/bgp-*`;
    case "api-server":
      return `API server of node ${node}`;
    case "endpoints":
      return `EndpointSlices of Service ${owner}`;
    case "node":
      return `Node ${node}`;
    case "election":
      return lease === null ? `${service} and its election` : `Lease ${lease}`;
    case "interface":
      return `interfaces of node ${node}`;
    case "firewall":
      return isControlPlane ? `firewall of node ${node}` : `${service} spec.loadBalancerSourceRanges`;
    case "session":
      return `BGP peers of node ${node}`;
    case "route":
      return `routing table of node ${node}`;
    case "fallback":
      return "setting mode";
  }
}
