import { pino } from "pino";
import { beforeEach, describe, expect, it } from "vitest";
import { VirtualClock } from "../../../test/support/virtual-clock.ts";
import { ip, type IpAddress, type Ipv4 } from "../../addr/ip.ts";
import { macFromBytes } from "../../addr/mac.ts";
import type { Segments, SegmentTaps } from "../../ports/network.ts";
import { decodeArp, gratuitousArp } from "../wire/arp.ts";
import { decodeNeighbourAdvertisement } from "../wire/neighbour-advertisement.ts";
import { Announcer, type SegmentVip } from "./announcer.ts";

const MAC = macFromBytes(Uint8Array.of(2, 0, 0, 0, 0, 1));
const OTHER = macFromBytes(Uint8Array.of(2, 0, 0, 0, 0, 2));
const V4 = ip("10.0.0.100");
const V4B = ip("10.0.0.101");
const V6 = ip("fd00::100");

let clock: VirtualClock;
let sent: string[];
let open: Set<number>;
let broken: string | null;
let lines: Record<string, unknown>[];
let announcer: Announcer;

const segments: Segments = {
  open(index) {
    if (broken) throw new Error(broken);
    open.add(index);
    let closed = false;
    const send = (line: string): void => {
      if (closed) throw new Error("closed socket used");
      sent.push(line);
    };
    return {
      sendFrame(frame) {
        if (broken) throw new Error(broken);
        const arp = decodeArp(frame)!;
        send(`${clock.now()} if${index} ${arp.senderIp} ${arp.operation === 1 ? "request" : "reply"} ${arp.senderMac}`);
      },
      sendIcmpv6(message, destination) {
        if (broken) throw new Error(broken);
        const nd = decodeNeighbourAdvertisement(message)!;
        send(`${clock.now()} if${index} ${nd.target} to ${destination}${nd.router ? " router" : ""}`);
      },
      close() {
        closed = true;
        open.delete(index);
      },
    };
  },
};
/** What listens, by interface: hands it a frame. */
const ears = new Map<number, (frame: Uint8Array) => void>();
let deaf: string | null;
const taps: SegmentTaps = {
  open(index, onFrame) {
    if (deaf) throw new Error(deaf);
    ears.set(index, onFrame);
    return { close: () => void ears.delete(index) };
  },
};
const holding = (...vips: readonly (readonly [IpAddress, Partial<SegmentVip>?])[]): Map<IpAddress, SegmentVip> =>
  new Map(vips.map(([address, vip]) => [address, { interfaceIndex: 2, mac: MAC, ...vip }]));

beforeEach(() => {
  clock = new VirtualClock();
  [sent, open, broken, lines, deaf] = [[], new Set(), null, [], null];
  ears.clear();
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
  announcer = new Announcer({ clock, segments, taps, log, arpRateMillis: 3000 });
});

describe("the announcer", () => {
  it("tells of each VIP at once and on schedule, by ARP or by NDP, each with its own alternation", () => {
    announcer.setVips(holding([V4], [V4B], [V6, { forwardsIpv6: true }]));
    expect(sent).toEqual([
      `0 if2 10.0.0.100 request ${MAC}`,
      `0 if2 10.0.0.101 request ${MAC}`,
      "0 if2 fd00::100 to ff02::1 router",
    ]);
    sent.length = 0;
    clock.advance(1500);
    expect(sent).toEqual([
      `1000 if2 10.0.0.100 reply ${MAC}`,
      `1000 if2 10.0.0.101 reply ${MAC}`,
      "1000 if2 fd00::100 to ff02::1 router",
    ]);
    announcer.setVips(holding([V4]));
    sent.length = 0;
    clock.advance(7000);
    expect(sent.map((line) => line.split(" ")[0])).toEqual(["2000", "5000", "8000"]);
    expect(announcer.status()).toEqual([{ vip: V4, interfaceIndex: 2, announcements: 5, error: null, conflict: null }]);
  });

  it("has one alarm for all VIPs, and none when it has none", () => {
    announcer.setVips(holding([V4], [V6]));
    expect(clock.armed).toBe(1);
    announcer.setVips(holding());
    expect(clock.armed).toBe(0);
  });

  it("says nothing of a VIP after it was taken away, and starts over when it is back", () => {
    announcer.setVips(holding([V4]));
    announcer.setVips(holding());
    clock.advance(10_000);
    expect(sent).toHaveLength(1);
    announcer.setVips(holding([V4]));
    clock.advance(2000);
    expect(sent.map((line) => line.split(" ")[0])).toEqual(["0", "10000", "11000", "12000"]);
  });

  it("starts over when the link comes back, the Ethernet address or the interface changes", () => {
    announcer.setVips(holding([V4]));
    clock.advance(2500);
    announcer.setVips(holding([V4, { up: false }]));
    clock.advance(10_000);
    sent.length = 0;
    announcer.setVips(holding([V4]));
    clock.advance(100);
    const other = macFromBytes(Uint8Array.of(2, 0, 0, 0, 0, 9));
    announcer.setVips(holding([V4, { mac: other }]));
    clock.advance(100);
    announcer.setVips(holding([V4, { mac: other, interfaceIndex: 3 }]));
    expect(sent.map((line) => line.replace(/^(\d+) (if\d) .* /, "$1 $2 "))).toEqual([
      `12500 if2 ${MAC}`,
      `12600 if2 ${other}`,
      `12700 if3 ${other}`,
    ]);
    expect(open).toEqual(new Set([3]));
  });

  it("loses one announcement for each failure, logs the change only, and opens a new socket", () => {
    announcer.setVips(holding([V4]));
    broken = "network is down";
    clock.advance(2500);
    expect(announcer.status()).toMatchObject([{ announcements: 1, error: "network is down" }]);
    expect(open.size).toBe(0);
    broken = null;
    clock.advance(3000);
    expect(sent.map((line) => line.split(" ")[0])).toEqual(["0", "5000"]);
    expect(lines.map((line) => line["event"])).toEqual(["l2.announce.failed", "l2.announce.recovered"]);
    expect(lines[0]).toMatchObject({ vip: V4, interfaceIndex: 2, error: "network is down", level: 40 });
  });

  it("is not stopped by an interface that cannot be opened", () => {
    broken = "no such device";
    announcer.setVips(holding([V4], [V6]));
    expect(announcer.status().map((vip) => vip.error)).toEqual([broken, broken]);
    broken = null;
    clock.advance(1000);
    expect(announcer.status().map((vip) => vip.error)).toEqual([null, null]);
  });

  it("hears who else claims a VIP, tells it once, and defends it (ARP-5227-2.4-01)", () => {
    announcer.setVips(holding([V4], [V6]));
    clock.advance(2500);
    sent.length = 0;
    const claim = gratuitousArp("request", V4 as Ipv4, OTHER);
    for (let count = 0; count < 5; count++) ears.get(2)!(claim);
    expect(sent).toEqual([`2500 if2 10.0.0.100 request ${MAC}`]);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ event: "l2.conflict", vip: V4, mac: OTHER, interfaceIndex: 2, level: 40 });
    expect(announcer.status().map(({ conflict }) => conflict)).toEqual([{ mac: OTHER, count: 5, at: 2500 }, null]);
  });

  it("takes neither its own frames nor those about other addresses for a claim", () => {
    announcer.setVips(holding([V4]));
    ears.get(2)!(gratuitousArp("request", V4 as Ipv4, MAC));
    ears.get(2)!(gratuitousArp("request", V4B as Ipv4, OTHER));
    expect(announcer.status()[0]!.conflict).toBeNull();
    expect(sent).toHaveLength(1);
  });

  it("neither answers nor defends a VIP that it gave up, and forgets the conflict about it (ARP-P-01)", () => {
    announcer.setVips(holding([V4]));
    const ear = ears.get(2)!;
    ear(gratuitousArp("request", V4 as Ipv4, OTHER));
    announcer.setVips(new Map());
    expect(ears.size).toBe(0);
    sent.length = 0;
    ear(gratuitousArp("request", V4 as Ipv4, OTHER));
    clock.advance(20_000);
    expect(sent).toEqual([]);
    announcer.setVips(holding([V4]));
    expect(announcer.status()[0]!.conflict).toBeNull();
  });

  it("goes on announcing where it cannot listen, says so once, and tries again", () => {
    deaf = "operation not permitted";
    announcer.setVips(holding([V4]));
    announcer.setVips(holding([V4], [V4B]));
    expect(lines.map((line) => line["event"])).toEqual(["l2.listen.failed"]);
    expect(sent).toHaveLength(2);
    deaf = null;
    announcer.setVips(holding([V4]));
    expect(ears.size).toBe(1);
  });

  it("closes every socket and stops", () => {
    announcer.setVips(holding([V4], [V6, { interfaceIndex: 3 }]));
    expect(open.size).toBe(2);
    announcer.close();
    clock.advance(10_000);
    expect(open.size).toBe(0);
    expect(ears.size).toBe(0);
    expect(clock.armed).toBe(0);
    expect(announcer.status()).toEqual([]);
    expect(sent).toHaveLength(2);
  });
});
