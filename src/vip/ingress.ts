import type { IpAddress } from "../addr/ip.ts";
import type { IngressFact, ServiceFact, ServicePortFact } from "./facts.ts";

/** What `status.loadBalancer.ingress` must say for these addresses: one entry each, with all ports of the Service. */
export function ingressOf(addresses: readonly IpAddress[], ports: readonly ServicePortFact[]): readonly IngressFact[] {
  return addresses.map((address) => ({ address, ports }));
}

/** True when the status already says so; the order of the entries counts, as clients take the first. */
export function sameIngress(service: ServiceFact, wanted: readonly IngressFact[]): boolean {
  return JSON.stringify(service.ingress) === JSON.stringify(wanted);
}
