import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ip, type IpAddress } from "../addr/ip.ts";
import { allocate, type Allocation, type Claimant } from "./allocate.ts";
import { parsePools } from "./config-map.ts";

const claimant = (name: string, of: Partial<Claimant> = {}): Claimant => ({
  ...{ key: `default/${name}`, namespace: "default", name, addresses: [], annotated: false, labelled: false },
  ...{ asksForMore: false, families: [4], familyPolicy: "SingleStack", ports: [80] },
  ...of,
});
const having = (name: string, addresses: string[], of: Partial<Claimant> = {}): Claimant =>
  claimant(name, { addresses: addresses.map(ip), annotated: true, labelled: true, ...of });
const given = ({ assignments }: Allocation): Record<string, readonly IpAddress[] | null> =>
  Object.fromEntries(assignments.map(({ name, addresses }) => [name, addresses]));
const run = (data: Record<string, string>, ...services: Claimant[]): Allocation => allocate(parsePools(data), services);

describe("addresses from pools", () => {
  it("are the first that are free, from the bottom or from the top", () => {
    const services = [having("a", ["10.0.0.1"]), claimant("b"), claimant("c")];
    expect(given(run({ "cidr-global": "10.0.0.0/29" }, ...services))).toEqual({ b: ["10.0.0.2"], c: ["10.0.0.3"] });
    const descending = { "cidr-global": "10.0.0.0/29", "search-order": "desc" };
    expect(given(run(descending, ...services))).toEqual({ b: ["10.0.0.7"], c: ["10.0.0.6"] });
  });

  it("I3: what a Service has or asks for it keeps, whether or not a pool has it; annotation and label are completed", () => {
    const services = [
      having("annotated", ["192.0.2.9"], { labelled: false }),
      claimant("by-spec", { addresses: [ip("10.0.0.2")] }),
      having("done", ["10.0.0.1"]),
      claimant("wants-dhcp", { annotated: true, asksForMore: true }),
      claimant("new"),
    ];
    expect(given(run({ "cidr-global": "10.0.0.0/29" }, ...services))).toEqual({
      annotated: null,
      "by-spec": ["10.0.0.2"],
      new: ["10.0.0.3"],
    });
  });

  it("I2: a pool that has run out says so, and serves the one that waits when an address is free again", () => {
    const data = { "range-global": "10.0.0.1-10.0.0.2" };
    const full = run(data, having("a", ["10.0.0.1"]), having("b", ["10.0.0.2"]), claimant("c"));
    expect([...full.failures]).toEqual([
      ["default/c", "pool range-global is exhausted: all 2 IPv4 addresses are taken"],
    ]);
    expect(full.usage).toEqual([{ pool: "range-global", family: 4, used: 2, size: 2n }]);
    expect(given(run(data, having("b", ["10.0.0.2"]), claimant("c")))).toEqual({ c: ["10.0.0.1"] });
    expect([...run({}, claimant("c")).failures.values()]).toEqual([
      "no pool of namespace default or global has IPv4 addresses",
    ]);
  });

  it("I4: families come in the Service's order; one is enough to prefer both, and not to require them", () => {
    const both = { "cidr-global": "10.0.0.0/29,fd00::/125" };
    const dual = { families: [6, 4] as const, familyPolicy: "PreferDualStack" } as const;
    expect(given(run(both, claimant("a", dual)))).toEqual({ a: ["fd00::", "10.0.0.1"] });
    expect(given(run({ "cidr-global": "10.0.0.0/29" }, claimant("a", dual)))).toEqual({ a: ["10.0.0.1"] });
    const required = run(
      { "cidr-global": "10.0.0.0/29" },
      claimant("a", { ...dual, familyPolicy: "RequireDualStack" }),
    );
    expect([given(required), [...required.failures.values()]]).toEqual([
      {},
      [expect.stringContaining("has IPv6 addresses")],
    ]);
    expect(given(run(both, claimant("a", { families: [6, 4] })))).toEqual({ a: ["fd00::"] });
  });

  it("an IPv4 address is shared where both namespaces allow it and no port meets another", () => {
    const data = { "cidr-global": "10.0.0.0/29", "allow-share-default": "true" };
    const a = having("a", ["10.0.0.1"]);
    expect(given(run(data, a, claimant("b", { ports: [443] })))).toEqual({ b: ["10.0.0.1"] });
    expect(given(run(data, a, claimant("b", { ports: [80, 443] })))).toEqual({ b: ["10.0.0.2"] });
    expect(given(run(data, a, claimant("b", { ports: [] })))).toEqual({ b: ["10.0.0.2"] });
    const other = claimant("b", { key: "other/b", namespace: "other", ports: [443] });
    expect(given(run(data, a, other))).toEqual({ b: ["10.0.0.2"] });
  });

  it("addresses that two Services claim for the same port are named", () => {
    const { conflicts } = run({}, having("a", ["10.0.0.1"]), having("b", ["10.0.0.1"]), having("c", ["10.0.0.2"]));
    expect(conflicts).toEqual([{ address: "10.0.0.1", services: ["default/a", "default/b"] }]);
    expect(run({}, having("a", ["10.0.0.1"]), having("b", ["10.0.0.1"], { ports: [443] })).conflicts).toEqual([]);
  });

  it("thousands are given quickly from ranges that nobody could list", () => {
    const services = Array.from({ length: 5_000 }, (_, at) => claimant(`s${at}`, { families: [6] }));
    const { assignments } = run({ "cidr-global": "fd00::/8" }, ...services);
    expect(new Set(assignments.flatMap(({ addresses }) => addresses!)).size).toBe(5_000);
  });

  it("whatever is there: no address is given twice, nor one that somebody has, nor one outside the pools", () => {
    const address = fc.integer({ min: 0, max: 20 }).map((last) => `10.0.0.${last}`);
    const service = fc.record({ has: fc.option(address), dual: fc.boolean() });
    fc.assert(
      fc.property(fc.array(service, { maxLength: 30 }), fc.boolean(), (services, descending) => {
        const all = services.map(({ has, dual }, at) => {
          const families = { families: dual ? ([4, 6] as const) : ([4] as const) };
          const familyPolicy = dual ? "RequireDualStack" : "SingleStack";
          return has === null
            ? claimant(`s${at}`, { ...families, familyPolicy })
            : having(`s${at}`, [has], { ...families, familyPolicy });
        });
        const data = { "cidr-global": "10.0.0.0/28,fd00::/126", "search-order": descending ? "desc" : "asc" };
        const { assignments, failures } = run(data, ...all);
        const fresh = assignments.flatMap(({ addresses }) => addresses ?? []);
        const held = new Set(all.flatMap(({ addresses }) => addresses));
        expect(new Set(fresh).size).toBe(fresh.length);
        for (const one of fresh) {
          expect(held.has(one)).toBe(false);
          expect(one).toMatch(/^(10\.0\.0\.([1-9]|1[0-5])|fd00::[123]?)$/);
        }
        expect(assignments.length + failures.size).toBe(all.filter(({ addresses }) => addresses.length === 0).length);
      }),
    );
  });
});
