import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NodeUnderTest } from "./support/node-under-test.ts";
import { needsRoot } from "./support/privileges.ts";
import { until } from "./support/until.ts";

const NODES = "/api/v1/nodes";
const ENVIRONMENT = { bgp_enable: "true", svc_enable: "true", prometheus_server: "off" };

interface Status {
  readonly peers: readonly { readonly name: string; readonly withheld: string | null }[];
  readonly problems: readonly string[];
}

describe.runIf(needsRoot === null)("a daemon whose peers depend on its Node", () => {
  let node: NodeUnderTest;

  beforeEach(() => {
    node = new NodeUnderTest();
    node.startApi();
  });
  afterEach(() => node.remove());

  const create = (name: string, metadata: object): void =>
    node.ask("POST", NODES, { apiVersion: "v1", kind: "Node", metadata: { name, ...metadata } });
  const change = (name: string, metadata: object): void => node.ask("PATCH", `${NODES}/${name}`, { metadata });
  const status = (): Status => JSON.parse(node.cli("a", "status", "-o", "json").stdout) as Status;
  const tried = (): string =>
    status()
      .peers.flatMap(({ name, withheld }) => (withheld === null ? [name] : []))
      .join(" ");
  const has = (peers: string): Promise<void> =>
    until(
      `exactly the peers "${peers}"`,
      () => tried() === peers && status().peers.length === peers.split(" ").length,
      15_000,
    );

  it("A14: follows the labels of its own Node, and of no other", async () => {
    const selected = { address: "10.0.0.9", as: 65000, nodeSelector: { "example.com/rack": "a" } };
    create("n2", { labels: { "example.com/rack": "a" } });
    create("n1", {});
    node.startDaemon("a", {
      ...ENVIRONMENT,
      vipcast_bgp_peers: JSON.stringify([
        { name: "all", address: "10.0.0.8", as: 65000 },
        { name: "tor", ...selected },
        { name: "tor", ...selected, as: 65009, nodeSelector: { "example.com/rack": "b" } },
      ]),
    });
    await until("the daemon knows the cluster", () => node.log("a").includes('"kube.synced"'), 15_000);
    await has("all");
    change("n1", { labels: { "example.com/rack": "b" } });
    await has("all tor");
    expect(node.cli("a", "status").stdout).toMatch(/tor \(10\.0\.0\.9\) +65009/);
    change("n2", { labels: { "example.com/rack": "b" } });
    change("n1", { labels: { "example.com/rack": null } });
    await has("all");
  }, 60_000);

  it("takes them from kube-vip's annotations, waits for these, and says what is wrong with one", async () => {
    create("n1", { annotations: { "example.com/node-asn": "65010" } });
    node.startDaemon("a", { ...ENVIRONMENT, annotation: "example.com" });
    const isTold = (text: string) => (): boolean => status().problems.join().includes(text);
    await until("the daemon knows the cluster", () => node.log("a").includes('"kube.synced"'), 15_000);
    await until(
      "the wait is told",
      isTold("lacks example.com/src-ip, example.com/peer-asn, example.com/peer-ip"),
      15_000,
    );
    expect(status().peers).toEqual([]);
    change("n1", {
      annotations: {
        "example.com/src-ip": "10.0.0.1",
        "example.com/peer-asn": "65000",
        "example.com/peer-ip": "10.0.0.8,10.0.0.9",
        "example.com/bgp-pass": Buffer.from("hunter2").toString("base64"),
      },
    });
    await has("10.0.0.8 10.0.0.9");
    change("n1", { annotations: { "example.com/peer-ip": "10.0.0.8,10.0.0.900" } });
    await until("the wrong one is told", isTold("annotation example.com/peer-ip"), 15_000);
    expect(tried()).toBe("10.0.0.8 10.0.0.9");
    change("n1", { annotations: { "example.com/peer-ip": "10.0.0.8" } });
    await has("10.0.0.8");
    expect(status().problems.join()).not.toContain("annotation");
    expect(node.log("a") + node.cli("a", "status", "-o", "json").stdout).not.toContain("hunter2");
  }, 60_000);
});
