import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { stringify } from "yaml";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { VirtualNetwork } from "../../test/support/virtual-network.ts";
import { seeded, VirtualTime } from "../../test/support/virtual-time.ts";
import { ip, type Ipv4 } from "../addr/ip.ts";
import { type PeerConfig, Speaker } from "../bgp/session/speaker.ts";
import { summarizeOpen } from "../bgp/session/describe-open.ts";
import { Asn } from "../bgp/wire/asn.ts";
import { loadSettings } from "../config/load.ts";
import type { NodeMarks } from "../config/settings.ts";
import type { KernelNetwork } from "../ports/network.ts";
import { BgpRuntime } from "./bgp.ts";
import { RestartNoteFile } from "./restart-note.ts";

const US = ip("10.0.0.5");
const DEV = { index: 2, name: "eth1", up: true, loopback: false, mac: null };
const OWN = { interfaceIndex: 2, address: US, prefixLength: 24, owned: false, tentative: false };

let folder: string;
let time: VirtualTime;
let network: VirtualNetwork;
let lines: Record<string, unknown>[];
let addresses: object[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vipcast-bgp-node-"));
  time = new VirtualTime();
  network = new VirtualNetwork(time, seeded(1));
  [lines, addresses] = [[], [OWN]];
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A router of AS 65001 that takes a session of any AS with the node. */
async function router(address: string, change: Partial<PeerConfig> = {}): Promise<Speaker> {
  const speaker = new Speaker(
    {
      ...{ clock: time, entropy: seeded(2), dialer: network.dialer(ip(address)), log: pino({ level: "silent" }) },
      localAddresses: () => [],
    },
    { localAsn: Asn.of(65_001), routerId: ip(address) as Ipv4 },
  );
  await speaker.listen(network.listener, { address: ip(address), port: 179 });
  speaker.setPeers([
    {
      ...{ name: "node", address: US, port: 179, asn: "external", passive: true, ttl: 1, holdTimeSeconds: 9 },
      ...{ connectRetrySeconds: 5, families: ["ipv4-unicast"] },
      ...change,
    },
  ]);
  return speaker;
}
const seenBy = (of: Speaker) => of.peers()[0]!;

async function daemon(bgp: object): Promise<BgpRuntime> {
  const text = stringify({ mode: "bgp", services: { enabled: true }, bgp });
  const loaded = loadSettings({ flags: {}, env: {}, file: { path: "f.yaml", text } });
  if ("errors" in loaded) throw new Error(JSON.stringify(loaded.errors));
  const runtime = new BgpRuntime({
    settings: loaded.settings.bgp!,
    ...{ clock: time, entropy: seeded(3), dialer: network.dialer(US), listener: network.listener },
    log: pino({}, { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) }),
    network: { links: () => [DEV], addresses: () => addresses } as unknown as KernelNetwork,
    routerSegments: { open: () => ({ send: () => undefined, close: () => undefined }) },
    secrets: {
      ...{ environment: {}, namespace: "" },
      watchSecret: () => ({ data: null, error: null, synced: false, close: () => undefined }),
    },
    note: new RestartNoteFile(join(folder, "s.sock")),
    hasLastingRoutes: true,
  });
  await runtime.open();
  runtime.speaker.setRoutes(new Map());
  return runtime;
}
const labelled = (labels: NodeMarks["labels"]): NodeMarks => ({ labels, annotations: {} });
const annotated = (annotations: NodeMarks["annotations"]): NodeMarks => ({ labels: {}, annotations });
const up = (...routers: readonly Speaker[]): void =>
  time.runUntil(() => routers.every((it) => seenBy(it).state === "established"));
const down = (of: Speaker): void => time.runUntil(() => seenBy(of).state !== "established");
const namesOf = (of: BgpRuntime): string[] => of.speaker.peers().map(({ name }) => name);

describe("peers with node selectors", () => {
  const BGP = {
    localAs: 65010,
    peers: [
      { name: "all", address: "10.0.0.1", as: 65001 },
      { name: "a", address: "10.0.0.2", as: 65001, nodeSelector: { rack: "a" } },
    ],
  };

  it("A14: appear and end with the labels of the node, and no other session is touched", async () => {
    const [all, a] = [await router("10.0.0.1"), await router("10.0.0.2")];
    const bgp = await daemon(BGP);
    bgp.setNode(labelled({}));
    up(all);
    expect(namesOf(bgp)).toEqual(["all"]);
    bgp.setNode(labelled({ rack: "a" }));
    up(a);
    bgp.setNode(labelled({ rack: "b" }));
    down(a);
    expect(seenBy(a).lastError!.message).toBe("Cease: Peer De-configured");
    expect(namesOf(bgp)).toEqual(["all"]);
    time.advance(30_000);
    expect([seenBy(all).establishedCount, seenBy(a).establishedCount]).toEqual([1, 1]);
    expect(seenBy(all).state).toBe("established");
    const said = lines.filter(({ event }) => event === "bgp.node").map(({ peers }) => peers);
    expect(said).toEqual([["all"], ["all", "a"], ["all"]]);
  });

  it("wait for the labels alone, with a reason, and are as they were when the Node is gone", async () => {
    const [all, a] = [await router("10.0.0.1"), await router("10.0.0.2")];
    const bgp = await daemon(BGP);
    up(all);
    time.advance(10_000);
    const waiting = bgp.speaker.peers().find(({ name }) => name === "a")!;
    expect(waiting).toMatchObject({ withheld: expect.stringMatching(/labels of its Node are not known/) as unknown });
    expect([seenBy(a).establishedCount, bgp.troubles]).toEqual([0, []]);
    bgp.setNode(labelled({ rack: "a" }));
    up(all, a);
    bgp.setNode(null);
    time.advance(10_000);
    expect([seenBy(all).establishedCount, seenBy(a).establishedCount]).toEqual([1, 1]);
  });

  it("tell their routers of a restart as the others do, though the labels come later", async () => {
    const bgp = { ...BGP, gracefulRestart: { enabled: true, restartTimeSeconds: 60, keepOnStop: true } };
    const gracefulRestart = { restartTimeSeconds: 60, helper: true, longLivedSecondsMax: 0 };
    const [all, a] = [await router("10.0.0.1", { gracefulRestart }), await router("10.0.0.2", { gracefulRestart })];
    const first = await daemon(bgp);
    first.setNode(labelled({ rack: "a" }));
    up(all, a);
    await time.settle(first.stop("", { keepRoutes: true }));
    const second = await daemon(bgp);
    expect(second.isResumed).toBe(true);
    time.advance(3_000);
    second.setNode(labelled({ rack: "a" }));
    up(all, a);
    const isRestart = (of: Speaker): boolean =>
      summarizeOpen(seenBy(of).messages.received.lastOpen!).capabilities.some((it) => it.includes("60s restarting"));
    expect([isRestart(all), isRestart(a)]).toEqual([true, true]);
  });

  it("are watched by BFD only where they are", async () => {
    const bgp = await daemon({ ...BGP, bfd: { enabled: true } });
    const told: string[][] = [];
    bgp.onPeers(({ peers }) => told.push(peers.map(({ name }) => name)));
    bgp.setNode(labelled({ rack: "a" }));
    bgp.setNode(labelled({ rack: "a" }));
    bgp.setNode(labelled({}));
    expect(told).toEqual([["all"], ["all", "a"], ["all"]]);
  });
});

describe("the AS of a node", () => {
  it("A14: is that of its labels, and a node that gets another one begins its sessions anew with it", async () => {
    const one = await router("10.0.0.1");
    const bgp = await daemon({
      localAsOnNodes: [
        { nodeSelector: { rack: "a" }, localAs: 65010 },
        { nodeSelector: { rack: "b" }, localAs: 65020 },
      ],
      peers: [{ address: "10.0.0.1", as: 65001 }],
    });
    time.advance(10_000);
    expect([seenBy(one).establishedCount, bgp.troubles]).toEqual([0, [expect.stringMatching(/AS depends on labels/)]]);
    bgp.setNode(labelled({ rack: "a" }));
    up(one);
    expect([seenBy(one).asn, bgp.troubles]).toEqual([65010, []]);
    bgp.setNode(labelled({ rack: "b" }));
    time.runUntil(() => seenBy(one).asn === 65020);
    expect(seenBy(one).lastError!.message).toBe("Cease: Other Configuration Change");
    bgp.setNode(labelled({ rack: "b", other: "label" }));
    time.advance(10_000);
    expect(seenBy(one).establishedCount).toBe(2);
  });

  it("is part of what a restart goes on with", async () => {
    const config = {
      localAsOnNodes: [{ nodeSelector: { rack: "a" }, localAs: 65010 }],
      peers: [{ address: "10.0.0.1", as: 65001 }],
      gracefulRestart: { enabled: true, keepOnStop: true },
    };
    const restarts = async (labels: NodeMarks["labels"]): Promise<boolean> => {
      const bgp = await daemon(config);
      bgp.setNode(labelled(labels));
      const { isResumed } = bgp;
      await time.settle(bgp.stop("", { keepRoutes: true }));
      return isResumed;
    };
    expect(await restarts({ rack: "a" })).toBe(false);
    // Stopped before the Node was known: nothing was begun that the next one could go on with, and nothing forgotten.
    await time.settle((await daemon(config)).stop("", { keepRoutes: false }));
    expect(await restarts({ rack: "a" })).toBe(true);
    expect(await restarts({ rack: "b" })).toBe(false);
  });

  it("does not take the addresses that this process has set for those of the one before", async () => {
    const bgp = await daemon({
      localAsOnNodes: [{ nodeSelector: { rack: "a" }, localAs: 65010 }],
      peers: [{ address: "10.0.0.1", as: 65001 }],
      gracefulRestart: { enabled: true, keepOnStop: true },
    });
    addresses.push({ ...OWN, address: ip("198.51.100.7"), owned: true });
    bgp.setNode(labelled({ rack: "a" }));
    expect(bgp.isResumed).toBe(false);
  });
});

describe("peers in annotations of the Node", () => {
  const P = "example.com";
  const GOOD = { [`${P}/node-asn`]: "65010", [`${P}/src-ip`]: "10.0.0.5", [`${P}/peer-asn`]: "65001" };
  const listed = (...addresses: readonly string[]) => annotated({ ...GOOD, [`${P}/peer-ip`]: addresses.join(",") });

  it("are waited for, and then followed: only the peers that change are touched", async () => {
    const [one, two] = [await router("10.0.0.1"), await router("10.0.0.2")];
    const bgp = await daemon({ annotationPrefix: P });
    bgp.setNode(annotated(GOOD));
    time.advance(10_000);
    expect([namesOf(bgp), bgp.troubles]).toEqual([[], [expect.stringMatching(/lacks example\.com\/peer-ip/)]]);
    bgp.setNode(listed("10.0.0.1"));
    up(one);
    expect(seenBy(one)).toMatchObject({ asn: 65010, remote: { identifier: "10.0.0.5" } });
    bgp.setNode(listed("10.0.0.1", "10.0.0.2"));
    up(two);
    bgp.setNode(listed("10.0.0.2"));
    down(one);
    expect(seenBy(one).lastError!.message).toBe("Cease: Peer De-configured");
    expect([seenBy(two).establishedCount, bgp.troubles]).toEqual([1, []]);
    bgp.setNode(annotated({}));
    down(two);
    expect(namesOf(bgp)).toEqual([]);
  });

  it("that are wrong cost no session, are logged once, and are told until they are right", async () => {
    const one = await router("10.0.0.1");
    const bgp = await daemon({ annotationPrefix: P });
    bgp.setNode(listed("10.0.0.1"));
    up(one);
    const wrong = { ...listed("10.0.0.1").annotations, [`${P}/node-asn`]: "x" };
    bgp.setNode(annotated(wrong));
    bgp.setNode(annotated({ ...wrong, "other.example/annotation": "" }));
    time.advance(10_000);
    const sentence = "annotation example.com/node-asn must be an AS number; what it said before is kept";
    expect(bgp.troubles).toEqual([sentence]);
    expect(lines.filter(({ event }) => event === "bgp.node.wrong").map(({ msg }) => msg)).toEqual([sentence]);
    expect(seenBy(one)).toMatchObject({ state: "established", establishedCount: 1 });
    bgp.setNode(listed("10.0.0.1"));
    expect(bgp.troubles).toEqual([]);
  });

  it("that give another AS or source address end all sessions for it, with a Cease", async () => {
    const one = await router("10.0.0.1");
    const bgp = await daemon({ annotationPrefix: P });
    bgp.setNode(listed("10.0.0.1"));
    up(one);
    bgp.setNode(annotated({ ...listed("10.0.0.1").annotations, [`${P}/node-asn`]: "65020" }));
    time.runUntil(() => seenBy(one).asn === 65020);
    expect(seenBy(one)).toMatchObject({
      establishedCount: 2,
      lastError: { message: "Cease: Other Configuration Change" },
    });
  });
});
