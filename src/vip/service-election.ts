import { familyOf, type IpAddress } from "../addr/ip.ts";
import { countEndpoints } from "./endpoints.ts";
import type { ServiceFact } from "./facts.ts";
import { closed, type Gate, open } from "./gates.ts";
import { highest } from "./rendezvous.ts";
import { serviceAddresses } from "./service-addresses.ts";
import {
  type LeaseName,
  leaseText,
  type Member,
  memberLease,
  type Path,
  type ServicePolicy,
  type Snapshot,
} from "./snapshot.ts";

/**
 * Who announces a Service. Which of the four ways it is follows from the configuration, and for a single Service from
 * its annotations:
 *
 * - every node that can (by routes, without election);
 * - the holder of a Lease: one for all Services, one for each, or one that several Services name;
 * - `spread`: the node that rendezvous hashing gives the Service's addresses to, among the live members. Nobody asks
 *   anybody: all nodes see the same members, nodes and endpoints, and so come to the same result.
 *
 * Services that share an address are decided together, for one address cannot be on two nodes. The first of them by
 * name decides for all.
 */
export type Decider =
  | { readonly kind: "every-node" }
  | { readonly kind: "lease"; readonly lease: LeaseName; readonly own: boolean }
  | { readonly kind: "spread"; readonly member: LeaseName; readonly chosen: Choice }
  | { readonly kind: "refused"; readonly gate: Gate };

interface Choice {
  readonly node: string | null;
  readonly why: string;
}

const EVERY_NODE: Decider = { kind: "every-node" };

export class ServiceElections {
  readonly #snapshot: Snapshot;
  readonly #settings: ServicePolicy;
  readonly #election: ServicePolicy["election"];
  readonly #global: Decider & { readonly kind: "lease" };
  #globalGate: Gate | null = null;
  /** Whether a Service is one of ours at all. */
  readonly isAdmitted: (service: ServiceFact) => boolean;
  #groups: ReadonlyMap<ServiceFact, Group> | null = null;

  /** @param isAdmitted  whether a Service is one of ours at all; all nodes must come to the same result */
  constructor(snapshot: Snapshot, path: Path, settings: ServicePolicy, isAdmitted: (service: ServiceFact) => boolean) {
    this.#snapshot = snapshot;
    this.#settings = settings;
    this.#election = electionOn(path, settings);
    this.#global = { kind: "lease", lease: settings.lease, own: false };
    this.isAdmitted = isAdmitted;
  }

  deciderOf(service: ServiceFact): Decider {
    const { onDemand } = this.#settings;
    const election = this.#election;
    const mayDiffer = election === "per-service" || election === "spread" || onDemand;
    const first = mayDiffer ? this.#groupOf(service).services[0]! : service;
    if (election === "per-service" || (onDemand && first.forcesElection)) return this.#ownLease(service, first);
    if (election === "none") return EVERY_NODE;
    if (election === "global") return this.#global;
    return {
      kind: "spread",
      member: memberLease(this.#settings, this.#snapshot.policy.node),
      chosen: this.#choose(this.#groupOf(service)),
    };
  }

  /** Whether this node is the one; null where every node is. */
  decisionOn(decider: Decider): Gate | null {
    switch (decider.kind) {
      case "every-node":
        return null;
      case "lease":
        // One gate for all whom the global Lease decides about.
        return decider === this.#global
          ? (this.#globalGate ??= electionGate(this.#snapshot, decider.lease))
          : electionGate(this.#snapshot, decider.lease);
      case "spread":
        return spreadGate(this.#snapshot, decider.chosen);
      case "refused":
        return decider.gate;
    }
  }

  #ownLease(service: ServiceFact, first: ServiceFact): Decider {
    // Also where another Service decides: the annotation asks for what cannot be, and kube-vip refuses it.
    if (service.leaseName !== null && service.externalTrafficPolicy === "Local") {
      const fact = "annotation kube-vip.io/leaseName with externalTrafficPolicy Local: the holder may have no endpoint";
      return { kind: "refused", gate: closed("election", fact, "remove the annotation, or use policy Cluster") };
    }
    const lease = leaseNameOf(first);
    return lease ? { kind: "lease", lease, own: true } : { kind: "refused", gate: misnamedLease(first) };
  }

  #groupOf(service: ServiceFact): Group {
    this.#groups ??= groupsOf([...this.#snapshot.services.values()].filter(this.isAdmitted));
    return this.#groups.get(service) ?? { key: service.key, services: [service] };
  }

  #choose(group: Group): Choice {
    return (group.choice ??= choose(group, this.#snapshot));
  }
}

/** On a segment one node alone can answer, also where routes would let every node announce. */
export const electionOn = (path: Path, { election }: ServicePolicy): ServicePolicy["election"] =>
  path === "l2" && election === "none" ? "global" : election;

/** Services that share addresses, in the order of their names; `key` is their first address. */
interface Group {
  readonly key: string;
  readonly services: readonly ServiceFact[];
  choice?: Choice;
}

/** Every Service with its group: Services belong together when a chain of shared addresses joins them. */
function groupsOf(services: readonly ServiceFact[]): ReadonlyMap<ServiceFact, Group> {
  const byAddress = new Map<IpAddress, ServiceFact[]>();
  for (const service of services) {
    for (const address of serviceAddresses(service).addresses) {
      const sharing = byAddress.get(address);
      if (sharing) sharing.push(service);
      else byAddress.set(address, [service]);
    }
  }
  const groups = new Map<ServiceFact, Group>();
  for (const service of services) {
    if (groups.has(service)) continue;
    const found = new Set([service]);
    const addresses = new Set<IpAddress>();
    for (const one of found) {
      for (const address of serviceAddresses(one).addresses) {
        if (addresses.has(address)) continue;
        addresses.add(address);
        for (const other of byAddress.get(address)!) found.add(other);
      }
    }
    const sorted = found.size === 1 ? [service] : [...found].toSorted((a, b) => (a.key < b.key ? -1 : 1));
    const group: Group = { key: [...addresses].toSorted()[0] ?? service.key, services: sorted };
    for (const one of found) groups.set(one, group);
  }
  return groups;
}

/**
 * The member that is to announce the group. Among the live ones only those count that all nodes can know to be able to:
 * not excluded, on the pod network, with a local endpoint where the policy is Local, and ready unless none is. Of these the first preferred
 * one; without, the one of the highest score.
 */
function choose(group: Group, snapshot: Snapshot): Choice {
  const live = snapshot.members?.live ?? [];
  const honours = snapshot.policy.services?.honoursExcludeLabel === true;
  const allowed = live.filter(({ node }) => {
    const fact = snapshot.nodes?.get(node);
    return fact === undefined || !((honours && fact.excluded) || fact.networkUnavailable);
  });
  const able = allowed.filter(({ node }) => group.services.every((service) => hasEndpoint(service, node, snapshot)));
  const ready = able.filter(({ node }) => snapshot.nodes?.get(node)?.ready !== false);
  const from = ready.length > 0 ? ready : able;
  const preferred = group.services
    .flatMap((service) => service.preferredNodes)
    .find((name) => from.some(({ node }) => node === name));
  if (preferred !== undefined) {
    return { node: preferred, why: `${preferred} is the first of the preferred nodes that can serve it` };
  }
  const chosen = highest(group.key, from)?.node ?? null;
  if (chosen !== null) return { node: chosen, why: `${chosen} is chosen of ${counted(from)} for ${group.key}` };
  return { node: null, why: `none of ${counted(live)} can serve it` };
}

const counted = (members: readonly Member[]): string =>
  members.length === 1 ? "1 live member" : `${members.length} live members`;

function hasEndpoint(service: ServiceFact, node: string, { endpoints }: Snapshot): boolean {
  if (service.externalTrafficPolicy === "Cluster") return true;
  const slices = endpoints.get(service.key) ?? [];
  return serviceAddresses(service).addresses.some(
    (address) => countEndpoints(slices, familyOf(address), "Local", node).usable > 0,
  );
}

/** What Kubernetes takes as the name of an object; whatever else is in an annotation must not become part of a URL. */
const OBJECT_NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

/** kube-vip's rule: "name" in the namespace of the Service, or "namespace/name". Null when that is no name. */
function leaseNameOf(service: ServiceFact): LeaseName | null {
  const words = (service.leaseName ?? `kubevip-${service.name}`).split("/");
  const [namespace, name] = words.length === 1 ? [service.namespace, words[0]!] : words;
  const isName = words.length <= 2 && OBJECT_NAME.test(namespace!) && OBJECT_NAME.test(name!);
  return isName ? { namespace: namespace!, name: name! } : null;
}

const misnamedLease = ({ leaseName }: ServiceFact): Gate =>
  closed("election", `annotation kube-vip.io/leaseName is "${leaseName}"`, "write NAME or NAMESPACE/NAME of a Lease");

export const usurpedText = (node: string, lease: string): string =>
  `another daemon renews ${lease} under the name ${node}, too`;
const USURPED_HINT = "give every daemon a node name of its own, and run one daemon on a node";

export function electionGate(snapshot: Snapshot, lease: LeaseName): Gate {
  const fact = snapshot.leases.get(leaseText(lease));
  const name = leaseText(lease);
  if (fact?.isHolder) return open("election", `this node holds ${name}`);
  if (fact?.isUsurped) return closed("election", usurpedText(snapshot.policy.node, name), USURPED_HINT);
  if (fact?.error) return closed("election", `${name}: ${fact.error}`, "make the API server reachable from this node");
  if (!fact?.holder) return closed("election", `nobody is known to hold ${name}`, "wait for the election");
  return fact.holder === snapshot.policy.node
    ? closed("election", `${name} names this node, but it has not renewed it in this run`, "wait for the election")
    : closed("election", `${fact.holder} holds ${name}`, `nothing to do: ${fact.holder} announces it`);
}

function spreadGate(snapshot: Snapshot, { node, why }: Choice): Gate {
  const members = snapshot.members ?? null;
  if (members === null) return closed("election", "the members are not known yet", "wait for the list of Leases");
  // Before the choice: what this node believes about the others is only as good as its view of them.
  if (members.doubt !== null) return closed("election", members.doubt.fact, members.doubt.hint);
  if (node === snapshot.policy.node) return open("election", why);
  return node === null
    ? closed("election", why, "let a node that can serve it join")
    : closed("election", why, `nothing to do: ${node} announces it`);
}
