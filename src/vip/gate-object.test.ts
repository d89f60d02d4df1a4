import { describe, expect, it } from "vitest";
import { objectOf } from "./gate-object.ts";

describe("the object that a gate looks at", () => {
  const web = { owner: "default/web", lease: "default/kubevip-web", node: "n1" };
  it("is named with its field, of the Service, the Lease or the node", () => {
    expect(objectOf("type", web)).toBe("Service default/web spec.type");
    expect(objectOf("class", web)).toBe("Service default/web spec.loadBalancerClass");
    expect(objectOf("election", web)).toBe("Lease default/kubevip-web");
    expect(objectOf("election", { ...web, lease: null })).toContain("Service default/web");
    expect(objectOf("node", web)).toBe("Node n1");
  });
  it("of the control plane is no Service", () => {
    for (const gate of ["address", "api-server", "node", "interface", "session", "route", "election"] as const)
      expect(objectOf(gate, { owner: "control-plane", lease: "kube-system/plndr-cp-lock", node: "n1" })).not.toContain(
        "Service",
      );
  });
});
