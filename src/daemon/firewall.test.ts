import pino from "pino";
import { beforeEach, describe, expect, it } from "vitest";
import { VirtualClock } from "../../test/support/virtual-clock.ts";
import { ip } from "../addr/ip.ts";
import { NetlinkRefused } from "../ports/network.ts";
import type { FilterRules, PacketFilter } from "../ports/packet-filter.ts";
import { type FirewallPlan, NO_FIREWALL } from "../vip/firewall.ts";
import { FirewallConverger } from "./firewall.ts";

class Filter implements PacketFilter {
  rules: FilterRules | null = null;
  refuses = false;
  gone = false;
  writes = 0;
  replace(rules: FilterRules): void {
    this.writes++;
    if (this.refuses) throw new NetlinkRefused("firewall rules", 1, "Operation not permitted");
    this.rules = rules;
    this.gone = false;
  }
  remove(): void {
    this.rules = null;
  }
  isGone(): boolean {
    return this.gone;
  }
  close(): void {}
}

const guarding = (...addresses: string[]): FirewallPlan => ({
  guarded: new Map(addresses.map((address) => [ip(address), [{ protocol: "TCP", port: 80 }]])),
  restricted: [],
});

let filter: Filter;
let clock: VirtualClock;
let changes: number;
let firewall: FirewallConverger;

beforeEach(() => {
  filter = new Filter();
  clock = new VirtualClock();
  changes = 0;
  const log = pino({ level: "silent" });
  firewall = new FirewallConverger(filter, { clock, entropy: { fraction: () => 0 }, log, onChange: () => changes++ });
});

const guarded = (): readonly string[] | null => filter.rules?.guarded ?? null;

describe("the firewall of a node", () => {
  it("comes before VIPs and goes after them", () => {
    firewall.widen(guarding("10.0.0.1"));
    expect(guarded()).toEqual(["10.0.0.1"]);
    firewall.widen(guarding("10.0.0.2"));
    expect(guarded()).toEqual(["10.0.0.1", "10.0.0.2"]);
    firewall.narrow(guarding("10.0.0.2"));
    expect(guarded()).toEqual(["10.0.0.2"]);
    firewall.widen(NO_FIREWALL);
    expect(guarded()).toEqual(["10.0.0.2"]);
    firewall.narrow(NO_FIREWALL);
    expect(guarded()).toBeNull();
  });

  it("is not written again for an equal plan", () => {
    for (let round = 0; round < 3; round++) {
      firewall.widen(guarding("10.0.0.1"));
      firewall.narrow(guarding("10.0.0.1"));
    }
    expect(filter.writes).toBe(1);
  });

  it("what an earlier run left goes with the first plan that knows all", () => {
    filter.rules = { guarded: [ip("10.0.0.9")], open: [], restricted: [] };
    firewall.narrow(NO_FIREWALL);
    expect(guarded()).toBeNull();
  });

  it("a refusal is told, and tried again with growing pauses until the kernel takes it", () => {
    filter.refuses = true;
    firewall.widen(guarding("10.0.0.1"));
    firewall.narrow(guarding("10.0.0.1"));
    expect([firewall.failure, changes, filter.writes]).toEqual([expect.stringContaining("not permitted"), 1, 1]);
    clock.advance(999);
    expect(filter.writes).toBe(1);
    clock.advance(1);
    expect(filter.writes).toBe(2);
    filter.refuses = false;
    clock.advance(2_000);
    expect([firewall.failure, changes, guarded()]).toEqual([null, 2, ["10.0.0.1"]]);
  });

  it("puts back what somebody took away", () => {
    firewall.widen(guarding("10.0.0.1"));
    filter.gone = true;
    filter.rules = null;
    clock.advance(5_000);
    expect(guarded()).toEqual(["10.0.0.1"]);
  });

  it("is taken away with the daemon although the kernel has refused the last change", () => {
    firewall.widen(guarding("10.0.0.1"));
    filter.refuses = true;
    firewall.narrow(guarding("10.0.0.1", "10.0.0.2"));
    firewall.close(false);
    expect(guarded()).toBeNull();
  });

  it("is taken away with the daemon, or left to the next one", () => {
    firewall.widen(guarding("10.0.0.1"));
    firewall.close(true);
    expect(guarded()).toEqual(["10.0.0.1"]);
    firewall.close(false);
    expect(guarded()).toBeNull();
  });
});
