import { describe, expect, it } from "vitest";
import { containerStart, documentsOf, serviceAccountOf } from "./manifests.ts";

const daemonSet = (env: string): string => `apiVersion: v1
kind: ServiceAccount
metadata: { name: vipcast }
---
apiVersion: apps/v1
kind: DaemonSet
spec:
  template:
    spec:
      containers:
        - name: vipcast
          args: [manager]
          env:
${env}`;

describe("the environment of a manifest", () => {
  it("values are taken as they stand, the node's name where the manifest asks for it", () => {
    const yaml = daemonSet(`            - { name: port, value: "6443" }
            - { name: vip_nodename, valueFrom: { fieldRef: { fieldPath: spec.nodeName } } }
            - { name: vip_leasename }`);
    expect(containerStart(yaml, "n2")).toEqual({
      args: ["manager"],
      environment: { port: "6443", vip_nodename: "n2", vip_leasename: "" },
    });
  });

  it("what only a kubelet knows is refused by name instead of left out", () => {
    const yaml = daemonSet("            - { name: secret, valueFrom: { secretKeyRef: { name: x, key: y } } }");
    expect(() => containerStart(yaml, "n2")).toThrow(/secret comes from/);
  });

  it("a Pod is read like a DaemonSet", () => {
    const yaml = "kind: Pod\nspec: { containers: [{ args: [manager], env: [{ name: a, value: b }] }] }\n";
    expect(containerStart(yaml, "n1").environment).toEqual({ a: "b" });
  });

  it("a text without a container is refused", () => {
    expect(() => containerStart("kind: Role\n", "n1")).toThrow(/neither a Pod nor a DaemonSet/);
  });
});

describe("the access rules of a manifest", () => {
  const yaml =
    "kind: ServiceAccount\nmetadata: { name: vipcast, namespace: kube-system }\n---\n---\nkind: ClusterRole\n";

  it("every document counts, empty ones do not", () => {
    expect(documentsOf(yaml).map(({ kind }) => kind)).toEqual(["ServiceAccount", "ClusterRole"]);
  });

  it("the daemons are the service account that it makes", () => {
    expect(serviceAccountOf(documentsOf(yaml))).toEqual({ name: "vipcast", namespace: "kube-system" });
    expect(() => serviceAccountOf(documentsOf("kind: Role\n"))).toThrow(/no ServiceAccount/);
  });
});
