import { bitsOf, familyOf, type IpAddress } from "../addr/ip.ts";
import { prefixContains, prefixOf } from "../addr/prefix.ts";
import { closed, type Gate, open } from "./gates.ts";
import type { InterfaceFact, Path, Snapshot } from "./snapshot.ts";

/** Where the address goes: the named interface, `lo` where routes lead to it, or the one whose subnet holds it. */
export function interfaceGate(
  snapshot: Pick<Snapshot, "interfaces" | "policy">,
  path: Path,
  address: IpAddress,
  wanted: string | null,
): { gate: Gate; at: InterfaceFact | null } {
  const { interfaces, policy } = snapshot;
  const fixed = wanted !== null && wanted !== "auto";
  const fallbackOnly = policy.mode === "auto" && path === "l2";
  const connected = path === "l2" ? connectedTo(interfaces, address) : null;
  if (fallbackOnly && !connected) {
    return {
      gate: closed(
        "interface",
        `${address} is on no connected subnet`,
        "only addresses of a connected subnet can fall back to ARP or NDP",
      ),
      at: null,
    };
  }
  if (path !== "l2" && (!fixed || policy.mode === "auto")) {
    const loopback = interfaces.find((it) => it.loopback) ?? null;
    if (!loopback) return { gate: closed("interface", "there is no loopback interface", "bring up lo"), at: null };
    return { gate: open("interface", `on ${loopback.name}`), at: loopback };
  }
  if (!fixed || (fallbackOnly && wanted === "lo")) {
    if (!connected)
      return {
        gate: closed(
          "interface",
          `no interface has a subnet that holds ${address}`,
          "name the interface (vip_interface)",
        ),
        at: null,
      };
    return judgeLink(connected, `its subnet holds ${address}`);
  }
  const named = interfaces.find((it) => it.name === wanted);
  if (!named)
    return {
      gate: closed("interface", `${wanted} does not exist`, "correct vip_interface, or create the interface"),
      at: null,
    };
  return judgeLink(named, "configured");
}

function judgeLink(link: InterfaceFact, why: string): { gate: Gate; at: InterfaceFact | null } {
  return link.up
    ? { gate: open("interface", `on ${link.name} (${why})`), at: link }
    : { gate: closed("interface", `${link.name} is down`, `bring up ${link.name}`), at: null };
}

/** Without any interface that is up this node cannot answer for any Service, so it must not hold their Lease. */
export function anyInterfaceUp(snapshot: Pick<Snapshot, "interfaces" | "policy">): boolean {
  const wanted = snapshot.policy.services?.interfaceName ?? null;
  return snapshot.interfaces.some(
    (it) => it.up && !it.loopback && (wanted === null || wanted === "auto" || it.name === wanted),
  );
}

/** The interface that a neighbour of this subnet is reached by: of the narrowest subnet, preferably one that is up. */
function connectedTo(interfaces: readonly InterfaceFact[], address: IpAddress): InterfaceFact | null {
  let best: { readonly link: InterfaceFact; readonly length: number } | null = null;
  for (const link of interfaces) {
    if (link.loopback) continue;
    for (const subnet of link.subnets) {
      const isBetter =
        best === null || (link.up === best.link.up ? subnet.length > best.length : link.up && !best.link.up);
      if (isBetter && holds(subnet, address)) best = { link, length: subnet.length };
    }
  }
  return best?.link ?? null;
}

function holds(subnet: InterfaceFact["subnets"][number], address: IpAddress): boolean {
  if (familyOf(subnet.address) !== familyOf(address) || subnet.length === bitsOf(familyOf(address))) return false;
  return prefixContains(prefixOf(subnet.address, subnet.length), address);
}
