import { type Family, type IpAddress, ipToBytes } from "../../addr/ip.ts";
import { prefixAddress, prefixFamily, prefixLength, prefixOf, type Prefix } from "../../addr/prefix.ts";
import {
  AF_INET,
  AF_INET6,
  addressOf,
  afOf,
  afOfAddress,
  decodeAttributes,
  type Attributes,
  u32Attribute,
  writeAttribute,
} from "./message.ts";
import { NativeReader, NativeWriter } from "./native-bytes.ts";

/** RTM_NEWROUTE and RTM_DELROUTE (rtnetlink(7), linux/rtnetlink.h). */
export interface RouteMessage {
  readonly prefix: Prefix;
  readonly table: number;
  readonly protocol: number;
  readonly scope: number;
  /** RTN_*; 0 matches any in a deletion. */
  readonly type: number;
  /** RTM_F_* */
  readonly flags: number;
  /** Metric; 0 leaves it to the kernel, and matches any in a deletion. */
  readonly priority: number;
  /** None in a deletion: any; and none where the type is an answer of its own. One, or several for an equal-cost multipath route. */
  readonly nextHops: readonly RouteNextHop[];
}

/** Absent fields are absent on the wire. `via` may be of the other family (RFC 8950). */
interface RouteNextHop {
  readonly via?: IpAddress;
  readonly interfaceIndex?: number;
}

/** The route is an entry of the cache, not of the table. */
export const RTM_F_CLONED = 0x200;

const RTA = { destination: 1, device: 4, gateway: 5, priority: 6, multipath: 9, table: 15, via: 18 } as const;
const NEXT_HOP_HEADER_LENGTH = 8;
/** In the header's one octet: look at RTA_TABLE. */
const TABLE_COMPAT = 252;

/** The payload of RTM_GETROUTE for a dump; kernels with strict checking (4.20) answer with matching routes only. */
export function encodeRouteQuery(family: Family, table: number, protocol: number): Uint8Array {
  const out = header(afOf(family), 0, table, protocol, 0, 0, 0);
  writeAttribute(out, RTA.table, u32Attribute(table));
  return out.finish();
}

export function encodeRoute(route: RouteMessage): Uint8Array {
  const { prefix, table, protocol, scope, type, flags, nextHops } = route;
  const af = afOf(prefixFamily(prefix));
  const out = header(af, prefixLength(prefix), table, protocol, scope, type, flags);
  writeAttribute(out, RTA.destination, ipToBytes(prefixAddress(prefix)));
  writeAttribute(out, RTA.table, u32Attribute(table));
  if (route.priority !== 0) writeAttribute(out, RTA.priority, u32Attribute(route.priority));
  const only = nextHops[0];
  if (nextHops.length === 1 && only !== undefined) {
    if (only.interfaceIndex !== undefined) writeAttribute(out, RTA.device, u32Attribute(only.interfaceIndex));
    writeGateway(out, only, af);
  } else if (nextHops.length > 1) {
    const list = new NativeWriter();
    for (const hop of nextHops) {
      const gateway = new NativeWriter();
      writeGateway(gateway, hop, af);
      const attributes = gateway.finish();
      // length, flags, weight - 1, interface
      list.u16(NEXT_HOP_HEADER_LENGTH + attributes.length);
      list
        .u8(0)
        .u8(0)
        .u32(hop.interfaceIndex ?? 0)
        .padded(attributes);
    }
    writeAttribute(out, RTA.multipath, list.finish());
  }
  return out.finish();
}

/**
 * Null for other families than IPv4 and IPv6.
 *
 * @throws Truncated when a length does not fit; RangeError when the prefix length is too large for the family
 */
export function decodeRoute(payload: Uint8Array): RouteMessage | null {
  const reader = new NativeReader(payload);
  const [af, length] = [reader.u8("family"), reader.u8("destination length")];
  reader.u16("source length and type of service");
  const [table, protocol] = [reader.u8("table"), reader.u8("protocol")];
  const [scope, type, flags] = [reader.u8("scope"), reader.u8("type"), reader.u32("flags")];
  if (af !== AF_INET && af !== AF_INET6) return null;
  const attributes = decodeAttributes(reader);
  const word = (attribute: number, otherwise: number): number => {
    const value = attributes.get(attribute);
    return value === undefined ? otherwise : new NativeReader(value).u32(`attribute ${attribute}`);
  };
  const destination = attributes.get(RTA.destination) ?? new Uint8Array(af === AF_INET ? 4 : 16);
  const multipath = attributes.get(RTA.multipath);
  const device = word(RTA.device, 0);
  const only = nextHop(attributes, device, af);
  const nothing = only.via === undefined && only.interfaceIndex === undefined;
  return {
    prefix: prefixOf(addressOf(destination, af), length),
    table: word(RTA.table, table),
    protocol,
    scope,
    type,
    flags,
    priority: word(RTA.priority, 0),
    nextHops: multipath === undefined ? (nothing ? [] : [only]) : decodeMultipath(multipath, af),
  };
}

function header(
  af: number,
  length: number,
  table: number,
  protocol: number,
  scope: number,
  type: number,
  flags: number,
): NativeWriter {
  const shortTable = table < 256 ? table : TABLE_COMPAT;
  return new NativeWriter().u8(af).u8(length).u16(0).u8(shortTable).u8(protocol).u8(scope).u8(type).u32(flags);
}

function writeGateway(out: NativeWriter, hop: RouteNextHop, routeAf: number): void {
  if (hop.via === undefined) return;
  const af = afOfAddress(hop.via);
  const octets = ipToBytes(hop.via);
  if (af === routeAf) writeAttribute(out, RTA.gateway, octets);
  else writeAttribute(out, RTA.via, Uint8Array.of(af, 0, ...octets));
}

function decodeMultipath(value: Uint8Array, af: number): RouteNextHop[] {
  const reader = new NativeReader(value);
  const hops: RouteNextHop[] = [];
  while (reader.left > 0) {
    const length = reader.u16("next hop length");
    reader.u16("next hop flags and weight");
    const device = reader.u32("next hop interface");
    const attributes = reader.padded(length - NEXT_HOP_HEADER_LENGTH, "next hop attributes");
    hops.push(nextHop(decodeAttributes(new NativeReader(attributes)), device, af));
  }
  return hops;
}

function nextHop(attributes: Attributes, device: number, af: number): RouteNextHop {
  const gateway = attributes.get(RTA.gateway);
  const other = attributes.get(RTA.via);
  const via = gateway ? addressOf(gateway, af) : other ? decodeVia(new NativeReader(other)) : undefined;
  return { ...(via !== undefined && { via }), ...(device !== 0 && { interfaceIndex: device }) };
}

/** RTA_VIA: a family of two octets, then the address. */
function decodeVia(reader: NativeReader): IpAddress {
  const af = reader.u16("family of the next hop");
  return addressOf(reader.rest(), af);
}
