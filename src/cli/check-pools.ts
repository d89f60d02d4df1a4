import { parsePools } from "../pools/config-map.ts";
import { sizeOf } from "../pools/ranges.ts";
import type { ConfigMapText } from "./check-manifest.ts";

export interface PoolsVerdict {
  readonly title: string;
  readonly pools: readonly { readonly pool: string; readonly family: string; readonly size: string }[];
  /** What would give no address, or not be as it says. */
  readonly errors: readonly string[];
  /** Harmless, but worth a look. */
  readonly notes: readonly string[];
}

/** What the daemon would make of a ConfigMap of pools. */
export function checkPools({ title, data, placeOf }: ConfigMapText): PoolsVerdict {
  const { pools, problems, overlaps } = parsePools(data);
  const placed = (problem: string): string => {
    const key = Object.keys(data).find((it) => problem.startsWith(`${it}:`) || problem.startsWith(`${it} and `));
    return key === undefined ? problem : `${placeOf(key)}: ${problem}`;
  };
  return {
    title,
    pools: [...pools.values()].flatMap(({ key, ranges }) =>
      ([4, 6] as const).flatMap((family) => {
        const own = ranges.filter((range) => range.family === family);
        const size = own.reduce((sum, range) => sum + sizeOf(range), 0n);
        return own.length === 0 ? [] : [{ pool: key, family: `ipv${family}`, size: String(size) }];
      }),
    ),
    errors: problems.filter((it) => !overlaps.includes(it)).map(placed),
    notes: overlaps.map(placed),
  };
}
