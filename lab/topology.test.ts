import { describe, expect, it } from "vitest";
import { linksOf, nodesOf, rackTopology, VIPS } from "./topology.ts";

for (const clientOnLan of [false, true]) {
  describe(`the rack with the client ${clientOnLan ? "on the LAN" : "behind the router"}`, () => {
    const topology = rackTopology({ clientOnLan });

    it("no address and no end of a link exists twice", () => {
      const addresses = topology.hosts.flatMap((host) =>
        host.interfaces.flatMap(({ address }) => [address.v4, address.v6]),
      );
      const vips = Object.values(VIPS).flatMap(({ v4, v6 }) => [v4, v6]);
      const all: string[] = [...addresses, ...vips];
      expect(new Set(all).size).toBe(all.length);
      const ends = linksOf(topology).flatMap((pair) => pair.map(({ host, name }) => `${host}:${name}`));
      expect(new Set(ends).size).toBe(ends.length);
    });

    it("interface names fit the kernel's fifteen characters", () => {
      for (const { name } of linksOf(topology).flat()) expect(name.length).toBeLessThanOrEqual(15);
    });

    it("default gateways are the router's addresses in a segment that the host is in", () => {
      const router = topology.hosts.find(({ role }) => role === "router")!;
      for (const host of topology.hosts.filter(({ defaultGateway }) => defaultGateway !== null)) {
        const shared = router.interfaces.filter(({ segment }) =>
          host.interfaces.some((one) => one.segment === segment),
        );
        expect(shared.map(({ address }) => address)).toContainEqual(host.defaultGateway);
      }
    });

    it("every node is on the LAN and on the management network, which the router is not", () => {
      for (const node of nodesOf(topology)) {
        expect(node.interfaces.map(({ segment }) => segment)).toEqual(["lan", "mgmt"]);
      }
      const router = topology.hosts.find(({ role }) => role === "router")!;
      expect(router.interfaces.map(({ segment }) => segment)).not.toContain("mgmt");
    });
  });
}
