import { beforeEach, describe, expect, it } from "vitest";
import { ip, type IpAddress } from "../../addr/ip.ts";
import { hostPrefix } from "../../addr/prefix.ts";
import { type AddressMessage, decodeAddress, encodeAddress } from "../wire/address.ts";
import { decodeMessages, encodeMessage, NLMSG, RTM } from "../wire/message.ts";
import { encodeRoute, type RouteMessage } from "../wire/route.ts";
import { NetlinkSocket } from "./netlink-socket.ts";
import { Netlink } from "./netlink.ts";

const VIP = { interfaceIndex: 2, address: ip("fd00::100"), prefixLength: 128, scopeHost: false };

/** Keeps no IFA_PROTO (Linux before 5.18) and answers a dump with everything (before 4.20). */
class OldKernel {
  addresses: AddressMessage[] = [];
  routes: Uint8Array[] = [];
  #answers: Uint8Array[] = [];

  readonly socket = new NetlinkSocket({
    send: (datagram) => {
      for (const { type, sequence, payload } of decodeMessages(datagram)) {
        const answer = (kind: number, body: Uint8Array): void =>
          void this.#answers.push(encodeMessage({ type: kind, flags: 0, sequence, payload: body }));
        const finish = (kind: number, errno = 0): void => answer(kind, new Uint8Array(Int32Array.of(-errno).buffer));
        if (type === RTM.getAddress) {
          for (const address of this.addresses) answer(RTM.newAddress, encodeAddress(address));
          finish(NLMSG.done);
        } else if (type === RTM.getRoute) {
          for (const route of this.routes) answer(RTM.newRoute, route);
          finish(NLMSG.done);
        } else if (type === RTM.newAddress) {
          const wanted = { ...decodeAddress(payload)!, protocol: 0, label: "" };
          const there = this.addresses.some((it) => it.address === wanted.address);
          if (!there) this.addresses.push(wanted);
          finish(NLMSG.error, there ? 17 : 0);
        } else if (type === RTM.deleteAddress) {
          const target = decodeAddress(payload)!.address;
          const there = this.addresses.some((it) => it.address === target);
          this.addresses = this.addresses.filter((it) => it.address !== target);
          finish(NLMSG.error, there ? 0 : 99);
        } else finish(NLMSG.error, 19);
      }
    },
    receive: () => this.#answers.shift() ?? null,
    close() {},
  });
}

describe("a kernel that keeps no mark on IPv6 addresses", () => {
  let kernel: OldKernel;
  let network: Netlink;
  const owned = (): IpAddress[] =>
    network
      .addresses()
      .filter((it) => it.owned)
      .map((it) => it.address);

  beforeEach(() => {
    kernel = new OldKernel();
    network = new Netlink({ addressProtocol: 200 }, kernel.socket);
  });

  it("leaves it to this run to remember what it added", () => {
    network.addAddress(VIP);
    expect(owned()).toEqual([VIP.address]);
    network.removeAddress(VIP);
    network.removeAddress(VIP);
    expect(kernel.addresses).toEqual([]);
  });

  it("shows an earlier run's address as foreign, because it might be", () => {
    network.addAddress(VIP);
    network = new Netlink({ addressProtocol: 200 }, kernel.socket);
    network.addAddress(VIP);
    expect(owned()).toEqual([]);
    expect(network.addresses()).toHaveLength(1);
  });

  it("does not make ours what somebody adds after we removed it", () => {
    network.addAddress(VIP);
    const [address] = kernel.addresses;
    network.removeAddress(VIP);
    kernel.addresses.push(address!);
    expect(owned()).toEqual([]);
  });

  it("does not make ours what somebody adds after it was seen to be gone", () => {
    network.addAddress(VIP);
    const taken = kernel.addresses.splice(0);
    expect(owned()).toEqual([]);
    kernel.addresses.push(...taken);
    expect(owned()).toEqual([]);
  });

  it("does not overrule the marks of a kernel that keeps them", () => {
    network.addAddress(VIP);
    // Somebody removed ours and added the same; the kernel's own mark on ::1 says that it would have kept ours.
    kernel.addresses.push({ ...kernel.addresses[0]!, address: ip("::1"), protocol: 1 });
    expect(owned()).toEqual([]);
  });

  it("answers a question for routes with all it has, of which only the right ones are taken", () => {
    const route: RouteMessage = {
      prefix: hostPrefix(ip("10.96.0.10")),
      table: 254,
      protocol: 202,
      scope: 0,
      type: 1,
      flags: 0,
      priority: 20,
      nextHops: [{ via: ip("10.0.0.2"), interfaceIndex: 2 }],
    };
    kernel.routes = [
      { ...route, table: 255 },
      { ...route, protocol: 2 },
      { ...route, type: 9 },
      { ...route, flags: 0x200 },
    ].map(encodeRoute);
    const bridge = encodeRoute(route);
    bridge[0] = 7;
    kernel.routes.push(bridge);
    expect(network.routes({ table: 254, protocol: 202 })).toEqual([]);
    kernel.routes.push(encodeRoute(route));
    const { prefix, table, protocol, nextHops } = route;
    const expected = { prefix, table, protocol, nextHops };
    // Once for each family that was asked for: this kernel gives the same list both times.
    expect(network.routes({ table: 254, protocol: 202 })).toEqual([expected, expected]);
  });
});
