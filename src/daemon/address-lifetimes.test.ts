import pino from "pino";
import { describe, expect, it } from "vitest";
import { VirtualTime } from "../../test/support/virtual-time.ts";
import { ip, type IpAddress } from "../addr/ip.ts";
import { Instant } from "../base/time.ts";
import type { Clock } from "../ports/clock.ts";
import { type AddressToAdd, NetlinkRefused } from "../ports/network.ts";
import type { AddressPlan } from "../vip/plan.ts";
import { AddressLifetimes } from "./address-lifetimes.ts";

const LEASE = "kube-system/plndr-cp-lock";
const DURATION = 15_000;

/** A kernel that takes addresses away when their time is over, and a Lease that is renewed every two seconds. */
function rack() {
  const time = new VirtualTime();
  /** Requests in each turn of the loop. */
  const turns: number[] = [];
  const clock: Clock = {
    now: () => time.now(),
    wallTime: () => time.wallTime(),
    alarm: (ring) => time.alarm(() => (turns.push(0), ring())),
  };
  const start = time.now();
  const until = new Map<IpAddress, number>();
  const requests: string[] = [];
  const lines: string[] = [];
  let renewedAt: Instant | null = start;
  let refuse = false;
  const network = {
    extendAddress({ address, validSeconds = null }: AddressToAdd) {
      if (refuse) throw new NetlinkRefused("extend", 19, "no such device");
      turns.push((turns.pop() ?? 0) + 1);
      requests.push(`${time.now() - start}: ${address} ${validSeconds ?? "for ever"}`);
      until.set(address, validSeconds === null ? Infinity : time.now() + validSeconds * 1000);
    },
  };
  const lifetimes = new AddressLifetimes({
    ...{ clock, log: pino({}, { write: (line) => void lines.push(line) }), network },
    heldUntil: (lease) => (lease === LEASE && renewedAt !== null ? Instant.add(renewedAt, DURATION) : null),
  });
  return {
    time,
    lifetimes,
    requests,
    lines,
    turns,
    renew: () => (renewedAt = time.now()),
    lose: () => (renewedAt = null),
    refuse: (yes: boolean) => (refuse = yes),
    /** Milliseconds that the kernel would leave it there. */
    left: (address: IpAddress) => (until.get(address) ?? 0) - time.now(),
    put: (...plans: AddressPlan[]): void => {
      const wanted = new Map(plans.map((one) => [one.address, one]));
      for (const one of plans) {
        const seconds = lifetimes.secondsFor(one);
        until.set(one.address, seconds === null ? Infinity : time.now() + seconds * 1000);
      }
      lifetimes.follow(wanted);
    },
  };
}

const vip = (last: number, heldBy?: string): AddressPlan => ({
  ...{ address: ip(`10.0.${last >> 8}.${last & 255}`), prefixLength: 32, interfaceIndex: 2, scopeHost: false },
  ...(heldBy === undefined ? {} : { heldBy }),
});
const ONE = vip(1, LEASE);

describe("lifetimes of elected addresses", () => {
  it("end a second before anyone else may begin", () => {
    const { time, lifetimes } = rack();
    expect(lifetimes.secondsFor(ONE)).toBe(14);
    time.advance(3_500);
    expect(lifetimes.secondsFor(ONE)).toBe(10);
    expect(lifetimes.secondsFor(vip(2))).toBe(null);
  });

  it("never end while the Lease is renewed, and always before it could be taken", () => {
    const { time, put, renew, left } = rack();
    put(ONE);
    let renewedAt: number = time.now();
    for (let i = 0; i < 600; i++) {
      time.advance(100);
      if (i % 20 === 0) renewedAt = renew();
      expect(left(ONE.address)).toBeGreaterThan(4_000);
      expect(time.now() + left(ONE.address)).toBeLessThanOrEqual(renewedAt + DURATION - 1_000);
    }
  });

  it("are extended when two fifths are left, and not with every renewal", () => {
    const { time, put, renew, requests } = rack();
    put(ONE);
    for (let i = 0; i < 30; i++) {
      time.advance(2_000);
      renew();
    }
    expect(requests[0]).toBe("8400: 10.0.0.1 13");
    expect(requests.length).toBeLessThan(9);
  });

  it("reach beyond the renew deadline when renewals stop, and are over before the Lease is", () => {
    const { time, put, renew, left } = rack();
    put(ONE);
    for (let i = 0; i < 4; i++) {
      time.advance(2_000);
      renew();
    }
    // Eight seconds after the start the API server is gone: this node may act for ten more.
    time.advance(9_999);
    expect(left(ONE.address)).toBeGreaterThan(0);
    time.advance(4_001);
    expect(left(ONE.address)).toBeLessThanOrEqual(0);
  });

  it("are given to what an earlier run has left, and taken from what no Lease decides about", () => {
    const { time, lifetimes, requests } = rack();
    lifetimes.follow(new Map([[ONE.address, ONE]]));
    time.advance(1);
    expect(requests).toEqual(["0: 10.0.0.1 14"]);
    lifetimes.follow(new Map([[ONE.address, vip(1)]]));
    expect(requests.at(-1)).toBe("1: 10.0.0.1 for ever");
    time.advance(20_000);
    expect(requests).toHaveLength(2);
  });

  it("are left alone when the Lease is lost or the address is no longer wanted", () => {
    const { time, put, lose, lifetimes, requests } = rack();
    put(ONE, vip(2, LEASE));
    lose();
    time.advance(20_000);
    lifetimes.follow(new Map());
    time.advance(20_000);
    expect(requests).toEqual([]);
  });

  it("are tried again when the kernel refuses", () => {
    const { time, put, renew, refuse, requests } = rack();
    put(ONE);
    time.advance(2_000);
    renew();
    refuse(true);
    time.advance(7_000);
    refuse(false);
    time.advance(200);
    expect(requests).toHaveLength(1);
  });

  it("of many addresses are extended 64 in a turn", () => {
    const { time, put, renew, requests, turns } = rack();
    put(...Array.from({ length: 1_000 }, (_, i) => vip(i, LEASE)));
    time.advance(8_000);
    renew();
    time.advance(1_000);
    expect(new Set(requests.map((line) => line.split(" ")[1])).size).toBe(1_000);
    expect(Math.max(...turns)).toBe(64);
  });

  it("says once why an address cannot be extended, however often it is tried", () => {
    const { time, put, refuse, renew, lines, requests } = rack();
    put({ address: ip("10.0.0.1"), prefixLength: 32, interfaceIndex: 2, scopeHost: false, heldBy: LEASE });
    refuse(true);
    time.advance(5_000);
    renew();
    time.advance(8_000);
    expect(lines).toHaveLength(1);
    const before = requests.length;
    refuse(false);
    time.advance(200);
    expect([requests.length > before, lines.length]).toEqual([true, 1]);
  });
});
