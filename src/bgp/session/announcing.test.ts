import { describe, expect, it } from "vitest";
import { parsePrefix } from "../../addr/prefix.ts";
import { HOSTS, rack } from "./test-support.ts";

const VIP = parsePrefix("10.40.0.10/32")!;
const OTHER = parsePrefix("10.40.0.11/32")!;

describe("routes of our own", () => {
  it("have our end of the session as next hop towards a peer of our AS, too (BGP-4271-5.1.3-03)", () => {
    const { a, b, up, time } = rackUp([65_001, 65_001]);
    up();
    a.setRoutes(new Map([[VIP, {}]]));
    time.runUntil(() => b.received().get("a")!.size > 0);
    expect([...b.received().get("a")!.values()]).toMatchObject([{ prefix: VIP, nextHop: HOSTS.a[0] }]);
  });

  it("are told at once, the last state of each: no interval is waited for, since they do not flap by themselves (BGP-4271-10-05, BGP-4271-10-06)", () => {
    const { a, b, up, time } = rackUp([65_001, 65_002]);
    up();
    a.setRoutes(new Map([[VIP, {}]]));
    time.runUntil(() => b.received().get("a")!.size > 0, 50);
    a.setRoutes(new Map([[OTHER, { med: 1 }]]));
    a.setRoutes(new Map([[OTHER, { med: 2 }]]));
    const settled = (): boolean =>
      [...b.received().get("a")!.values()].map(({ prefix, med }) => `${prefix} ${med}`).join() === `${OTHER} 2`;
    time.runUntil(settled, 50);
    time.advance(40_000);
    expect(settled()).toBe(true);
  });
});

function rackUp(asns: readonly [number, number]) {
  const two = rack({ asns });
  return { ...two, up: (): void => two.up() };
}
