import type { Settings } from "./settings.ts";

/** By their first variable: settings that vipcast takes from kube-vip and does not carry out in the same way. */
export const KUBE_VIP_DIFFERS: ReadonlyMap<string, string> = new Map([
  ["bgp_peers", "ports of peers are used, and BFD numbers from 1000 on are microseconds (docs/kube-vip.md)"],
  ["annotation", "followed: a change of the Node is taken up, and the start does not wait for its annotations"],
  ["lb_enable", "nftables balances instead of IPVS, IPv6 as well (docs/balancer.md)"],
  ["enable_service_security", "the rules stand before kube-proxy and know all Services of a VIP (docs/firewall.md)"],
  ["vip_cleanroutingtable", "removes routes of others only; the daemon's own of an earlier run go in any case"],
]);

/** What is different where the manifest says nothing. @param isGiven  whether a variable, or its flag, is set */
export function differentDefaults({ bgp, controlPlane }: Settings, isGiven: (variable: string) => boolean): string[] {
  const texts: string[] = [];
  if (bgp !== null && !isGiven("bgp_hold_time")) texts.push("bgp_hold_time is not set: 9 s, where kube-vip has 30 s");
  if (bgp !== null && controlPlane?.healthCheck && !isGiven("vipcast_control_plane_health_check"))
    texts.push(
      "the API server of the node is probed, and the VIP withdrawn while it is not ready, where kube-vip does not look " +
        "(vipcast_control_plane_health_check=false turns that off)",
    );
  return texts;
}
