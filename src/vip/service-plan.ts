import type { IpAddress } from "../addr/ip.ts";
import { namesInterface } from "../addr/route-type.ts";
import { nodeGate, type Share, ShareDraft, type View } from "./announce.ts";
import type { Holds } from "./endpoint-damping.ts";
import type { EndpointSliceFact, ServiceFact } from "./facts.ts";
import { EXCLUDE_LABEL } from "./facts.ts";
import { firewallGate } from "./firewall.ts";
import { closed, firstClosed, type Gate, open } from "./gates.ts";
import { saysAlready } from "./ingress.ts";
import { interfaceGate } from "./interface-gate.ts";
import { leaving, serviceAttributes } from "./route-attributes.ts";
import { serviceAddresses } from "./service-addresses.ts";
import type { Decider } from "./service-election.ts";
import { classGate, endpointGate } from "./service-gates.ts";
import type { ServicePolicy } from "./snapshot.ts";

/** A cluster has thousands of Services that never asked for a VIP: they are not listed at all. */
export const isCandidate = (service: ServiceFact): boolean =>
  service.type === "LoadBalancer" || serviceAddresses(service).source !== null;

const IS_LOAD_BALANCER = open("type", "spec.type is LoadBalancer");
const ALL_NAMESPACES = open("namespace", "all namespaces are served");
const NOT_IGNORED = open("ignored", "no kube-vip.io/ignore annotation");

/** Whether the Service is one of ours; all nodes with one configuration say the same. */
export function entranceGates(service: ServiceFact, settings: ServicePolicy): readonly Gate[] {
  return [
    service.type === "LoadBalancer"
      ? IS_LOAD_BALANCER
      : closed("type", `spec.type is ${service.type}`, "set spec.type to LoadBalancer"),
    settings.namespace === null
      ? ALL_NAMESPACES
      : settings.namespace === service.namespace
        ? open("namespace", `${service.namespace} is served`)
        : closed("namespace", `only namespace ${settings.namespace} is served`, "change svc_namespace"),
    service.ignored
      ? closed("ignored", 'annotation kube-vip.io/ignore is "true"', "remove the annotation")
      : NOT_IGNORED,
    classGate(service, settings),
  ];
}

/** Everything about one Service that its part of the plan follows from, beside the view. */
export interface ServiceCase {
  readonly service: ServiceFact;
  readonly slices: readonly EndpointSliceFact[];
  /** Nodes whose endpoints flap; null where there are none. */
  readonly holds: Holds | null;
  readonly decider: Decider;
  /** Whether this node is the one; null where every node is. */
  readonly decision: Gate | null;
  /** Why it got no address from a pool; undefined where none was asked. */
  readonly poolFailure: string | undefined;
}

export function planService(view: View, settings: ServicePolicy, { service, slices, ...of }: ServiceCase): Share {
  const draft = new ShareDraft();
  const named = serviceAddresses(service);
  const entrance = entranceGates(service, settings);
  const { decider } = of;
  const lease = decider.kind === "lease" ? decider.lease : null;
  const elected = decider.kind !== "every-node";
  const refuse = (gate: Gate): void => {
    const gates = [...entrance, gate];
    draft.vips.push({ owner: service.key, address: null, path: view.path, announced: false, gates, lease: null });
  };
  for (const { word, reason } of named.refused)
    refuse(closed("address", `${word} in ${named.source}: ${reason}`, "name an address that can be served"));
  if (named.addresses.length === 0 && named.refused.length === 0) refuse(unnamed(of.poolFailure));
  const announced: IpAddress[] = [];
  for (const address of named.addresses) {
    const gates = [
      ...entrance,
      addressGate(view, address, named.source),
      endpointGate(view.policy.node, service, slices, of.holds, address),
      serviceNodeGate(view, settings, elected),
    ];
    const wanted = service.serviceInterface ?? settings.interfaceName;
    const { gate, at } = interfaceGate(view, view.path, address, wanted);
    if (settings.attach || needsInterface(view)) gates.push(gate);
    draft.stands ||= firstClosed(gates) === null;
    if (of.decision) gates.push(of.decision);
    const { attributes, gate: attributesGate } = serviceAttributes(service, view.policy.routing);
    if (attributesGate && view.path === "bgp") gates.push(attributesGate);
    // The rules come before the VIP, so they are wanted as soon as nothing but them is missing.
    if (firstClosed(gates) === null) draft.guarded.push(address);
    const guard = firewallGate(service, settings, view.firewallFailure);
    if (guard) gates.push(guard);
    const is = draft.announce(view, {
      ...{ owner: service.key, address, gates, at, attach: settings.attach, lease },
      attributes: view.drain === "begun" ? leaving(attributes) : attributes,
      heldBy: decider.kind === "spread" ? decider.member : lease,
      ...(decider.kind === "spread" ? { chosen: decider.chosen.node } : {}),
    });
    if (is) announced.push(address);
  }
  if (announced.length > 0 && settings.updateStatus) {
    const wish = {
      service,
      addresses: named.addresses,
      ports: service.ports,
      vipHost: elected ? view.policy.node : null,
    };
    draft.status = { ...wish, isWritten: saysAlready(wish) };
  }
  return draft.finish();
}

const unnamed = (poolFailure: string | undefined): Gate =>
  closed(
    "address",
    poolFailure ?? "neither annotation kube-vip.io/loadbalancerIPs nor spec.loadBalancerIP nor status names one",
    poolFailure === undefined
      ? "set the annotation kube-vip.io/loadbalancerIPs"
      : "extend the pool in its ConfigMap, or set the annotation kube-vip.io/loadbalancerIPs",
  );

function needsInterface({ path, policy: { routeTable } }: View): boolean {
  return path === "l2" || (path === "table" && routeTable != null && namesInterface(routeTable.type));
}

/** A route to an end of a session would leave that session without a next hop, or take the router's own traffic. */
function addressGate({ path, sessions }: View, address: IpAddress, source: string | null): Gate {
  const end = path === "bgp" ? sessions.ends?.get(address) : undefined;
  return end === undefined
    ? open("address", `${address} from ${source}`)
    : closed("address", `${address} from ${source} is ${end}`, "name an address that nothing has yet");
}

/** What keeps this node from serving any Service, whatever that one says. */
export function serviceNodeGate(view: View, settings: ServicePolicy, elected: boolean): Gate {
  const { node, policy, stopping } = view;
  if (stopping || node === null) return nodeGate(view, elected);
  if (settings.honoursExcludeLabel === true && node.excluded)
    return closed("node", `label ${EXCLUDE_LABEL} is on ${policy.node}`, `take the label off ${policy.node}`);
  // A Lease is let go of at once: another node takes it, and there is nothing to prefer until then.
  if (view.drain === "over" || (view.drain === "begun" && elected))
    return closed("node", `${policy.node} is cordoned (spec.unschedulable)`, `kubectl uncordon ${policy.node}`);
  if (node.networkUnavailable)
    return closed("node", `condition NetworkUnavailable of ${policy.node} is True`, "mend the node's pod network");
  return nodeGate(view, elected);
}
