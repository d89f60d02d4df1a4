import { execFileSync, spawn } from "node:child_process";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Namespaces } from "../../../test/support/namespaces.ts";
import { needsNft } from "../../../test/support/privileges.ts";
import { ip } from "../../addr/ip.ts";
import { type Prefix, parsePrefix } from "../../addr/prefix.ts";
import type { FilterRules } from "../../ports/packet-filter.ts";
import { NftPacketFilter } from "./packet-filter.ts";

const prefix = (text: string): Prefix => parsePrefix(text)!;
const NONE: FilterRules = { guarded: [], open: [], restricted: [] };

/** A client `c` (10.0.0.1, 10.0.0.2, fd00::1, fd00::2) on the segment of a node `n` with two VIPs of each family. */
describe.runIf(!needsNft)("what may reach a VIP", () => {
  let lan: Namespaces;
  let filter: NftPacketFilter;
  const listeners: { kill(signal: "SIGKILL"): boolean }[] = [];

  beforeAll(async () => {
    lan = new Namespaces("c", "n");
    lan.connect("c", "n", "e0");
    for (const [host, addresses] of Object.entries({
      c: ["10.0.0.1/24", "10.0.0.2/24", "fd00::1/64", "fd00::2/64"],
      n: ["10.0.0.100/24", "10.0.0.101/24", "fd00::100/64", "fd00::101/64"],
    })) {
      for (const address of addresses)
        lan.ip(host, `addr add ${address} dev e0${address.includes(":") ? " nodad" : ""}`);
    }
    filter = lan.in("n", () => new NftPacketFilter());
    for (const port of [80, 81]) listeners.push(await listening(lan, port));
  }, 30_000);
  afterEach(() => filter.remove());
  afterAll(() => {
    for (const one of listeners) one.kill("SIGKILL");
    filter.close();
    lan.remove();
  });

  const reaches = (from: string, to: string, port: number): boolean => lan.in("c", () => connects(from, to, port));
  const isKept = (from: string, to: string, port: number): boolean =>
    !lan.in("c", () => connects(from, to, port, DROPPED_MILLIS));
  const replace = (rules: Partial<FilterRules>): void => lan.in("n", () => filter.replace({ ...NONE, ...rules }));
  const families = [
    ["IPv4", "10.0.0.1", "10.0.0.2", "10.0.0.100", "10.0.0.101", "10.0.0.0/31", "10.0.0.2/32"],
    ["IPv6", "fd00::1", "fd00::2", "fd00::100", "fd00::101", "fd00::/127", "fd00::2/128"],
  ] as const;

  it.each(families)("%s: a guarded VIP answers on its open ports, and no other", (_, one, _two, vip, free) => {
    replace({ guarded: [ip(vip)], open: [{ address: ip(vip), protocol: "TCP", port: 80 }] });
    expect(reaches(one, vip, 80)).toBe(true);
    expect(isKept(one, vip, 81)).toBe(true);
    expect(reaches(one, free, 81)).toBe(true);
  });

  it.each(families)("%s: a restricted port answers to its sources only, other ports to all", (...row) => {
    const [, one, two, vip, free, first, second] = row;
    const restricted = (sources: readonly string[]): void =>
      replace({ restricted: [{ address: ip(vip), protocol: "TCP", port: 80, sources: sources.map(prefix) }] });
    restricted([first]);
    expect([reaches(one, vip, 80), isKept(two, vip, 80)]).toEqual([true, true]);
    expect([reaches(two, vip, 81), reaches(two, free, 80)]).toEqual([true, true]);
    // Ranges that contain one another are no error.
    restricted([second, first, first, one.includes(":") ? "fd00::/64" : "10.0.0.0/24"]);
    expect([reaches(one, vip, 80), reaches(two, vip, 80)]).toEqual([true, true]);
    restricted([]);
    expect([isKept(one, vip, 80), isKept(two, vip, 80)]).toEqual([true, true]);
  });

  it("the node itself is not kept from its VIPs", () => {
    replace({ guarded: [ip("10.0.0.100")], restricted: [] });
    expect(lan.in("n", () => connects("10.0.0.100", "10.0.0.100", 80))).toBe(true);
    expect(isKept("10.0.0.1", "10.0.0.100", 80)).toBe(true);
  });

  it("leaves foreign tables alone, and notices when somebody flushes its own", () => {
    const nft = (...args: string[]): string => lan.in("n", () => execFileSync("nft", args, { encoding: "utf8" }));
    nft("add", "table", "inet", "foreign");
    replace({ guarded: [ip("10.0.0.100")] });
    nft("add", "table", "inet", "another");
    expect(filter.isGone()).toBe(false);
    nft("delete", "table", "inet", "vipcast-firewall");
    expect(filter.isGone()).toBe(true);
    replace({ guarded: [ip("10.0.0.100")] });
    expect(filter.isGone()).toBe(false);
    filter.remove();
    filter.remove();
    expect(nft("list", "tables").trim().split("\n")).toEqual(["table inet foreign", "table inet another"]);
    nft("flush", "ruleset");
  });
});

/** Accepts connections to any address of namespace `n`. */
async function listening(lan: Namespaces, port: number): Promise<{ kill(signal: "SIGKILL"): boolean }> {
  const script = `require("net").createServer((c) => c.end()).listen(${port}, "::", () => console.log("up"))`;
  const child = lan.in("n", () => spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] }));
  await new Promise((resolve) => child.stdout.once("data", resolve));
  return child;
}

/** Long enough for an answer that comes at all, too short for a second SYN. */
const DROPPED_MILLIS = 400;

/** Whether a connection is set up within `withinMillis`. */
function connects(from: string, to: string, port: number, withinMillis = 10_000): boolean {
  const script =
    `const c = require("net").connect({ host: "${to}", port: ${port}, localAddress: "${from}" }, () => process.exit(0));` +
    `c.on("error", () => process.exit(1)); setTimeout(() => process.exit(2), ${withinMillis});`;
  try {
    execFileSync(process.execPath, ["-e", script], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
