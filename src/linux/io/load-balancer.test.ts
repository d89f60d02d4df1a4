import { execFileSync, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Namespaces } from "../../../test/support/namespaces.ts";
import { needsNft } from "../../../test/support/privileges.ts";
import { ip } from "../../addr/ip.ts";
import type { BalancedService } from "../../ports/load-balancer.ts";
import { NftLoadBalancer } from "./load-balancer.ts";

/**
 * A client and three servers on one segment; the balancer stands on the first server, which has the VIPs. Each server
 * says its name to whoever connects.
 */
describe.runIf(!needsNft)("new connections through the kernel", () => {
  let lan: Namespaces;
  let balancer: NftLoadBalancer;
  const children: { kill(signal: "SIGKILL"): boolean }[] = [];
  const SERVERS = ["s1", "s2", "s3"] as const;

  beforeAll(async () => {
    lan = new Namespaces("sw", "c", ...SERVERS);
    lan.ip("sw", "link add name bridge0 type bridge");
    lan.ip("sw", "link set bridge0 up");
    for (const [at, host] of (["c", ...SERVERS] as const).entries()) {
      lan.connect("sw", host, `e${at}`);
      lan.ip("sw", `link set e${at} master bridge0`);
      lan.ip(host, `addr add 10.0.0.${at + 1}/24 dev e${at}`);
      lan.ip(host, `addr add fd00::${at + 1}/64 dev e${at} nodad`);
    }
    lan.ip("s1", "addr add 10.0.0.100/24 dev e1");
    lan.ip("s1", "addr add fd00::100/64 dev e1 nodad");
    lan.in("s1", () => {
      writeFileSync("/proc/sys/net/ipv4/ip_forward", "1");
      writeFileSync("/proc/sys/net/ipv6/conf/all/forwarding", "1");
    });
    balancer = lan.in("s1", () => new NftLoadBalancer());
    for (const host of SERVERS) children.push(await serving(lan, host));
  }, 30_000);
  afterEach(() => balancer.remove());
  afterAll(() => {
    for (const child of children) child.kill("SIGKILL");
    balancer?.close();
    lan.remove();
  });

  const families = [
    ["IPv4", "10.0.0.100", ["10.0.0.2", "10.0.0.3", "10.0.0.4"]],
    ["IPv6", "fd00::100", ["fd00::2", "fd00::3", "fd00::4"]],
  ] as const;
  const service = (
    address: string,
    backends: readonly string[],
    algorithm: BalancedService["algorithm"] = "round-robin",
  ): BalancedService => ({
    ...{ address: ip(address), port: 6443, algorithm },
    backends: backends.map((backend) => ({ address: ip(backend), port: 6444 })),
  });
  const replace = (...services: BalancedService[]): void => lan.in("s1", () => balancer.replace(services));
  /** How often each server answered. */
  const tally = (host: string, address: string, count: number): Record<string, number> =>
    JSON.parse(
      lan.in(host, () => execFileSync(process.execPath, ["-e", ASK, address, `${count}`], { encoding: "utf8" })),
    );

  it.each(families)("%s: go to each backend in turn, from a client and from the node itself", (_, vip, backends) => {
    replace(service(vip, backends));
    expect(tally("c", vip, 30)).toEqual({ s1: 10, s2: 10, s3: 10 });
    expect(tally("s1", vip, 30)).toEqual({ s1: 10, s2: 10, s3: 10 });
  });

  it.each(families)(
    "%s: a backend that is no longer named gets none, and one that is named again does",
    (_, vip, backends) => {
      replace(service(vip, backends));
      replace(service(vip, backends.slice(0, 2)));
      expect(tally("c", vip, 20)).toEqual({ s1: 10, s2: 10 });
      replace(service(vip, backends));
      expect(tally("c", vip, 30)).toEqual({ s1: 10, s2: 10, s3: 10 });
    },
  );

  it.each(families)(
    "%s: one client has one backend by source-hash, and all have some at random",
    (_, vip, backends) => {
      replace(service(vip, backends, "source-hash"));
      expect(Object.values(tally("c", vip, 20))).toEqual([20]);
      replace(service(vip, backends, "random"));
      // None of 60 has a chance of 1 in 10^10.
      expect(Object.keys(tally("c", vip, 60)).toSorted()).toEqual(["s1", "s2", "s3"]);
    },
  );

  it("established connections stay with their backend, whatever becomes of the table", async () => {
    replace(service("10.0.0.100", ["10.0.0.3"]));
    const client = lan.in("c", () =>
      spawn(process.execPath, ["-e", HOLD, "10.0.0.100"], { stdio: ["pipe", "pipe", "inherit"] }),
    );
    children.push(client);
    const said = (): Promise<string> =>
      new Promise((resolve) => client.stdout.once("data", (data) => resolve(String(data))));
    expect(await said()).toBe("s2");
    replace(service("10.0.0.100", ["10.0.0.4"]));
    expect(tally("c", "10.0.0.100", 3)).toEqual({ s3: 3 });
    client.stdin.write("again");
    expect(await said()).toBe("s2");
    // As beside kube-proxy: the kernel translates as long as anybody has a chain for it.
    const nft = (...words: string[]): string => lan.in("s1", () => execFileSync("nft", words, { encoding: "utf8" }));
    nft("add table inet other");
    nft("add chain inet other nat { type nat hook prerouting priority -100; }");
    balancer.remove();
    client.stdin.write("again");
    expect(await said()).toBe("s2");
    nft("delete table inet other");
  });

  it("stands beside other tables, and is shown by nft as what it is", () => {
    replace(service("10.0.0.100", ["10.0.0.2", "10.0.0.3"]));
    const text = lan
      .in("s1", () => execFileSync("nft", ["list", "ruleset"], { encoding: "utf8" }))
      .replaceAll(/\s+/g, " ");
    expect(text).toContain(
      "meta l4proto tcp dnat ip to numgen inc mod 2 map { 0 : 10.0.0.2 . 6444, 1 : 10.0.0.3 . 6444 }",
    );
    expect(text).toContain("ip daddr 10.0.0.100 tcp dport 6443 goto service0");
    expect(text).toContain(
      "meta l4proto tcp ct status dnat ct original ip daddr 10.0.0.100 ct original proto-dst 6443 fib daddr type != local masquerade",
    );
  });
});

/** Says its name to whoever connects, and again to whatever comes. */
async function serving(lan: Namespaces, host: string): Promise<{ kill(signal: "SIGKILL"): boolean }> {
  const script = `require("net").createServer((c) => { c.write("${host}"); c.on("data", () => c.write("${host}")); c.on("error", () => {}); }).listen(6444, "::", () => console.log("up"))`;
  const child = lan.in(host, () => spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] }));
  await new Promise((resolve) => child.stdout.once("data", resolve));
  return child;
}

const ASK = `const [address, count] = process.argv.slice(1); const tally = {};
const next = (left) => {
  if (left === 0) { console.log(JSON.stringify(tally)); process.exit(0); }
  const c = require("net").connect({ host: address, port: 6443 });
  c.once("data", (name) => { tally[name] = (tally[name] ?? 0) + 1; c.destroy(); next(left - 1); });
  c.on("error", (error) => { console.error(String(error)); process.exit(1); });
};
setTimeout(() => process.exit(2), 15000);
next(Number(count));`;
const HOLD = `const c = require("net").connect({ host: process.argv[1], port: 6443 });
c.on("data", (name) => process.stdout.write(name)); process.stdin.on("data", (text) => c.write(text));`;
