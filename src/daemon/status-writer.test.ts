import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../test/support/virtual-clock.ts";
import { ip } from "../addr/ip.ts";
import { KubeUnreachable } from "../kube/client.ts";
import { type IngressFact, serviceFact, type ServiceFact } from "../vip/facts.ts";
import { saysAlready } from "../vip/ingress.ts";
import type { StatusPlan } from "../vip/plan.ts";
import { StatusWriter } from "./status-writer.ts";

const VIP = ip("10.0.0.100");
const ports = [{ port: 80, protocol: "TCP" }];
const right: IngressFact[] = [{ address: VIP, ports }];

const service = (name: string, ingress: readonly IngressFact[] = []): ServiceFact => ({
  ...serviceFact({ metadata: { namespace: "default", name }, spec: { type: "LoadBalancer" } }),
  ingress,
});
const wanted = (name = "web", ingress: readonly IngressFact[] = [], addresses = [VIP]): StatusPlan => {
  const wish = { service: service(name, ingress), addresses, ports, vipHost: null };
  return { ...wish, isWritten: saysAlready(wish) };
};

const settled = (): Promise<void> => new Promise((done) => setImmediate(done));

/** A writer whose writes are written down, and fail with `failure` while there is one. */
function rack(rank = 0) {
  const clock = new VirtualClock();
  const lines: string[] = [];
  const writes: string[] = [];
  let failure: Error | null = null;
  const api = {
    async writeIngress(_: string, name: string): Promise<void> {
      writes.push(name);
      if (failure) throw failure;
    },
    async writeVipHost(): Promise<void> {},
  };
  const log = pino({ level: "debug" }, { write: (line: string) => void lines.push(line) });
  const writer = new StatusWriter({ api, clock, entropy: { fraction: () => 0 }, log, rankOf: () => rank });
  return {
    writes,
    lines,
    fail: (error: Error | null) => (failure = error),
    async want(...statuses: StatusPlan[]): Promise<void> {
      writer.want(statuses);
      await settled();
    },
    async advance(millis: number): Promise<void> {
      for (let passed = 0; passed < millis; passed += 100) {
        clock.advance(100);
        await settled();
      }
    },
  };
}

describe("the writer of Service status", () => {
  it("does not write again while the watch lags behind what it wrote", async () => {
    const node = rack();
    for (let plans = 0; plans < 5; plans++) await node.want(wanted());
    await node.want(wanted("web", right));
    expect(node.writes).toEqual(["web"]);
  });

  it("writes at once when the Service asks for something else", async () => {
    const node = rack();
    await node.want(wanted());
    await node.want(wanted("web", right, [ip("10.0.0.101")]));
    expect(node.writes).toEqual(["web", "web"]);
  });

  it("puts a status back that somebody cleared later", async () => {
    const node = rack();
    await node.want(wanted());
    await node.want(wanted("web", right));
    await node.advance(10_000);
    await node.want(wanted());
    expect(node.writes).toEqual(["web", "web"]);
  });

  it("leaves a status alone that spells the same address another way", async () => {
    const node = rack();
    const spelled = [{ address: "FD00:0::1", ports }];
    await node.want(wanted("web", spelled, [ip("fd00::1")]));
    expect(node.writes).toEqual([]);
  });

  it("against another writer that always changes it back writes ever more rarely", async () => {
    const node = rack();
    for (let seconds = 0; seconds < 600; seconds++) {
      await node.want(wanted("web", right));
      await node.want(wanted("web", [{ address: VIP, ports: [] }]));
      await node.advance(1_000);
    }
    expect(node.writes.length).toBeLessThanOrEqual(8);
  });

  it("costs the other Services nothing when one is refused", async () => {
    const node = rack();
    node.fail(new Error("denied the request"));
    await node.want(wanted("a"), wanted("b"));
    expect(node.writes).toEqual(["a", "b"]);
    node.fail(null);
    await node.advance(1_000);
    expect(node.writes).toEqual(["a", "b", "a", "b"]);
  });

  it("while the API server is away asks with one Service at a time, says so once, and writes all when it is back", async () => {
    const node = rack();
    const all = Array.from({ length: 100 }, (_, number) => wanted(`s${number}`));
    node.fail(new KubeUnreachable("connect ECONNREFUSED"));
    await node.want(...all);
    await node.advance(60_000);
    expect(node.writes.length).toBeLessThan(15);
    expect(node.lines).toHaveLength(1);
    node.fail(null);
    node.writes.splice(0);
    await node.advance(31_000);
    expect(new Set(node.writes).size).toBe(100);
  });

  it("logs a refusal again only when its reason is another", async () => {
    const node = rack();
    node.fail(new Error("denied the request"));
    await node.want(wanted());
    await node.advance(60_000);
    expect(node.lines).toHaveLength(1);
    node.fail(new Error("too many requests"));
    await node.advance(60_000);
    expect(node.lines).toHaveLength(2);
  });

  it("looks at each of many Services a few times, not once for every write", async () => {
    const node = rack();
    let looks = 0;
    const all = Array.from({ length: 500 }, (_, number) => {
      const { service: fact, ...rest } = wanted(`s${number}`);
      return {
        ...rest,
        get service() {
          looks += 1;
          return fact;
        },
      };
    });
    await node.want(...all);
    expect(node.writes).toHaveLength(500);
    expect(looks).toBeLessThan(500 * 20);
  });

  it("waits for the nodes that come before it, and writes what none of them has written", async () => {
    const node = rack(2);
    await node.want(wanted());
    await node.advance(1_900);
    // Asked for in every plan: that is no new wish.
    await node.want(wanted());
    expect(node.writes).toEqual([]);
    await node.advance(200);
    expect(node.writes).toEqual(["web"]);
    const late = rack(2);
    await late.want(wanted());
    await late.want(wanted("web", right));
    await late.advance(10_000);
    expect(late.writes).toEqual([]);
  });

  it("of two daemons that disagree, each writes ever more rarely", async () => {
    const clock = new VirtualClock();
    const other: IngressFact[] = [{ address: ip("10.0.0.101"), ports }];
    let [ingress, writes]: [readonly IngressFact[], number] = [[], 0];
    const writers = [right, other].map((own) => {
      const api = {
        async writeIngress(): Promise<void> {
          [ingress, writes] = [own, writes + 1];
        },
        async writeVipHost(): Promise<void> {},
      };
      const log = pino({ level: "silent" });
      const addresses = own.map(({ address }) => ip(address));
      const writer = new StatusWriter({ api, clock, entropy: { fraction: () => 0 }, log, rankOf: () => 0 });
      return () => writer.want([wanted("web", ingress, addresses)]);
    });
    const counts: number[] = [];
    for (let minute = 0; minute < 60; minute++) {
      const before = writes;
      for (let second = 0; second < 60; second++) {
        for (const plan of writers) plan();
        await settled();
        clock.advance(1_000);
        await settled();
      }
      counts.push(writes - before);
    }
    expect(counts[0]).toBeLessThan(20);
    expect(counts.slice(30).reduce((a, b) => a + b)).toBeLessThan(30);
  });
});
