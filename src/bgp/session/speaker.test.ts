import { describe, expect, it } from "vitest";
import { rack } from "./test-support.ts";
import { hostPrefix } from "../../addr/prefix.ts";
import { ip } from "../../addr/ip.ts";

const VIP = hostPrefix(ip("198.51.100.7"));
const VIP6 = hostPrefix(ip("2001:db8:7::1"));

describe("two speakers", () => {
  it("exchange the routes of both families", () => {
    const net = rack();
    net.a.setRoutes(
      new Map([
        [VIP, { communities: [1, 2] }],
        [VIP6, {}],
      ]),
    );
    net.b.setRoutes(new Map());
    net.up();
    net.time.runUntil(() => net.b.received().get("a")!.size === 2);
    expect([...net.b.received().get("a")!.values()]).toMatchObject([
      { prefix: VIP, nextHop: "10.0.0.1", asPath: [65_001], communities: [1, 2], unusable: null },
      { prefix: VIP6, nextHop: "2001:db8::1", asPath: [65_001], unusable: null },
    ]);
    expect(net.a.peers()[0]).toMatchObject({
      state: "established",
      prefixesSent: 2,
      notAnnounced: [],
      holdTimeSeconds: 9,
    });
  });
});
