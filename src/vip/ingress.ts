import { type IpAddress, parseIp } from "../addr/ip.ts";
import type { IngressFact, ServiceFact, ServicePortFact } from "./facts.ts";
import type { StatusPlan } from "./plan.ts";

/** What `status.loadBalancer.ingress` must say for these addresses: one entry each, with all ports of the Service. */
export function ingressOf(addresses: readonly IpAddress[], ports: readonly ServicePortFact[]): readonly IngressFact[] {
  return addresses.map((address) => ({ address, ports }));
}

/**
 * True when the status already says so, in whatever spelling; the order of the entries counts, as clients take the
 * first.
 */
export function sameIngress({ ingress }: ServiceFact, wanted: readonly IngressFact[]): boolean {
  return (
    ingress.length === wanted.length &&
    ingress.every((entry, index) => {
      const { address, ports } = wanted[index]!;
      return (entry.address === address || parseIp(entry.address) === address) && samePorts(entry.ports, ports);
    })
  );
}

const samePorts = (a: readonly ServicePortFact[], b: readonly ServicePortFact[]): boolean =>
  a.length === b.length &&
  a.every(({ port, protocol }, index) => port === b[index]!.port && protocol === b[index]!.protocol);

/** Whether nothing need be written: neither status nor annotation. */
export const saysAlready = ({ service, addresses, ports, vipHost }: Omit<StatusPlan, "isWritten">): boolean =>
  sameIngress(service, ingressOf(addresses, ports)) && (vipHost === null || service.vipHost === vipHost);
