import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../test/support/virtual-clock.ts";
import { ip } from "../addr/ip.ts";
import type { NodeFact } from "../vip/facts.ts";
import { Backends } from "./backends.ts";

const node = (name: string, controlPlane: boolean, ...addresses: string[]): [string, NodeFact] => [
  name,
  {
    name,
    controlPlane,
    ready: true,
    cordoned: false,
    excluded: false,
    networkUnavailable: false,
    internalAddresses: addresses.map(ip),
  },
];
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
};

function bench() {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const down = new Set<string>();
  let changes = 0;
  const backends = new Backends({
    ...{ clock, port: 6443, periodMillis: 500, failureThreshold: 3, onChange: () => changes++ },
    askFor: (origin) => async () => {
      asked.push(origin);
      return down.has(origin) ? "connection refused" : null;
    },
  });
  const pass = async (rounds: number): Promise<void> => {
    for (let round = 0; round < rounds; round++) {
      clock.advance(500);
      await settle();
    }
  };
  const states = (): Record<string, string> =>
    Object.fromEntries(backends.facts().map(({ address, probe }) => [address, probe.state]));
  return { clock, backends, asked, down, pass, states, changes: () => changes };
}

describe("the API servers behind the VIP", () => {
  it("are asked at each address of each control-plane node, and of no other", async () => {
    const { backends, asked, pass, states } = bench();
    backends.follow(new Map([node("n1", true, "10.0.0.1", "fd00::1"), node("worker", false, "10.0.0.9")]));
    expect(states()).toEqual({ "10.0.0.1": "pending", "fd00::1": "pending" });
    await pass(1);
    expect(states()).toEqual({ "10.0.0.1": "ready", "fd00::1": "ready" });
    expect(new Set(asked)).toEqual(new Set(["https://10.0.0.1:6443", "https://[fd00::1]:6443"]));
  });

  it("fail after three bad answers in a row, and are ready again after one good one", async () => {
    const { backends, down, pass, states, changes } = bench();
    backends.follow(new Map([node("n1", true, "10.0.0.1")]));
    await pass(1);
    down.add("https://10.0.0.1:6443");
    await pass(2);
    expect(states()).toEqual({ "10.0.0.1": "ready" });
    const before = changes();
    await pass(1);
    expect([states(), changes()]).toEqual([{ "10.0.0.1": "failed" }, before + 1]);
    down.clear();
    await pass(1);
    expect(states()).toEqual({ "10.0.0.1": "ready" });
  });

  it("are forgotten with their node, and asked no more", async () => {
    const { backends, asked, pass, states } = bench();
    backends.follow(new Map([node("n1", true, "10.0.0.1"), node("n2", true, "10.0.0.2")]));
    await pass(1);
    backends.follow(new Map([node("n1", true, "10.0.0.1")]));
    expect(Object.keys(states())).toEqual(["10.0.0.1"]);
    asked.length = 0;
    await pass(2);
    expect(new Set(asked)).toEqual(new Set(["https://10.0.0.1:6443"]));
    backends.close();
    asked.length = 0;
    await pass(2);
    expect(asked).toEqual([]);
  });
});
