import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../test/support/virtual-clock.ts";
import { ip } from "../addr/ip.ts";
import type { BfdSessionConfig } from "../bfd/session/session-config.ts";
import type { BfdSettings, BgpSettings, PeerSettings } from "../config/settings.ts";
import { type BgpClient, PeerBfd } from "./bfd.ts";
import type { PathChange, PathState } from "./bfd-sessions.ts";

const BFD: BfdSettings = {
  transmitMillis: 50,
  receiveMillis: 50,
  multiplier: 3,
  passive: false,
  minimumTtl: null,
  auth: null,
  strict: false,
  fastTimers: false,
};

type Peer = ReturnType<BgpClient["summaries"]>[number];

const idle = (name: string, address: string): Peer => ({
  name,
  address: ip(address),
  state: "idle",
  localAddress: null,
  remote: null,
});
const established = (
  name: string,
  address: string,
  local: string,
  gracefulRestartSeconds: number | null = null,
): Peer => ({
  name,
  address: ip(address),
  state: "established",
  localAddress: ip(local),
  remote: { identifier: ip("10.9.9.9") as never, fourOctetAs: true, routeRefresh: true, gracefulRestartSeconds },
});

/** As much of the configuration as BFD reads. */
const configured = (
  peers: readonly { readonly name: string; readonly bfd: BfdSettings | null; readonly sourceInterface?: string }[],
  ranges: readonly { readonly name: string; readonly bfd: BfdSettings | null }[] = [],
): Pick<BgpSettings, "peers" | "dynamicNeighbours"> => ({
  peers: peers.map(
    (peer) =>
      ({ sourceAddress: null, sourceInterface: null, gracefulRestart: null, ...peer }) as unknown as PeerSettings,
  ),
  dynamicNeighbours: ranges.map((range) => ({
    gracefulRestart: null,
    ...range,
  })) as unknown as BgpSettings["dynamicNeighbours"],
});

/** The wiring with a speaker and sessions that the test plays. */
class Played {
  readonly clock = new VirtualClock();
  peers: readonly Peer[] = [];
  wanted: readonly BfdSessionConfig[] = [];
  readonly told: (readonly [peer: string, state: PathState, controlPlaneIndependent: boolean])[] = [];
  readonly lines: string[] = [];
  readonly #states = new Map<string, PathState>();
  #listener: (change: PathChange) => void = () => undefined;
  isPrepared = false;
  readonly bfd = new PeerBfd({
    clock: this.clock,
    log: pino({ level: "info" }, { write: (line: string) => void this.lines.push(line) }),
    bgp: {
      summaries: () => this.peers,
      setBfdState: (peer, state, { controlPlaneIndependent }) =>
        void this.told.push([peer, state, controlPlaneIndependent]),
    },
    sessions: {
      prepare: () => void (this.isPrepared = true),
      setSessions: (wanted) => void (this.wanted = wanted),
      onChange: (listener) => void (this.#listener = listener),
      stateOf: (name) => this.#states.get(name) ?? "unknown",
    },
  });

  path(name: string, state: PathState, controlPlaneIndependent = false): void {
    this.#states.set(name, state);
    this.#listener({ name, state, controlPlaneIndependent });
  }
}

describe("a peer with BFD", () => {
  it("gets a session when BGP is established, from the address that BGP uses (BFD-5882-10.2-01, BFD-5881-4-02)", () => {
    const it = new Played();
    it.peers = [idle("tor", "10.0.0.1"), idle("plain", "10.0.0.9")];
    it.bfd.setPeers(
      configured([
        { name: "tor", bfd: BFD },
        { name: "plain", bfd: null },
      ]),
    );
    expect(it.wanted).toEqual([]);
    it.peers = [established("tor", "10.0.0.1", "10.0.0.2"), established("plain", "10.0.0.9", "10.0.0.2")];
    it.bfd.refresh();
    expect(it.wanted).toMatchObject([{ name: "tor", remote: "10.0.0.1", local: "10.0.0.2", interfaceName: null }]);
    expect(it.told).toEqual([]);
  });

  it("has its thread before it has a session, and none where nobody has BFD", () => {
    const [used, unused] = [new Played(), new Played()];
    used.bfd.setPeers(configured([{ name: "tor", bfd: BFD }]));
    unused.bfd.setPeers(configured([{ name: "plain", bfd: null }]));
    expect([used.isPrepared, unused.isPrepared]).toEqual([true, false]);
  });

  it("keeps it when BGP ends, so that it hears when the path is back (BFD-5882-10.2-01)", () => {
    const it = new Played();
    it.peers = [established("tor", "10.0.0.1", "10.0.0.2")];
    it.bfd.setPeers(configured([{ name: "tor", bfd: BFD }]));
    const { wanted } = it;
    it.peers = [idle("tor", "10.0.0.1")];
    it.bfd.refresh();
    expect(it.wanted).toEqual(wanted);
    it.bfd.setPeers(configured([{ name: "tor", bfd: { ...BFD, multiplier: 5 } }]));
    expect(it.wanted).toEqual([{ ...wanted[0], multiplier: 5 }]);
  });

  it("hears of up and down as it happens, with the C bit (BFD-5882-4.2-01, BFD-5882-4.3-01)", () => {
    const it = new Played();
    it.peers = [established("tor", "10.0.0.1", "10.0.0.2")];
    it.bfd.setPeers(configured([{ name: "tor", bfd: BFD }]));
    it.path("tor", "up", true);
    it.path("tor", "down", true);
    it.path("tor", "up");
    it.path("tor", "admin-down");
    expect(it.told).toEqual([
      ["tor", "up", true],
      ["tor", "down", true],
      ["tor", "up", false],
      ["tor", "admin-down", false],
    ]);
  });

  it("E3: hears of its own path alone", () => {
    const it = new Played();
    it.peers = [established("tor", "10.0.0.1", "10.0.0.2"), established("spine", "10.0.0.3", "10.0.0.2")];
    it.bfd.setPeers(
      configured([
        { name: "tor", bfd: BFD },
        { name: "spine", bfd: BFD },
      ]),
    );
    it.path("tor", "up");
    it.path("spine", "up");
    const { wanted } = it;
    it.path("tor", "down");
    expect(it.told.slice(2)).toEqual([["tor", "down", false]]);
    expect(it.wanted).toBe(wanted);
  });

  it("that loses BFD by configuration is told that nothing is known, which is no failure (BFD-5882-3.2-02)", () => {
    const it = new Played();
    it.peers = [established("tor", "10.0.0.1", "10.0.0.2")];
    it.bfd.setPeers(configured([{ name: "tor", bfd: BFD }]));
    it.path("tor", "up");
    it.bfd.setPeers(configured([{ name: "tor", bfd: null }]));
    expect(it.wanted).toEqual([]);
    it.path("tor", "unknown");
    expect(it.told.at(-1)).toEqual(["tor", "unknown", false]);
  });

  it("of a range, or on a link, is found by its name and bound to the link (BFD-5881-4-02)", () => {
    const it = new Played();
    it.peers = [established("rack-10.0.0.7", "10.0.0.7", "10.0.0.2"), established("fabric", "fe80::1", "fe80::2")];
    it.bfd.setPeers(configured([{ name: "fabric", bfd: BFD, sourceInterface: "eth1" }], [{ name: "rack", bfd: BFD }]));
    expect(it.wanted).toMatchObject([
      { name: "rack-10.0.0.7", remote: "10.0.0.7", interfaceName: null },
      { name: "fabric", remote: "fe80::1", local: "fe80::2", interfaceName: "eth1" },
    ]);
    it.peers = it.peers.slice(1);
    it.bfd.refresh();
    expect(it.wanted.map(({ name }) => name)).toEqual(["fabric"]);
  });

  it("and graceful restart without the C bit is warned of, once (BFD-5882-4.3-01)", () => {
    const it = new Played();
    it.peers = [established("tor", "10.0.0.1", "10.0.0.2", 120), established("other", "10.0.0.3", "10.0.0.2")];
    it.bfd.setPeers(
      configured([
        { name: "tor", bfd: BFD },
        { name: "other", bfd: BFD },
      ]),
    );
    it.path("tor", "up", true);
    it.path("other", "up");
    expect(it.lines).toEqual([]);
    for (const state of ["up", "down", "up"] as const) it.path("tor", state);
    expect(it.lines.length).toBe(1);
    expect(JSON.parse(it.lines[0]!)).toMatchObject({ event: "bfd.graceful-restart", peer: "tor" });
  });
});

describe("a peer whose BGP waits for BFD", () => {
  const strict = { ...BFD, strict: true };
  const waiting = (): Played => {
    const it = new Played();
    it.peers = [idle("tor", "10.0.0.1")];
    it.bfd.setPeers(configured([{ name: "tor", bfd: strict }]));
    return it;
  };

  it("gets its session from the start, and keeps it as it is when BGP comes up (BFD-5882-10.2-01, BFD-STRICT-01)", () => {
    const it = waiting();
    expect(it.wanted).toMatchObject([{ name: "tor", local: null }]);
    expect(it.told).toEqual([["tor", "down", false]]);
    const { wanted } = it;
    it.path("tor", "up");
    it.peers = [established("tor", "10.0.0.1", "10.0.0.2")];
    it.bfd.refresh();
    expect(it.wanted).toEqual(wanted);
  });

  it("waits for a BFD thread that has died, but a session that is there stays (BFD-P-04)", () => {
    const it = waiting();
    it.path("tor", "up");
    it.path("tor", "unknown");
    expect(it.told.at(-1)).toEqual(["tor", "down", false]);
    it.path("tor", "up");
    it.peers = [established("tor", "10.0.0.1", "10.0.0.2")];
    it.path("tor", "unknown");
    expect(it.told.at(-1)).toEqual(["tor", "unknown", false]);
  });

  it("is kept waiting when the path flaps, longer each time (BFD-5882-3.2-03)", () => {
    const it = waiting();
    const flap = (): void => {
      it.path("tor", "up");
      it.clock.advance(1_000);
      it.path("tor", "down");
    };
    for (let count = 0; count < 3; count++) flap();
    it.told.length = 0;
    it.path("tor", "up");
    it.clock.advance(4_999);
    expect(it.told).toEqual([]);
    it.clock.advance(1);
    expect(it.told).toEqual([["tor", "up", false]]);
    for (let count = 0; count < 3; count++) flap();
    it.told.length = 0;
    it.path("tor", "up");
    it.clock.advance(9_999);
    expect(it.told).toEqual([]);
    it.clock.advance(1);
    expect(it.told).toEqual([["tor", "up", false]]);
    it.clock.advance(200_000);
    flap();
    it.told.length = 0;
    it.path("tor", "up");
    expect(it.told).toEqual([["tor", "up", false]]);
  });

  it("hears nothing of a path that is lost again while it is kept waiting (BFD-5882-3.2-03)", () => {
    const it = waiting();
    for (let count = 0; count < 3; count++) {
      it.path("tor", "up");
      it.path("tor", "down");
    }
    it.told.length = 0;
    it.path("tor", "up");
    it.clock.advance(1_000);
    it.path("tor", "down");
    it.clock.advance(60_000);
    expect(it.told).toEqual([["tor", "down", false]]);
  });
});
