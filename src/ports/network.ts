import type { IpAddress } from "../addr/ip.ts";
import type { Mac } from "../addr/mac.ts";
import type { Prefix } from "../addr/prefix.ts";
import type { RouteType } from "../addr/route-type.ts";

/** A network interface as the kernel reports it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** Administratively up and operationally up or unknown. */
  readonly up: boolean;
  readonly loopback: boolean;
  readonly mac: Mac | null;
  /** IPv6 is forwarded here, so neighbours may use this machine as a router. */
  readonly forwardsIpv6?: boolean;
}

export interface InterfaceAddress {
  readonly interfaceIndex: number;
  readonly address: IpAddress;
  readonly prefixLength: number;
  /** Carries our ownership mark: put there by this program, in this run or an earlier one. */
  readonly owned: boolean;
  /** Duplicate address detection is still running or has failed (IPv6). */
  readonly tentative: boolean;
}

export interface AddressToAdd {
  readonly interfaceIndex: number;
  readonly address: IpAddress;
  readonly prefixLength: number;
  /** Scope host (only valid on this machine) instead of global. */
  readonly scopeHost: boolean;
  /** The kernel removes it after so many seconds by itself; null or left out: never. */
  readonly validSeconds?: number | null;
}

export interface Route {
  readonly prefix: Prefix;
  readonly table: number;
  /** Route protocol number: the ownership mark of routes. */
  readonly protocol: number;
  /** Left out: `unicast`. */
  readonly type?: RouteType;
  /** What decides among routes to one prefix. Left out: that of FRR's BGP; 0: what the kernel gives. */
  readonly metric?: number;
  /** Several make an equal-cost multipath route; none only where the type names no interface. */
  readonly nextHops: readonly NextHop[];
}

export interface NextHop {
  readonly via?: IpAddress;
  readonly interfaceIndex?: number;
}

/** Why the kernel refused a request. */
export class NetlinkRefused extends Error {
  override readonly name = "NetlinkRefused";
  readonly errno: number;
  constructor(what: string, errno: number, message: string) {
    super(`${what}: ${message}`);
    this.errno = errno;
  }
}

/**
 * The kernel's links, addresses and routes. Requests are answered at once and throw `NetlinkRefused`; adding what is
 * there and removing what is not are no errors.
 */
export interface KernelNetwork {
  links(): readonly Link[];
  addresses(): readonly InterfaceAddress[];
  addAddress(address: AddressToAdd): void;
  /** Gives an address that is there, and ours, a new lifetime from now. */
  extendAddress(address: AddressToAdd): void;
  removeAddress(address: Pick<InterfaceAddress, "interfaceIndex" | "address" | "prefixLength">): void;
  /** Of all types, each named unless it is `unicast`; without their metrics. */
  routes(filter: { readonly table: number; readonly protocol: number }): readonly Route[];
  /** Adds the route, or replaces the one with the same prefix, table, protocol and metric. */
  replaceRoute(route: Route): void;
  removeRoute(route: Pick<Route, "prefix" | "table" | "protocol">): void;
  /** Calls `onChange` after links, addresses or routes changed, bursts folded into one call. */
  watch(onChange: () => void): { close(): void };
}

/** Sends layer-2 announcements out of one interface. */
export interface SegmentSocket {
  /** A complete Ethernet frame for ARP. */
  sendFrame(frame: Uint8Array): void;
  /** An ICMPv6 message to a multicast group or host; the kernel fills in checksum, hop limit is 255. */
  sendIcmpv6(message: Uint8Array, destination: IpAddress): void;
  close(): void;
}

export interface Segments {
  /** @throws when the interface is gone or the capability NET_RAW is missing. */
  open(interfaceIndex: number): SegmentSocket;
}

/** Hears the ARP and neighbour discovery of one segment. */
export interface SegmentTaps {
  /**
   * `onFrame` gets each Ethernet frame with ARP, a neighbour solicitation or an advertisement that arrives on the
   * interface; none of our own. The octets are only lent.
   *
   * @throws when the interface is gone or the capability NET_RAW is missing.
   */
  open(interfaceIndex: number, onFrame: (frame: Uint8Array) => void): { close(): void };
}
