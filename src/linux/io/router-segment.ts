import { ipToBytes, ip } from "../../addr/ip.ts";
import type { RouterSegments } from "../../ports/router-segment.ts";
import { closeSocket, int32, sendDatagram, setSocketOption } from "./ffi.ts";
import { openIcmpv6 } from "./segment.ts";
import { ETHERTYPE, icmpv6Filter, tap } from "./segment-tap.ts";
import { sockaddr } from "./socket-options.ts";

const IPPROTO_IPV6 = 41;
const IPV6_ADD_MEMBERSHIP = 20;
const ALL_ROUTERS = ip("ff02::2");
const [ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT] = [133, 134] as const;

/**
 * Router discovery of one interface, beside the kernel's own and without changing it: what arrives is copied to a packet
 * socket, accept_ra and the host's addresses and routes are not touched. Takes CAP_NET_RAW.
 */
export const routerSegments: RouterSegments = {
  open(interfaceIndex, onFrame) {
    const icmpv6 = openIcmpv6(interfaceIndex);
    try {
      // A host is no member of all routers: without this the card and switches may keep solicitations away.
      const membership = Uint8Array.from([...ipToBytes(ALL_ROUTERS), ...int32(interfaceIndex)]);
      setSocketOption(icmpv6, "IPV6_ADD_MEMBERSHIP", IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, membership);
      const filter = icmpv6Filter(ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT);
      const ear = tap(interfaceIndex, ETHERTYPE.ipv6, filter, onFrame);
      return {
        send: (message, destination) => sendDatagram(icmpv6, message, sockaddr(destination)),
        close() {
          ear.close();
          closeSocket(icmpv6);
        },
      };
    } catch (error) {
      closeSocket(icmpv6);
      throw error;
    }
  },
};
