import { pino } from "pino";
import { beforeEach, describe, expect, it } from "vitest";
import { routerFrame } from "../../../test/support/router-frame.ts";
import { VirtualClock } from "../../../test/support/virtual-clock.ts";
import { ip, type Ipv6 } from "../../addr/ip.ts";
import { macFromBytes } from "../../addr/mac.ts";
import type { RouterSegments } from "../../ports/router-segment.ts";
import { encodeRouterAdvertisement, encodeRouterSolicitation } from "../wire/router-advertisement.ts";
import { RouterDiscovery, type RouterLink } from "./router-discovery.ts";

const MAC = macFromBytes(Uint8Array.of(2, 0, 0, 0, 0, 1));
const ROUTER_MAC = macFromBytes(Uint8Array.of(2, 0, 0, 0, 0, 9));
const OURS = ip("fe80::1") as Ipv6;
const LINK: RouterLink = { interfaceIndex: 2, mac: MAC, linkLocal: OURS };

let clock: VirtualClock;
let sent: string[];
let lines: Record<string, unknown>[];
let broken: string | null;
let changes: string[];
let discovery: RouterDiscovery;
const ears = new Map<number, (frame: Uint8Array) => void>();
const segments: RouterSegments = {
  open(index, onFrame) {
    if (broken) throw new Error(broken);
    ears.set(index, onFrame);
    return {
      send(message, destination) {
        if (broken) throw new Error(broken);
        sent.push(`${clock.now()} if${index} ${message[0] === 133 ? "solicit" : "advertise"} ${destination}`);
      },
      close: () => void ears.delete(index),
    };
  },
};
const advertise = (source: string, mac = ROUTER_MAC, index = 2): void =>
  ears.get(index)?.(routerFrame(encodeRouterAdvertisement(mac), { source }));

beforeEach(() => {
  clock = new VirtualClock();
  [sent, lines, broken, changes] = [[], [], null, []];
  ears.clear();
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const entropy = { fraction: () => 0.5 };
  discovery = new RouterDiscovery({ clock, entropy, segments, log }, (name) => changes.push(name));
});

describe("discovery of the router on an interface", () => {
  it("asks, advertises itself, and finds who answers (UNN-01, UNN-02, UNN-04)", () => {
    discovery.setLinks(new Map([["eth1", LINK]]));
    clock.advance(600);
    expect(sent).toEqual(["0 if2 advertise ff02::1", "500 if2 solicit ff02::2"]);
    expect(discovery.status("eth1")).toEqual({ router: null, error: null });
    advertise("fe80::9");
    expect(discovery.status("eth1").router).toBe("fe80::9");
    expect(changes).toEqual(["eth1"]);
    expect(lines.map((line) => line["event"])).toEqual(["l2.router.found"]);
  });

  it("answers who asks, and hears neither itself nor what must be discarded (UNN-01, UNN-02)", () => {
    discovery.setLinks(new Map([["eth1", LINK]]));
    clock.advance(20_000);
    advertise(OURS);
    ears.get(2)?.(routerFrame(encodeRouterAdvertisement(ROUTER_MAC), { source: "fe80::9", hopLimit: 64 }));
    expect(discovery.status("eth1").router).toBeNull();
    sent.length = 0;
    ears.get(2)?.(routerFrame(encodeRouterSolicitation(ROUTER_MAC), { source: "fe80::9", destination: "ff02::2" }));
    clock.advance(3000);
    expect(sent).toHaveLength(1);
  });

  it("tells of other routers once in a while, however many, and keeps the first while it lives (UNN-07)", () => {
    discovery.setLinks(new Map([["eth1", LINK]]));
    advertise("fe80::9");
    const other = macFromBytes(Uint8Array.of(2, 0, 0, 0, 0, 8));
    for (let count = 1; count < 5; count++) {
      advertise("fe80::8", other);
      advertise(`fe80::${count}00`, other);
    }
    expect(lines.map((line) => line["event"])).toEqual(["l2.router.found", "l2.router.ignored"]);
    expect(discovery.status("eth1").router).toBe("fe80::9");
    discovery.setSession("eth1", true);
    clock.advance(3_600_000);
    advertise("fe80::8", other);
    expect(discovery.status("eth1").router).toBe("fe80::9");
    discovery.setSession("eth1", false);
    advertise("fe80::8", other);
    expect(discovery.status("eth1").router).toBe("fe80::8");
    expect(changes).toEqual(["eth1", "eth1"]);
  });

  it("forgets the router at once when the interface is down, made anew, or has another address (UNN-10)", () => {
    discovery.setLinks(new Map([["eth1", LINK]]));
    advertise("fe80::9");
    discovery.setLinks(new Map([["eth1", null]]));
    expect(discovery.status("eth1").router).toBeNull();
    expect(ears.size).toBe(0);
    for (const link of [LINK, { ...LINK, interfaceIndex: 7 }, { ...LINK, linkLocal: ip("fe80::2") as Ipv6 }]) {
      discovery.setLinks(new Map([["eth1", link]]));
      advertise("fe80::9", ROUTER_MAC, link.interfaceIndex);
      expect(discovery.status("eth1").router).toBe("fe80::9");
      // Saying the same again changes nothing.
      discovery.setLinks(new Map([["eth1", { ...link }]]));
      expect(discovery.status("eth1").router).toBe("fe80::9");
    }
    expect([...ears.keys()]).toEqual([2]);
  });

  it("tells trouble once, goes on with other interfaces, and tries again", () => {
    broken = "no such device";
    discovery.setLinks(new Map([["eth1", LINK]]));
    clock.advance(30_000);
    expect(lines.map((line) => line["event"])).toEqual(["l2.router.failed"]);
    expect(discovery.status("eth1").error).toBe("no such device");
    broken = null;
    clock.advance(10_000);
    expect(discovery.status("eth1").error).toBeNull();
    advertise("fe80::9");
    expect(discovery.status("eth1").router).toBe("fe80::9");
  });

  it("keeps interfaces apart, and leaves no timer and no socket", () => {
    discovery.setLinks(
      new Map([
        ["eth1", LINK],
        ["eth2", { ...LINK, interfaceIndex: 3 }],
      ]),
    );
    advertise("fe80::9", ROUTER_MAC, 3);
    expect([discovery.status("eth1").router, discovery.status("eth2").router]).toEqual([null, "fe80::9"]);
    discovery.setLinks(new Map([["eth1", LINK]]));
    expect(ears.size).toBe(1);
    discovery.close();
    expect([ears.size, clock.armed]).toEqual([0, 0]);
  });
});
