import { constants } from "node:os";
import { bitsOf, familyOf, isIpv4 } from "../../addr/ip.ts";
import { namesInterface, ROUTE_TYPES, routeTypeOf } from "../../addr/route-type.ts";
import { macFromBytes } from "../../addr/mac.ts";
import {
  type AddressToAdd,
  type InterfaceAddress,
  type KernelNetwork,
  type Link,
  NetlinkRefused,
  type Route,
} from "../../ports/network.ts";
import {
  type AddressMessage,
  decodeAddress,
  encodeAddress,
  encodeAddressQuery,
  FOREVER,
  IFA_F,
  SCOPE,
} from "../wire/address.ts";
import { ARPHRD_ETHERNET, decodeLink, encodeLinkQuery, IFF, type LinkMessage, OPER_STATE } from "../wire/link.ts";
import { FLAG, RTM } from "../wire/message.ts";
import { decodeRoute, encodeRoute, encodeRouteQuery, RTM_F_CLONED } from "../wire/route.ts";
import { NetlinkSocket } from "./netlink-socket.ts";
import { watchNetlink } from "./netlink-watch.ts";

/**
 * The kernel's links, addresses and routes over rtnetlink.
 *
 * Requests are synchronous: the kernel answers within the system call, in tens of microseconds, so an event loop
 * round trip would cost more than it saves. Changes come over sockets of their own (`netlink-watch.ts`).
 *
 * What is ours is written on the thing itself, so that a later run recognises it: routes carry a protocol number,
 * addresses one too (IFA_PROTO, Linux 5.18) and IPv4 addresses also a label that ends in ":v" and that number, which
 * older kernels keep. An IPv6 address on an older kernel carries no mark; there this object remembers what it added, and what a
 * killed run left behind stays foreign. An address that was there before us is never marked, nor taken for ours.
 */
export class Netlink implements KernelNetwork {
  readonly #socket: NetlinkSocket;
  readonly #addressProtocol: number;
  readonly #marks: readonly number[];
  readonly #added = new Set<string>();
  readonly #watches = new Set<{ close(): void }>();

  /**
   * @param options.addressProtocol  our number in IFA_PROTO, 4 to 255 (the kernel has 1 to 3)
   * @param options.alsoOwned  further numbers whose addresses are ours: what a run with another number left behind
   * @throws SystemError when the socket cannot be had
   */
  constructor(
    options: { readonly addressProtocol: number; readonly alsoOwned?: readonly number[] },
    socket = new NetlinkSocket(),
  ) {
    this.#addressProtocol = options.addressProtocol;
    this.#marks = [options.addressProtocol, ...(options.alsoOwned ?? [])];
    this.#socket = socket;
  }

  links(): readonly Link[] {
    return this.#socket
      .dump("list links", RTM.getLink, encodeLinkQuery())
      .map((payload) => linkOf(decodeLink(payload)));
  }

  addresses(): readonly InterfaceAddress[] {
    const messages = this.#addressMessages().map(({ message }) => message);
    const present = new Set(messages.map(keyOf));
    // Whoever puts it there again after it has vanished need not be us.
    for (const key of this.#added) if (!present.has(key)) this.#added.delete(key);
    // The kernel marks its own loopback addresses, so one that knows marks shows some.
    const marksAreKept = messages.some((message) => message.protocol !== 0);
    const owns = (message: AddressMessage): boolean =>
      this.#marks.some((mark) =>
        message.protocol === 0 ? message.label.endsWith(labelSuffix(mark)) : message.protocol === mark,
      ) ||
      (!marksAreKept && this.#added.has(keyOf(message)));
    return messages.map((message) => ({
      interfaceIndex: message.interfaceIndex,
      address: message.address,
      prefixLength: message.prefixLength,
      owned: owns(message),
      tentative: (message.flags & (IFA_F.tentative | IFA_F.dadFailed)) !== 0,
    }));
  }

  addAddress(wanted: AddressToAdd): void {
    const message = this.#messageOf(wanted);
    const added = this.#socket.request(
      `add address ${wanted.address}/${wanted.prefixLength}`,
      { type: RTM.newAddress, flags: FLAG.create | FLAG.exclusive, payload: encodeAddress(message) },
      [constants.errno.EEXIST],
    );
    if (added) this.#added.add(keyOf(message));
  }

  extendAddress(wanted: AddressToAdd): void {
    const payload = encodeAddress(this.#messageOf(wanted));
    const what = `extend address ${wanted.address}/${wanted.prefixLength}`;
    this.#socket.request(what, { type: RTM.newAddress, flags: FLAG.replace, payload }, []);
  }

  #messageOf({ interfaceIndex, address, prefixLength, scopeHost, validSeconds }: AddressToAdd): AddressMessage {
    const v4 = isIpv4(address);
    return {
      interfaceIndex,
      address,
      prefixLength,
      // A VIP moves between nodes: waiting for duplicate detection would only lengthen the gap.
      flags: v4 ? 0 : IFA_F.noDad,
      scope: scopeHost ? SCOPE.host : SCOPE.universe,
      protocol: this.#addressProtocol,
      label: v4 ? labelFor(this.#nameOf(interfaceIndex), this.#addressProtocol) : "",
      // Never chosen as the source of the node's own connections.
      lifetime: { preferredSeconds: 0, validSeconds: validSeconds ?? FOREVER },
    };
  }

  removeAddress(unwanted: Pick<InterfaceAddress, "interfaceIndex" | "address" | "prefixLength">): void {
    const message: AddressMessage = { ...unwanted, ...ANY_ADDRESS };
    const dependants = this.#secondariesBehind(message);
    this.#socket.request(
      `remove address ${unwanted.address}/${unwanted.prefixLength}`,
      { type: RTM.deleteAddress, flags: 0, payload: encodeAddress(message) },
      [constants.errno.EADDRNOTAVAIL, constants.errno.ENODEV],
    );
    this.#added.delete(keyOf(unwanted));
    for (const payload of dependants) {
      this.#socket.request(
        "put back an address that the kernel dropped along with ours",
        { type: RTM.newAddress, flags: FLAG.create | FLAG.exclusive, payload },
        [constants.errno.EEXIST],
      );
    }
  }

  routes(filter: { readonly table: number; readonly protocol: number }): readonly Route[] {
    return ([4, 6] as const).flatMap((family) =>
      this.#socket
        .dump("list routes", RTM.getRoute, encodeRouteQuery(family, filter.table, filter.protocol))
        .map(decodeRoute)
        .filter((route) => route !== null)
        .filter((route) => route.table === filter.table && route.protocol === filter.protocol)
        .filter((route) => (route.flags & RTM_F_CLONED) === 0)
        .flatMap(({ prefix, table, protocol, type: number, nextHops }): readonly Route[] => {
          const type = routeTypeOf(number);
          if (type === null) return [];
          return [{ prefix, table, protocol, nextHops, ...(type === "unicast" ? {} : { type }) }];
        }),
    );
  }

  replaceRoute(route: Route): void {
    const { prefix, table, protocol, type = "unicast", metric = ROUTE_PRIORITY, nextHops } = route;
    if (namesInterface(type) !== nextHops.length > 0)
      throw new RangeError(`${nextHops.length > 0 ? "no" : "a"} next hop is needed: ${type} ${prefix}`);
    const payload = encodeRoute({
      prefix,
      table,
      protocol,
      // The kernel takes no other scope of what is this machine's own. IPv6 has no such notion and ignores it.
      scope: type === "local" ? SCOPE.host : SCOPE.universe,
      type: ROUTE_TYPES[type],
      flags: 0,
      priority: metric,
      nextHops,
    });
    const put = (flags: number, tolerated: readonly number[]): boolean =>
      this.#socket.request(`route ${prefix}`, { type: RTM.newRoute, flags: FLAG.create | flags, payload }, tolerated);
    if (put(FLAG.exclusive, [constants.errno.EEXIST])) return;
    // The kernel replaces whatever has this prefix and priority, also another program's route: look whose it is.
    if (!this.routes({ table, protocol }).some((present) => present.prefix === prefix)) {
      throw new NetlinkRefused(`route ${prefix}`, constants.errno.EEXIST, "another program's route is in its place");
    }
    put(FLAG.replace, []);
  }

  removeRoute(route: Pick<Route, "prefix" | "table" | "protocol">): void {
    this.#socket.request(
      `remove route ${route.prefix}`,
      {
        type: RTM.deleteRoute,
        flags: 0,
        payload: encodeRoute({ ...route, scope: SCOPE.nowhere, type: 0, flags: 0, priority: 0, nextHops: [] }),
      },
      [constants.errno.ESRCH, constants.errno.ENOENT],
    );
  }

  watch(onChange: () => void): { close(): void } {
    const watching = watchNetlink(onChange);
    this.#watches.add(watching);
    return {
      close: () => {
        if (this.#watches.delete(watching)) watching.close();
      },
    };
  }

  close(): void {
    for (const watching of this.#watches) watching.close();
    this.#watches.clear();
    this.#socket.close();
  }

  #addressMessages(): { message: AddressMessage; payload: Uint8Array }[] {
    return this.#socket.dump("list addresses", RTM.getAddress, encodeAddressQuery()).flatMap((payload) => {
      const message = decodeAddress(payload);
      return message === null ? [] : [{ message, payload }];
    });
  }

  #nameOf(interfaceIndex: number): string {
    const payload = this.#socket.get("get link", RTM.getLink, encodeLinkQuery(interfaceIndex));
    return payload === null ? "" : decodeLink(payload).name;
  }

  /**
   * Removing the first IPv4 address of a subnet takes the later ones with it (unless promote_secondaries is set). A
   * VIP with the subnet's own length can be that first one when the node's address was renewed meanwhile; the others
   * are the node's, and are put back as they were.
   */
  #secondariesBehind(target: AddressMessage): readonly Uint8Array[] {
    if (!isIpv4(target.address) || target.prefixLength === bitsOf(familyOf(target.address))) return [];
    const here = this.#addressMessages().filter(({ message }) => message.interfaceIndex === target.interfaceIndex);
    const isSecondary = (message: AddressMessage): boolean => (message.flags & IFA_F.secondary) !== 0;
    if (here.some(({ message }) => keyOf(message) === keyOf(target) && isSecondary(message))) return [];
    return here
      .filter(({ message }) => message.prefixLength === target.prefixLength && isSecondary(message))
      .map(({ payload }) => payload);
  }
}

/** Fields that the kernel does not compare when it looks for the address to delete. */
const ANY_ADDRESS = { flags: 0, scope: 0, protocol: 0, label: "", lifetime: null } as const;

/** A route's metric unless it has one: what FRR gives to BGP, behind any route that was set by hand without one. */
const ROUTE_PRIORITY = 20;

const labelSuffix = (mark: number): string => `:v${mark.toString(16).padStart(2, "0")}`;
/** IFNAMSIZ without the closing NUL. */
const LABEL_MAX_LENGTH = 15;
const labelFor = (name: string, mark: number): string =>
  name.slice(0, LABEL_MAX_LENGTH - labelSuffix(mark).length) + labelSuffix(mark);

const keyOf = (address: Pick<AddressMessage, "interfaceIndex" | "address" | "prefixLength">): string =>
  `${address.interfaceIndex} ${address.address}/${address.prefixLength}`;

function linkOf(message: LinkMessage): Link {
  const { hardwareType, hardwareAddress, flags, operState } = message;
  return {
    index: message.index,
    name: message.name,
    up: (flags & IFF.up) !== 0 && (operState === OPER_STATE.up || operState === OPER_STATE.unknown),
    loopback: (flags & IFF.loopback) !== 0,
    mac: hardwareType === ARPHRD_ETHERNET && hardwareAddress.length === 6 ? macFromBytes(hardwareAddress) : null,
    forwardsIpv6: message.forwardsIpv6 ?? false,
  };
}
