import type { StatusReport, VipReport } from "../status/report.ts";

/** How this node makes the VIP reachable. */
export function pathText({ routeTable }: Pick<StatusReport, "routeTable">, { path }: Pick<VipReport, "path">): string {
  if (path === "table") return `table ${routeTable?.table}`;
  return path === "bgp" ? "BGP" : "ARP/NDP";
}
