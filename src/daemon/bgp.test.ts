import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { stringify } from "yaml";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { routerFrame } from "../../test/support/router-frame.ts";
import { VirtualClock } from "../../test/support/virtual-clock.ts";
import { ip } from "../addr/ip.ts";
import { macFromBytes } from "../addr/mac.ts";
import { loadSettings } from "../config/load.ts";
import type { BgpSettings } from "../config/settings.ts";
import { encodeRouterAdvertisement } from "../l2/wire/router-advertisement.ts";
import type { InterfaceAddress, KernelNetwork, Link } from "../ports/network.ts";
import type { DialOptions } from "../ports/stream.ts";
import type { ForeignSocket } from "../ports/tcp-table.ts";
import { BgpRuntime } from "./bgp.ts";
import { RestartNoteFile } from "./restart-note.ts";

const MAC = macFromBytes(Uint8Array.of(2, 0, 0, 0, 0, 1));
const ROUTER_MAC = macFromBytes(Uint8Array.of(2, 0, 0, 0, 0, 9));

let folder: string;
let clock: VirtualClock;
let links: Link[];
let addresses: InterfaceAddress[];
let dials: DialOptions[];
let lines: Record<string, unknown>[];
let foreign: ForeignSocket[];
const ears = new Map<number, (frame: Uint8Array) => void>();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vipcast-bgp-"));
  clock = new VirtualClock();
  [dials, lines, foreign] = [[], [], []];
  ears.clear();
  links = [{ index: 2, name: "eth1", up: true, loopback: false, mac: MAC }];
  addresses = [
    { interfaceIndex: 2, address: ip("10.0.0.5"), prefixLength: 24, owned: false, tentative: false },
    { interfaceIndex: 2, address: ip("fe80::5"), prefixLength: 64, owned: false, tentative: false },
  ];
});
afterEach(() => rmSync(folder, { recursive: true }));

function settingsOf(bgp: object): BgpSettings {
  const text = stringify({ mode: "bgp", services: { enabled: true }, bgp });
  const loaded = loadSettings({ flags: {}, env: {}, file: { path: "f.yaml", text } });
  if ("errors" in loaded) throw new Error(JSON.stringify(loaded.errors));
  return loaded.settings.bgp!;
}

function runtime(bgp: object, hasLastingRoutes = true): BgpRuntime {
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) });
  return new BgpRuntime({
    settings: settingsOf(bgp),
    clock,
    entropy: { fraction: () => 0.5 },
    log,
    network: { links: () => links, addresses: () => addresses } as unknown as KernelNetwork,
    dialer: {
      dial(options) {
        dials.push(options);
        return () => undefined;
      },
    },
    readForeignSockets: () => foreign,
    listener: { listen: () => Promise.reject(new Error("address already in use")) },
    routerSegments: {
      open(index, onFrame) {
        ears.set(index, onFrame);
        return { send: () => undefined, close: () => void ears.delete(index) };
      },
    },
    secrets: {
      environment: {},
      namespace: "kube-system",
      watchSecret: () => ({ data: null, error: null, synced: false, close: () => undefined }),
    },
    note: new RestartNoteFile(join(folder, "s.sock")),
    hasLastingRoutes,
  });
}

const advertise = (source: string, mac = ROUTER_MAC): void =>
  ears.get(2)?.(routerFrame(encodeRouterAdvertisement(mac), { source }));
const peer = (of: BgpRuntime, name: string) => of.speaker.peers().find((it) => it.name === name)!;

describe("an unnumbered peer", () => {
  const UNNUMBERED = { peers: [{ interface: "eth1", as: "external" }] };

  it("waits for its router, says so, and is dialled on its interface once that is found (UNN-01, UNN-06)", async () => {
    const bgp = runtime(UNNUMBERED);
    await bgp.open();
    clock.advance(60_000);
    expect(peer(bgp, "eth1")).toMatchObject({
      state: "idle",
      asn: "external",
      withheld: "no router has advertised itself on eth1",
      diagnosis: { cause: "router-not-found" },
    });
    expect(dials).toEqual([]);
    advertise("fe80::9");
    clock.advance(1000);
    expect(peer(bgp, "eth1")).toMatchObject({ address: "fe80::9", withheld: null });
    expect(dials[0]).toMatchObject({ remote: { address: "fe80::9", port: 179 }, interfaceName: "eth1", ttl: 1 });
    await bgp.stop("", { keepRoutes: false });
  });

  it("moves to the router's new address, and goes with the interface at once (UNN-07, UNN-10)", async () => {
    const bgp = runtime(UNNUMBERED);
    await bgp.open();
    advertise("fe80::9");
    clock.advance(2000);
    advertise("fe80::8");
    expect(peer(bgp, "eth1").address).toBe("fe80::8");
    links = [{ ...links[0]!, up: false }];
    bgp.kernelChanged();
    expect(peer(bgp, "eth1")).toMatchObject({ state: "idle", withheld: "interface eth1 is down" });
    links = [];
    bgp.kernelChanged();
    expect(peer(bgp, "eth1").withheld).toBe("interface eth1 does not exist");
    links = [{ index: 2, name: "eth1", up: true, loopback: false, mac: MAC }];
    bgp.kernelChanged();
    advertise("fe80::9");
    expect(peer(bgp, "eth1")).toMatchObject({ address: "fe80::9", withheld: null });
    await bgp.stop("", { keepRoutes: false });
    expect(ears.size).toBe(0);
  });

  it("waits for an address of its own that nobody else can have (UNN-02)", async () => {
    addresses = addresses.map((it) => ({ ...it, tentative: true }));
    const bgp = runtime({ ...UNNUMBERED, routerId: "10.0.0.5" });
    await bgp.open();
    expect(ears.size).toBe(0);
    addresses = addresses.map((it) => ({ ...it, tentative: false }));
    bgp.kernelChanged();
    expect(ears.size).toBe(1);
    await bgp.stop("", { keepRoutes: false });
  });
});

describe("passwords", () => {
  it("that are missing keep their peer back, and nobody else; it starts by itself once they are there", async () => {
    const path = join(folder, "key");
    const bgp = runtime({
      peers: [
        { address: "10.0.0.1", as: 1, passwordFile: path },
        { address: "10.0.0.2", as: 1 },
      ],
    });
    await bgp.open();
    clock.advance(1000);
    expect(dials.map(({ remote }) => remote.address)).toEqual(["10.0.0.2"]);
    expect(peer(bgp, "10.0.0.1")).toMatchObject({ state: "idle", withheld: `file ${path}: ENOENT` });
    writeFileSync(path, "one\n", { mode: 0o600 });
    clock.advance(3000);
    expect(dials.filter(({ remote }) => remote.address === "10.0.0.1")).toMatchObject([{ md5Password: "one" }]);
    const before = dials.filter(({ remote }) => remote.address === "10.0.0.2").length;
    writeFileSync(path, "two", { mode: 0o600 });
    clock.advance(3000);
    expect(dials.filter(({ remote }) => remote.address === "10.0.0.1").at(-1)).toMatchObject({ md5Password: "two" });
    expect(dials.filter(({ remote }) => remote.address === "10.0.0.2")).toHaveLength(before);
    await bgp.stop("", { keepRoutes: false });
  });
});

describe("a stop that leaves the routes", () => {
  const GRACEFUL = { peers: ["10.0.0.1:1"], gracefulRestart: { enabled: true, keepOnStop: true } };
  const resumed = (): unknown[] => lines.filter(({ event }) => event === "bgp.resumed").map(({ noted }) => noted);

  const upgrade = async (): Promise<void> => {
    const bgp = runtime(GRACEFUL);
    await bgp.open();
    lines = [];
    await bgp.stop("upgrade", { keepRoutes: true });
  };

  it("is told to the next start, while routers keep them (BGP-4724-P-01, ROB-10)", async () => {
    await upgrade();
    runtime(GRACEFUL);
    expect(resumed()).toEqual([true]);
    await upgrade();
    clock.advance(120_000);
    runtime(GRACEFUL);
    expect(resumed()).toEqual([]);
  });

  it("is told once: a start that is no restart leaves nothing behind, nor does a stop that withdraws", async () => {
    await upgrade();
    const next = runtime(GRACEFUL);
    await next.open();
    await next.stop("drain", { keepRoutes: false });
    lines = [];
    runtime(GRACEFUL);
    expect(resumed()).toEqual([]);
  });

  it("means nothing to another AS or router id, or without graceful restart", async () => {
    for (const other of [
      { ...GRACEFUL, localAs: 7 },
      { ...GRACEFUL, routerId: "10.9.9.9" },
      { peers: GRACEFUL.peers },
    ]) {
      await upgrade();
      runtime(other);
    }
    expect(resumed()).toEqual([]);
  });

  it("is like being killed, which is told even where no address is left (BGP-4724-4.1-01)", async () => {
    await runtime(GRACEFUL).open();
    clock.advance(3_600_000);
    runtime(GRACEFUL);
    expect(resumed()).toEqual([true]);
  });

  it("is nothing to go on from where an election decides about every route", async () => {
    await runtime(GRACEFUL, false).open();
    addresses.push({ interfaceIndex: 1, address: ip("10.9.9.9"), prefixLength: 32, owned: true, tentative: false });
    runtime(GRACEFUL, false);
    expect(resumed()).toEqual([]);
  });

  it("does not lose its note to a start that comes to nothing", async () => {
    await runtime(GRACEFUL).open();
    await runtime(GRACEFUL).stop("could not start", { keepRoutes: false });
    lines = [];
    runtime(GRACEFUL);
    expect(resumed()).toEqual([true]);
  });

  it("need not be told where addresses of a killed process are still there", () => {
    addresses.push({ interfaceIndex: 1, address: ip("10.9.9.9"), prefixLength: 32, owned: true, tentative: false });
    runtime(GRACEFUL);
    expect(resumed()).toEqual([false]);
  });
});

describe("a next hop of an interface", () => {
  it("follows the addresses of that interface", async () => {
    const bgp = runtime({ peers: [{ address: "10.0.0.1", as: 1, nextHop: { interface: "eth1" } }] });
    const given: unknown[] = [];
    const { speaker } = bgp;
    const setPeers = speaker.setPeers.bind(speaker);
    speaker.setPeers = (peers, ranges) => {
      given.push(peers[0]!.nextHop);
      setPeers(peers, ranges);
    };
    await bgp.open();
    addresses = [{ ...addresses[0]!, address: ip("10.0.0.6") }];
    bgp.kernelChanged();
    expect(given).toEqual([{ ipv4: "10.0.0.5" }, { ipv4: "10.0.0.6" }]);
    await bgp.stop("", { keepRoutes: false });
  });
});

describe("listening", () => {
  it("that cannot be had stops the start with a sentence", async () => {
    const bgp = runtime({ peers: ["10.0.0.1:1"], listen: "10.0.0.5:179" });
    await expect(bgp.open()).rejects.toThrow("vipcast_bgp_listen: cannot listen on 10.0.0.5 port 179");
    await bgp.stop("", { keepRoutes: false });
  });
});

describe("another BGP speaker on this node", () => {
  const PEERS = {
    peers: [
      { address: "10.0.0.1", as: 65_000 },
      { address: "10.0.0.2", as: 65_000 },
    ],
  };
  const rival = (remote: string, changed: Partial<ForeignSocket> = {}): ForeignSocket => ({
    state: "connected",
    local: { address: ip("10.0.0.5"), port: 40_000 },
    remote: { address: ip(remote), port: 179 },
    owner: () => "bird (pid 812)",
    ...changed,
  });
  const dialled = () => new Set(dials.map(({ remote }) => remote.address));

  it("M3: is named, and its peer left alone until its session is over; other peers are tried for", async () => {
    foreign = [rival("10.0.0.1")];
    const bgp = runtime(PEERS);
    await bgp.open();
    clock.advance(60_000);
    expect(dialled()).toEqual(new Set(["10.0.0.2"]));
    const problem = "bird (pid 812) on this node has a session with 10.0.0.1 already";
    expect(peer(bgp, "10.0.0.1")).toMatchObject({
      withheld: problem,
      diagnosis: { cause: "another-speaker", problem },
    });
    expect(bgp.troubles).toEqual([problem]);
    expect(lines.filter(({ event }) => event === "bgp.another-speaker")).toHaveLength(1);
    foreign = [];
    clock.advance(10_000);
    expect(dialled()).toEqual(new Set(["10.0.0.1", "10.0.0.2"]));
    expect(bgp.troubles).toEqual([]);
    await bgp.stop("", { keepRoutes: false });
  });

  it("is none where the router can tell the two apart, or nothing is connected", async () => {
    foreign = [
      rival("10.0.0.1", { local: { address: ip("10.0.0.6"), port: 40_000 } }),
      rival("10.0.0.2", { state: "connecting" }),
      rival("10.0.0.2", { remote: { address: ip("10.0.0.2"), port: 443 } }),
    ];
    const bgp = runtime({ peers: [{ ...PEERS.peers[0]!, sourceAddress: "10.0.0.5" }, PEERS.peers[1]!] });
    await bgp.open();
    clock.advance(10_000);
    expect(dialled()).toEqual(new Set(["10.0.0.1", "10.0.0.2"]));
    await bgp.stop("", { keepRoutes: false });
  });

  it("is named where it has the port that is to be listened on", async () => {
    foreign = [rival("0.0.0.0", { state: "listening", local: { address: ip("0.0.0.0"), port: 179 } })];
    const bgp = runtime({ ...PEERS, listen: "0.0.0.0:179" });
    await expect(bgp.open()).rejects.toThrow("cannot listen on 0.0.0.0 port 179, which bird (pid 812) has");
    await bgp.stop("", { keepRoutes: false });
  });
});
