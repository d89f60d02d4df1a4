import { pino } from "pino";
import { beforeEach, describe, expect, it } from "vitest";
import { VirtualClock } from "../../../test/support/virtual-clock.ts";
import { ip, type IpAddress } from "../../addr/ip.ts";
import { macFromBytes } from "../../addr/mac.ts";
import type { Segments } from "../../ports/network.ts";
import { decodeArp } from "../wire/arp.ts";
import { decodeNeighbourAdvertisement } from "../wire/neighbour-advertisement.ts";
import { Announcer, type SegmentVip } from "./announcer.ts";

const MAC = macFromBytes(Uint8Array.of(2, 0, 0, 0, 0, 1));
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
const holding = (...vips: readonly (readonly [IpAddress, Partial<SegmentVip>?])[]): Map<IpAddress, SegmentVip> =>
  new Map(vips.map(([address, vip]) => [address, { interfaceIndex: 2, mac: MAC, ...vip }]));

beforeEach(() => {
  clock = new VirtualClock();
  [sent, open, broken, lines] = [[], new Set(), null, []];
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
  announcer = new Announcer({ clock, segments, log, arpRateMillis: 3000 });
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
    expect(announcer.status()).toEqual([{ vip: V4, interfaceIndex: 2, announcements: 5, error: null }]);
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

  it("closes every socket and stops", () => {
    announcer.setVips(holding([V4], [V6, { interfaceIndex: 3 }]));
    expect(open.size).toBe(2);
    announcer.close();
    clock.advance(10_000);
    expect(open.size).toBe(0);
    expect(clock.armed).toBe(0);
    expect(announcer.status()).toEqual([]);
    expect(sent).toHaveLength(2);
  });
});
