import type { ServiceFact, ServiceKey } from "./facts.ts";
import { firstClosed, type GateName } from "./gates.ts";
import type { VipPlan } from "./plan.ts";
import type { Snapshot } from "./snapshot.ts";

/** What is to be said of a Service to whoever looks at it with kubectl. */
export interface ServiceNotice {
  readonly service: Pick<ServiceFact, "key" | "namespace" | "name" | "uid">;
  readonly reason: "Announced" | "NotAnnounced" | "NoAddress" | "AddressConflict";
  readonly message: string;
}

/** Gates that are closed by what the Service says: its owner can change it. All others come and go by themselves. */
const MISTAKES: readonly GateName[] = ["address", "attributes"];

/**
 * Of each Service at most one notice of each kind, the same in every plan while nothing changes. Who speaks: of a VIP
 * that one node alone announces that node, of an address from a pool who gives them, of a mistake one node for all.
 */
export function serviceNotices(
  snapshot: Snapshot,
  vips: readonly VipPlan[],
  conflicts: ReadonlyMap<string, string>,
): readonly ServiceNotice[] {
  const speaksForAll = isFirstOfAll(snapshot);
  const notices: ServiceNotice[] = [];
  for (const [key, own] of Map.groupBy(vips, ({ owner }) => owner)) {
    const service = snapshot.services.get(key as ServiceKey);
    if (service === undefined) continue;
    const add = (reason: ServiceNotice["reason"], lines: readonly string[]): void => {
      if (lines.length > 0) notices.push({ service, reason, message: lines.join("; ") });
    };
    const alone = own.filter((vip) => vip.announced && (vip.lease !== null || vip.chosen != null));
    const path = alone[0]?.path === "l2" ? "ARP and NDP" : "BGP";
    const announced = alone.map(({ address }) => address).join(", ");
    add("Announced", alone.length > 0 ? [`${announced} by node ${snapshot.policy.node} (${path})`] : []);
    const poolFailure = snapshot.poolFailures?.get(key);
    add("NoAddress", poolFailure === undefined ? [] : [poolFailure]);
    add(
      "NotAnnounced",
      speaksForAll && poolFailure === undefined
        ? own.flatMap(({ gates }) => {
            const gate = firstClosed(gates);
            return gate !== null && MISTAKES.includes(gate.gate) ? [gate.fact] : [];
          })
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

/** The first by name of the nodes that are ready: all nodes see the same ones, and so only one of them speaks. */
function isFirstOfAll({ nodes, policy }: Snapshot): boolean {
  let first: string | null = null;
  for (const { name, ready } of nodes?.values() ?? []) if (ready && (first === null || name < first)) first = name;
  return first === policy.node;
}
