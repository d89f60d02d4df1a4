import type { ServiceFact } from "../vip/facts.ts";
import { serviceAddresses } from "../vip/service-addresses.ts";
import { classGate } from "../vip/service-gates.ts";
import type { ServicePolicy } from "../vip/snapshot.ts";
import type { Claimant } from "./allocate.ts";

/**
 * Null for a Service that gets no address from a pool: it would not be served here. What its status alone says is no
 * claim: whoever wrote that need not be us, and an address that its pool no longer has would stay for ever.
 */
export function claimantOf(service: ServiceFact, policy: ServicePolicy): Claimant | null {
  const isServed =
    service.type === "LoadBalancer" &&
    !service.ignored &&
    (policy.namespace === null || policy.namespace === service.namespace) &&
    classGate(service, policy).open;
  if (!isServed) return null;
  const annotated = service.annotatedAddresses !== null;
  const named = serviceAddresses(annotated || service.loadBalancerIp === null ? service : { ...service, ingress: [] });
  const addresses = annotated || service.loadBalancerIp !== null ? named.addresses : [];
  return {
    key: service.key,
    namespace: service.namespace,
    name: service.name,
    addresses,
    annotated,
    labelled: service.labels[LABEL] === LABEL_VALUE,
    asksForMore: addresses.length === 0 && (annotated || service.loadBalancerIp !== null),
    families: service.ipFamilies,
    familyPolicy: service.ipFamilyPolicy,
    ports: service.ports.map(({ port }) => port),
  };
}

/** With which kube-vip's cloud provider marks the Services that it has dealt with. */
const LABEL = "implementation";
const LABEL_VALUE = "kube-vip";
