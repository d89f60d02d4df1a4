import { readFileSync } from "node:fs";

/** Whether the interface forwards IPv6, so that its neighbour advertisements must say "router" (RFC 4861 §4.4). */
export function forwardsIpv6(interfaceName: string): boolean {
  try {
    return readFileSync(`/proc/sys/net/ipv6/conf/${interfaceName}/forwarding`, "utf8").trim() === "1";
  } catch {
    // The interface is gone, or IPv6 is off: nothing is advertised then.
    return false;
  }
}
