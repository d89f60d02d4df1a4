import { describe, expect, it } from "vitest";
import { ip, type Ipv4 } from "../../src/addr/ip.ts";
import { parsePrefix } from "../../src/addr/prefix.ts";
import type { ReceivedRoute } from "../../src/bgp/rib/adj-rib-in.ts";
import { Asn } from "../../src/bgp/wire/asn.ts";
import { type Announced, learnedRoutes } from "./learned-routes.ts";

const VIP = parsePrefix("10.40.0.1/32")!;

const from = (nextHop: string, changes: Partial<ReceivedRoute> = {}): Announced => ({
  peerAddress: ip(nextHop),
  peerIdentifier: ip(nextHop) as Ipv4,
  routes: new Map([
    [
      VIP,
      {
        prefix: VIP,
        nextHop: ip(nextHop),
        asPath: [Asn.of(65_001)],
        origin: 0,
        communities: [],
        preference: 100,
        unusable: null,
        ...changes,
      },
    ],
  ]),
});

describe("the embedded router's table", () => {
  it("equal paths of several peers share a prefix, in the order of their addresses", () => {
    expect([...learnedRoutes([from("10.10.0.12"), from("10.10.0.9"), from("10.10.0.11")])]).toEqual([
      [VIP, ["10.10.0.9", "10.10.0.11", "10.10.0.12"]],
    ]);
  });

  it("two sessions of one node count once", () => {
    expect(learnedRoutes([from("10.10.0.11"), from("10.10.0.11")]).get(VIP)).toEqual(["10.10.0.11"]);
  });

  it("a longer path waits for the shorter ones to go", () => {
    const longer = from("10.10.0.12", { asPath: [Asn.of(65_001), Asn.of(65_001)] });
    expect(learnedRoutes([longer, from("10.10.0.11")]).get(VIP)).toEqual(["10.10.0.11"]);
    expect(learnedRoutes([longer]).get(VIP)).toEqual(["10.10.0.12"]);
  });

  it("a node that is leaving waits for the others to go, too", () => {
    const leaving = from("10.10.0.12", { preference: 0 });
    expect(learnedRoutes([leaving, from("10.10.0.11")]).get(VIP)).toEqual(["10.10.0.11"]);
    expect(learnedRoutes([leaving]).get(VIP)).toEqual(["10.10.0.12"]);
  });

  it("what may not be used is not in the table, and no peers make an empty one", () => {
    expect(learnedRoutes([from("10.10.0.11", { unusable: "next hop is ourselves" })]).size).toBe(0);
    expect(learnedRoutes([]).size).toBe(0);
  });
});
