import { readdirSync, readFileSync } from "node:fs";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Namespaces } from "../../../test/support/namespaces.ts";
import { needsRoot } from "../../../test/support/privileges.ts";
import { until } from "../../../test/support/until.ts";
import { ip, type Ipv4, type Ipv6 } from "../../addr/ip.ts";
import { macFromBytes } from "../../addr/mac.ts";
import { VirtualClock } from "../../../test/support/virtual-clock.ts";
import { Announcer } from "../../l2/session/announcer.ts";
import { gratuitousArp } from "../../l2/wire/arp.ts";
import {
  ALL_NODES,
  decodeNeighbourAdvertisement,
  unsolicitedAdvertisement,
} from "../../l2/wire/neighbour-advertisement.ts";
import { AF_INET6, closeSocket, openSocket, receiveDatagram, SOCK_RAW } from "./ffi.ts";
import { segments } from "./segment.ts";
import { segmentTaps } from "./segment-tap.ts";

const VIP4 = ip("10.0.0.100") as Ipv4;
const VIP6 = ip("fd00::100") as Ipv6;
const OLD = macFromBytes(Uint8Array.of(2, 0, 0, 0, 0, 0xaa));
const NEW = macFromBytes(Uint8Array.of(2, 0, 0, 0, 0, 0xbb));

describe.runIf(!needsRoot)("announcements on a segment", () => {
  let lan: Namespaces;
  let index: number;
  let peerIndex: number;
  const neighbour = (address: string): string => lan.ip("b", `neigh show ${address} dev e0`);

  beforeAll(async () => {
    lan = new Namespaces("a", "b");
    // Another one first, where packets go that name no interface.
    lan.connect("a", "b", "d0");
    lan.connect("a", "b", "e0");
    lan.ip("a", "addr add 10.0.0.1/24 dev e0");
    lan.ip("b", "addr add 10.0.0.2/24 dev e0");
    lan.ip("b", "addr add fd00::2/64 dev e0 nodad");
    [index, peerIndex] = ["a", "b"].map((it) => Number(/^(\d+):/.exec(lan.ip(it, "link show e0"))![1])) as [
      number,
      number,
    ];
    // Before the link has carrier there is no IPv6 on it.
    await until("link-local addresses", () =>
      ["a", "b"].every((it) => ["d0", "e0"].every((device) => lan.ip(it, `addr show ${device}`).includes("fe80:"))),
    );
  });
  afterAll(() => lan.remove());

  for (const form of ["request", "reply"] as const) {
    it(`move a neighbour's IPv4 entry by a gratuitous ARP ${form}`, async () => {
      lan.ip("b", `neigh replace ${VIP4} lladdr ${OLD} dev e0 nud reachable`);
      const socket = lan.in("a", () => segments.open(index));
      // Within a second of its last change Linux does not let an entry be moved: say it until it is.
      await until("entry moved", () => {
        socket.sendFrame(gratuitousArp(form, VIP4, NEW));
        return neighbour(VIP4).includes(NEW);
      });
      socket.close();
    });
  }

  it("move a neighbour's IPv6 entry by an unsolicited advertisement", async () => {
    lan.ip("b", `neigh replace ${VIP6} lladdr ${OLD} dev e0 nud reachable`);
    const socket = lan.in("a", () => segments.open(index));
    socket.sendIcmpv6(unsolicitedAdvertisement(VIP6, NEW, true), ALL_NODES);
    await until("entry moved", () => neighbour(VIP6).includes(NEW));
    expect(neighbour(VIP6)).toMatch(/router/);
    const linkLocal = ip(/fe80:[0-9a-f:]+/.exec(lan.ip("b", "addr show e0"))![0]);
    socket.sendIcmpv6(unsolicitedAdvertisement(VIP6, OLD, false), linkLocal);
    await until("and back, by unicast", () => neighbour(VIP6).includes(OLD));
    expect(neighbour(VIP6)).not.toMatch(/router/);
    socket.close();
  });

  it("do not come back to this machine, and nothing piles up in their sockets", async () => {
    const [ours, theirs] = [lan.in("a", () => segments.open(index)), lan.in("b", () => segments.open(peerIndex))];
    const listening = lan.in("a", () => openSocket(AF_INET6, SOCK_RAW, 58, true));
    const buffer = new Uint8Array(1500);
    const heard: string[] = [];
    ours.sendIcmpv6(unsolicitedAdvertisement(VIP6, NEW, false), ALL_NODES);
    theirs.sendIcmpv6(unsolicitedAdvertisement(VIP6, OLD, false), ALL_NODES);
    await until("theirs was heard", () => {
      const message = receiveDatagram(listening, buffer, false);
      const advertisement = message?.[0] === 136 ? decodeNeighbourAdvertisement(message) : null;
      if (advertisement?.mac) heard.push(advertisement.mac);
      return heard.includes(OLD);
    });
    expect(heard).not.toContain(NEW);
    // Whoever has no filter has a copy by now; sl local remote st tx:rx …
    const queues = lan.in("a", () =>
      readFileSync("/proc/thread-self/net/raw6", "utf8").matchAll(/[0-9A-F]{8}:([0-9A-F]{8}) /g),
    );
    expect([...queues].map(([, received]) => received)).toEqual(["00000000", "00000000"]);
    closeSocket(listening);
    ours.close();
    theirs.close();
  });

  it("made by the announcer's schedule win against a neighbour that has just learnt another address", async () => {
    lan.ip("b", `neigh replace ${VIP4} lladdr ${OLD} dev e0 nud reachable`);
    const clock = new VirtualClock();
    const announcer = new Announcer({ clock, segments, taps: segmentTaps, log: pino({ level: "silent" }) });
    lan.in("a", () => announcer.setVips(new Map([[VIP4, { interfaceIndex: index, mac: NEW }]])));
    const began = performance.now();
    let told = 0;
    await until("entry moved", () => {
      const seconds = Math.floor((performance.now() - began) / 1000);
      for (; told < seconds; told++) clock.advance(1000);
      return neighbour(VIP4).includes(NEW);
    });
    expect(told).toBeLessThanOrEqual(2);
    expect(announcer.status()).toMatchObject([{ error: null }]);
    announcer.close();
  });

  it("fail with a reason where there is no such interface, or while it is down", () => {
    expect(() => lan.in("a", () => segments.open(9999))).toThrow(expect.objectContaining({ code: "ENODEV" }));
    const socket = lan.in("a", () => segments.open(index));
    lan.ip("a", "link set e0 down");
    expect(() => socket.sendFrame(gratuitousArp("request", VIP4, NEW))).toThrow(
      expect.objectContaining({ code: "ENETDOWN" }),
    );
    lan.ip("a", "link set e0 up");
    socket.close();
  });

  it("leave no descriptor open", () => {
    const descriptors = (): number => readdirSync("/proc/self/fd").length;
    const before = descriptors();
    for (let i = 0; i < 50; i++) {
      lan.in("a", () => segments.open(index)).close();
      expect(() => lan.in("a", () => segments.open(9999))).toThrow();
    }
    expect(descriptors()).toBe(before);
  });
});
