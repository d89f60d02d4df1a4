import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { containerlabFile } from "./containerlab.ts";
import { linksOf, rackTopology } from "./topology.ts";

const topology = rackTopology({ clientOnLan: false });
const FILE = new URL("containerlab/vipcast.clab.yml", import.meta.url);

interface File {
  readonly topology: {
    readonly nodes: Record<string, { readonly exec: readonly string[] }>;
    readonly links: readonly { readonly endpoints: readonly string[] }[];
  };
}

describe("the containerlab file", () => {
  it("is what the lab's own description gives: npm run -s lab -- containerlab > lab/containerlab/vipcast.clab.yml", () => {
    expect(readFileSync(FILE, "utf8")).toBe(containerlabFile(topology));
  });

  const { nodes, links } = (parse(containerlabFile(topology)) as File).topology;

  it("has every host of the rack, and its switch", () => {
    expect(Object.keys(nodes).toSorted()).toEqual([...topology.hosts.map(({ name }) => name), "sw"].toSorted());
  });

  it("has every link once, and no interface that containerlab keeps for itself", () => {
    expect(links).toHaveLength(linksOf(topology).length);
    const ends = links.flatMap(({ endpoints }) => endpoints);
    expect(new Set(ends).size).toBe(ends.length);
    expect(ends.filter((end) => end.endsWith(":eth0"))).toEqual([]);
  });

  it("gives every interface its addresses, on an interface that a link makes", () => {
    const ends = new Set(links.flatMap(({ endpoints }) => endpoints));
    for (const host of topology.hosts) {
      for (const { name, address } of host.interfaces) {
        expect(ends).toContain(`${host.name}:${name}`);
        const exec = nodes[host.name]!.exec.join("\n");
        expect(exec).toContain(`ip addr add ${address.v4}/24 dev ${name}`);
        expect(exec).toContain(`ip addr add ${address.v6}/64 dev ${name} nodad`);
      }
    }
  });
});
