import { familyOf, type IpAddress } from "../addr/ip.ts";
import { FLAPPING_COUNT, type Hold, type Holds, LOSSES_REMEMBERED_MILLIS } from "./endpoint-damping.ts";
import { countEndpoints } from "./endpoints.ts";
import type { EndpointSliceFact, ServiceFact } from "./facts.ts";
import { closed, type Gate, open, openAlike } from "./gates.ts";
import type { ServicePolicy } from "./snapshot.ts";

const UNSET_IS_SERVED = open("class", "spec.loadBalancerClass is unset: served");

/** kube-vip's class filter, legacy and strict. */
export function classGate(service: ServiceFact, settings: ServicePolicy): Gate {
  const { loadBalancerClass } = service;
  if (loadBalancerClass !== null) {
    return loadBalancerClass === settings.className
      ? open("class", `spec.loadBalancerClass is ${loadBalancerClass}`)
      : closed(
          "class",
          `spec.loadBalancerClass is ${loadBalancerClass}, served is ${settings.className}`,
          "the field cannot be changed: create the Service anew",
        );
  }
  if (settings.legacyClassHandling) {
    return settings.classOnly
      ? closed(
          "class",
          "spec.loadBalancerClass is unset and lb_class_only is on",
          `create the Service with class ${settings.className}`,
        )
      : UNSET_IS_SERVED;
  }
  return settings.className === ""
    ? open("class", "spec.loadBalancerClass is unset, as is lb_class_name")
    : closed(
        "class",
        "spec.loadBalancerClass is unset and the strict rule is on",
        `create the Service with class ${settings.className}`,
      );
}

/**
 * Whether a connection that enters at this node finds an endpoint.
 *
 * @param holds  nodes whose endpoints flap; nobody is held who is the last to serve
 */
export function endpointGate(
  node: string,
  service: ServiceFact,
  slices: readonly EndpointSliceFact[],
  holds: Holds | null,
  address: IpAddress,
): Gate {
  const family = familyOf(address);
  const policy = service.externalTrafficPolicy;
  const { usable, listed, readyNodes } = countEndpoints(slices, family, policy, node);
  const where = policy === "Local" ? `on ${node}` : "in the cluster";
  const hold = policy === "Local" && readyNodes.has(node) ? holds?.get(node) : undefined;
  if (hold !== undefined && [...readyNodes].some((other) => other !== node && holds?.has(other) !== true))
    return held(node, hold);
  if (usable > 0)
    return openAlike(
      "endpoints",
      `${usable} usable IPv${family} ${usable === 1 ? "endpoint" : "endpoints"} ${where} (policy ${policy})`,
    );
  if (policy === "Cluster" && service.allowWithoutEndpoints) {
    return open("endpoints", "none, but annotation kube-vip.io/allow-reconcile-without-endpoints is set");
  }
  return closed(
    "endpoints",
    `no usable IPv${family} endpoint ${where} (policy ${policy}, ${listed} listed in ${slices.length} ${slices.length === 1 ? "slice" : "slices"})`,
    policy === "Local" ? "run a ready pod on this node" : "make a pod behind the Service ready",
  );
}

function held(node: string, { requiredMillis, lossesCount }: Hold): Gate {
  const lately =
    lossesCount < FLAPPING_COUNT
      ? "it has become ready only now"
      : `it stopped being ready ${lossesCount} times within ${LOSSES_REMEMBERED_MILLIS / 60_000} minutes`;
  return closed(
    "endpoints",
    `held down: the endpoint on ${node} must stay ready for ${requiredMillis / 1000} s (${lately}), and others serve`,
    lossesCount < FLAPPING_COUNT
      ? "nothing to do: it is a matter of seconds"
      : "find out why the pod's readiness probe fails",
  );
}
