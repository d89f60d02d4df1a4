import type { VipView } from "../status/view.ts";
import { pathText } from "./path-text.ts";
import { table, wrap } from "./table.ts";

/** What one node says, or why it says nothing. */
export interface NodeView {
  readonly node: string;
  readonly view: VipView | null;
  readonly reason: string | null;
}

/** One table for each address, a line for each node, and what would change a node's mind. */
export function explainNodes(views: readonly NodeView[]): string {
  const places = new Map<string, { owner: string; address: string | null }>();
  for (const { view } of views)
    for (const { owner, address } of view?.vips ?? []) places.set(`${owner} ${address}`, { owner, address });
  const parts = [...places.values()].map(({ owner, address }) => explainPlace(owner, address, views));
  const silent = views.filter(({ view }) => view === null);
  if (silent.length > 0) parts.push(silent.map(({ node, reason }) => `${node}: ${reason}`).join("\n"));
  return parts.join("\n\n");
}

function explainPlace(owner: string, address: string | null, views: readonly NodeView[]): string {
  const hints = new Map<string, string[]>();
  const rows = views.map(({ node, view }): readonly string[] => {
    if (view === null) return [node, "?", "", "", "no answer"];
    const vip = view.vips.find((one) => one.owner === owner && one.address === address);
    if (vip === undefined) return [node, "no", "", "", "it knows no such VIP"];
    const decisive = vip.gates.find((gate) => !gate.open);
    if (decisive !== undefined) {
      if (decisive.hint !== undefined) hints.set(decisive.hint, [...(hints.get(decisive.hint) ?? []), node]);
      return [node, "no", decisive.gate, decisive.object, decisive.fact];
    }
    const untold = vip.peers.filter(({ told }) => !told);
    const told = vip.peers.filter((peer) => peer.told).map(({ peer }) => peer);
    const to = vip.path === "bgp" ? `told ${told.join(", ") || "nobody"}` : `by ${pathText(view, vip)}`;
    return [node, "yes", "", "", [to, ...untold.map(({ peer, reason }) => `not ${peer}: ${reason}`)].join("; ")];
  });
  const lines = [
    `${address ?? "(no address)"} of ${owner}`,
    indented(table(["NODE", "HERE", "GATE", "OBJECT", "WHY"], rows)),
  ];
  for (const [hint, nodes] of hints)
    lines.push("", ...wrap(`To change that on ${nodes.join(", ")}: ${hint}.`, 76).map((line) => `  ${line}`));
  return lines.join("\n");
}

const indented = (text: string): string =>
  text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");
