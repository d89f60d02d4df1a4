import { readdirSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Namespaces } from "../../../test/support/namespaces.ts";
import { needsRoot } from "../../../test/support/privileges.ts";
import { until } from "../../../test/support/until.ts";
import { ip } from "../../addr/ip.ts";
import { type Prefix, parsePrefix } from "../../addr/prefix.ts";
import type { InterfaceAddress, NextHop } from "../../ports/network.ts";
import { Netlink } from "./netlink.ts";

const prefix = (text: string): Prefix => parsePrefix(text)!;
const openDescriptors = (): number => readdirSync("/proc/self/fd").length;

describe.runIf(!needsRoot)("the kernel's network through rtnetlink", () => {
  let lan: Namespaces;
  let network: Netlink;
  let index: Record<string, number>;

  /** As a later run of the program would open it. */
  const open = (addressProtocol = 200, ...alsoOwned: number[]): Netlink =>
    lan.in("a", () => new Netlink({ addressProtocol, alsoOwned }));
  const find = (address: string, from: Netlink = network): InterfaceAddress | undefined =>
    from.addresses().find((entry) => entry.address === address);
  const vip = (device: string, address: string, prefixLength: number, scopeHost = false) => ({
    interfaceIndex: index[device]!,
    address: ip(address),
    prefixLength,
    scopeHost,
  });

  beforeAll(() => {
    lan = new Namespaces("a", "b");
    lan.connect("a", "b", "e0");
    lan.connect("a", "b", "averylongname0");
    lan.ip("a", "addr add 10.0.0.1/24 dev e0");
    lan.ip("a", "addr add fd00::1/64 dev e0 nodad");
    lan.ip("a", "addr add 10.1.0.1/24 dev averylongname0");
    network = open();
    index = Object.fromEntries(network.links().map((link) => [link.name, link.index]));
  });
  afterEach(() => {
    for (const entry of network.addresses()) if (entry.owned) network.removeAddress(entry);
    for (const table of [254, 1000]) {
      for (const route of network.routes({ table, protocol: 202 })) network.removeRoute(route);
    }
  });
  afterAll(() => {
    network.close();
    lan.remove();
  });

  const carrier = (): Promise<void> => until("links are up", () => network.links().every((link) => link.up));

  it("lists links with their state and Ethernet address", async () => {
    await carrier();
    const links = new Map(network.links().map((link) => [link.name, link]));
    expect([...links.keys()].toSorted()).toEqual(["averylongname0", "e0", "lo"]);
    expect(links.get("lo")).toMatchObject({ loopback: true, up: true, mac: null });
    const mac = /link\/ether ([0-9a-f:]{17})/.exec(lan.ip("a", "link show e0"))![1];
    expect(links.get("e0")).toMatchObject({ loopback: false, up: true, mac, forwardsIpv6: false });
    lan.sysctl("a", "net/ipv6/conf/e0/forwarding", "1");
    lan.ip("b", "link set e0 down");
    const e0 = () => network.links().find((link) => link.name === "e0");
    await until("the cable is out", () => e0()?.up === false);
    expect(e0()).toMatchObject({ up: false, forwardsIpv6: true });
    lan.ip("b", "link set e0 up");
    await carrier();
    lan.sysctl("a", "net/ipv6/conf/e0/forwarding", "0");
  });

  for (const [device, address, length, shown] of [
    ["lo", "10.96.0.10", 32, "inet 10.96.0.10/32 scope host deprecated lo:vc8"],
    [
      "lo",
      "fd00:96::10",
      128,
      "inet6 fd00:96::10/128 scope global nodad deprecated valid_lft forever preferred_lft 0sec",
    ],
    ["e0", "10.0.0.100", 32, "inet 10.0.0.100/32 scope host deprecated e0:vc8"],
    ["e0", "fd00::100", 128, "inet6 fd00::100/128 scope global nodad deprecated valid_lft forever preferred_lft 0sec"],
    ["averylongname0", "10.1.0.100", 32, "inet 10.1.0.100/32 scope host deprecated averylongna:vc8"],
  ] as const) {
    it(`puts ${address} on ${device}, marked as ours and deprecated as a source, and takes it away`, () => {
      const wanted = vip(device, address, length, true);
      network.addAddress(wanted);
      network.addAddress(wanted);
      const line = lan.ip("a", `addr show dev ${device}`).replaceAll(/\s+/g, " ");
      expect(line).toContain(shown);
      expect(find(address)).toEqual({
        interfaceIndex: index[device],
        address,
        prefixLength: length,
        owned: true,
        tentative: false,
      });
      network.removeAddress(wanted);
      network.removeAddress(wanted);
      expect(find(address)).toBeUndefined();
      expect(lan.ip("a", "addr show")).not.toContain(address);
    });
  }

  it("gives addresses a lifetime, extends it, and ends it; the kernel takes away what is not extended", async () => {
    const entries = [vip("lo", "10.96.0.21", 32), vip("e0", "fd00::21", 128)];
    const lifetime = (address: string): string | undefined =>
      new RegExp(`${address}/[^]*?valid_lft (\\S+)`).exec(lan.ip("a", "addr show"))?.[1];
    for (const entry of entries) {
      network.addAddress({ ...entry, validSeconds: 500 });
      expect(lifetime(entry.address)).toMatch(/^(500|499)sec$/);
      network.extendAddress({ ...entry, validSeconds: 1000 });
      expect(lifetime(entry.address)).toMatch(/^(1000|999)sec$/);
      expect(find(entry.address)).toMatchObject({ owned: true });
      network.extendAddress(entry);
      expect(lifetime(entry.address)).toBe("forever");
      network.extendAddress({ ...entry, validSeconds: 1 });
    }
    for (const { address } of entries) {
      await until(`the kernel has taken ${address} away`, () => find(address) === undefined);
    }
  });

  it("gives an address global scope unless asked otherwise", () => {
    network.addAddress(vip("lo", "10.96.0.11", 32));
    expect(lan.ip("a", "addr show dev lo")).toContain("inet 10.96.0.11/32 scope global");
  });

  it("recognises what an earlier run left behind, and can remove it", () => {
    for (const entry of [vip("lo", "10.96.0.12", 32), vip("e0", "fd00::12", 128)]) open().addAddress(entry);
    const later = open();
    const leftovers = later.addresses().filter((entry) => entry.owned);
    expect(leftovers.map((entry) => entry.address)).toEqual(["10.96.0.12", "fd00::12"]);
    for (const entry of leftovers) later.removeAddress(entry);
    expect(later.addresses().some((entry) => entry.owned)).toBe(false);
    later.close();
  });

  it("recognises an IPv4 leftover by its label alone, as on kernels that keep no protocol", () => {
    lan.ip("a", "addr add 10.96.0.13/32 dev lo label lo:vc8");
    expect(find("10.96.0.13")).toMatchObject({ owned: true });
  });

  it("tells its own from those of a daemon with another number, unless that number is its own as well", () => {
    for (const entry of [vip("lo", "10.96.0.16", 32), vip("lo", "fd00:96::16", 128)]) {
      open(201).addAddress(entry);
      expect(find(entry.address, open(200))).toMatchObject({ owned: false });
      expect(find(entry.address, open(200, 201))).toMatchObject({ owned: true });
      open(201).removeAddress(entry);
    }
  });

  it("never takes a foreign address for its own, not even after being asked to add it", () => {
    lan.ip("a", "addr add 10.96.0.14/32 dev lo");
    lan.ip("a", "addr add fd00:96::14/128 dev lo");
    for (const entry of [vip("lo", "10.96.0.14", 32), vip("lo", "fd00:96::14", 128)]) {
      network.addAddress(entry);
      expect(find(entry.address)).toMatchObject({ owned: false });
      expect(find(entry.address, open())).toMatchObject({ owned: false });
      expect(lan.ip("a", "addr show dev lo")).not.toMatch(new RegExp(`${entry.address}.*deprecated`));
    }
    network.addAddress(vip("lo", "10.96.0.15", 32));
    expect(find("10.96.0.15", open(201))).toMatchObject({ owned: false });
    expect(find("10.0.0.1")).toMatchObject({ owned: false });
  });

  it("removes the one address that it is asked to remove, and puts back what the kernel drops with it", () => {
    network.addAddress(vip("lo", "10.50.0.1", 24));
    lan.ip("a", "addr add 10.50.0.2/24 dev lo label lo:dhcp metric 77 noprefixroute");
    lan.ip("a", "addr add 10.50.0.1/32 dev e0");
    expect(lan.ip("a", "addr show dev lo")).toContain("10.50.0.2/24 metric 77 scope global secondary noprefixroute");
    network.removeAddress(vip("lo", "10.50.0.1", 24));
    expect(lan.ip("a", "addr show dev lo")).toContain("10.50.0.2/24 metric 77 scope global noprefixroute lo:dhcp");
    expect(find("10.50.0.1")).toMatchObject({ interfaceIndex: index["e0"], owned: false });
    network.removeAddress(vip("lo", "10.50.0.2", 24));
    network.removeAddress(vip("e0", "10.50.0.1", 32));
    expect(find("10.50.0.2")).toBeUndefined();
    expect(find("10.0.0.1")).toBeDefined();
  });

  it("says what the kernel refused and why, and goes on", () => {
    expect(() => network.addAddress({ ...vip("lo", "10.96.0.16", 32), interfaceIndex: 9999 })).toThrow(
      expect.objectContaining({ name: "NetlinkRefused", errno: 19, message: expect.stringMatching(/10\.96\.0\.16/) }),
    );
    expect(() =>
      network.replaceRoute({ ...ROUTE, prefix: prefix("10.9.0.0/24"), nextHops: [{ via: ip("192.0.2.1") }] }),
    ).toThrow(/Nexthop has invalid gateway/);
    expect(network.links()).toHaveLength(3);
  });

  it("tells of a link flap, which takes an IPv6 address away and leaves an IPv4 one", async () => {
    network.addAddress(vip("e0", "fd00::77", 128));
    network.addAddress(vip("e0", "10.0.0.77", 32));
    const seen: (string | undefined)[] = [];
    const watching = lan.in("a", () => network.watch(() => seen.push(find("fd00::77")?.address)));
    lan.ip("a", "link set e0 down");
    await until("the IPv6 address is gone", () => seen.includes(undefined));
    expect(find("10.0.0.77")).toMatchObject({ owned: true });
    lan.ip("a", "link set e0 up");
    lan.ip("a", "addr add fd00::1/64 dev e0 nodad");
    network.addAddress(vip("e0", "fd00::77", 128));
    await until("it is back", () => seen.at(-1) === "fd00::77");
    watching.close();
    await carrier();
  });

  for (const [what, change, undo] of [
    ["an IPv4 address", "addr add 10.7.7.7/32 dev lo", "addr del 10.7.7.7/32 dev lo"],
    ["an IPv6 address", "addr add fd00:7::7/128 dev lo", "addr del fd00:7::7/128 dev lo"],
    ["an IPv4 route", "route add 10.7.8.0/24 dev e0", "route del 10.7.8.0/24 dev e0"],
    ["an IPv6 route", "-6 route add fd00:8::/64 dev e0", "-6 route del fd00:8::/64 dev e0"],
    ["a link", "link add v9 type veth peer name v8", "link del v9"],
  ] as const) {
    it(`tells that ${what} came and went, once per burst`, async () => {
      let calls = 0;
      const watching = lan.in("a", () => network.watch(() => calls++));
      lan.ip("a", change);
      await until("told of the change", () => calls === 1);
      // While this thread is in `ip`, everything that happens piles up in the socket: one burst.
      for (let i = 0; i < 3; i++) {
        lan.ip("a", undo);
        lan.ip("a", change);
      }
      lan.ip("a", undo);
      await until("told of the burst", () => calls === 2);
      watching.close();
      lan.ip("a", change);
      lan.ip("a", undo);
      await new Promise((resolve) => setImmediate(resolve));
      expect(calls).toBe(2);
    });
  }

  it("tells while changes go on without a pause, and nothing after it was closed", async () => {
    let calls = 0;
    const watching = lan.in("a", () => network.watch(() => calls++));
    const change = (): void => {
      network.addAddress(vip("lo", "10.96.0.18", 32));
      network.removeAddress(vip("lo", "10.96.0.18", 32));
    };
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    const enough = (): boolean => calls >= 5;
    for (let i = 0; !enough() && i < 10_000; i++) {
      change();
      await turn();
    }
    expect(calls).toBe(5);
    await until("the last change was told", () => calls > 5);
    change();
    // The change is seen by now, and its call is due in a few milliseconds.
    for (let i = 0; i < 3; i++) await turn();
    watching.close();
    const told = calls;
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(calls).toBe(told);
  });

  it("still tells when so much happened that the kernel dropped messages", async () => {
    let calls = 0;
    const watching = lan.in("a", () => network.watch(() => calls++));
    for (let i = 0; i < 1500; i++) {
      network.addAddress(vip("lo", "10.96.0.17", 32));
      network.removeAddress(vip("lo", "10.96.0.17", 32));
    }
    await until("told", () => calls > 0);
    const before = calls;
    network.addAddress(vip("lo", "10.96.0.17", 32));
    await until("told of the next change as well", () => calls > before);
    watching.close();
  });

  const ROUTE = { prefix: prefix("10.200.0.1/32"), table: 254, protocol: 202 };
  const hops = (...addresses: string[]): NextHop[] => addresses.map((address) => ({ via: ip(address) }));
  /** Route lines with the blanks and the fields of no interest taken out. */
  const shown = (words: string): string =>
    lan
      .ip("a", words)
      .replaceAll(/ (pref medium|weight 1|proto 202|proto 0xca|metric 20)/g, "")
      .replaceAll(/\s+/g, " ")
      .trim();

  for (const [family, target, one, two, device] of [
    ["IPv4", "10.200.0.1/32", "10.0.0.2", "10.0.0.3", "10.1.0.2"],
    ["IPv6", "fd00:200::1/128", "fd00::2", "fd00::3", "fd00::4"],
  ] as const) {
    it(`adds, replaces and removes routes with one and several next hops (${family})`, () => {
      const route = { ...ROUTE, prefix: prefix(target) };
      const address = target.replace(/\/.*/, "");
      const show = `${family === "IPv6" ? "-6 " : ""}route show proto 202`;
      const line = (...via: string[]): string =>
        via.length === 1
          ? `${address} via ${via[0]} dev ${via[0] === "10.1.0.2" ? "averylongname0" : "e0"}`
          : `${address} ${via.map((hop) => `nexthop via ${hop} dev ${hop === "10.1.0.2" ? "averylongname0" : "e0"}`).join(" ")}`;
      for (const set of [[one], [one, two], [one, two, device], [two, device], [device]]) {
        network.replaceRoute({ ...route, nextHops: hops(...set) });
        expect(shown(show)).toBe(line(...set));
        const [listed, ...others] = network.routes(route);
        expect(others).toEqual([]);
        const nextHops = set.map((via) => ({
          via,
          interfaceIndex: index[via === "10.1.0.2" ? "averylongname0" : "e0"],
        }));
        expect(listed).toEqual({ ...route, nextHops });
      }
      network.removeRoute(route);
      network.removeRoute(route);
      expect(network.routes(route)).toEqual([]);
      expect(shown(show)).toBe("");
    });
  }

  it("routes IPv4 through an IPv6 next hop, and to a device alone", () => {
    network.replaceRoute({ ...ROUTE, nextHops: [{ via: ip("fd00::2"), interfaceIndex: index["e0"]! }] });
    expect(shown("route show proto 202")).toBe("10.200.0.1 via inet6 fd00::2 dev e0");
    expect(network.routes(ROUTE)[0]!.nextHops).toEqual([{ via: "fd00::2", interfaceIndex: index["e0"] }]);
    network.replaceRoute({ ...ROUTE, nextHops: [{ interfaceIndex: index["e0"]! }] });
    expect(shown("route show proto 202")).toBe("10.200.0.1 dev e0");
    network.removeRoute(ROUTE);
    expect(() => network.replaceRoute({ ...ROUTE, nextHops: [] })).toThrow(RangeError);
  });

  it("puts routes of every type into a table of one's own, of either family, with the kernel's metric", () => {
    const device = [{ interfaceIndex: index["e0"]! }];
    const types = [
      ["unicast", device],
      ["local", device],
      ["blackhole", []],
      ["unreachable", []],
      ["prohibit", []],
    ] as const;
    for (const target of ["10.200.0.9/32", "fd00:200::9/128"]) {
      const family = target.includes(":") ? "-6 " : "";
      const route = { prefix: prefix(target), table: 198, protocol: 202 };
      for (const [type, nextHops] of types) {
        network.replaceRoute({ ...route, type, metric: 0, nextHops });
        const shown = lan.ip("a", `${family}route show table 198`);
        expect(shown).toMatch(new RegExp(`^${type === "unicast" ? "" : `${type} `}${target.replace(/\/.*/, "")} `));
        expect(shown.includes("metric 1024")).toBe(family !== "");
        const [listed, ...others] = network.routes(route);
        expect(others).toEqual([]);
        expect(listed).toMatchObject({ ...route, ...(type === "unicast" ? {} : { type }) });
        if (nextHops.length > 0) expect(listed!.nextHops).toEqual(nextHops);
        network.removeRoute(route);
        expect(network.routes(route)).toEqual([]);
      }
      expect(() => network.replaceRoute({ ...route, type: "blackhole", nextHops: device })).toThrow(RangeError);
    }
  });

  it("sees only routes of the asked table and protocol, and removes only those", () => {
    const other = { ...ROUTE, table: 1000 };
    expect(network.routes(other)).toEqual([]);
    network.replaceRoute({ ...other, nextHops: hops("10.0.0.2") });
    lan.ip("a", "route add 10.200.0.1/32 via 10.0.0.9 proto 77");
    expect(network.routes(other).map((route) => route.prefix)).toEqual(["10.200.0.1/32"]);
    expect(network.routes(ROUTE)).toEqual([]);
    network.removeRoute(ROUTE);
    expect(lan.ip("a", "route show proto 77")).toContain("10.200.0.1 via 10.0.0.9");
    network.removeRoute(other);
    expect(network.routes(other)).toEqual([]);
    lan.ip("a", "route del 10.200.0.1/32 proto 77");
  });

  it("does not replace another program's route in the same place", () => {
    for (const [target, via, ours] of [
      ["10.200.0.1/32", "10.0.0.9", "10.0.0.2"],
      ["fd00:200::1/128", "fd00::9", "fd00::2"],
    ] as const) {
      lan.ip("a", `route add ${target} via ${via} proto 77 metric 20`);
      const route = { ...ROUTE, prefix: prefix(target), nextHops: hops(ours) };
      expect(() => network.replaceRoute(route)).toThrow(/another program's route/);
      expect(lan.ip("a", `${target.includes(":") ? "-6 " : ""}route show ${target}`)).toContain(`via ${via}`);
      lan.ip("a", `route del ${target} proto 77 metric 20`);
      network.replaceRoute(route);
      network.removeRoute(route);
    }
  });

  it("lists hundreds of routes and addresses, more than one datagram holds", () => {
    const count = 900;
    const address = (i: number): string => `10.${100 + (i >> 8)}.${i & 255}.1`;
    for (let i = 0; i < count; i++) {
      network.addAddress(vip("lo", address(i), 32));
      network.replaceRoute({
        ...ROUTE,
        prefix: prefix(`10.${200 + (i >> 8)}.${i & 255}.0/24`),
        nextHops: hops("10.0.0.2"),
      });
    }
    expect(network.addresses().filter((entry) => entry.owned)).toHaveLength(count);
    const routes = network.routes(ROUTE);
    expect(routes).toHaveLength(count);
    for (const route of routes) network.removeRoute(route);
  });

  it("leaks no descriptor in 50 openings with a watch each", async () => {
    const cycle = (): void => {
      const one = open();
      const watching = lan.in("a", () => one.watch(() => {}));
      const left = lan.in("a", () => one.watch(() => {}));
      watching.close();
      watching.close();
      one.close();
      left.close();
    };
    cycle();
    await new Promise((resolve) => setImmediate(resolve));
    const before = openDescriptors();
    for (let i = 0; i < 50; i++) cycle();
    await until("descriptors closed", () => openDescriptors() === before);
  });
});
