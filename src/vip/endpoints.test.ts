import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EndpointsFold } from "./endpoints.ts";
import { type EndpointSliceFact, type ServiceKey, serviceKey } from "./facts.ts";

const slice = (service: ServiceKey): EndpointSliceFact => ({ service, family: 4, endpoints: [] });

const listed = (...slices: readonly EndpointSliceFact[]) => new Map(slices.entries());

/** The definition: each Service's slices in the order in which they come. */
const grouped = (slices: readonly EndpointSliceFact[]) => Map.groupBy(slices, ({ service }) => service);

describe("EndpointsFold", () => {
  it("gives a Service whose slices have not changed the same list, and others theirs", () => {
    const [web, api] = [serviceKey("default", "web"), serviceKey("default", "api")];
    const fold = new EndpointsFold();
    const [one, two, other] = [slice(web), slice(web), slice(api)];
    const before = fold.fold(listed(one, other, two), 1);
    const changed = slice(api);
    const after = fold.fold(listed(one, changed, two), 2);
    expect(after.get(web)).toBe(before.get(web));
    expect(after.get(api)).toEqual([changed]);
    expect(after.get(api)).not.toBe(before.get(api));
  });

  it("groups whatever comes, whatever came before", () => {
    const pool = ["a", "b", "c"].flatMap((name) => Array.from({ length: 4 }, () => slice(serviceKey("ns", name))));
    const lists = fc.array(
      fc.subarray(pool).chain((some) => fc.shuffledSubarray(some, { minLength: some.length })),
      {
        maxLength: 6,
      },
    );
    fc.assert(
      fc.property(lists, (rounds) => {
        const fold = new EndpointsFold();
        for (const [version, slices] of rounds.entries()) {
          const seen = fold.fold(listed(...slices), version);
          expect([...seen.keys()].toSorted()).toEqual([...grouped(slices).keys()].toSorted());
          for (const [service, own] of grouped(slices)) {
            expect(seen.get(service)!.length).toBe(own.length);
            expect(seen.get(service)!.every((one, at) => one === own[at])).toBe(true);
          }
        }
      }),
    );
  });
});
