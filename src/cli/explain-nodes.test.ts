import { describe, expect, it } from "vitest";
import type { VipView } from "../status/view.ts";
import { explainNodes, type NodeView } from "./explain-nodes.ts";

type Vip = VipView["vips"][number];

const OBJECT = "EndpointSlices of Service default/web";
const NONE = " ".repeat(OBJECT.length);

const vip: Vip = {
  ...{ owner: "default/web", address: "10.0.0.9", path: "bgp", announced: true, holder: null, lease: null },
  gates: [{ gate: "endpoints", open: true, object: OBJECT, fact: "1 usable" }],
  peers: [
    { peer: "r1", told: true, reason: null },
    { peer: "r2", told: false, reason: "the export policy does not let it through" },
  ],
};
const node = (name: string, ...vips: Vip[]): NodeView => ({
  ...{ node: name, reason: null },
  view: { version: "0", node: name, routeTable: null, vips },
});

describe("what all nodes say of a VIP", () => {
  it("K2: is a line for each, with the gate and the object that decided, the peers that were not told, and what would change it", () => {
    const fact = "no usable IPv4 endpoint on n2 (policy Local, 1 listed in 1 slice)";
    const closed: Vip = {
      ...{ ...vip, announced: false, peers: [] },
      gates: [{ gate: "endpoints", open: false, object: OBJECT, fact, hint: "run a ready pod on this node" }],
    };
    const lost: NodeView = { node: "n4", view: null, reason: "no answer: 10.0.0.4 port 2112: timeout" };
    const views = [node("n1", vip), node("n2", closed), node("n3", closed), lost, node("n5")];
    expect(explainNodes(views).split("\n")).toEqual([
      "10.0.0.9 of default/web",
      `  NODE  HERE  GATE       ${"OBJECT".padEnd(OBJECT.length)}  WHY`,
      `  n1    yes              ${NONE}  told r1; not r2: the export policy does not let it through`,
      `  n2    no    endpoints  ${OBJECT}  ${fact}`,
      `  n3    no    endpoints  ${OBJECT}  ${fact}`,
      `  n4    ?                ${NONE}  no answer`,
      `  n5    no               ${NONE}  it knows no such VIP`,
      "",
      "  To change that on n2, n3: run a ready pod on this node.",
      "",
      "n4: no answer: 10.0.0.4 port 2112: timeout",
    ]);
  });

  it("says by which way a node announces where no peers are told", () => {
    expect(explainNodes([node("n1", { ...vip, path: "l2", peers: [] })])).toContain("by ARP/NDP");
  });

  it("is a table for each address", () => {
    const text = explainNodes([node("n1", vip, { ...vip, address: "fd00::9" })]);
    expect(text.match(/ of default\/web/g)).toHaveLength(2);
  });
});
