import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NodeUnderTest } from "./support/node-under-test.ts";
import { needsRoot } from "./support/privileges.ts";
import { until } from "./support/until.ts";

const SECRETS = "/api/v1/namespaces/kube-system/secrets";
const base64 = (text: string): string => Buffer.from(text).toString("base64");

describe.runIf(needsRoot === null)("a daemon whose passwords are in Kubernetes", () => {
  let node: NodeUnderTest;

  beforeEach(() => {
    node = new NodeUnderTest();
    node.startApi();
  });
  afterEach(() => node.remove());

  it("keeps back the one peer whose Secret is not there, and connects once it is, without a restart", async () => {
    const peers = [
      { name: "locked", address: "10.0.0.9", as: 65000, passwordSecret: { name: "bgp", key: "tor" } },
      { name: "open", address: "10.0.0.8", as: 65000 },
    ];
    node.ask("POST", SECRETS, { apiVersion: "v1", kind: "Secret", metadata: { name: "other" } });
    node.startDaemon("a", {
      ...{ bgp_enable: "true", bgp_as: "65001", svc_enable: "true", prometheus_server: "off" },
      vipcast_bgp_peers: JSON.stringify(peers),
    });
    await until("the daemon knows the cluster", () => node.log("a").includes('"kube.synced"'), 15_000);
    const withheld = (): Record<string, unknown> => {
      const { peers: all } = JSON.parse(node.cli("a", "status", "-o", "json").stdout) as {
        peers: { name: string; withheld: string | null }[];
      };
      return Object.fromEntries(all.map((peer) => [peer.name, peer.withheld]));
    };
    const missing = "there is no Secret kube-system/bgp";
    await until("the Secret is looked for", () => withheld()["locked"] === missing, 15_000);
    expect(withheld()).toEqual({ locked: missing, open: null });

    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "bgp" }, data: { tor: base64("hunter2\n") } };
    node.ask("POST", SECRETS, secret);
    await until("the peer is tried", () => withheld()["locked"] === null, 15_000);
    node.ask("PATCH", `${SECRETS}/bgp`, { data: { tor: null } });
    const gone = "there is no key tor of Secret kube-system/bgp";
    await until("the peer is kept back again", () => withheld()["locked"] === gone, 15_000);
    expect(withheld()["open"]).toBeNull();
    expect(node.log("a") + node.cli("a", "status", "-o", "json").stdout).not.toContain("hunter2");
  }, 90_000);
});
