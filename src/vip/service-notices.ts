import type { NodeFact, ServiceFact } from "./facts.ts";
import { firstClosed, type GateName } from "./gates.ts";
import type { VipPlan } from "./plan.ts";
import type { Path } from "./snapshot.ts";

/** What is to be said of a Service to whoever looks at it with kubectl. */
export interface ServiceNotice {
  readonly service: Pick<ServiceFact, "key" | "namespace" | "name" | "uid">;
  readonly reason: "Announced" | "NotAnnounced" | "NoAddress" | "AddressConflict";
  readonly message: string;
}

export interface NoticeFacts {
  /** Name of this node. */
  readonly node: string;
  readonly services: ReadonlyMap<string, ServiceFact>;
  readonly nodes: ReadonlyMap<string, Pick<NodeFact, "name" | "ready">>;
  /** Why a Service got no address from a pool; null where this node gives none. */
  readonly poolFailures: ReadonlyMap<string, string> | null;
  /** MAC of another host that claims a VIP of ours, by address. */
  readonly conflicts: ReadonlyMap<string, string>;
}

const PATHS = { bgp: "BGP", l2: "ARP and NDP", table: "a route in its kernel" } as const satisfies Record<Path, string>;

/** Gates that are closed by what the Service says: its owner can change it. All others come and go by themselves. */
const MISTAKES: readonly GateName[] = ["address", "attributes"];

/**
 * Of each Service at most one notice of each kind, the same in every plan while nothing changes. Who speaks: of a VIP
 * that one node alone announces that node, of an address from a pool who gives them, of a mistake one node for all.
 */
export function serviceNotices(facts: NoticeFacts, vips: readonly VipPlan[]): readonly ServiceNotice[] {
  const { node, services, poolFailures, conflicts } = facts;
  const speaksForAll = isFirstOfAll(facts);
  const notices: ServiceNotice[] = [];
  // Of most of ten thousand nothing is to be said: they are not looked at one by one.
  const told = vips.filter((vip) => isAlone(vip) || isMistaken(vip) || poolFailures?.has(vip.owner) === true);
  for (const [key, own] of Map.groupBy(told, ({ owner }) => owner)) {
    const service = services.get(key);
    if (service === undefined) continue;
    const add = (reason: ServiceNotice["reason"], lines: readonly string[]): void => {
      if (lines.length > 0) notices.push({ service, reason, message: lines.join("; ") });
    };
    const alone = own.filter(isAlone);
    const path = PATHS[alone[0]?.path ?? "bgp"];
    const announced = alone.map(({ address }) => address).join(", ");
    add("Announced", alone.length > 0 ? [`${announced} by node ${node} (${path})`] : []);
    const poolFailure = poolFailures?.get(key);
    add("NoAddress", poolFailure === undefined ? [] : [poolFailure]);
    add(
      "NotAnnounced",
      speaksForAll && poolFailure === undefined
        ? own.filter(isMistaken).map(({ gates }) => firstClosed(gates)!.fact)
        : [],
    );
    add(
      "AddressConflict",
      alone.flatMap(({ address }) => {
        const mac = conflicts.get(address ?? "");
        return mac === undefined ? [] : [`${address} is claimed by ${mac}, too`];
      }),
    );
  }
  return notices;
}

/** Announced by this node and no other. */
const isAlone = (vip: VipPlan): boolean => vip.announced && (vip.lease !== null || vip.chosen != null);

function isMistaken({ announced, gates }: VipPlan): boolean {
  const gate = announced ? null : firstClosed(gates);
  return gate !== null && MISTAKES.includes(gate.gate);
}

/** The first by name of the nodes that are ready: all nodes see the same ones, and so only one of them speaks. */
function isFirstOfAll({ nodes, node }: NoticeFacts): boolean {
  let first: string | null = null;
  for (const { name, ready } of nodes.values()) if (ready && (first === null || name < first)) first = name;
  return first === node;
}
