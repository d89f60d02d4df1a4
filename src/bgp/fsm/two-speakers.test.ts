import { describe, expect, it } from "vitest";
import { Asn } from "../wire/asn.ts";
import type { FsmPeer } from "./negotiation.ts";
import { identifier, PEER } from "./test-support.ts";
import { randomFrom, Simulation, type Speaker } from "./two-speakers.test-support.ts";

const HELPED = { restartTimeSeconds: 60, helper: true, longLivedSecondsMax: 0 } as const;

/** A pair of configurations that fit each other: who is higher, one AS or two, restart, DelayOpen and passive sides. */
function pairFrom(seed: number): readonly [FsmPeer, FsmPeer] {
  const random = randomFrom(seed);
  const pick = <T>(...choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!;
  const isInternal = random() < 0.25;
  const [low, high] = [identifier("10.0.0.1"), identifier("10.0.0.2")];
  const [ours, theirs] = pick(
    [low, high] as const,
    [high, low] as const,
    isInternal ? ([low, high] as const) : ([low, low] as const),
  );
  const [asnA, asnB] = [Asn.of(65_001), Asn.of(isInternal ? 65_001 : pick(65_000, 65_002))];
  const isPassive = pick("nobody", "nobody", "nobody", "a", "b");
  const shared = { ...PEER, holdTimeSeconds: pick(3, 9, 30) };
  const own = () => ({
    connectRetrySeconds: pick(1, 5, 5),
    delayOpenSeconds: pick(0, 0, 0, 2),
    gracefulRestart: pick(null, HELPED),
  });
  return [
    { ...shared, ...own(), localAsn: asnA, peerAsn: asnB, identifier: ours, passive: isPassive === "a" },
    { ...shared, ...own(), localAsn: asnB, peerAsn: asnA, identifier: theirs, passive: isPassive === "b" },
  ];
}

/** What holds at every moment: one session at most on each side. */
function isSafe(net: Simulation): void {
  for (const side of [net.a, net.b]) if (side.sessions.length > 1) throw new Error(`two sessions: ${side.text}`);
}

/** Both sides have one session, on the same TCP connection, and nothing beside it. */
const isSettled = ({ a, b }: Simulation): boolean =>
  a.connection !== null &&
  a.connection === b.connection &&
  [a, b].every(({ links }) => links.outgoing === null || links.incoming === null);

const story = (seed: number, net: Simulation): string =>
  [`seed ${seed}`, ...net.log.slice(-60), net.a.text, net.b.text].join("\n");

describe("two speakers that start together", () => {
  const side = (asn: number, peerAsn: number, id: string): FsmPeer => ({
    ...PEER,
    localAsn: Asn.of(asn),
    peerAsn: Asn.of(peerAsn),
    identifier: identifier(id),
  });

  it.each([
    ["a has the higher identifier", "10.0.0.2", "10.0.0.1", "a"],
    ["b has the higher identifier", "10.0.0.1", "10.0.0.2", "b"],
    ["the identifiers are equal, and b has the higher AS number", "10.0.0.1", "10.0.0.1", "b"],
  ] as const)(
    "and do everything at the same moment keep the connection that the higher one dialled: %s (BGP-4271-6.8-02, BGP-4271-6.8-06, BGP-6286-2.3-02)",
    (_name, idA, idB, higher) => {
      const net = new Simulation(1, side(65_001, 65_002, idA), side(65_002, 65_001, idB));
      net.delayMillisMax = 0;
      for (const speaker of [net.a, net.b]) net.start(speaker);
      net.runUntil(1000, () => isSafe(net));
      expect(isSettled(net), story(1, net)).toBe(true);
      expect([net.a.sessions, net.b.sessions]).toEqual(
        higher === "a" ? [["outgoing"], ["incoming"]] : [["incoming"], ["outgoing"]],
      );
    },
  );

  it("have exactly one session, come to it without a flap, and keep it, whatever the delays (BGP-4271-6.8-06, BGP-4271-6.8-07)", () => {
    for (let seed = 1; seed <= 400; seed++) {
      const [a, b] = pairFrom(seed);
      const net = new Simulation(seed, a, b);
      net.delayMillisMax = [5, 50, 200, 400][seed % 4]!;
      for (const side of [net.a, net.b]) net.at(net.random() * 300, () => net.start(side));
      // Nearly always at once. A side that holds its OPEN back may give up the connection that the other one prefers; then
      // a connect-retry time follows, and the OPEN is held back again.
      net.runUntil(15_000, () => isSafe(net));
      expect(isSettled(net), story(seed, net)).toBe(true);
      net.runUntil(200_000, () => isSafe(net));
      expect(isSettled(net), story(seed, net)).toBe(true);
      expect([net.a.establishedCount, net.b.establishedCount], story(seed, net)).toEqual([1, 1]);
    }
  });
});

describe("two speakers whose hosts and network fail", () => {
  /** Something bad about every eight seconds. */
  function misfortune(net: Simulation): void {
    const { random } = net;
    const side = random() < 0.5 ? net.a : net.b;
    const again = (dead: Speaker): void => {
      const restarted = random() < 0.5;
      net.at(net.now + 20_000 * random(), () => net.start(dead, restarted));
    };
    switch (Math.floor(random() * 6)) {
      case 0:
        net.crash(side);
        again(side);
        break;
      case 1:
        net.kill(side);
        again(side);
        break;
      case 2:
        net.mute(side);
        break;
      case 3:
        net.reset(side);
        break;
      case 4:
        net.blockedUntil = net.now + 15_000 * random();
        break;
      default:
        net.lossShare = random() * 0.4;
    }
  }

  it("never have two sessions, and one soon after the faults end, which stays (BGP-4271-6.8-06, BGP-4724-5-01)", () => {
    for (let seed = 1; seed <= 250; seed++) {
      const [a, b] = pairFrom(seed);
      const net = new Simulation(seed, a, b);
      net.delayMillisMax = [5, 50, 400][seed % 3]!;
      for (const side of [net.a, net.b]) net.start(side);
      const faultsEnd = 120_000;
      for (let at = 2000; at < faultsEnd; at += 16_000 * net.random()) net.at(at, () => misfortune(net));
      net.runUntil(faultsEnd, () => isSafe(net));
      net.lossShare = 0;
      net.blockedUntil = 0;
      for (const side of [net.a, net.b]) net.at(faultsEnd, () => net.start(side));
      // The longest that a connection which went mute can be waited for: the HoldTimer of OpenSent, then the wait in Idle.
      net.runUntil(faultsEnd + 300_000, () => isSafe(net));
      expect(isSettled(net), story(seed, net)).toBe(true);
      const counts = [net.a.establishedCount, net.b.establishedCount];
      net.runUntil(faultsEnd + 500_000, () => isSafe(net));
      expect(isSettled(net), story(seed, net)).toBe(true);
      expect([net.a.establishedCount, net.b.establishedCount], story(seed, net)).toEqual(counts);
    }
  });
});

describe("two speakers in BFD's strict mode", () => {
  const strict = (seed: number): Simulation => {
    const [a, b] = pairFrom(seed);
    const net = new Simulation(seed, { ...a, bfdStrict: true }, { ...b, bfdStrict: true });
    for (const side of [net.a, net.b]) net.start(side);
    return net;
  };

  it("come up when both have BFD, and neither gets a route before it is ready (BFD-STRICT-01)", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const net = strict(seed);
      const [first, second] = seed % 2 === 0 ? [net.a, net.b] : [net.b, net.a];
      net.at(2500 * net.random(), () => net.step(first, { type: "bfd-up" }));
      net.at(2500 + 2500 * net.random(), () => net.step(second, { type: "bfd-up" }));
      net.runUntil(2500, () => isSafe(net));
      expect([net.a.sessions, net.b.sessions], story(seed, net)).toEqual([[], []]);
      net.runUntil(30_000, () => isSafe(net));
      expect(isSettled(net), story(seed, net)).toBe(true);
      expect([net.a.establishedCount, net.b.establishedCount], story(seed, net)).toEqual([1, 1]);
      expect(net.log.filter((line) => line.includes("fsm.unexpected"))).toEqual([]);
    }
  });

  it("do not come up without, and try ever more slowly (BFD-STRICT-01)", () => {
    for (let seed = 1; seed <= 50; seed++) {
      const net = strict(seed);
      net.step(net.a, { type: "bfd-up" });
      net.runUntil(600_000, () => isSafe(net));
      expect([net.a.establishedCount, net.b.establishedCount], story(seed, net)).toEqual([0, 0]);
      expect(net.connectionCount, story(seed, net)).toBeLessThan(150);
    }
  });
});
