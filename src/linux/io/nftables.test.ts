import { execFileSync } from "node:child_process";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Namespaces } from "../../../test/support/namespaces.ts";
import { needsNft } from "../../../test/support/privileges.ts";
import { ip, ipToBytes } from "../../addr/ip.ts";
import { NetlinkRefused } from "../../ports/network.ts";
import type { NftChange, NftSet } from "../wire/nftables.ts";
import { compare, goTo, loadMeta, loadPayload, lookUp, verdict } from "../wire/nftables-expressions.ts";
import { Nftables } from "./nftables.ts";

const PORTS: NftSet = { name: "ports", key: ["ipv4_addr", "inet_proto", "inet_service"], interval: false };
const SOURCES: NftSet = { name: "sources", key: ["ipv6_addr", "inet_service", "ipv6_addr"], interval: true };
const PROTOCOL = Uint8Array.of(6);
const PORT = Uint8Array.of(0x01, 0xbb);
const v4 = (text: string): Uint8Array => ipToBytes(ip(text));

describe.runIf(!needsNft)("nftables over netlink", () => {
  let lan: Namespaces;
  let nftables: Nftables;

  beforeAll(() => {
    lan = new Namespaces("a");
    nftables = lan.in("a", () => new Nftables());
  });
  afterEach(() => {
    if (nftables.hasTable("inet", "t")) nftables.apply("clean", "inet", [{ do: "delete-table", table: "t" }]);
  });
  afterAll(() => {
    nftables.close();
    lan.remove();
  });

  const listed = (): string =>
    lan
      .in("a", () => execFileSync("nft", ["list", "ruleset"], { encoding: "utf8" }))
      .replaceAll(/\s+/g, " ")
      .trim();

  const base: readonly NftChange[] = [
    { do: "add-table", table: "t" },
    { do: "add-set", table: "t", set: PORTS },
    { do: "add-chain", table: "t", chain: "sub" },
    { do: "add-chain", table: "t", chain: "pre", hook: { type: "filter", hook: "prerouting", priority: -150 } },
  ];

  it("makes tables, chains, sets and rules that nft shows as what they are", () => {
    nftables.apply("make", "inet", [
      ...base,
      { do: "add-elements", table: "t", set: PORTS, elements: [{ from: [v4("10.0.0.1"), PROTOCOL, PORT] }] },
      {
        do: "add-rule",
        table: "t",
        chain: "pre",
        expressions: [
          loadMeta("nfproto", 0),
          compare(0, Uint8Array.of(2)),
          loadPayload("network", 16, 4, 0),
          loadMeta("l4proto", 1),
          loadPayload("transport", 2, 2, 2),
          lookUp("ports", 0),
          goTo("sub"),
        ],
      },
      { do: "add-rule", table: "t", chain: "sub", expressions: [verdict("drop")] },
    ]);
    expect(listed()).toBe(
      "table inet t { set ports { type ipv4_addr . inet_proto . inet_service elements = { 10.0.0.1 . tcp . 443 } } " +
        "chain sub { drop } chain pre { type filter hook prerouting priority mangle; policy accept; " +
        "ip daddr . meta l4proto . th dport @ports goto sub } }",
    );
  });

  it("has sets of ranges in several fields", () => {
    const [vip, low, high] = ["fd00::1", "2001:db8::", "2001:db8::ffff"].map(v4) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    nftables.apply("make", "inet", [
      ...base,
      { do: "add-set", table: "t", set: SOURCES },
      {
        do: "add-elements",
        table: "t",
        set: SOURCES,
        elements: [{ from: [vip, PORT, low], to: [vip, PORT, high] }],
      },
    ]);
    expect(listed()).toContain(
      "set sources { type ipv6_addr . inet_service . ipv6_addr flags interval elements = { fd00::1 . 443 . 2001:db8::/112 } }",
    );
  });

  it("carries a batch out as a whole or not at all, and says what was wrong", () => {
    nftables.apply("make", "inet", base);
    const before = listed();
    const bad: NftChange = { do: "add-rule", table: "t", chain: "none", expressions: [verdict("drop")] };
    const make = (): void =>
      nftables.apply("a rule for nobody", "inet", [{ do: "add-chain", table: "t", chain: "other" }, bad, ...base]);
    expect(make).toThrow(NetlinkRefused);
    expect(make).toThrow(/a rule for nobody.*no such file/i);
    expect(listed()).toBe(before);
  });

  it("replaces a whole table, of thousands of elements, in one batch", () => {
    const elements = Array.from({ length: 5_000 }, (_, at) => ({
      from: [v4(`10.1.${at >> 8}.${at & 255}`), PROTOCOL, PORT],
    }));
    for (const count of [5_000, 5]) {
      nftables.apply("replace", "inet", [
        { do: "add-table", table: "t" },
        { do: "delete-table", table: "t" },
        ...base,
        { do: "add-elements", table: "t", set: PORTS, elements: elements.slice(0, count) },
      ]);
      expect(listed().match(/ \. tcp \. 443/g)).toHaveLength(count);
    }
  });

  it("knows which tables are there, and counts changes of any of them", () => {
    expect(nftables.hasTable("inet", "t")).toBe(false);
    const before = nftables.generation()!;
    lan.in("a", () => execFileSync("nft", ["add", "table", "inet", "t"]));
    expect(nftables.hasTable("inet", "t")).toBe(true);
    expect(nftables.hasTable("ip", "t")).toBe(false);
    expect(nftables.generation()).toBeGreaterThan(before);
  });
});
