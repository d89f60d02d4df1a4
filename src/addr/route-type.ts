/** What a routing table says of a destination, with the kernel's numbers (RTN_* in linux/rtnetlink.h). */
export const ROUTE_TYPES = { unicast: 1, local: 2, blackhole: 6, unreachable: 7, prohibit: 8 } as const;

export type RouteType = keyof typeof ROUTE_TYPES;

/** Null for numbers that are none of these types. */
export const routeTypeOf = (number: number): RouteType | null => names.get(number) ?? null;

/** The other types are an answer of their own, and the kernel takes no interface for them. */
export const namesInterface = (type: RouteType): boolean => type === "unicast" || type === "local";

const names: ReadonlyMap<number, RouteType> = new Map(
  Object.entries(ROUTE_TYPES).map(([name, number]) => [number, name as RouteType]),
);
