import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { printEnvironment } from "./environment.ts";
import { type Loaded, loadSettings } from "./load.ts";
import { printFile } from "./print-file.ts";
import { problemText } from "./problem.ts";
import { redact } from "./redact.ts";
import type { BgpSettings, KeptAnnotations, NodeBgp, NodeMarks } from "./settings.ts";

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
const refusal = (bgp: object): string => {
  const result = read(bgp);
  return typeof result === "string" ? result : "accepted";
};
const labelled = (labels: NodeMarks["labels"]): NodeMarks => ({ labels, annotations: {} });
const NOTHING: KeptAnnotations = new Map();
const namesOn = (bgp: object, labels: NodeMarks["labels"]): string[] =>
  settings(bgp).onNode!(labelled(labels), NOTHING).settings!.peers.map(({ name }) => name);

const A = { address: "10.0.0.1", as: 1, nodeSelector: { rack: "a" } };

describe("peers with node selectors", () => {
  it("are those whose labels the node has, all of them; without a selector they are everywhere", () => {
    const bgp = {
      peers: [
        { name: "a", ...A },
        { name: "front", address: "10.0.0.2", as: 1, nodeSelector: { rack: "a", "example.com/tier": "front" } },
        { name: "all", address: "10.0.0.3", as: 1 },
        { name: "also", address: "10.0.0.4", as: 1, nodeSelector: {} },
      ],
    };
    expect(namesOn(bgp, {})).toEqual(["all", "also"]);
    expect(namesOn(bgp, { rack: "a", other: "1" })).toEqual(["a", "all", "also"]);
    expect(namesOn(bgp, { rack: "a", "example.com/tier": "front" })).toEqual(["a", "front", "all", "also"]);
    expect(namesOn(bgp, { rack: "b" })).toEqual(["all", "also"]);
  });

  it("are undecided while the labels are not known, and the others are not", () => {
    const { onNode } = settings({ peers: [A, { address: "10.0.0.3", as: 1 }] });
    expect(onNode!(null, NOTHING)).toMatchObject({ undecided: new Set(["10.0.0.1"]), troubles: [] });
  });

  it("leave nothing to decide where no peer has one", () => {
    expect(settings({ peers: [{ address: "10.0.0.1", as: 1 }] }).onNode).toBeNull();
  });

  it("A15: two peers with one address are refused when a node may have both, with the reason, and accepted when none can", () => {
    const beside = (nodeSelector?: object): string =>
      refusal({ peers: [A, { address: "10.0.0.1", as: 2, ...(nodeSelector ? { nodeSelector } : {}) }] });
    const reason = /f\.yaml:.*peer 10\.0\.0\.1 port 179 is there twice, and one node may be meant by both \(give both/;
    expect(beside()).toMatch(reason);
    expect(beside({})).toMatch(reason);
    expect(beside({ rack: "a" })).toMatch(reason);
    expect(beside({ rack: "a", tier: "front" })).toMatch(reason);
    // No node has both labels today, but one could.
    expect(beside({ tier: "front" })).toMatch(reason);
    expect(beside({ rack: "b" })).toBe("accepted");
    expect(beside({ rack: "b", tier: "front" })).toBe("accepted");
  });

  it("A15: the one of two with the same address and name that a node has is the one for its labels", () => {
    const bgp = {
      peers: [
        { ...A, name: "tor" },
        { ...A, name: "tor", as: 2, nodeSelector: { rack: "b" } },
      ],
    };
    const asOn = (rack: string): unknown => settings(bgp).onNode!(labelled({ rack }), NOTHING).settings!.peers[0]!.as;
    expect([asOn("a"), asOn("b")]).toEqual([1, 2]);
    expect(namesOn(bgp, { rack: "c" })).toEqual([]);
  });

  it("keep their names whoever else is on the node", () => {
    const bgp = { peers: [A, { address: "10.0.0.1", as: 1, port: 1790 }] };
    expect(namesOn(bgp, { rack: "a" })).toEqual(["10.0.0.1", "10.0.0.1 port 1790"]);
    expect(namesOn(bgp, {})).toEqual(["10.0.0.1 port 1790"]);
  });

  it("must be labels", () => {
    const wrong = (nodeSelector: unknown): string => refusal({ peers: [{ ...A, nodeSelector }] });
    expect(wrong({ "a b": "c" })).toMatch(/nodeSelector\.a b: must be a label of Kubernetes and its value/);
    expect(wrong({ a: "-" })).toMatch(/must be a label/);
    expect(wrong({ a: 1 })).toMatch(/nodeSelector\.a: must be text/);
    expect(wrong("a=b")).toMatch(/must be a map/);
    expect(wrong({ "example.com/a": "" })).toBe("accepted");
  });

  it.each([
    [{ localAsOnNodes: [{ nodeSelector: { rack: "a" }, localAs: 7 }], peers: [A, "10.0.0.2:1"] }],
    [{ annotationPrefix: "example.com", holdTimeSeconds: 6 }],
  ])("are printed as they were given: %j", (bgp) => {
    const first = loaded(bgp);
    const again = loadSettings({
      ...{ flags: {}, env: {} },
      file: { path: "g.yaml", text: stringify(printFile(first, "shown")) },
    }) as Loaded;
    const env = Object.fromEntries(printEnvironment(first).map(({ name, value }) => [name, value ?? ""]));
    const fromEnvironment = loadSettings({ flags: {}, env, file: null }) as Loaded;
    for (const other of [again, fromEnvironment]) {
      expect(JSON.stringify(other.settings)).toBe(JSON.stringify(first.settings));
      expect(other.settings.bgp!.onNode).not.toBeNull();
    }
  });
});

describe("the AS of a node", () => {
  const bgp = {
    localAs: 65000,
    localAsOnNodes: [
      { nodeSelector: { rack: "a", edge: "" }, localAs: 65020 },
      { nodeSelector: { rack: "a" }, localAs: 65010 },
    ],
    peers: [{ address: "10.0.0.1", as: 65010 }],
  };
  const on = (labels: NodeMarks["labels"]): NodeBgp => settings(bgp).onNode!(labelled(labels), NOTHING);

  it("is that of the first entry whose labels it has", () => {
    const asOn = (labels: NodeMarks["labels"]): number => on(labels).settings!.localAs;
    expect([asOn({}), asOn({ rack: "a" }), asOn({ rack: "a", edge: "" })]).toEqual([65000, 65010, 65020]);
  });

  it("decides whether a peer is internal", () => {
    const ttlOn = (labels: NodeMarks["labels"]): number => on(labels).settings!.peers[0]!.ttl;
    expect([ttlOn({}), ttlOn({ rack: "a" })]).toEqual([1, 64]);
  });

  it("is waited for, as nobody is to hear a wrong one", () => {
    const { settings: found, troubles } = settings(bgp).onNode!(null, NOTHING);
    expect([found, troubles]).toEqual([null, [expect.stringMatching(/its AS depends on labels/)]]);
  });

  it("is judged for each that a node may have", () => {
    const peers = [{ address: "10.0.0.1", as: 65010, role: "customer" }];
    expect(refusal({ localAs: 65000, peers })).toBe("accepted");
    expect(refusal({ ...bgp, peers })).toMatch(
      /peers\[0\]\.role: is for external peers only \(RFC 9234\) \(on nodes with localAs 65010\)/,
    );
  });
});

describe("peers in annotations of the Node", () => {
  const P = "example.com";
  const GOOD = {
    [`${P}/node-asn`]: "65010",
    [`${P}/src-ip`]: "10.0.0.5",
    [`${P}/peer-asn`]: "65001",
    [`${P}/peer-ip`]: "10.0.0.1, 10.0.0.2",
    "unrelated.example/peer-ip": "10.9.9.9",
  };
  const on = (annotations: Record<string, string>, kept = NOTHING, bgp: object = {}): NodeBgp =>
    settings({ annotationPrefix: P, ...bgp }).onNode!({ labels: {}, annotations }, kept);
  const without = (...names: string[]): Record<string, string> =>
    Object.fromEntries(Object.entries(GOOD).filter(([key]) => !names.some((name) => key === `${P}/${name}`)));
  const addresses = ({ settings: found }: NodeBgp): unknown => found?.peers.map(({ address }) => address);

  it("give AS, router id, source address and peers, and all else is as configured", () => {
    const { settings: found, troubles } = on(GOOD, NOTHING, { holdTimeSeconds: 6, localAs: 7, routerId: "10.7.7.7" });
    expect(troubles).toEqual([]);
    expect(found).toMatchObject({ localAs: 65010, routerId: "10.0.0.5" });
    const like = { as: 65001, sourceAddress: "10.0.0.5", holdTimeSeconds: 6, multihop: false, password: null };
    expect(found!.peers).toMatchObject([
      { name: "10.0.0.1", address: "10.0.0.1", ...like },
      { name: "10.0.0.2", address: "10.0.0.2", ...like },
    ]);
  });

  it("may have kube-vip's longer names, in the order of their numbers, with password and multihop", () => {
    const { settings: found } = on({
      [`${P}/bgp-peers-0-node-asn`]: "65010",
      [`${P}/bgp-peers-0-src-ip`]: "10.0.0.5",
      [`${P}/bgp-peers-0-peer-asn`]: "65001",
      [`${P}/bgp-peers-10-peer-ip`]: "[fe80::1%eth1]",
      [`${P}/bgp-peers-2-peer-ip`]: "2001:db8::1",
      [`${P}/bgp-peers-0-bgp-pass`]: Buffer.from("hunter2").toString("base64"),
      [`${P}/bgp-peers-0-peer-multi-hop`]: "true",
    });
    const like = { password: { kind: "value", value: "hunter2" }, multihop: true, ttl: 50 };
    expect(found!.peers).toMatchObject([
      { address: "2001:db8::1", sourceAddress: null, ...like },
      { address: "fe80::1", sourceInterface: "eth1", ...like },
    ]);
  });

  it("are waited for until they are complete, and those that lack are named", () => {
    const { settings: found, troubles } = on(without("node-asn", "src-ip"));
    expect(found).toBeNull();
    expect(troubles).toEqual([
      "the Node lacks example.com/node-asn, example.com/src-ip: BGP has no peers before they are there",
    ]);
    expect(settings({ annotationPrefix: P }).onNode!(null, NOTHING)).toMatchObject({ settings: null });
  });

  it("cost only themselves when they are wrong: an address its peer", () => {
    const { settings: found, troubles } = on({ ...GOOD, [`${P}/peer-ip`]: "10.0.0.1,10.0.0.x,fe80::1,10.0.0.1" });
    expect(found!.peers.map(({ address }) => address)).toEqual(["10.0.0.1"]);
    expect(troubles).toEqual([
      expect.stringMatching(/^annotation example\.com\/peer-ip: "10\.0\.0\.x" looks like a DNS name/),
      expect.stringMatching(/^annotation example\.com\/peer-ip: fe80::1 is link-local/),
      "peer 10.0.0.1 port 179 is there twice",
    ]);
  });

  it.each([
    ["node-asn", "65536000000", { localAs: 65010 }],
    ["src-ip", "2001:db8::5", { routerId: "10.0.0.5" }],
    ["peer-asn", "twelve", { peers: [{ as: 65001 }, { as: 65001 }] }],
    ["bgp-pass", "?", { peers: [{ password: null }, { password: null }] }],
    ["peer-multi-hop", "TRUE", { peers: [{ multihop: false }, { multihop: false }] }],
    ["peer-ip", "10.0.0.1,10.0.0.x", { peers: [{ address: "10.0.0.1" }, { address: "10.0.0.2" }] }],
  ])("keep what they said before when %s becomes %s", (name, text, expected) => {
    const { kept } = on(GOOD);
    const wrong = on({ ...GOOD, [`${P}/${name}`]: text }, kept);
    expect(wrong.settings).toMatchObject(expected);
    expect(wrong.troubles).toEqual([expect.stringMatching(`^annotation ${P}/${name}.*what it said before is kept$`)]);
    // And not only once.
    expect(on({ ...GOOD, [`${P}/${name}`]: text }, wrong.kept).settings).toMatchObject(expected);
    expect(on(GOOD, wrong.kept).troubles).toEqual([]);
  });

  it("do not connect without a password that cannot be read", () => {
    const { settings: found, troubles } = on({ ...GOOD, [`${P}/bgp-pass`]: "not base64, hunter2" });
    expect(found).toBeNull();
    expect(troubles.join()).toMatch(/bgp-pass must be a password of 1 to 80 octets in base64; BGP has no peers before/);
    expect(troubles.join()).not.toContain("hunter2");
  });

  it("keep what one said that is gone while there are peers; without any of those nothing is kept", () => {
    const { kept } = on(GOOD);
    const gone = on(without("node-asn"), kept);
    expect(gone.settings).toMatchObject({ localAs: 65010 });
    expect(gone.troubles).toEqual(["annotation example.com/node-asn is gone; what it said before is kept"]);
    expect(addresses(on({ ...GOOD, [`${P}/peer-ip`]: "10.0.0.2" }, kept))).toEqual(["10.0.0.2"]);
    const none = on({}, kept);
    expect([none.settings, on(without("node-asn"), none.kept).settings]).toEqual([null, null]);
    expect(none.troubles).toEqual([expect.stringMatching(/^the Node lacks .*node-asn.*peer-ip: BGP has no peers/)]);
  });

  it("stand in place of the configured peers, which are told to be unused", () => {
    const { settings: all, warnings } = loaded({ annotationPrefix: P, peers: ["10.3.3.3:1"] });
    expect(all.bgp!.peers).toEqual([]);
    expect(warnings).toMatchObject([{ name: "bgp.peers", message: expect.stringMatching(/not used/) as unknown }]);
  });

  it("may be asked for by kube-vip's names", () => {
    const env = { annotation: P, bgp_enable: "true", svc_enable: "true" };
    const of = (flags: Record<string, string>, environment: Record<string, string>): unknown => {
      const result = loadSettings({ flags, env: environment, file: null });
      return "errors" in result ? result.errors : result.settings.bgp!.annotated!.prefix;
    };
    expect(of({}, env)).toBe(P);
    expect(of({ annotations: "other.example" }, env)).toBe("other.example");
  });

  it.each([
    [{ sourceInterface: "eth0" }, /sourceInterface: .*give the source address/],
    [{ localAsOnNodes: [{ nodeSelector: {}, localAs: 1 }] }, /localAsOnNodes: .*give the AS/],
    [{ keepaliveSeconds: 5, holdTimeSeconds: 9 }, /keepaliveSeconds: must be at most a third/],
    [{ gracefulRestart: { keepOnStop: true } }, /graceful restart is off/],
  ])("are refused with %j", (bgp, message) => {
    expect(refusal({ annotationPrefix: P, ...bgp })).toMatch(message);
  });

  it("hide what is secret of all of them", () => {
    const first = loaded({ annotationPrefix: P, password: "hunter2", bfd: { enabled: true } });
    expect(first.settings.bgp!.annotated!.session).toMatchObject({ password: { value: "hunter2" } });
    expect(JSON.stringify(redact(first.settings))).not.toContain("hunter2");
  });
});
