import { describe, expect, it } from "vitest";
import { ip } from "../addr/ip.ts";
import { type ServiceFact, serviceFact } from "./facts.ts";
import { FirewallBook, firewallGate, NO_FIREWALL } from "./firewall.ts";
import type { ServicePolicy } from "./snapshot.ts";

const service = (name: string, sourceRanges: string[], annotations: Record<string, string> = {}): ServiceFact =>
  serviceFact({
    metadata: { name, namespace: "default", annotations },
    spec: {
      type: "LoadBalancer",
      loadBalancerSourceRanges: sourceRanges,
      ports: [{ port: 80 }, { port: 53, protocol: "UDP" }],
    },
  });
const policy = (onlyServicePorts: boolean, sourceRanges: boolean): ServicePolicy => ({
  ...{ namespace: null, className: "", classOnly: false, legacyClassHandling: true, election: "none", onDemand: false },
  ...{ lease: { namespace: "kube-system", name: "lock" }, interfaceName: null, attach: false, updateStatus: false },
  enforced: { onlyServicePorts, sourceRanges },
});
const BOTH = policy(true, true);
const V4 = ip("10.0.0.1");
const V6 = ip("fd00::1");

describe("the rules about VIPs", () => {
  it("are none where nothing is enforced, and no gate is shown", () => {
    const book = new FirewallBook();
    book.add(service("web", ["10.0.0.0/8"]), V4, policy(false, false));
    expect(book.finish()).toBe(NO_FIREWALL);
    expect(firewallGate(service("web", ["10.0.0.0/8"]), policy(false, false), null)).toBeNull();
    expect(firewallGate(service("web", []), policy(false, true), null)).toBeNull();
  });

  it("take the ranges of the VIP's own family; without one the port is closed", () => {
    const book = new FirewallBook();
    const web = service("web", ["10.0.0.0/8", "192.0.2.1/24"]);
    book.add(web, V4, policy(false, true));
    book.add(web, V6, policy(false, true));
    expect(book.finish().restricted).toEqual([
      { address: V4, port: 80, protocol: "TCP", sources: ["10.0.0.0/8", "192.0.2.0/24"] },
      { address: V4, port: 53, protocol: "UDP", sources: ["10.0.0.0/8", "192.0.2.0/24"] },
      { address: V6, port: 80, protocol: "TCP", sources: [] },
      { address: V6, port: 53, protocol: "UDP", sources: [] },
    ]);
  });

  it("a range that is no prefix lets nobody in, and the older annotation counts where the field is empty", () => {
    expect(service("web", ["10.0.0.0"]).sourceRanges).toEqual([]);
    const annotation = { "service.beta.kubernetes.io/load-balancer-source-ranges": "10.0.0.0/8, fd00::/8" };
    expect(service("web", [], annotation).sourceRanges).toEqual(["10.0.0.0/8", "fd00::/8"]);
    expect(service("web", ["192.0.2.0/24"], annotation).sourceRanges).toEqual(["192.0.2.0/24"]);
    expect(service("web", []).sourceRanges).toBeNull();
  });

  it("Services that share a VIP open their ports together; of one port that both have the first decides", () => {
    const book = new FirewallBook();
    book.add(service("a", ["10.0.0.0/8"]), V4, BOTH);
    book.add(service("b", ["192.0.2.0/24"]), V4, BOTH);
    const { guarded, restricted } = book.finish();
    expect(guarded.get(V4)!.map(({ port }) => port)).toEqual([80, 53, 80, 53]);
    expect(restricted.map(({ sources }) => sources)).toEqual([["10.0.0.0/8"], ["10.0.0.0/8"]]);
  });

  it("without them in the kernel the VIP is not announced, and the gate says why", () => {
    const web = service("web", ["10.0.0.0/8"]);
    expect(firewallGate(web, BOTH, null)).toMatchObject({
      open: true,
      fact: expect.stringContaining("from 10.0.0.0/8 only"),
    });
    expect(firewallGate(web, BOTH, "Operation not permitted")).toMatchObject({
      open: false,
      fact: expect.stringContaining("Operation not permitted"),
    });
  });
});
