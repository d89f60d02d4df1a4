import pino from "pino";
import { describe, expect, it } from "vitest";
import { LeaseApi, type Network, NetworkTime, badNetwork } from "../../../test/support/lease-api.ts";
import { seeded } from "../../../test/support/virtual-time.ts";
import { Elector, type ElectorOptions } from "./elector.ts";

const log = pino({ level: "silent" });
const GOOD: Network = { delay: () => 2 };

interface Bench {
  readonly time: NetworkTime;
  readonly api: LeaseApi;
  readonly elector: (
    identity: string,
    extra?: Partial<ElectorOptions> & { network?: Network; wall?: () => number },
  ) => Elector;
}

function bench(seed = 1): Bench {
  const time = new NetworkTime();
  const api = new LeaseApi(time);
  const entropy = seeded(seed);
  return {
    time,
    api,
    elector: (identity, { network = GOOD, wall = () => 0, ...extra } = {}) => {
      // Monotonic clocks of different machines have nothing in common.
      const clock = time.clock(1e6 * (1 + entropy.fraction()), wall);
      const client = api.client(network, clock);
      return new Elector(
        { client, clock, entropy, log },
        {
          lease: { namespace: "kube-system", name: "plndr-cp-lock" },
          identity,
          leaseDurationSeconds: 15,
          renewDeadlineSeconds: 10,
          retryPeriodSeconds: 2,
          ...extra,
        },
      );
    },
  };
}

/** A network that can be cut or slowed down. */
function cable(): Network & { cut: boolean; slow: number } {
  return {
    cut: false,
    slow: 2,
    delay() {
      return this.cut ? null : this.slow;
    },
  };
}

describe("one elector", () => {
  it("only looks until it is made a candidate, then leads, and writes the Lease as client-go does", async () => {
    const { time, api, elector } = bench();
    const one = elector("node-1", { annotations: { a: "b" } });
    await time.run(20_000);
    expect([api.holder, one.view.isHolder]).toEqual([null, false]);
    one.setCandidate(true);
    await time.run(100);
    expect(one.view).toMatchObject({ holder: "node-1", isHolder: true, error: null });
    expect(api.lease).toMatchObject({
      metadata: { annotations: { a: "b" } },
      spec: { holderIdentity: "node-1", leaseDurationSeconds: 15, leaseTransitions: 0 },
    });
    const { renewTime, acquireTime } = api.lease!.spec as Record<string, string>;
    for (const text of [renewTime, acquireTime]) expect(text).toMatch(/^2030-01-01T00:00:\d\d\.\d{6}Z$/);
    const writes = api.history.length;
    await time.run(20_000);
    expect(api.history.length - writes).toBe(10);
    expect((api.lease!.spec as Record<string, string>)["acquireTime"]).toBe(acquireTime);
  });

  it("asks for nothing but its renewals while it holds, and for nothing while it watches another hold", async () => {
    const { time, api, elector } = bench();
    elector("node-1").setCandidate(true);
    await time.run(1_000);
    elector("node-2").setCandidate(true);
    await time.run(5_000);
    const before = api.requestCount;
    await time.run(60_000);
    expect(api.requestCount - before).toBe(30);
  });

  it("tells the owner to stop, with the view already saying so, before it releases", async () => {
    const { time, api, elector } = bench();
    const order: string[] = [];
    const one: Elector = elector("node-1", {
      beforeRelease: () => order.push(`gave up, isHolder=${one.view.isHolder}, the Lease says ${api.holder}`),
    });
    one.setCandidate(true);
    await time.run(1_000);
    const stopped = one.stop().then(() => order.push(`stopped, the Lease says ${api.holder}`));
    await time.run(1_000);
    await stopped;
    expect(order).toEqual(["gave up, isHolder=false, the Lease says node-1", "stopped, the Lease says null"]);
    expect(api.lease).toMatchObject({ spec: { holderIdentity: "", leaseDurationSeconds: 1, leaseTransitions: 0 } });
  });

  it("stops within half the renew deadline when the API does not answer", async () => {
    const { time, elector } = bench();
    const network = cable();
    const one = elector("node-1", { network });
    one.setCandidate(true);
    await time.run(1_000);
    network.cut = true;
    let stopped = false;
    void one.stop().then(() => (stopped = true));
    expect(one.view.isHolder).toBe(false);
    await time.run(4_999);
    expect(stopped).toBe(false);
    await time.run(1);
    expect(stopped).toBe(true);
  });

  it("stops acting at its deadline while a request hangs, and leads again once the API is back", async () => {
    const { time, elector } = bench();
    const network = cable();
    const one = elector("node-1", { network });
    const changes: boolean[] = [];
    one.onChange(() => changes.push(one.view.isHolder));
    one.setCandidate(true);
    await time.run(1_000);
    network.cut = true;
    await time.run(8_990);
    expect(one.view.isHolder).toBe(true);
    await time.run(20);
    expect(one.view.isHolder).toBe(false);
    expect(one.view.error).toBe("no answer");
    network.cut = false;
    await time.run(10_000);
    expect(one.view).toMatchObject({ isHolder: true, error: null });
    expect(changes).toContain(false);
  });

  it("adopts its own Lease after a restart without waiting for it to expire", async () => {
    const { time, api, elector } = bench();
    api.overwrite({ holderIdentity: "node-1", leaseDurationSeconds: 15, leaseTransitions: 7, acquireTime: "t" });
    const one = elector("node-1");
    one.setCandidate(true);
    await time.run(100);
    expect(one.view.isHolder).toBe(true);
    expect(api.lease).toMatchObject({ spec: { leaseTransitions: 7, acquireTime: "t" } });
  });

  it("keeps what others put into the Lease", async () => {
    const { time, api, elector } = bench();
    api.overwrite({ holderIdentity: "", strategy: "OldestEmulationVersion" });
    elector("node-1").setCandidate(true);
    await time.run(100);
    expect(api.lease).toMatchObject({ spec: { holderIdentity: "node-1", strategy: "OldestEmulationVersion" } });
  });

  it("takes over after the duration when the holder is silent, whatever the wall clocks say", async () => {
    const { time, api, elector } = bench();
    api.overwrite({ holderIdentity: "gone", leaseDurationSeconds: 15, renewTime: "2099-01-01T00:00:00.000000Z" });
    let wall = -1e9;
    const one = elector("node-1", { wall: () => (wall += 1e8) });
    one.setCandidate(true);
    await time.run(15_000);
    expect(one.view).toMatchObject({ holder: "gone", isHolder: false });
    await time.run(100);
    expect(one.view.isHolder).toBe(true);
  });

  it("gives way at once to a foreign write, and takes a deleted Lease again", async () => {
    const { time, api, elector } = bench();
    const one = elector("node-1");
    one.setCandidate(true);
    await time.run(1_000);
    api.overwrite({ holderIdentity: "intruder", leaseDurationSeconds: 15 });
    await time.run(3);
    expect(one.view).toMatchObject({ holder: "intruder", isHolder: false });
    api.delete();
    await time.run(20);
    expect(one.view).toMatchObject({ holder: "node-1", isHolder: true });
  });

  it("sends one release when it stops while it looks at a Lease that names it", async () => {
    const { time, api, elector } = bench();
    const network = cable();
    const one = elector("node-1", { network, observe: "poll" });
    one.setCandidate(true);
    await time.run(1_000);
    network.cut = true;
    await time.run(9_100);
    network.cut = false;
    network.slow = 100;
    await time.run(5_010);
    const before = api.history.length;
    await Promise.all([one.stop(), time.run(3_000)]);
    expect([api.history.length - before, api.holder]).toEqual([1, null]);
  });

  it("stands down from inside a listener, without losing the order of events", async () => {
    const { time, api, elector } = bench();
    const given: boolean[] = [];
    const one: Elector = elector("node-1", { beforeRelease: () => given.push(one.view.isHolder) });
    one.onChange(() => one.setCandidate(!one.view.isHolder && given.length === 0));
    one.setCandidate(true);
    await time.run(1_000);
    expect([given, api.holder, one.view.isHolder]).toEqual([[false], null, false]);
  });

  it("leaves no watch open once it has stopped", async () => {
    const { time, api, elector } = bench();
    const one = elector("node-1");
    await time.run(1_000);
    expect(api.watchCount).toBe(1);
    await Promise.all([one.stop(), time.run(1_000)]);
    api.dropWatches();
    await time.run(60_000);
    expect(api.watchCount).toBe(0);
  });

  it("makes a Lease again that was deleted where no watch tells, and says why it cannot", async () => {
    const { time, api, elector } = bench();
    const one = elector("node-1", { observe: "poll" });
    one.setCandidate(true);
    await time.run(1_000);
    api.delete();
    await time.run(2_100);
    expect(api.holder).toBe("node-1");
    api.delete();
    api.refuseCreation = true;
    await time.run(10_000);
    expect(one.view).toMatchObject({ isHolder: false, error: '404: namespaces "kube-system" not found' });
  });

  it("polls when it may not watch", async () => {
    const { time, api, elector } = bench();
    api.overwrite({ holderIdentity: "other", leaseDurationSeconds: 600 });
    const one = elector("node-1", { observe: "poll" });
    one.setCandidate(true);
    await time.run(5_000);
    api.overwrite({ holderIdentity: "", leaseDurationSeconds: 1 });
    await time.run(4_500);
    expect(one.view.isHolder).toBe(true);
  });

  it("refuses times that cannot work", () => {
    const { elector } = bench();
    expect(() => elector("x", { leaseDurationSeconds: 10, renewDeadlineSeconds: 10 })).toThrow(RangeError);
    expect(() => elector("x", { renewDeadlineSeconds: 2, retryPeriodSeconds: 2 })).toThrow(RangeError);
    expect(() => elector("x", { leaseDurationSeconds: 15.5 })).toThrow(RangeError);
  });
});

describe("two electors under one identity", () => {
  for (const [observe, ...names] of [
    ["watch", "one", "two"],
    ["poll", "one", "two"],
  ] as const) {
    it(`come to one that acts, and the other says so; it steps in when that is gone (${observe})`, async () => {
      const { time, api, elector } = bench();
      const networks = names.map(() => cable());
      const one = elector("node-1", { observe, network: networks[0]! });
      one.setCandidate(true);
      await time.run(5_100);
      const two = elector("node-1", { observe, network: networks[1]! });
      two.setCandidate(true);
      // It adopts the Lease as an earlier run's; the other learns of it at its next renewal at the latest.
      await time.run(4_000);
      const both = [one, two];
      const check = (): void => {
        expect(both.filter((it) => it.view.isHolder).length).toBeLessThanOrEqual(1);
        expect(both.filter((it) => it.view.isUsurped)).toHaveLength(1);
      };
      await time.run(60_000, check);
      const [acting, waiting] = one.view.isHolder ? [0, 1] : [1, 0];
      networks[acting]!.cut = true;
      await time.run(25_000);
      expect(both.map((it) => it.view.isHolder)).toEqual(acting === 0 ? [false, true] : [true, false]);
      await Promise.all([both[waiting]!.stop(), time.run(5_000)]);
      expect(api.holder).toBe(null);
    });
  }
});

describe("two electors", () => {
  it("hand over within two round trips when the holder stands down", async () => {
    const { time, elector } = bench();
    const one = elector("node-1");
    one.setCandidate(true);
    await time.run(1_000);
    const two = elector("node-2");
    two.setCandidate(true);
    await time.run(5_000);
    one.setCandidate(false);
    await time.run(10);
    expect([one.view.isHolder, two.view.isHolder]).toEqual([false, true]);
  });

  for (const seed of Array.from({ length: 60 }, (_, i) => i + 1)) {
    it(`never both act, and one does once the network is good again (seed=${seed})`, async () => {
      const { time, api, elector } = bench(seed);
      const entropy = seeded(seed * 7919);
      const networks = Array.from({ length: 3 }, () => {
        const bad = badNetwork(entropy);
        return { good: false, delay: () => (networks[0]!.good ? 2 : bad.delay()) };
      });
      let wall = 0;
      const electors = networks.map((network, i) =>
        elector(`node-${i}`, {
          network,
          wall: () => wall,
          observe: entropy.fraction() < 0.3 ? "poll" : "watch",
          // Not all nodes are configured alike while a cluster changes over.
          ...(entropy.fraction() < 0.3
            ? { leaseDurationSeconds: 5, renewDeadlineSeconds: 3, retryPeriodSeconds: 1 }
            : {}),
        }),
      );
      for (const one of electors) one.setCandidate(true);
      const check = (): void => {
        expect(electors.some((one) => one.view.isUsurped)).toBe(false);
        const acting = electors.filter((one) => one.view.isHolder).length;
        expect(acting, `at ${time.now}\n${api.history.slice(-20).join("\n")}`).toBeLessThanOrEqual(1);
      };
      for (let round = 0; round < 60; round++) {
        await time.run(1 + 4_000 * entropy.fraction(), check);
        const draw = entropy.fraction();
        const someone = electors[Math.floor(entropy.fraction() * electors.length)]!;
        if (draw < 0.3) someone.setCandidate(entropy.fraction() < 0.7);
        else if (draw < 0.4) api.dropWatches();
        else if (draw < 0.5) wall = (entropy.fraction() - 0.5) * 1e9;
      }
      for (const one of electors) one.setCandidate(true);
      for (const network of networks) network.good = true;
      await time.run(40_000, check);
      expect(electors.filter((one) => one.view.isHolder)).toHaveLength(1);
      await Promise.race([Promise.all(electors.map((one) => one.stop())), time.run(20_000, check)]);
      expect(api.holder).toBe(null);
    });
  }
});
