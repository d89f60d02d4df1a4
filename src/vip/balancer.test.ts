import { describe, expect, it } from "vitest";
import { ip } from "../addr/ip.ts";
import { type BackendFact, type BalancerPolicy, planBalancer } from "./balancer.ts";
import type { ProbeFact } from "./snapshot.ts";

const POLICY: BalancerPolicy = { port: 443, backendPort: 6443, algorithm: "round-robin", method: "masquerade" };
const backend = (node: string, address: string, state: ProbeFact["state"] = "ready"): BackendFact => ({
  node,
  address: ip(address),
  probe: { state, detail: "" },
});
const VIP = ip("10.0.0.100");
const chosen = (policy: BalancerPolicy, ...backends: BackendFact[]): readonly string[] | null =>
  planBalancer(policy, "n1", [VIP], backends)?.flatMap((it) => it.backends.map(({ address }) => address)) ?? null;

describe("the balancer's plan", () => {
  it("sends connections to all API servers that are ready, of the VIP's family, in one order", () => {
    const backends = [backend("n2", "10.0.0.2"), backend("n1", "10.0.0.1"), backend("n3", "10.0.0.3", "failed")];
    const all = [...backends, backend("n1", "fd00::1")];
    expect(planBalancer(POLICY, "n1", [VIP, ip("fd00::100")], all)).toEqual([
      {
        ...{ address: VIP, port: 443, algorithm: "round-robin" },
        backends: [
          { address: "10.0.0.1", port: 6443 },
          { address: "10.0.0.2", port: 6443 },
        ],
      },
      { address: "fd00::100", port: 443, algorithm: "round-robin", backends: [{ address: "fd00::1", port: 6443 }] },
    ]);
  });

  it("is nothing where the node has no VIP, where none is ready, and without a balancer", () => {
    expect(planBalancer(POLICY, "n1", [], [backend("n1", "10.0.0.1")])).toEqual([]);
    expect(chosen(POLICY, backend("n1", "10.0.0.1", "failed"))).toEqual([]);
    expect(planBalancer(null, "n1", [VIP], [backend("n1", "10.0.0.1")])).toEqual([]);
  });

  it("H4: sends connections to the last API server that is ready, and to whoever listens here when none is", () => {
    const [first, second] = [backend("n1", "10.0.0.1", "failed"), backend("n2", "10.0.0.2")];
    expect(chosen(POLICY, first, second)).toEqual(["10.0.0.2"]);
    expect(chosen(POLICY, first, { ...second, probe: first.probe })).toEqual([]);
  });

  it("leaves what is there until the nodes are known and one of them has answered", () => {
    expect(planBalancer(POLICY, "n1", [VIP], null)).toBeNull();
    expect(chosen(POLICY, backend("n1", "10.0.0.1", "pending"), backend("n2", "10.0.0.2", "failed"))).toBeNull();
    expect(chosen(POLICY, backend("n1", "10.0.0.1", "pending"), backend("n2", "10.0.0.2"))).toEqual(["10.0.0.2"]);
  });

  it("keeps to the node's own API server with method local while that is ready", () => {
    const local = { ...POLICY, method: "local" } as const;
    expect(chosen(local, backend("n1", "10.0.0.1"), backend("n2", "10.0.0.2"))).toEqual(["10.0.0.1"]);
    expect(chosen(local, backend("n1", "10.0.0.1", "failed"), backend("n2", "10.0.0.2"))).toEqual(["10.0.0.2"]);
  });
});
