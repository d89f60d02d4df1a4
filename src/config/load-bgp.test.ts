import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { printEnvironment } from "./environment.ts";
import { type Loaded, loadSettings } from "./load.ts";
import { printFile } from "./print-file.ts";
import { problemText } from "./problem.ts";
import { redact } from "./redact.ts";
import type { BgpSettings } from "./settings.ts";

const BASE = "mode: bgp\nservices: {enabled: true}\n";

function read(bgp: object, env: Record<string, string> = {}): Loaded | string {
  const result = loadSettings({ flags: {}, env, file: { path: "f.yaml", text: BASE + stringify({ bgp }) } });
  return "errors" in result ? result.errors.map(problemText).join("\n") : result;
}
function loaded(bgp: object, env: Record<string, string> = {}): Loaded {
  const result = read(bgp, env);
  if (typeof result === "string") throw new Error(result);
  return result;
}
const settings = (bgp: object): BgpSettings => loaded(bgp).settings.bgp!;
function refusal(bgp: object): string {
  const result = read(bgp);
  return typeof result === "string" ? result : "accepted";
}
const PEER = { address: "10.0.0.1", as: 65001 };
const one = (peer: object, all: object = {}) => settings({ ...all, peers: [{ ...PEER, ...peer }] }).peers[0]!;
const refused = (peer: object, all: object = {}): string => refusal({ ...all, peers: [{ ...PEER, ...peer }] });

/** Everything that a file can say about BGP, in one. */
const FULL = {
  localAs: 65000,
  listen: ":179",
  passwordFile: "/etc/vipcast/key",
  minHoldTimeSeconds: 6,
  userTimeoutMillis: 9000,
  maxSegmentLength: 1200,
  trafficClass: 184,
  role: "customer",
  import: { accept: [{ prefix: "0.0.0.0/0", maxLength: 24 }] },
  export: { rules: [{ kind: "services", communities: ["65000:1"] }], otherwise: "refuse" },
  gracefulRestart: { enabled: true, restartTimeSeconds: 60, keepOnStop: true },
  bfd: { enabled: true, auth: { type: "sha1", keyId: 1, key: "hunter2" } },
  serviceAttributes: { communities: ["65000:*"], med: true, maxPrepend: 2 },
  drainSeconds: 2.5,
  peers: [
    {
      ...PEER,
      name: "tor",
      ttlSecurity: 2,
      passive: true,
      delayOpenSeconds: 5,
      sendHoldTimeSeconds: 0,
      maxIdleSeconds: 10,
      families: ["ipv4", "ipv6"],
      requiredFamilies: ["ipv6"],
      extendedNextHop: true,
      addPathReceive: true,
      role: "peer",
      strictRole: true,
      enforceFirstAs: false,
      password: "hunter2",
      maxPrefixes: { count: 10, action: "cease", restartSeconds: 30 },
      gracefulRestart: { restartTimeSeconds: 30, helper: false, longLivedSeconds: 600 },
      bfd: { transmitMillis: 20, fastTimers: true, multiplier: 5, passive: true, strict: true },
      import: { accept: [{ prefix: "2001:db8::/32" }], honourGracefulShutdown: false },
      export: {
        rules: [
          { prefixes: ["10.1.0.0/16"], action: "refuse" },
          {
            namespaces: ["b", "a"],
            services: ["a/x"],
            labels: { t: "1", s: "2" },
            largeCommunities: ["1:2:3"],
            extendedCommunities: ["rt:1:2"],
            localPreference: 200,
            med: 5,
            prepend: 2,
            nextHop: "10.0.0.9",
          },
        ],
      },
    },
    "10.0.0.2:65001:hunter2::::true;300000;150;4",
    { interface: "eth1", as: "external", bfd: { enabled: false } },
    { address: "10.0.0.3", as: "internal", passwordSecret: { namespace: "n", name: "s", key: "k" } },
  ],
  dynamicNeighbours: [{ name: "leaf", prefix: "10.9.1.2/24", as: 65009, limit: 3, passwordEnvironment: "KEY" }],
};

describe("a BGP session", () => {
  it("has what its peer says, and else what is said for all", () => {
    const { peers, dynamicNeighbours, ...rest } = settings(FULL);
    expect(peers[0]).toMatchObject({
      name: "tor",
      passive: true,
      ttl: 255,
      minTtl: 254,
      minHoldTimeSeconds: 6,
      delayOpenSeconds: 5,
      sendHoldTimeSeconds: 0,
      maxIdleSeconds: 10,
      userTimeoutMillis: 9000,
      maxSegmentLength: 1200,
      trafficClass: 184,
      families: [4, 6],
      requiredFamilies: [6],
      extendedNextHop: true,
      addPathReceive: true,
      role: "peer",
      strictRole: true,
      enforceFirstAs: false,
      password: { kind: "value", value: "hunter2" },
      maxPrefixes: { count: 10, action: "cease", restartSeconds: 30 },
      gracefulRestart: { restartTimeSeconds: 30, helper: false, longLivedSeconds: 600 },
      bfd: {
        transmitMillis: 20,
        receiveMillis: 300,
        multiplier: 5,
        passive: true,
        strict: true,
        minimumTtl: 254,
        auth: { type: "sha1", keyId: 1, key: "hunter2" },
      },
      importPolicy: { accept: [{ within: "2001:db8::/32", lengthMax: 32 }], honourGracefulShutdown: false },
    });
    expect(peers[0]?.exportPolicy).toEqual({
      rules: [
        expect.objectContaining({ prefixes: ["10.1.0.0/16"], action: "refuse", tag: null }),
        {
          prefixes: null,
          tag: "namespace a or b, service a/x, label s=2, label t=1",
          action: "announce",
          communities: [],
          largeCommunities: [[1, 2, 3]],
          extendedCommunities: [0x0002_0001_0000_0002n],
          localPref: 200,
          med: 5,
          prependCount: 2,
          nextHop: "10.0.0.9",
        },
      ],
      otherwise: "announce",
    });
    expect(peers[1]).toMatchObject({
      passive: false,
      role: "customer",
      gracefulRestart: { restartTimeSeconds: 60, helper: true, longLivedSeconds: 0 },
      bfd: { transmitMillis: 150, receiveMillis: 300, multiplier: 4, minimumTtl: null },
      importPolicy: { accept: [{ within: "0.0.0.0/0", lengthMax: 24 }], honourGracefulShutdown: true },
      exportPolicy: { rules: [{ tag: "kind services", communities: [0xfde8_0001] }], otherwise: "refuse" },
    });
    expect(peers[2]).toMatchObject({
      name: "eth1",
      address: null,
      sourceInterface: "eth1",
      as: "external",
      families: [4, 6],
      extendedNextHop: true,
      ttl: 1,
      password: { kind: "file", path: "/etc/vipcast/key" },
      bfd: null,
    });
    expect(peers[3]).toMatchObject({
      as: "internal",
      ttl: 64,
      role: null,
      password: { kind: "secret", namespace: "n", name: "s", key: "k" },
    });
    expect(dynamicNeighbours).toMatchObject([
      {
        name: "leaf",
        prefix: "10.9.1.0/24",
        as: 65009,
        countMax: 3,
        families: [4],
        password: { kind: "environment", name: "KEY" },
        bfd: { transmitMillis: 300 },
      },
    ]);
    expect(rest).toMatchObject({
      drainMillis: 2500,
      keepOnStop: true,
      serviceAttributes: { communities: ["65000:*"], localPreference: false, med: true, maxPrepend: 2 },
    });
    expect(rest.routeSelectors.map(({ tag }) => tag)).toEqual([
      "kind services",
      "namespace a or b, service a/x, label s=2, label t=1",
    ]);
  });

  it("is the same again after printing, as a file and as an environment", () => {
    const first = loaded(FULL);
    const file = loadSettings({
      flags: {},
      env: {},
      file: { path: "g.yaml", text: stringify(printFile(first, "shown")) },
    });
    expect("errors" in file ? file.errors : file.settings).toEqual(first.settings);
    const env = Object.fromEntries(printEnvironment(first).map(({ name, value }) => [name, value ?? ""]));
    const again = loadSettings({ flags: {}, env, file: null });
    expect("errors" in again ? again.errors : again.settings).toEqual(first.settings);
  });

  it("shows no secret once it is redacted, and says where other secrets come from", () => {
    const first = loaded(FULL);
    const shown = JSON.stringify([redact(first.settings), printFile(first, "redacted")], (_key, value: unknown) =>
      typeof value === "bigint" ? String(value) : value,
    );
    expect(shown).not.toContain("hunter2");
    expect(shown).toContain("/etc/vipcast/key");
    expect(printFile(first, "redacted")).toMatchObject({
      bgp: { peers: [{}, {}, {}, { passwordSecret: { namespace: "n", name: "s", key: "k" } }] },
    });
  });

  it.each([
    [{ multihop: true }, 50, null],
    [{ multihop: 5 }, 5, null],
    [{ multihop: false }, 1, null],
    [{ ttlSecurity: 1 }, 255, 255],
    [{ ttlSecurity: 254 }, 255, 2],
    [{ as: "internal" }, 64, null],
    [{ as: 65000, multihop: 3 }, 3, null],
  ])("with %j sends with TTL %j and takes %j (BGP-5082-3-02)", (peer, ttl, minTtl) => {
    expect(one(peer)).toMatchObject({ ttl, minTtl });
  });

  it("has TTL security of all only where the router is on the link", () => {
    expect(one({ multihop: true }, { ttlSecurity: 1 })).toMatchObject({ ttl: 50, minTtl: null });
    expect(one({}, { ttlSecurity: 1 })).toMatchObject({ ttl: 255, minTtl: 255 });
  });

  it.each<[object, object, RegExp]>([
    [{ ttlSecurity: 1, multihop: true }, {}, /ttlSecurity: cannot be together with multihop/],
    [{ passive: true }, {}, /passive: nobody would begin.*bgp\.listen/],
    [{ role: "peer", as: "internal" }, {}, /role: is for external peers only/],
    [{ strictRole: true }, {}, /strictRole: needs role/],
    [{ requiredFamilies: ["ipv6"] }, {}, /requiredFamilies: ipv6 is not offered/],
    [{ password: "a", passwordFile: "/b" }, {}, /passwordFile: cannot be together with password/],
    [{ passwordFile: "b" }, {}, /must be an absolute path/],
    [{ bfd: { enabled: true, transmitMillis: 20 } }, {}, /20 ms needs fastTimers/],
    [{ bfd: { transmitMillis: 300 } }, {}, /has no effect: BFD is off/],
    [{ gracefulRestart: { helper: true } }, {}, /graceful restart is off/],
    [{ bfd: { enabled: true, auth: { type: "md5", keyId: 1, key: "x".repeat(17) } } }, {}, /16 octets/],
    [{ bfd: { enabld: true } }, {}, /did you mean enabled\?/],
    [{ export: { rules: [{ comunities: [] }] } }, {}, /did you mean communities\?/],
    [{ export: { rules: [{ communities: ["x"] }] } }, {}, /must be a community such as/],
    [{ import: { accept: [{ prefix: "10.0.0.0/8", maxLength: 4 }] } }, {}, /not be shorter/],
    [{ import: { accept: [{ prefix: "10.0.0.0/8", maxLength: 40 }] } }, {}, /at most 32 bits/],
    [{ import: { accept: [{ prefix: "10.0.0.0" }] } }, {}, /must be a prefix/],
    [{ as: 23_456 }, {}, /23456, which is reserved/],
    [{ as: "intern" }, {}, /external or internal/],
    [{ multihop: 1 }, {}, /whole number from 2 to 255/],
    [{ multihop: "x" }, {}, /true, false, or a number of hops/],
    [{ interface: "eth0" }, {}, /address or interface/],
    [{}, { gracefulRestart: { keepOnStop: true } }, /keepOnStop: no router would keep the routes/],
    [{}, { serviceAttributes: { communities: ["1:2:3"] } }, /must be a community/],
    [{}, { dynamicNeighbours: [{ name: "a", prefix: "10.0.0.0/8", as: 1 }] }, /the daemon does not listen/],
    [{}, { dynamicNeighbours: [{ name: "a", prefx: "10.0.0.0/8", as: 1 }] }, /did you mean prefix\?/],
    [{ minHoldTimeSecond: 3 }, {}, /did you mean minHoldTimeSeconds\?/],
  ])("is refused with %j and %j", (peer, all, message) => {
    expect(refused(peer, all)).toMatch(message);
  });

  it("on an interface has no address, source or distance of its own", () => {
    const peer = { interface: "eth0", as: 65001 };
    expect(refusal({ peers: [{ ...peer, sourceInterface: "eth1" }] })).toMatch(/cannot be together with interface/);
    expect(refusal({ peers: [{ ...peer, multihop: true }] })).toMatch(/the router is on the link/);
    expect(refusal({ peers: [peer, { ...peer, name: "b" }] })).toMatch(/peer on eth0 is there twice/);
    expect(refusal({ peers: [{ as: 65001 }] })).toMatch(/needs address or interface/);
  });

  it("may be with the same link-local address on two interfaces", () => {
    const { peers } = settings({ peers: ["[fe80::1%eth0]:1", "[fe80::1%eth1]:1"] });
    expect(peers.map(({ sourceInterface }) => sourceInterface)).toEqual(["eth0", "eth1"]);
  });
});

describe("BFD in kube-vip's text", () => {
  const bfd = (text: string, all: object = {}) => {
    const { settings: found, warnings } = loaded({ ...all, peers: [`10.0.0.1:65001:::::${text}`] });
    return { bfd: found.bgp!.peers[0]!.bfd, warnings: warnings.map(({ message }) => message) };
  };
  it("is in milliseconds below 1000", () => {
    expect(bfd("true;300;200;5")).toMatchObject({
      bfd: { receiveMillis: 300, transmitMillis: 200, multiplier: 5 },
      warnings: [],
    });
  });
  it("is in microseconds from 1000 on, as kube-vip hands it on, and the daemon says so", () => {
    expect(bfd("true;300000;300000;3")).toMatchObject({
      bfd: { receiveMillis: 300, transmitMillis: 300 },
      warnings: [expect.stringContaining("300000;300000 is taken as 300 ms to receive and 300 ms to transmit")],
    });
  });
  it("is not faster than a busy node can bear unless that is asked for", () => {
    expect(bfd("true;10;10;3")).toMatchObject({
      bfd: { transmitMillis: 50 },
      warnings: [expect.stringContaining("the least here is 50 ms")],
    });
    expect(bfd("true;10;10;3", { bfd: { fastTimers: true } })).toMatchObject({
      bfd: { transmitMillis: 10 },
      warnings: [],
    });
  });
  it("has defaults for what is left out, and may be turned off", () => {
    expect(bfd("true;;;").bfd).toMatchObject({ receiveMillis: 300, transmitMillis: 300, multiplier: 3 });
    expect(bfd("false;;;", { bfd: { enabled: true } }).bfd).toBeNull();
    expect(bfd("", { bfd: { enabled: true } }).bfd).not.toBeNull();
  });
});
