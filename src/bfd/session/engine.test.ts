import { describe, expect, it } from "vitest";
import { ip } from "../../addr/ip.ts";
import { ALL_AUTH_TYPES, DIGESTS, key, packet } from "../fsm/test-support.ts";
import { sealPacket } from "../wire/authentication.ts";
import { type ControlPacket, decodeControlPacket, encodeControlPacket } from "../wire/control-packet.ts";
import type { BfdSessionConfig } from "./session-config.ts";
import { type Host, sessionTo, VirtualLink } from "./test-support.ts";

const [A, B, OTHER] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
const stateOf = (host: Host, index = 0): string => host.engine.status()[index]?.state ?? "none";
const isUp = (...hosts: readonly Host[]): boolean => hosts.every((host) => stateOf(host) === "up");

interface Pair {
  readonly link: VirtualLink;
  readonly a: Host;
  readonly b: Host;
}

function pair(changed: Partial<BfdSessionConfig> = {}, seed = 1, other: Partial<BfdSessionConfig> = changed): Pair {
  const link = new VirtualLink(seed);
  const [a, b] = [link.host("a", A), link.host("b", B)];
  a.engine.setSessions([sessionTo(B, changed)]);
  b.engine.setSessions([sessionTo(A, other)]);
  return { link, a, b };
}

function pairUp(changed: Partial<BfdSessionConfig> = {}, other = changed): Pair {
  const it = pair(changed, 1, other);
  it.link.time.runUntil(() => isUp(it.a, it.b), 10_000);
  // Both know of the other's hurry.
  it.link.time.advance(1_000);
  return it;
}

/** A packet that the session of `host` would take, from its peer. */
const forged = (host: Host, changed: Partial<ControlPacket> = {}): Uint8Array =>
  encodeControlPacket(
    packet({ state: "down", yourDiscriminator: host.engine.status()[0]!.localDiscriminator, ...changed }),
    0,
  );

describe("two engines", () => {
  it("come up, and hurry once they are (BFD-5880-6.1-01, BFD-5880-6.8.3-01)", () => {
    const { link, a, b } = pair();
    expect([stateOf(a), stateOf(b)]).toEqual(["down", "down"]);
    link.time.runUntil(() => isUp(a, b), 5_000);
    link.time.advance(100);
    expect(a.engine.status()[0]).toMatchObject({ transmitMillis: 50, detectionMillis: 150, remoteState: "up" });
  });

  it("come up when one of them is passive, not when both are (BFD-5880-6.1-01)", () => {
    const one = pair({ passive: true }, 1, { passive: false });
    one.link.time.runUntil(() => isUp(one.a, one.b), 10_000);
    const both = pair({ passive: true });
    both.link.time.advance(30_000);
    expect([...both.a.sent, ...both.b.sent]).toEqual([]);
  });

  it("find each other gone within the Detection Time (BFD-5880-6.2-02)", () => {
    const { link, a, b } = pairUp();
    link.weather.loss = 1;
    link.time.runUntil(() => !isUp(a) && !isUp(b), 152);
    expect(a.notices.at(-1)).toMatchObject({ type: "state-changed", from: "up", to: "down", diagnostic: 1 });
    link.weather.loss = 0;
    link.time.runUntil(() => isUp(a, b), 5_000);
  });

  it("E3: lose the session with one peer, and none with another", () => {
    const { link, a, b } = pairUp();
    const c = link.host("c", OTHER);
    a.engine.setSessions([sessionTo(B), sessionTo(OTHER)]);
    c.engine.setSessions([sessionTo(A)]);
    link.time.runUntil(() => isUp(a, b, c) && stateOf(a, 1) === "up", 10_000);
    const before = a.notices.length;
    b.isStopped = true;
    link.time.runUntil(() => stateOf(a) === "down", 5_000);
    link.time.advance(60_000);
    expect([stateOf(a, 1), stateOf(c)]).toEqual(["up", "up"]);
    expect(a.notices.slice(before).filter(({ names }) => names.includes(OTHER))).toEqual([]);
  });

  it("E4: are not disturbed by a configuration that says the same, however often", () => {
    const { link, a, b } = pairUp();
    const [told, discriminator] = [a.notices.length, a.engine.status()[0]!.localDiscriminator];
    for (let round = 0; round < 200; round++) {
      a.engine.setSessions([sessionTo(B), ...(round % 2 === 0 ? [sessionTo(OTHER)] : [])]);
      link.time.advance(20);
    }
    expect([stateOf(a), stateOf(b), a.engine.status()[0]!.localDiscriminator]).toEqual(["up", "up", discriminator]);
    expect(a.notices.slice(told).filter(({ names }) => names.includes(B))).toEqual([]);
  });

  it("tell each other of a wanted end, which is no failure (BFD-5880-6.8.16-01, BFD-5882-10.2-01)", () => {
    const { link, a, b } = pairUp();
    a.engine.setSessions([]);
    expect(a.engine.status()).toEqual([]);
    link.time.runUntil(() => !isUp(b), 5);
    expect(b.notices.at(-1)).toMatchObject({ to: "down", diagnostic: 3, remoteState: "admin-down" });
    expect(a.engine.isIdle).toBe(false);
    link.time.runUntil(() => a.engine.isIdle, 200);
    link.time.advance(10_000);
    expect(stateOf(b)).toBe("down");
    a.engine.setSessions([sessionTo(B)]);
    link.time.runUntil(() => isUp(a, b), 5_000);
  });

  it("that are wanted again while they say good-bye go on as one session", () => {
    const { link, a, b } = pairUp();
    const { localDiscriminator, sourcePort } = a.engine.status()[0]!;
    a.engine.setSessions([]);
    link.time.advance(20);
    a.engine.setSessions([sessionTo(B)]);
    link.time.runUntil(() => isUp(a, b), 5_000);
    expect(a.engine.status()).toMatchObject([{ localDiscriminator, sourcePort }]);
  });

  for (const type of ALL_AUTH_TYPES) {
    it(`come up with ${type}, and not with another secret (BFD-5880-6.8.6-09)`, () => {
      const auth = { type, keyId: 3, key: "a secret" };
      pairUp({ auth });
      const { link, a, b } = pair({ auth }, 1, { auth: { ...auth, key: "a guess" } });
      link.time.advance(5_000);
      expect([stateOf(a), stateOf(b)]).toEqual(["down", "down"]);
      expect(a.engine.counters().discarded["auth-digest"]).toBeGreaterThan(2);
    });
  }

  it("change their keys one after the other without a loss (BFD-5880-6.7.1-01)", () => {
    const auth = (key: string): Partial<BfdSessionConfig> => ({ auth: { type: "meticulous-sha1", keyId: 1, key } });
    const { link, a, b } = pairUp(auth("one"));
    a.engine.setSessions([sessionTo(B, auth("two"))]);
    link.time.advance(10_000);
    b.engine.setSessions([sessionTo(A, auth("two"))]);
    link.time.advance(120_000);
    for (const host of [a, b]) expect(host.engine.status()).toMatchObject([{ state: "up", lossCount: 0 }]);
    expect(sealedBy(a.sent.at(-1)!.bytes)).toBe("two");
  });

  const sealedBy = (bytes: Uint8Array): string | undefined =>
    ["one", "two"].find((secret) => {
      const decoded = decodeControlPacket(bytes);
      if (decoded.kind === "discard") return false;
      const sequence = new DataView(bytes.buffer).getUint32(28);
      const again = sealPacket(decoded.packet, key("meticulous-sha1", 1, secret), sequence, DIGESTS);
      return again.every((octet, index) => octet === bytes[index]);
    });

  it("change their intervals by polls without a loss (BFD-5880-6.8.3-02)", () => {
    const { link, a, b } = pairUp();
    for (const millis of [500, 60, 1_000, 50]) {
      a.engine.setSessions([sessionTo(B, { transmitMillis: millis, receiveMillis: millis })]);
      link.time.runUntil(() => b.engine.status()[0]!.detectionMillis === 3 * Math.max(50, millis), 3_000);
      link.time.advance(3_000);
      for (const host of [a, b]) expect(host.engine.status()).toMatchObject([{ state: "up", lossCount: 0 }]);
    }
  });

  it("survive a thread that stands still for longer than the Detection Time (BFD-P-01, BFD-P-04)", () => {
    const { link, a, b } = pairUp();
    // Its peer does lose it, and says so; but nothing is made up about the peer.
    a.isStopped = true;
    link.time.advance(140);
    a.isStopped = false;
    link.time.advance(1_000);
    expect(a.engine.status()).toMatchObject([{ state: "up", lossCount: 0 }]);
    expect(b.engine.status()).toMatchObject([{ state: "up", lossCount: 0 }]);
  });

  it("ask again instead of declaring the peer dead when the queue held nothing of it (BFD-P-04)", () => {
    const { link, a, b } = pairUp();
    a.isStopped = true;
    link.weather.loss = 1;
    link.time.advance(400);
    link.weather.loss = 0;
    a.isStopped = false;
    link.time.runUntil(() => a.notices.some((notice) => notice.type === "stalled"), 5);
    expect(a.notices.find((notice) => notice.type === "state-changed" && notice.diagnostic === 1)).toBeUndefined();
    link.time.runUntil(() => isUp(a, b), 5_000);
  });
});

describe("two engines in bad weather", () => {
  for (let seed = 1; seed <= 40; seed++) {
    it(`keep their session as long as fewer packets in a row are lost than counted (seed ${seed})`, () => {
      const link = new VirtualLink(seed);
      const [a, b] = [link.host("a", A), link.host("b", B)];
      const wanted = { multiplier: 8, auth: { type: "meticulous-sha1", keyId: 1, key: "k" } } as const;
      Object.assign(link.weather, { loss: 0.1, delayMillis: [0, 25] });
      a.engine.setSessions([sessionTo(B, wanted)]);
      b.engine.setSessions([sessionTo(A, { ...wanted, transmitMillis: 80, receiveMillis: 120 })]);
      link.time.runUntil(() => isUp(a, b), 20_000);
      link.time.advance(60_000);
      for (const host of [a, b]) expect(host.engine.status()).toMatchObject([{ state: "up", lossCount: 0 }]);
    });

    it(`agree in the end whatever happened before, and poll no more (seed ${seed})`, () => {
      const link = new VirtualLink(seed);
      const [a, b] = [link.host("a", A), link.host("b", B)];
      Object.assign(link.weather, { loss: 0.5, delayMillis: [0, 60] });
      a.engine.setSessions([sessionTo(B)]);
      b.engine.setSessions([sessionTo(A)]);
      for (let round = 0; round < 10; round++) {
        link.time.advance(500 + 37 * seed);
        a.engine.setSessions(round % 3 === 0 ? [] : [sessionTo(B, { transmitMillis: 50 + 10 * round })]);
      }
      link.weather.loss = 0;
      link.weather.delayMillis = [0, 5];
      a.engine.setSessions([sessionTo(B)]);
      link.time.runUntil(() => isUp(a, b), 10_000);
      link.time.advance(1_000);
      for (const host of [a, b]) {
        expect(host.engine.status()).toMatchObject([{ state: "up", transmitMillis: 50, detectionMillis: 150 }]);
        const last = decodeControlPacket(host.sent.at(-1)!.bytes);
        expect(last).toMatchObject({ packet: { poll: false } });
      }
    });
  }

  it("never send P and F in one packet, nor two periodic ones in less than 75 % of the interval (BFD-5880-6.5-01, BFD-5880-6.8.7-01)", () => {
    const { link, a } = pairUp();
    a.sent = [];
    link.time.advance(60_000);
    const gaps = a.sent.slice(1).map(({ at }, index) => at - a.sent[index]!.at);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(37.5);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(51);
    expect(new Set(gaps.map((gap) => Math.round(gap))).size).toBeGreaterThan(8);
    for (const { bytes } of a.sent) expect(bytes[1]! & 0x30).not.toBe(0x30);
  });
});

describe("a packet finds its session", () => {
  it("by Your Discriminator, and by nothing else when that is unknown (BFD-5880-6.8.6-07)", () => {
    const { link, a } = pairUp();
    link.inject(ip(B), ip(A), 3784, forged(a, { yourDiscriminator: 12_345 }));
    link.time.advance(2);
    expect(a.engine.counters().discarded).toEqual({ "no-session": 1 });
    expect(isUp(a)).toBe(true);
  });

  it("by its addresses when it does not know ours yet (BFD-5880-6.8.6-08, BFD-5881-3-01)", () => {
    const { link, a } = pairUp();
    link.inject(ip(OTHER), ip(A), 3784, forged(a, { yourDiscriminator: 0 }));
    link.time.advance(2);
    expect(a.engine.counters().discarded).toEqual({ "no-session": 1 });
    link.inject(ip(B), ip(A), 3784, forged(a, { yourDiscriminator: 0 }));
    link.time.advance(2);
    expect(isUp(a)).toBe(false);
  });

  it("not from another address, interface or port, even with the right discriminator (BFD-5881-P-01)", () => {
    const { link, a } = pairUp({ local: ip(A), interfaceName: "e1" }, {});
    link.inject(ip(OTHER), ip(A), 3784, forged(a));
    link.inject(ip(B), ip(A), 3784, forged(a), { interfaceIndex: 2 });
    link.time.advance(2);
    expect(a.engine.counters().discarded).toEqual({ source: 2 });
    expect(isUp(a)).toBe(true);
  });

  it("not with a TTL under 255 (BFD-5881-5-01)", () => {
    const { link, a, b } = pairUp();
    link.inject(ip(B), ip(A), 3784, forged(a), { ttl: 254 });
    link.time.advance(2);
    expect(a.engine.counters().discarded).toEqual({ ttl: 1 });
    link.weather.ttl = 254;
    link.time.runUntil(() => !isUp(a) && !isUp(b), 300);
  });

  it("of multihop by address pair, on its own port, with the configured TTL at least (BFD-5883-5-01)", () => {
    const { link, a, b } = pair({ minimumTtl: 250 });
    link.weather.ttl = 250;
    link.time.runUntil(() => isUp(a, b), 5_000);
    expect(a.senders[0]).toMatchObject({ remote: { address: B, port: 4784 } });
    link.inject(ip(B), ip(A), 3784, forged(a));
    link.inject(ip(B), ip(A), 4784, forged(a), { ttl: 249 });
    link.time.advance(2);
    expect(isUp(a)).toBe(true);
    expect(a.engine.counters().discarded).toEqual({ ttl: 1 });
    const local = pair({ minimumTtl: 250, local: ip(A) });
    local.link.inject(ip(B), ip(OTHER), 4784, forged(local.a, { yourDiscriminator: 0 }));
    local.link.time.advance(2);
    expect(stateOf(local.a)).toBe("down");
  });

  it("or is counted by the reason for which nobody took it (BFD-5880-6.8.6-09)", () => {
    const { link, a } = pairUp();
    const spoilt = (at: number, octet: number): Uint8Array => {
      const bytes = forged(a);
      bytes[at] = octet;
      return bytes;
    };
    const signed = sealPacket(
      packet({ yourDiscriminator: a.engine.status()[0]!.localDiscriminator }),
      key("md5"),
      1,
      DIGESTS,
    );
    for (const bytes of [spoilt(0, 0), spoilt(3, 5), spoilt(2, 0), spoilt(1, 0x41), signed, Uint8Array.of(0x20, 0)])
      link.inject(ip(B), ip(A), 3784, bytes);
    link.time.advance(2);
    expect(a.engine.counters().discarded).toEqual({
      version: 1,
      length: 2,
      multiplier: 1,
      multipoint: 1,
      "auth-unexpected": 1,
    });
    expect(isUp(a)).toBe(true);
  });
});

describe("a peer, or somebody in its name, that says something else with every packet", () => {
  it("is answered by no more than it sends, and told to nobody more often than can be followed (ROB-05, ROB-07)", () => {
    const { link, a, b } = pairUp();
    b.engine.close();
    const [sent, told] = [a.sent.length, a.notices.length];
    for (let count = 0; count < 5_000; count++) {
      const state = (["down", "init", "up"] as const)[count % 3]!;
      link.inject(ip(B), ip(A), 3784, forged(a, { state, poll: true }));
      link.time.advance(1);
    }
    expect(a.sent.length - sent).toBeLessThan(2 * 5_000 + 100);
    expect(a.notices.length - told).toBeLessThanOrEqual(20 + 11);
    link.time.advance(60_000);
    expect(stateOf(a)).toBe("down");
    expect(a.notices.at(-1)).toMatchObject({ type: "state-changed", to: "down" });
  });
});

describe("sessions", () => {
  it("of clients with one path are one, and last as long as any of them (BFD-5881-3-01, BFD-5882-10.2-01)", () => {
    const { link, a, b } = pairUp();
    a.engine.setSessions([sessionTo(B, { name: "one" }), sessionTo(B, { name: "two" })]);
    expect(a.engine.status()).toMatchObject([{ names: ["one", "two"], state: "up" }]);
    a.engine.setSessions([sessionTo(B, { name: "two" })]);
    link.time.advance(1_000);
    expect(isUp(a, b)).toBe(true);
    expect(a.engine.status()).toMatchObject([{ names: ["two"], lossCount: 0 }]);
  });

  it("of IPv4 and IPv6 are two, each with a port, a discriminator and a link of its own (BFD-5881-4-01, BFD-5881-4-02)", () => {
    const link = new VirtualLink();
    const [a, b] = [link.host("a", A, "fe80::1"), link.host("b", B, "fe80::2")];
    a.engine.setSessions([sessionTo(B), sessionTo("fe80::2", { interfaceName: "e1", local: ip("fe80::1") })]);
    b.engine.setSessions([sessionTo(A), sessionTo("fe80::1", { interfaceName: "e1", local: ip("fe80::2") })]);
    link.time.runUntil(() => [0, 1].every((index) => stateOf(a, index) === "up" && stateOf(b, index) === "up"), 5_000);
    link.time.advance(5_000);
    const ports = new Set(a.sent.map(({ sourcePort }) => sourcePort));
    expect(ports.size).toBe(2);
    for (const port of ports) expect(port >= 49_152 && port <= 65_535).toBe(true);
    expect(new Set(a.engine.status().map((it) => it.localDiscriminator)).size).toBe(2);
    expect(a.senders).toMatchObject([
      { remote: { port: 3784 }, interfaceName: null },
      { remote: { address: "fe80::2", port: 3784 }, interfaceName: "e1", local: "fe80::1" },
    ]);
  });

  it("are unlike in their discriminators and first sequence numbers (BFD-5880-6.8.1-01)", () => {
    const link = new VirtualLink(5);
    const a = link.host("a", A);
    const remotes = Array.from({ length: 100 }, (_, index) => `10.1.0.${index + 1}`);
    a.engine.setSessions(remotes.map((remote) => sessionTo(remote, { auth: { type: "sha1", keyId: 0, key: "k" } })));
    link.time.advance(0);
    expect(new Set(a.engine.status().map((it) => it.localDiscriminator)).size).toBe(100);
    expect(new Set(a.sent.map(({ bytes }) => new DataView(bytes.buffer).getUint32(28))).size).toBeGreaterThan(95);
  });

  it("are at most 256; the others say why they are not there", () => {
    const link = new VirtualLink();
    const a = link.host("a", A);
    const wanted = Array.from({ length: 258 }, (_, index) => sessionTo(`10.1.${index >> 8}.${index & 255}`));
    a.engine.setSessions(wanted);
    const refused = a.engine.status().filter(({ trouble }) => trouble !== null);
    expect(refused.map(({ trouble }) => trouble)).toEqual(Array(2).fill("more than 256 BFD sessions"));
    a.engine.setSessions(wanted.slice(100));
    link.time.advance(10);
    a.engine.setSessions(wanted.slice(100));
    expect(a.engine.status().filter(({ trouble }) => trouble !== null)).toEqual([]);
  });

  it("under 50 ms are refused unless the override is given (BFD-P-01, BFD-5880-7-01)", () => {
    const link = new VirtualLink();
    const a = link.host("a", A);
    for (const fast of [{ transmitMillis: 49 }, { receiveMillis: 10 }]) {
      a.engine.setSessions([sessionTo(B, fast)]);
      expect(a.engine.status()[0]!.trouble).toMatch(/under 50 ms.*fastTimers/);
      a.engine.setSessions([sessionTo(B, { ...fast, fastTimers: true })]);
      expect(a.engine.status()[0]!.trouble).toBeNull();
      a.engine.setSessions([]);
      link.time.advance(1);
    }
  });

  it.each([
    [{ multiplier: 0 }, /multiplier is 1 to 255/],
    [{ multiplier: 256 }, /multiplier is 1 to 255/],
    [{ transmitMillis: Number.NaN }, /transmit interval/],
    [{ receiveMillis: 5_000_000 }, /receive interval/],
    [{ auth: { type: "sha512" as never, keyId: 1, key: "k" } }, /no BFD authentication by sha512/],
    [{ auth: { type: "md5", keyId: 256, key: "k" } }, /key id/],
    [{ auth: { type: "md5", keyId: 1, key: "" } }, /1 to 16 octets/],
    [{ auth: { type: "sha1", keyId: 1, key: "x".repeat(21) } }, /1 to 20 octets/],
  ] as [Partial<BfdSessionConfig>, RegExp][])(
    "with settings that cannot be are refused in words: %o",
    (changed, words) => {
      const a = new VirtualLink().host("a", A);
      a.engine.setSessions([sessionTo(B, changed)]);
      expect(a.engine.status()).toMatchObject([{ state: "down", trouble: expect.stringMatching(words) as string }]);
      expect(a.sent).toEqual([]);
    },
  );

  it("have somewhere to be heard before they speak; a port that is taken is asked for again (BFD-P-03)", () => {
    const link = new VirtualLink();
    const [a, b] = [link.host("a", A), link.host("b", B)];
    a.openError = new Error("address already in use");
    a.engine.setSessions([sessionTo(B)]);
    b.engine.setSessions([sessionTo(A)]);
    link.time.advance(1_000);
    expect(a.sent).toEqual([]);
    expect(a.engine.status()[0]!.trouble).toMatch(/3784: address already in use/);
    expect(a.notices).toMatchObject([{ type: "trouble" }]);
    a.openError = null;
    link.time.runUntil(() => isUp(a, b), 5_000);
    expect(a.notices[1]).toMatchObject({ type: "trouble", trouble: null });
  });

  it("that cannot send for a moment are judged by the peer's silence alone (BFD-P-03)", () => {
    const { link, a, b } = pairUp();
    const [sender] = a.senders;
    a.sendError = new Error("network is down");
    link.time.advance(90);
    expect(isUp(a, b)).toBe(true);
    expect(a.engine.counters().sendFailed).toBeGreaterThan(0);
    expect(a.engine.status()[0]!.trouble).toMatch(/network is down/);
    a.sendError = null;
    link.time.advance(1_000);
    expect(a.engine.status()).toMatchObject([{ state: "up", lossCount: 0, trouble: null }]);
    // A socket made anew keeps the port.
    expect(a.senders.at(-1)).toEqual(sender);
    expect(a.senders.length).toBeGreaterThan(1);
  });

  it("leave no receiving socket behind", () => {
    const { link, a } = pairUp();
    expect(a.engine.counters().received).toBeGreaterThan(1);
    a.engine.setSessions([]);
    link.time.runUntil(() => a.engine.isIdle, 1_000);
    const received = a.engine.counters().received;
    link.inject(ip(B), ip(A), 3784, encodeControlPacket(packet(), 0));
    link.time.advance(5);
    expect(a.engine.counters().received).toBe(received);
    expect(a.engine.counters().discarded).toEqual({});
  });

  it("are all let go of at once by close", () => {
    const { link, a } = pairUp();
    a.engine.close();
    const { length } = a.sent;
    link.time.advance(10_000);
    expect(a.sent.length).toBe(length);
    expect(a.engine.status()).toEqual([]);
  });
});
