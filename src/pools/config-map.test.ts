import { describe, expect, it } from "vitest";
import { parsePools, poolFor } from "./config-map.ts";
import { sizeOf } from "./ranges.ts";

const sizes = (data: Record<string, string>): Record<string, bigint[]> =>
  Object.fromEntries([...parsePools(data).pools].map(([key, { ranges }]) => [key, ranges.map(sizeOf)]));
const problems = (data: Record<string, string>): readonly string[] => parsePools(data).problems;

describe("pools of the ConfigMap kubevip", () => {
  it("are CIDRs and ranges of both families; IPv4 addresses that end in .0 and .255 are not counted", () => {
    const data = {
      "cidr-default": "10.0.0.0/24, fd00::/120",
      "cidr-global": "10.1.0.0/16",
      "range-default": "10.2.0.250-10.2.1.5,10.3.0.1-10.3.0.1",
    };
    expect(sizes(data)).toEqual({ "cidr-default": [254n, 256n], "cidr-global": [65_024n], "range-default": [10n, 1n] });
    expect(problems(data)).toEqual([]);
  });

  it("skip the ends of IPv4 CIDRs on request, but not of /31 and /32", () => {
    const data = { "cidr-a": "10.0.0.8/29", "cidr-b": "10.0.0.16/31,10.0.0.20/32", "cidr-c": "fd00::/126" };
    expect(sizes({ ...data, "skip-end-ips-in-cidr": "true" })).toEqual({
      "cidr-a": [6n],
      "cidr-b": [2n, 1n],
      "cidr-c": [4n],
    });
    expect(sizes(data)["cidr-a"]).toEqual([8n]);
  });

  it("a global CIDR comes before a range of the namespace, and a pool without the family is passed over", () => {
    const pools = parsePools({
      "range-default": "10.0.0.1-10.0.0.9",
      "cidr-global": "10.1.0.0/24",
      "cidr-other": "10.2.0.0/24",
      "range-global": "fd00::1-fd00::9",
    });
    expect(poolFor(pools, "default", 4)?.key).toBe("cidr-global");
    expect(poolFor(pools, "other", 4)?.key).toBe("cidr-other");
    expect(poolFor(pools, "other", 6)?.key).toBe("range-global");
  });

  it.each([
    [{ "cidr-default": "10.0.0" }, /^cidr-default: "10\.0\.0" is not a CIDR$/],
    [{ "range-default": "10.0.0.9-10.0.0.1" }, /^range-default: .* is not a range FIRST-LAST$/],
    [{ "range-default": "10.0.0.1-fd00::1" }, /not a range/],
    [{ "cidr-default": "10.0.0.0/24,10.0.0.128/25" }, /overlaps another range of it/],
    [
      { "cidr-default": "10.0.0.0/24", "range-global": "10.0.0.9-10.0.0.10" },
      /^cidr-default and range-global overlap$/,
    ],
    [{ "cidr-global": "0.0.0.0/32" }, /by DHCP, which is not supported/],
    [{ "cdir-global": "10.0.0.0/24" }, /^cdir-global: not a key of pools/],
    [{ "search-order": "down" }, /neither asc nor desc/],
    [{ "allow-share-global": "yes" }, /neither true nor false/],
    [{ "interface-global": "eth 0" }, /not the name of an interface/],
    [{ "cidr-global": "" }, /names no address/],
  ])("%j: J1: what is wrong is named, and costs nothing else", (data, expected) => {
    expect(problems(data)).toEqual([expect.stringMatching(expected)]);
    expect(parsePools({ ...data, "cidr-elsewhere": "10.9.0.0/24" }).pools.has("cidr-elsewhere")).toBe(true);
  });
});
