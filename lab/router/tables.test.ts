import { describe, expect, it } from "vitest";
import { birdConfig, parseBirdTable } from "./bird.ts";
import { parseKernelRoutes } from "./driver.ts";
import { birdNodeConfig, frrNodeConfig } from "./node-routing.ts";
import { frrConfig, parseFrrTable } from "./frr.ts";

describe("tables as routers print them", () => {
  it("birdc: next hops of one prefix are gathered, best or not", () => {
    const text = `BIRD 2.0.12 ready.
Table master4:
10.40.0.1/32         unicast [nodes4_1 02:10:11.123] * (100) [AS65001i]
	via 10.10.0.11 on eth1
                     unicast [nodes4_2 02:10:11.456] (100) [AS65001i]
	via 10.10.0.12 on eth1

Table master6:
fd40::1/128          unicast [nodes6_1 02:10:11.123] * (100) [AS65001i]
	via fd10::11 on eth1
`;
    expect([...parseBirdTable(text)]).toEqual([
      ["10.40.0.1/32", ["10.10.0.11", "10.10.0.12"]],
      ["fd40::1/128", ["fd10::11"]],
    ]);
    expect([...parseBirdTable("BIRD 2.0.12 ready.\n")]).toEqual([]);
  });

  it("vtysh: only the best path and its multipath companions count, by their global next hop", () => {
    const path = (ip: string, flags: object): object => ({
      valid: true,
      ...flags,
      nexthops: [
        { ip: "fe80::1", scope: "link-local", used: true },
        { ip, scope: "global" },
      ],
    });
    const json = JSON.stringify({
      routes: {
        "fd40::1/128": [
          path("fd10::11", { bestpath: true }),
          path("fd10::12", { multipath: true }),
          path("fd10::13", {}),
        ],
      },
    });
    expect([...parseFrrTable(json)]).toEqual([["fd40::1/128", ["fd10::11", "fd10::12"]]]);
    expect([...parseFrrTable("{}")]).toEqual([]);
  });

  it("the kernel: host routes only, with one next hop or several, of either family", () => {
    const json = JSON.stringify([
      { dst: "default", gateway: "10.10.0.1" },
      { dst: "10.10.0.0/24", dev: "eth1", protocol: "kernel" },
      { dst: "10.40.0.1", protocol: "bgp", nexthops: [{ gateway: "10.10.0.11" }, { gateway: "10.10.0.12" }] },
      { dst: "10.40.0.10", protocol: "bgp", gateway: "10.10.0.11" },
      { dst: "10.40.0.11", protocol: "bgp", via: { family: "inet6", host: "fe80::1" } },
    ]);
    expect([...parseKernelRoutes(json, "/32")]).toEqual([
      ["10.40.0.1/32", ["10.10.0.11", "10.10.0.12"]],
      ["10.40.0.10/32", ["10.10.0.11"]],
      ["10.40.0.11/32", ["fe80::1"]],
    ]);
    expect([...parseKernelRoutes("", "/128")]).toEqual([]);
  });
});

describe("configurations", () => {
  it("both routers take sessions of both families from the whole LAN, with a hold time of 3 s and equal paths", () => {
    expect(frrConfig()).toContain("bgp listen range 10.10.0.0/24");
    expect(frrConfig()).toContain("bgp listen range fd10::/64");
    expect(frrConfig()).toContain("timers 1 3");
    expect(frrConfig().match(/maximum-paths 8/g)).toHaveLength(2);
    expect(birdConfig()).toContain("neighbor range 10.10.0.0/24 as 65001");
    expect(birdConfig()).toContain("neighbor range fd10::/64 as 65001");
    expect(birdConfig().match(/hold time 3; keepalive time 1;/g)).toHaveLength(2);
    expect(birdConfig().match(/merge paths yes/g)).toHaveLength(2);
  });

  it("the nodes' own read the VIPs' table, and announce what is in it to the router", () => {
    const address = { v4: "10.10.0.11", v6: "fd10::11" };
    expect(birdNodeConfig(address).match(/kernel table 198; learn;/g)).toHaveLength(2);
    expect(birdNodeConfig(address).match(/krt_source = 248/g)).toHaveLength(2);
    expect(frrNodeConfig(address)).toContain("ip import-table 198");
    expect(frrNodeConfig(address)).toContain("redistribute table 198");
    expect(frrNodeConfig(address).match(/redistribute kernel route-map/g)).toHaveLength(2);
  });

  it("a password, BFD and help with restarts are there when a scenario asks for them, and only then", () => {
    for (const plain of [frrConfig(), birdConfig()]) {
      for (const word of ["password", "bfd", "10.10.0.11"]) expect(plain).not.toContain(word);
    }
    expect(frrConfig({ password: "s3cret" })).toContain("neighbor NODES password s3cret");
    expect(birdConfig({ password: "s3cret" }).match(/password "s3cret";/g)).toHaveLength(2);
    expect(frrConfig({ bfd: true })).toContain("detect-multiplier 3");
    expect(birdConfig({ bfd: true })).toContain("min rx interval 50 ms; min tx interval 50 ms; multiplier 3;");
    // Sessions that are made for whoever comes would be forgotten with their routes.
    expect(frrConfig({ gracefulRestart: true })).not.toContain("listen range");
    expect(frrConfig({ gracefulRestart: true }).match(/ peer-group NODES$/gm)).toHaveLength(6);
    expect(birdConfig({ gracefulRestart: true })).not.toContain("neighbor range");
    expect(birdConfig({ gracefulRestart: true }).match(/passive on;/g)).toHaveLength(6);
  });
});
